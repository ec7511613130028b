"""An endpoint's answer as what it is: probabilities as bars, numbers as numbers, text as text. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, cast

from orrery_widgets import parts

#: bars of more classes than this are those of the likeliest
MOST_CLASSES = 10


def show_answer(answer: Mapping[str, Any], classes: Sequence[Any] | None) -> str:
    """HTML of a V1 answer: one block a row, a table where the rows are many and plain."""
    predictions: Any = answer.get("predictions")
    probabilities: Any = answer.get("probabilities")
    if not isinstance(predictions, list):
        return parts.code_block(str(dict(answer)), "Answer")
    said = cast("list[Any]", predictions)
    if isinstance(probabilities, list) and classes:
        shares = cast("list[Sequence[float]]", probabilities)
        rows = zip(said, shares, strict=True)
        many = len(said) > 1
        return "".join(
            _classes(index if many else None, one, share, classes) for index, (one, share) in enumerate(rows)
        )
    if len(said) == 1:
        return _one(said[0])
    return parts.table(["Row", "Prediction"], [(index + 1, _plain(one)) for index, one in enumerate(said)])


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
