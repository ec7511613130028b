"""MLflow's `python_function` loader: `mlflow.pyfunc.load_model(folder).predict(frame)` for any model package."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from orrery.serving.package import Column
from orrery.serving.runtimes import Runtime, load

Array = np.ndarray[Any, np.dtype[Any]]


class PackagedModel:
    """What MLflow calls: a frame in, a frame out with `prediction` and, for classes, `probability_<class>`."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    def predict(self, model_input: Any, params: Mapping[str, Any] | None = None) -> Any:
        """`model_input`: a pandas frame, or a mapping of column name to values.

        Raises: ValueError naming a column that the model needs and the input lacks.
        """
        import pandas  # pyright: ignore[reportMissingTypeStubs]

        metadata = self.runtime.metadata
        columns: dict[str, Array] = {}
        given = cast("Mapping[str, Any]", model_input)
        rows = len(next(iter(given.values()))) if isinstance(model_input, dict) else len(given)
        for column in metadata.inputs:
            if column.name not in given and not column.nullable:
                raise ValueError(f"the input lacks column {column.name!r}, which model {metadata.name!r} needs")
            values = given[column.name] if column.name in given else [None] * rows
            columns[column.name] = _as_array(column, list(values))
        prediction = self.runtime.predict(columns)
        frame = {"prediction": prediction.labels_or_values}
        if prediction.probabilities is not None:
            for place, value in enumerate(metadata.classes or ()):
                frame[f"probability_{value}"] = prediction.probabilities[:, place]
        return pandas.DataFrame(frame)


def _load_pyfunc(path: str) -> PackagedModel:  # pyright: ignore[reportUnusedFunction]  # MLflow looks it up by name
    folder = Path(path)
    return PackagedModel(load(folder if folder.is_dir() else folder.parent))


def _as_array(column: Column, values: list[Any]) -> Array:
    if column.kind == "category":
        texts = [None if value is None or value != value else str(value) for value in values]
        array = np.empty(len(texts), dtype=object)
        array[:] = texts
        return array
    if column.kind not in ("number", "boolean"):
        array = np.empty(len(values), dtype=object)
        array[:] = values
        return array
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
