"""Resumable uploads on disk: bytes arrive in pieces, survive `kill -9`, and end as an object.

    $ORRERY_HOME/uploads/<id>/
      info.json   who uploads what, how large; and, once finished, the object's oid
      data        the bytes so far
      offset      how many of them are known to be good: written after they were synced
      lock        flock, held by the one writer

The truth is the disk. What `data` holds beyond `offset` is cut off at the next write: after a power cut its content
is unknown. `finish` hashes while bytes arrive and reads the file again only when another process wrote a part of it.
A finished upload stays listed until it expires, as the receipt that its owner brought that object.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import secrets
import time
import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Event, Lock

from orrery.errors import Conflict, Invalid, NotFound, TooLarge
from orrery.store.disk import free_bytes, make_durable_folder, make_out_of_space, refusing_full_disk
from orrery.store.objects import Hash, Object, ObjectStore
from orrery.store.upload_files import (
    Info,
    Upload,
    UploadWriter,
    create_folder,
    hash_file,
    mark_finished,
    read_upload,
    remove_folder,
    truncate,
)

_ID = re.compile(r"up_[0-9a-f]{32}")
_TAKE_OVER_SECONDS = 5.0
#: unfinished uploads whose running hash is remembered; the others are read again at their end
_HASHES_KEPT = 256


@dataclass(frozen=True)
class Limits:
    """What one platform accepts."""

    #: of one upload
    upload_bytes: int = 100 << 30
    #: declared by all unfinished uploads of one owner together
    owner_bytes: int = 500 << 30
    #: unfinished uploads of one owner
    owner_uploads: int = 1000
    #: left free on the disk, for everything else
    reserve_bytes: int = 256 << 20
    #: after the last byte of an unfinished one, and after the end of a finished one
    lifetime: timedelta = timedelta(hours=48)


def _now() -> datetime:
    return datetime.now(UTC)


class Uploads:
    """All methods block and are safe among threads; several processes may share the folder."""

    def __init__(
        self, folder: Path, objects: ObjectStore, limits: Limits | None = None, clock: Callable[[], datetime] = _now
    ) -> None:
        self.folder = folder.absolute()
        self.limits = limits or Limits()
        self._objects = objects
        self._clock = clock
        self._create_lock = Lock()
        self._hashes: OrderedDict[str, tuple[int, Hash]] = OrderedDict()
        self._hashes_lock = Lock()
        self._writers: dict[str, Callable[[], None]] = {}
        make_durable_folder(self.folder)

    def create(self, owner: str, name: str, size: int) -> Upload:
        """Begin an upload of exactly `size` bytes.

        Raises: `Invalid`, `TooLarge`, `OutOfSpace` (with the bytes needed and free).
        """
        self.check_size(size)
        with self._create_lock:
            unfinished = [upload for upload in self._all() if upload.oid is None]
            theirs = [upload for upload in unfinished if upload.owner == owner]
            if len(theirs) >= self.limits.owner_uploads:
                raise TooLarge(
                    f"{len(theirs)} uploads of yours are unfinished, the limit; finish or cancel some of them",
                    limit=self.limits.owner_uploads,
                )
            if (total := sum(upload.size for upload in theirs) + size) > self.limits.owner_bytes:
                raise TooLarge(
                    f"your unfinished uploads would come to {total:,} bytes, more than the {self.limits.owner_bytes:,} "
                    "allowed; finish or cancel some of them",
                    size=total,
                    limit=self.limits.owner_bytes,
                )
            self._check_space(size, sum(upload.size - upload.offset for upload in unfinished))
            return self._create(owner, name, size)

    def record(self, owner: str, name: str, stored: Object) -> Upload:
        """Note that `owner` brought an object by another way; it is listed as a finished upload."""
        return self._create(owner, name, stored.size, stored.oid)

    def check_size(self, size: int) -> None:
        """Refuse what no upload may be. Raises: `Invalid`, `TooLarge`."""
        if size < 0:
            raise Invalid(f"an upload cannot have {size} bytes; declare its true size", size=size)
        if size > self.limits.upload_bytes:
            raise TooLarge(
                f"{size:,} bytes are more than the {self.limits.upload_bytes:,} allowed for one file; split it, or ask "
                "the administrator for a higher limit",
                size=size,
                limit=self.limits.upload_bytes,
            )

    def check_space(self, size: int) -> None:
        """Raises: `OutOfSpace` when the disk cannot hold `size` bytes beside what is already on its way."""
        self._check_space(size, sum(upload.size - upload.offset for upload in self._all() if upload.oid is None))

    def get(self, owner: str, upload_id: str) -> Upload:
        """Raises: `NotFound` for what is absent, expired or somebody else's."""
        upload = self._read(upload_id)
        if upload is None or upload.owner != owner or upload.expires_at <= self._clock():
            raise _missing(upload_id)
        return upload

    def list(self, owner: str) -> list[Upload]:
        """Those of `owner`, unfinished and finished, the newest last."""
        now = self._clock()
        return [upload for upload in self._all() if upload.owner == owner and upload.expires_at > now]

    def brought(self, owner: str, oid: str) -> bool:
        """Whether `owner` has uploaded this object lately, and may therefore name it."""
        return any(upload.oid == oid for upload in self.list(owner))

    def oids(self) -> set[str]:
        """The objects of all finished uploads, for the collector to spare."""
        return {upload.oid for upload in self._all() if upload.oid is not None}

    def write(
        self, owner: str, upload_id: str, offset: int, on_taken_over: Callable[[], object] | None = None
    ) -> UploadWriter:
        """Open the upload for writing at `offset`; an earlier writer in this process is told to stop.

        `on_taken_over` is called, from another thread, when a later writer wants this one to close.

        Raises: `NotFound`; `Conflict` when `offset` is not where the bytes end or another process writes.
        """
        self.get(owner, upload_id)
        stop = Event()
        with ExitStack() as stack:
            stack.enter_context(self._locked(upload_id, stop, on_taken_over))
            upload = self.get(owner, upload_id)
            if offset != upload.offset:
                raise Conflict(
                    f"the upload's offset is {upload.offset}, not {offset}; go on from there", offset=upload.offset
                )
            digest = self._hash_at(upload_id, offset)
            keep_hash = partial(self._keep_hash, upload_id)
            writer = UploadWriter(self.folder / upload_id, upload, stop, digest, keep_hash, stack.pop_all().close)
        return writer

    def finish(self, owner: str, upload_id: str) -> Object:
        """Turn a complete upload into an object. Idempotent, and picks up what a crash left half done.

        Raises: `NotFound`, `Conflict` while bytes are missing, `OutOfSpace` (the upload then stays as it is).
        """
        self.get(owner, upload_id)
        with self._locked(upload_id):
            upload = self.get(owner, upload_id)
            if upload.oid is not None:
                return Object(upload.oid, upload.size)
            if not upload.is_complete:
                missing = upload.size - upload.offset
                raise Conflict(f"the upload is not complete: {missing:,} bytes are missing", offset=upload.offset)
            folder = self.folder / upload_id
            data = folder / "data"
            truncate(data, upload.size)
            digest = self._hash_at(upload_id, upload.size)
            oid = hash_file(data) if digest is None else digest.hexdigest()
            mark_finished(folder, oid)
            stored = self._objects.take(data, oid)
        self._forget_hash(upload_id)
        return stored

    def cancel(self, owner: str, upload_id: str) -> None:
        """Stop its writer and remove every trace; an object made of it stays. Raises: `NotFound`."""
        self.get(owner, upload_id)
        self._remove(upload_id)

    def expire(self) -> list[str]:
        """Remove what has outlived its time and what a crash left half created; the removed ids."""
        now = self._clock()
        expired: list[str] = []
        for folder in self._folders():
            upload = self._read(folder.name)
            half_created = datetime.fromtimestamp(folder.stat().st_mtime, UTC) + self.limits.lifetime
            if (half_created if upload is None else upload.expires_at) <= now:
                self._remove(folder.name)
                expired.append(folder.name)
        return expired

    def _keep_hash(self, upload_id: str, offset: int, digest: Hash) -> None:
        """Remember the hash of the first `offset` bytes, for the next piece."""
        with self._hashes_lock:
            self._hashes[upload_id] = (offset, digest)
            self._hashes.move_to_end(upload_id)
            while len(self._hashes) > _HASHES_KEPT:
                self._hashes.popitem(last=False)

    def _hash_at(self, upload_id: str, offset: int) -> Hash | None:
        """The hash of exactly the first `offset` bytes, or None: then `finish` reads them again."""
        with self._hashes_lock:
            known, digest = self._hashes.get(upload_id, (0, hashlib.sha256()))
            return digest.copy() if known == offset else None

    def _forget_hash(self, upload_id: str) -> None:
        with self._hashes_lock:
            self._hashes.pop(upload_id, None)

    def _create(self, owner: str, name: str, size: int, oid: str | None = None) -> Upload:
        now = self._clock()
        upload_id = f"up_{int(now.timestamp() * 1000):012x}{secrets.token_hex(10)}"
        info = Info(upload_id, owner, make_display_name(name), size, now.isoformat(), oid)
        with refusing_full_disk(self.folder, size):
            create_folder(self.folder / upload_id, info)
        return info.as_upload(0 if oid is None else size, oid, now + self.limits.lifetime)

    def _read(self, upload_id: str) -> Upload | None:
        return read_upload(self.folder / upload_id, self.limits.lifetime) if _ID.fullmatch(upload_id) else None

    def _all(self) -> Iterator[Upload]:
        for folder in self._folders():
            upload = self._read(folder.name)
            if upload is not None:
                yield upload

    def _folders(self) -> list[Path]:
        return sorted(path for path in self.folder.iterdir() if _ID.fullmatch(path.name))

    def _check_space(self, size: int, promised: int) -> None:
        free = free_bytes(self.folder)
        available = max(0, free - promised - self.limits.reserve_bytes)
        if size > available:
            raise make_out_of_space(size, available)

    def _remove(self, upload_id: str) -> None:
        with self._locked(upload_id):
            remove_folder(self.folder / upload_id)
        self._forget_hash(upload_id)

    @contextmanager
    def _locked(
        self, upload_id: str, stop: Event | None = None, on_taken_over: Callable[[], object] | None = None
    ) -> Generator[None]:
        """Hold the upload's lock; whoever writes to it in this process is asked to let go first.

        A connection that broke is noticed late, and its client is back sooner: the newest writer wins.
        """
        own = None if stop is None else partial(_stop, stop, on_taken_over)
        try:
            lock = os.open(self.folder / upload_id / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError as error:
            raise _missing(upload_id) from error
        try:
            deadline, told = time.monotonic() + _TAKE_OVER_SECONDS, None
            while not _try_lock(lock):
                holder = self._writers.get(upload_id)  # each time: it is known a moment after it has the lock
                if holder is not None and holder is not told:
                    holder()
                    told = holder
                if time.monotonic() > deadline:
                    raise Conflict("another connection is writing to this upload; try again when it has ended")
                time.sleep(0.02)
            if own is not None:
                self._writers[upload_id] = own
            yield
        finally:
            # Whoever waited in vain leaves the holder known to the next.
            if own is not None and self._writers.get(upload_id) is own:
                del self._writers[upload_id]
            os.close(lock)


def make_display_name(name: str) -> str:
    """What may be shown of a file name from outside: its last part, without control characters, at most 255 long."""
    last = re.split(r"[/\\]", name)[-1]
    shown = "".join(letter for letter in unicodedata.normalize("NFC", last) if unicodedata.category(letter)[0] != "C")
    shown = shown.strip()[:255]
    return shown if shown.strip(".") else "upload"


def _stop(writer: Event, callback: Callable[[], object] | None) -> None:
    writer.set()
    if callback is not None:
        callback()


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _missing(upload_id: str) -> NotFound:
    return NotFound(f"there is no upload {upload_id[:80]!r} of yours; it may have expired: begin anew")
