"""Ids and names.

An id is a kind's prefix, a millisecond clock and randomness in lower-case Crockford base 32: short, sortable by age,
safe in a URL and in a file name (ULID's idea, https://github.com/ulid/spec, with fewer random bits).
"""

from __future__ import annotations

import re
import secrets
import time
from typing import Final

from orrery.errors import Invalid

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
ID: Final = re.compile(r"[a-z]{2,4}_[0-9a-hjkmnp-tv-z]{18}")


def _base32(number: int, length: int) -> str:
    letters: list[str] = []
    for _ in range(length):
        number, digit = divmod(number, 32)
        letters.append(_ALPHABET[digit])
    return "".join(reversed(letters))


def make_id(prefix: str, *, milliseconds: int | None = None) -> str:
    """`trn_01jd8q3c9k4t7v2x5z`: 10 letters of clock, 8 of randomness (40 bits)."""
    clock = time.time_ns() // 1_000_000 if milliseconds is None else milliseconds
    return f"{prefix}_{_base32(clock, 10)}{_base32(secrets.randbits(40), 8)}"


def is_id(text: str) -> bool:
    return ID.fullmatch(text) is not None


def check_name(name: str) -> str:
    """Raises: Invalid unless it is 1 to 63 letters, digits, '.', '_' and '-', a letter or digit at both ends."""
    if NAME.fullmatch(name) is None or is_id(name):
        raise Invalid(
            f"{name!r} is not a name: use 1 to 63 letters, digits, '.', '_' or '-', a letter or digit at both ends",
            fields=[{"path": "name", "message": "1 to 63 letters, digits, '.', '_' or '-'"}],
        )
    return name
