"""What a form of a training or a tuning chooses from, read from the platform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from orrery.client import Client, Resource
from orrery.client.builtin import Dataset, DatasetVersion, Model, Training
from orrery.client.collection import Collection
from orrery_widgets.parts import Choice, plural, size_text

#: a drop-down with more is of no use; the newest are shown, and any may be given in code
MOST = 300


@dataclass
class Sources:
    """Choices by qualified name."""

    algorithms: list[Choice]
    datasets: list[Choice]
    experiments: list[Choice]
    instance_types: list[Choice]
    sizes: Mapping[str, Mapping[str, Any]]
    templates: list[Choice]
    #: names that are offered for a setting: an image, a secret, a training with checkpoints
    names: Mapping[str, Sequence[str]]
    _columns: dict[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])

    def find_algorithm(self, wanted: str | Resource | None) -> str | None:
        return _find(self.algorithms, wanted)

    def find_dataset(self, wanted: str | Resource | None) -> str | None:
        """A dataset that is not among the choices (a pinned version, somebody else's, an old one) becomes one."""
        found = None if isinstance(wanted, DatasetVersion) else _find(self.datasets, wanted)
        if found is None and wanted is not None:
            found = wanted if isinstance(wanted, str) else wanted.qualified_name
            self.datasets.insert(0, (found, found))
        return found

    def find_experiment(self, wanted: str | Resource | None) -> str | None:
        return _find(self.experiments, wanted)

    def find_template(self, wanted: str | Resource | None) -> str | None:
        return _find(self.templates, wanted)

    def read_columns(self, client: Client, dataset: str) -> None:
        """Raises: NotFound for a dataset that has no published version."""
        if dataset not in self._columns:
            version = client.dataset_versions.get(dataset)
            content: Mapping[str, Any] = version.spec.get("content") or {}
            columns: Sequence[Mapping[str, Any]] = content.get("columns") or ()
            self._columns[dataset] = [str(column["name"]) for column in columns]

    def columns_of(self, dataset: str) -> Sequence[str]:
        return self._columns.get(dataset, ())

    def cost_of(self, queue: Mapping[str, Any], instance_type: str, at_a_time: int = 1) -> str:
        """What the size holds, of so many trainings at a time; what is free and how many wait. As HTML."""
        size = self.sizes.get(instance_type)
        if size is None:
            return ""
        return f"<div class='orrw-help'>{escape(describe_cost(size, queue, at_a_time))}</div>"


def describe_cost(size: Mapping[str, Any], queue: Mapping[str, Any], at_a_time: int = 1) -> str:
    """`Holds 1 core and 2 GiB while it runs. Free now: 1.9 of 2 cores, 23 of 23.5 GiB. Nothing waits.`"""
    total, held = queue["capacity"]["total"], queue["capacity"]["held"]
    holds = [plural(size["cores"], "core"), size_text(size["memory_bytes"])]
    free = [
        f"{total['cores'] - held['cores']:g} of {total['cores']:g} cores",
        f"{size_text(max(0, total['memory_bytes'] - held['memory_bytes']))} of {size_text(total['memory_bytes'])}",
    ]
    if size["gpus"] or total["gpus"]:
        holds.append(plural(size["gpus"], "GPU"))
        free.append(f"{total['gpus'] - held['gpus']} of {total['gpus']} GPUs")
    waiting = len(queue["items"])
    waits = f"{plural(waiting, 'job')} wait{'s' if waiting == 1 else ''} in the queue" if waiting else "nothing waits"
    whose = f"Each of {at_a_time} trainings at a time holds" if at_a_time > 1 else "Holds"
    return f"{whose} {', '.join(holds)} while it runs. Free now: {', '.join(free)}; {waits}."


def read_sources(client: Client) -> Sources:
    algorithms = [
        (f"{found.spec.get('title') or found.name} ({found.name})", found.qualified_name)
        for found in client.algorithms.list(order="name", limit=MOST)
    ]
    datasets = [
        (_dataset_label(found), found.qualified_name)
        for found in client.datasets.list(limit=MOST)
        if found.latest_version is not None and found.spec.get("type", "tabular") == "tabular"
    ]
    experiments: list[Choice] = [("(none)", "")]
    experiments += [(found.qualified_name, found.qualified_name) for found in client.experiments.list(limit=MOST)]
    types = client.instance_types()
    fitting = [
        (f"{size['name']}: {size.get('title') or ''}", size["name"])
        for size in types
        if size["fits"] and not str(size["name"]).startswith("serve-")
    ]
    templates: list[Choice] = [("(none)", "")]
    templates += [(found.qualified_name, found.qualified_name) for found in client.templates.list(limit=MOST)]
    return Sources(
        algorithms,
        datasets,
        experiments,
        fitting,
        {size["name"]: size for size in types},
        templates,
        _read_names(client),
    )


def _read_names(client: Client) -> dict[str, list[str]]:
    images = [
        image.qualified_name
        for image in client.images.list(limit=MOST)
        if image.spec.get("type") == "TRAINING" and image.spec.get("address")
    ]
    # a secret is named within its owner's: a run's owner is who begins it
    secrets = [secret.name for secret in client.secrets.list(owner=client.user, order="name", limit=MOST)]
    ended = [run for run in client.trainings.list(limit=MOST // 3) if run.has_settled()]
    saved = [run.qualified_name for run in ended if run.status.outputs.get("checkpoint_files")]
    measured = [run.qualified_name for run in ended if run.metrics]
    tunings = [f"tuning/{found.qualified_name}" for found in client.tunings.list(limit=MOST // 3) if found.front]
    return {"image": images, "secrets": secrets, "checkpoint_from": saved, "earlier": [*tunings, *measured]}


def _dataset_label(dataset: Dataset) -> str:
    rows = f", {dataset.rows:,} rows" if dataset.rows is not None else ""
    return f"{dataset.qualified_name} (version {dataset.latest_version}{rows})"


def _find(choices: Sequence[Choice], wanted: str | Resource | None) -> str | None:
    """The choice that a name, a qualified name or a resource means; one's own before others'."""
    if wanted is None:
        return None
    name = wanted if isinstance(wanted, str) else wanted.qualified_name.partition("@")[0]
    values = [str(value) for _, value in choices]
    if name in values:
        return name
    return next((value for value in values if value.partition("/")[2] == name), None)


def suggest_name(collection: Collection[Any], owner: str, dataset: str, suffix: str = "") -> str:
    """`breast-3`: the dataset's name, `suffix`, and the first number that none of the owner's in `collection` has."""
    base = f"{dataset.partition('@')[0].rpartition('/')[2]}{suffix}"
    taken = {found.name for found in collection.list(owner=owner, q=base, limit=MOST)}
    return next(name for number in range(1, MOST + 2) if (name := f"{base}-{number}") not in taken)


def find_model(client: Client, wanted: str | Resource) -> Model:
    """The model that is meant, also by the training that made it. Raises: NotFound; Invalid for another kind."""
    found = client.find(wanted, "model", "training")
    model = found.model if isinstance(found, Training) else found
    assert isinstance(model, Model)
    return model
