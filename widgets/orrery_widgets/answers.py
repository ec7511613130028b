"""An endpoint's answer as what it is: probabilities as bars, numbers as numbers, text as text. Pure."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, cast

from orrery_widgets import chart, parts
from orrery_widgets.file_input import picture

#: bars of more classes than this are those of the likeliest
MOST_CLASSES = 10


@dataclass(frozen=True)
class Given:
    """What was asked, as far as the answer is drawn with it."""

    #: base64 of the one picture
    picture: str = ""
    #: the one series that a forecast goes on from
    series: Sequence[float] = ()


def show_answer(answer: Mapping[str, Any], classes: Sequence[Any] | None, given: Given | None = None) -> str:
    """HTML of a V1 answer: one block a row, a table where the rows are many and plain."""
    given = given or Given()
    predictions: Any = answer.get("predictions")
    probabilities: Any = answer.get("probabilities")
    if not isinstance(predictions, list):
        return parts.code_block(str(dict(answer)), "Answer")
    said = cast("list[Any]", predictions)
    if len(said) == 1 and (boxes := read_boxes(said[0])) is not None:
        return _found(boxes, given.picture)
    shown = picture(given.picture, "What was asked about") if given.picture else ""
    if isinstance(probabilities, list) and classes:
        shares = cast("list[Sequence[float]]", probabilities)
        rows = zip(said, shares, strict=True)
        many = len(said) > 1
        return shown + "".join(
            _classes(index if many else None, one, share, classes) for index, (one, share) in enumerate(rows)
        )
    if len(said) == 1:
        numbers = read_numbers(said[0])
        return _forecast(numbers, given.series) if numbers else shown + _one(said[0])
    return parts.table(["Row", "Prediction"], [(index + 1, _plain(one)) for index, one in enumerate(said)])


@dataclass(frozen=True)
class Box:
    """Something found in a picture, in its pixels."""

    label: str
    score: float | None
    left: float
    top: float
    right: float
    bottom: float


def read_boxes(prediction: Any) -> list[Box] | None:
    """A list of `{label, score, box: {xmin, ymin, xmax, ymax}}`; None for anything else."""
    if not isinstance(prediction, list):
        return None
    found: list[Box] = []
    for item in cast("list[Any]", prediction):
        try:
            box, score = item["box"], item.get("score")
            places = [float(box[edge]) for edge in ("xmin", "ymin", "xmax", "ymax")]
            found.append(Box(str(item.get("label", "")), None if score is None else float(score), *places))
        except (TypeError, KeyError, ValueError, AttributeError):
            return None
    return found


def read_numbers(prediction: Any) -> list[float] | None:
    """A forecast's values; a missing one is NaN. None for anything else."""
    if not isinstance(prediction, list) or not prediction:
        return None
    values = cast("list[Any]", prediction)
    if not all(value is None or (isinstance(value, int | float) and not isinstance(value, bool)) for value in values):
        return None
    return [math.nan if value is None else float(value) for value in values]


def _found(boxes: Sequence[Box], content: str) -> str:
    """The picture with its boxes, and what they are as a table."""
    size = picture_size(content) if content else None
    drawn = ""
    if size is not None:
        rectangles = "".join(
            f"<rect x='{box.left:g}' y='{box.top:g}' width='{box.right - box.left:g}' "
            f"height='{box.bottom - box.top:g}' vector-effect='non-scaling-stroke'/>"
            for box in boxes
        )
        words = "A picture with 1 box in it" if len(boxes) == 1 else f"A picture with {len(boxes)} boxes in it"
        drawn = (
            f"<svg viewBox='0 0 {size[0]} {size[1]}' role='img' aria-label='{words}' "
            f"style='width: 100%; max-width: 420px; height: auto'>"
            f"<image href='data:image;base64,{content}' width='{size[0]}' height='{size[1]}'/>"
            f"<g fill='none' stroke='#f57c00' stroke-width='3'>"
            f"{rectangles}</g></svg>"
        )
    if not boxes:
        return drawn + "<p>Nothing was found.</p>"
    rows = [
        (
            index,
            box.label,
            "" if box.score is None else f"{box.score:.1%}",
            f"{box.left:g}, {box.top:g} to {box.right:g}, {box.bottom:g}",
        )
        for index, box in enumerate(boxes, start=1)
    ]
    return drawn + parts.table(["#", "Found", "Score", "Left, top to right, bottom"], rows, caption="What was found")


def picture_size(content: str) -> tuple[int, int] | None:
    """Width and height of a PNG, GIF or JPEG given as base64; None for any other file."""
    data = base64.b64decode(content)
    if data.startswith(b"\x89PNG"):
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if data.startswith(b"GIF8"):
        return int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little")
    at = 2
    while data.startswith(b"\xff\xd8") and at + 9 < len(data) and data[at] == 0xFF:
        if 0xC0 <= data[at + 1] <= 0xCF and data[at + 1] not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big")
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


def _forecast(values: Sequence[float], history: Sequence[float]) -> str:
    """A line that goes on from what was given."""
    known = [(float(step), float(value)) for step, value in enumerate(history, start=1)]
    ahead = [(float(len(known) + step), value) for step, value in enumerate(values, start=1)]
    curves = [chart.Curve("given", known)] if known else []
    return chart.line_chart([*curves, chart.Curve("forecast", [*known[-1:], *ahead])], label="Forecast")


def _one(prediction: Any) -> str:
    if isinstance(prediction, str) and len(prediction) > 60:
        return f"<p style='white-space:pre-wrap'>{escape(prediction)}</p>"
    return f"<p style='font-size:20px;margin:6px 0'>{escape(str(_plain(prediction)))}</p>"


def _plain(prediction: Any) -> Any:
    return prediction if isinstance(prediction, str | int | float) or prediction is None else str(prediction)


def _classes(index: int | None, said: Any, shares: Sequence[float], classes: Sequence[Any]) -> str:
    """One row: what was said, and how likely each class is."""
    ranked = sorted(zip(classes, shares, strict=True), key=lambda pair: -pair[1])
    bars = "".join(bar(str(name), share) for name, share in ranked[:MOST_CLASSES])
    rest = len(ranked) - MOST_CLASSES
    more = parts.soft(f"and {parts.plural(rest, 'less likely class')[:-1]}es") if rest > 1 else ""
    row = f"Row {index + 1}: " if index is not None else ""
    return f"<div style='margin:6px 0'><div>{row}<b>{escape(str(said))}</b></div>{bars}{more}</div>"


def bar(name: str, share: float) -> str:
    """A share of 0 to 1 as a bar with its number; NaN is said, not drawn."""
    known = share == share
    percent = f"{share:.1%}" if known else "NaN"
    width = max(0.0, min(1.0, share)) * 100 if known else 0.0
    return (
        f"<div class='orrw-bar'><span class='orrw-bar-name'>{escape(name)}</span>"
        f"<span class='orrw-bar-track' aria-hidden='true'><span class='orrw-bar-fill' "
        f"style='display:block;width:{width:.1f}%'></span></span><span class='orrw-bar-value'>{percent}</span></div>"
    )
