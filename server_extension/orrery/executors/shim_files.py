"""What a shim writes into its folder: whole or not at all, and on the disk before it goes on. Standard library only."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

#: room kept on the disk from the start, so that the end can be told even when the disk is full by then
EXIT_FILE_BYTES = 4096


def keep_room_for_exit(folder: str) -> None:
    with open(f"{folder}/exit.tmp", "wb") as file:
        file.write(b" " * EXIT_FILE_BYTES)


def write_exit(folder: str, record: Mapping[str, Any]) -> None:
    """`exit.json`, in the room that was kept for it."""
    fd = os.open(f"{folder}/exit.tmp", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.pwrite(fd, json.dumps(record).encode().ljust(EXIT_FILE_BYTES), 0)
    os.fsync(fd)
    os.close(fd)
    os.rename(f"{folder}/exit.tmp", f"{folder}/exit.json")
    _sync(folder)


def write_whole(folder: str, name: str, data: bytes) -> None:
    with open(f"{folder}/{name}.tmp", "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.rename(f"{folder}/{name}.tmp", f"{folder}/{name}")
    _sync(folder)


def _sync(folder: str) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    os.fsync(fd)
    os.close(fd)
