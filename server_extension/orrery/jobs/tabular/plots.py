"""The report's plots: each is saved under `output/`, reported as an artifact, and shown in the notebook."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from orrery.jobs import report
from orrery.jobs.tabular.measures import confusion, precision_recall_curve, roc_auc, roc_curve
from orrery.jobs.tabular.showing import short

Array = np.ndarray[Any, np.dtype[Any]]

BLUE, GREY = "#2b6cb0", "#a0aec0"
#: more classes than this make a plot of lines or cells unreadable
MOST_CLASSES_DRAWN = 20


class Plot:
    """A drawn figure, kept as PNG."""

    def __init__(self, png: bytes, path: Path, title: str) -> None:
        self.png = png
        self.path = path
        self.title = title

    def _repr_png_(self) -> bytes:
        return self.png

    def __repr__(self) -> str:
        return f"<plot: {self.title}>"


def roc(target: Array, probabilities: Array, classes: Sequence[object]) -> Plot:
    """One curve for two classes, one against the rest for each of more."""
    figure, axes = _figure()
    for place in _curves(classes):
        positive, scores = target == place, probabilities[:, place]
        area = roc_auc(positive, scores)
        if area is not None:
            axes.plot(*roc_curve(positive, scores), label=f"{classes[place]} (area {area:.3f})", linewidth=1.6)
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1)
    axes.set(xlabel="false positive rate", ylabel="true positive rate", title="ROC on the held-out rows")
    return _saved(figure, axes, "roc", "ROC curve", legend=True)


def precision_recall(target: Array, probabilities: Array, classes: Sequence[object]) -> Plot:
    figure, axes = _figure()
    for place in _curves(classes):
        positive = target == place
        if positive.any():
            precision, recall = precision_recall_curve(positive, probabilities[:, place])
            axes.plot(recall, precision, label=str(classes[place]), linewidth=1.6)
    axes.set(xlabel="recall", ylabel="precision", ylim=(0, 1.03), title="Precision and recall on the held-out rows")
    return _saved(figure, axes, "precision-recall", "Precision-recall curve", legend=True)


def confusion_matrix(target: Array, probabilities: Array, classes: Sequence[object]) -> Plot:
    counts = confusion(target, probabilities.argmax(axis=1), len(classes))
    size = min(9.0, 3.2 + 0.4 * len(classes))
    figure, axes = _figure(size + 0.6, size)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if len(classes) <= MOST_CLASSES_DRAWN:
        ticks = range(len(classes))
        axes.set_xticks(ticks, [str(value)[:16] for value in classes], rotation=45, ha="right")
        axes.set_yticks(ticks, [str(value)[:16] for value in classes])
        for row in ticks:
            for column in ticks:
                color = "white" if shares[row, column] > 0.5 else "black"
                axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=color, fontsize=9)
    axes.set(xlabel="predicted", ylabel="true", title="Confusion matrix on the held-out rows")
    return _saved(figure, axes, "confusion-matrix", "Confusion matrix")


def importance(shares: Mapping[str, float], most: int = 20) -> Plot:
    """`shares`: importance by column; the largest are drawn."""
    largest = sorted(shares.items(), key=lambda item: item[1])[-most:]
    figure, axes = _figure(6.4, 1.2 + 0.26 * len(largest))
    axes.barh([name[:40] for name, _ in largest], [value for _, value in largest], color=BLUE)
    axes.set(title="What the model looks at", xlabel="mean absolute contribution")
    return _saved(figure, axes, "importance", "Feature importance")


def residuals(target: Array, prediction: Array) -> Plot:
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    left.scatter(target, prediction, s=10, alpha=0.6, color=BLUE)
    bounds = [float(min(target.min(), prediction.min())), float(max(target.max(), prediction.max()))]
    left.plot(bounds, bounds, color=GREY, linestyle="--", linewidth=1)
    left.set(xlabel="true", ylabel="predicted", title="Held-out rows")
    right.hist(prediction - target, bins=30, color=BLUE)
    right.set(xlabel="predicted - true", title="Residuals")
    return _saved(figure, left, "residuals", "Residuals")


def learning_curve(history: Mapping[str, Sequence[float]], metric: str, best: int | None = None) -> Plot:
    """`history`: the metric by part, one value a round."""
    figure, axes = _figure(6.4, 3.6)
    for name, values in history.items():
        axes.plot(range(1, len(values) + 1), values, label=name, linewidth=1.6)
    if best is not None:
        axes.axvline(best, color=GREY, linestyle="--", linewidth=1, label=f"kept: round {best}")
    axes.set(xlabel="round", ylabel=metric, title=f"{metric} while training")
    return _saved(figure, axes, "learning-curve", "Learning curve", legend=True)


def coefficients_note(values: Mapping[str, float], most: int = 5) -> str:
    """The strongest in words, for a report's text."""
    strongest = sorted(values.items(), key=lambda item: -abs(item[1]))[:most]
    return ", ".join(f"{name} ({short(value)})" for name, value in strongest)


def _curves(classes: Sequence[object]) -> list[int]:
    return [1] if len(classes) == 2 else list(range(min(len(classes), MOST_CLASSES_DRAWN)))


def _figure(width: float = 5.4, height: float = 4.2) -> tuple[Figure, Any]:
    # Without pyplot: half the import time, and no state shared with the notebook's own figures.
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots()


def _saved(figure: Figure, axes: Any, name: str, title: str, *, legend: bool = False) -> Plot:
    if legend:
        axes.legend(frameon=False, fontsize=9)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=96)  # pyright: ignore[reportUnknownMemberType]
    folder = Path(os.environ.get("ORRERY_WORK_DIR") or ".") / "output"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.png"
    path.write_bytes(drawn.getvalue())
    report.artifact(f"output/{name}.png", title)
    return Plot(drawn.getvalue(), path, title)
