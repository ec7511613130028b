"""What the platform adds to a training: against plain `papermill` of the same notebook, data and parameters.

Two promises: from the POST to the first cell at most a quarter of what papermill's command line takes to get there,
and in all at most 10 % + 1 s more than papermill. Cells carry the time they began at (papermill's own metadata).
"""

from __future__ import annotations

import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sklearn.datasets import load_breast_cancer

from orrery.notebooks import notebook_folders
from orrery.testing.platform import RunningPlatform, create_dataset, wait_settled

ROUNDS = 5


def write_table(path: Path) -> None:
    data = load_breast_cancer()
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*data.feature_names, "diagnosis"])
        for row, label in zip(data.data, data.target, strict=True):
            writer.writerow([*row, data.target_names[label]])


def first_cell_at(notebook: Any) -> float:
    """Seconds since 1970 at which the first code cell began."""
    starts = [
        cell["metadata"]["papermill"]["start_time"]
        for cell in notebook["cells"]
        if cell["cell_type"] == "code" and cell["metadata"].get("papermill", {}).get("start_time")
    ]
    moment = datetime.fromisoformat(min(starts))
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def run_papermill(notebook: Path, table: Path) -> tuple[float, float]:
    """(seconds to the first cell, seconds in all) of the command line."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("model", "output", "checkpoints", "train"):
            (folder / part).mkdir()
        (folder / "train" / table.name).write_bytes(table.read_bytes())
        listing = {"format": "csv", "files": [{"path": table.name, "purpose": None}]}
        (folder / "train" / "dataset.json").write_text(json.dumps(listing))
        environment = {
            **os.environ,
            "EM_DATASET_TRAIN": str(folder / "train"),
            "EM_DATASETS": json.dumps({"train": str(folder / "train")}),
            "EM_MODEL_DIR": str(folder / "model"),
            "EM_OUTPUT_DIR": str(folder / "output"),
            "OMP_WAIT_POLICY": "PASSIVE",
            "OMP_NUM_THREADS": "1",
        }
        command = [sys.executable, "-m", "papermill", str(notebook), "out.ipynb", "-p", "target", "diagnosis"]
        begin = time.time()
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
        end = time.time()
        return first_cell_at(json.loads((folder / "out.ipynb").read_bytes())) - begin, end - begin


def main() -> int:
    folder = Path(tempfile.mkdtemp(prefix="orr-bench-"))
    table = folder / "breast.csv"
    write_table(table)
    notebook = next(p for root in notebook_folders() for p in root.glob("algorithms/tabular/xgboost.ipynb"))
    first: list[tuple[float, float]] = []
    whole: list[tuple[float, float]] = []
    with RunningPlatform(folder / "home") as platform, platform.client("alice") as client:
        create_dataset(client, "breast", table.read_bytes())
        for number in range(ROUNDS):
            theirs = run_papermill(notebook, table)
            spec = {"algorithm": "xgboost", "datasets": {"train": "breast"}, "parameters": {"target": "diagnosis"}}
            begin = time.time()
            client.post("trainings", json={"name": f"b{number}", "spec": spec}).raise_for_status()
            training = wait_settled(client, "trainings", f"b{number}")
            end = time.time()
            assert training["status"]["phase"] == "COMPLETE", training["status"]
            ours = first_cell_at(client.get(f"trainings/b{number}/notebook").json()) - begin
            first.append((ours, theirs[0]))
            whole.append((end - begin, theirs[1]))
    medians = [statistics.median(values) for pairs in (first, whole) for values in zip(*pairs, strict=True)]
    result = {
        "rounds": ROUNDS,
        "to_first_cell_seconds": {"platform": round(medians[0], 3), "papermill": round(medians[1], 3)},
        "to_first_cell_ratio": round(medians[0] / medians[1], 3),
        "whole_training_seconds": {"platform": round(medians[2], 3), "papermill": round(medians[3], 3)},
        "whole_training_ratio": round(medians[2] / medians[3], 3),
    }
    print(json.dumps(result, indent=2))
    return 0 if medians[0] <= medians[1] / 4 and medians[2] <= medians[3] * 1.1 + 1 else 1


if __name__ == "__main__":
    sys.exit(main())
