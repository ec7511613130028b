"""The queue: what waits and why, and what administrators do to it."""

from __future__ import annotations

import time
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orrery.client.cli.app import Output, OutputOption, connect, note
from orrery.errors import Invalid

if TYPE_CHECKING:
    from orrery.client.client import Client

_WATCH_SECONDS = 2.0


class Doing(StrEnum):
    PAUSE = "pause"
    DRAIN = "drain"
    RESUME = "resume"
    LIMITS = "limits"
    PRIORITY = "priority"


class Level(StrEnum):
    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


def register(app: typer.Typer) -> None:
    app.command("queue", rich_help_panel="Platform")(queue)


def queue(
    doing: Annotated[
        Doing | None,
        typer.Argument(
            metavar="[priority|pause|drain|resume|limits]",
            help="priority is for whose job it is, the others for administrators; left out, the queue is shown.",
        ),
    ] = None,
    name: Annotated[str | None, typer.Argument(help="With priority: a training that waits.")] = None,
    level: Annotated[
        Level | None, typer.Argument(case_sensitive=False, help="With priority: high, normal or low.")
    ] = None,
    reason: Annotated[str, typer.Option(help="With pause and drain: why, for everybody who waits.")] = "",
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show it again as it changes, until Ctrl-C.")] = False,
    user: Annotated[str | None, typer.Option(help="With limits: whose.")] = None,
    group: Annotated[str | None, typer.Option(help="With limits: of all its members together.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="With limits: cores, memory_bytes, gpus, jobs or share; null for none. Without --user and --group: "
            "of everyone.",
        ),
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show the jobs that wait for a place, in their order, why, and when they may start.

    \b
    Examples:
      orrery queue --watch
      orrery queue priority breast-1 high
      orrery queue pause --reason "new disks at noon"
      orrery queue limits --user alice --set cores=4 --set jobs=2
    """
    from orrery.client.cli.output import print_document

    _check(doing, reason=reason, names=(user, group), changes=set_, watch=watch)
    if (doing is Doing.PRIORITY) != (name is not None and level is not None):
        raise Invalid(
            "a job's priority is changed with its name and one of high, normal, low: "
            "orrery queue priority breast-1 high"
        )
    with connect() as client:
        if name is not None and level is not None:
            client.trainings.get(name).update(priority=level.value.upper())
        if doing is Doing.LIMITS:
            answer = _change_limits(client, user, group, set_ or [])
            print_document(answer, Output.JSON if output is Output.JSON else Output.YAML)
            return
        answer = _do(client, doing, reason)
        _show(answer, output)
        while watch:
            time.sleep(_WATCH_SECONDS)
            before, answer = answer, client.queue()
            if answer != before:
                typer.echo()
                _show(answer, output)


def _check(
    doing: Doing | None, *, reason: str, names: tuple[str | None, str | None], changes: list[str] | None, watch: bool
) -> None:
    if reason and doing not in (Doing.PAUSE, Doing.DRAIN):
        raise Invalid("--reason is why it is paused; write orrery queue pause --reason ...")
    if (any(names) or changes) and doing is not Doing.LIMITS:
        raise Invalid("--user, --group and --set change limits; write orrery queue limits --user alice --set cores=4")
    if all(names):
        raise Invalid("--user and --group are two limits; give them one after the other")
    if any(names) and not changes:
        raise Invalid("nothing says what the limit is; add for instance --set cores=4 (null for none)")
    if watch and doing is not None:
        raise Invalid(f"--watch shows the queue; leave {doing.value} away")


def _do(client: Client, doing: Doing | None, reason: str) -> dict[str, Any]:
    match doing:
        case Doing.PAUSE | Doing.DRAIN:
            return client.pause_queue(reason, drain=doing is Doing.DRAIN)
        case Doing.RESUME:
            return client.resume_queue()
        case _:
            return client.queue()


def _change_limits(client: Client, user: str | None, group: str | None, pairs: list[str]) -> dict[str, Any]:
    from orrery.client.cli.values import parse_pairs

    changes = parse_pairs(pairs, "--set")
    if user is not None:
        return client.queue_limits(users={user: changes})
    if group is not None:
        return client.queue_limits(groups={group: changes})
    return client.queue_limits(everyone=changes) if changes else client.queue_limits()


def _show(answer: dict[str, Any], output: Output) -> None:
    from rich.markup import escape

    from orrery.client.cli.output import print_document, print_table
    from orrery.client.displays import start_text

    if output in (Output.JSON, Output.YAML):
        print_document(answer, output)
        return
    pause = answer["pause"]
    unknown = f"{'drained' if pause['draining'] else 'paused'} by {escape(pause['by'])}" if pause else "not known"
    rows = [
        [
            str(item["place"]),
            item["priority"],
            escape(item["owner"]),
            escape(item["title"]) or "-",
            start_text(item["starts_in_seconds"]) or unknown,
            escape(item["reason"]) or "-",
        ]
        for item in answer["items"]
    ]
    rows += [
        [
            "-",
            item["priority"],
            escape(item["owner"]),
            escape(item["title"]) or "-",
            f"{datetime.fromisoformat(item['starts_at']).astimezone():%Y-%m-%d %H:%M}",
            escape(item["reason"]) or "-",
        ]
        for item in answer["later"]
    ]
    if rows:
        print_table(["Place", "Priority", "Owner", "Job", "Starts", "Waits because"], rows)
    for item in answer["items"]:
        if item.get("meanwhile"):
            note(meanwhile_text(item))
    if pause:
        note(pause_text(pause))
    note(f"{'' if rows else 'Nothing waits. '}{capacity_text(answer['capacity'])}")


def meanwhile_text(item: dict[str, Any]) -> str:
    """What may be done while a training waits for a GPU."""
    name = f"{item['owner']}/{item['title']}"
    return f"{name} may start on {item['meanwhile']} meanwhile: orrery action training {name} start-on-cpu"


def pause_text(pause: dict[str, Any]) -> str:
    """`Paused by root: new disks. No job starts; 2 still run.`"""
    done = "Being drained" if pause["draining"] else "Paused"
    reason = f": {pause['reason']}" if pause["reason"] else ""
    left = {0: "none runs", 1: "1 still runs"}.get(pause["running"], f"{pause['running']} still run")
    return f"{done} by {pause['by']}{reason}. No job starts; {left}."


def capacity_text(capacity: dict[str, dict[str, Any]]) -> str:
    """What is in use of the machine."""
    from orrery.client.cli.output import bytes_text

    total, held = capacity["total"], capacity["held"]
    gpus = f", {held['gpus']} of {total['gpus']} GPUs" if total.get("gpus") else ""
    memory = f"{bytes_text(held['memory_bytes'])} of {bytes_text(total['memory_bytes'])} memory"
    return f"In use: {held['cores']:g} of {total['cores']:g} cores, {memory}{gpus}"
