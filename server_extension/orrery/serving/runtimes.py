"""The contract between the model server and what runs a model, and the registry of runtimes.

A runtime is named by `runtime` in `orrery-model.json`. Distributions add their own through the entry-point group
`orrery.runtimes`, as the built-in ones do; a test or a program may `register` one.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final, Protocol, cast

import numpy as np

from orrery.serving.package import BadPackage, ModelMetadata, read_metadata

Array = np.ndarray[Any, np.dtype[Any]]

ENTRY_POINT_GROUP: Final = "orrery.runtimes"

#: Looked up before the entry points, which take 20 ms to read.
BUILT_IN: Final[Mapping[str, str]] = {"tabular": "orrery.serving.tabular.runtime:load"}


class NotSupported(Exception):
    """This runtime cannot do that; the message says what to do instead."""


@dataclass(frozen=True)
class Prediction:
    #: (n_rows,): the classes' own values, floats, or anything that JSON has words for: texts, a list of numbers for a
    #: forecast, a list of `{"label", "score", "box": {"xmin", "ymin", "xmax", "ymax"}}` in pixels for a picture
    labels_or_values: Array
    #: (n_rows, n_classes) in the order of `metadata.classes`; None for regression
    probabilities: Array | None = None


@dataclass(frozen=True)
class Explanation:
    """Additive contributions of the columns to each row's raw score."""

    #: (n_rows, n_columns), or (n_rows, n_classes, n_columns) for several classes
    contributions: Array
    #: (n_rows,) or (n_rows, n_classes): the score with nothing known
    base: Array
    #: what the contributions add up to: "log-odds", "value" ...
    unit: str = ""


class Runtime(Protocol):
    """A loaded model. Methods may be called from two threads at once, and must not change the arrays they are given.

    `columns` holds every input column of the metadata, each of shape (n_rows,): float64 with NaN for what is missing
    for numbers; float64 1, 0 or NaN for booleans; object arrays of str, None for missing, for categories and texts;
    of bytes for images, sounds and files; of float64 arrays for series.
    """

    @property
    def metadata(self) -> ModelMetadata: ...

    def predict(self, columns: Mapping[str, Array]) -> Prediction: ...

    def explain(self, columns: Mapping[str, Array]) -> Explanation:
        """Raises `NotSupported`."""
        ...


Loader = Callable[[Path], Runtime]

_registered: dict[str, Loader] = {}


def register(name: str, loader: Loader) -> None:
    """Make a runtime known in this process; it goes before the built-in ones."""
    _registered[name] = loader


def load(folder: Path) -> Runtime:
    """Load the package in `folder` with the runtime it names. Raises `BadPackage`."""
    metadata = read_metadata(folder)
    return find(metadata.runtime)(folder)


def find(name: str) -> Loader:
    """Raises `BadPackage` for an unknown runtime."""
    if name in _registered:
        return _registered[name]
    target = BUILT_IN.get(name)
    if target is not None:
        module, _, attribute = target.partition(":")
        return cast("Loader", getattr(importlib.import_module(module), attribute))
    found = entry_points(group=ENTRY_POINT_GROUP)
    for point in found:
        if point.name == name:
            return cast("Loader", point.load())
    known = sorted({*_registered, *BUILT_IN, *(point.name for point in found)})
    raise BadPackage(f"runtime {name!r} is not known here; installed: {', '.join(known)}")
