"""How full the data volume is.

Where the folder is a volume of its own, the file system tells. Where it is a folder among others, its files are added
up, a piece at each turn, so that a million files cost no more at a time than a thousand do.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

#: entries looked at in one turn: some milliseconds
ENTRIES_A_TURN: Final = 2000
#: seconds between two walks
WALK_EVERY_SECONDS: Final = 300.0


@dataclass(frozen=True)
class VolumeReading:
    """`used_bytes` is None until the first walk is done. `total_bytes`: the volume's size, or the quota."""

    used_bytes: int | None
    total_bytes: int | None
    free_bytes: int


@dataclass
class Volume:
    """`quota_bytes`: what the notebook was given, where the folder is no volume of its own."""

    folder: Path
    quota_bytes: int | None = None
    _used: int | None = None
    _walk: Iterator[int] | None = None
    _sum: int = 0
    _walked_at: float | None = None
    _is_volume: bool = field(init=False)

    def __post_init__(self) -> None:
        self._is_volume = os.path.ismount(self.folder)

    def read(self, now: float) -> VolumeReading:
        """`now` on any clock that only moves forward. Raises: OSError."""
        status = os.statvfs(self.folder)
        free = status.f_bavail * status.f_frsize
        if self._is_volume:
            used = (status.f_blocks - status.f_bfree) * status.f_frsize
            return VolumeReading(used, used + free, free)
        self._go_on(now)
        return VolumeReading(self._used, self.quota_bytes, free)

    def _go_on(self, now: float) -> None:
        if self._walk is None:
            if self._walked_at is not None and now - self._walked_at < WALK_EVERY_SECONDS:
                return
            self._walk, self._sum = walk(self.folder), 0
        for _ in range(ENTRIES_A_TURN):
            size = next(self._walk, None)
            if size is None:
                self._used, self._walk, self._walked_at = self._sum, None, now
                return
            self._sum += size


def walk(folder: Path) -> Iterator[int]:
    """The bytes on the disk of each entry below, hard links once; other file systems are not entered."""
    seen: set[tuple[int, int]] = set()
    device = os.stat(folder).st_dev
    waiting = [str(folder)]
    while waiting:
        try:
            entries = list(os.scandir(waiting.pop()))
        except OSError:
            # it was removed meanwhile, or is not ours to look into
            continue
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if status.st_nlink > 1 and not entry.is_dir(follow_symlinks=False):
                if (status.st_dev, status.st_ino) in seen:
                    continue
                seen.add((status.st_dev, status.st_ino))
            if entry.is_dir(follow_symlinks=False) and status.st_dev == device:
                waiting.append(entry.path)
            yield status.st_blocks * 512
