"""Storages: whose they are, which one an address is in, and files over any fsspec file system."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from orrery.api.assembly import assemble
from orrery.controllers.contract import Draft
from orrery.controllers.fetches import Progress
from orrery.controllers.settings import Settings
from orrery.controllers.storage_local import LocalFolder
from orrery.controllers.storage_remote import RemoteFolder
from orrery.controllers.storages import Storages, StorageSettings, copy_in, copy_out
from orrery.controllers.training_storage import check_storages
from orrery.domain.access import User
from orrery.domain.locations import check_location
from orrery.domain.trainings import TrainingSpec
from orrery.errors import Invalid
from orrery.store.objects import ObjectStore

ALICE = User("alice", frozenset({"vision"}))


def read(folder: LocalFolder, path: str) -> bytes:
    with folder.open(path) as stream:
        return stream.read()


def storages(**settings: object) -> Storages:
    return Storages({"nas://one:/": StorageSettings.model_validate({"url": "file:///mnt/one", **settings})})


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    return ObjectStore.from_url(tmp_path / "objects")


@pytest.fixture
def bucket() -> Iterator[str]:
    yield "bucket"
    fsspec.filesystem("memory").store.clear()


@pytest.mark.parametrize(
    ("settings", "is_alices"),
    [
        ({}, True),
        ({"users": ["alice"]}, True),
        ({"users": ["bob"]}, False),
        ({"groups": ["vision"]}, True),
        ({"groups": ["speech"]}, False),
        ({"users": ["bob"], "groups": ["vision"]}, True),
        ({"users": []}, False),
    ],
)
def test_whose_a_storage_is(settings: dict[str, object], is_alices: bool) -> None:
    found = storages(**settings)
    found.check("nas://one:/x", User("root", admin=True), "spec.output")
    if is_alices:
        found.check("nas://one:/x", ALICE, "spec.output", write=True)
    else:
        with pytest.raises(Invalid, match="not yours"):
            found.check("nas://one:/x", ALICE, "spec.output")


def test_the_longest_prefix_is_the_storage(tmp_path: Path) -> None:
    found = Storages(
        {
            "nas://one:/": StorageSettings(url=f"file://{tmp_path}/one"),
            "nas://one:/inner": StorageSettings(url=f"file://{tmp_path}/two", read_only=True),
        }
    )
    with pytest.raises(Invalid, match="only be read"):
        found.check("nas://one:/inner/x", ALICE, "spec.output", write=True)
    found.check("nas://one:/innermost", ALICE, "spec.output", write=True)
    with pytest.raises(Invalid, match="no storage"):
        found.check("nas://oneself:/x", ALICE, "spec.output")


def test_a_folder_for_each_user_is_no_way_to_anothers(tmp_path: Path) -> None:
    found = Storages({"nas://home:/": StorageSettings(url=f"file://{tmp_path}/{{owner}}")})
    (tmp_path / "alice").mkdir()
    found.folder("nas://home:/x", "alice").write("a", io.BytesIO(b"1"))
    assert (tmp_path / "alice" / "x" / "a").read_bytes() == b"1"
    for owner in ("..", "a/b", "", "a::b"):
        with pytest.raises(Invalid, match="cannot be the name of one"):
            found.folder("nas://home:/x", owner)


@pytest.mark.parametrize("uri", ["obs://bucket/a", "nas://ID:/a/b", "s3://bucket", "hf://datasets/me/x", "nas://ID:/"])
def test_addresses(uri: str) -> None:
    assert check_location(uri) == uri
    assert check_location(f"{uri.rstrip('/')}/") == uri


@pytest.mark.parametrize(
    "uri", ["", "/etc", "obs://", "file:///../x", "obs://a/../b", "obs://a/b::file:///x", "obs://a\nb", "s3://k:s@b/x"]
)
def test_what_is_no_address(uri: str) -> None:
    with pytest.raises(ValueError):
        check_location(uri)


def test_an_unknown_driver_is_said() -> None:
    found = Storages({"obs://": StorageSettings(url="nosuchdriver://")})
    with pytest.raises(Invalid, match="cannot be used"):
        found.folder("obs://bucket/x", "alice")


def test_files_go_in_and_out_of_an_object_storage(objects: ObjectStore, bucket: str) -> None:
    found = Storages({"obs://": StorageSettings(url="memory://")})
    stored = [objects.put(io.BytesIO(content)) for content in (b"one", b"two")]
    files = [
        {"path": path, "oid": kept.oid, "size": kept.size}
        for path, kept in zip(("a.txt", "inner/b.txt"), stored, strict=True)
    ]
    uri = f"obs://{bucket}/out"
    progress = Progress()
    assert copy_out(found.folder(uri, "alice"), uri, files, objects, progress.tell) == 6
    assert copy_out(found.folder(uri, "alice"), uri, files, objects, progress.tell) == 6
    taken = copy_in(found.folder(uri, "alice"), uri, objects, most_files=2, most_bytes=6, tell=progress.tell)
    assert taken == files
    for limits in ({"most_files": 1, "most_bytes": 6}, {"most_files": 2, "most_bytes": 5}):
        with pytest.raises(Invalid, match="more than"):
            copy_in(found.folder(uri, "alice"), uri, objects, **limits, tell=progress.tell)
    with pytest.raises(Invalid, match="no files"):
        copy_in(
            found.folder(f"obs://{bucket}/none", "alice"),
            f"obs://{bucket}/none",
            objects,
            most_files=2,
            most_bytes=6,
            tell=progress.tell,
        )


def test_an_error_of_a_driver_is_told_in_words(objects: ObjectStore) -> None:
    class Broken:
        def invalidate_cache(self) -> None:
            raise RuntimeError("the endpoint does not answer")

    with pytest.raises(Invalid, match="the endpoint does not answer"):
        copy_in(
            RemoteFolder(Broken(), "bucket", ""),
            "obs://bucket",
            objects,
            most_files=1,
            most_bytes=1,
            tell=Progress().tell,
        )


def test_somebody_elses_template_opens_no_storage_to_a_workflow(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path, storages={"nas://bobs:/": StorageSettings(url=f"file://{tmp_path}", users=["bob"])}
    )
    platform = assemble(settings).platform
    try:
        for made_by, is_checked in (
            ({}, True),
            ({"workflow": {"workflow": "wfl_1", "number": 1}}, True),
            ({"trial": {"tuning": "tun_1", "number": 1}}, False),
            ({"meanwhile_of": {"training": "trn_1", "name": "first"}}, False),
        ):
            spec = TrainingSpec.model_validate({"algorithm": "xgboost", "output": "nas://bobs:/out", **made_by})
            draft = Draft(ALICE, ALICE.name, "run", spec, {}, None)
            if is_checked:
                with pytest.raises(Invalid, match="not yours"):
                    check_storages(platform, draft)
            else:
                # its tuning, or the training that it is a copy of, was checked
                check_storages(platform, draft)
    finally:
        platform.store.database.close()


class TestLocalFolder:
    def test_what_was_there_is_replaced_whole_and_nothing_is_left_beside(self, tmp_path: Path) -> None:
        folder = LocalFolder(tmp_path, "a")
        for content in (b"old", b"new"):
            folder.write("b/c", io.BytesIO(content))
        assert [(path, size) for path, size in folder.files()] == [("b/c", 3)]
        assert read(folder, "b/c") == b"new"

        class Breaks(io.BytesIO):
            def read(self, size: int | None = -1, /) -> bytes:
                raise OSError("no more")

        with pytest.raises(OSError, match="no more"):
            folder.write("b/c", Breaks())
        assert read(folder, "b/c") == b"new"
        assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["c"]

    def test_links_and_pipes_are_neither_listed_nor_opened_nor_written_through(self, tmp_path: Path) -> None:
        root, outside = tmp_path / "root", tmp_path / "outside"
        root.mkdir()
        outside.mkdir()
        (outside / "secret").write_text("1")
        os.symlink(outside, root / "folder")
        os.symlink(outside / "secret", root / "file")
        os.mkfifo(root / "pipe")
        folder = LocalFolder(root, "")
        assert list(folder.files()) == []
        for path in ("folder/secret", "file", "pipe"):
            with pytest.raises(OSError):
                folder.open(path)
        with pytest.raises(OSError):
            folder.write("folder/new", io.BytesIO(b"2"))
        folder.write("file", io.BytesIO(b"2"))
        assert (outside / "secret").read_text() == "1"
        assert sorted(path.name for path in outside.iterdir()) == ["secret"]

    def test_a_root_that_is_not_mounted_is_no_empty_folder(self, tmp_path: Path) -> None:
        with pytest.raises(OSError):
            list(LocalFolder(tmp_path / "none", "a").files())
        assert list(LocalFolder(tmp_path, "none").files()) == []
