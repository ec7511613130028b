"""The two model families of tables: what they save, how they load, predict and explain.

A saved model is data: coefficients in an `.npz` without pickled objects, boosted trees in XGBoost's own binary JSON.
Scores are raw: log-odds for classes, the value itself for regression; `to_probabilities` makes the rest.
"""

from __future__ import annotations

import ctypes
import json
from pathlib import Path
from typing import Any, Protocol

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


class TableModel(Protocol):
    """A fitted model of a feature matrix. Thread-safe."""

    def scores(self, features: Array) -> Array:
        """(n_rows,) raw scores, or (n_rows, n_classes) for three classes and more."""
        ...

    def contributions(self, features: Array) -> tuple[Array, Array]:
        """By feature, (n_rows, [n_classes,] n_features), and the base: together they add up to `scores`."""
        ...

    def save(self, path: Path) -> None: ...


def to_probabilities(scores: Array) -> Array:
    """(n_rows, n_classes) float64 from raw scores; two columns for two classes."""
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim == 1:
        small = np.exp(-np.abs(scores))  # never overflows
        positive = np.where(scores >= 0, 1.0, small) / (1.0 + small)
        return np.stack([1.0 - positive, positive], axis=1)
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


class LinearModel:
    """Logistic regression: `weights` is (n_features,) for two classes, (n_classes, n_features) for more."""

    def __init__(self, weights: Array, intercept: Array) -> None:
        self.weights = np.ascontiguousarray(weights, dtype=np.float64)
        self.intercept = np.asarray(intercept, dtype=np.float64)

    def scores(self, features: Array) -> Array:
        return features @ self.weights.T + self.intercept

    def contributions(self, features: Array) -> tuple[Array, Array]:
        rows = len(features)
        if self.weights.ndim == 1:
            return features * self.weights, np.full(rows, float(self.intercept))
        return features[:, None, :] * self.weights[None], np.tile(self.intercept, (rows, 1))

    def save(self, path: Path) -> None:
        with path.open("wb") as file:
            np.savez(file, weights=self.weights, intercept=self.intercept)

    @classmethod
    def load(cls, path: Path) -> LinearModel:
        with np.load(path, allow_pickle=False) as arrays:
            return cls(arrays["weights"], arrays["intercept"])


class BoostedTrees:
    """An XGBoost model. `booster` predicts with all its trees: cut it at the best round before."""

    def __init__(self, booster: Any) -> None:
        self.booster = booster
        self._fast = _fast_prediction(booster)

    def scores(self, features: Array) -> Array:
        if self._fast is not None:
            return self._fast(features)
        return self.booster.inplace_predict(features, predict_type="margin")

    def contributions(self, features: Array) -> tuple[Array, Array]:
        from orrery.serving.tabular.boosting import xgboost

        found = self.booster.predict(xgboost.DMatrix(features), pred_contribs=True)
        return found[..., :-1], found[..., -1]

    def save(self, path: Path) -> None:
        self.booster.save_model(path)

    @classmethod
    def load(cls, path: Path) -> BoostedTrees:
        from orrery.serving.tabular.boosting import xgboost

        booster = xgboost.Booster(model_file=path)
        # Rows come few at a time: waking other threads costs more than they do.
        booster.set_param({"nthread": 1})  # pyright: ignore[reportUnknownMemberType]
        return cls(booster)


class _DirectPrediction:
    """XGBoost's prediction from a dense array, called without the checks and copies of its Python wrapper."""

    def __init__(self, booster: Any) -> None:
        from xgboost import core

        self._lib = core._LIB  # pyright: ignore[reportPrivateUsage]
        self._booster = booster
        self._width = booster.num_features()
        config = {"type": 1, "training": False, "iteration_begin": 0, "iteration_end": 0, "missing": float("nan")}
        text = json.dumps(config | {"strict_shape": False, "cache_id": 0})
        self._config = text.encode()

    def __call__(self, features: Array) -> Array:
        features = np.ascontiguousarray(features, dtype=np.float32)
        if features.ndim != 2 or features.shape[1] != self._width:
            raise ValueError(f"the matrix has the shape {features.shape}; the model takes {self._width} features")
        interface = (
            f'{{"data": [{features.ctypes.data}, true], "shape": [{features.shape[0]}, {features.shape[1]}], '
            '"strides": null, "typestr": "<f4", "version": 3}'
        )
        shape = ctypes.POINTER(ctypes.c_uint64)()
        dimensions = ctypes.c_uint64()
        found = ctypes.POINTER(ctypes.c_float)()
        status = self._lib.XGBoosterPredictFromDense(
            self._booster.handle,
            interface.encode(),
            self._config,
            None,
            ctypes.byref(shape),
            ctypes.byref(dimensions),
            ctypes.byref(found),
        )
        if status:
            raise RuntimeError(f"XGBoost could not predict: {self._lib.XGBGetLastError().decode()}")
        size = [int(shape[axis]) for axis in range(dimensions.value)]
        return np.ctypeslib.as_array(found, shape=tuple(size)).copy()


def _fast_prediction(booster: Any) -> _DirectPrediction | None:
    """The direct call, kept only when it answers exactly as the wrapper does."""
    try:
        direct = _DirectPrediction(booster)
        width = booster.num_features()
        probe = np.random.default_rng(7).normal(scale=100.0, size=(64, width)).astype(np.float32)
        probe[::3, :] = np.nan
        probe[1::3] *= 0.01
        same = np.array_equal(direct(probe), booster.inplace_predict(probe, predict_type="margin"))
    except (AttributeError, OSError, RuntimeError, ValueError, KeyError):
        return None
    return direct if same else None
