"""Resumable uploads on disk: what survives, what is refused, what is left behind."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orrery.errors import Conflict, Invalid, NotFound, OutOfSpace, TooLarge
from orrery.store import upload_files
from orrery.store import uploads as uploads_module
from orrery.store.objects import Object, ObjectStore
from orrery.store.uploads import Limits, Uploads, make_display_name

CONTENT = bytes(range(256)) * 400


class Clock:
    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


def open_uploads(home: Path, limits: Limits | None = None, clock: Clock | None = None) -> Uploads:
    return Uploads(home / "uploads", ObjectStore.from_url(home / "objects"), limits, clock or Clock())


@pytest.fixture
def uploads(tmp_path: Path, clock: Clock) -> Uploads:
    return open_uploads(tmp_path, clock=clock)


def send(uploads: Uploads, upload_id: str, offset: int, chunk: bytes, owner: str = "alice") -> None:
    with uploads.write(owner, upload_id, offset) as writer:
        writer.write(chunk)


def oid_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_pieces_become_an_object(uploads: Uploads, tmp_path: Path) -> None:
    upload = uploads.create("alice", "data.csv", len(CONTENT))
    for begin in range(0, len(CONTENT), 30_000):
        assert uploads.get("alice", upload.id).offset == begin
        send(uploads, upload.id, begin, CONTENT[begin : begin + 30_000])
    assert uploads.finish("alice", upload.id) == Object(oid_of(CONTENT), len(CONTENT))
    finished = uploads.get("alice", upload.id)
    assert (finished.oid, finished.offset, finished.name) == (oid_of(CONTENT), len(CONTENT), "data.csv")
    with ObjectStore.from_url(tmp_path / "objects").open(oid_of(CONTENT)) as stream:
        assert stream.read() == CONTENT


def test_finishing_twice_gives_the_same_object(uploads: Uploads) -> None:
    upload = uploads.create("alice", "x", 3)
    send(uploads, upload.id, 0, b"abc")
    assert uploads.finish("alice", upload.id) == uploads.finish("alice", upload.id)


def test_an_empty_file_is_an_upload_too(uploads: Uploads) -> None:
    upload = uploads.create("alice", "empty", 0)
    assert uploads.finish("alice", upload.id) == Object(oid_of(b""), 0)


def test_an_upload_goes_on_after_a_restart(tmp_path: Path) -> None:
    upload = open_uploads(tmp_path).create("alice", "x", len(CONTENT))
    send(open_uploads(tmp_path), upload.id, 0, CONTENT[:1000])
    again = open_uploads(tmp_path)
    send(again, upload.id, 1000, CONTENT[1000:])
    assert open_uploads(tmp_path).finish("alice", upload.id).oid == oid_of(CONTENT)


def test_bytes_that_were_never_recorded_are_written_again(uploads: Uploads, tmp_path: Path) -> None:
    """After a power cut the file may end in rubbish; only what was recorded counts."""
    upload = uploads.create("alice", "x", len(CONTENT))
    send(uploads, upload.id, 0, CONTENT[:1000])
    with (tmp_path / "uploads" / upload.id / "data").open("ab") as file:
        file.write(bytes(5000))
    again = open_uploads(tmp_path)
    assert again.get("alice", upload.id).offset == 1000
    send(again, upload.id, 1000, CONTENT[1000:])
    assert again.finish("alice", upload.id).oid == oid_of(CONTENT)


@pytest.mark.parametrize("moved", [False, True])
def test_a_crash_while_finishing_is_picked_up(uploads: Uploads, tmp_path: Path, moved: bool) -> None:
    upload = uploads.create("alice", "x", len(CONTENT))
    send(uploads, upload.id, 0, CONTENT)
    folder = tmp_path / "uploads" / upload.id
    upload_files.mark_finished(folder, oid_of(CONTENT))
    if moved:
        ObjectStore.from_url(tmp_path / "objects").take(folder / "data", oid_of(CONTENT))
    again = open_uploads(tmp_path)
    assert again.get("alice", upload.id).is_complete
    assert again.finish("alice", upload.id).oid == oid_of(CONTENT)
    assert again.get("alice", upload.id).oid == oid_of(CONTENT)
    assert ObjectStore.from_url(tmp_path / "objects").exists(oid_of(CONTENT))


@pytest.mark.parametrize("offset", [0, 999, 1001])
def test_a_wrong_offset_is_told_the_right_one(uploads: Uploads, offset: int) -> None:
    upload = uploads.create("alice", "x", len(CONTENT))
    send(uploads, upload.id, 0, CONTENT[:1000])
    with pytest.raises(Conflict, match="1000") as refused:
        uploads.write("alice", upload.id, offset)
    assert refused.value.details == {"offset": 1000}


def test_more_bytes_than_declared_are_refused_and_the_good_ones_kept(uploads: Uploads) -> None:
    upload = uploads.create("alice", "x", 10)
    with pytest.raises(TooLarge), uploads.write("alice", upload.id, 0) as writer:
        writer.write(bytes(8))
        writer.write(bytes(3))
    assert uploads.get("alice", upload.id).offset == 8


def test_an_incomplete_upload_is_no_object(uploads: Uploads, tmp_path: Path) -> None:
    upload = uploads.create("alice", "x", 10)
    send(uploads, upload.id, 0, bytes(8))
    with pytest.raises(Conflict, match="2 bytes are missing"):
        uploads.finish("alice", upload.id)
    assert list(ObjectStore.from_url(tmp_path / "objects").iterate()) == []


def test_nobody_reaches_anothers_upload(uploads: Uploads) -> None:
    upload = uploads.create("alice", "x", 10)
    for act in (uploads.get, uploads.cancel, uploads.finish):
        with pytest.raises(NotFound):
            act("bob", upload.id)
    with pytest.raises(NotFound):
        uploads.write("bob", upload.id, 0)
    assert uploads.list("bob") == []
    assert [found.id for found in uploads.list("alice")] == [upload.id]


@pytest.mark.parametrize("upload_id", ["../../etc", "up_", "", ".", "up_" + "0" * 32, "up_" + "g" * 32])
def test_an_id_from_outside_is_never_a_path(uploads: Uploads, upload_id: str) -> None:
    for act in (uploads.get, uploads.cancel, uploads.finish):
        with pytest.raises(NotFound):
            act("alice", upload_id)


def test_a_cancelled_upload_leaves_nothing(uploads: Uploads, tmp_path: Path) -> None:
    upload = uploads.create("alice", "x", 10)
    send(uploads, upload.id, 0, bytes(8))
    uploads.cancel("alice", upload.id)
    assert list((tmp_path / "uploads").iterdir()) == []
    with pytest.raises(NotFound):
        uploads.cancel("alice", upload.id)


def test_the_newest_writer_wins(uploads: Uploads) -> None:
    """A client whose connection broke is back before the server has noticed."""
    upload = uploads.create("alice", "x", 10)
    told = threading.Event()
    first = uploads.write("alice", upload.id, 0, told.set)
    first.write(b"0123")

    def close_when_told() -> None:
        assert told.wait(10)
        with pytest.raises(Conflict, match="taken"):
            first.write(b"xx")
        first.close()

    closer = threading.Thread(target=close_when_told)
    closer.start()
    with pytest.raises(Conflict) as refused:
        uploads.write("alice", upload.id, 0)  # what it saw before the first writer recorded its bytes
    closer.join()
    assert refused.value.details == {"offset": 4}
    send(uploads, upload.id, 4, b"456789")
    assert uploads.finish("alice", upload.id).oid == oid_of(b"0123456789")


def test_whoever_waited_in_vain_leaves_the_holder_to_the_next(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orrery.store.uploads._TAKE_OVER_SECONDS", 0.05)
    upload = uploads.create("alice", "x", 10)
    told: list[str] = []
    with uploads.write("alice", upload.id, 0, lambda: told.append("first")):
        for times in (1, 2):
            with pytest.raises(Conflict, match="another connection"):
                uploads.write("alice", upload.id, 0)
            assert told == ["first"] * times


def test_a_writer_that_had_the_lock_a_moment_before_is_told_too(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = uploads.create("alice", "x", 4)
    told = threading.Event()
    locked = uploads_module._try_lock  # pyright: ignore[reportPrivateUsage]
    early: list[threading.Thread] = []

    def lock_and_pause(descriptor: int) -> bool:
        """The second writer asks between the first one's lock and its registration."""
        got = locked(descriptor)
        if got and not early:
            early.append(threading.Thread(target=send, args=(uploads, upload.id, 0, b"late")))
            early[0].start()
            assert refused.wait(10)
        elif not got:
            refused.set()
        return got

    refused = threading.Event()
    monkeypatch.setattr(uploads_module, "_try_lock", lock_and_pause)
    first = uploads.write("alice", upload.id, 0, told.set)
    assert told.wait(4)
    first.close()
    early[0].join()
    assert uploads.finish("alice", upload.id).oid == oid_of(b"late")


def test_what_expires_is_removed(uploads: Uploads, clock: Clock, tmp_path: Path) -> None:
    unfinished, finished = uploads.create("alice", "x", 10), uploads.create("alice", "y", 0)
    uploads.finish("alice", finished.id)
    (tmp_path / "uploads" / ("up_" + "1" * 32)).mkdir()  # what a crash left half created
    clock.ahead = timedelta(hours=47)
    assert uploads.expire() == []
    clock.ahead = timedelta(hours=49)
    with pytest.raises(NotFound):
        uploads.get("alice", unfinished.id)
    assert len(uploads.expire()) == 3
    assert list((tmp_path / "uploads").iterdir()) == []
    assert ObjectStore.from_url(tmp_path / "objects").exists(oid_of(b""))


def test_each_byte_puts_the_end_off(uploads: Uploads) -> None:
    upload = uploads.create("alice", "x", 10)
    send(uploads, upload.id, 0, b"0")
    assert uploads.get("alice", upload.id).expires_at >= upload.expires_at - timedelta(seconds=1)


def test_limits_are_told_with_the_figure(tmp_path: Path) -> None:
    uploads = open_uploads(tmp_path, Limits(upload_bytes=1000, owner_bytes=1500, owner_uploads=3))
    with pytest.raises(TooLarge, match="1,001"):
        uploads.create("alice", "x", 1001)
    with pytest.raises(Invalid, match="-1"):
        uploads.create("alice", "x", -1)
    uploads.create("alice", "x", 1000)
    with pytest.raises(TooLarge, match="1,501"):
        uploads.create("alice", "x", 501)
    uploads.create("bob", "x", 501)
    for _ in range(2):
        uploads.create("alice", "x", 1)
    with pytest.raises(TooLarge, match="3 uploads of yours"):
        uploads.create("alice", "x", 1)


def test_what_the_disk_cannot_hold_is_refused_before_a_byte_is_sent(tmp_path: Path) -> None:
    uploads = open_uploads(tmp_path, Limits(upload_bytes=1 << 60, owner_bytes=1 << 61))
    with pytest.raises(OutOfSpace) as refused:
        uploads.create("alice", "x", 1 << 59)
    assert refused.value.details["needed_bytes"] == 1 << 59
    assert isinstance(refused.value.details["free_bytes"], int)
    assert list((tmp_path / "uploads").iterdir()) == []


def test_space_promised_to_others_is_not_promised_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uploads = open_uploads(tmp_path, Limits(reserve_bytes=100))
    monkeypatch.setattr("orrery.store.uploads.free_bytes", lambda _: 1000)  # pyright: ignore
    uploads.create("alice", "x", 600)
    with pytest.raises(OutOfSpace, match="400 bytes are needed, 300 are free"):
        uploads.create("bob", "x", 400)
    uploads.create("bob", "x", 300)


def test_a_dropped_piece_never_counts(uploads: Uploads) -> None:
    upload = uploads.create("alice", "x", 8)
    send(uploads, upload.id, 0, b"good")
    with uploads.write("alice", upload.id, 4) as writer:
        writer.tentative = True
        writer.write(b"evil")
        writer.drop()
    with uploads.write("alice", upload.id, 4) as writer:
        writer.tentative = True
        writer.write(b"lost")  # the connection breaks before the checksum is compared
    assert uploads.get("alice", upload.id).offset == 4
    send(uploads, upload.id, 4, b"fine")
    assert uploads.finish("alice", upload.id).oid == oid_of(b"goodfine")


def test_a_finished_upload_is_the_receipt_for_its_object(uploads: Uploads) -> None:
    upload = uploads.create("alice", "x", 4)
    send(uploads, upload.id, 0, b"mine")
    uploads.finish("alice", upload.id)
    uploads.record("bob", "y", Object(oid_of(b"his"), 3))
    assert uploads.brought("alice", oid_of(b"mine"))
    assert not uploads.brought("bob", oid_of(b"mine"))
    assert uploads.brought("bob", oid_of(b"his"))
    assert uploads.oids() == {oid_of(b"mine"), oid_of(b"his")}


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("data.csv", "data.csv"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\data.csv", "data.csv"),
        ("a\x00b\n\u202ec.csv", "abc.csv"),
        ("..", "upload"),
        ("", "upload"),
        ("données.csv", "données.csv"),
        ("x" * 300, "x" * 255),
    ],
)
def test_names_are_for_display_only(name: str, shown: str) -> None:
    assert make_display_name(name) == shown


def write_until_killed(home: str, upload_id: str, offset: int, written: Any) -> None:
    uploads = open_uploads(Path(home))
    with uploads.write("alice", upload_id, offset) as writer:
        while writer.offset < writer.upload.size:
            writer.write(bytes([writer.offset // 4096 % 251]) * 4096)
            written.set()


def test_an_upload_survives_kill_9(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = 64 << 20
    upload = open_uploads(tmp_path).create("alice", "x", size)
    context = multiprocessing.get_context("spawn")
    offsets: list[int] = []
    for _ in range(3):
        written = context.Event()
        offset = open_uploads(tmp_path).get("alice", upload.id).offset
        offsets.append(offset)
        writer = context.Process(target=write_until_killed, args=(str(tmp_path), upload.id, offset, written))
        writer.start()
        assert written.wait(30)
        assert writer.pid is not None
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        writer.close()
    uploads = open_uploads(tmp_path)
    assert offsets == sorted(offsets)
    with uploads.write("alice", upload.id, uploads.get("alice", upload.id).offset) as writer:
        while writer.offset < size:
            writer.write(bytes([writer.offset // 4096 % 251]) * 4096)
    expected = hashlib.sha256()
    for block in range(size // 4096):
        expected.update(bytes([block % 251]) * 4096)
    assert uploads.finish("alice", upload.id).oid == expected.hexdigest()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 5000), min_size=1, max_size=8), st.sets(st.integers(0, 7)))
def test_any_cutting_and_any_restarts_give_the_same_object(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], restarts: set[int]
) -> None:
    home = tmp_path_factory.mktemp("home")
    content = os.urandom(sum(lengths))
    uploads = open_uploads(home)
    upload = uploads.create("alice", "x", len(content))
    offset = 0
    for number, length in enumerate(lengths):
        if number in restarts:
            uploads = open_uploads(home)
        send(uploads, upload.id, offset, content[offset : offset + length])
        offset += length
    assert uploads.finish("alice", upload.id).oid == oid_of(content)
