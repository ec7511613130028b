"""Small tables for a notebook that is read as a report."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any


class Grid:
    """Rows under headers, as HTML in a notebook and as text in a log."""

    def __init__(self, headers: Sequence[str], rows: Sequence[Sequence[Any]], *, most_rows: int = 30) -> None:
        self.headers = headers
        self.rows = rows
        self.most_rows = most_rows

    def _repr_html_(self) -> str:
        head = "".join(f"<th style='text-align:left'>{html.escape(str(header))}</th>" for header in self.headers)
        body = "".join(
            "<tr>" + "".join(f"<td style='text-align:left'>{html.escape(str(value))}</td>" for value in row) + "</tr>"
            for row in self.rows[: self.most_rows]
        )
        more = len(self.rows) - self.most_rows
        rest = f"<p>and {more} more</p>" if more > 0 else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{rest}"

    def __repr__(self) -> str:
        lines = [self.headers, *self.rows[: self.most_rows]]
        return "\n".join("  ".join(str(value) for value in line) for line in lines)


def metrics_table(**parts: Mapping[str, float]) -> Grid:
    """One row for each metric, one column for each part of the data."""
    names = list(dict.fromkeys(name for values in parts.values() for name in values))
    rows = [[name, *(short(values[name]) if name in values else "" for values in parts.values())] for name in names]
    return Grid(["metric", *parts], rows)


def short(value: float) -> str:
    """Four significant digits, whole numbers as they are."""
    number = float(value)
    return f"{number:.0f}" if number.is_integer() and abs(number) < 1e15 else f"{number:.4g}"
