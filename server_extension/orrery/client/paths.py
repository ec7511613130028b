"""Dotted paths into JSON documents: `spec.deployments.0.replicas`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from orrery.errors import Invalid


def look_up(document: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path; None where there is none."""
    value: Any = document
    for part in path.split("."):
        if isinstance(value, Mapping):
            value = cast("Mapping[str, Any]", value).get(part)
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(cast("list[Any]", value)):
            value = cast("list[Any]", value)[int(part)]
        else:
            return None
    return value


def set_path(document: dict[str, Any], path: str, value: Any) -> None:
    """Set `spec.deployments.0.replicas` and the like; folders on the way are made. Raises: Invalid."""
    *parents, last = path.split(".")
    place: Any = document
    for index, part in enumerate(parents):
        if isinstance(place, list):
            place = _item(cast("list[Any]", place), part, path)
        elif isinstance(place, dict):
            table = cast("dict[str, Any]", place)
            if table.get(part) is None:
                table[part] = {}
            place = table[part]
        else:
            raise Invalid(f"{path!r}: {'.'.join(parents[:index])!r} is a value, nothing can be set inside it")
    if isinstance(place, list):
        items = cast("list[Any]", place)
        _item(items, last, path)
        items[int(last)] = value
    elif isinstance(place, dict):
        place[last] = value
    else:
        raise Invalid(f"{path!r}: {'.'.join(parents)!r} is a value, nothing can be set inside it")


def drop_path(document: dict[str, Any], path: str) -> None:
    """Take away what is at a dotted path; nothing where there is nothing."""
    parent, _, last = path.rpartition(".")
    place = look_up(document, parent) if parent else document
    if isinstance(place, dict):
        cast("dict[str, Any]", place).pop(last, None)
    elif isinstance(place, list) and last.isdecimal() and int(last) < len(cast("list[Any]", place)):
        del place[int(last)]


def _item(items: list[Any], part: str, path: str) -> Any:
    if not part.isdecimal() or int(part) >= len(items):
        raise Invalid(f"{path!r}: {part!r} is no place in a list of {len(items)}; count from 0")
    return items[int(part)]
