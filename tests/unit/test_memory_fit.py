"""How much memory a run will take: the declared arithmetic, and what like runs make of it."""

from __future__ import annotations

import math

import pytest

from orrery.domain.formulas import evaluate
from orrery.domain.memory_fit import (
    Facts,
    PastRun,
    Prediction,
    Verdict,
    facts_of,
    judge,
    on_gpus,
    predict,
    unlikeness,
    weighted_median,
    worst,
)
from orrery.errors import Invalid

FACTS = Facts(rows=1000, bytes=5_000_000, numbers=3, categories=(4, 100), classes=2)
FORMULA = "100 * MiB + 50 * rows * numbers"
EXPECTED = 100 * (1 << 20) + 150_000


def run(ratio: float, facts: Facts = FACTS, *, size: str = "cpu-small", is_cut_short: bool = False) -> PastRun:
    expected = 100 * (1 << 20) + 50 * facts.rows * facts.numbers
    return PastRun(facts, {}, round(ratio * expected), size, is_cut_short)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2 + 3 * 4", 14),
        ("2 ** depth", 8),
        ("-depth // 2", -2),
        ("depth % 2 + 7 / 2", 4.5),
        ("1 if booster == 'dart' and depth >= 3 else 2", 1),
        ("max(depth, 10) - min(1, 2)", 9),
        ("10 ** 400 * depth", math.inf),
        ("not depth > 5", 1),
    ],
)
def test_a_formula_is_arithmetic(text: str, value: float) -> None:
    assert evaluate(text, {"depth": 3, "booster": "dart"}, {"min": min, "max": max}) == value


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("__import__('os').system('true')", "may not call"),
        ("rows.real", "may not hold 'rows.real'"),
        ("rows[0]", "may not hold"),
        ("[x for x in rows]", "may not hold"),
        ("(lambda: 1)()", "may not"),
        ("open('x')", "calls 'open', which is not known"),
        ("rows * depth", "names 'depth', which is not known; known are rows"),
        ("rows / 0", "has no value"),
        ("(0 - rows) ** 0.5", "has no value"),
        ("b'x'", "may not hold b'x'"),
        ("rows +", "is not arithmetic"),
        ("1" * 3000, "too long"),
        ("+".join(["rows"] * 400), "parts; at most"),
    ],
)
def test_a_formula_is_nothing_else(text: str, told: str) -> None:
    with pytest.raises(Invalid, match=told.replace("(", "\\(")):
        evaluate(text, {"rows": 2}, {})


def test_without_runs_the_formula_counts() -> None:
    found = predict(FORMULA, FACTS, {}, "cpu-small", [])
    assert found is not None
    assert (found.peak_bytes, found.runs) == (EXPECTED, 0)


def test_like_runs_correct_the_formula_and_one_outlier_does_not() -> None:
    found = predict(FORMULA, FACTS, {}, "cpu-small", [run(1.5), run(1.5), run(9.0), run(1.48)])
    assert found is not None
    assert found.peak_bytes == pytest.approx(1.5 * EXPECTED, rel=0.02)
    assert found.runs == 4


def test_a_run_of_like_size_counts_more_than_several_of_another() -> None:
    large = Facts(rows=10_000_000, bytes=1, numbers=3)
    found = predict(FORMULA, FACTS, {}, "cpu-small", [run(3.0, large), run(3.0, large), run(1.4), run(1.4)])
    assert found is not None
    assert found.peak_bytes == pytest.approx(1.4 * EXPECTED, rel=0.01)


def test_a_run_that_ran_out_of_memory_would_have_needed_more() -> None:
    found = predict(FORMULA, FACTS, {}, "cpu-small", [run(2.0, is_cut_short=True)])
    assert found is not None
    assert found.peak_bytes == pytest.approx(2.4 * EXPECTED, rel=0.01)


def test_without_a_formula_only_runs_on_like_data_tell() -> None:
    other = Facts(rows=1, bytes=5_000_000_000, numbers=1)
    assert predict("", FACTS, {}, "cpu-small", []) is None
    assert predict("", FACTS, {}, "cpu-small", [PastRun(other, {}, 1 << 33, "cpu-small")]) is None
    found = predict("", FACTS, {}, "cpu-small", [PastRun(FACTS, {}, 400 << 20, "cpu-small")])
    assert found is not None
    assert found.peak_bytes == 400 << 20


def test_without_a_formula_a_run_with_the_same_parameters_counts_more_than_others() -> None:
    small, large = {"batch": 8, "model": "tiny"}, {"batch": 256, "model": "tiny"}
    fitted = PastRun(FACTS, small, 60 << 20, "cpu-small")
    failed = PastRun(FACTS, large, 3 << 30, "cpu-small", is_cut_short=True)
    as_before = predict("", FACTS, small, "cpu-small", [failed, failed, fitted])
    assert as_before == Prediction(60 << 20, 3)
    again = predict("", FACTS, large, "cpu-small", [fitted, fitted, failed])
    assert again is not None
    assert again.peak_bytes == pytest.approx(1.2 * (3 << 30))


def test_parameters_are_apart_by_those_that_differ() -> None:
    assert unlikeness({"batch": 8, "on": True}, {"batch": 8, "on": True}) == 0
    assert unlikeness({"batch": 8}, {"batch": 9}) == pytest.approx(math.log(9 / 8))
    assert unlikeness({"batch": 1, "model": "a", "off": 0}, {"batch": 1000, "model": "b", "off": 1, "new": 1}) == 4


def test_a_run_with_parameters_that_the_formula_does_not_know_any_more_is_passed_over() -> None:
    old = PastRun(FACTS, {}, 1 << 33, "cpu-small")
    found = predict("MiB * depth", FACTS, {"depth": 3}, "cpu-small", [old])
    assert found is not None
    assert (found.peak_bytes, found.runs) == (3 << 20, 0)


def test_what_is_known_of_the_data() -> None:
    columns = [
        {"name": "age", "kind": "number", "dtype": "integer", "distinct": 70},
        {"name": "smoker", "kind": "boolean", "distinct": 2},
        {"name": "city", "kind": "category", "distinct": 30},
        {"name": "notes", "kind": "text", "distinct": 900},
        {"name": "group", "kind": "category", "distinct": 4},
    ]
    contents = [{"rows": 900, "columns": columns}, {"rows": 100, "columns": columns}]
    found = facts_of(contents, [10, 20, 5], "", "auto")
    assert found == Facts(rows=1000, bytes=35, numbers=2, categories=(30,), classes=4)
    assert facts_of(contents, [], "age", "auto").classes == 1
    assert facts_of(contents, [], "age", "classification").classes == 70
    assert Facts.from_json(found.to_json()) == found
    assert found.features(16) == 3
    assert found.features(30) == 32


def test_the_weighted_median_is_where_half_of_the_weight_is() -> None:
    assert weighted_median([(1.0, 1.0), (2.0, 1.0), (10.0, 1.0)]) == 2.0
    assert weighted_median([(1.0, 1.0), (3.0, 1.0)]) == 2.0
    assert weighted_median([(1.0, 0.5), (3.0, 1.0)]) == 3.0


def test_a_little_below_the_limit_is_tight() -> None:
    assert judge(80, 100) is Verdict.FITS
    assert judge(90, 100) is Verdict.TIGHT
    assert judge(101, 100) is Verdict.EXCEEDS


def test_what_a_run_took_of_its_gpus_is_learned_from_by_itself() -> None:
    seen = PastRun(FACTS, {}, 1 << 30, "gpu-small", gpu_peak_bytes=6 << 30)
    ended_early = PastRun(FACTS, {}, 1 << 30, "gpu-small", is_cut_short=True, gpu_peak_bytes=1 << 30)
    without = PastRun(FACTS, {}, 1 << 30, "cpu-small")
    found = predict("", FACTS, {}, "gpu-small", on_gpus([seen, ended_early, without]))
    assert found == Prediction(6 << 30, 1)


def test_the_verdict_of_memory_and_gpus_is_the_worse_one() -> None:
    assert worst(Verdict.FITS, None) is Verdict.FITS
    assert worst(Verdict.FITS, Verdict.EXCEEDS) is Verdict.EXCEEDS
    assert worst(Verdict.TIGHT, Verdict.FITS) is Verdict.TIGHT
    # one that is not known does not fit for certain
    assert worst(Verdict.UNKNOWN, Verdict.FITS) is Verdict.UNKNOWN
    assert worst(Verdict.UNKNOWN, Verdict.TIGHT) is Verdict.TIGHT
