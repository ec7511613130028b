"""Objects on any fsspec file system: S3, GCS, Azure, SFTP, memory.

Such systems have neither locks nor a cheap touch, so two kinds of small files stand in for them:

- `pins/<oid>`: written to make an object young again. An object's age is that of the younger of the two.
- `tombs/<oid>.<collector>`: written by a collector before it looks at the age, removed after it has deleted.

A writer *pins, then looks for tombs, then looks for the object*; a collector *entombs, then looks at the age, then
deletes, then lifts the tomb*. Whichever way the two interleave on a file system that reads its own writes (S3 since
2020), either the collector sees the young pin, or the writer sees the tomb and waits, or the writer misses the object
and uploads it again. A tomb holds writers up for `_TOMB_SECONDS` at most, should its collector have died; a collector
slower than half of that gives the object up.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, Self, cast

import fsspec  # pyright: ignore[reportMissingTypeStubs]

from orrery.errors import Unavailable

_TOMB_SECONDS = 60.0
_LEASE = timedelta(hours=1)
#: a file written here appears whole when it is closed; elsewhere it is written aside and moved
_ATOMIC = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "az", "adl"})


class RemoteBackend:
    def __init__(self, files: Any, root: str, staging: Path) -> None:
        """`files` is an fsspec `AbstractFileSystem` (fsspec ships no types)."""
        self._files = files
        self._root = root.rstrip("/")
        protocol = files.protocol
        self._atomic = bool(_ATOMIC.intersection({protocol} if isinstance(protocol, str) else protocol))
        self.staging = staging
        staging.mkdir(mode=0o700, parents=True, exist_ok=True)

    @classmethod
    def from_url(cls, url: str, staging: Path, **options: Any) -> Self:
        files, root = cast("tuple[Any, str]", fsspec.url_to_fs(url, **options))  # pyright: ignore
        return cls(files, root, staging)

    def admit(self, staged: Path, oid: str, size: int) -> None:
        path = self._path(oid)
        while True:
            if self.size(oid) == size:
                self._write(self._pin(oid), b"")
            else:
                self._upload(staged, path, size)
            self._await_tombs(oid)
            if self.size(oid) == size:
                return

    def touch(self, oid: str) -> int | None:
        if self.size(oid) is None:
            return None
        self._write(self._pin(oid), b"")
        self._await_tombs(oid)
        return self.size(oid)

    def size(self, oid: str) -> int | None:
        self._files.invalidate_cache()
        try:
            return int(self._files.info(self._path(oid))["size"])
        except FileNotFoundError:
            return None

    def touched_at(self, oid: str) -> datetime | None:
        own = self._modified_at(self._path(oid))
        pinned = self._modified_at(self._pin(oid))
        return own if own is None or pinned is None else max(own, pinned)

    def open(self, oid: str) -> BinaryIO:
        return cast("BinaryIO", self._files.open(self._path(oid), "rb"))

    def delete(self, oid: str) -> bool:
        found = self._remove(self._path(oid))
        self._remove(self._pin(oid))
        return found

    def discard(self, oid: str, older_than: datetime) -> bool:
        tomb = f"{self._root}/tombs/{oid}.{secrets.token_hex(8)}"
        begun = time.monotonic()
        self._write(tomb, b"")
        try:
            touched_at = self.touched_at(oid)
            if touched_at is None or touched_at >= older_than or time.monotonic() - begun > _TOMB_SECONDS / 2:
                return False
            return self.delete(oid)
        finally:
            self._remove(tomb)

    def iterate(self) -> Iterator[tuple[str, int]]:
        self._files.invalidate_cache()
        for path, entry in self._find("objects"):
            yield path.rsplit("/", 1)[-1], int(entry["size"])

    @contextmanager
    def collecting(self) -> Generator[bool]:
        """A lease with an end. Two collectors that take it in the same instant do no harm: each has its own tombs."""
        path = f"{self._root}/collector.json"
        mine = secrets.token_hex(8)
        holder = self._read_lease(path)
        if holder is not None and datetime.fromisoformat(holder["until"]) > datetime.now(UTC):
            yield False
            return
        until = (datetime.now(UTC) + _LEASE).isoformat()
        self._write(path, json.dumps({"holder": mine, "until": until}).encode())
        holder = self._read_lease(path)
        if holder is None or holder["holder"] != mine:
            yield False
            return
        try:
            yield True
        finally:
            self._remove(path)

    def sweep(self, older_than: datetime) -> int:
        removed = 0
        for folder in ("incoming", "tombs"):
            for path, _ in self._find(folder):
                modified_at = self._modified_at(path)
                if modified_at is not None and modified_at < older_than:
                    removed += self._remove(path)
        for staged in self.staging.iterdir():
            if datetime.fromtimestamp(staged.stat().st_mtime, UTC) < older_than:
                staged.unlink(missing_ok=True)
                removed += 1
        return removed

    def _upload(self, staged: Path, path: str, size: int) -> None:
        """Raises: `Unavailable` when what arrived is not what was sent."""
        target = path if self._atomic else f"{self._root}/incoming/{os.getpid()}-{secrets.token_hex(8)}"
        self._files.makedirs(target.rsplit("/", 1)[0], exist_ok=True)
        try:
            self._files.put_file(str(staged), target)
            self._files.invalidate_cache()
            arrived = int(self._files.info(target)["size"])
        except BaseException:
            if target != path:
                self._remove(target)
            raise
        if arrived != size:
            self._remove(target)
            raise Unavailable(
                f"the object store took {arrived:,} of {size:,} bytes; try again, and look at its own log if this stays"
            )
        if target != path:
            self._files.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
            self._files.mv(target, path)

    def _await_tombs(self, oid: str) -> None:
        """Wait until no collector is about to delete the object."""
        deadline = time.monotonic() + _TOMB_SECONDS
        while time.monotonic() < deadline:
            self._files.invalidate_cache()
            if not self._files.glob(f"{self._root}/tombs/{oid}.*"):
                return
            time.sleep(0.05)

    def _read_lease(self, path: str) -> dict[str, str] | None:
        self._files.invalidate_cache()
        try:
            return json.loads(self._files.cat_file(path))
        except FileNotFoundError:
            return None

    def _write(self, path: str, content: bytes) -> None:
        self._files.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
        self._files.pipe_file(path, content)

    def _remove(self, path: str) -> bool:
        try:
            self._files.rm_file(path)
        except FileNotFoundError:
            return False
        return True

    def _find(self, folder: str) -> list[tuple[str, dict[str, Any]]]:
        try:
            return list(self._files.find(f"{self._root}/{folder}", detail=True).items())
        except FileNotFoundError:
            return []

    def _modified_at(self, path: str) -> datetime | None:
        try:
            modified: datetime = self._files.modified(path)
        except FileNotFoundError:
            return None
        return modified if modified.tzinfo else modified.replace(tzinfo=UTC)

    def _path(self, oid: str) -> str:
        return f"{self._root}/objects/{oid[:2]}/{oid[2:4]}/{oid}"

    def _pin(self, oid: str) -> str:
        return f"{self._root}/pins/{oid}"
