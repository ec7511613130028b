"""The conformance suite of algorithm notebooks: whoever writes one inherits it and names the notebook.

    class TestForest(AlgorithmConformance):
        notebook = Path("forest.ipynb")
        tasks = ("binary_classification",)

The notebook runs as a real job, once for each task, on a small dataset with missing values, categories, an identifier
and a text target. What is asserted is what the platform, the forms and the endpoints rely on.
"""

from __future__ import annotations

import csv
import json
import os
import random
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from orrery.jobs.declaration import AlgorithmDeclaration, read_algorithm
from orrery.jobs.parameters import UNKNOWN_DEFAULT, validate
from orrery.serving.package import Column, read_metadata
from orrery.serving.runtimes import load

TARGETS = {
    "binary_classification": ("outcome", ("lost", "won")),
    "multiclass_classification": ("outcome", ("draw", "lost", "won")),
    "regression": ("score", None),
}


@dataclass(frozen=True)
class FinishedJob:
    """A job that has ended, and what it left."""

    folder: Path
    code: int
    log: str

    @cached_property
    def reports(self) -> list[dict[str, Any]]:
        path = self.folder / "reports.jsonl"
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [report for report in self.reports if report["type"] == kind]

    @property
    def work(self) -> Path:
        return self.folder / "work"

    @property
    def result(self) -> dict[str, Any]:
        assert self.of("result"), self.log
        return self.of("result")[-1]["values"]

    @property
    def error(self) -> dict[str, Any]:
        assert self.of("error"), self.log
        return self.of("error")[-1]


def run_job(
    folder: Path, program: Mapping[str, Any], environment: Mapping[str, str] | None = None, timeout_seconds: float = 240
) -> FinishedJob:
    """Run a job as the executor would, without one. Files that it needs lie in `folder/work` already."""
    (folder / "work").mkdir(parents=True, exist_ok=True)
    job = {"id": folder.name, "program": dict(program), "environment": dict(environment or {})}
    (folder / "job.json").write_text(json.dumps(job), "utf-8")
    own = {key: value for key, value in os.environ.items() if not key.startswith(("ORRERY_", "EM_"))}
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "orrery.jobs.run", str(folder)],
        env=own,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout_seconds,
        check=False,
    )
    return FinishedJob(folder, ended.returncode, ended.stdout)


def train(
    notebook: Path, folder: Path, datasets: Mapping[str, Sequence[Path]], parameters: Mapping[str, Any]
) -> FinishedJob:
    """Run an algorithm's notebook on copies of files: {"train": [...], "validation": [...]}."""
    work = folder / "work"
    environment = {"EM_MODEL_DIR": str(work / "model")}
    for name, files in datasets.items():
        target = work / "datasets" / name
        target.mkdir(parents=True)
        for file in files:
            (target / file.name).write_bytes(file.read_bytes())
        environment[f"EM_DATASET_{name.upper()}"] = str(target)
    (work / "input.ipynb").write_bytes(notebook.read_bytes())
    return run_job(folder, {"type": "notebook", "parameters": dict(parameters)}, environment)


def write_dataset(path: Path, task: str, rows: int = 240, seed: int = 3) -> str:
    """A learnable table with all that a real one has; returns the target's name."""
    chance = random.Random(seed)
    target, classes = TARGETS[task]
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["player id", "age", "height, cm", "club", "is captain", "constant", target])
        for row in range(rows):
            age, height, club = chance.gauss(25, 5), chance.gauss(180, 9), chance.choice("ABCD")
            value = (age - 25) / 5 + ("ABCD".index(club) - 1.5) + chance.gauss(0, 0.5)
            shown = f"{value:.4f}" if classes is None else _class_of(value, classes)
            out.writerow(
                [
                    f"p-{row:05d}",
                    "" if chance.random() < 0.08 else f"{age:.2f}",
                    f"{height:.1f}",
                    "" if chance.random() < 0.05 else f"FC {club}",
                    chance.choice(["yes", "no"]),
                    7,
                    shown,
                ]
            )
    return target


def _class_of(value: float, classes: Sequence[str]) -> str:
    if len(classes) == 2:
        return classes[int(value > 0)]
    return classes[0] if abs(value) < 0.5 else classes[1 + int(value > 0)]


def columns_of(path: Path, inputs: Sequence[Column]) -> dict[str, Any]:
    """A CSV's rows as the arrays that a runtime takes."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    columns: dict[str, Any] = {}
    for column in inputs:
        values = [row[column.name] for row in rows]
        if column.kind == "category":
            array = np.empty(len(values), dtype=object)
            array[:] = [value or None for value in values]
        else:
            words = {"": "nan", "yes": "1", "no": "0", "true": "1", "false": "0"}
            array = np.array([float(words.get(value, value)) for value in values])
        columns[column.name] = array
    return columns


class AlgorithmConformance:
    """Inherit, set `notebook` and `tasks`, and pytest runs the suite."""

    notebook: ClassVar[Path]
    tasks: ClassVar[tuple[str, ...]]
    #: parameters that make it quick
    quick: ClassVar[Mapping[str, Any]] = {}

    @pytest.fixture(scope="class")
    @classmethod
    def declaration(cls) -> AlgorithmDeclaration:
        return read_algorithm(cls.notebook)

    @pytest.fixture(scope="class")
    @classmethod
    def trained(cls, tmp_path_factory: pytest.TempPathFactory) -> dict[str, FinishedJob]:
        """One finished training for each task."""
        jobs: dict[str, FinishedJob] = {}
        for task in cls.tasks:
            folder = tmp_path_factory.mktemp(task)
            target = write_dataset(folder / "data.csv", task)
            job = train(cls.notebook, folder / "job", {"train": [folder / "data.csv"]}, {"target": target, **cls.quick})
            assert job.code == 0, job.log
            jobs[task] = job
        return jobs

    def test_the_notebook_says_what_it_is(self, declaration: AlgorithmDeclaration) -> None:
        assert declaration.title and declaration.description and declaration.scenario and declaration.task
        assert any(dataset.name == "train" and dataset.required for dataset in declaration.datasets)
        assert declaration.metrics

    def test_every_parameter_has_a_type_a_default_and_a_help_text(self, declaration: AlgorithmDeclaration) -> None:
        for name, schema in declaration.parameters["properties"].items():
            assert schema.get("description"), f"parameter {name!r} has no help text"
            assert "type" in schema or "anyOf" in schema or "enum" in schema, f"parameter {name!r} has no type"
            assert UNKNOWN_DEFAULT not in schema, f"the default of {name!r} is no literal"

    def test_the_defaults_are_within_their_own_bounds(self, declaration: AlgorithmDeclaration) -> None:
        properties = declaration.parameters["properties"]
        defaults = {name: schema["default"] for name, schema in properties.items() if "default" in schema}
        assert validate(declaration.parameters, defaults) == defaults

    def test_progress_only_grows_and_ends_at_one(self, trained: dict[str, FinishedJob]) -> None:
        for job in trained.values():
            fractions = [report["fraction"] for report in job.of("progress")]
            assert fractions == sorted(fractions)
            assert fractions[-1] == 1.0
            assert len(fractions) >= 4

    def test_metrics_come_while_it_trains(self, trained: dict[str, FinishedJob]) -> None:
        for job in trained.values():
            steps = [report["step"] for report in job.of("metrics") if "validation" in "".join(report["values"])]
            assert len(steps) >= 2
            assert steps == sorted(steps)

    def test_the_result_holds_the_declared_metrics_of_its_task(
        self, declaration: AlgorithmDeclaration, trained: dict[str, FinishedJob]
    ) -> None:
        declared = {metric.name for metric in declaration.metrics}
        for task, job in trained.items():
            named = declared & set(job.result)
            assert named, f"{task}: the result {sorted(job.result)} has none of the declared {sorted(declared)}"
            assert all(isinstance(job.result[name], float) for name in named)

    def test_parameters_and_plots_are_reported(self, trained: dict[str, FinishedJob]) -> None:
        for job in trained.values():
            assert job.of("params")
            assert job.of("artifact")
            for artifact in job.of("artifact"):
                assert (job.work / artifact["path"]).stat().st_size > 0

    def test_the_executed_notebook_is_whole_and_shows_plots(self, trained: dict[str, FinishedJob]) -> None:
        for job in trained.values():
            notebook = json.loads((job.work / "output.ipynb").read_text("utf-8"))
            code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
            assert all(cell["execution_count"] for cell in code if "".join(cell["source"]).strip())
            shown = [kind for cell in code for output in cell["outputs"] for kind in output.get("data", {})]
            assert "image/png" in shown and "text/html" in shown

    def test_the_package_describes_its_inputs_and_answers_its_own_example(
        self, trained: dict[str, FinishedJob]
    ) -> None:
        for task, job in trained.items():
            metadata = read_metadata(job.work / "model")
            assert metadata.task == task
            assert (metadata.classes is None) == (task == "regression")
            assert metadata.example is not None
            rows = metadata.example["instances"]
            assert isinstance(rows, list) and set(rows[0]) == {column.name for column in metadata.inputs}  # pyright: ignore[reportUnknownArgumentType]

    def test_the_package_holds_nothing_that_would_be_executed(self, trained: dict[str, FinishedJob]) -> None:
        for job in trained.values():
            endings = {path.suffix for path in (job.work / "model").rglob("*") if path.is_file()}
            assert not endings & {".pkl", ".pickle", ".joblib", ".py", ".pt"}

    def test_the_loaded_model_predicts_and_explains_every_row(self, trained: dict[str, FinishedJob]) -> None:
        for task, job in trained.items():
            runtime = load(job.work / "model")
            columns = columns_of(job.work / "datasets" / "train" / "data.csv", runtime.metadata.inputs)
            rows = len(next(iter(columns.values())))
            prediction = runtime.predict(columns)
            assert prediction.labels_or_values.shape == (rows,)
            if task == "regression":
                assert prediction.probabilities is None
                assert np.isfinite(prediction.labels_or_values).all()
            else:
                assert prediction.probabilities is not None
                assert np.allclose(prediction.probabilities.sum(axis=1), 1.0)
                assert set(prediction.labels_or_values.tolist()) <= set(runtime.metadata.classes or ())
            explanation = runtime.explain(columns)
            assert explanation.contributions.shape[0] == rows
            assert explanation.contributions.shape[-1] == len(runtime.metadata.inputs)

    def test_one_row_at_a_time_answers_as_all_rows_at_once(self, trained: dict[str, FinishedJob]) -> None:
        for job in trained.values():
            runtime = load(job.work / "model")
            columns = columns_of(job.work / "datasets" / "train" / "data.csv", runtime.metadata.inputs)
            whole = runtime.predict(columns)
            for row in range(0, 40, 7):
                single = runtime.predict({name: values[row : row + 1] for name, values in columns.items()})
                if whole.probabilities is None or single.probabilities is None:
                    assert single.labels_or_values[0] == pytest.approx(whole.labels_or_values[row], rel=1e-12)
                else:
                    assert single.labels_or_values[0] == whole.labels_or_values[row]
                    assert np.allclose(single.probabilities[0], whole.probabilities[row], rtol=1e-12)

    def test_bad_data_is_refused_in_words(self, tmp_path: Path) -> None:
        target = write_dataset(tmp_path / "data.csv", self.tasks[0], rows=60)
        job = train(self.notebook, tmp_path / "job", {"train": [tmp_path / "data.csv"]}, {"target": target[:-1] + "_"})
        assert job.code == 1
        assert job.error["code"] == "bad_data"
        assert f"did you mean {target!r}" in job.error["message"]
