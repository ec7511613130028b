"""The object store: content by its sha256, each content once, on the local disk or any fsspec file system.

An object is immutable and named by the hash of its bytes (`oid`, the same that Git LFS uses). `put` makes it visible
whole or not at all, and putting it again is harmless. Bytes are first staged in a local file while they are hashed,
because the name is known only at their end; a backend then admits the staged file.

Who is about to refer to an object calls `claim` first and commits the reference after: a claim makes the object young
again, and the collector (`orrery.store.collection`) spares the young.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, Self

from orrery.errors import NotFound, OrreryError
from orrery.store.disk import refusing_full_disk
from orrery.store.object_local import LocalBackend

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

CHUNK_BYTES = 1 << 20
_OID = re.compile(r"[0-9a-f]{64}")


class DamagedObject(OrreryError):
    """The stored bytes are not the ones that were put; restore them from a backup or upload them again."""

    code = "damaged_object"


@dataclass(frozen=True)
class Object:
    #: sha256 of the content, 64 lower-case hexadecimal digits
    oid: str
    #: in bytes
    size: int


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Hash(Protocol):
    """What `hashlib` gives."""

    def update(self, data: ReadableBuffer, /) -> None: ...
    def digest(self) -> bytes: ...
    def hexdigest(self) -> str: ...
    def copy(self) -> Self: ...


class Backend(Protocol):
    """Where objects lie. Every method is safe among threads and processes."""

    #: a local folder for files that are being written; admitted files are moved or copied from it
    staging: Path

    def admit(self, staged: Path, oid: str, size: int) -> None:
        """Make the staged, synced file visible under `oid`, or touch what is there. The staged file may be consumed."""
        ...

    def touch(self, oid: str) -> int | None:
        """Make the object young again and return its size; None when it is not there."""
        ...

    def size(self, oid: str) -> int | None: ...

    def touched_at(self, oid: str) -> datetime | None:
        """When it was last admitted or touched; None when it is not there."""
        ...

    def open(self, oid: str) -> BinaryIO:
        """Raises: FileNotFoundError."""
        ...

    def delete(self, oid: str) -> bool: ...

    def discard(self, oid: str, older_than: datetime) -> bool:
        """Delete the object unless it was touched at or after `older_than`; no touch can fall in between."""
        ...

    def iterate(self) -> Iterator[tuple[str, int]]: ...

    def collecting(self) -> AbstractContextManager[bool]:
        """Held by the one collector; False to all others."""
        ...

    def sweep(self, older_than: datetime) -> int:
        """Remove what crashed writers left; the number of files removed."""
        ...


class ObjectStore:
    """All methods are safe among threads and processes; they block, so call them off the event loop."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    @classmethod
    def from_url(cls, url: str | Path, *, staging: Path | None = None, **options: Any) -> Self:
        """Open a store at a path, `file:///…`, or any fsspec URL (`memory://…`, `s3://bucket/prefix`).

        `staging` is the local folder where objects of a remote store are written before they are uploaded (default: in
        the system's temporary folder); `options` go to the fsspec file system.
        """
        location = str(url)
        scheme, separator, rest = location.partition("://")
        if not separator:
            return cls(LocalBackend(Path(location)))
        if scheme in ("file", "local"):
            return cls(LocalBackend(Path(rest)))
        from orrery.store.object_remote import RemoteBackend  # fsspec loads only where it is used

        spool = staging or Path(tempfile.gettempdir()) / f"orrery-staging-{os.getuid()}"
        return cls(RemoteBackend.from_url(location, spool, **options))

    def writer(self) -> ObjectWriter:
        """Begin an object whose bytes come in pieces; `commit` at the end, and `close` (a `with` block does)."""
        return ObjectWriter(self.backend)

    def put(self, source: Readable | Path) -> Object:
        """Store a stream's remaining bytes, or a file's, reading a piece at a time. Idempotent.

        Raises: `OutOfSpace`; nothing is then left behind.
        """
        if isinstance(source, Path):
            with source.open("rb") as stream:
                return self.put(stream)
        with self.writer() as writer:
            while chunk := source.read(CHUNK_BYTES):
                writer.write(chunk)
            return writer.commit()

    def take(self, path: Path, oid: str) -> Object:
        """Move a finished file in, whose content the caller has just hashed to `oid`; a rename where that can be."""
        size = path.stat().st_size
        with refusing_full_disk(self.backend.staging, size):
            self.backend.admit(path, oid, size)
        path.unlink(missing_ok=True)
        return Object(oid, size)

    def claim(self, oid: str) -> Object:
        """Keep the object for as long as the collector's grace, so that a reference to it can be committed.

        Raises: `NotFound`.
        """
        size = self.backend.touch(oid) if is_oid(oid) else None
        if size is None:
            raise _missing(oid)
        return Object(oid, size)

    def exists(self, oid: str) -> bool:
        return is_oid(oid) and self.backend.size(oid) is not None

    def size(self, oid: str) -> int:
        """In bytes. Raises: `NotFound`."""
        size = self.backend.size(oid) if is_oid(oid) else None
        if size is None:
            raise _missing(oid)
        return size

    def open(self, oid: str, offset: int = 0, length: int | None = None) -> BinaryIO:
        """Read `length` bytes (None: all) from `offset` on; past the end there are none.

        Raises: `NotFound`, at once rather than at the first read.
        """
        if not is_oid(oid):
            raise _missing(oid)
        try:
            stream = self.backend.open(oid)
        except FileNotFoundError as error:
            raise _missing(oid) from error
        if offset:
            stream.seek(offset)
        return stream if length is None else io.BufferedReader(_Window(stream, length))

    def fetch(self, oid: str, destination: Path) -> Object:
        """Copy the object to a file of one's own, verified; an existing file is replaced, atomically.

        Raises: `NotFound`, `DamagedObject`, `OutOfSpace`; the destination is then as it was.
        """
        destination.parent.mkdir(parents=True, exist_ok=True)
        temporary = destination.with_name(f".{destination.name}.{secrets.token_hex(6)}")
        digest, size = hashlib.sha256(), 0
        try:
            with self.open(oid) as source, refusing_full_disk(destination.parent), temporary.open("xb") as target:
                while chunk := source.read(CHUNK_BYTES):
                    digest.update(chunk)
                    target.write(chunk)
                    size += len(chunk)
            if digest.hexdigest() != oid:
                raise DamagedObject(
                    f"object {oid} is damaged: its {size:,} bytes hash to {digest.hexdigest()}", oid=oid
                )
            temporary.replace(destination)
        finally:
            temporary.unlink(missing_ok=True)
        return Object(oid, size)

    def delete(self, oid: str) -> bool:
        """Remove it whoever refers to it; False when it was not there. The collector is what should call this."""
        return is_oid(oid) and self.backend.delete(oid)

    def iterate(self) -> Iterator[Object]:
        """All objects, in no order; those put meanwhile may be missed."""
        return (Object(oid, size) for oid, size in self.backend.iterate() if is_oid(oid))


class ObjectWriter:
    """Bytes on their way in. Nothing is visible before `commit`; leaving the block without it removes every trace."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._digest = hashlib.sha256()
        self.size = 0
        with refusing_full_disk(backend.staging):
            self._path = backend.staging / f"{os.getpid()}-{secrets.token_hex(12)}"
            self._file = self._path.open("xb", buffering=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove every trace of what is not committed. Idempotent."""
        self._file.close()
        self._path.unlink(missing_ok=True)

    def write(self, chunk: ReadableBuffer) -> None:
        """Raises: `OutOfSpace`."""
        view = memoryview(chunk)
        with refusing_full_disk(self._backend.staging, len(view)):
            remaining = view
            while remaining:
                remaining = remaining[self._file.write(remaining) :]
        self._digest.update(view)
        self.size += len(view)

    def commit(self) -> Object:
        """Make the object visible, durably. Raises: `OutOfSpace`."""
        oid = self._digest.hexdigest()
        with refusing_full_disk(self._backend.staging, self.size):
            os.fsync(self._file.fileno())
            self._file.close()
            self._backend.admit(self._path, oid, self.size)
        return Object(oid, self.size)


class _Window(io.RawIOBase):
    """At most `length` bytes of a stream, from where it stands."""

    def __init__(self, stream: BinaryIO, length: int) -> None:
        self._stream = stream
        self._left = length

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        chunk = self._stream.read(min(len(view), self._left))
        view[: len(chunk)] = chunk
        self._left -= len(chunk)
        return len(chunk)

    def close(self) -> None:
        self._stream.close()
        super().close()


def is_oid(text: str) -> bool:
    return _OID.fullmatch(text) is not None


def _missing(oid: str) -> NotFound:
    return NotFound(f"there is no object {oid[:80]!r} in the store; upload it first", oid=oid[:80])
