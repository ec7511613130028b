"""The files of one upload, and the writer that appends to them; `orrery.store.uploads` describes the folder."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Self

from orrery.errors import Conflict, TooLarge
from orrery.store.disk import refusing_full_disk, replace_file
from orrery.store.objects import Hash

#: how often a long write records what has arrived
_CHECKPOINT_BYTES = 16 << 20


@dataclass(frozen=True)
class Upload:
    id: str
    owner: str
    #: for display only: never a path
    name: str
    size: int
    offset: int
    expires_at: datetime
    #: None until all bytes are there
    oid: str | None = None

    @property
    def is_complete(self) -> bool:
        return self.offset == self.size


@dataclass(frozen=True)
class Info:
    """What `info.json` holds."""

    id: str
    owner: str
    name: str
    size: int
    created_at: str
    #: set just before the data becomes an object, so that a crash in between is seen
    oid: str | None = None

    def as_upload(self, offset: int, oid: str | None, expires_at: datetime) -> Upload:
        return Upload(self.id, self.owner, self.name, self.size, offset, expires_at, oid)


def create_folder(folder: Path, info: Info) -> None:
    """All or nothing: the upload exists once its `info.json` does."""
    folder.mkdir(mode=0o700)
    try:
        if info.oid is None:
            (folder / "data").touch(mode=0o600)
        _write_info(folder, info)
    except BaseException:
        shutil.rmtree(folder)
        raise


def remove_folder(folder: Path) -> None:
    (folder / "info.json").unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def read_upload(folder: Path, lifetime: timedelta) -> Upload | None:
    try:
        info = Info(**json.loads((folder / "info.json").read_bytes()))
    except FileNotFoundError:
        return None
    try:
        touched_at = datetime.fromtimestamp((folder / "offset").stat().st_mtime, UTC)
    except FileNotFoundError:
        touched_at = datetime.fromisoformat(info.created_at)
    if info.oid is not None and not (folder / "data").exists():
        return info.as_upload(info.size, info.oid, touched_at + lifetime)
    return info.as_upload(read_offset(folder), None, touched_at + lifetime)


def mark_finished(folder: Path, oid: str) -> None:
    """Note the object that `data` is about to become."""
    info = Info(**json.loads((folder / "info.json").read_bytes()))
    _write_info(folder, replace(info, oid=oid))


def hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_info(folder: Path, info: Info) -> None:
    replace_file(folder / "info.json", json.dumps(asdict(info)).encode())


def read_offset(folder: Path) -> int:
    """How many bytes are good: what was recorded, and no more than there are."""
    try:
        recorded = int((folder / "offset").read_bytes() or b"0")
        return min(recorded, (folder / "data").stat().st_size)
    except FileNotFoundError:
        return 0


def write_offset(folder: Path, offset: int) -> None:
    """Fixed width, in one write: a reader sees the old figure or the new."""
    descriptor = os.open(folder / "offset", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.pwrite(descriptor, f"{offset:020d}\n".encode(), 0)
    finally:
        os.close(descriptor)


def truncate(data: Path, size: int) -> None:
    """Cut off what a killed writer had left beyond the good bytes, and sync the rest."""
    descriptor = os.open(data, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.ftruncate(descriptor, size)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class UploadWriter:
    """Appends to one upload; use it in a `with` block. Leaving it keeps what has arrived, whatever the reason."""

    def __init__(
        self,
        folder: Path,
        upload: Upload,
        stop: Event,
        digest: Hash | None,
        on_record: Callable[[int, Hash], None],
        on_close: Callable[[], None],
    ) -> None:
        """Appends from `upload.offset` on until `stop` is set; `digest` is of the bytes before it, None when unknown.

        `on_record` is told how many bytes are safe and their hash; `on_close` gives the upload's lock back.
        """
        self.upload = upload
        self.offset = upload.offset
        #: hold back the recording until `keep` says that the piece is good
        self.tentative = False
        self._folder = folder
        self._stop = stop
        self._digest = digest
        self._on_record = on_record
        self._on_close = on_close
        self._begin = self._recorded = upload.offset
        self._data: int | None = None
        if upload.oid is None:
            self._data = os.open(folder / "data", os.O_RDWR | os.O_CLOEXEC)
            os.ftruncate(self._data, self.offset)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        try:
            if self.tentative:
                self.drop()
            self._record()
        finally:
            if self._data is not None:
                os.close(self._data)
            self._on_close()

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Raises: `TooLarge` beyond the declared size, `Conflict` when a newer writer has taken over, `OutOfSpace`."""
        if self._stop.is_set():
            raise Conflict("a newer connection has taken this upload over", offset=self.offset)
        if self.offset + len(chunk) > self.upload.size:
            raise TooLarge(
                f"more than the declared {self.upload.size:,} bytes were sent; begin anew with the true size",
                size=self.offset + len(chunk),
                limit=self.upload.size,
            )
        remaining = memoryview(chunk)
        with refusing_full_disk(self._folder, self.upload.size - self.offset):
            while remaining and self._data is not None:
                written = os.pwrite(self._data, remaining, self.offset)
                if self._digest is not None:
                    self._digest.update(remaining[:written])
                self.offset += written
                remaining = remaining[written:]
        if not self.tentative and self.offset - self._recorded >= _CHECKPOINT_BYTES:
            self._record()

    def keep(self) -> None:
        """The tentative piece is good."""
        self.tentative = False

    def drop(self) -> None:
        """Forget what this writer wrote: the piece was damaged on its way."""
        self.tentative = False
        if self._data is not None:
            os.ftruncate(self._data, self._begin)
        self.offset = self._begin
        self._digest = None

    def _record(self) -> None:
        if self._data is None:
            return
        if self.offset != self._recorded:
            os.fdatasync(self._data)
            write_offset(self._folder, self.offset)
            self._recorded = self.offset
        if self._digest is not None:
            self._on_record(self.offset, self._digest.copy())
