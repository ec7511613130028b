"""What an algorithm's notebook declares of itself: its metadata and the schema of its parameters cell.

    "metadata": {"orrery": {"title": "XGBoost", "scenario": "tabular", "task": ["classification", "regression"],
                            "framework": "xgboost", "metrics": [{"name": "roc_auc", "goal": "maximize"}],
                            "datasets": [{"name": "train", "required": true}],
                            "memory": {"bytes": "200 * MiB + 60 * rows * numbers", "smaller": ["max_depth"]}}}

Read as JSON, without running anything and without the notebook library; quick enough for a listing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, Literal, cast

from orrery.errors import Invalid
from orrery.jobs.parameters import read_parameters

Goal = Literal["maximize", "minimize"]


@dataclass(frozen=True)
class MetricDeclaration:
    name: str
    #: None: its name tells
    goal: Goal | None = None
    title: str = ""


@dataclass(frozen=True)
class DatasetDeclaration:
    #: the notebook finds the folder in EM_DATASET_<NAME>
    name: str
    required: bool = False
    title: str = ""


@dataclass(frozen=True)
class AlgorithmDeclaration:
    #: the notebook's file name without its extension
    name: str
    title: str
    description: str = ""
    scenario: str = ""
    task: tuple[str, ...] = ()
    framework: str = ""
    metrics: tuple[MetricDeclaration, ...] = ()
    datasets: tuple[DatasetDeclaration, ...] = ()
    #: formulas of the memory that a run takes: `bytes`, and the parameters that make it `smaller`
    memory: Mapping[str, Any] = field(default_factory=dict[str, Any])
    kernel_name: str = "python3"
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])


def read_algorithm(path: Path) -> AlgorithmDeclaration:
    """Raises: Invalid naming the file and the field that is wrong."""
    return declared_by(read_notebook(path), path)


def declared_by(notebook: Mapping[str, Any], path: PurePath) -> AlgorithmDeclaration:
    """What a notebook that was read from `path` declares. Raises: Invalid naming the file and the field."""
    metadata = cast("dict[str, Any]", notebook.get("metadata") or {})
    declared = cast("object", metadata.get("orrery") or {})
    if not isinstance(declared, dict):
        raise Invalid(f"{path.name}: metadata 'orrery' is {declared!r}; it must be an object")
    own = cast("dict[str, Any]", declared)
    kernel = cast("dict[str, Any]", metadata.get("kernelspec") or {})
    try:
        schema = read_parameters(parameters_source(notebook))
    except Invalid as invalid:
        raise Invalid(f"{path.name}: {invalid.message}", **invalid.details) from None
    return AlgorithmDeclaration(
        name=path.stem,
        title=_text(own, "title", path) or _heading(notebook) or path.stem,
        description=_text(own, "description", path),
        scenario=_text(own, "scenario", path),
        task=tuple(str(task) for task in _items(own, "task", path)),
        framework=_text(own, "framework", path),
        metrics=tuple(_metric(item, path) for item in _items(own, "metrics", path)),
        datasets=tuple(_dataset(item, path) for item in _items(own, "datasets", path)),
        memory=_memory(own, path),
        kernel_name=str(kernel.get("name") or "python3"),
        parameters=schema,
    )


def read_notebook(path: Path) -> dict[str, Any]:
    """The notebook's JSON. Raises: Invalid where it is none."""
    try:
        document = cast("object", json.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        raise Invalid(f"there is no notebook {path.name!r}") from None
    except ValueError as error:
        raise Invalid(f"{path.name!r} is not a Jupyter notebook: {error}") from None
    if not isinstance(document, dict) or "cells" not in document:
        raise Invalid(f"{path.name!r} is not a Jupyter notebook: it has no cells (format 4 is needed)")
    return cast("dict[str, Any]", document)


def parameters_source(notebook: Mapping[str, Any]) -> str:
    """The source of the cell tagged `parameters`; empty where there is none."""
    for cell in notebook["cells"]:
        if "parameters" in cast("dict[str, Any]", cell.get("metadata") or {}).get("tags", []):
            return _source(cell)
    return ""


def _source(cell: Mapping[str, Any]) -> str:
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(source)


def _heading(notebook: Mapping[str, Any]) -> str:
    for cell in notebook["cells"]:
        if cell.get("cell_type") == "markdown" and (found := re.search(r"^#\s+(.+)$", _source(cell), re.MULTILINE)):
            return found[1].strip()
    return ""


def _text(declared: Mapping[str, Any], key: str, path: PurePath) -> str:
    value = declared.get(key, "")
    if not isinstance(value, str):
        raise Invalid(f"{path.name}: orrery.{key} is {value!r}; it must be text")
    return value


def _items(declared: Mapping[str, Any], key: str, path: PurePath) -> Sequence[Any]:
    value = cast("object", declared.get(key) or [])
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list):
        raise Invalid(f"{path.name}: orrery.{key} is {value!r}; it must be a list")
    return cast("list[Any]", value)


def _memory(declared: Mapping[str, Any], path: PurePath) -> Mapping[str, Any]:
    value = cast("object", declared.get("memory") or {})
    if not isinstance(value, dict):
        raise Invalid(f"{path.name}: orrery.memory is {value!r}; write {{'bytes': 'FORMULA', 'smaller': ['NAME']}}")
    return cast("dict[str, Any]", value)


def _metric(item: Any, path: PurePath) -> MetricDeclaration:
    if not isinstance(item, dict) or "name" not in item:
        raise Invalid(f"{path.name}: orrery.metrics has {item!r}; write {{'name': ..., 'goal': 'maximize'}}")
    entry = cast("dict[str, Any]", item)
    goal = entry.get("goal")
    if goal not in ("maximize", "minimize", None):
        raise Invalid(f"{path.name}: the goal of metric {entry['name']!r} is {goal!r}; use 'maximize' or 'minimize'")
    return MetricDeclaration(str(entry["name"]), goal, str(entry.get("title", "")))


def _dataset(item: Any, path: PurePath) -> DatasetDeclaration:
    if not isinstance(item, dict) or not str(cast("dict[str, Any]", item).get("name", "")).isidentifier():
        raise Invalid(f"{path.name}: orrery.datasets has {item!r}; each needs a name of letters, digits and '_'")
    entry = cast("dict[str, Any]", item)
    return DatasetDeclaration(str(entry["name"]), bool(entry.get("required", False)), str(entry.get("title", "")))
