"""What is known of a tabular dataset's columns, and the checks that a training makes on them before it is accepted."""

from __future__ import annotations

import difflib
from typing import Any

from orrery.errors import Invalid


def column_names(schema: dict[str, Any]) -> list[str]:
    return [str(column["name"]) for column in schema.get("columns", [])]


def find_column(schema: dict[str, Any], name: str, *, dataset: str, path: str) -> dict[str, Any]:
    """The column's description. Raises: Invalid naming the nearest column."""
    for column in schema.get("columns", []):
        if column["name"] == name:
            return column
    names = column_names(schema)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    lower = [candidate for candidate in names if candidate.lower() == name.lower()]
    hint = (
        f"; did you mean {(lower or near)[0]!r}?" if lower or near else f"; it has {', '.join(map(repr, names[:12]))}"
    )
    hint += " ..." if not (lower or near) and len(names) > 12 else ""
    message = f"column {name!r} is not in dataset {dataset}{hint}"
    raise Invalid(message, fields=[{"path": path, "message": message}], column=name)


def check_target(column: dict[str, Any], *, task: str, dataset: str, path: str) -> None:
    """Raises: Invalid when nothing can be learned from this target, or classification would fail on it."""
    name = column["name"]

    def refuse(message: str) -> Invalid:
        return Invalid(message, fields=[{"path": path, "message": message}], column=name)

    rows, missing, distinct = column.get("rows"), column.get("missing", 0), column.get("distinct")
    if rows is not None and missing >= rows:
        raise refuse(f"target {name!r} of dataset {dataset} is empty in every row; choose another column")
    if distinct == 1:
        raise refuse(f"target {name!r} of dataset {dataset} has one value only; nothing can be learned from it")
    is_classes = task == "classification" or (task in ("", "auto") and column.get("kind") in ("category", "boolean"))
    smallest = column.get("smallest_class")
    if is_classes and smallest and smallest["count"] < 2:
        raise refuse(
            f"class {smallest['value']!r} of target {name!r} has only {smallest['count']} row; "
            "a class needs at least 2 so that one can be held out: add rows of it, or remove that row"
        )
