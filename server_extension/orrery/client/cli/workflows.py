"""`orrery workflow`: train again when a dataset has a new version."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from orrery.client.cli.app import Output, OutputOption, connect, note, wait_for
from orrery.client.cli.runs import DescriptionOption, TagOption, WaitOption

if TYPE_CHECKING:
    from orrery.client.workflows import Workflow

_PANEL = "Main job"
workflow = typer.Typer(
    help="Train again when a dataset has a new version, and keep the best model.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Direction(StrEnum):
    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"


def register(app: typer.Typer) -> None:
    workflow.command("create")(create)
    workflow.command("run")(run)
    app.add_typer(workflow, name="workflow", rich_help_panel=_PANEL)


def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its trainings and its model are named after it.")],
    template: Annotated[str, typer.Option(help="The template that each training begins from.")],
    dataset: Annotated[str, typer.Option(help="The dataset whose new versions are trained with.")],
    metric: Annotated[str, typer.Option(help="The metric that decides: accuracy, rmse ...")],
    direction: Annotated[Direction, typer.Option(help="Which way the metric is better.")] = Direction.MAXIMIZE,
    role: Annotated[
        str | None, typer.Option(help="The name that the algorithm knows the data by.  [default: train]")
    ] = None,
    minimum_gain: Annotated[
        float | None, typer.Option(min=0, help="By how much it must be better than the best so far.  [default: 0]")
    ] = None,
    endpoint: Annotated[str | None, typer.Option(help="The endpoint that gets each model that is the best.")] = None,
    train_at_once: Annotated[
        bool, typer.Option("--at-once/--wait-for-next", help="Begin with the version published now, or with the next.")
    ] = True,
    description: DescriptionOption = "",
    tag: TagOption = None,
    wait: WaitOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Train whenever a new version of a dataset is published, and keep the best model.

    \b
    Examples:
      orrery workflow create breast-daily --template quick --dataset breast --metric accuracy --direction maximize
      orrery workflow create prices --template forest --dataset sales --metric rmse --direction minimize \\
          --minimum-gain 0.5 --endpoint prices
    """
    with connect() as client:
        made = client.workflows.create(
            name,
            template=template,
            dataset=dataset,
            metric=metric,
            direction=direction.value,
            role=role,
            minimum_gain=minimum_gain,
            endpoint=endpoint,
            train_at_once=train_at_once,
            description=description,
            tags=tag or (),
        )
        note(f"workflow {made.qualified_name} created")
        _told(made, output, wait=wait)


def run(
    name: Annotated[str, typer.Argument(metavar="NAME", help="name, owner/name or id")],
    wait: WaitOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Train with the newest version of its dataset now.

    \b
    Examples:
      orrery workflow run breast-daily --wait
    """
    with connect() as client:
        _told(client.workflows.get(name).run(), output, wait=wait)


def _told(made: Workflow, output: Output, *, wait: bool) -> None:
    from orrery.client.cli.output import print_document

    if wait:
        wait_for(made)
        note(made.status.message)
    else:
        note(f"Follow it with: orrery wait workflow {made.name}")
    if output in (Output.JSON, Output.YAML):
        print_document(made.document, output)
