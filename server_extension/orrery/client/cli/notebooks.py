"""`orrery notebook`: JupyterLabs of their own; `start`, `stop`, `open` and `delete` are those of every kind."""

from __future__ import annotations

from typing import Annotated

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


def _pairs(given: list[str] | None, option: str) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for text in given or ():
        left, separator, right = text.partition("=")
        if not separator or not left:
            raise Invalid(f"{option} {text!r} is no NAME=VALUE; write {option} NAME=VALUE")
        pairs.append((left, right))
    return pairs
