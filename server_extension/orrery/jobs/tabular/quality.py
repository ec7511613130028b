"""What is wrong with a table, or may be: findings with the column, words, and what to do. Pure, over a profile."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from orrery.jobs.tabular.finding_groups import group_findings

Json = dict[str, Any]

#: of one kind of finding so many are listed; `finding_counts` tells how many there are
MOST_OF_A_KIND: Final = 20
MISSING_SHARE: Final = 0.2
#: classes: the largest has so many times the rows of the smallest
IMBALANCE: Final = 4.0
OUTLIER_SHARE: Final = 0.05
CORRELATED: Final = 0.95
#: fewer rows than this are few for training
FEW_ROWS: Final = 500
#: a share of the values that is no coincidence
MOSTLY: Final = 0.9
SOME: Final = 0.1
#: a whole-numbered target with more different values is a quantity, not classes
MOST_NUMBER_CLASSES: Final = 20
_TARGETS: Final = ("target", "label", "labels", "class", "y", "outcome", "diagnosis", "species", "churn", "survived")
#: these columns are something else than the text they are read as
_MISREAD: Final = ("numbers_as_text", "dates_as_text", "mixed_types")
_ID_NAME: Final = re.compile(r"(^|[ _-])(id|key|uuid|guid|index|nr|no|number)$|^unnamed: 0$", re.IGNORECASE)


def likely_target(columns: Sequence[Mapping[str, Any]]) -> str | None:
    """The column that people most likely want to predict: one that is called so, else the last; None for a text."""
    for column in columns:
        if str(column["name"]).strip().lower() in _TARGETS:
            return str(column["name"])
    last = columns[-1]
    return str(last["name"]) if last["kind"] in ("number", "category", "boolean") else None


def find_problems(profile: Mapping[str, Any]) -> Json:
    """`findings`, the grave ones first; how many there are of each code; and those that are alike, grouped."""
    found = [
        *_of_table(profile),
        *(finding for column in profile["columns"] for finding in _of_column(column, profile)),
    ]
    found += _of_pairs(profile)
    counts = Counter(finding["code"] for finding in found)
    kept: list[Json] = []
    seen: Counter[str] = Counter()
    for finding in sorted(found, key=lambda one: one["severity"] != "warning"):
        seen[finding["code"]] += 1
        if seen[finding["code"]] <= MOST_OF_A_KIND:
            kept.append(finding)
    return {"findings": kept, "finding_counts": dict(counts), "finding_groups": group_findings(found, kept)}


def _finding(code: str, severity: str, column: str | None, message: str, remedy: str) -> Json:
    return {"code": code, "severity": severity, "column": column, "message": message, "remedy": remedy}


def _of_table(profile: Mapping[str, Any]) -> Iterator[Json]:
    rows, duplicates = profile["rows"], profile["duplicate_rows"]
    if duplicates:
        yield _finding(
            "duplicate_rows",
            "warning",
            None,
            f"{duplicates:,} of {rows:,} rows repeat an earlier row",
            "Remove them: a row that lies in the training and in the test part makes a model look better than it is.",
        )
    if rows < FEW_ROWS:
        yield _finding(
            "few_rows",
            "info",
            None,
            f"{rows:,} rows are few to learn from",
            "Collect more rows, add slightly changed copies of the training rows (augmentation), "
            "or choose a simple model and cross-validation.",
        )
    target = next((column for column in profile["columns"] if column["name"] == profile["target"]), None)
    if target is not None:
        yield from _imbalance(target)


def _imbalance(target: Mapping[str, Any]) -> Iterator[Json]:
    top: list[Json] = target.get("top") or []
    if target["kind"] == "number" and target["dtype"] == "integer" and target["distinct"] <= MOST_NUMBER_CLASSES:
        histogram: Json = target.get("histogram") or {"edges": [], "counts": []}
        bins = zip(histogram["edges"], histogram["counts"], strict=False)  # the last edge has no bin
        counts = [(str(round(edge + 0.5)), count) for edge, count in bins if count]
        if len(counts) != target["distinct"]:
            return
        top = [{"value": value, "count": count} for value, count in sorted(counts, key=lambda pair: -pair[1])]
    elif target["kind"] == "number" or target["distinct"] != len(top):
        return
    if len(top) < 2 or top[0]["count"] < IMBALANCE * top[-1]["count"]:
        return
    large, small = top[0], top[-1]
    yield _finding(
        "class_imbalance",
        "warning",
        target["name"],
        f"class {large['value']!r} of {target['name']!r} has {large['count']:,} rows and class {small['value']!r} "
        f"only {small['count']:,}",
        "Judge the model by F1 or ROC AUC, not by accuracy; weight the classes, or collect more rows of the small one.",
    )


def _of_column(column: Mapping[str, Any], profile: Mapping[str, Any]) -> Iterator[Json]:
    name, missing, rows = column["name"], column["missing"], profile["rows"]
    if missing >= rows:
        yield _finding(
            "empty_column", "warning", name, f"{name!r} is empty in every row", "Leave the column out, or fill it."
        )
        return
    if column["distinct"] == 1:
        yield _finding(
            "constant_column",
            "warning",
            name,
            f"{name!r} has the same value in every row that has one",
            "Leave the column out: nothing can be learned from it.",
        )
    if missing > MISSING_SHARE * rows:
        yield _finding(
            "many_missing",
            "warning",
            name,
            f"{name!r} is missing in {missing:,} of {rows:,} rows ({missing / rows:.0%})",
            "Find out why. Fill it (median, most frequent value), add a column that tells of it, or leave it out.",
        )
    if column["kind"] == "number":
        yield from _of_numbers(column, profile)
    is_misread = False
    for finding in _of_text(column) if "looks" in column else ():
        is_misread = is_misread or finding["code"] in _MISREAD
        yield finding
    if not is_misread and _is_identifier(column, rows):
        yield _finding(
            "identifier",
            "info",
            name,
            f"{name!r} has {column['distinct']:,} different values in {rows - missing:,} rows: an identifier, it seems",
            "Leave it out of the features: a model learns it by heart and knows nothing about new rows.",
        )


def _is_identifier(column: Mapping[str, Any], rows: int) -> bool:
    filled = rows - column["missing"]
    if filled < 20 or column["distinct"] < 0.98 * filled:
        return False
    if column["kind"] in ("text", "category"):
        length: Json = column["length"]
        return length["maximum"] <= 64
    if column["kind"] != "number" or column["dtype"] != "integer" or column["minimum"] is None:
        return False
    is_dense = column["maximum"] - column["minimum"] + 1 <= 1.1 * filled
    return is_dense or bool(_ID_NAME.search(column["name"].strip()))


def _of_numbers(column: Mapping[str, Any], profile: Mapping[str, Any]) -> Iterator[Json]:
    name, measured = column["name"], profile["measured_rows"]
    if column["infinite"]:
        yield _finding(
            "infinite_values",
            "warning",
            name,
            f"{name!r} is infinite in {column['infinite']:,} rows",
            "Replace these values or leave the rows out; the statistics here are of the finite ones.",
        )
    if column.get("minimum") is not None and max(abs(column["minimum"]), abs(column["maximum"])) >= 2**53:
        yield _finding(
            "large_numbers",
            "info",
            name,
            f"{name!r} holds numbers beyond 9,007,199,254,740,992, which are read with 15 to 17 digits only",
            "If they are identifiers, store them as text; if they are quantities, choose a larger unit.",
        )
    if column["outliers"] > OUTLIER_SHARE * max(1, measured - column["missing"]) and column["distinct"] > 2:
        yield _finding(
            "outliers",
            "info",
            name,
            f"{column['outliers']:,} values of {name!r} lie more than 1.5 interquartile ranges outside the quartiles "
            f"({_number(column['q1'])} to {_number(column['q3'])})",
            "Look at them in Visualize (box). Correct what is wrong; else use logarithms, or a model of trees.",
        )


def _of_text(column: Mapping[str, Any]) -> Iterator[Json]:
    name, looks = column["name"], column["looks"]
    filled = max(1, looks["filled"])
    variants: list[list[str]] = column.get("variants") or []
    if variants:
        listed = "; ".join(" and ".join(repr(value) for value in group) for group in variants)
        yield _finding(
            "inconsistent_values",
            "warning",
            name,
            f"{name!r} writes the same value in different ways: {listed}",
            "Write each value one way (trim blanks, one letter case); to a model these are different categories.",
        )
    elif looks["blanks"]:
        yield _finding(
            "surrounding_blanks",
            "info",
            name,
            f"{looks['blanks']:,} values of {name!r} begin or end with a blank",
            "Trim them, so that the same value is always written the same.",
        )
    if column["kind"] in ("boolean", "datetime"):
        return
    if looks["codes"]:
        return  # numbers with leading zeros are codes, rightly text
    if looks["numbers"] >= filled:
        yield _finding(
            "numbers_as_text",
            "warning",
            name,
            f"{name!r} holds numbers that are stored as text",
            "Convert the column to a number type and upload the file again.",
        )
    elif looks["numbers"] >= SOME * filled:
        yield _finding(
            "mixed_types",
            "warning",
            name,
            f"{looks['numbers']:,} of {filled:,} values of {name!r} are numbers and the others are not",
            "Leave the cell empty where a number is unknown, or split the column in two.",
        )
    elif looks["dates"] + looks["written_dates"] >= MOSTLY * filled:
        yield _finding(
            "dates_as_text",
            "warning",
            name,
            f"{name!r} holds dates that are read as text",
            "Write them year first (2026-12-31), so that they are read as dates.",
        )
    elif looks["decorated"] >= MOSTLY * filled:
        yield _finding(
            "numbers_as_text",
            "warning",
            name,
            f"{name!r} holds numbers with signs around or inside them and is read as text",
            "Write plain numbers: a point before decimals, no thousands separators, no currency or per cent sign.",
        )


def _of_pairs(profile: Mapping[str, Any]) -> Iterator[Json]:
    correlations = profile.get("correlations")
    if not correlations:
        return
    names: list[str] = correlations["columns"]
    for row, name in enumerate(names):
        for column in range(row):
            r = correlations["pearson"][row][column]
            if r is not None and abs(r) > CORRELATED:
                is_target = profile["target"] in (name, names[column])
                pair = _finding(
                    "high_correlation",
                    "info",
                    name,
                    f"{name!r} and {names[column]!r} go together almost exactly (Pearson's r = {r:.3f})",
                    "One of them is the target: check that the other is known before the prediction is made."
                    if is_target
                    else "Leave one of them out: it adds little, and makes the weights of linear models hard to read.",
                )
                yield pair | {"other_column": names[column]}


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:,.6g}"
