"""The application object, what every command shares, and how errors become exit codes.

0 done   1 the run failed, or a defect   2 wrong usage or invalid   3 not found   4 conflict, in use, wrong phase
5 not logged in or not allowed   6 the platform does not answer   124 the wait timed out   130 interrupted
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Generator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from orrery import errors

if TYPE_CHECKING:
    from orrery.client.client import Client

_EPILOG = (
    "KIND is a kind's singular, plural or short form (training, trainings, trn). NAME is a name, owner/name, "
    "name@version or an id. The platform is that of ORRERY_URL and ORRERY_TOKEN, else the one running in ORRERY_HOME "
    "(default ~/.orrery). Exit codes: 0 done, 1 the run failed, 2 invalid, 3 not found, 4 conflict, 5 not allowed, "
    "6 no platform, 124 timed out, 130 interrupted."
)


class ErrorGroup(TyperGroup):
    """Commands whose errors are told in a sentence and end with the error's own exit code."""

    def invoke(self, ctx: Any) -> Any:
        with telling_errors():
            return super().invoke(ctx)


app = typer.Typer(
    cls=ErrorGroup,
    name="orrery",
    help="A machine-learning platform inside Jupyter: datasets, trainings, models and endpoints from the shell.",
    epilog=_EPILOG,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Output(StrEnum):
    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"


def _complete_kind(incomplete: str) -> list[str]:
    kinds = (
        "datasets",
        "dataset-versions",
        "experiments",
        "algorithms",
        "trainings",
        "tunings",
        "templates",
        "workflows",
        "models",
        "endpoints",
        "dashboards",
        "secrets",
        "notebooks",
        "images",
        "registry-accounts",
    )
    return [kind for kind in kinds if kind.startswith(incomplete)]


def _complete_name(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of the kind before it; nothing when the platform does not answer at once."""
    from orrery.client.client import Client
    from orrery.client.transport import Patience

    kind: str | None = ctx.params.get("kind")
    if not kind:
        return []
    try:
        with Client(timeout_seconds=2.0, patience=Patience(0.0, 0.0)) as client:
            found = client.kind(kind).list(limit=200)
            return sorted({r.name for r in found if r.name.startswith(incomplete)})
    except errors.OrreryError:
        return []


OutputOption = Annotated[
    Output, typer.Option("--output", "-o", help="How to print it; json and yaml hold everything.", show_default=True)
]
KindArgument = Annotated[
    str, typer.Argument(metavar="KIND", help="training, trainings, trn ...", autocompletion=_complete_kind)
]
NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="name, owner/name, name@version or id", autocompletion=_complete_name)
]
NamesArgument = Annotated[
    list[str],
    typer.Argument(metavar="NAME...", help="name, owner/name, name@version or id", autocompletion=_complete_name),
]


def note(message: str) -> None:
    """For the person at the terminal: never on stdout, which belongs to results."""
    typer.echo(message, err=True)


@contextlib.contextmanager
def connect() -> Generator[Client]:
    """A client that says so when it has to wait for the platform."""
    from orrery.client.client import Client

    with Client() as client:
        client.transport.on_retry = lambda reason: note(
            f"The platform does not answer just now, trying again ({reason})"
        )
        yield client


def exit_code(error: errors.OrreryError) -> int:
    from orrery.client.failures import WaitTimeout

    table: tuple[tuple[type[errors.OrreryError], int], ...] = (
        (errors.Invalid, 2),
        (errors.TooLarge, 2),
        (errors.NotFound, 3),
        (errors.Conflict, 4),
        (errors.Unauthenticated, 5),
        (errors.Forbidden, 5),
        (errors.Unavailable, 6),
        (WaitTimeout, 124),
    )
    return next((code for cls, code in table if isinstance(error, cls)), 1)


@contextlib.contextmanager
def telling_errors() -> Generator[None]:
    try:
        yield
    except errors.OrreryError as error:
        tell(error)
        raise typer.Exit(exit_code(error)) from error
    except KeyboardInterrupt:
        note("")
        raise typer.Exit(130) from None


def tell(error: errors.OrreryError) -> None:
    """The message, and where there are several things wrong, each of them."""
    from orrery.client.failures import RunFailed, field_messages

    message = error.message
    if isinstance(error, RunFailed) and error.log_tail:
        note(f"{error.log_tail}\n")
        message = error.summary
    # echo takes the colour out where stderr is no terminal
    typer.echo(f"{typer.style('Error:', fg=typer.colors.RED, bold=True)} {message}", err=True)
    fields = [(path, message) for path, message in field_messages(error) if message not in error.message]
    for path, message in fields:
        note(f"  {path}: {message}")
    dependents: Any = error.details.get("dependents")
    if isinstance(error, errors.InUse) and dependents:
        for text in map(label, dependents):
            if text not in error.message:
                note(f"  {text}")
        note("--cascade deletes all of them: it lists everything first, and asks.")


def label(summary: dict[str, Any]) -> str:
    """`endpoint alice/breast`, `model alice/breast@2`."""
    version = f"@{summary['version']}" if summary.get("version") else ""
    return f"{summary['kind']} {summary['owner']}/{summary['name']}{version}"


def wait_for(resource: Any, *, timeout: float | None = None, again: Callable[[], str] | None = None) -> None:
    """Follow `resource` to its end. Ctrl-C leaves it running, and says how to follow it again."""
    from orrery.client.displays import Lines, RichBar
    from orrery.client.waiting import wait_until_settled

    display = RichBar() if sys.stderr.isatty() else Lines(note)
    try:
        wait_until_settled(resource, timeout_seconds=timeout, display=display)
    except KeyboardInterrupt:
        command = again() if again is not None else f"orrery wait {resource.kind} {resource.qualified_name}"
        note(f"\nDetached: {resource.kind} {resource.qualified_name} goes on. Follow it again with: {command}")
        raise typer.Exit(130) from None
