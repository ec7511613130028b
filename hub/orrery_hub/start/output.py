"""What a script prints, in a file that cannot outgrow its limit: the beginning, the end, and words between them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

DEFAULT_BYTES: Final = 8 << 20


class Output:
    """Usage: `write` while it runs, `finish` once. What comes later is kept while there is room and dropped then.

    The end is held in memory until `finish`, at most half of `limit_bytes`. A full disk loses output, never the script.
    """

    def __init__(self, path: Path, limit_bytes: int = DEFAULT_BYTES) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        self._room = max(1, limit_bytes // 2)
        self._tail_bytes = max(1, limit_bytes - self._room)
        self._tail = bytearray()
        self._left_out = 0
        self._is_finished = False
        #: bytes that the disk did not take
        self.lost_bytes = 0
        #: bytes printed
        self.total_bytes = 0

    def write(self, data: bytes) -> None:
        self.total_bytes += len(data)
        head, rest = data[: self._room], data[self._room :]
        self._room -= len(head)
        self._put(head)
        if not rest or self._is_finished:
            return
        self._tail += rest
        surplus = len(self._tail) - self._tail_bytes
        if surplus > 0:
            del self._tail[:surplus]
            self._left_out += surplus

    def finish(self, words: str = "") -> None:
        """`words`: a last line of ours."""
        self._is_finished = True
        if self._left_out:
            self._put(f"\n[... {self._left_out:,} bytes are left out here ...]\n".encode())
        self._put(bytes(self._tail))
        self._tail.clear()
        if self.lost_bytes:
            words = f"{words}\n{self.lost_bytes:,} bytes are missing: the volume was full".strip()
        if words:
            self._put(f"[{words}]\n".encode(errors="replace"))

    def _put(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._descriptor, view) :]
            except OSError:
                # a full or vanished volume; how much is told at the end
                self.lost_bytes += len(view)
                return
