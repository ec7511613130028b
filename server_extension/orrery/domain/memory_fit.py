"""Whether a run will fit into memory: what its data is like, what a formula and like runs say, and what would help.

Pure: who asks brings the facts and the runs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from orrery.domain.formulas import Value, evaluate
from orrery.domain.records import Json
from orrery.errors import Invalid

MIB: Final = 1 << 20
#: of what it may use; beyond, a little more than expected is too much
TIGHT: Final = 0.85
#: of columns of categories, so many are told of one by one
MAX_CATEGORIES: Final = 2000
#: what the formula alone weighs beside one like run
_FORMULA_WEIGHT: Final = 0.5
#: a run on another instance type may have had other threads
_OTHER_SIZE_WEIGHT: Final = 0.5
#: one that ran out of memory would have needed more than was seen
_CUT_SHORT: Final = 1.2
#: without a formula, only runs on data up to so many times larger or smaller say anything
_FARTHEST: Final = 4.0


class Verdict(StrEnum):
    FITS = "fits"
    TIGHT = "tight"
    EXCEEDS = "exceeds"
    UNKNOWN = "unknown"


#: from what is well to what is not
_BADNESS: Final = (Verdict.FITS, Verdict.UNKNOWN, Verdict.TIGHT, Verdict.EXCEEDS)


@dataclass(frozen=True)
class Facts:
    """What is known of a run's data before it is read."""

    #: of all its datasets together
    rows: int
    bytes: int
    #: columns that are learned from, without the target: numbers (and booleans)
    numbers: int
    #: different values of each column of categories
    categories: tuple[int, ...] = ()
    #: different values of the target, 1 where it is a quantity
    classes: int = 1

    def to_json(self) -> Json:
        return {
            "rows": self.rows,
            "bytes": self.bytes,
            "numbers": self.numbers,
            "categories": list(self.categories),
            "classes": self.classes,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Facts:
        return cls(
            rows=int(document["rows"]),
            bytes=int(document["bytes"]),
            numbers=int(document["numbers"]),
            categories=tuple(int(count) for count in document["categories"]),
            classes=int(document["classes"]),
        )

    def features(self, most: float, beyond: float = 1) -> float:
        """How many features its columns become: a category of at most `most` values one for each, others `beyond`."""
        return self.numbers + sum(count if count <= most else beyond for count in self.categories)


@dataclass(frozen=True)
class PastRun:
    """A run of the same algorithm that has ended."""

    facts: Facts
    parameters: Mapping[str, Any]
    peak_bytes: int
    instance_type: str
    #: it ran out of memory: it would have needed more
    is_cut_short: bool = False
    #: on each of its GPUs; None where it had none, or none was seen
    gpu_peak_bytes: int | None = None


@dataclass(frozen=True)
class Prediction:
    peak_bytes: int
    #: like runs that it rests on; 0: on the formula alone
    runs: int


def facts_of(contents: Sequence[Mapping[str, Any]], sizes: Iterable[int], target: str, task: str) -> Facts:
    """From what inspection found of each dataset (the training data first) and the sizes of their files in bytes."""
    columns: list[Json] = list(contents[0].get("columns") or []) if contents else []
    chosen = next((column for column in columns if column["name"] == target), columns[-1] if columns else None)
    others = [column for column in columns if column is not chosen]
    kinds = [str(column.get("kind")) for column in others]
    categories = [int(c.get("distinct") or 1) for c in others if c.get("kind") == "category"]
    return Facts(
        rows=sum(int(content.get("rows") or 0) for content in contents),
        bytes=sum(sizes),
        numbers=kinds.count("number") + kinds.count("boolean"),
        categories=tuple(categories[:MAX_CATEGORIES]),
        classes=_classes(chosen, task),
    )


def _classes(target: Mapping[str, Any] | None, task: str) -> int:
    if target is None or task == "regression":
        return 1
    distinct = int(target.get("distinct") or 1)
    is_quantity = target.get("kind") == "number" and (target.get("dtype") == "float" or distinct > 20)
    return 1 if is_quantity and task != "classification" else max(1, distinct)


def apply_formula(formula: str, facts: Facts, parameters: Mapping[str, Any]) -> float:
    """Bytes. Parameters stand under their names, `batch-size` as `batch_size`.

    Raises: Invalid naming what the formula does not find.
    """
    names: dict[str, Value] = {
        name.replace("-", "_"): value for name, value in parameters.items() if isinstance(value, int | float | str)
    }
    names |= {
        "KiB": 1 << 10,
        "MiB": MIB,
        "GiB": 1 << 30,
        "rows": facts.rows,
        "bytes": facts.bytes,
        "numbers": facts.numbers,
        "categories": len(facts.categories),
        "classes": facts.classes,
    }
    return evaluate(formula, names, {"min": min, "max": max, "features": facts.features})


def shape(formula: str, facts: Facts, parameters: Mapping[str, Any]) -> float:
    """How memory grows with the data: by the formula, or without one as most programs that read a table do."""
    return apply_formula(formula, facts, parameters) if formula else 150 * MIB + 4.0 * facts.bytes


def predict(
    formula: str,
    facts: Facts,
    parameters: Mapping[str, Any],
    instance_type: str,
    newest_first: Sequence[PastRun],
) -> Prediction | None:
    """The peak of a run: the formula's, corrected by how much the like runs used of theirs.

    The correction is a weighted median of (recorded : expected): a run weighs the more the nearer its size, and the
    newer it is; the formula itself weighs as half a run. Without a formula, which would know what a parameter does, a
    run also weighs the more the more alike its parameters are. None where nothing is known.

    Raises: Invalid for a formula that names what there is not.
    """
    expected = shape(formula, facts, parameters)
    if not math.isfinite(expected) or expected <= 0:
        raise Invalid(f"formula {formula!r} says {expected:g} bytes of memory; it must be above zero")
    weighted: list[tuple[float, float]] = []
    for age, run in enumerate(newest_first):
        try:
            theirs = shape(formula, run.facts, run.parameters)
        except Invalid:
            continue  # it was of an earlier version of the algorithm, with other parameters
        distance = abs(math.log(theirs / expected)) if theirs > 0 and math.isfinite(theirs) else math.inf
        if distance > math.log(_FARTHEST) and not formula:
            continue
        if not formula:
            distance += unlikeness(parameters, run.parameters)
        weight = math.exp(-distance) * 0.97**age
        weight *= 1.0 if run.instance_type == instance_type else _OTHER_SIZE_WEIGHT
        if weight > 0:
            weighted.append((run.peak_bytes * (_CUT_SHORT if run.is_cut_short else 1.0) / theirs, weight))
    runs = len(weighted)
    if formula:
        weighted.append((1.0, _FORMULA_WEIGHT))
    elif not weighted:
        return None
    return Prediction(round(expected * weighted_median(weighted)), runs)


def unlikeness(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """How far two runs' parameters are apart: 1 for each that differs, less for numbers that are near each other."""
    return sum(_apart(one.get(name), other.get(name)) for name in {*one, *other})


def _apart(one: Any, other: Any) -> float:
    if one == other:
        return 0.0
    are_sizes = all(
        isinstance(value, int | float) and not isinstance(value, bool) and value > 0 for value in (one, other)
    )
    return min(1.0, abs(math.log(one / other))) if are_sizes else 1.0


def weighted_median(pairs: Sequence[tuple[float, float]]) -> float:
    """Of (value, weight): the value at which half of the weight is reached; between two, their mean."""
    ordered = sorted(pairs)
    half = sum(weight for _, weight in ordered) / 2
    reached = 0.0
    for place, (value, weight) in enumerate(ordered):
        reached += weight
        if math.isclose(reached, half) and place + 1 < len(ordered):
            return (value + ordered[place + 1][0]) / 2
        if reached > half:
            return value
    return ordered[-1][0]


def on_gpus(runs: Iterable[PastRun]) -> list[PastRun]:
    """The runs that had GPUs, with what they took of each in the place of the machine's memory."""
    return [
        replace(run, peak_bytes=run.gpu_peak_bytes, is_cut_short=False)
        for run in runs
        if run.gpu_peak_bytes and not run.is_cut_short
    ]


def worst(memory: Verdict, gpu: Verdict | None) -> Verdict:
    """Of both together; `gpu` is None where there is nothing to say of GPUs."""
    return memory if gpu is None else max(memory, gpu, key=_BADNESS.index)


def judge(peak_bytes: int, allowed_bytes: int) -> Verdict:
    if peak_bytes > allowed_bytes:
        return Verdict.EXCEEDS
    return Verdict.TIGHT if peak_bytes > TIGHT * allowed_bytes else Verdict.FITS
