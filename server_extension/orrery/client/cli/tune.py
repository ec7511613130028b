"""The command that searches for hyperparameters."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orrery.client.cli.app import Output, OutputOption, connect, note, wait_for
from orrery.client.cli.run_options import (
    DataSizeOption,
    EnvironmentOption,
    ExperimentOption,
    InputCheckpointOption,
    MaxTimeOption,
    NodesOption,
    OutputCheckpointOption,
    OutputPathOption,
    PriorityOption,
    ProcessesOption,
    SecretOption,
    StartAfterOption,
    TorchrunOption,
    run_settings,
)
from orrery.client.cli.runs import DescriptionOption, EstimateOption, ImageOption, TagOption, WaitOption
from orrery.errors import Invalid

if TYPE_CHECKING:
    from orrery.client.tunings import Tuning

_PANEL = "Main job"


class Sampler(StrEnum):
    TPE = "tpe"
    RANDOM = "random"
    GRID = "grid"
    CMA_ES = "cma-es"
    GP = "gp"
    QMC = "qmc"
    NSGA2 = "nsga2"


class EarlyStop(StrEnum):
    NONE = "none"
    MEDIAN = "median"
    ASHA = "asha"
    HYPERBAND = "hyperband"


def register(app: typer.Typer) -> None:
    app.command("tune", rich_help_panel=_PANEL)(tune)


def tune(
    name: Annotated[str, typer.Option(help="The tuning's name; its trainings are named after it.")],
    space: Annotated[
        list[str],
        typer.Option(
            metavar="NAME=SPACE",
            help="What is tried: 2..8, 2..8:2 (with a step), log:0.01..0.3, gbtree,dart; with a condition: "
            "'0.1..0.5 if booster=dart'. May be given up to 50 times.",
        ),
    ],
    objective: Annotated[
        list[str], typer.Option(metavar="GOAL:METRIC", help="maximize:roc_auc, minimize:loss; may be given 5 times.")
    ],
    dataset: Annotated[
        list[str] | None, typer.Option(metavar="[KEY=]DATASET", help="A published dataset: breast, train=breast@1.")
    ] = None,
    target: Annotated[str | None, typer.Option(help="The column to predict.")] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", "-p", metavar="KEY=VALUE", help="A hyperparameter that stays as it is."),
    ] = None,
    trials: Annotated[int | None, typer.Option(min=1, help="Trainings in all.  [default: 20]")] = None,
    parallel: Annotated[int | None, typer.Option(min=1, help="Trainings at a time.  [default: 2]")] = None,
    sampler: Annotated[Sampler | None, typer.Option(help="How it searches.  [default: tpe]")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="The same seed suggests the same.")] = None,
    goal: Annotated[float | None, typer.Option(help="End as soon as the metric is this good.")] = None,
    max_failed: Annotated[int | None, typer.Option(min=0, help="Failed trainings that it bears.  [default: 3]")] = None,
    early_stop: Annotated[EarlyStop | None, typer.Option(help="Stop trainings that do badly.")] = None,
    early_stop_metric: Annotated[
        str | None, typer.Option(metavar="GOAL:METRIC", help="What is watched for that; else the objective.")
    ] = None,
    min_trials: Annotated[int | None, typer.Option(min=0, help="Trainings that end before any is stopped.")] = None,
    start_step: Annotated[int | None, typer.Option(min=0, help="The step before which none is stopped.")] = None,
    after: Annotated[
        list[str] | None, typer.Option(metavar="TUNING", help="An earlier tuning that the search knows from.")
    ] = None,
    after_training: Annotated[
        list[str] | None, typer.Option(metavar="TRAINING", help="An earlier training that the search knows from.")
    ] = None,
    instance: Annotated[str | None, typer.Option(help="The size of each training: cpu-small ...")] = None,
    algorithm: Annotated[
        str | None, typer.Argument(metavar="[ALGORITHM]", help="xgboost ...: orrery get algorithms.")
    ] = None,
    template: Annotated[
        str | None, typer.Option(metavar="TEMPLATE", help="Begin from a template; what else is given goes over it.")
    ] = None,
    image: ImageOption = None,
    priority: PriorityOption = None,
    experiment: ExperimentOption = None,
    max_time: MaxTimeOption = None,
    start_after: StartAfterOption = None,
    input_checkpoint: InputCheckpointOption = None,
    output_checkpoint: OutputCheckpointOption = None,
    output_path: OutputPathOption = None,
    data_size: DataSizeOption = None,
    environment: EnvironmentOption = None,
    secret: SecretOption = None,
    nodes: NodesOption = None,
    processes_per_node: ProcessesOption = None,
    torchrun: TorchrunOption = False,
    description: DescriptionOption = "",
    tag: TagOption = None,
    estimate: EstimateOption = False,
    wait: WaitOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Search for hyperparameters: many trainings, each with what the last have taught.

    \b
    Examples:
      orrery tune xgboost --name trees --dataset breast --target diagnosis --space max_depth=2..8 \\
          --space learning_rate=log:0.01..0.3 --space booster=gbtree,dart --objective maximize:roc_auc \\
          --trials 20 --parallel 2 --wait
      orrery tune --template quick --name trees-2 --space max_depth=2..8 --objective maximize:roc_auc
    """
    from orrery.client.cli.output import print_estimate, warn_of_memory
    from orrery.client.cli.values import parse_datasets, parse_pairs, parse_texts
    from orrery.client.templates import tuning_settings

    settings = run_settings(
        priority=priority,
        experiment=experiment,
        image=image,
        start_after=start_after,
        max_time=max_time,
        environment=environment,
        secret=secret,
        processes_per_node=processes_per_node,
        torchrun=torchrun,
        input_checkpoint=input_checkpoint,
        output_checkpoint=output_checkpoint,
        output_path=output_path,
        data_size=data_size,
    )
    searched = parse_texts(space, "--space")
    fixed = parse_pairs(parameter or (), "-p")
    given: dict[str, Any] = {
        "algorithm": algorithm,
        "datasets": parse_datasets(dataset or ()),
        "parameters": fixed if target is None else {"target": target, **fixed},
        "instance_type": instance,
        "nodes": nodes,
        **settings,
    }
    with connect() as client:
        base = client.templates.get(template).settings if template is not None else {}
        whole = tuning_settings(base, searched, given)
        if "algorithm" not in whole:
            raise Invalid("what is to be tuned? give an algorithm (xgboost), or --template")
        asked: dict[str, Any] = {
            "space": searched,
            **{name: whole.get(name) for name in ("algorithm", "datasets", "parameters", "instance_type", "nodes")},
        }
        if estimate:
            print_estimate(client.tunings.estimate(**asked), output)
            return
        earlier = [*(client.tunings.get(tuning) for tuning in after or ()), *(after_training or ())]
        tuning = client.tunings.create(
            name,
            space=searched,
            objective=objective,
            trials=trials,
            parallel=parallel,
            sampler=sampler.value if sampler else None,
            seed=seed,
            goal=goal,
            max_failed=max_failed,
            early_stop=early_stop.value if early_stop else None,
            early_stop_metric=early_stop_metric,
            min_trials=min_trials,
            start_step=start_step,
            earlier=earlier,
            **whole,
            description=description,
            tags=tag or (),
        )
        note(f"tuning {tuning.qualified_name} created")
        warn_of_memory(client.tunings.estimate(**asked))
        if wait:
            wait_for(tuning)
            note(f"{tuning.status.reason}: {tuning.status.message}")
        else:
            note(f"Follow it with: orrery wait tuning {tuning.name}")
        _print_tuning(tuning, output)


def _print_tuning(tuning: Tuning, output: Output) -> None:
    """The best trials first; the parameters that were searched are the columns."""
    from orrery.client.cli.output import print_document, print_table

    if output in (Output.JSON, Output.YAML):
        print_document(tuning.document, output)
        return
    if not tuning.front:
        return
    metrics = [objective["metric"] for objective in tuning.spec["objectives"]]
    names = list(tuning.spec["space"])
    down = "-" if tuning.spec["objectives"][0]["goal"] == "maximize" else ""
    rows = [
        [
            str(trial["number"]),
            trial["status"],
            *show_targets(trial, len(metrics)),
            *(_short(trial["parameters"].get(name)) for name in names),
        ]
        for trial in tuning.trials(order=f"{down}target")[:10]
    ]
    print_table(["Trial", "Status", *metrics, *names], rows)


def show_targets(trial: dict[str, Any], metrics: int) -> list[str]:
    """`0.91`; `0.87 (last)` of one that was stopped before its end; a dash where nothing was told."""
    if trial["targets"] is None:
        return ["-"] * metrics
    mark = "" if trial["is_final"] else " (last)"
    return [f"{value:.6g}{mark}" for value in trial["targets"]]


def _short(value: object) -> str:
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
