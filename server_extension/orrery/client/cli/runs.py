"""Commands of the main job: a dataset, a training, an endpoint, predictions."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from orrery.client.cli.app import Output, OutputOption, connect, note, wait_for
from orrery.errors import Invalid

if TYPE_CHECKING:
    from orrery.client.builtin import Purpose

_PANEL = "Main job"
WaitOption = Annotated[bool, typer.Option("--wait", help="Follow it to its end; Ctrl-C leaves it running.")]
TagOption = Annotated[list[str] | None, typer.Option("--tag", help="May be given several times.")]
EstimateOption = Annotated[
    bool, typer.Option("--estimate", help="Say what memory it would take and what would make it fit; begin nothing.")
]
ImageOption = Annotated[
    str | None, typer.Option(help="The image it runs in, where the platform runs containers: orrery get images.")
]
DescriptionOption = Annotated[str, typer.Option(help="A sentence for colleagues.")]


class DatasetType(StrEnum):
    TABULAR = "tabular"
    TEXT = "text"
    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"


class Priority(StrEnum):
    HIGH = "HIGH"
    NORMAL = "NORMAL"
    LOW = "LOW"


class Visibility(StrEnum):
    PRIVATE = "private"
    GROUP = "group"
    PUBLIC = "public"


dataset = typer.Typer(
    help="Upload and publish datasets.", no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]}
)


def register(app: typer.Typer) -> None:
    dataset.command("create")(create_dataset)
    dataset.command("publish")(publish_dataset)
    dataset.command("profile")(profile_dataset)
    app.add_typer(dataset, name="dataset", rich_help_panel=_PANEL)
    for command in (deploy, predict):
        app.command(command.__name__, rich_help_panel=_PANEL)(command)


def create_dataset(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The dataset's name.")],
    paths: Annotated[list[str], typer.Argument(metavar="FILE...", help="Files, or folders with all that is in them.")],
    type_: Annotated[DatasetType, typer.Option("--type", help="What the data is.")] = DatasetType.TABULAR,
    publish: Annotated[
        bool, typer.Option("--publish", help="Publish version 1 when the files have been read.")
    ] = False,
    purpose: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE=PURPOSE", help="What a file's rows are for: training, validation or testing."),
    ] = None,
    format_: Annotated[
        str | None, typer.Option("--format", help="csv, tsv, parquet, json, jsonl, xlsx; else by extension.")
    ] = None,
    description: DescriptionOption = "",
    tag: TagOption = None,
    visibility: Annotated[Visibility, typer.Option(help="Who may see it.")] = Visibility.PRIVATE,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Return before the files have been read.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Upload files and make a dataset of them.

    \b
    Examples:
      orrery dataset create breast breast.csv --publish
      orrery dataset create sales train.csv valid.csv --purpose valid.csv=validation --publish
    """
    from orrery.client.cli.output import print_document
    from orrery.client.cli.values import parse_purposes
    from orrery.client.uploads import plan

    purposes = parse_purposes(purpose or (), [entry.path for entry in plan(paths)])
    with connect() as client:
        made = client.datasets.create(
            name,
            paths,
            type=type_.value,
            publish=publish,
            purposes=cast("dict[str, Purpose]", purposes),
            format=format_,
            description=description,
            tags=tag or (),
            visibility=visibility.value,
            wait=False,
        )
        note(f"dataset {made.qualified_name} created")
        if not no_wait:
            wait_for(made)
            rows = f"{made.rows:,} rows" if made.rows is not None else "no rows counted"
            version = f", version {made.latest_version} published" if made.latest_version else ""
            note(f"{rows}, {len(made.columns)} columns{version}")
            for warning in made.status.outputs.get("warnings") or ():
                note(f"Note: {warning if isinstance(warning, str) else warning.get('message', warning)}")
        if output in (Output.JSON, Output.YAML):
            print_document(made.document, output)


def publish_dataset(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The dataset.")],
    description: Annotated[str, typer.Option(help="What is new in this version.")] = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """Publish a dataset's files as they are now, as its next version, which never changes."""
    from orrery.client.cli.output import print_document

    with connect() as client:
        version = client.datasets.get(name).publish(description)
        note(f"dataset-version {version.qualified_name} published")
        if output in (Output.JSON, Output.YAML):
            print_document(version.document, output)


def profile_dataset(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The dataset; NAME@VERSION for a published version.")],
    output: OutputOption = Output.TABLE,
) -> None:
    """Show what a dataset's rows hold: each column in numbers, and what may be wrong with the data.

    \b
    Examples:
      orrery dataset profile breast
      orrery dataset profile breast@1 -o json
    """
    from orrery.client.cli.output import print_document
    from orrery.client.cli.profiles import print_profile

    with connect() as client:
        profile = client.datasets.profile(name)
        if output in (Output.JSON, Output.YAML):
            print_document(profile, output)
        else:
            print_profile(name, profile)


def deploy(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model: breast, breast@2, alice/breast.")],
    endpoint: Annotated[str, typer.Option(help="The endpoint; made when it is not there.")],
    replicas: Annotated[
        int | None, typer.Option(min=1, max=5, help="Copies of the model server; 1 where it is new.")
    ] = None,
    traffic: Annotated[
        int | None, typer.Option(min=0, max=100, help="Add the model for this percentage; the others share the rest.")
    ] = None,
    instance: Annotated[str | None, typer.Option(help="Each replica's size.")] = None,
    visibility: Annotated[Visibility | None, typer.Option(help="Who may call it.")] = None,
    wait: WaitOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Put a model behind an endpoint. On an existing one it takes the others' place, and no request is lost.

    \b
    Examples:
      orrery deploy breast --endpoint breast --wait
      orrery deploy breast@2 --endpoint breast --traffic 20 --wait
    """
    from orrery.client.cli.output import print_document

    with connect() as client:
        made = client.deploy(
            model,
            endpoint=endpoint,
            replicas=replicas,
            traffic=traffic,
            instance_type=instance,
            visibility=visibility.value if visibility else None,
            wait=False,
        )
        if wait:
            wait_for(made)
        note(f"endpoint {made.qualified_name} is {made.status.phase}")
        if output in (Output.JSON, Output.YAML):
            print_document(made.document, output)
        else:
            typer.echo(made.url)


def predict(
    endpoint: Annotated[str, typer.Argument(metavar="ENDPOINT", help="The endpoint: breast, alice/breast.")],
    data: Annotated[
        str,
        typer.Argument(metavar="JSON", help="A row, a list of rows, or {'instances': [...]}; @file, or - for stdin."),
    ],
    output: Annotated[Output, typer.Option("--output", "-o", help="json and yaml: the whole answer.")] = Output.JSON,
) -> None:
    """Ask an endpoint for predictions.

    \b
    Examples:
      orrery predict breast @rows.json
      head -c 2000 rows.json | orrery predict breast -
    """
    from orrery.client.cli.output import print_document, print_table
    from orrery.client.cli.values import parse_json
    from orrery.client.predictions import predict_document

    rows: Any = parse_json(data)
    if not isinstance(rows, dict | list):
        raise Invalid(f"{rows!r} is no row: give an object by column, a list of them, or an object with 'instances'")
    with connect() as client:
        answer = predict_document(client.endpoints.get(endpoint), rows)
    if output in (Output.JSON, Output.YAML):
        print_document(answer, output)
        return
    predictions: list[Any] = answer["predictions"]
    print_table(["Row", "Prediction"], [[str(index), str(value)] for index, value in enumerate(predictions)])
