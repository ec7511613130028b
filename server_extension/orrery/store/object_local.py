"""Objects on the local disk: `ab/cd/<oid>`, read-only, admitted by a rename.

Locks, both `flock`, so that a killed process holds none:

- `locks/admit`: shared while an object is admitted or touched, exclusive while one is discarded. A touch therefore
  never falls between the collector's look at an object's age and its removal.
- `locks/collect`: the one collector.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from orrery.store.disk import make_durable_folder, sync_folder

_READ_ONLY = 0o444


class LocalBackend:
    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.staging = self.root / "staging"
        self._locks = self.root / "locks"
        for folder in (self.root, self.staging, self._locks):
            make_durable_folder(folder)

    def admit(self, staged: Path, oid: str, size: int) -> None:
        target = self._path(oid)
        os.chmod(staged, _READ_ONLY)
        with self._lock("admit", fcntl.LOCK_SH):
            if self._touch(oid) == size:
                return
            make_durable_folder(target.parent)
            os.utime(staged)
            _rename(staged, target, self.staging)
            sync_folder(target.parent)

    def touch(self, oid: str) -> int | None:
        with self._lock("admit", fcntl.LOCK_SH):
            return self._touch(oid)

    def _touch(self, oid: str) -> int | None:
        path = self._path(oid)
        try:
            os.utime(path)
            return path.stat().st_size
        except FileNotFoundError:
            return None

    def size(self, oid: str) -> int | None:
        try:
            return self._path(oid).stat().st_size
        except FileNotFoundError:
            return None

    def touched_at(self, oid: str) -> datetime | None:
        try:
            return _modified_at(self._path(oid))
        except FileNotFoundError:
            return None

    def open(self, oid: str) -> BinaryIO:
        return self._path(oid).open("rb")

    def delete(self, oid: str) -> bool:
        try:
            self._path(oid).unlink()
        except FileNotFoundError:
            return False
        return True

    def discard(self, oid: str, older_than: datetime) -> bool:
        with self._lock("admit", fcntl.LOCK_EX):
            touched_at = self.touched_at(oid)
            return touched_at is not None and touched_at < older_than and self.delete(oid)

    def iterate(self) -> Iterator[tuple[str, int]]:
        for first in _folders(self.root):
            for second in _folders(first):
                with os.scandir(second) as entries:
                    for entry in entries:
                        try:
                            yield entry.name, entry.stat(follow_symlinks=False).st_size
                        except FileNotFoundError:
                            continue

    @contextmanager
    def collecting(self) -> Generator[bool]:
        with self._lock("collect", fcntl.LOCK_EX | fcntl.LOCK_NB) as held:
            yield held

    def sweep(self, older_than: datetime) -> int:
        removed = 0
        for path in self.staging.iterdir():
            try:
                if _modified_at(path) < older_than:
                    path.unlink()
                    removed += 1
            except FileNotFoundError:
                continue
        return removed

    def _path(self, oid: str) -> Path:
        return self.root / oid[:2] / oid[2:4] / oid

    @contextmanager
    def _lock(self, name: str, how: int) -> Generator[bool]:
        descriptor = os.open(self._locks / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, how)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(descriptor)


def _rename(source: Path, target: Path, staging: Path) -> None:
    """Rename, over a copy in `staging` when the source is on another file system."""
    if source.stat().st_dev == target.parent.stat().st_dev:
        source.replace(target)
        return
    near = staging / f"{os.getpid()}-{target.name}"
    try:
        with source.open("rb") as reader, near.open("wb") as writer:
            while chunk := reader.read(1 << 20):
                writer.write(chunk)
            writer.flush()
            os.fsync(writer.fileno())
        os.chmod(near, _READ_ONLY)
        near.replace(target)
    finally:
        near.unlink(missing_ok=True)


def _folders(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if len(path.name) == 2 and path.is_dir()]


def _modified_at(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)
