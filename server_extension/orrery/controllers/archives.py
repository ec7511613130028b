"""Archives from strangers: .zip and .tar.gz, their plain files into the object store, nothing laid out on the disk.

Every figure in an archive may be a lie, so that what counts is counted: entries, and bytes as they come out. A link, a
device, a name that leads elsewhere or that no editor would show refuses the whole archive.
"""

from __future__ import annotations

import io
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO, Final, Protocol

from orrery.domain.datasets import DatasetFile
from orrery.domain.sources import MAX_FILES
from orrery.errors import Invalid
from orrery.executors.words import human_bytes
from orrery.store.objects import ObjectStore

#: of entries, folders included
_MAX_ENTRIES: Final = 2 * MAX_FILES
#: what describes a zip's entries is read into memory whole
_MAX_DIRECTORY_BYTES: Final = 16 << 20
#: what a tar has beside its files' contents: headers, padding
_TAR_BYTES_AN_ENTRY: Final = 2048
_MAX_NAME_BYTES: Final = 255
#: what macOS puts beside what was packed
_NOBODYS: Final = "__MACOSX/"
_END_OF_ZIP: Final = struct.Struct("<4s4H2LH")
_DAMAGED: Final = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    KeyError,
    IndexError,
    OverflowError,
    RecursionError,
    NotImplementedError,
)


def unpack(
    path: Path, folder: str, objects: ObjectStore, max_bytes: int, look: Callable[[str], None]
) -> list[DatasetFile]:
    """The files of `folder` in it (empty: all), by their paths there; a sole folder around everything is left out.

    `look` is told now and then what is being done, and may raise. Raises: Invalid saying what is wrong with it.
    """
    with path.open("rb") as archive:
        start = archive.read(4)
    taken = _Taken(objects, max_bytes, look)
    try:
        if start in (b"PK\x03\x04", b"PK\x05\x06"):
            _read_zip(path, taken)
        elif start[:2] == b"\x1f\x8b":
            _read_tar(path, taken)
        else:
            what = "a web page" if start.lstrip()[:1] == b"<" else "something else"
            raise refused(f"it is neither a .zip nor a .tar.gz but {what}; give the address of the archive itself")
    except _DAMAGED as error:
        raise refused(f"the archive is damaged ({type(error).__name__}: {error}); make it anew") from error
    return taken.below(folder)


class _Taken:
    """The files of one archive, within the limits."""

    def __init__(self, objects: ObjectStore, max_bytes: int, look: Callable[[str], None]) -> None:
        self._objects = objects
        self.max_bytes = max_bytes
        self._look = look
        self._files: dict[str, DatasetFile] = {}
        self._entries = 0
        self._left = max_bytes

    def count(self) -> None:
        """One more entry of whatever sort."""
        self._entries += 1
        if self._entries > _MAX_ENTRIES:
            raise refused(f"it has more than {_MAX_ENTRIES:,} entries; keep data out of it")

    def check_size(self, told: int) -> None:
        """Before anything is read, where the archive itself says that it is too much."""
        if told > self._left:
            raise self.too_large()

    def too_large(self) -> Invalid:
        return refused(f"it unpacks to more than {human_bytes(self.max_bytes)}; keep data out of it")

    def take(self, name: str, stream: IO[bytes]) -> None:
        path = check_name(name)
        if path.startswith(_NOBODYS):
            return
        if path in self._files:
            raise refused(f"two files lie at {path!r}; leave one of them away")
        if len(self._files) >= MAX_FILES:
            raise refused(f"it has more than {MAX_FILES:,} files; keep data out of it")
        self._look(f"unpacks file {len(self._files) + 1:,}")
        counted = _Counted(stream, self._left, self.too_large)
        stored = self._objects.put(counted)
        self._left -= counted.count
        self._files[path] = DatasetFile(path=path, oid=stored.oid, size=stored.size, purpose=None)

    def below(self, folder: str) -> list[DatasetFile]:
        if not self._files:
            raise refused("there are no files in it")
        for path in self._files:
            for parent in PurePosixPath(path).parents:
                if str(parent) in self._files:
                    raise refused(f"{str(parent)!r} is a file and a folder; rename one of them")
        files = self._files
        tops = {PurePosixPath(path).parts[0] for path in files}
        around = next(iter(tops)) if len(tops) == 1 and next(iter(tops)) not in files else ""
        for prefix in dict.fromkeys((folder, f"{around}/{folder}".strip("/"))) if folder else (around,):
            found = [
                file.model_copy(update={"path": path[len(prefix) :].lstrip("/")})
                for path, file in sorted(files.items())
                if not prefix or path.startswith(f"{prefix}/")
            ]
            if found:
                return found
        raise refused(f"there is no folder {folder!r} in it (it has {', '.join(sorted(tops)[:10])})")


class _Stream(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


class _Counted(io.RawIOBase):
    """A stream that ends with an error after so many bytes, whatever its header said."""

    def __init__(self, stream: _Stream, most: int, too_large: Callable[[], Invalid]) -> None:
        super().__init__()
        self._stream = stream
        self._most = most
        self._too_large = too_large
        self.count = 0

    def read(self, size: int = -1, /) -> bytes:
        room = self._most - self.count + 1
        piece = self._stream.read(room if size < 0 else min(size, room))
        self.count += len(piece)
        if self.count > self._most:
            raise self._too_large()
        return piece


def check_name(name: str) -> str:
    """The path of an entry. Raises: Invalid for one that leads elsewhere or could not be a file's."""
    shown = ascii(name[:200])
    parts = PurePosixPath(name).parts
    if name.startswith("/") or ".." in parts or "\\" in name:
        raise refused(f"{shown} leads out of the archive; names must be relative, with '/' and without '..'")
    if not parts or not name.isprintable():
        raise refused(f"{shown} cannot be the name of a file here: it has characters that are not shown; rename it")
    if any(len(part.encode()) > _MAX_NAME_BYTES for part in parts) or len(name) > 1024:
        raise refused(f"the name {shown} is too long; at most {_MAX_NAME_BYTES} bytes a part are possible")
    return str(PurePosixPath(*parts))


# zip


def _read_zip(path: Path, taken: _Taken) -> None:
    _check_directory(path)
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            taken.count()
            mode = entry.external_attr >> 16
            if entry.is_dir():
                continue
            if stat.S_ISLNK(mode):
                raise refused(_no_plain_file(entry.filename, "a symbolic link"))
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
                raise refused(_no_plain_file(entry.filename, "a device or the like"))
            if entry.flag_bits & 0x1:
                raise refused(f"{entry.filename[:200]!r} is encrypted; pack it without a password")
            if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise refused(f"{entry.filename[:200]!r} is packed in an unusual way; use plain zip (deflate)")
            # the library cuts a name off at its first NUL
            check_name(entry.orig_filename)
            taken.check_size(entry.file_size)
            with archive.open(entry) as stream:
                taken.take(entry.filename, stream)


def _check_directory(path: Path) -> None:
    """That the description of the entries may be read: the library reads all of it, however long it says it is."""
    with path.open("rb") as archive:
        archive.seek(0, io.SEEK_END)
        archive.seek(max(0, archive.tell() - (1 << 16) - _END_OF_ZIP.size - 20))
        tail = archive.read()
    place = tail.rfind(b"PK\x05\x06")
    if place < 0 or len(tail) - place < _END_OF_ZIP.size:
        raise refused("the archive is cut off; fetch or make it anew")
    if b"PK\x06\x07" in tail:
        raise refused("it is a zip64, for archives larger than are taken here; pack less, or use .tar.gz")
    _, _, _, _, count, length, _, _ = _END_OF_ZIP.unpack_from(tail, place)
    if count > _MAX_ENTRIES or length > _MAX_DIRECTORY_BYTES:
        raise refused(f"it has more than {_MAX_ENTRIES:,} entries; keep data out of it")


# tar


def _read_tar(path: Path, taken: _Taken) -> None:
    import gzip

    with gzip.open(path) as unzipped:
        # long headers are read into memory by the library: they are bounded like everything else
        most = taken.max_bytes + _MAX_ENTRIES * _TAR_BYTES_AN_ENTRY
        whole = _Counted(unzipped, most, taken.too_large)
        with tarfile.open(fileobj=whole, mode="r|", encoding="utf-8", errors="surrogateescape") as archive:
            for entry in archive:
                taken.count()
                if entry.isdir():
                    continue
                if entry.issym() or entry.islnk():
                    raise refused(_no_plain_file(entry.name, "a link"))
                if not entry.isreg() or entry.issparse():
                    raise refused(_no_plain_file(entry.name, "a device or the like"))
                check_name(entry.name)
                taken.check_size(entry.size)
                stream = archive.extractfile(entry)
                assert stream is not None
                taken.take(entry.name, stream)


def _no_plain_file(name: str, what: str) -> str:
    return f"{name[:200]!r} is {what}; only plain files are taken: pack it without"


def refused(message: str) -> Invalid:
    return Invalid(message, fields=[{"path": "spec.source", "message": message}])
