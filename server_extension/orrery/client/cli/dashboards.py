"""`orrery dashboard`: notebooks as pages."""

from __future__ import annotations

from typing import Annotated

import typer

from orrery.client.cli.app import Output, OutputOption, connect, note

_PANEL = "Main job"
_PAIR = "NAME=WHAT"

dashboard = typer.Typer(
    help="Publish notebooks as pages.", no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]}
)


def register(app: typer.Typer) -> None:
    dashboard.command("publish")(publish)
    app.add_typer(dashboard, name="dashboard", rich_help_panel=_PANEL)


def publish(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The dashboard's name.")],
    files: Annotated[
        list[str], typer.Argument(metavar="NOTEBOOK [FILE...]", help="The notebook, and what it needs beside it.")
    ],
    dataset: Annotated[
        list[str] | None,
        typer.Option(metavar=_PAIR, help="A dataset that it reads: train=iris is the folder in EM_DATASET_TRAIN."),
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option(metavar=_PAIR, help="A model that it reads: best=iris@2 is EM_MODEL_BEST.")
    ] = None,
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", "-p", metavar="KEY=VALUE", help="A value of its parameters cell.")
    ] = None,
    public: Annotated[bool, typer.Option("--public", help="For everyone who can log in.")] = False,
    group: Annotated[str | None, typer.Option(help="For the members of this group of yours.")] = None,
    show_code: Annotated[bool, typer.Option("--show-code", help="Show the code cells too.")] = False,
    idle_minutes: Annotated[
        float | None, typer.Option(help="It falls asleep after so long without a visitor; 15 if not given.")
    ] = None,
    instance: Annotated[str | None, typer.Option(help="What it holds while it is awake.")] = None,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """Publish a notebook as a page that sleeps until somebody visits; its address is printed.

    \\b
    Examples:
      orrery dashboard publish report report.ipynb --dataset train=iris --public
      orrery open dashboard/report
    """
    from orrery.client.cli.output import print_document
    from orrery.client.cli.values import parse_pairs

    visibility = "public" if public else "group" if group else None
    with connect() as client:
        made = client.dashboards.create(
            name,
            files,
            datasets={key: str(value) for key, value in parse_pairs(dataset or (), "--dataset").items()},
            models={key: str(value) for key, value in parse_pairs(model or (), "--model").items()},
            parameters=parse_pairs(parameter or (), "--parameter"),
            show_code=show_code or None,
            instance_type=instance,
            idle_minutes=idle_minutes,
            description=description,
            visibility=visibility,
            group=group,
        )
        note(f"dashboard {made.qualified_name} published; `orrery open dashboard/{made.name}` wakes and opens it")
        if output in (Output.JSON, Output.YAML):
            print_document(made.document, output)
        else:
            typer.echo(made.url)
