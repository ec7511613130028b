"""`orrery notebook`: JupyterLabs of their own; `start`, `stop`, `open` and `delete` are those of every kind."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from orrery.client.cli.app import Output, OutputOption, connect, note
from orrery.errors import Invalid

_PANEL = "Main job"

notebook = typer.Typer(
    help="Make notebooks: a JupyterLab with a size, an image and a data volume.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def register(app: typer.Typer) -> None:
    notebook.command("create")(create)
    notebook.command("list")(list_notebooks)
    notebook.command("upgrade")(upgrade)
    app.add_typer(notebook, name="notebook", rich_help_panel=_PANEL)


def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The notebook's name.")],
    instance: Annotated[str | None, typer.Option(help="Its size, such as cpu-medium.")] = None,
    image: Annotated[str | None, typer.Option(help="Its software: an image of the catalogue, or your own.")] = None,
    data_gib: Annotated[float | None, typer.Option(help="Size of the data volume, where volumes have sizes.")] = None,
    boot_gib: Annotated[float | None, typer.Option(help="Size of what is made anew at each start.")] = None,
    mount: Annotated[
        list[str] | None,
        typer.Option(metavar="DIRECTORY=nas://ID:/PATH", help="Shared storage inside the data volume."),
    ] = None,
    env: Annotated[
        list[str] | None, typer.Option("--env", "-e", metavar="NAME=VALUE", help="A variable of its kernels.")
    ] = None,
    idle_minutes: Annotated[float | None, typer.Option(help="Stopped after so long in which nothing ran.")] = None,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Return when it answers.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Make a notebook and start it.

    \b
    Examples:
      orrery notebook create lab --instance cpu-medium --wait
      orrery open notebook/lab
      orrery stop notebook lab
    """
    from orrery.client.cli.output import print_document

    with connect() as client:
        made = client.notebooks.create(
            name,
            instance_type=instance,
            image=image,
            data_gib=data_gib,
            boot_gib=boot_gib,
            mounts=[{"directory": left, "uri": right} for left, right in _pairs(mount, "--mount")],
            environment=dict(_pairs(env, "--env")),
            idle_minutes=idle_minutes,
            description=description,
        )
        if wait:
            made.open()
            made = client.notebooks.get(made.id)
        note(f"notebook {made.qualified_name} is {made.status.phase}; `orrery open notebook/{made.name}` opens it")
        if output in (Output.JSON, Output.YAML):
            print_document(made.document, output)


def list_notebooks(output: OutputOption = Output.TABLE) -> None:
    """List your notebooks, and by when they have to be restarted."""
    from orrery.client.cli.output import print_document, print_table

    with connect() as client:
        found = list(client.notebooks.list(owner=client.whoami()["name"]))
        if output in (Output.JSON, Output.YAML):
            print_document([each.document for each in found], output)
            return
        rows = [
            [each.name, each.status.phase, str(each.spec["instance_type"]), _until(each.status.outputs.get("notice"))]
            for each in found
        ]
        if not rows:
            note("No notebook yet; `orrery notebook create NAME` makes one")
            return
        print_table(["Name", "Status", "Instance type", "Restart by"], rows)
        if told := next((n for each in found if (n := each.status.outputs.get("notice"))), None):
            note(f"{told['message']}: restart those by `orrery reboot notebook NAME`; data volumes stay")


def upgrade(
    by: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="With --message: by when, 2026-01-31T22:00, or with a zone, ...+01:00."),
    ] = None,
    message: Annotated[str | None, typer.Option(help="With --by: what changes, for those who restart.")] = None,
    cancel: Annotated[bool, typer.Option("--cancel", help="Have no more notebooks restarted.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show which notebooks have still to be restarted, and which failed to; administrators have them restarted.

    \b
    Examples:
      orrery notebook upgrade
      orrery notebook upgrade --by 2026-01-31T22:00 --message "Python 3.13"
      orrery notebook upgrade --cancel
    """
    from orrery.client.cli.output import print_document, print_table
    from orrery.client.times import parse_moment

    if (by is None) != (message is None):
        raise Invalid("an upgrade needs both: --by, until when people may choose the moment, and --message")
    if cancel and by is not None:
        raise Invalid("--cancel takes the upgrade away; leave --by and --message out")
    with connect() as client:
        if cancel:
            answer = client.notebooks.cancel_upgrade()
        elif by is not None and message is not None:
            answer = client.notebooks.announce_upgrade(message, parse_moment(by))
        else:
            answer = client.notebooks.upgrade()
        if output in (Output.JSON, Output.YAML):
            print_document(answer, output)
            return
        if answer["items"]:
            rows = [[f"{i['owner']}/{i['name']}", i["state"], i["phase"], i["message"]] for i in answer["items"]]
            print_table(["Notebook", "Restart", "Status", "Why"], rows)
        told = answer["upgrade"]
        note("No notebook has to be restarted" if told is None else f"{told['message']}, by {told['expires_at']}")


def _until(notice: dict[str, Any] | None) -> str:
    return "" if notice is None else str(notice["until"])


def _pairs(given: list[str] | None, option: str) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for text in given or ():
        left, separator, right = text.partition("=")
        if not separator or not left:
            raise Invalid(f"{option} {text!r} is no NAME=VALUE; write {option} NAME=VALUE")
        pairs.append((left, right))
    return pairs
