"""Options that every command that trains has: how large, when, with which files and variables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from orrery.client.cli.runs import Priority
from orrery.client.cli.values import parse_texts
from orrery.client.times import parse_duration, parse_moment

PriorityOption = Annotated[Priority | None, typer.Option(case_sensitive=False, help="Higher goes first.")]
ExperimentOption = Annotated[str | None, typer.Option(help="The experiment that it is listed under.")]
StartAfterOption = Annotated[
    str | None,
    typer.Option(metavar="WHEN", help="Wait until then: 22:00, 2h (in two hours), 2026-01-31T22:00, ...+01:00."),
]
MaxTimeOption = Annotated[str | None, typer.Option(help="End it (of a tuning, each training) after 90s, 15m, 2h, 1d.")]
EnvironmentOption = Annotated[
    list[str] | None, typer.Option("--env", metavar="NAME=VALUE", help="An environment variable of the run.")
]
SecretOption = Annotated[
    list[str] | None,
    typer.Option("--secret", metavar="VARIABLE=NAME", help="A variable whose value is that secret of yours."),
]
NodesOption = Annotated[int | None, typer.Option(min=1, help="Run it on so many nodes at once, each of that size.")]
ProcessesOption = Annotated[
    int | None, typer.Option(min=1, help="Processes that torchrun starts on each node; more than 1 means --torchrun.")
]
TorchrunOption = Annotated[bool, typer.Option("--torchrun", help="Start the script with torchrun (PyTorch).")]
InputCheckpointOption = Annotated[
    str | None, typer.Option(metavar="URI", help="Begin from the checkpoints in this folder of a storage.")
]
OutputCheckpointOption = Annotated[
    str | None, typer.Option(metavar="URI", help="Copy its checkpoints there: obs://bucket/folder, nas://ID:/folder.")
]
OutputPathOption = Annotated[
    str | None, typer.Option("--output-path", metavar="URI", help="Copy what it makes there, in a folder of its own.")
]
DataSizeOption = Annotated[
    float | None, typer.Option(metavar="GIB", min=0, help="Most that its files may take on the disk of each node.")
]


def run_settings(
    *,
    priority: Priority | None,
    experiment: str | None,
    image: str | None,
    start_after: str | None,
    max_time: str | None,
    environment: Sequence[str] | None,
    secret: Sequence[str] | None,
    processes_per_node: int | None = None,
    torchrun: bool = False,
    input_checkpoint: str | None = None,
    output_checkpoint: str | None = None,
    output_path: str | None = None,
    data_size: float | None = None,
) -> dict[str, Any]:
    """The fields of a run's spec that the options say. Raises: Invalid."""
    variables = {key: str(value) for key, value in parse_texts(environment or (), "--env").items()}
    return {
        "priority": priority.value if priority else None,
        "experiment": experiment,
        "image": image,
        "start_after": parse_moment(start_after).isoformat() if start_after else None,
        "max_seconds": parse_duration(max_time) if max_time else None,
        "environment": variables or None,
        "secrets": parse_texts(secret or (), "--secret") or None,
        "processes_per_node": processes_per_node,
        "torchrun": True if torchrun or (processes_per_node or 1) > 1 else None,
        "input_checkpoint": input_checkpoint,
        "output_checkpoint": output_checkpoint,
        "output": output_path,
        "data_gib": data_size,
    }
