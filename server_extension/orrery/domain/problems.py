"""Where in a document a validation problem is, as whoever wrote the document would say it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast


def place_of(document: Any, parts: Sequence[int | str]) -> list[int | str]:
    """Pydantic's `loc` without the tags of unions, which it names among the fields."""
    place: list[int | str] = []
    here = document
    for index, part in enumerate(parts, 1):
        if isinstance(here, dict):
            fields = cast("dict[int | str, Any]", here)
            is_between = index < len(parts) and part not in fields
            if is_between and fields.get("type", part) == part:
                continue
            here = fields.get(part)
        elif isinstance(here, list) and isinstance(part, int):
            items = cast("list[Any]", here)
            here = items[part] if part < len(items) else None
        else:
            here = None
        place.append(part)
    return place
