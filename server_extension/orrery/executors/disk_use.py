"""What a folder takes on the disk, and when to look again. Standard library only: the shim imports it."""

from __future__ import annotations

import os
import time

#: between two looks, at least; a walk that takes long is made less often
FIRST_PERIOD_SECONDS = 0.5
LAST_PERIOD_SECONDS = 10.0
#: walking takes at most this part of the time
WALKING_PART = 0.02


def measure_disk_use(folder: str) -> int:
    """Bytes of the blocks taken by all that lies below; what has several names counts once, links are not followed."""
    seen: set[tuple[int, int]] = set()
    count = 0
    waiting = [folder]
    while waiting:
        try:
            entries = os.scandir(waiting.pop())
        except OSError:
            continue  # removed meanwhile, or closed to us
        with entries:
            for entry in entries:
                try:
                    status = entry.stat(follow_symlinks=False)
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                except OSError:
                    continue
                if status.st_nlink > 1 and not entry.is_dir(follow_symlinks=False):
                    name = (status.st_dev, status.st_ino)
                    if name in seen:
                        continue
                    seen.add(name)
                count += status.st_blocks * 512
    return count


class DiskWatch:
    """Tells when a folder has outgrown what was asked for."""

    def __init__(self, folder: str, most_bytes: int | None) -> None:
        self._folder = folder
        self._most = most_bytes
        self._period = FIRST_PERIOD_SECONDS
        self._next = 0.0

    def excess(self, *, is_last: bool = False) -> int | None:
        """The bytes it takes, where that is too many; None else, and where it is not yet time to look.

        `is_last`: what wrote into it has ended, and is judged by what it has left.
        """
        now = time.monotonic()
        if self._most is None or (now < self._next and not is_last):
            return None
        used = measure_disk_use(self._folder)
        took = time.monotonic() - now
        # close to its end a folder is looked at more often
        self._period = FIRST_PERIOD_SECONDS if used > 0.7 * self._most else min(LAST_PERIOD_SECONDS, self._period * 2)
        self._next = now + took + max(self._period, took / WALKING_PART)
        return used if used > self._most else None
