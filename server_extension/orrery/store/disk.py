"""Durable writes on the local disk: atomic replacement, syncing folders, and a full disk told as what it is."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from orrery.errors import OutOfSpace

_FULL = (errno.ENOSPC, errno.EDQUOT)


def free_bytes(folder: Path) -> int:
    """What this process may still write under `folder`."""
    return shutil.disk_usage(folder).free


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_durable_folder(folder: Path, mode: int = 0o700) -> None:
    """Create `folder` and its parents, each synced into its parent. Idempotent and safe among processes."""
    if folder.is_dir():
        return
    if folder.parent != folder:
        make_durable_folder(folder.parent, mode)
    folder.mkdir(mode=mode, exist_ok=True)
    sync_folder(folder.parent)


def replace_file(path: Path, content: bytes, staging: Path | None = None) -> None:
    """Write `content` so that a reader, or the next start, finds either the old file or the whole new one.

    `staging` is a folder on the same file system for the unfinished file (None: beside it, its name with a dot first).

    Raises: `OutOfSpace`; the old file is then as it was.
    """
    temporary = (staging or path.parent) / f".{path.name[:200]}.{secrets.token_hex(6)}"
    try:
        with refusing_full_disk(path.parent, len(content)), temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


@contextmanager
def refusing_full_disk(folder: Path, needed_bytes: int | None = None) -> Generator[None]:
    """Turn a full disk (or quota) under `folder` into `OutOfSpace`, with the figures a person needs."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise make_out_of_space(needed_bytes, free_bytes(folder)) from error


def make_out_of_space(needed_bytes: int | None, free: int) -> OutOfSpace:
    needed = f"{needed_bytes:,} bytes are needed, " if needed_bytes is not None else ""
    return OutOfSpace(
        f"the disk is full: {needed}{free:,} are free; delete what is not needed, or ask the administrator for space",
        needed_bytes=needed_bytes,
        free_bytes=free,
    )
