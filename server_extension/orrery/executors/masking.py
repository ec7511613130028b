"""Secrets taken out of what a program prints. Standard library only: the shim loads it.

A value is found as it is, and line by line where it has several; what a program makes of it (base64, a part) is not.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

MASK: Final = "***"
#: the variables of a job's environment that hold secrets, by their names, separated by commas
VARIABLES: Final = "ORRERY_SECRETS"
#: a line of a longer value is looked for by itself if it is as long as this: a shorter one may be a common word
_LEAST_LINE: Final = 8


def needles(values: Iterable[str]) -> list[str]:
    """What is looked for, the longest first."""
    found = {value for value in values if value}
    for value in list(found):
        found |= {line for line in value.splitlines() if len(line) >= _LEAST_LINE}
    return sorted(found, key=len, reverse=True)


def secret_values(environment: Mapping[str, str] = os.environ) -> list[str]:
    """The values that this process was given as secrets."""
    names = environment.get(VARIABLES, "").split(",")
    return needles(environment[name] for name in names if environment.get(name))


def mask_text(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, MASK)
    return text


def mask_json(value: Any, secrets: list[str]) -> Any:
    """A copy with every text in it masked."""
    if isinstance(value, str):
        return mask_text(value, secrets)
    if isinstance(value, dict):
        return {key: mask_json(item, secrets) for key, item in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [mask_json(item, secrets) for item in cast("list[Any]", value)]
    return value


class StreamMask:
    """Masks a stream in whatever pieces it comes. What may be the beginning of a secret waits for the next piece."""

    def __init__(self, values: Iterable[str]) -> None:
        self._needles = [value.encode() for value in needles(values)]
        self._rest = b""

    def feed(self, piece: bytes) -> bytes:
        data = self._rest + piece
        for needle in self._needles:
            data = data.replace(needle, MASK.encode())
        held = max((_overlap(data, needle) for needle in self._needles), default=0)
        self._rest = data[len(data) - held :]
        return data[: len(data) - held]

    def finish(self) -> bytes:
        """What was held back: the beginning of a secret at the stream's end is no secret."""
        rest, self._rest = self._rest, b""
        return rest


def _overlap(data: bytes, needle: bytes) -> int:
    """How many bytes at the end of `data` are the beginning of `needle`."""
    for length in range(min(len(data), len(needle) - 1), 0, -1):
        if data.endswith(needle[:length]):
            return length
    return 0


def mask_stream(source: int, sink: int, values: Iterable[str]) -> None:
    """Copy one descriptor to another, masked, until nobody can write any more."""
    mask = StreamMask(values)
    while piece := os.read(source, 1 << 16):
        _write(sink, mask.feed(piece))
    _write(sink, mask.finish())


def _write(sink: int, data: bytes) -> None:
    while data:
        try:
            data = data[os.write(sink, data) :]
        except OSError:
            return  # a full disk costs the log, never the job
