"""The object store on the local disk and on an fsspec file system, and what only the local disk can show."""

from __future__ import annotations

import io
import multiprocessing
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
import tracemalloc
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from orrery.errors import OutOfSpace, Unavailable
from orrery.store.collection import GRACE, collect
from orrery.store.object_remote import RemoteBackend
from orrery.store.objects import ObjectStore
from orrery.testing.objects import ABSENT, ObjectStoreConformance, make_object


class TestLocalStore(ObjectStoreConformance):
    @pytest.fixture
    def store(self, tmp_path: Path) -> ObjectStore:
        return ObjectStore.from_url(f"file://{tmp_path}/objects")

    def damage(self, store: ObjectStore, oid: str) -> None:
        with store.open(oid) as stream:
            path = Path(stream.name)
        path.chmod(0o644)
        path.write_bytes(b"rotten"[: path.stat().st_size])


class TestMemoryStore(ObjectStoreConformance):
    @pytest.fixture
    def store(self, tmp_path: Path) -> ObjectStore:
        return ObjectStore.from_url(f"memory://{uuid.uuid4().hex}/objects", staging=tmp_path / "staging")

    def damage(self, store: ObjectStore, oid: str) -> None:
        for path in fsspec.filesystem("memory").glob(f"/**/{oid}"):
            fsspec.filesystem("memory").pipe_file(path, b"rotten")


class BucketFileSystem(MemoryFileSystem):
    """As S3 behaves: what is written appears whole, at once."""

    protocol = "s3"

    def put_file(self, lpath: str, rpath: str, *_: object, **__: object) -> None:  # pyright: ignore
        self.pipe_file(rpath, Path(lpath).read_bytes())


class TestBucketStore(ObjectStoreConformance):
    @pytest.fixture
    def store(self, tmp_path: Path) -> ObjectStore:
        return ObjectStore(RemoteBackend(BucketFileSystem(), f"/{uuid.uuid4().hex}", tmp_path / "staging"))

    def damage(self, store: ObjectStore, oid: str) -> None:
        for path in BucketFileSystem().glob(f"/**/{oid}"):
            BucketFileSystem().pipe_file(path, b"rotten")


class TestStoreWithoutAtomicWrites(ObjectStoreConformance):
    """A folder as an fsspec file system: files are written aside and moved."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> ObjectStore:
        return ObjectStore(RemoteBackend(fsspec.filesystem("file"), str(tmp_path / "remote"), tmp_path / "staging"))

    def damage(self, store: ObjectStore, oid: str) -> None:
        with store.open(oid) as stream:
            Path(stream.name).write_bytes(b"rotten")

    def test_nothing_but_objects_and_pins_stays(self, store: ObjectStore, tmp_path: Path) -> None:
        put = store.put(io.BytesIO(b"once"))
        assert store.put(io.BytesIO(b"once")) == put
        files = sorted(
            path.relative_to(tmp_path / "remote") for path in (tmp_path / "remote").rglob("*") if path.is_file()
        )
        assert files == [Path("objects") / put.oid[:2] / put.oid[2:4] / put.oid, Path("pins") / put.oid]


def make_store(tmp_path: Path) -> ObjectStore:
    return ObjectStore.from_url(tmp_path / "objects")


def test_local_objects_are_read_only_in_two_levels_of_folders(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    oid = store.put(io.BytesIO(b"x")).oid
    path = tmp_path / "objects" / oid[:2] / oid[2:4] / oid
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert stat.S_IMODE((tmp_path / "objects").stat().st_mode) == 0o700


def test_a_truncated_object_is_healed_by_the_next_put(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    oid = store.put(io.BytesIO(b"whole")).oid
    path = tmp_path / "objects" / oid[:2] / oid[2:4] / oid
    path.chmod(0o644)
    path.write_bytes(b"wh")
    store.put(io.BytesIO(b"whole"))
    assert path.read_bytes() == b"whole"


def test_memory_stays_bounded_while_a_large_stream_is_put(tmp_path: Path) -> None:
    class Zeros:
        left = 64 << 20

        def read(self, size: int, /) -> bytes:
            size = min(size, self.left)
            self.left -= size
            return bytes(size)

    store = make_store(tmp_path)
    tracemalloc.start()
    try:
        assert store.put(Zeros()).size == 64 << 20
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_a_full_disk_is_told_with_figures_and_leaves_nothing(tmp_path: Path) -> None:
    """On a real file system of 1 MiB, mounted in a namespace of its own."""
    script = f"""
import io, sys
from pathlib import Path
from orrery.errors import OutOfSpace
from orrery.store.objects import ObjectStore
root = Path({str(tmp_path)!r})
store = ObjectStore.from_url(root)
small = store.put(io.BytesIO(b"small"))
try:
    store.put(io.BytesIO(bytes(8 << 20)))
except OutOfSpace as error:
    assert error.details["free_bytes"] == 0 and error.details["needed_bytes"], error.details
else:
    sys.exit("the disk never filled")
assert list(store.iterate()) == [small]
assert list((root / "staging").iterdir()) == []
assert store.put(io.BytesIO(bytes(1000))).size == 1000
print("refused")
"""
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)]
    if not shutil.which("unshare") or subprocess.run(["unshare", "-rm", *mount], capture_output=True).returncode:
        pytest.skip("this machine lets no test mount a small disk")
    shell = f'{" ".join(mount)} && exec "{sys.executable}" -c "$SCRIPT"'
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", shell], env={**os.environ, "SCRIPT": script}, capture_output=True, text=True
    )
    assert done.stdout == "refused\n", done.stderr


def test_a_stream_that_meets_a_full_disk_is_out_of_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same without the right to mount: the kernel's own refusal from /dev/full."""
    store = make_store(tmp_path)
    with store.writer() as writer:
        real, writer._file = writer._file, open("/dev/full", "wb", buffering=0)  # pyright: ignore[reportPrivateUsage]
        real.close()
        with pytest.raises(OutOfSpace, match=r"1,000 bytes are needed"):
            writer.write(bytes(1000))
    assert list((tmp_path / "objects" / "staging").iterdir()) == []


def write_until_killed(root: str, ready: Any) -> None:
    store = ObjectStore.from_url(Path(root))
    number = 0
    while True:
        store.put(io.BytesIO(str(number).encode() * 200_000))
        number += 1
        ready.set()


def test_a_killed_writer_leaves_whole_objects_only(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    for _ in range(3):
        ready = context.Event()
        writer = context.Process(target=write_until_killed, args=(str(tmp_path / "objects"), ready))
        writer.start()
        assert ready.wait(30)
        time.sleep(0.005)  # into the middle of some later write
        assert writer.pid is not None
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        writer.close()
    store = make_store(tmp_path)
    found = list(store.iterate())
    assert found
    for put in found:
        with store.open(put.oid) as stream:
            assert make_object(stream.read()) == put
    report = collect(store, lambda: {put.oid for put in found}, GRACE, datetime.now(UTC) + timedelta(days=2))
    assert (report.deleted, report.kept) == (0, len(found))
    assert list((tmp_path / "objects" / "staging").iterdir()) == []


def test_a_remote_write_that_arrives_short_is_refused_and_removed(tmp_path: Path) -> None:
    class Short(BucketFileSystem):
        def put_file(self, lpath: str, rpath: str, *_: object, **__: object) -> None:  # pyright: ignore
            self.pipe_file(rpath, Path(lpath).read_bytes()[:-1])

    store = ObjectStore(RemoteBackend(Short(), f"/{uuid.uuid4().hex}", tmp_path / "staging"))
    with pytest.raises(Unavailable, match="took 4 of 5 bytes"):
        store.put(io.BytesIO(b"whole"))
    assert list(store.iterate()) == []
    assert list((tmp_path / "staging").iterdir()) == []


@pytest.mark.parametrize("url", ["{}", "file://{}", "local://{}"])
def test_a_local_store_opens_by_path_and_url(tmp_path: Path, url: str) -> None:
    oid = make_store(tmp_path).put(io.BytesIO(b"same")).oid
    store = ObjectStore.from_url(url.format(tmp_path / "objects"))
    assert store.exists(oid)
    assert not store.exists(ABSENT)
