"""A dataset's profile in a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer

from orrery.client.cli.output import print_table

#: of a wider table the first columns are listed
MOST_COLUMNS = 200


def print_profile(name: str, profile: Mapping[str, Any]) -> None:
    """What it is in one line, its columns, its findings."""
    from rich.markup import escape

    columns: list[dict[str, Any]] = profile["columns"]
    facts = [f"{profile['rows']:,} rows", f"{len(columns):,} columns", f"{profile['missing_cells']:,} missing values"]
    if profile["duplicate_rows"] is not None:
        facts.append(f"{profile['duplicate_rows']:,} duplicate rows")
    if profile["measured_rows"] < profile["rows"]:
        facts.append(f"measured on {profile['measured_rows']:,} random rows")
    typer.echo(f"{name}: {', '.join(facts)}\n")
    titles = ("Column", "Kind", "Missing", "Distinct", "Mean", "Std", "Lowest", "Median", "Highest", "Most frequent")
    print_table(titles, [[escape(cell) for cell in _row(column)] for column in columns[:MOST_COLUMNS]])
    if len(columns) > MOST_COLUMNS:
        typer.echo(f"... and {len(columns) - MOST_COLUMNS:,} more columns; -o json lists them all")
    findings: list[dict[str, Any]] = profile["findings"]
    typer.echo("" if findings else "\nNothing questionable was found.")
    for finding in findings:
        typer.echo(f"{'!' if finding['severity'] == 'warning' else '-'} {finding['message']}\n    {finding['remedy']}")
    more = sum(profile["finding_counts"].values()) - len(findings)
    if more:
        typer.echo(f"... and {more:,} more of the same kinds")


def _row(column: Mapping[str, Any]) -> list[str]:
    top: list[dict[str, Any]] = column.get("top") or []
    numbers = [_text(column.get(key)) for key in ("mean", "std", "minimum", "median", "maximum")]
    frequent = f"{top[0]['value']} ({top[0]['count']:,})" if top else ""
    return [column["name"], column["kind"], f"{column['missing']:,}", f"{column['distinct']:,}", *numbers, frequent]


def _text(value: Any) -> str:
    return "" if value is None else f"{value:.5g}" if isinstance(value, float) else str(value)
