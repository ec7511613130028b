"""TensorBoard's event files, as far as scalars go: written without TensorBoard, a point at a time.

A file is a row of records (TFRecord): length, its masked CRC-32C, the data, its masked CRC-32C. The data is an `Event`
of protocol buffers: wall_time = 1 (double), step = 2 (varint), file_version = 3 (string), summary = 5. A `Summary`
holds value = 1, whose tag = 1 (string) and simple_value = 2 (float).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from orrery.store.metrics import Point

_POLYNOMIAL: Final = 0x82F63B78
_MASK_DELTA: Final = 0xA282EAD8
_VERSION: Final = b"brain.Event:2"
_LENGTH: Final = struct.Struct("<Q")
_CHECK: Final = struct.Struct("<I")


def _table() -> tuple[int, ...]:
    entries: list[int] = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (_POLYNOMIAL if byte & 1 else 0)
        entries.append(byte)
    return tuple(entries)


_TABLE: Final = _table()


def crc32c(data: bytes) -> int:
    """Castagnoli's CRC-32 (RFC 3720, appendix B.4)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def masked(data: bytes) -> int:
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


def make_record(data: bytes) -> bytes:
    length = _LENGTH.pack(len(data))
    return b"".join((length, _CHECK.pack(masked(length)), data, _CHECK.pack(masked(data))))


def _varint(number: int) -> bytes:
    number &= 0xFFFFFFFFFFFFFFFF
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)


def _field(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def make_version(wall_time: float) -> bytes:
    """The first event of every file."""
    return b"\x09" + struct.pack("<d", wall_time) + _field(3, _VERSION)


def make_scalar(tag: str, value: float, step: int, wall_time: float) -> bytes:
    try:
        number = struct.pack("<f", value)
    except OverflowError:
        number = struct.pack("<f", float("inf") if value > 0 else float("-inf"))
    summary = _field(1, _field(1, tag.encode()) + b"\x15" + number)
    return b"\x09" + struct.pack("<d", wall_time) + b"\x10" + _varint(step) + _field(5, summary)


def count_records(path: Path) -> tuple[int, int]:
    """How many whole records a file has, and where they end; a torn last one does not count."""
    count = end = 0
    size = path.stat().st_size
    with path.open("rb") as file:
        while len(head := file.read(_LENGTH.size)) == _LENGTH.size:
            next_end = end + _LENGTH.unpack(head)[0] + _LENGTH.size + 2 * _CHECK.size
            if next_end > size:
                break
            count, end = count + 1, next_end
            file.seek(end)
    return count, end


def append_points(path: Path, points: Iterable[Point]) -> None:
    """Bring the file to hold all `points`, in this order: those that it holds already are left as they are."""
    points = list(points)
    if not points:
        return
    count, end = count_records(path) if path.exists() else (0, 0)
    with path.open("r+b" if path.exists() else "wb") as file:
        file.truncate(end)
        file.seek(0, os.SEEK_END)
        if count == 0:
            file.write(make_record(make_version(points[0].at.timestamp())))
            count = 1
        for index, point in enumerate(points[count - 1 :], count - 1):
            step = point.step if point.step is not None else index
            file.write(make_record(make_scalar(point.key, point.value, step, point.at.timestamp())))
