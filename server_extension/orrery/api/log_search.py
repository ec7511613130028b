"""The lines of a log that hold a text. Read piece by piece, however long the log is."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from orrery.domain.records import Json

#: in one answer
MOST_MATCHES: Final = 1000
#: of one line's text that is answered, characters
MOST_CHARACTERS: Final = 2000
#: of a line without an end that is kept while it is searched, characters
_LONGEST: Final = 1 << 20

#: the log from a byte offset on, and the offset to go on from; no bytes: there is no more of it
Read = Callable[[int], tuple[bytes, int]]


def search_log(read: Read, wanted: str, *, after_line: int = 0, most: int = MOST_MATCHES) -> Json:
    """`{"items": [{"line", "text"}], "more"}`: lines count from 1; large and small letters are the same.

    `after_line`: only lines behind it, for what comes after an answer that says `more`.
    """
    needle = wanted.casefold()
    items: list[Json] = []
    for line in _lines(read, len(wanted)):
        if line.number <= after_line or needle not in line.text.casefold():
            continue
        if items and items[-1]["line"] == line.number:
            continue  # another part of one long line
        if len(items) == most:
            return {"items": items, "more": True}
        items.append({"line": line.number, "text": line.text[:MOST_CHARACTERS]})
    return {"items": items, "more": False}


@dataclass(frozen=True)
class _Line:
    """One line, or a part of one that is longer than any line should be."""

    number: int
    text: str


def _lines(read: Read, overlap: int) -> Iterator[_Line]:
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    number, rest, offset = 1, "", 0
    while True:
        piece, offset = read(offset)
        if not piece:
            break
        *whole, rest = (rest + decode(piece)).split("\n")
        for text in whole:
            yield _Line(number, text.rstrip("\r"))
            number += 1
        if len(rest) > _LONGEST:
            yield _Line(number, rest)
            rest = rest[-overlap:]
    rest += decode(b"", True)
    if rest:
        yield _Line(number, rest)
