"""What a training tells while it runs, and what it leaves behind."""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from orrery.jobs import report
from orrery.jobs.tabular.data import Data, Part, Problem
from orrery.serving.tabular.encoder import Encoder
from orrery.serving.tabular.models import TableModel, to_probabilities
from orrery.serving.tabular.runtime import TabularRuntime, load
from orrery.serving.tabular.writer import PackageContent, write_package

Array = np.ndarray[Any, np.dtype[Any]]

#: at most so often is progress told; metrics are told each round
PROGRESS_SECONDS = 0.2


class Rounds:
    """Reports each round (boosting round, epoch, iteration) and keeps the curves for a plot."""

    def __init__(self, total: int, word: str = "round", start: float = 0.1, end: float = 0.85) -> None:
        self.total = total
        self.word = word
        self.history: dict[str, list[float]] = {}
        self._start, self._end = start, end
        self._told_at = 0.0

    def done(self, number: int, values: Mapping[str, float]) -> None:
        """Round `number` (from 1) is done with these metrics, such as {"validation_log_loss": 0.11}."""
        for name, value in values.items():
            self.history.setdefault(name, []).append(value)
        report.metrics(values, step=number)
        if time.monotonic() - self._told_at >= PROGRESS_SECONDS or number == self.total:
            self._told_at = time.monotonic()
            done = self._start + (self._end - self._start) * number / self.total
            message = f"{self.word} {number} of {self.total}"
            report.progress(done, epoch=number, epochs=self.total, message=message)

    def curves(self, metric: str) -> dict[str, list[float]]:
        """The history of one metric by part: {"training": [...], "validation": [...]}."""
        ending = f"_{metric}"
        return {name.removesuffix(ending): values for name, values in self.history.items() if name.endswith(ending)}


def row_weights(target: Array, classes: int, class_weight: str) -> Array:
    """(n_rows,) with mean 1: equal, or ("balanced") such that each class weighs the same in sum."""
    if class_weight != "balanced":
        return np.ones(len(target))
    counts = np.bincount(target, minlength=classes)
    return (len(target) / (np.count_nonzero(counts) * np.maximum(counts, 1)))[target]


def predict(model: TableModel, features: Array, problem: Problem) -> Array:
    """Probabilities (n_rows, n_classes), or values (n_rows,): the same arithmetic as the endpoint's."""
    scores = model.scores(features)
    return to_probabilities(scores) if problem.is_classification else scores.astype(np.float64)


def importances(model: TableModel, encoder: Encoder, features: Array, most_rows: int = 2000) -> dict[str, float]:
    """Mean absolute contribution by column, over at most `most_rows` rows."""
    contributions, _ = model.contributions(features[:most_rows])
    by_feature = np.abs(contributions).reshape(-1, features.shape[1]).mean(axis=0)
    totals = np.bincount(encoder.owners, weights=by_feature, minlength=len(encoder.columns))
    return {column.name: float(total) for column, total in zip(encoder.columns, totals, strict=True)}


def model_name() -> str:
    """What the model is called inside its package; the platform registers it under a name of its own."""
    return os.environ.get("ORRERY_MODEL_NAME") or "model"


def save_model(
    data: Data,
    problem: Problem,
    encoder: Encoder,
    model: TableModel,
    *,
    framework: str,
    metrics: Mapping[str, float],
    check: Part,
    folder: Path | None = None,
) -> Path:
    """Write the package to `EM_MODEL_DIR`, load it again as the endpoint will, and compare both on the rows of `check`.

    `framework`: the module that trained it, such as "xgboost".
    Raises: JobFailed when the loaded model answers anything else than the one in memory.
    """
    folder = folder or Path(os.environ.get("EM_MODEL_DIR") or "model")
    content = PackageContent(
        name=model_name(),
        framework=framework,
        framework_version=str(importlib.import_module(framework).__version__),
        task=problem.task,
        target=data.target.name,
        encoder=encoder,
        model=model,
        columns=data.columns,
        classes=problem.classes,
        metrics=metrics,
        ignored={**encoder.dropped, **data.dropped},
    )
    write_package(folder, content)
    _compare(load(folder), encoder, model, problem, check)
    return folder


def _compare(runtime: TabularRuntime, encoder: Encoder, model: TableModel, problem: Problem, check: Part) -> None:
    expected = predict(model, encoder.transform(check.columns), problem)
    loaded = runtime.predict(check.columns)
    found = loaded.labels_or_values if loaded.probabilities is None else loaded.probabilities
    if not np.array_equal(expected, found):
        different = int((expected != found).reshape(len(check), -1).any(axis=1).sum())
        report.fail(
            "model_differs",
            f"the saved model answers {different} of {len(check)} held-out rows differently from the trained one; "
            "this is a defect of the algorithm's notebook, please report it",
        )
