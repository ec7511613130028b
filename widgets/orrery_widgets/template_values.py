"""What a template, or a run that is begun again, says to a form: by the names that the form offers. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orrery_widgets.run_settings import NAMES


@dataclass(frozen=True)
class FormValues:
    """None where nothing is said."""

    #: algorithm, dataset (to train on), experiment and instance type
    chosen: Mapping[str, str | None]
    #: further ones by the name that the algorithm knows them by; pinned ones as `owner/name@version`
    datasets: Mapping[str, str]
    parameters: Mapping[str, Any]
    settings: Mapping[str, Any]


def read_values(document: Mapping[str, Any]) -> FormValues:
    """From the document of a training, a tuning or a template, whose spec names by ids what its references name."""
    spec: Mapping[str, Any] = document["spec"]
    entries: Sequence[Mapping[str, Any]] = document.get("references") or ()
    named = {str(entry["path"]): _name(entry) for entry in entries if entry.get("name")}
    said: Mapping[str, Any] = {**spec, **{path: name for path, name in named.items() if path in spec}}
    given: Mapping[str, str] = spec.get("datasets") or {}
    datasets = {key: named.get(f"datasets.{key}", value) for key, value in given.items()}
    chosen = {"dataset": datasets.pop("train", None)}
    return FormValues(
        chosen=chosen | {name: said.get(name) for name in ("algorithm", "experiment", "instance_type")},
        datasets=datasets,
        parameters=dict(spec.get("parameters") or {}),
        settings={name: said[name] for name in NAMES if said.get(name) is not None},
    )


def _name(entry: Mapping[str, Any]) -> str:
    version = f"@{entry['version']}" if entry.get("version") is not None and "datasets." in entry["path"] else ""
    return f"{entry['owner']}/{entry['name']}{version}"
