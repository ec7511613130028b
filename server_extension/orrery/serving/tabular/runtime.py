"""Serves a package of the tabular algorithms: encoder, model, classes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from orrery.serving.package import BadPackage, ModelMetadata, read_metadata
from orrery.serving.runtimes import Explanation, Prediction
from orrery.serving.tabular.encoder import Encoder
from orrery.serving.tabular.models import BoostedTrees, LinearModel, TableModel, to_probabilities

Array = np.ndarray[Any, np.dtype[Any]]


class TabularRuntime:
    """A loaded package. Methods may be called from several threads at once."""

    def __init__(self, metadata: ModelMetadata, encoder: Encoder, model: TableModel) -> None:
        self.metadata = metadata
        self._encoder = encoder
        self._model = model
        self._classes = None if metadata.classes is None else np.array(metadata.classes, dtype=_class_type(metadata))
        names = {column.name: place for place, column in enumerate(metadata.inputs)}
        #: position among the inputs of the column that each feature comes from
        self._owners = np.array([names[column.name] for column in encoder.columns], dtype=np.intp)[encoder.owners]

    def predict(self, columns: Mapping[str, Array]) -> Prediction:
        scores = self._model.scores(self._encoder.transform(columns))
        if self._classes is None:
            return Prediction(scores.astype(np.float64))
        probabilities = to_probabilities(scores)
        return Prediction(self._classes[probabilities.argmax(axis=1)], probabilities)

    def explain(self, columns: Mapping[str, Array]) -> Explanation:
        """Exact: tree SHAP for boosted trees, weight times value for linear models."""
        features = self._encoder.transform(columns)
        by_feature, base = self._model.contributions(features)
        shape = (*by_feature.shape[:-1], len(self.metadata.inputs))
        by_column = np.zeros(shape, dtype=np.float64)
        # One column may be several features; what they contribute adds up.
        np.add.at(by_column, cast("Any", (..., self._owners)), by_feature)
        unit = "value" if self._classes is None else "log-odds"
        return Explanation(by_column, np.asarray(base, dtype=np.float64), unit)


def load(folder: Path) -> TabularRuntime:
    """Raises: BadPackage naming the file that is missing or wrong."""
    folder = Path(folder)
    metadata = read_metadata(folder)
    encoder_path, model_path = _file(folder, metadata, "encoder"), _file(folder, metadata, "model")
    try:
        encoder = Encoder.from_json(json.loads(encoder_path.read_text("utf-8")))
    except (KeyError, ValueError, TypeError) as error:
        raise BadPackage(f"{encoder_path} is not an encoder: {error}") from None
    unknown = [column.name for column in encoder.columns if column.name not in {c.name for c in metadata.inputs}]
    if unknown:
        raise BadPackage(f"{encoder_path} needs column {unknown[0]!r}, which {metadata.name!r} lists as no input")
    loaders = {".npz": LinearModel.load, ".ubj": BoostedTrees.load, ".json": BoostedTrees.load}
    if model_path.suffix not in loaders:
        raise BadPackage(f"{model_path} is neither .npz (linear) nor .ubj (XGBoost)")
    return TabularRuntime(metadata, encoder, loaders[model_path.suffix](model_path))


def _file(folder: Path, metadata: ModelMetadata, role: str) -> Path:
    name = metadata.files.get(role)
    if name is None:
        raise BadPackage(f"{folder}: files lacks {role!r}; a tabular model needs an encoder and a model")
    path = folder / name
    if not path.is_file():
        raise BadPackage(f"{path} is not there, though the package lists it as its {role}")
    return path


def _class_type(metadata: ModelMetadata) -> Any:
    return np.int64 if all(type(value) is int for value in metadata.classes or ()) else object
