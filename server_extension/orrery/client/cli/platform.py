"""Commands about the platform itself: start and stop it, who one is."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from orrery.client.cli.app import Output, OutputOption, connect, note

_PANEL = "Platform"
HomeOption = Annotated[
    Path | None, typer.Option(help="Where the platform keeps everything; default: ORRERY_HOME, else ~/.orrery.")
]


def register(app: typer.Typer) -> None:
    for command in (up, down, whoami, token, open_, kinds):
        app.command(command.__name__.rstrip("_"), rich_help_panel=_PANEL)(command)


def up(
    port: Annotated[int | None, typer.Option(help="Port on 127.0.0.1; 0: any free one.")] = None,
    home: HomeOption = None,
    hub: Annotated[bool, typer.Option("--hub", help="Serve the users of a JupyterHub, as its service.")] = False,
    keep_serving: Annotated[
        bool, typer.Option("--keep-serving", help="When it ends, leave endpoints and running jobs alone.")
    ] = False,
) -> None:
    """Start the platform and serve until Ctrl-C. Prints its address and its token.

    \b
    Examples:
      orrery up
      orrery up --port 8600 --home ~/experiments
    """
    from orrery.client.cli.server import serve

    raise typer.Exit(serve(port=port, home=home, hub=hub, keep_serving=keep_serving))


def down(home: HomeOption = None) -> None:
    """Stop the platform that runs in a home, with its endpoints."""
    from orrery.client.cli.server import shut_down

    raise typer.Exit(shut_down(home))


def whoami(output: OutputOption = Output.TABLE) -> None:
    """Show who you are to the platform."""
    from orrery.client.cli.output import print_document

    with connect() as client:
        me = client.whoami()
    if output in (Output.JSON, Output.YAML):
        print_document(me, output)
        return
    groups = f", in {', '.join(me['groups'])}" if me.get("groups") else ""
    typer.echo(f"{me['name']}{' (administrator)' if me.get('admin') else ''}{groups}")


def token(
    expires: Annotated[str | None, typer.Option(help="How long it is valid: 90s, 15m, 2h, 30d; default 12h.")] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Print a token for scripts and for calls of endpoints.

    \b
    Example:
      curl -H "Authorization: Bearer $(orrery token)" "$(orrery open)/api/v1/overview"
    """
    from orrery.client.cli.output import print_document
    from orrery.client.times import parse_duration

    seconds = parse_duration(expires) if expires else None
    with connect() as client:
        made = client.make_token(seconds)
    if output in (Output.JSON, Output.YAML):
        print_document(made, output)
    else:
        typer.echo(made["token"])
        if sys.stdout.isatty():
            note(f"Valid until {made['expires_at']}. Whoever has it acts as you.")


def open_(
    what: Annotated[
        str | None, typer.Argument(metavar="[KIND/NAME]", help="dashboard/report, training/breast-1, experiment/e.")
    ] = None,
    app: Annotated[
        str | None,
        typer.Option(help="Which of several: a tuning has tensorboard (the default) and optuna."),
    ] = None,
) -> None:
    """Print the platform's address; of a dashboard, a run's TensorBoard or a tuning's optuna-dashboard, one that opens.

    That wakes it. The address lets whoever opens it in, as you: once, and within a minute.
    """
    from orrery.client.apps import open_app

    with connect() as client:
        if what is None:
            typer.echo(client.url)
            return
        kind, _, name = what.partition("/")
        typer.echo(open_app(client.kind(kind).get(name), app=app))


def kinds(output: OutputOption = Output.TABLE) -> None:
    """List the kinds of resources, their short forms and their actions."""
    from orrery.client.cli.output import print_document, print_table

    with connect() as client:
        if output in (Output.JSON, Output.YAML):
            print_document(client.transport.json("GET", "/kinds"), output)
            return
        rows = [
            [
                kind.plural,
                kind.name,
                kind.prefix or "-",
                ", ".join(action.name for action in kind.actions) or "-",
                kind.description,
            ]
            for kind in client.kinds
        ]
    print_table(["Kind", "Singular", "Short", "Actions", "What it is"], rows)
