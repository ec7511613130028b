"""A mounted folder as storage: nothing is followed out of it, whoever else may write there.

Each folder on the way is opened by itself without following links, so that nothing can be exchanged meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
from collections.abc import Generator, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class LocalFolder:
    """`below` is the folder's path from `root`, which an administrator has named and which must be there."""

    def __init__(self, root: Path, below: str) -> None:
        self._root = root
        self._below = below

    def files(self) -> Iterator[tuple[str, int]]:
        try:
            with self._opened(self._below) as descriptor:
                yield from _walk(descriptor, "")
        except FileNotFoundError:
            if not self._root.is_dir():
                raise
            return

    def open(self, path: str) -> BinaryIO:
        where = PurePosixPath(self._below, path)
        with self._opened(str(where.parent)) as folder:
            descriptor = os.open(where.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(f"{path} is no regular file")
        return os.fdopen(descriptor, "rb")

    def write(self, path: str, source: BinaryIO) -> None:
        where = PurePosixPath(self._below, path)
        with self._opened(str(where.parent), make=True) as folder:
            aside = f".{where.name[:100]}.{secrets.token_hex(6)}.part"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(aside, flags, 0o664, dir_fd=folder)
            try:
                with os.fdopen(descriptor, "wb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
                    target.flush()
                    os.fsync(target.fileno())
                os.rename(aside, where.name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(aside, dir_fd=folder)
                raise

    @contextlib.contextmanager
    def _opened(self, path: str, *, make: bool = False) -> Generator[int]:
        """The folder at `path` from the root, by descriptor."""
        descriptor = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for part in PurePosixPath(path).parts:
                if make:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(part, 0o775, dir_fd=descriptor)
                below = os.open(part, _FOLDER, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = below
            yield descriptor
        finally:
            os.close(descriptor)


def _walk(descriptor: int, prefix: str) -> Iterator[tuple[str, int]]:
    with os.scandir(descriptor) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        if entry.is_dir(follow_symlinks=False):
            below = os.open(entry.name, _FOLDER, dir_fd=descriptor)
            try:
                yield from _walk(below, f"{prefix}{entry.name}/")
            finally:
                os.close(below)
        elif entry.is_file(follow_symlinks=False):
            yield f"{prefix}{entry.name}", entry.stat(follow_symlinks=False).st_size
