"""The smallest runtime that there can be: a linear model in numpy, its weights as JSON.

For tests, and as an example to follow when writing a runtime. `python -m orrery.testing.linear ...` is the model
server with this runtime registered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import orjson

from orrery.serving import __main__ as server
from orrery.serving import runtimes
from orrery.serving.package import METADATA_FILE, ModelMetadata, read_metadata
from orrery.serving.runtimes import Array, Explanation, NotSupported, Prediction

RUNTIME = "testing-linear"


class LinearRuntime:
    """Softmax of `X @ weights + bias`, or its only column for a value. Categories count by length, NaN as 0."""

    def __init__(self, metadata: ModelMetadata, weights: Array, bias: Array) -> None:
        self.metadata = metadata
        self._weights = weights
        self._bias = bias

    def predict(self, columns: Mapping[str, Array]) -> Prediction:
        scores = self._matrix(columns) @ self._weights + self._bias
        if self.metadata.classes is None:
            return Prediction(scores[:, 0])
        exponents = np.exp(scores - scores.max(axis=1, keepdims=True))
        probabilities = exponents / exponents.sum(axis=1, keepdims=True)
        classes = np.array(self.metadata.classes, dtype=object)
        return Prediction(classes[probabilities.argmax(axis=1)], probabilities)

    def explain(self, columns: Mapping[str, Array]) -> Explanation:
        if self.metadata.classes is not None:
            raise NotSupported("a linear classifier here cannot explain; use a regression")
        matrix = self._matrix(columns)
        return Explanation(matrix * self._weights[:, 0], np.full(len(matrix), self._bias[0]), "value")

    def _matrix(self, columns: Mapping[str, Array]) -> Array:
        parts: list[Array] = []
        for column in self.metadata.inputs:
            values = columns[column.name]
            if column.kind == "category":
                values = np.array([0.0 if value is None else float(len(value)) for value in values])
            parts.append(np.nan_to_num(values))
        return np.column_stack(parts)


def load(folder: Path) -> LinearRuntime:
    metadata = read_metadata(folder)
    stored = cast("dict[str, list[list[float]]]", orjson.loads((folder / metadata.files["model"]).read_bytes()))
    return LinearRuntime(metadata, np.array(stored["weights"]), np.array(stored["bias"]))


def save(
    folder: Path,
    inputs: Sequence[Mapping[str, object]],
    weights: Sequence[Sequence[float]],
    bias: Sequence[float],
    classes: Sequence[object] | None = None,
    name: str = "linear",
    example: Mapping[str, object] | None = None,
    **more: object,
) -> Path:
    """Write a package. `weights`: (n_columns, n_classes), (n_columns, 1) to regress; `more`: further fields."""
    folder.mkdir(parents=True, exist_ok=True)
    outputs: list[dict[str, object]] = [{"name": "prediction", "datatype": "FP64" if classes is None else "BYTES"}]
    if classes is not None:
        outputs.append({"name": "probabilities", "datatype": "FP64", "shape": [-1, len(classes)]})
    metadata = {
        "format": 1,
        "name": name,
        "framework": "numpy",
        "framework_version": np.__version__,
        "runtime": RUNTIME,
        "task": "regression" if classes is None else "multiclass_classification",
        "inputs": list(inputs),
        "outputs": outputs,
        "classes": classes,
        "example": example,
        "files": {"model": "weights.json"},
        **more,
    }
    (folder / METADATA_FILE).write_bytes(orjson.dumps(metadata))
    (folder / "weights.json").write_bytes(orjson.dumps({"weights": weights, "bias": bias}))
    return folder


if __name__ == "__main__":
    runtimes.register(RUNTIME, load)
    server.main()
