"""Trainings begun from a template, or several at once by --sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from orrery.client.cli.app import Output, exit_code, note, tell, wait_for
from orrery.client.cli.values import parse_list, parse_texts
from orrery.errors import Invalid, OrreryError

if TYPE_CHECKING:
    from orrery.client.builtin import Training
    from orrery.client.client import Client
    from orrery.client.memory_fit import MemoryEstimate


def parse_sweep(pairs: Sequence[str]) -> tuple[dict[str, list[Any]], list[dict[str, str]]]:
    """`max_depth=2,4` and `dataset=iris,wine`: the values by hyperparameter, and the datasets. Raises: Invalid."""
    given = {key: parse_list(text) for key, text in parse_texts(pairs, "--sweep").items()}
    empty = [key for key, values in given.items() if not values]
    if empty:
        raise Invalid(f"--sweep {empty[0]}= has no values; write --sweep {empty[0]}=2,4,8")
    datasets = [{"train": str(name)} for name in given.pop("dataset", [])]
    return given, datasets


def estimate_from(client: Client, template: str, spec: Mapping[str, Any]) -> MemoryEstimate:
    """What a training from the template would take; `spec`: what was said on the command line."""
    from orrery.client.templates import merged

    return _estimate(client, merged(client.templates.get(template).settings, spec), {})


def _estimate(client: Client, whole: Mapping[str, Any], swept: Mapping[str, Sequence[Any]]) -> MemoryEstimate:
    """Of a training, or of the largest of a sweep."""
    asked = {name: whole.get(name) for name in ("datasets", "parameters", "instance_type", "nodes")}
    if swept:
        space = {name: {"values": list(values)} for name, values in swept.items()}
        return client.tunings.estimate(whole["algorithm"], space=space, **asked)
    return client.trainings.estimate(whole["algorithm"], **asked)


def begin_many(
    client: Client,
    name: str,
    template: str | None,
    sweep: Sequence[str],
    spec: Mapping[str, Any],
    description: str,
    tags: list[str] | None,
    *,
    wait: bool,
    output: Output,
) -> None:
    """One training from a template, or all of a sweep; `spec` is what was said on the command line."""
    from orrery.client.cli.output import warn_of_memory
    from orrery.client.templates import merged

    parameters, datasets = parse_sweep(sweep)
    base = client.templates.get(template).settings if template is not None else {}
    whole = merged(base, spec)
    if "algorithm" not in whole:
        raise Invalid("what is to be trained? give an algorithm (xgboost), or --template")
    if sweep:
        made = client.sweep(
            name, spec=whole, parameters=parameters, datasets=datasets, description=description, tags=tags or ()
        )
        note(f"{len(made)} trainings created; follow them with: orrery queue --watch")
    else:
        document = {"name": name, "spec": whole, "description": description or None, "tags": tags}
        made = [client.trainings.create_from(document)]
        note(f"training {made[0].qualified_name} created from template {template}")
    warn_of_memory(_estimate(client, whole, parameters))
    failures = _wait_for_all(made) if wait else []
    _print(client, made, output)
    if failures:
        raise typer.Exit(exit_code(failures[0]))


def _wait_for_all(made: list[Training]) -> list[OrreryError]:
    failures: list[OrreryError] = []
    for training in made:
        try:
            wait_for(training)
        except OrreryError as error:
            tell(error)
            failures.append(error)
    return failures


def _print(client: Client, made: list[Training], output: Output) -> None:
    from orrery.client.cli.output import print_document, print_resources

    if output in (Output.JSON, Output.YAML):
        documents = [training.document for training in made]
        print_document(documents[0] if len(documents) == 1 else {"items": documents}, output)
    else:
        print_resources(client.declaration("training"), made, output)
