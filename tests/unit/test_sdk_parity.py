"""What the command line can say of a run, a program can say as well."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from orrery.client import Client
from orrery.client.algorithms import Algorithms
from orrery.client.builtin import Training, Trainings
from orrery.client.cli import activity, compare, queue, train, transfer, tune
from orrery.client.notebook_runs import run_notebook
from orrery.client.resources import Resource
from orrery.client.tunings import Tunings

#: an option of the command line -> the argument that says the same
_SAME = {
    "entry": "entry_point",
    "metric": "log_metrics",
    "parameter": "parameters",
    "instance": "instance_type",
    "max_time": "max_seconds",
    "output_path": "output",
    "data_size": "data_gib",
    "secret": "secrets",
    "sweep": "parameters",
    "tag": "tags",
    "after": "earlier",
    "after_training": "earlier",
    "notebook": "path",
    "file": "source",
    "user": "users",
    "group": "groups",
    "set_": "everyone",
    "folder": "files",
}
#: how the answer is shown, and what another does: `trainings.estimate`, `queue_limits`, `follow_result`, and
#: `training.update(priority=...)` for `orrery queue priority NAME LEVEL`
_OTHERWISE = {"output", "whole", "kind", "tail", "estimate", "watch", "doing", "follow", "name", "level"}


def names_of(*functions: Callable[..., Any]) -> set[str]:
    return {name for function in functions for name in inspect.signature(function).parameters}


@pytest.mark.parametrize(
    ("command", "functions"),
    [
        (train.train, (Client.train, Client.sweep, Trainings.create)),
        (train.run, (run_notebook, Trainings.create)),
        (train.resume, (Training.resume, Training.wait, Client.find)),
        (tune.tune, (Client.tune, Tunings.create)),
        (transfer.apply, (Client.apply,)),
        (queue.queue, (Client.pause_queue, Client.queue_limits)),
        (compare.compare, (Client.compare,)),
        (activity.logs, (Resource.logs, Client.kind)),
    ],
)
def test_every_option_of_a_command_is_an_argument(
    command: Callable[..., Any], functions: tuple[Callable[..., Any], ...]
) -> None:
    known = names_of(*functions)
    asked = {_SAME.get(name, name) for name in names_of(command) - (_OTHERWISE - known)}
    # `wait` of a resume is another call; limits are keywords
    asked -= {"wait", "users", "groups", "everyone", "training"}
    if command is train.resume:
        asked = {"notebook" if name == "path" else name for name in asked}
    assert sorted(asked - known) == []


@pytest.mark.parametrize(
    "method",
    [
        Client.train,
        Client.tune,
        Client.sweep,
        Client.run_notebook,
        Client.apply,
        Client.compare,
        Client.find,
        Client.deploy,
        Trainings.create,
        Trainings.estimate,
        Tunings.create,
        Tunings.estimate,
        Training.resume,
        Algorithms.create,
    ],
)
def test_what_begins_something_has_an_example(method: Callable[..., Any]) -> None:
    assert "client." in (inspect.getdoc(method) or ""), method.__qualname__
