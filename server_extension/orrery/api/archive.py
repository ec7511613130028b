"""A zip made while it is sent: nothing of it is held in memory or on disk."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

from orrery.executors.contract import iter_chunks


class _Sink(io.RawIOBase):
    """Collects what the zip writer writes until it is sent. Not seekable: sizes follow each entry's data."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        piece = bytes(data)  # pyright: ignore[reportArgumentType]
        self._pieces.append(piece)
        return len(piece)

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


def zip_stream(
    entries: Iterable[tuple[str, Callable[[], BinaryIO]]], compression: int = zipfile.ZIP_DEFLATED
) -> Iterator[bytes]:
    """The archive of `(path inside, open)` entries, piece by piece."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", compression, allowZip64=True) as archive:  # pyright: ignore[reportArgumentType]
        for path, open_entry in entries:
            with open_entry() as source, archive.open(zipfile.ZipInfo(path), "w", force_zip64=True) as target:
                for chunk in iter_chunks(source):
                    target.write(chunk)
                    if piece := sink.take():
                        yield piece
    yield sink.take()
