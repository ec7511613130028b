"""Two columns drawn by Matplotlib as SVG, in Jupyter's own colours whatever the theme. Needs Matplotlib and NumPy."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np

CHARTS: Final = {
    "Scatter": "scatter",
    "Line": "line",
    "Bars: count": "count",
    "Bars: mean": "mean",
    "Histogram": "histogram",
    "Box": "box",
}
NEEDS_Y: Final = frozenset({"scatter", "line", "mean", "box"})
#: beyond so many points the marks are a picture inside the SVG
RASTER_POINTS: Final = 5000
_MOST_GROUPS: Final = 6
_MOST_BARS: Final = 20
_RANGES: Final = 10
#: stand-ins that become the theme's variables in the finished SVG
_INK: Final = "#010203"
_COLOURS: Final = {
    "#010211": "var(--jp-brand-color1, #1976d2)",
    "#010212": "var(--jp-warn-color1, #f57c00)",
    "#010213": "var(--jp-success-color1, #388e3c)",
    "#010214": "var(--jp-error-color1, #d32f2f)",
    "#010215": "var(--jp-info-color1, #0097a7)",
    "#010216": "var(--jp-ui-font-color1, #333)",
}
Array = np.ndarray[Any, np.dtype[Any]]
Values = Mapping[str, Sequence[Any]]


class CannotDraw(Exception):
    """The choice cannot be drawn; the message says why and what to choose."""


def draw(columns: Sequence[Mapping[str, Any]], values: Values, *, chart: str, x: str, y: str, colour: str) -> str:
    """The SVG. `values`: by column, None where missing, times in seconds since 1970. Raises: CannotDraw."""
    kinds = {column["name"]: column["kind"] for column in columns}
    needs_y = chart in NEEDS_Y
    if needs_y and kinds[y] not in ("number", "datetime"):
        raise CannotDraw(f"{y!r} holds {kinds[y]} values; choose numbers for Y, or draw “Bars: count”")
    if chart in ("scatter", "line") and kinds[x] not in ("number", "datetime"):
        raise CannotDraw(f"{x!r} holds {kinds[x]} values; choose numbers or times for X, or draw bars or boxes")
    known = [
        place
        for place, value in enumerate(values[x])
        if value is not None and not (needs_y and values[y][place] is None)
    ]
    if not known:
        raise CannotDraw(f"no row has a value of {x!r}" + (f" and of {y!r}" if needs_y else ""))
    xs = [values[x][place] for place in known]
    ys = [values[y][place] for place in known] if needs_y else []
    groups = (
        _groups([values[colour][place] for place in known], kinds[colour])
        if colour and chart != "box"
        else [""] * len(known)
    )
    if chart == "histogram" and kinds[x] not in ("number", "datetime"):
        chart = "count"
    return _svg(chart, xs, ys, groups, x, y, kinds)


def _svg(chart: str, xs: list[Any], ys: list[Any], groups: list[str], x: str, y: str, kinds: Mapping[str, str]) -> str:
    from matplotlib import rc_context  # pyright: ignore[reportUnknownVariableType]
    from matplotlib.figure import Figure

    with rc_context(
        {
            "svg.fonttype": "none",
            "text.parse_math": False,
            "text.color": _INK,
            "axes.labelcolor": _INK,
            "axes.edgecolor": _INK,
            "xtick.color": _INK,
            "ytick.color": _INK,
            "axes.prop_cycle": _cycle(),
        }
    ):
        figure: Any = Figure(figsize=(8, 4.2), layout="constrained")
        axes = figure.subplots()
        names = sorted(set(groups), key=lambda name: (name == "others", name))
        at = np.array(groups)
        if chart in ("scatter", "line"):
            px, py = _quantity(xs, kinds[x]), _quantity(ys, kinds[y])
            for name in names:
                _points(axes, px[at == name], py[at == name], name, is_line=chart == "line")
        elif chart == "histogram":
            px = _quantity(xs, kinds[x])
            axes.hist([px[at == name] for name in names], bins=20, stacked=True, label=names)
        else:
            labels, places = _labels(xs, kinds[x])
            if chart == "box":
                _boxes(axes, labels, places, np.array(ys, dtype=float))
            else:
                _bars(axes, labels, places, np.array(ys, dtype=float) if ys else None, at, names)
        axes.set_xlabel(x)
        axes.set_ylabel("rows" if chart in ("count", "histogram") else f"mean of {y}" if chart == "mean" else y)
        if any(names):
            axes.legend(frameon=False)
        out = io.StringIO()
        figure.savefig(out, format="svg", transparent=True, dpi=110, metadata={"Date": None})
    return _themed(out.getvalue(), f"{chart} of {y if chart in NEEDS_Y else 'rows'} by {x}, {len(xs):,} rows")


def _cycle() -> Any:
    from cycler import cycler

    return cycler(color=list(_COLOURS))


def _quantity(values: list[Any], kind: str) -> Array:
    if kind == "datetime":
        return np.array(values, dtype="int64").astype("datetime64[s]")
    return np.array(values, dtype=float)


def _points(axes: Any, px: Array, py: Array, name: str, *, is_line: bool) -> None:
    if is_line:
        at, inverse, counts = np.unique(px, return_inverse=True, return_counts=True)
        means = np.bincount(inverse, weights=py.astype(float)) / counts
        axes.plot(at, means, label=name)
    else:
        axes.scatter(px, py, s=9, alpha=0.65, linewidths=0, label=name, rasterized=len(px) > RASTER_POINTS)


def _groups(values: list[Any], kind: str) -> list[str]:
    """Up to six groups: the most frequent values, or quarters of a quantity."""
    counts = Counter(values)
    if kind in ("number", "datetime") and len(counts) > _MOST_GROUPS:
        known = np.array([value for value in values if value is not None], dtype=float)
        cuts = np.quantile(known, (0.25, 0.5, 0.75))
        text = [str(np.datetime64(int(cut), "s"))[:10] if kind == "datetime" else f"{cut:.4g}" for cut in cuts]
        labels = [f"≤ {text[0]}", f"≤ {text[1]}", f"≤ {text[2]}", f"> {text[2]}"]
        return ["missing" if value is None else labels[int(np.sum(value > cuts))] for value in values]
    most = _MOST_GROUPS if len(counts) <= _MOST_GROUPS else _MOST_GROUPS - 1
    kept = {value for value, _ in counts.most_common(most)}
    return ["others" if value not in kept else "missing" if value is None else str(value) for value in values]


def _labels(values: list[Any], kind: str) -> tuple[list[str], Array]:
    """Names of the bars, and each row's bar; a quantity with many values is cut into ranges."""
    counts = Counter(values)
    if kind in ("number", "datetime") and len(counts) > _MOST_BARS:
        numbers = np.array(values, dtype=float)
        edges: Any = np.linspace(float(min(values)), float(max(values)), _RANGES + 1)
        text = [str(np.datetime64(int(edge), "s"))[:10] if kind == "datetime" else f"{edge:.4g}" for edge in edges]
        places = np.clip(np.searchsorted(edges, numbers, "right") - 1, 0, _RANGES - 1)
        return [f"{low} to {high}" for low, high in pairwise(text)], places
    frequent = [value for value, _ in counts.most_common(_MOST_BARS if len(counts) <= _MOST_BARS else _MOST_BARS - 1)]
    kept = sorted(frequent) if kind in ("number", "datetime") else frequent
    at = {value: place for place, value in enumerate(kept)}
    labels = [str(np.datetime64(value, "s"))[:10] if kind == "datetime" else str(value) for value in kept]
    return labels + (["others"] if len(counts) > len(kept) else []), np.array(
        [at.get(value, len(kept)) for value in values]
    )


def _bars(axes: Any, labels: list[str], places: Array, ys: Array | None, at: Array, names: list[str]) -> None:
    width = 0.8 / len(names)
    for number, name in enumerate(names):
        chosen = at == name
        heights = np.bincount(places[chosen], minlength=len(labels)).astype(float)
        if ys is not None:
            sums = np.bincount(places[chosen], weights=ys[chosen], minlength=len(labels))
            heights = np.divide(sums, heights, out=np.zeros(len(labels)), where=heights > 0)
        axes.bar(np.arange(len(labels)) - 0.4 + width * (number + 0.5), heights, width, label=name)
    _name_bars(axes, range(len(labels)), labels)


def _boxes(axes: Any, labels: list[str], places: Array, ys: Array) -> None:
    ink = next(iter(_COLOURS))
    line = {"color": ink}
    data = [ys[places == place] for place in range(len(labels))]
    axes.boxplot(
        data,
        boxprops=line,
        whiskerprops=line,
        capprops=line,
        medianprops=line,
        flierprops={"marker": ".", "markeredgecolor": ink},
    )
    _name_bars(axes, range(1, len(labels) + 1), labels)


def _name_bars(axes: Any, places: range, labels: list[str]) -> None:
    turned = {"rotation": 35, "ha": "right"} if len(labels) > 6 or any(len(label) > 12 for label in labels) else {}
    axes.set_xticks(list(places), [label[:24] for label in labels], **turned)


def _themed(svg: str, description: str) -> str:
    """The SVG alone, with the theme's variables for colours and a name for screen readers."""
    from html import escape

    svg = svg[svg.index("<svg") :]
    for stand_in, colour in {_INK: "var(--jp-ui-font-color1, #333)", **_COLOURS}.items():
        svg = svg.replace(stand_in, colour)
    return svg.replace(
        "<svg ", f"<svg role='img' aria-label='{escape(description, quote=True)}' style='max-width: 100%' ", 1
    )
