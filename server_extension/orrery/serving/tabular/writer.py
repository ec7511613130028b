"""Writes a model package: `orrery-model.json`, the encoder, the model, and `MLmodel` so that MLflow can load it too."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from orrery import __version__
from orrery.serving.package import FORMAT, METADATA_FILE
from orrery.serving.tabular.encoder import Encoder
from orrery.serving.tabular.models import LinearModel, TableModel

Array = np.ndarray[Any, np.dtype[Any]]

_DATATYPES = {"number": "FP64", "boolean": "BOOL", "category": "BYTES"}
_MLFLOW_TYPES = {"number": "double", "boolean": "boolean", "category": "string"}
#: how many categories are listed for a form's choices
MOST_LISTED = 200


@dataclass(frozen=True)
class PackageContent:
    """Everything that a package says of its model."""

    name: str
    framework: str
    framework_version: str
    task: str
    target: str
    encoder: Encoder
    model: TableModel
    #: the training rows' input columns, for ranges and the example
    columns: Mapping[str, Array]
    classes: Sequence[str | int] | None = None
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    #: columns of the dataset that the model does not use, and why: a client may send them along
    ignored: Mapping[str, str] = field(default_factory=dict[str, str])


def write_package(folder: Path, content: PackageContent) -> None:
    """Write the package into `folder`, `orrery-model.json` last: a folder that has it is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    is_linear = isinstance(content.model, LinearModel)
    files = {"encoder": "encoder.json", "model": "model.npz" if is_linear else "model.ubj"}
    _write_json(folder / files["encoder"], content.encoder.to_json())
    content.model.save(folder / files["model"])
    inputs = [_input(column.name, column.kind, content) for column in content.encoder.columns]
    example = [{entry["name"]: _example(content.columns[entry["name"]], entry["kind"]) for entry in inputs}]
    requirements = [f"orrery=={__version__}", f"numpy=={np.__version__}"]
    if not is_linear:
        requirements.insert(0, f"{content.framework}=={content.framework_version}")
    document = {
        "format": FORMAT,
        "name": content.name,
        "framework": content.framework,
        "framework_version": content.framework_version,
        "runtime": "tabular",
        "task": content.task,
        "inputs": inputs,
        "outputs": _outputs(content.classes),
        "ignored": dict(content.ignored) or None,
        "classes": list(content.classes) if content.classes is not None else None,
        "target": content.target,
        "metrics": {name: float(value) for name, value in content.metrics.items() if np.isfinite(value)},
        "example": {"instances": example},
        "files": files,
        "requirements": requirements,
    }
    (folder / "MLmodel").write_text(_mlmodel(content, inputs), "utf-8")
    (folder / "requirements.txt").write_text("\n".join(requirements) + "\n", "utf-8")
    _write_json(folder / METADATA_FILE, {key: value for key, value in document.items() if value is not None})


def _input(name: str, kind: str, content: PackageContent) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": name, "kind": kind, "datatype": _DATATYPES[kind], "nullable": True}
    values = content.columns[name]
    if kind == "number":
        known = values[np.isfinite(values)]
        if len(known):
            entry |= {"minimum": float(known.min()), "maximum": float(known.max())}
    if kind == "category":
        categories = next(column.categories for column in content.encoder.columns if column.name == name)
        entry["categories"] = list(categories[:MOST_LISTED])
    return entry


def _example(values: Array, kind: str) -> object:
    """The first value that is there."""
    if kind == "category":
        return next((value for value in values.tolist() if value is not None), None)
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    return bool(known[0]) if kind == "boolean" else float(known[0])


def _outputs(classes: Sequence[str | int] | None) -> list[dict[str, Any]]:
    if classes is None:
        return [{"name": "prediction", "datatype": "FP64", "shape": [-1]}]
    datatype = "INT64" if all(type(value) is int for value in classes) else "BYTES"
    return [
        {"name": "prediction", "datatype": datatype, "shape": [-1]},
        {"name": "probabilities", "datatype": "FP64", "shape": [-1, len(classes)]},
    ]


def _mlmodel(content: PackageContent, inputs: Sequence[Mapping[str, Any]]) -> str:
    """MLflow's description, written by hand: JSON strings are YAML, and importing MLflow would take seconds."""
    signature = [{"type": _MLFLOW_TYPES[entry["kind"]], "name": entry["name"], "required": False} for entry in inputs]
    if content.classes is None:
        kind = "double"
    else:
        kind = "long" if all(type(value) is int for value in content.classes) else "string"
    outputs = [{"type": kind, "name": "prediction", "required": True}]
    python = ".".join(str(part) for part in sys.version_info[:3])
    return "\n".join(
        [
            "flavors:",
            "  python_function:",
            "    loader_module: orrery.serving.pyfunc",
            "    env:",
            "      virtualenv: requirements.txt",
            f"    python_version: {python}",
            "signature:",
            f"  inputs: {json.dumps(json.dumps(signature, ensure_ascii=False), ensure_ascii=False)}",
            f"  outputs: {json.dumps(json.dumps(outputs))}",
            "",
        ]
    )


def _write_json(path: Path, document: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False) + "\n", "utf-8")
