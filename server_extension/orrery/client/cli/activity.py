"""Commands about what goes on: wait, the actions of a kind, logs, use and files."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orrery.client.cli.app import (
    KindArgument,
    NameArgument,
    NamesArgument,
    Output,
    OutputOption,
    connect,
    exit_code,
    note,
    tell,
    wait_for,
)
from orrery.errors import OrreryError

if TYPE_CHECKING:
    from orrery.client.resources import UsagePoint

_PANEL = "Resources at work"


def register(app: typer.Typer) -> None:
    for command in (wait, stop, start, retry, action, logs, usage, files, download):
        app.command(command.__name__, rich_help_panel=_PANEL)(command)


def wait(
    kind: KindArgument,
    name: NameArgument,
    timeout: Annotated[str | None, typer.Option(help="Give up after 90s, 15m, 2h; then the exit code is 124.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Follow a resource until it has settled; exit code 1 when it failed.

    \b
    Example:
      orrery wait training breast-1 --timeout 30m && echo done
    """
    from orrery.client.cli.output import print_one
    from orrery.client.times import parse_duration

    seconds = parse_duration(timeout) if timeout else None
    with connect() as client:
        resource = client.kind(kind).get(name)
        wait_for(resource, timeout=seconds)
        print_one(resource, output)


def _act(kind: str, names: list[str], action_name: str, done: str, body: dict[str, Any] | None = None) -> None:
    """The action on each; what fails does not keep the others from it."""
    with connect() as client:
        collection = client.kind(kind)
        failures: list[OrreryError] = []
        for name in names:
            try:
                resource = collection.get(name)
                result = resource.act(action_name, **(body or {}))
            except OrreryError as error:
                if len(names) == 1:
                    raise
                tell(error)
                failures.append(error)
                continue
            made = "" if result.id == resource.id else f": {result.kind} {result.qualified_name}"
            note(f"{resource.kind} {resource.qualified_name} {done}{made} (now {result.status.phase})")
        if failures:
            raise typer.Exit(exit_code(failures[0]))


def stop(kind: KindArgument, names: NamesArgument) -> None:
    """Stop trainings or endpoints; they can be started again.

    \b
    Example:
      orrery stop training breast-1
    """
    _act(kind, names, "stop", "is being stopped")


def start(kind: KindArgument, names: NamesArgument) -> None:
    """Start what was stopped."""
    _act(kind, names, "start", "is being started")


def retry(kind: KindArgument, names: NamesArgument) -> None:
    """Try again what failed."""
    _act(kind, names, "retry", "is tried again")


def action(
    kind: KindArgument,
    name: NameArgument,
    action_name: Annotated[
        str, typer.Argument(metavar="ACTION", help="One of the kind's actions: orrery kinds lists them.")
    ],
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A field of the action's body.")
    ] = None,
) -> None:
    """Do any action that a kind declares.

    \b
    Examples:
      orrery action training breast-1 register-model --set name=breast
      orrery action dataset-version breast@1 archive
    """
    from orrery.client.cli.values import parse_pairs

    _act(kind, [name], action_name, f"{action_name}: done", parse_pairs(set_ or (), "--set"))


def logs(
    kind: KindArgument,
    name: NameArgument,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it is written, until it ends.")] = False,
    tail: Annotated[int | None, typer.Option(min=1, help="Only the last so many lines.")] = None,
    rank: Annotated[
        int | None, typer.Option(min=0, help="Of several processes that train together, only this one's lines.")
    ] = None,
    search: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Only the lines that hold this, in large or small letters, with numbers."),
    ] = None,
    attempt: Annotated[
        int | None, typer.Option(min=1, help="Of a run that was started again, this attempt, from 1; else the last.")
    ] = None,
) -> None:
    """Print a resource's log.

    \b
    Examples:
      orrery logs training breast-1 --follow
      orrery logs endpoint breast --tail 50
      orrery logs training ddp-1 --rank 3
      orrery logs training breast-1 --search error
      orrery logs training breast-1 --attempt 1
    """
    from collections import deque

    with connect() as client:
        resource = client.kind(kind).get(name)
        lines = resource.logs(follow=follow, rank=rank, search=search, attempt=attempt)
        if tail is not None and not follow:
            lines = iter(deque(lines, maxlen=tail))
        for line in lines:
            typer.echo(line)


def usage(kind: KindArgument, name: NameArgument, output: OutputOption = Output.TABLE) -> None:
    """Show what a run uses of the machine, also while it runs: in all, and each of several that train together.

    \b
    Examples:
      orrery usage training ddp-1
      orrery usage training ddp-1 -o json | jq '.ranks[0].samples[-1].memory_bytes'
    """
    from orrery.client.cli.output import print_document, print_table

    with connect() as client:
        resource = client.kind(kind).get(name)
        answer = resource.usage()
        if output in (Output.JSON, Output.YAML) or "samples" not in answer:
            # what is no run, an endpoint say, has other figures
            print_document(answer, Output.JSON if output is Output.JSON else Output.YAML)
            return
        history = resource.usage_history()
    if not history[None]:
        note("No samples yet: they are taken while it runs.")
        return
    print_table(["Rank", *USE_TITLES], [["all" if r is None else str(r), *use_cells(p)] for r, p in history.items()])


USE_TITLES = ("Cores now", "mean", "most", "Memory now", "most", "GPUs now", "mean", "GPU memory now", "most")


def use_cells(points: Sequence[UsagePoint]) -> list[str]:
    """What is in use now (of what has ended: last), on the mean of the time that the points tell of, and at most."""
    from orrery.client.cli.output import bytes_text

    last = points[-1]
    held = [point.gpu_memory_bytes for point in points if point.gpu_memory_bytes is not None]
    return [
        *(_number(last.cores), _number(_mean(points, "cores")), _number(max(_known(points, "cores"), default=None))),
        *(bytes_text(last.memory_bytes), bytes_text(max(point.memory_bytes for point in points))),
        *(_number(last.gpus), _number(_mean(points, "gpus"))),
        *((bytes_text(held[-1]), bytes_text(max(held))) if held else ("-", "-")),
    ]


def _known(points: Sequence[UsagePoint], name: str) -> list[float]:
    return [value for point in points if (value := getattr(point, name)) is not None]


def _mean(points: Sequence[UsagePoint], name: str) -> float | None:
    """Each counts for the time since the one before."""
    pairs = [
        ((later.at - earlier.at).total_seconds(), value)
        for earlier, later in pairwise(points)
        if (value := getattr(later, name)) is not None
    ]
    seconds = sum(weight for weight, _ in pairs)
    return sum(weight * value for weight, value in pairs) / seconds if seconds > 0 else None


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def files(kind: KindArgument, name: NameArgument, output: OutputOption = Output.TABLE) -> None:
    """List a resource's files."""
    from orrery.client.cli.output import bytes_text, print_document, print_table

    with connect() as client:
        resource = client.kind(kind).get(name)
        if output in (Output.JSON, Output.YAML):
            print_document(client.transport.json("GET", f"{resource.path}/files"), output)
            return
        print_table(
            ["Path", "Size"], [[entry.path.replace("[", "\\["), bytes_text(entry.size)] for entry in resource.files()]
        )


def download(
    kind: KindArgument,
    name: NameArgument,
    path: Annotated[
        str | None, typer.Argument(metavar="PATH", help="One of its files; left out, all as a zip.")
    ] = None,
    to: Annotated[Path, typer.Option(help="A folder, or the file's new name.")] = Path("."),
    notebook: Annotated[bool, typer.Option("--notebook", help="The executed notebook instead.")] = False,
) -> None:
    """Save a resource's files, or its executed notebook.

    \b
    Examples:
      orrery download model breast --to models/
      orrery download training breast-1 --notebook
    """
    with connect() as client:
        resource = client.kind(kind).get(name)
        if notebook:
            saved = to / f"{resource.name}.ipynb" if to.is_dir() else to
            resource.notebook(to=saved)
        else:
            saved = resource.download(path, to)
    typer.echo(str(saved))
