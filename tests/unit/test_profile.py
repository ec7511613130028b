"""A table's profile against pandas' own numbers, and tables that break careless statistics."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import skew as scipy_skew
from scipy.stats.contingency import association
from sklearn import datasets as sklearn_datasets

from orrery.jobs.inspect_dataset import inspect_files
from orrery.jobs.tabular import profile as profiles
from orrery.jobs.tabular.sources import data_file

LOAD_TABLE = profiles.load_table
LOADERS = ("breast_cancer", "wine", "diabetes", "iris")


def profile(path: Path) -> dict[str, Any]:
    """As the job leaves it: strict JSON."""
    target = path.parent / "profile.json"
    inspect_files([data_file(path, path.name, None, None)], target)
    found: dict[str, Any] = json.loads(target.read_text(), parse_constant=pytest.fail)
    return found


def of_frame(frame: pd.DataFrame, folder: Path, name: str = "table.csv") -> dict[str, Any]:
    path = folder / name
    if name.endswith(".parquet"):
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False)
    return profile(path)


def columns_of(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {column["name"]: column for column in found["columns"]}


def codes_of(found: dict[str, Any]) -> set[tuple[str, str | None]]:
    return {(finding["code"], finding["column"]) for finding in found["findings"]}


@pytest.mark.parametrize("name", LOADERS)
def test_statistics_and_correlations_are_those_of_pandas(name: str, tmp_path: Path) -> None:
    loaded: Any = getattr(sklearn_datasets, f"load_{name}")(as_frame=True)
    frame: pd.DataFrame = loaded.frame
    found = of_frame(frame, tmp_path)
    assert (found["rows"], found["measured_rows"]) == (len(frame), len(frame))
    assert found["duplicate_rows"] == int(frame.duplicated().sum())
    for column, described in columns_of(found).items():
        values = frame[column]
        expected = {
            "mean": values.mean(),
            "std": values.std(),
            "minimum": values.min(),
            "q1": values.quantile(0.25),
            "median": values.median(),
            "q3": values.quantile(0.75),
            "maximum": values.max(),
            "skewness": scipy_skew(values, bias=False) if values.nunique() > 1 else 0.0,
        }
        assert {key: described[key] for key in expected} == pytest.approx(expected, rel=1e-9, abs=1e-12)
        assert described["distinct"] == values.nunique()
        assert described["zeros"] == int((values == 0).sum())
        assert sum(described["histogram"]["counts"]) == len(frame)
    correlations = found["correlations"]
    for method in ("pearson", "spearman"):
        expected: Any = frame[correlations["columns"]].corr(method=method)  # pyright: ignore[reportCallIssue]
        assert np.array(correlations[method], dtype=float) == pytest.approx(expected.to_numpy(), abs=6e-5)


def test_pearson_leaves_out_what_is_missing_pair_by_pair(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    frame = pd.DataFrame({name: generator.normal(1e6, 1, 300) for name in "abcd"})
    frame["b"] += frame["a"]
    frame = frame.mask(generator.random(frame.shape) < 0.2)
    found = of_frame(frame, tmp_path, "table.parquet")
    assert np.array(found["correlations"]["pearson"]) == pytest.approx(frame.corr().to_numpy(), abs=6e-5)
    assert columns_of(found)["a"]["missing"] == int(frame["a"].isna().sum())


def test_cramers_v_is_that_of_scipy(tmp_path: Path) -> None:
    generator = np.random.default_rng(2)
    first = generator.integers(0, 4, 500)
    second = np.where(generator.random(500) < 0.7, first, generator.integers(0, 3, 500))
    frame = pd.DataFrame({"a": [f"a'{value}" for value in first], "b": [f"b{value}" for value in second]})
    found = of_frame(frame, tmp_path)["associations"]
    assert found["columns"] == ["a", "b"]
    assert found["cramers_v"][0][1] == pytest.approx(association(pd.crosstab(first, second), "cramer"), abs=6e-5)


def test_bad_habits_are_found_with_the_column_and_a_remedy(tmp_path: Path) -> None:
    rows = 600
    frame = pd.DataFrame(
        {
            "id": range(1000, 1000 + rows),
            "constant": ["x"] * rows,
            "answer": ["Maybe", "maybe ", "never", "often"] * (rows // 4),
            "mixed": ["12", "unknown", "7.5"] * (rows // 3),
            "price": [f"€ 1,{place:03}.50" for place in range(rows)],
            "born": [f"{place % 28 + 1:02}.03.19{place % 90 + 10}" for place in range(rows)],
            "gap": [None if place % 3 else place * 53 % 17 * 0.5 for place in range(rows)],
            "empty": [None] * rows,
            "zip": [f"0{place % 50:04}" for place in range(rows)],
            "wild": [1000.0 if place % 10 == 0 else place % 7 + 0.25 for place in range(rows)],
            "size": [(place * 37) % 101 * 1.5 for place in range(rows)],
            "twice": [(place * 37) % 101 * 3.0 + (place % 2) * 0.01 for place in range(rows)],
            "label": ["yes" if place % 20 == 0 else "no" for place in range(rows)],
        }
    )
    found = of_frame(pd.concat([frame, frame.head(5)]), tmp_path)
    assert found["duplicate_rows"] == 5
    assert codes_of(found) == {
        ("duplicate_rows", None),
        ("constant_column", "constant"),
        ("inconsistent_values", "answer"),
        ("mixed_types", "mixed"),
        ("numbers_as_text", "price"),
        ("dates_as_text", "born"),
        ("many_missing", "gap"),
        ("empty_column", "empty"),
        ("outliers", "wild"),
        ("high_correlation", "twice"),
        ("identifier", "id"),
        ("class_imbalance", "label"),
    }
    assert all(finding["message"] and finding["remedy"] for finding in found["findings"])
    said = {finding["code"]: finding["message"] for finding in found["findings"]}
    assert said["inconsistent_values"] == "'answer' writes the same value in different ways: 'Maybe' and 'maybe '"
    assert said["class_imbalance"] == "class 'no' of 'label' has 574 rows and class 'yes' only 31"
    assert found["finding_counts"]["identifier"] == 1


def test_like_findings_are_one_line_that_counts_all_of_them(tmp_path: Path) -> None:
    rows = 700
    generator = np.random.default_rng(5)
    wild = {f"wild {place:02}": generator.normal(size=rows) ** 5 for place in range(24)}
    frame = pd.DataFrame({**wild, "same": ["x"] * rows, "empty": [None] * rows, "empty too": [None] * rows})
    found = of_frame(frame, tmp_path)
    groups = {group["code"]: group for group in found["finding_groups"]}
    assert groups["outliers"]["message"] == (
        "24 columns have many outliers: 'wild 00', 'wild 01', 'wild 02' and 21 more"
    )
    assert groups["outliers"]["count"] == 24 and len(groups["outliers"]["findings"]) == 20
    assert groups["empty_column"]["message"] == "2 columns are empty in every row: 'empty', 'empty too'"
    listed = found["findings"]
    assert groups["constant_column"]["message"] == listed[groups["constant_column"]["findings"][0]]["message"]
    assert sorted(place for group in groups.values() for place in group["findings"]) == list(range(len(listed)))
    assert [group["severity"] for group in found["finding_groups"]] == ["warning", "warning", "info"]


def test_pairs_with_the_target_are_a_group_of_their_own(tmp_path: Path) -> None:
    x = np.random.default_rng(6).normal(size=700)
    frame = pd.DataFrame({name: x * scale for scale, name in enumerate(("a", "b", "c", "target"), start=1)})
    messages = [group["message"] for group in of_frame(frame, tmp_path)["finding_groups"]]
    assert messages == [
        "3 pairs of columns go together almost exactly: 'b' with 'a', 'c' with 'a', 'c' with 'b'",
        "3 pairs of columns go together almost exactly: 'target' with 'a', 'target' with 'b', 'target' with 'c'",
    ]


def test_a_clean_table_has_no_findings(tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    frame = pd.DataFrame({"x": generator.normal(size=800), "y": generator.integers(0, 3, 800)})
    frame["kind"] = np.where(frame["y"] > 1, "large", "small")
    assert of_frame(frame, tmp_path)["findings"] == []


def test_numbers_that_a_typed_file_stores_as_text_are_found(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"amount": [str(place * 1.5) for place in range(600)], "y": [place % 2 for place in range(600)]}
    )
    assert ("numbers_as_text", "amount") in codes_of(of_frame(frame, tmp_path, "table.parquet"))


HOSTILE: dict[str, tuple[Callable[[], pd.DataFrame], Callable[[dict[str, Any]], bool]]] = {
    "one row": (
        lambda: pd.DataFrame({"a": [1.5], "b": ["x"]}),
        lambda found: columns_of(found)["a"]["std"] is None and found["correlations"] is None,
    ),
    "one column": (lambda: pd.DataFrame({"a": range(30)}), lambda found: found["correlations"] is None),
    "all missing": (
        lambda: pd.DataFrame({"a": [None] * 9, "b": [float("nan")] * 9, "c": range(9)}),
        lambda found: columns_of(found)["b"]["missing"] == 9 and ("empty_column", "b") in codes_of(found),
    ),
    "NaN and infinity": (
        lambda: pd.DataFrame({"a": [1.0, math.inf, -math.inf, math.nan, 3.0], "b": [1, 2, 3, 4, 5]}),
        lambda found: (columns_of(found)["a"]["mean"], columns_of(found)["a"]["infinite"]) == (2.0, 2),
    ),
    "huge integers": (
        lambda: pd.DataFrame({"a": [2**62 + place for place in range(40)], "b": range(40)}),
        lambda found: ("large_numbers", "a") in codes_of(found) and found["duplicate_rows"] == 0,
    ),
    "the ends of float64": (
        lambda: pd.DataFrame({"a": [1.7e308, -1.7e308, 5e-324], "b": [1.0, 2.0, 3.0]}),
        lambda found: columns_of(found)["a"]["histogram"] is None and columns_of(found)["a"]["std"] is None,
    ),
    "names that SQL minds": (
        lambda: pd.DataFrame({'a "b" ; --': [1, 2], "größe 📏": [3, 4], "row number": ["x'", "y"], "row_hash": [1, 1]}),
        lambda found: list(columns_of(found)) == ['a "b" ; --', "größe 📏", "row number", "row_hash"],
    ),
    "the same value everywhere": (
        lambda: pd.DataFrame({"a": [7] * 20, "b": ["x"] * 20}),
        lambda found: found["duplicate_rows"] == 19 and columns_of(found)["a"]["histogram"]["counts"] == [20],
    ),
    "dates of all kinds": (
        lambda: pd.DataFrame({"day": pd.date_range("1999-12-30", periods=40), "b": range(40)}),
        lambda found: columns_of(found)["day"]["minimum"] == "1999-12-30T00:00:00",
    ),
}


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_tables_are_measured(name: str, suffix: str, tmp_path: Path) -> None:
    make, is_right = HOSTILE[name]
    frame = make()
    found = of_frame(frame, tmp_path, f"table.{suffix}")
    assert found["rows"] == len(frame)
    assert len(found["sample"]["values"]) == len(frame.columns)
    assert is_right(found)


def test_a_wide_table_is_sampled_by_fewer_rows(tmp_path: Path) -> None:
    columns = 600
    frame = pd.DataFrame(np.random.default_rng(4).normal(size=(300, columns)).round(3))
    frame.columns = [f"w{place}" for place in range(columns)]
    found = of_frame(frame, tmp_path)
    assert found["sample"]["rows"] == profiles.SAMPLE_CELLS // columns
    assert (len(found["correlations"]["columns"]), found["correlations"]["left_out"]) == (60, columns - 60)
    assert found["columns"][599]["mean"] == pytest.approx(frame["w599"].mean())


def test_a_large_table_is_measured_in_part_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles, "MEASURED_CELLS", 20_000)
    frame = pd.DataFrame({"a": np.random.default_rng(5).normal(10, 1, 40_000), "b": np.arange(40_000) % 5})
    found = of_frame(frame, tmp_path)
    assert found["rows"] == 40_000
    assert found["measured_rows"] == pytest.approx(10_000, rel=0.1)
    assert found["duplicate_rows"] is None
    assert columns_of(found)["a"]["mean"] == pytest.approx(10, abs=0.05)
    assert (found["sample"]["rows"], found["sample"]["of"]) == (5000, 40_000)


def test_a_table_that_can_be_read_but_not_profiled_is_read_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profiles, "load_table", _load_into_no_memory)
    path = tmp_path / "table.csv"
    pd.DataFrame({"a": range(50_000)}).to_csv(path, index=False)
    found = inspect_files([data_file(path, path.name, None, None)], tmp_path / "profile.json")
    assert found["rows"] == 50_000
    assert "no profile could be made" in found["warnings"][0]
    assert not (tmp_path / "profile.json").exists()


def _load_into_no_memory(reader: Any, sources: Any, infos: Any) -> Any:
    reader.rows("SET memory_limit = '1KB'")  # refused at once where more than that is in use
    return LOAD_TABLE(reader, sources, infos)


def test_the_sample_is_random_and_always_the_same(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": range(20_000), "t": [f"name {place} " + "x" * 80 for place in range(20_000)]})
    first, second = of_frame(frame, tmp_path)["sample"], of_frame(frame, tmp_path)["sample"]
    assert first == second
    assert first["rows"] == 5000
    assert np.mean(first["values"][0]) == pytest.approx(10_000, rel=0.05)
    assert max(map(len, first["values"][1])) == 61
