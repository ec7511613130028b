"""Trainings side by side."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orrery.client.cli.app import Output, OutputOption, connect

if TYPE_CHECKING:
    from orrery.client.comparisons import Comparison, MetricRow, SettingRow

_PANEL = "Resources at work"


def register(app: typer.Typer) -> None:
    app.command("compare", rich_help_panel=_PANEL)(compare)


def compare(
    trainings: Annotated[
        list[str], typer.Argument(metavar="TRAINING TRAINING...", help="Two or more: name, owner/name or id.")
    ],
    whole: Annotated[bool, typer.Option("--all", help="Also the settings that all of them have alike.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show trainings side by side: settings that differ, durations, and the last and the best value of each metric.

    A setting that was left to its default says so; the best of a metric has a star.

    \b
    Examples:
      orrery compare breast-1 breast-2
      orrery compare breast-1 breast-2 breast-3 -o json | jq '.metrics[] | {name, last}'
    """
    from orrery.client.cli.output import print_document, print_table

    with connect() as client:
        found = client.compare(*trainings)
        user = client.user
    if output in (Output.JSON, Output.YAML):
        print_document(found.to_json(), output)
        return
    names = [t.name if t.owner == user else t.qualified_name for t in found.trainings]
    print_table(["", *names], _table(found, whole=whole))


def _table(found: Comparison, *, whole: bool) -> list[list[str]]:
    from orrery.client.cli.output import cell_text

    settings = (*found.facts, *found.parameters) if whole else found.differing
    rows = [
        ["state", *(training.status.state for training in found.trainings)],
        ["duration", *(cell_text(training.status.duration_seconds, "duration") for training in found.trainings)],
        *(_setting(row) for row in settings),
    ]
    for metric in found.metrics:
        rows.append([f"{metric.name}, last", *_last(metric)])
        if metric.best != metric.last:
            rows.append([f"{metric.name}, best", *(_text(value) for value in metric.best)])
    return [[cell.replace("[", "\\[") for cell in row] for row in rows]


def _setting(row: SettingRow) -> list[str]:
    words = {"default": " (default)", "logged": " (told by the run)", "given": ""}
    return [row.name, *("-" if s is None else f"{_text(s.value)}{words[s.origin]}" for s in row.settings)]


def _last(metric: MetricRow) -> list[str]:
    return [f"{_text(value)}{' *' if place in metric.winners else ''}" for place, value in enumerate(metric.last)]


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
