"""Commands that train: with a built-in algorithm, or with code of one's own."""

from __future__ import annotations

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
from orrery.client.cli.runs import (
    DescriptionOption,
    EstimateOption,
    ImageOption,
    TagOption,
    Visibility,
    WaitOption,
)
from orrery.client.cli.values import parse_metrics
from orrery.errors import Invalid

if TYPE_CHECKING:
    from pathlib import Path

    from orrery.client.builtin import Algorithm, Training

_PANEL = "Main job"
EntryOption = Annotated[
    str | None,
    typer.Option("--entry", metavar="FILE", help="The .py or .ipynb that is run; needless where it is the only one."),
]
MetricOption = Annotated[
    list[str] | None,
    typer.Option(
        "--metric",
        metavar="NAME=PATTERN",
        help="A metric of the log: a regular expression with a group around the value. May be given several times.",
    ),
]

algorithm = typer.Typer(
    help="Register code of your own.", no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]}
)


def register(app: typer.Typer) -> None:
    algorithm.command("create")(create_algorithm)
    app.add_typer(algorithm, name="algorithm", rich_help_panel=_PANEL)
    app.command("train", rich_help_panel=_PANEL)(train)
    app.command("run", rich_help_panel=_PANEL)(run)
    app.command("resume", rich_help_panel=_PANEL)(resume)


def create_algorithm(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The algorithm's name.")],
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="[FILE...]", help="Its code: a folder, or files.")
    ] = None,
    git: Annotated[str | None, typer.Option(metavar="URL", help="Take the code from a Git repository instead.")] = None,
    archive: Annotated[
        str | None, typer.Option(metavar="URL", help="Take the code from a .zip or .tar.gz at an address instead.")
    ] = None,
    from_dataset: Annotated[
        str | None, typer.Option(metavar="DATASET", help="Take the files of a published dataset instead: code, code@2.")
    ] = None,
    uri: Annotated[
        str | None,
        typer.Option("--from", metavar="URI", help="Take the code from a storage instead: obs://bucket/folder."),
    ] = None,
    revision: Annotated[str, typer.Option(help="With --git: a branch, a tag or a commit's id.")] = "",
    sha256: Annotated[str, typer.Option(help="With --archive: refuse any other than this one.")] = "",
    folder: Annotated[str, typer.Option("--path", help="The folder of the repository, archive or dataset.")] = "",
    secret: Annotated[
        str, typer.Option(help="Of a private repository or archive: your secret that holds a token.")
    ] = "",
    entry: EntryOption = None,
    metric: MetricOption = None,
    model_type: Annotated[
        str | None, typer.Option(help="What it trains: llm, diffusion, nlp-classification, nlp-ner ...")
    ] = None,
    title: Annotated[str | None, typer.Option(help="What lists call it.")] = None,
    description: DescriptionOption = "",
    tag: TagOption = None,
    visibility: Annotated[Visibility, typer.Option(help="Who may see and use it.")] = Visibility.PRIVATE,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Whether to follow how the code is fetched.")] = True,
    output: OutputOption = Output.TABLE,
) -> None:
    """Make an algorithm of a script or a notebook: it appears in the catalogue, with a form of what it takes.

    \b
    Examples:
      orrery algorithm create forest ./forest --entry train.py --metric accuracy='accuracy=([0-9.]+)'
      orrery algorithm create forest --git https://git.example.org/forest.git --revision v2 --secret git-token
      orrery algorithm create forest --archive https://example.org/forest-2.zip --sha256 9f86d081884c7d65...
      orrery algorithm create forest --from-dataset forest-code@3 --path src
      orrery algorithm create forest --from nas://projects:/forest
    """
    if sum(map(bool, (paths, git, archive, from_dataset, uri))) != 1:
        raise Invalid(
            "where is the code? give one of: files, --git URL, --archive URL, --from-dataset NAME, --from URI"
        )
    for option, value, is_possible in (
        ("--revision", revision, git),
        ("--sha256", sha256, archive),
        ("--path", folder, not paths and not uri),
        ("--secret", secret, git or archive),
    ):
        if value and not is_possible:
            raise Invalid(f"{option} says nothing of where this code comes from; leave it away")
    with connect() as client:
        made = client.algorithms.create(
            name,
            paths or (),
            git={"url": git, "revision": revision, "path": folder, "secret": secret} if git else None,
            archive={"url": archive, "sha256": sha256, "path": folder, "secret": secret} if archive else None,
            dataset={"dataset": from_dataset, "path": folder} if from_dataset else None,
            uri=uri,
            wait=False,
            entry_point=entry,
            metrics=parse_metrics(metric),
            model_type=model_type,
            title=title,
            description=description,
            tags=tag or (),
            visibility=visibility.value,
        )
        if not made.has_settled():
            note(f"algorithm {made.qualified_name} created; its code is being fetched")
            if not wait:
                note(f"Follow it with: orrery wait algorithm {made.name}")
                _print_algorithm(made, output)
                return
            wait_for(made)
        note(
            f"algorithm {made.qualified_name} {'is ready' if made.spec['source'] else 'created'}: "
            f"it runs {made.spec['entry_point']}"
        )
        parameters = ", ".join(made.parameters_schema.get("properties") or ()) or "whatever it is given"
        note(f"it takes {parameters}")
        _print_algorithm(made, output)


def _print_algorithm(made: Algorithm, output: Output) -> None:
    from orrery.client.cli.output import print_document

    if output in (Output.JSON, Output.YAML):
        print_document(made.document, output)


def train(
    name: Annotated[str, typer.Option(help="The training's name, and the model's.")],
    algorithm: Annotated[
        str | None,
        typer.Argument(metavar="[ALGORITHM]", help="xgboost, logistic-regression ...: orrery get algorithms."),
    ] = None,
    dataset: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[KEY=]DATASET",
            help="A published dataset: breast, breast@1, alice/breast. With a key, the name that the code knows it by; "
            "may be given up to 10 times.",
        ),
    ] = None,
    script: Annotated[
        str | None, typer.Option(metavar="DIR", help="A folder (or file) of your own code, sent and run.")
    ] = None,
    entry: EntryOption = None,
    metric: MetricOption = None,
    target: Annotated[str | None, typer.Option(help="The column to predict.")] = None,
    validation: Annotated[str | None, typer.Option(help="A dataset to validate on; else a part of the other.")] = None,
    test: Annotated[str | None, typer.Option(help="A dataset to measure the model on.")] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", "-p", metavar="KEY=VALUE", help="A hyperparameter; may be given up to 100 times."),
    ] = None,
    instance: Annotated[str | None, typer.Option(help="Its size: cpu-small ...")] = None,
    image: ImageOption = None,
    priority: PriorityOption = None,
    experiment: ExperimentOption = None,
    max_time: MaxTimeOption = None,
    start_after: StartAfterOption = None,
    checkpoint_from: Annotated[
        str | None, typer.Option(metavar="TRAINING", help="Begin from the checkpoints of this training.")
    ] = None,
    input_checkpoint: InputCheckpointOption = None,
    output_checkpoint: OutputCheckpointOption = None,
    output_path: OutputPathOption = None,
    data_size: DataSizeOption = None,
    environment: EnvironmentOption = None,
    secret: SecretOption = None,
    nodes: NodesOption = None,
    processes_per_node: ProcessesOption = None,
    torchrun: TorchrunOption = False,
    model_name: Annotated[str | None, typer.Option(help="The model's name, where it is not the training's.")] = None,
    template: Annotated[
        str | None, typer.Option(metavar="TEMPLATE", help="Begin from a template; what else is given goes over it.")
    ] = None,
    sweep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=V1,V2",
            help="Make a training for each value of a hyperparameter, or of 'dataset'; several are combined.",
        ),
    ] = None,
    description: DescriptionOption = "",
    tag: TagOption = None,
    estimate: EstimateOption = False,
    wait: WaitOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Train a model with an algorithm on a dataset, or with code of your own.

    \b
    Examples:
      orrery train xgboost --name breast-1 --dataset breast --target diagnosis --wait
      orrery train xgboost --name breast-2 --dataset breast@1 --target diagnosis -p max_depth=4 -p eta=0.1
      orrery train xgboost --name breast-3 --dataset breast --target diagnosis --instance cpu-small --estimate
      orrery train --template quick --name breast-3 -p max_depth=2
      orrery train xgboost --name depths --dataset breast --target diagnosis --sweep max_depth=2,4,8
      orrery train --script ./forest --entry train.py --name forest-1 --dataset train=breast -p trees=200 \\
          --metric accuracy='accuracy=([0-9.]+)' --wait
      orrery train --script ./ddp --name ddp-1 --nodes 2 --processes-per-node 2 --wait
    """
    from orrery.client.cli.output import print_estimate, warn_of_memory
    from orrery.client.cli.values import parse_datasets, parse_metrics, parse_pairs

    parameters = parse_pairs(parameter or (), "-p")
    if target is not None and "target" in parameters:
        raise Invalid("the target is given twice, with --target and with -p target=...; leave one away")
    if script is None and (entry is not None or metric):
        raise Invalid("--entry and --metric are of a script of your own; give its folder with --script")
    if estimate and (script is not None or sweep):
        raise Invalid(
            "--estimate is of one training with an algorithm of the catalogue, or from a template; leave "
            f"{'--sweep' if sweep else '--script'} away"
        )
    settings: dict[str, Any] = run_settings(
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
    ) | {"checkpoint_from": checkpoint_from, "model_name": model_name}
    with connect() as client:
        asked: dict[str, Any] = {
            "datasets": parse_datasets(dataset or ()),
            "target": target,
            "parameters": parameters,
            "instance_type": instance,
            "nodes": nodes,
        }
        if estimate and template is None:
            if algorithm is None:
                raise Invalid("what is to be trained? give an algorithm (xgboost), or --template")
            print_estimate(client.trainings.estimate(algorithm, **asked), output)
            return
        if template is not None or sweep:
            from orrery.client.cli.sweeps import begin_many, estimate_from

            if script is not None:
                raise Invalid("--script makes an algorithm of its own; leave --template and --sweep away with it")
            named = parse_datasets(dataset or ()) | {
                key: value for key, value in (("validation", validation), ("test", test)) if value is not None
            }
            spec: dict[str, Any] = {
                "algorithm": algorithm,
                "datasets": named,
                "parameters": {**({"target": target} if target is not None else {}), **parameters},
                "instance_type": instance,
                "nodes": nodes,
                **settings,
            }
            if estimate and template is not None:
                print_estimate(estimate_from(client, template, spec), output)
                return
            begin_many(client, name, template, sweep or (), spec, description, tag, wait=wait, output=output)
            return
        training = client.train(
            algorithm,
            name=name,
            **asked,
            validation=validation,
            test=test,
            script=script,
            entry_point=entry,
            log_metrics=parse_metrics(metric),
            **settings,
            description=description,
            tags=tag or (),
        )
        note(f"training {training.qualified_name} created")
        if script is None:
            warn_of_memory(client.trainings.estimate(training.spec["algorithm"], **asked))
        if wait:
            wait_for(training)
        else:
            note(f"Follow it with: orrery wait training {training.name}")
        _print_training(training, output)


def _print_training(training: Training, output: Output) -> None:
    from orrery.client.cli.output import print_document, print_table

    if output in (Output.JSON, Output.YAML):
        print_document(training.document, output)
    elif training.metrics:
        print_table(["Metric", "Value"], [[name, f"{value:.6g}"] for name, value in training.metrics.items()])


def run(
    notebook: Annotated[
        str | None, typer.Argument(metavar="[NOTEBOOK.ipynb]", help="The notebook, as it lies on the disk.")
    ] = None,
    follow: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Wait for a run that was begun before, and fetch its result as it grows."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="The run's name; else the notebook's and the time.")] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", "-p", metavar="KEY=VALUE", help="A value of its parameters cell."),
    ] = None,
    dataset: Annotated[
        list[str] | None,
        typer.Option(metavar="[KEY=]DATASET", help="A published dataset, found in EM_DATASET_<KEY>."),
    ] = None,
    instance: Annotated[str | None, typer.Option(help="Its size: cpu-small ...")] = None,
    nodes: NodesOption = None,
    processes_per_node: Annotated[
        int | None, typer.Option(min=1, help="1: a notebook is one process on each node.")
    ] = None,
    image: ImageOption = None,
    priority: PriorityOption = None,
    experiment: ExperimentOption = None,
    max_time: MaxTimeOption = None,
    start_after: StartAfterOption = None,
    environment: EnvironmentOption = None,
    secret: SecretOption = None,
    save_to: Annotated[
        str | None, typer.Option("--to", metavar="FILE", help="Where the result notebook goes; else beside it.")
    ] = None,
    wait: WaitOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Run a notebook of your own as a job, with the modules beside it.

    \b
    Examples:
      orrery run report.ipynb -p year=2026 --instance cpu-medium --wait
      orrery run ddp.ipynb --nodes 2 --wait
      orrery run --follow report-20260131-235959

    Without --wait the result is brought by the JupyterLab that runs over the notebook's folder; where none runs, by
    --follow.
    """
    from orrery.client.cli.values import parse_datasets, parse_pairs
    from orrery.client.notebook_runs import follow_result, result_place

    if (notebook is None) == (follow is None):
        raise Invalid("give a notebook to run, or with --follow the name of a run that was begun before")
    with connect() as client:
        if follow is not None:
            training = client.trainings.get(follow)
            note(f"the result of {training.qualified_name} is in {follow_result(training, save_to)}")
            _print_training(training, output)
            return
        assert notebook is not None
        settings = run_settings(
            priority=priority,
            experiment=experiment,
            image=image,
            start_after=start_after,
            max_time=max_time,
            environment=environment,
            secret=secret,
        )
        training = client.run_notebook(
            notebook,
            name=name,
            parameters=parse_pairs(parameter or (), "-p"),
            datasets=parse_datasets(dataset or ()),
            instance_type=instance,
            nodes=nodes,
            processes_per_node=processes_per_node,
            save_to=save_to,
            **{key: value for key, value in settings.items() if value is not None},
            wait=wait,
        )
        note(f"training {training.qualified_name} is {training.status.phase}")
        place = None if wait else result_place(training)
        if place is not None:
            note(_where_it_grows(training.name, *place))
        elif not wait:
            note(f"Follow it, and fetch its result, with: orrery run --follow {training.name}")
        _print_training(training, output)


def resume(
    training: Annotated[str, typer.Argument(metavar="TRAINING", help="A stopped or failed training.")],
    notebook: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="The notebook, changed in cells that are not done: the failed one, say."),
    ] = None,
    start_over: Annotated[
        bool, typer.Option("--start-over", help="Begin at the first cell of the changed notebook.")
    ] = False,
    wait: WaitOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Run a stopped or failed training on: from its checkpoints, or a notebook from the cell where it was cut off.

    \b
    Examples:
      orrery resume forest-1 --wait
      orrery resume report-20260131-235959 --notebook report.ipynb
    """
    from orrery.client.notebook_runs import follow_result, result_place

    with connect() as client:
        found = client.trainings.get(training)
        place = found.next_cell
        found.resume(notebook, start_over=start_over)
        where = f"at cell {place[0]} of {place[1]}" if place else "from its checkpoints"
        note(f"training {found.qualified_name} {'starts over' if start_over else f'goes on {where}'}")
        result = result_place(found)
        if result is not None and wait:
            note(f"the result of {found.qualified_name} is in {follow_result(found)}")
        elif wait:
            wait_for(found)
        elif result is not None:
            note(_where_it_grows(found.name, *result))
        _print_training(found, output)


def _where_it_grows(name: str, target: Path, is_brought: bool) -> str:
    if is_brought:
        return f"Its result grows in {target}, where JupyterLab brings it\nFollow it with: orrery wait training {name}"
    return f"Follow it, and fetch its result, with: orrery run --follow {name}"
