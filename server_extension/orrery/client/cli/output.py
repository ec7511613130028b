"""How results are printed: tables for people, JSON and YAML for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import typer

from orrery.client.cli.app import Output, label, note
from orrery.client.displays import duration_text
from orrery.client.paths import look_up

if TYPE_CHECKING:
    from orrery.client.kinds import Column, Kind
    from orrery.client.memory_fit import MemoryEstimate
    from orrery.client.resources import Resource

_WIDE_ONLY = frozenset({"updated_at", "tags", "description", "visibility"})
_COLOURS = {
    "Completed": "green",
    "Active": "green",
    "Failed": "red",
    "Cancelled": "yellow",
    "Stopped": "yellow",
    "Running": "cyan",
    "Pending": "blue",
}


def print_document(document: Any, output: Output) -> None:
    """JSON or YAML."""
    if output is Output.YAML:
        import yaml

        typer.echo(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), nl=False)
    else:
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))


def print_resources(kind: Kind, resources: Sequence[Resource], output: Output) -> None:
    if output in (Output.JSON, Output.YAML):
        print_document({"items": [resource.document for resource in resources]}, output)
        return
    columns = [column for column in kind.columns if output is Output.WIDE or column.key not in _WIDE_ONLY]
    if output is Output.WIDE:
        print_table(
            ["ID", *(column.title for column in columns)],
            [[resource.id, *(_cell(resource, column) for column in columns)] for resource in resources],
        )
    else:
        print_table(
            [column.title for column in columns],
            [[_cell(resource, column) for column in columns] for resource in resources],
        )


def print_estimate(estimate: MemoryEstimate, output: Output) -> None:
    """The sentence, and each change that makes it fit."""
    if output in (Output.JSON, Output.YAML):
        print_document(asdict(estimate), output)
        return
    typer.echo(f"memory: {estimate}")
    for remedy in estimate.remedies:
        typer.echo(f"  {remedy.title}: {remedy.message}")


def warn_of_memory(estimate: MemoryEstimate) -> None:
    """Where it will hardly fit."""
    if estimate.verdict in ("tight", "exceeds"):
        note(f"memory: {estimate}")


def print_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns two spaces apart; a terminal shows those that fit, a pipe gets all of them."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else 10_000, highlight=False)
    cells = [[Text(title.upper()) for title in titles], *([Text.from_markup(cell) for cell in row] for row in rows)]
    kept = fitting_columns([[cell.cell_len for cell in column] for column in zip(*cells, strict=True)], console.width)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", show_edge=False)
    for index in kept:
        table.add_column(cells[0][index], no_wrap=True, overflow="ellipsis")
    for row in cells[1:]:
        table.add_row(*(row[index] for index in kept))
    console.print(table)
    if len(kept) < len(titles):
        note(f"({len(titles) - len(kept)} more columns in a wider terminal)")


def fitting_columns(lengths: Sequence[Sequence[int]], width: int) -> list[int]:
    """The columns to show: empty ones go first, then from the right, never the first two."""
    kept = list(range(len(lengths)))
    empty = [index for index in kept[2:] if all(length == 1 for length in lengths[index][1:])]
    for dropped in [*reversed(empty), *reversed([index for index in kept[2:] if index not in empty])]:
        if sum(max(lengths[index]) + 2 for index in kept) - 2 <= width:
            break
        kept.remove(dropped)
    return kept


def print_one(resource: Resource, output: Output) -> None:
    """One resource as a line of its kind's table, or whole."""
    if output in (Output.JSON, Output.YAML):
        print_document(resource.document, output)
    else:
        print_resources(resource.client.declaration(resource.kind), [resource], output)


def _cell(resource: Resource, column: Column) -> str:
    from rich.markup import escape

    value = look_up(resource.document, column.key)
    if column.type == "phase":
        colour = _COLOURS.get(resource.status.state)
        return f"[{colour}]{escape(str(value))}[/{colour}]" if colour else escape(str(value))
    if column.type == "ref":
        value = reference_label(resource.document, column.key) or value
    if column.type == "trials":
        return escape(
            trials_text(resource.status.outputs.get("trials") or {}, resource.document["spec"].get("max_trials"))
        )
    if column.type == "best-trial":
        return escape(best_trial_text(resource))
    if column.key == "name" and resource.version:
        value = f"{value}@{resource.version}"
    return escape(cell_text(value, column.type))


def reference_label(document: Mapping[str, Any], key: str) -> str | None:
    """`owner/name@version` of the resource that the spec's field refers to."""
    path = key.removeprefix("spec.")
    for reference in document.get("references") or ():
        if reference["path"] == path:
            version = f"@{reference['version']}" if reference.get("version") else ""
            return f"{reference['owner']}/{reference['name']}{version}"
    return None


def cell_text(value: Any, type_: str, now: datetime | None = None) -> str:
    if value is None or value == "" or value == []:
        return "-"
    match type_:
        case "date":
            seconds = ((now or datetime.now(UTC)) - datetime.fromisoformat(value)).total_seconds()
            return f"{' '.join(duration_text(seconds).split()[:2])} ago"
        case "duration":
            return duration_text(float(value))
        case "bytes":
            return bytes_text(float(value))
        case "progress":
            fraction = value.get("fraction")
            return f"{fraction:.0%}" if fraction is not None else value.get("message") or "-"
        case "tags":
            return ",".join(value)
        case "number":
            return f"{value:g}" if isinstance(value, float) else str(value)
        case _:
            return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def trials_text(counts: Mapping[str, int], most: int | None) -> str:
    """`12 of 20, 2 running, 1 waiting, 1 failed`: done are those that neither run nor wait."""
    if not counts:
        return "-"
    words = [f"{counts['total'] - counts['running'] - counts.get('waiting', 0)} of {most}"]
    words += [f"{counts[name]} {name}" for name in ("running", "waiting", "failed") if counts.get(name)]
    return ", ".join(words)


def best_trial_text(resource: Resource) -> str:
    """`hill-7: height 9.81`; of several objectives how many trials no other beats."""
    outputs, objectives = resource.status.outputs, resource.document["spec"].get("objectives") or ()
    if front := outputs.get("front"):
        return f"{len(front)} best {'trial' if len(front) == 1 else 'trials'}"
    best = outputs.get("best")
    if not best or not objectives:
        return "-"
    name = best.get("name") or f"trial {best['trial']}"
    return f"{name}: {objectives[0]['metric']} {cell_text(best['value'], 'number')}"


def bytes_text(count: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def print_description(resource: Resource) -> None:
    """Everything about one resource, for reading."""
    import yaml

    status = resource.status
    kind = resource.client.declaration(resource.kind)
    facts: dict[str, Any] = {
        "Name": resource.qualified_name,
        "Id": resource.id,
        "Description": resource.description,
        "Tags": ", ".join(resource.tags),
        "Visibility": resource.visibility,
        "Status": f"{status.phase} ({status.state})",
        "Reason": status.message or status.reason,
        "Progress": _progress(resource),
        "Created": _moment(resource.document.get("created_at")),
        "Started": _moment(resource.document["status"].get("started_at")),
        "Ended": _moment(resource.document["status"].get("ended_at")),
        "In the trash since": _moment(resource.document.get("deleted_at")),
    }
    typer.echo(f"{kind.title} {resource.qualified_name}")
    for title, value in facts.items():
        if value:
            typer.echo(f"  {title + ':':<20}{value}")
    spec = _with_labels(resource)
    outputs = {key: _shortened(value) for key, value in status.outputs.items() if value not in (None, [], {})}
    dependents = [label(summary) for summary in resource.dependents()]
    sections: dict[str, Any] = {"Spec": spec, "Outputs": outputs, "Used by": dependents}
    for title, content in sections.items():
        if content:
            text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)
            typer.echo(f"\n{title}:\n" + "".join(f"  {line}\n" for line in text.splitlines()), nl=False)
    possible = [action.name for action in kind.actions if not action.phases or status.phase in action.phases]
    typer.echo(f"\nPossible now: {', '.join([*possible, 'delete'])}")


def _shortened(value: object, longest: int = 12) -> object:
    """What would fill the screen, in one line."""
    import yaml

    if not isinstance(value, dict | list) or yaml.safe_dump(value).count("\n") <= longest:
        return cast("object", value)
    entries = list(cast("Iterable[Any]", value))
    text = ", ".join(map(str, entries))
    if isinstance(value, list) and all(isinstance(entry, str) for entry in entries) and len(text) < 2000:
        return text
    return f"{len(entries)} entries; -o yaml shows them"


def _with_labels(resource: Resource) -> dict[str, Any]:
    """The spec with names in the place of ids."""
    from orrery.client.paths import set_path

    spec: dict[str, Any] = json.loads(json.dumps(resource.spec))
    for reference in resource.document.get("references") or ():
        if look_up(spec, reference["path"]) is not None:
            set_path(spec, reference["path"], reference_label(resource.document, reference["path"]))
    return spec


def _progress(resource: Resource) -> str:
    from orrery.client.displays import progress_text

    progress = resource.status.progress
    if progress is None:
        return ""
    percent = f"{progress.fraction:.0%}" if progress.fraction is not None else ""
    return " ".join(part for part in (percent, progress_text(resource)) if part)


def _moment(text: str | None) -> str:
    if not text:
        return ""
    moment = datetime.fromisoformat(text)
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S %Z} ({cell_text(text, 'date')})"
