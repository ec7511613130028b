"""Metrics of predictions, in NumPy. A metric that cannot be computed is absent, never zero.

Definitions as in scikit-learn (compared in the tests): macro averages over the classes that occur, one-against-rest
areas.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


def measure(task: str, target: Array, prediction: Array) -> dict[str, float]:
    """All metrics of a part. `prediction`: probabilities (n_rows, n_classes), or values (n_rows,) for regression."""
    if task == "regression":
        return regression_metrics(target, prediction)
    return classification_metrics(target, prediction)


def regression_metrics(target: Array, prediction: Array) -> dict[str, float]:
    error = prediction - target
    spread = float(((target - target.mean()) ** 2).sum())
    metrics = {"rmse": float(np.sqrt((error**2).mean())), "mae": float(np.abs(error).mean())}
    if spread > 0:
        metrics["r2"] = 1.0 - float((error**2).sum()) / spread
    return metrics


def classification_metrics(target: Array, probabilities: Array) -> dict[str, float]:
    """`target`: class positions. The second of two classes is the positive one."""
    classes = probabilities.shape[1]
    guess = probabilities.argmax(axis=1)
    table = confusion(target, guess, classes)
    hits, actual, guessed = np.diag(table), table.sum(axis=1), table.sum(axis=0)
    present = actual > 0
    recalls = hits[present] / actual[present]
    metrics = {"accuracy": float(hits.sum() / len(target)), "balanced_accuracy": float(recalls.mean())}
    metrics["log_loss"] = log_loss(target, probabilities)
    areas = {place: roc_auc(target == place, probabilities[:, place]) for place in range(classes)}
    known = [area for area in areas.values() if area is not None]
    if classes == 2:
        if areas[1] is not None:
            metrics["roc_auc"] = areas[1]
            metrics["average_precision"] = average_precision(target == 1, probabilities[:, 1])
        metrics["precision"] = float(hits[1] / guessed[1]) if guessed[1] else 0.0
        metrics["recall"] = float(hits[1] / actual[1]) if actual[1] else 0.0
        metrics["f1"] = float(2 * hits[1] / (actual[1] + guessed[1])) if actual[1] + guessed[1] else 0.0
    else:
        if len(known) == classes:
            metrics["roc_auc"] = float(np.mean(known))
        either = (actual + guessed) > 0
        metrics["f1"] = float((2 * hits[either] / (actual + guessed)[either]).mean())
    return metrics


def confusion(target: Array, guess: Array, classes: int) -> Array:
    """(n_classes, n_classes): rows are the true classes, columns the predicted ones."""
    return np.bincount(target * classes + guess, minlength=classes * classes).reshape(classes, classes)


def log_loss(target: Array, probabilities: Array) -> float:
    chosen = probabilities[np.arange(len(target)), target]
    return float(-np.log(np.clip(chosen, 1e-15, 1.0)).mean())


def roc_curve(positive: Array, scores: Array) -> tuple[Array, Array]:
    """False and true positive rates at each threshold, from (0, 0) to (1, 1)."""
    hits, misses = _cumulative(positive, scores)
    return np.append(0.0, misses / misses[-1]), np.append(0.0, hits / hits[-1])


def roc_auc(positive: Array, scores: Array) -> float | None:
    """None where only one class occurs."""
    if positive.all() or not positive.any():
        return None
    false_rate, true_rate = roc_curve(positive, scores)
    return float(np.trapezoid(true_rate, false_rate))


def precision_recall_curve(positive: Array, scores: Array) -> tuple[Array, Array]:
    """Precision and recall at each threshold, by falling threshold."""
    hits, misses = _cumulative(positive, scores)
    return hits / (hits + misses), hits / hits[-1]


def average_precision(positive: Array, scores: Array) -> float:
    precision, recall = precision_recall_curve(positive, scores)
    return float((np.diff(np.append(0.0, recall)) * precision).sum())


def _cumulative(positive: Array, scores: Array) -> tuple[Array, Array]:
    """True and false positives at each different score, from the highest."""
    order = np.argsort(-scores, kind="stable")
    ranked, ordered = scores[order], positive[order].astype(np.float64)
    last = np.append(np.nonzero(np.diff(ranked))[0], len(ranked) - 1)
    hits = np.cumsum(ordered)[last]
    return hits, (last + 1) - hits
