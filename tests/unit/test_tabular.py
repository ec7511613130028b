"""Tables: encoder, metrics, splits and the two model families."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orrery.jobs.tabular.columns import ColumnInfo
from orrery.jobs.tabular.data import Data, Problem, define_problem, load
from orrery.jobs.tabular.measures import classification_metrics, regression_metrics
from orrery.jobs.tabular.problems import BadData
from orrery.jobs.tabular.splits import split
from orrery.serving.tabular.encoder import Encoder
from orrery.serving.tabular.models import LinearModel, to_probabilities

Array = np.ndarray[Any, np.dtype[Any]]
NAN = float("nan")


def words(*values: str | None) -> Array:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


COLUMNS = {
    "age": np.array([10.0, 20.0, NAN, 30.0]),
    "club": words("a", "b", "a", None),
    "captain": np.array([1.0, 0.0, 1.0, 1.0]),
    "same": np.array([3.0, 3.0, 3.0, 3.0]),
}
KINDS = {"age": "number", "club": "category", "captain": "boolean", "same": "number"}


def test_linear_features_are_filled_flagged_and_standardised() -> None:
    encoder = Encoder.fit(COLUMNS, KINDS, "linear")
    assert encoder.features == ["age", "age is missing", "club = a", "club = b", "captain"]
    assert encoder.owners.tolist() == [0, 0, 1, 1, 2]
    assert encoder.dropped == {"same": "the same value in every training row"}
    matrix = encoder.transform(COLUMNS)
    assert matrix[:, 1].tolist() == [0, 0, 1, 0]
    assert matrix[:, 2].tolist() == [1, 0, 1, 0]
    assert matrix[:, 0].mean() == pytest.approx(0)
    assert matrix[2, 0] == pytest.approx(0)


def test_tree_features_keep_what_is_missing() -> None:
    encoder = Encoder.fit(COLUMNS, KINDS, "tree")
    matrix = encoder.transform(COLUMNS)
    assert matrix.dtype == np.float32
    assert np.isnan(matrix[2, 0]) and matrix[0, 0] == 10


def test_unseen_and_missing_values_are_features_of_zero() -> None:
    encoder = Encoder.fit(COLUMNS, KINDS, "linear")
    row = {"age": np.array([NAN]), "club": words("never seen"), "captain": np.array([NAN]), "same": np.array([9.0])}
    matrix = encoder.transform(row)
    assert np.isfinite(matrix).all()
    assert matrix[0, 2:4].tolist() == [0, 0]


def test_many_categories_become_ranks_for_trees_and_share_a_feature_for_lines() -> None:
    many = {"c": words(*[f"v{place:03d}" for place in range(100)], "v000")}
    tree = Encoder.fit(many, {"c": "category"}, "tree")
    assert tree.features == ["c"]
    assert tree.transform({"c": words("v000", "unseen", None)})[:, 0].tolist()[0] == 0
    assert np.isnan(tree.transform({"c": words("unseen", None)})).all()
    line = Encoder.fit(many, {"c": "category"}, "linear")
    assert len(line.features) == 51
    assert line.transform({"c": words("unseen")})[0, -1] == 1
    assert line.transform({"c": words(None)})[0].sum() == 0


@pytest.mark.parametrize("mode", ["linear", "tree"])
def test_an_encoder_survives_json(mode: Any) -> None:
    encoder = Encoder.fit(COLUMNS, KINDS, mode)
    again = Encoder.from_json(json.loads(json.dumps(encoder.to_json(), allow_nan=False)))
    assert np.array_equal(encoder.transform(COLUMNS), again.transform(COLUMNS), equal_nan=True)
    assert again.features == encoder.features and again.dropped == encoder.dropped


def test_encoding_does_not_change_its_input() -> None:
    before = {name: values.copy() for name, values in COLUMNS.items()}
    Encoder.fit(COLUMNS, KINDS, "linear").transform(COLUMNS)
    for name, values in before.items():
        assert all(a == b or (a != a and b != b) for a, b in zip(values, COLUMNS[name], strict=True))


def test_probabilities_are_stable_far_out() -> None:
    assert to_probabilities(np.array([-1000.0, 0.0, 1000.0])).tolist() == [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]
    assert to_probabilities(np.array([[1000.0, 0.0, -1000.0]]))[0].tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize("classes", [2, 3])
def test_linear_contributions_add_up_to_the_score(classes: int, tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    shape = (4,) if classes == 2 else (classes, 4)
    model = LinearModel(chance.normal(size=shape), np.array(0.5) if classes == 2 else chance.normal(size=classes))
    model.save(tmp_path / "model.npz")
    features = chance.normal(size=(6, 4))
    by_feature, base = LinearModel.load(tmp_path / "model.npz").contributions(features)
    assert np.allclose(by_feature.sum(axis=-1) + base, model.scores(features))


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_metrics_are_scikit_learns(classes: int) -> None:
    from sklearn import metrics as sk

    chance = np.random.default_rng(classes)
    target = chance.integers(0, classes, 400)
    scores = np.round(chance.normal(size=(400, classes)) + np.eye(classes)[target], 1)  # with ties
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    found = classification_metrics(target, probabilities)
    guess = probabilities.argmax(axis=1)
    average = "binary" if classes == 2 else "macro"
    expected = {
        "accuracy": sk.accuracy_score(target, guess),
        "balanced_accuracy": sk.balanced_accuracy_score(target, guess),
        "log_loss": sk.log_loss(target, probabilities),
        "f1": sk.f1_score(target, guess, average=average),
    }
    if classes == 2:
        expected |= {
            "roc_auc": sk.roc_auc_score(target, probabilities[:, 1]),
            "average_precision": sk.average_precision_score(target, probabilities[:, 1]),
            "precision": sk.precision_score(target, guess),
            "recall": sk.recall_score(target, guess),
        }
    else:
        expected["roc_auc"] = sk.roc_auc_score(target, probabilities, multi_class="ovr")
    assert found == pytest.approx(expected)


def test_regression_metrics() -> None:
    assert regression_metrics(np.array([1.0, 3.0]), np.array([2.0, 2.0])) == {"rmse": 1.0, "mae": 1.0, "r2": 0.0}


def test_a_metric_that_cannot_be_computed_is_missing() -> None:
    found = classification_metrics(np.array([1, 1]), np.array([[0.2, 0.8], [0.4, 0.6]]))
    assert "roc_auc" not in found and found["accuracy"] == 1.0
    assert "r2" not in regression_metrics(np.array([1.0, 1.0]), np.array([1.0, 2.0]))


def made(rows: int, purposes: str | Array = "", classes: int = 2) -> tuple[Data, Problem]:
    target = np.arange(rows) % classes
    info = ColumnInfo("y", "category", "string", rows, 0, classes)
    labels = np.full(rows, purposes, dtype=object) if isinstance(purposes, str) else purposes
    data = Data((info,), {"x": np.arange(rows, dtype=float)}, info, words(*map(str, target)), labels, {})
    kind: Any = "binary_classification" if classes == 2 else "multiclass_classification"
    return data, Problem(kind, tuple(str(value) for value in range(classes)), target)


def sizes(data: Data, problem: Problem, test: float = 0.2, validation: float = 0.1, seed: int = 0) -> list[int]:
    parts = split(data, problem, test_fraction=test, validation_fraction=validation, seed=seed)
    seen = [set(part.columns["x"].tolist()) for part in (parts.training, parts.validation, parts.testing) if part]
    assert sum(map(len, seen)) == len(set().union(*seen)), "a row is in two parts"
    return [len(parts.training), len(parts.validation or ()), len(parts.testing)]


def test_rows_are_split_by_share_and_class() -> None:
    data, problem = made(100)
    assert sizes(data, problem) == [70, 10, 20]
    parts = split(data, problem, test_fraction=0.2, validation_fraction=0.1, seed=0)
    assert np.bincount(parts.testing.target).tolist() == [10, 10]


def test_the_seed_decides_the_split() -> None:
    data, problem = made(100)

    def testing(seed: int) -> list[float]:
        parts = split(data, problem, test_fraction=0.2, validation_fraction=0.1, seed=seed)
        return parts.testing.columns["x"].tolist()

    assert testing(1) == testing(1) != testing(2)


def test_without_validation_there_is_none() -> None:
    assert sizes(*made(100), validation=0.0) == [80, 0, 20]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"training": 60, "validation": 20, "testing": 20}, [60, 20, 20]),
        ({"training": 60, "testing": 40}, [54, 6, 40]),
        ({"training": 80, "validation": 20}, [80, 20, 20]),
        ({"": 80, "validation": 20}, [64, 20, 16]),
        ({"": 50, "training": 50}, [75, 5, 10]),
    ],
)
def test_labelled_rows_keep_their_purpose(given: dict[str, int], expected: list[int]) -> None:
    labels = words(*[purpose for purpose, count in given.items() for _ in range(count)])
    data, problem = made(len(labels), labels)
    parts = split(data, problem, test_fraction=0.2, validation_fraction=0.1, seed=0)
    assert len(parts.testing) == expected[2]
    if "testing" in given:
        assert len(parts.training) + len(parts.validation or ()) + len(parts.testing) == len(labels)


def test_a_class_without_training_rows_is_refused() -> None:
    labels = words(*["training", "testing"] * 10)
    data, problem = made(20, labels)
    with pytest.raises(BadData, match="class '1' of target 'y' has no training row"):
        split(data, problem, test_fraction=0.2, validation_fraction=0.1, seed=0)


def read(folder: Path, text: str, target: str = "y", task: str = "auto") -> Problem:
    (folder / "data.csv").write_text(text, "utf-8")
    return define_problem(load(target, folders={"train": folder}), task)


def test_text_and_few_whole_numbers_are_classes(tmp_path: Path) -> None:
    assert read(tmp_path, "x,y\n1,b\n2,a\n3,b\n4,a\n").classes == ("a", "b")
    assert read(tmp_path, "x,y\n1,2\n2,1\n3,2\n4,1\n").classes == (1, 2)
    assert read(tmp_path, "x,y\n1,yes\n2,no\n3,yes\n4,no\n").classes == ("no", "yes")


def test_other_numbers_are_quantities(tmp_path: Path) -> None:
    assert read(tmp_path, "x,y\n1,0.5\n2,1.5\n3,2.5\n").task == "regression"
    many = "".join(f"{row},{row}\n" for row in range(30))
    assert read(tmp_path, "x,y\n" + many).task == "regression"


def test_regression_on_words_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="regression needs numbers"):
        read(tmp_path, "x,y\n1,b\n2,a\n3,b\n4,a\n", task="regression")


def test_rows_without_a_target_are_left_out_and_told(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("x,y\n1,a\n2,\n3,b\n4,a\n")
    data = load("y", folders={"train": tmp_path})
    assert len(data) == 3
    assert data.notes == ("1 rows without a value of 'y' are left out",)


def test_which_column_was_taken_is_told_where_none_was_named(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("x,y\n1,a\n2,b\n3,b\n4,a\n")
    assert load("", folders={"train": tmp_path}).notes == ("no target was named: the last column, 'y', is predicted",)


def test_identifiers_and_dates_are_left_out_with_a_reason(tmp_path: Path) -> None:
    rows = "".join(f"id-{row},2026-01-{row % 28 + 1:02d},{row},{'ab'[row % 2]}\n" for row in range(60))
    (tmp_path / "data.csv").write_text("id,day,x,y\n" + rows)
    data = load("", folders={"train": tmp_path})
    assert list(data.columns) == ["x"]
    assert data.dropped == {"id": "text, not learned from", "day": "date or time, not learned from"}


def test_files_with_other_columns_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,a\n")
    (tmp_path / "b.csv").write_text("x,z\n1,a\n")
    with pytest.raises(BadData, match=r"file 'b\.csv' lacks column 'y' compared with 'a\.csv'"):
        load("y", folders={"train": tmp_path})
