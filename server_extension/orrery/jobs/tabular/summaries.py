"""One column in numbers: statistics, histogram, most frequent values, and what its text looks like."""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from orrery.jobs.tabular.columns import BATCH, ColumnInfo
from orrery.jobs.tabular.sources import Reader

Array = np.ndarray[Any, np.dtype[Any]]
Json = dict[str, Any]

BINS: Final = 20
TOP_VALUES: Final = 10
#: text is cut beyond this
CHARACTERS: Final = 60
#: categories of up to so many values are searched for different writings of one
MOST_VARIANTS: Final = 10_000
_LAST_SECOND: Final = 253_402_300_799  # 9999-12-31T23:59:59
_FIRST_SECOND: Final = -62_135_596_800  # 0001-01-01
#: a number with something around it: a currency, thousands, a decimal comma, per cent
_DECORATED: Final = r"[ $€£¥]*[-+]?[0-9]{1,3}([,.'' ]?[0-9]{3})*([.,][0-9]+)?[ %$€£¥]*"
#: a date that is not written year first
_WRITTEN_DATE: Final = r"[0-9]{1,2}[./-][0-9]{1,2}[./-]([0-9]{2}|[0-9]{4})"


def number_summary(values: Array, *, is_whole: bool) -> Json:
    """Statistics of `values` (n_rows,), NaN where missing; over the finite ones, as pandas has them."""
    known = values[~np.isnan(values)]
    finite = np.sort(known[np.isfinite(known)])
    n = len(finite)
    described: Json = {"infinite": len(known) - n, "memory_bytes": 8 * len(values)}
    if not n:
        empty = ("mean", "std", "minimum", "q1", "median", "q3", "maximum", "skewness", "histogram")
        return described | dict.fromkeys(empty) | {"zeros": 0, "negative": 0, "outliers": 0}
    with np.errstate(all="ignore"):
        mean = float(finite.mean())
        centred = finite - mean
        squares = float(centred @ centred)
        std = math.sqrt(squares / (n - 1)) if n > 1 and math.isfinite(squares) else None
        skewness = None
        if std and n > 2:
            skewness = n / ((n - 1) * (n - 2)) * float(np.sum((centred / std) ** 3))
        q1, median, q3 = (float(q) for q in np.quantile(finite, (0.25, 0.5, 0.75)))
        below, above = (
            np.searchsorted(finite, [q1 - 1.5 * (q3 - q1)], "left"),
            np.searchsorted(finite, [q3 + 1.5 * (q3 - q1)], "right"),
        )
    zero_from, zero_to = np.searchsorted(finite, 0.0, "left"), np.searchsorted(finite, 0.0, "right")
    return described | {
        "mean": _told(mean),
        "std": _told(std),
        "minimum": _told(float(finite[0]), is_whole=is_whole),
        "q1": _told(q1),
        "median": _told(median),
        "q3": _told(q3),
        "maximum": _told(float(finite[-1]), is_whole=is_whole),
        "skewness": _told(skewness),
        "zeros": int(zero_to - zero_from),
        "negative": int(zero_from),
        #: beyond 1.5 interquartile ranges from the quartiles (Tukey's fences)
        "outliers": int(below[0] + n - above[0]),
        "histogram": _histogram(finite, is_whole=is_whole),
    }


def date_summary(seconds: Array) -> Json:
    """First and last, and a histogram; `seconds` since 1970, NaN where missing."""
    known = np.sort(seconds[~np.isnan(seconds)])
    found: Json = {"minimum": None, "maximum": None, "histogram": None, "memory_bytes": 8 * len(seconds)}
    if not len(known):
        return found
    histogram = _histogram(known, is_whole=False)
    if histogram is not None:
        histogram = {**histogram, "edges": [_moment(edge) for edge in histogram["edges"]]}
    return found | {"minimum": _moment(known[0]), "maximum": _moment(known[-1]), "histogram": histogram}


def _histogram(finite: Array, *, is_whole: bool) -> Json | None:
    """`edges` (bins + 1) and `counts` of sorted values. Few whole numbers get a bin each."""
    low, high = float(finite[0]), float(finite[-1])
    if not math.isfinite(high - low):
        return None
    if is_whole and high - low < BINS and abs(low) < 2**50:
        edges = np.arange(low - 0.5, high + 1.0)
    elif high == low:
        edges = np.array([low, high])
    else:
        edges = np.linspace(low, high, BINS + 1)
    inner = np.searchsorted(finite, edges[1:-1], "left")
    counts = np.diff(np.concatenate(([0], inner, [len(finite)])))
    return {"edges": [_told(float(edge)) for edge in edges], "counts": counts.tolist()}


def text_summaries(
    reader: Reader, infos: Sequence[ColumnInfo], places: Sequence[int], *, rows: int, is_typed: bool
) -> dict[int, Json]:
    """Lengths, most frequent values, and how the text looks, by the place of the column."""
    found: dict[int, Json] = {}
    for start in range(0, len(places), BATCH):
        batch = places[start : start + BATCH]
        values = reader.rows(f"SELECT {', '.join(p for place in batch for p in _looks(f'c{place}'))} FROM profiled")[0]
        for number, place in enumerate(batch):
            looks: Json = dict(zip(_LOOKS, values[number * len(_LOOKS) : (number + 1) * len(_LOOKS)], strict=True))
            found[place] = _text_summary(reader, infos[place], place, looks, rows=rows, is_typed=is_typed)
    return found


#: what `looks` tells of a text column: how many of its values are like this
_COUNTS: Final = ("filled", "blanks", "numbers", "codes", "decorated", "dates", "written_dates")
#: aggregates of a text column, in the order of `_looks`
_LOOKS: Final = (*_COUNTS, "bytes", "shortest", "mean_length", "longest")


def _looks(column: str) -> list[str]:
    trimmed = f"trim({column})"
    dated = f"length({column}) BETWEEN 8 AND 35 AND (contains({column}, '-') OR contains({column}, '/'))"
    digit = f"regexp_matches({column}, '[0-9]')"
    short = f"length({column}) <= 30 AND {digit}"
    return [
        f"count({column})",
        f"count(*) FILTER ({column} <> {trimmed})",
        f"count(TRY_CAST({trimmed} AS DOUBLE))",
        f"count(*) FILTER (starts_with({trimmed}, '0') AND regexp_full_match({trimmed}, '0[0-9]+'))",
        f"count(*) FILTER ({short} AND regexp_full_match({trimmed}, '{_DECORATED}'))",
        f"count(CASE WHEN {dated} THEN TRY_CAST({column} AS TIMESTAMP) END)",
        f"count(*) FILTER ({short} AND regexp_full_match({trimmed}, '{_WRITTEN_DATE}'))",
        f"sum(strlen({column}))",
        f"min(length({column}))",
        f"avg(length({column}))",
        f"max(length({column}))",
    ]


def _text_summary(reader: Reader, info: ColumnInfo, place: int, looks: Json, *, rows: int, is_typed: bool) -> Json:
    summary: Json = {
        "top": _top(reader, info, place, rows=rows),
        "length": {
            "minimum": looks["shortest"],
            "mean": _told(looks["mean_length"]),
            "maximum": looks["longest"],
        },
        "memory_bytes": int(looks["bytes"] or 0) + 8 * rows,
    }
    if info.kind == "boolean" and info.dtype == "boolean" and is_typed:
        return summary | {"memory_bytes": rows}
    summary["looks"] = {name: int(looks[name]) for name in _COUNTS}
    if info.kind in ("category", "boolean"):
        summary["variants"] = _variants(_distinct_values(reader, info, place))
    return summary


def _top(reader: Reader, info: ColumnInfo, place: int, *, rows: int) -> list[Json]:
    if info.classes is not None and rows == info.rows:
        counts = list(info.classes.items())[:TOP_VALUES]
    else:
        query = f"SELECT c{place}, count(*) FROM profiled WHERE c{place} IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1"
        counts = reader.rows(f"{query} LIMIT {TOP_VALUES}")
    return [{"value": shortened(str(value)), "count": int(count)} for value, count in counts]


def _distinct_values(reader: Reader, info: ColumnInfo, place: int) -> list[str]:
    if info.classes is not None:
        return list(info.classes)
    if info.distinct > MOST_VARIANTS:
        return []
    return [row[0] for row in reader.rows(f"SELECT DISTINCT c{place} FROM profiled WHERE c{place} IS NOT NULL")]


def _variants(values: Sequence[str]) -> list[list[str]]:
    """Values that differ by letter case or blanks only, up to three such groups."""
    groups: dict[str, list[str]] = {}
    for value in sorted(values):
        groups.setdefault(" ".join(value.split()).casefold(), []).append(shortened(value))
    return [group[:4] for group in groups.values() if len(group) > 1][:3]


def shortened(text: str) -> str:
    return text if len(text) <= CHARACTERS else text[:CHARACTERS] + "…"


def _told(value: float | None, *, is_whole: bool = False) -> float | int | None:
    """A number as JSON has it; None for what is not finite."""
    if value is None or not math.isfinite(value):
        return None
    return int(value) if is_whole and abs(value) < 2**53 else float(value)


def _moment(seconds: float) -> str | None:
    """ISO 8601, or None for a year that Python has not."""
    if not _FIRST_SECOND <= seconds <= _LAST_SECOND:
        return None
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=round(float(seconds)))
    return moment.isoformat()
