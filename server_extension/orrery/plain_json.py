"""What JSON can hold, for both sides of the API: neither infinity nor NaN, no half of a character, no endless nesting.

Python's own reader takes more than that (`NaN`, `1e999`, `"\\ud800"`), and none of it could be stored or answered.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from orrery.errors import Invalid

#: of lists and objects within each other
MAX_DEPTH: Final = 100
LEAST_INTEGER: Final = -(2**63)
MOST_INTEGER: Final = 2**64 - 1


def check_plain(document: Any) -> None:
    """Raises: Invalid with the path and the value of what JSON cannot hold."""
    fault = next(_faults(document, ""), None)
    if fault is not None:
        path, message = fault
        text = f"{path.removeprefix('spec.')}: {message}" if path else message
        raise Invalid(text, fields=[{"path": path, "message": message}])


def make_plain(document: Any) -> Any:
    """The document with everything that JSON cannot hold as text; for what must be said whatever it is."""
    match document:
        case str():
            return _printable(document)
        case None | bool():
            return document
        case int():
            return document if LEAST_INTEGER <= document <= MOST_INTEGER else str(document)
        case float():
            return document if math.isfinite(document) else str(document)
        case Mapping():
            items = cast("Mapping[Any, Any]", document).items()
            return {_printable(str(key)): make_plain(value) for key, value in items}
        case list() | tuple() | set() | frozenset():
            return [make_plain(value) for value in cast("list[Any]", document)]
        case _:
            return _printable(str(document))


def _faults(value: Any, path: str, depth: int = 0) -> Iterator[tuple[str, str]]:
    match value:
        case str() if not _is_unicode(value):
            yield path, f"must be text in Unicode, and {_shown(value)} holds half of a character"
        case float() if not math.isfinite(value):
            yield path, f"must be a finite number, not {value}"
        case bool():
            return
        case int() if not LEAST_INTEGER <= value <= MOST_INTEGER:
            yield path, f"must be a whole number of 64 bits, not {value:.6e}" if abs(value) < 10**300 else _TOO_LARGE
        case dict() | list() if depth >= MAX_DEPTH:
            yield path, f"lists and objects within each other go {MAX_DEPTH} deep at most"
        case dict():
            for key, part in cast("dict[Any, Any]", value).items():
                place = f"{path}.{_printable(str(key))}" if path else _printable(str(key))
                if isinstance(key, str) and not _is_unicode(key):
                    yield place, f"the name {_shown(key)} holds half of a character; names are text in Unicode"
                yield from _faults(part, place, depth + 1)
        case list() | tuple():
            for index, part in enumerate(cast("list[Any]", value)):
                yield from _faults(part, f"{path}.{index}" if path else str(index), depth + 1)
        case _:
            return


_TOO_LARGE: Final = "must be a whole number of 64 bits; it has more than 300 digits"


def _is_unicode(text: str) -> bool:
    """Whether it has no lone surrogate."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _printable(text: str) -> str:
    return text if _is_unicode(text) else text.encode("utf-8", "backslashreplace").decode()


def _shown(text: str) -> str:
    shown = text if len(text) <= 60 else f"{text[:57]}..."
    return repr(_printable(shown)).replace("\\\\", "\\")
