"""Code from an archive at an address: what is taken, and everything that is refused, from a real server over HTTP."""

from __future__ import annotations

import gzip
import hashlib
import io
import ssl
import stat
import struct
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from orrery.controllers import archive_sources, archives
from orrery.controllers.fetches import Dropped, Fetched, Progress
from orrery.controllers.settings import SourceSettings
from orrery.domain.sources import ArchiveSource
from orrery.errors import Invalid
from orrery.store.objects import ObjectStore
from orrery.testing.archives import ArchiveServer, make_tar, make_zip

CODE = {"train.py": "print(1)\n", "lib/helper.py": "SCORE = 1\n"}


@pytest.fixture
def server() -> Iterator[ArchiveServer]:
    with ArchiveServer() as running:
        yield running


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    return ObjectStore.from_url(tmp_path / "objects")


def settings(server: ArchiveServer, **others: Any) -> SourceSettings:
    hosts = [server.host]
    return SourceSettings.model_validate({"private_hosts": hosts, "insecure_hosts": hosts, **others})


def fetch(
    server: ArchiveServer,
    objects: ObjectStore,
    content: bytes,
    *,
    token: str | None = None,
    rules: SourceSettings | None = None,
    **source: str,
) -> Fetched:
    url = server.give("/code", content)
    asked = ArchiveSource.model_validate({"type": "archive", "url": url, **source})
    return archive_sources.fetch(objects, asked, token, rules or settings(server), Progress())


def paths(fetched: Fetched) -> list[str]:
    return [file.path for file in fetched.files]


@pytest.mark.parametrize("pack", [make_zip, make_tar])
def test_files_are_taken_whole_and_with_their_digest(
    server: ArchiveServer, objects: ObjectStore, pack: Callable[..., bytes]
) -> None:
    content = pack(CODE)
    found = fetch(server, objects, content)
    assert found.commit == hashlib.sha256(content).hexdigest()
    assert paths(found) == ["lib/helper.py", "train.py"]
    with objects.open(found.files[1].oid) as stream:
        assert stream.read() == b"print(1)\n"
    assert fetch(server, objects, content, sha256=found.commit.upper()) == found


@pytest.mark.parametrize("pack", [make_zip, make_tar])
def test_the_one_folder_around_everything_is_left_out(
    server: ArchiveServer, objects: ObjectStore, pack: Callable[..., bytes]
) -> None:
    content = pack({f"forest-2.0/{name}": text for name, text in CODE.items()})
    assert paths(fetch(server, objects, content)) == ["lib/helper.py", "train.py"]
    for folder in ("lib", "forest-2.0/lib", "/lib/"):
        assert paths(fetch(server, objects, content, path=folder)) == ["helper.py"]
    with pytest.raises(Invalid, match=r"no folder 'absent' in it \(it has forest-2.0\)"):
        fetch(server, objects, content, path="absent")


def test_what_macos_adds_is_left_out(server: ArchiveServer, objects: ObjectStore) -> None:
    content = make_zip({"code/train.py": "print(1)", "__MACOSX/code/._train.py": "x"})
    assert paths(fetch(server, objects, content)) == ["train.py"]


def test_another_digest_is_refused(server: ArchiveServer, objects: ObjectStore) -> None:
    with pytest.raises(Invalid, match=f"not {'0' * 64}: it is not the archive that was meant"):
        fetch(server, objects, make_zip(CODE), sha256="0" * 64)


@pytest.mark.parametrize(
    ("certified", "trusted", "problem"),
    [
        ("localhost", True, None),
        ("elsewhere.example", True, "certificate is not valid for 'localhost'"),
        ("localhost", False, "unable to get local issuer certificate"),
    ],
)
def test_a_host_is_asked_over_tls_by_its_own_name(
    tmp_path: Path,
    objects: ObjectStore,
    monkeypatch: pytest.MonkeyPatch,
    certified: str,
    trusted: bool,
    problem: str | None,
) -> None:
    """The address is connected to, but the certificate must be the name's."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(certified).configure_cert(context)
    if trusted:
        authority.cert_pem.write_to_path(tmp_path / "authority.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    with ArchiveServer(tls=context) as server:
        server.give("/code.zip", make_zip(CODE))
        host = server.host.replace("127.0.0.1", "localhost")
        rules = SourceSettings.model_validate({"private_hosts": [host]})
        source = ArchiveSource.model_validate({"type": "archive", "url": f"https://{host}/code.zip"})
        if problem is None:
            found = archive_sources.fetch(objects, source, None, rules, Progress())
            assert paths(found) == ["lib/helper.py", "train.py"]
        else:
            with pytest.raises(Invalid, match=problem):
                archive_sources.fetch(objects, source, None, rules, Progress())
            assert server.asked == []


NAMES = {
    "../train.py": "leads out of the archive",
    "a/../../train.py": "leads out of the archive",
    "/etc/train.py": "leads out of the archive",
    "//host/train.py": "leads out of the archive",
    "..\\train.py": "leads out of the archive",
    "train\n.py": "characters that are not shown",
    "train\u202eyp.txt": "characters that are not shown",
    f"{'a' * 256}.py": "is too long",
    f"{'é' * 130}.py": "is too long",
    f"{'folder/' * 150}train.py": "is too long",
}


@pytest.mark.parametrize("pack", [make_zip, make_tar])
@pytest.mark.parametrize("name", NAMES)
def test_names_that_are_refused(
    server: ArchiveServer, objects: ObjectStore, pack: Callable[..., bytes], name: str
) -> None:
    with pytest.raises(Invalid, match=NAMES[name]):
        fetch(server, objects, pack({"train.py": "print(1)", name: "x"}))


def test_a_name_with_a_nul_is_not_cut_off(server: ArchiveServer, objects: ObjectStore) -> None:
    content = make_zip({"train.pyXsafe.txt": "x"}).replace(b"train.pyX", b"train.py\0")
    with pytest.raises(Invalid, match="characters that are not shown"):
        fetch(server, objects, content)


def test_a_name_that_is_not_utf8(server: ArchiveServer, objects: ObjectStore) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", format=tarfile.GNU_FORMAT, encoding="latin-1") as archive:
        archive.addfile(tarfile.TarInfo("trainé.py"))
    with pytest.raises(Invalid, match=r"'train\\udce9.py' cannot be the name"):
        fetch(server, objects, packed.getvalue())


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_a_zip_with_what_is_no_plain_file(server: ArchiveServer, objects: ObjectStore, kind: int) -> None:
    def change(entry: zipfile.ZipInfo) -> None:
        entry.external_attr = (kind | 0o777) << 16

    with pytest.raises(Invalid, match="only plain files are taken"):
        fetch(server, objects, make_zip({"train.py": "/etc/passwd"}, change))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_a_tar_with_what_is_no_plain_file(server: ArchiveServer, objects: ObjectStore, kind: bytes) -> None:
    def change(entry: tarfile.TarInfo) -> None:
        entry.type, entry.linkname, entry.size = kind, "/etc/passwd", 0

    with pytest.raises(Invalid, match="only plain files are taken"):
        fetch(server, objects, make_tar({"train.py": ""}, change))


@pytest.mark.parametrize("pack", [make_zip, make_tar])
def test_a_bomb_is_stopped_at_the_limit(
    server: ArchiveServer, objects: ObjectStore, pack: Callable[..., bytes]
) -> None:
    content = pack({f"part-{number}.py": bytes(1 << 20) for number in range(8)})
    assert len(content) < 50_000
    with pytest.raises(Invalid, match="it unpacks to more than 2 MiB"):
        fetch(server, objects, content, rules=settings(server, max_unpacked_bytes="2M"))


def test_a_zip_that_lies_about_a_size_is_stopped_as_well(server: ArchiveServer, objects: ObjectStore) -> None:
    """Entry by entry little, and all at the same place: together more than anything may unpack to."""
    content = bytearray(make_zip({"train.py": bytes(4 << 20)}))
    size = struct.pack("<L", 4 << 20)
    assert content.count(size) == 2
    lying = bytes(content).replace(size, struct.pack("<L", 10))
    with pytest.raises(Invalid, match="damaged"):
        fetch(server, objects, lying, rules=settings(server, max_unpacked_bytes="2M"))
    assert sum(size for _, size in objects.backend.iterate()) <= 2 << 20


def test_a_header_that_unpacks_to_too_much(
    server: ArchiveServer, objects: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tar's long names are read into memory by the library, however long."""
    monkeypatch.setattr(archives, "_MAX_ENTRIES", 10)
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 64 << 20
    content = gzip.compress(header.tobuf() + bytes(64 << 20))
    with pytest.raises(Invalid, match="it unpacks to more than 2 MiB"):
        fetch(server, objects, content, rules=settings(server, max_unpacked_bytes="2M"))


@pytest.mark.parametrize("pack", [make_zip, make_tar])
def test_too_many_entries(
    server: ArchiveServer, objects: ObjectStore, pack: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = pack({f"{number}.py": "" for number in range(12)})
    monkeypatch.setattr(archives, "MAX_FILES", 10)
    with pytest.raises(Invalid, match="more than 10 files"):
        fetch(server, objects, content)
    monkeypatch.setattr(archives, "MAX_FILES", 100)
    monkeypatch.setattr(archives, "_MAX_ENTRIES", 11)
    with pytest.raises(Invalid, match="more than 11 entries"):
        fetch(server, objects, content)


def test_a_zip_whose_directory_says_that_it_is_endless(server: ArchiveServer, objects: ObjectStore) -> None:
    content = bytearray(make_zip(CODE))
    place = content.rfind(b"PK\x05\x06")
    struct.pack_into("<L", content, place + 12, 1 << 30)
    with pytest.raises(Invalid, match="more than 20,000 entries"):
        fetch(server, objects, bytes(content))
    large = make_zip(CODE)
    place = large.rfind(b"PK\x05\x06")
    with pytest.raises(Invalid, match="zip64"):
        fetch(server, objects, large[:place] + b"PK\x06\x07" + bytes(16) + large[place:])


def test_an_entry_that_is_there_twice(server: ArchiveServer, objects: ObjectStore) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name in ("train.py", "./train.py"):
            archive.addfile(tarfile.TarInfo(name))
    with pytest.raises(Invalid, match=r"two files lie at 'train.py'"):
        fetch(server, objects, packed.getvalue())
    with pytest.raises(Invalid, match=r"'train.py' is a file and a folder"):
        fetch(server, objects, make_tar({"train.py": "", "train.py/x.py": ""}))


def test_an_encrypted_zip(server: ArchiveServer, objects: ObjectStore) -> None:
    content = bytearray(make_zip(CODE))
    place = content.find(b"PK\x01\x02")
    content[place + 8] |= 1
    with pytest.raises(Invalid, match="is encrypted"):
        fetch(server, objects, bytes(content))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<!DOCTYPE html><html>", "neither a .zip nor a .tar.gz but a web page"),
        (b"", "neither a .zip nor a .tar.gz"),
        (b"\x7fELF", "neither a .zip nor a .tar.gz"),
        (make_zip(CODE)[:-30], "cut off"),
        (make_zip(CODE)[:60] + bytes(20) + make_zip(CODE)[80:], "damaged"),
        (make_tar(CODE)[:-40], "damaged"),
        (gzip.compress(b"no tar at all" * 100), "damaged"),
        (make_zip({}), "there are no files in it"),
    ],
)
def test_what_is_no_archive(server: ArchiveServer, objects: ObjectStore, content: bytes, message: str) -> None:
    with pytest.raises(Invalid, match=message):
        fetch(server, objects, content)


def ask(server: ArchiveServer, objects: ObjectStore, path: str, rules: SourceSettings, token: str | None = None) -> str:
    source = ArchiveSource.model_validate({"type": "archive", "url": server.url + path})
    with pytest.raises(Invalid) as caught:
        archive_sources.fetch(objects, source, token, rules, Progress())
    return caught.value.message


def test_what_a_server_may_answer(server: ArchiveServer, objects: ObjectStore) -> None:
    rules = settings(server, max_bytes=1000)
    server.give("/large", bytes(2000))
    assert "is larger than 1000 bytes" in ask(server, objects, "/large", rules)
    server.answers["/endless"] = (200, {"Content-Length": None}, bytes(2000))
    assert "is larger than 1000 bytes" in ask(server, objects, "/endless", rules)
    server.answers["/short"] = (200, {"Content-Length": "900"}, b"PK")
    assert "cannot be reached" in ask(server, objects, "/short", rules)
    server.answers["/private"] = (401, {}, b"")
    assert "there is nothing at" in ask(server, objects, "/absent", rules)
    assert "give the name of a secret" in ask(server, objects, "/private", rules)
    assert "check the token in that secret" in ask(server, objects, "/private", rules, token="wrong")
    server.answers["/broken"] = (503, {}, b"")
    assert "answered 503" in ask(server, objects, "/broken", rules)


def test_redirects_are_followed_so_many_times_and_without_the_token(
    server: ArchiveServer, objects: ObjectStore
) -> None:
    with ArchiveServer() as storage:
        hosts = [server.host, storage.host]
        rules = SourceSettings(private_hosts=hosts, insecure_hosts=hosts)
        server.answers["/first"] = (302, {"Location": "/second"}, b"")
        server.answers["/second"] = (307, {"Location": storage.give("/third", make_zip(CODE))}, b"")
        source = ArchiveSource.model_validate({"type": "archive", "url": f"{server.url}/first"})
        found = archive_sources.fetch(objects, source, "its-token", rules, Progress())
        assert paths(found) == ["lib/helper.py", "train.py"]
        assert server.asked == [("/first", "Bearer its-token"), ("/second", "Bearer its-token")]
        assert storage.asked == [("/third", None)]
    server.answers["/loop"] = (302, {"Location": "/loop"}, b"")
    assert "leads on more than 5 times" in ask(server, objects, "/loop", settings(server))


def test_private_addresses_are_not_asked_unless_allowed(server: ArchiveServer, objects: ObjectStore) -> None:
    with ArchiveServer() as inner:
        rules = SourceSettings(insecure_hosts=[server.host])
        told = ask(server, objects, "/x.zip", rules)
        assert "not public (127.0.0.1)" in told and "ORRERY_SOURCES__PRIVATE_HOSTS" in told
        assert "only https is" in ask(server, objects, "/x.zip", SourceSettings(private_hosts=[server.host]))
        for scheme, message in (("http", "only https is"), ("https", "not public"), ("file", "only https is")):
            server.answers["/inside"] = (302, {"Location": f"{scheme}://{inner.host}/latest/meta-data/"}, b"")
            assert message in ask(server, objects, "/inside", settings(server))
        assert inner.asked == []


def test_a_server_that_does_not_answer_is_left_when_the_time_is_up(server: ArchiveServer, objects: ObjectStore) -> None:
    server.hold("/slow", make_zip(CODE))
    assert "did not come within 0.2 seconds" in ask(server, objects, "/slow", settings(server, timeout_seconds=0.2))


def test_a_fetch_that_nobody_wants_ends_though_its_server_is_silent(
    server: ArchiveServer, objects: ObjectStore
) -> None:
    source = ArchiveSource.model_validate({"type": "archive", "url": server.hold("/slow", make_zip(CODE))})
    progress = Progress()

    def drop() -> None:
        server.wait_until_asked("/slow")
        progress.drop()

    dropping = threading.Thread(target=drop)
    dropping.start()
    with pytest.raises(Dropped):
        archive_sources.fetch(objects, source, None, settings(server), progress)
    dropping.join()
