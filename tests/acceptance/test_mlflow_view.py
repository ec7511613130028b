"""MLflow shows what the platform did: a training as a run, a model as a registered version; each user their own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orrery.testing.platform import RunningPlatform, create_dataset, wait_settled

ROWS = "".join(f"{i % 7},{i % 5},{'yes' if (i % 7) > 3 else 'no'}\n" for i in range(200))
CSV = f"width,height,species\n{ROWS}".encode()
#: in a process of its own: MLflow's client is heavy, and settings of the caller's would leak
CLIENT = """
import json, sys, mlflow
client = mlflow.MlflowClient()
experiment = client.get_experiment_by_name("petals")
found = {"experiment": experiment is not None}
if experiment is not None:
    (run,) = client.search_runs([experiment.experiment_id])
    found.update(
        name=run.info.run_name, status=run.info.status, metrics=run.data.metrics, params=run.data.params,
        artifacts=sorted(item.path for item in client.list_artifacts(run.info.run_id)),
    )
    (version,) = client.search_model_versions("name='petal'")
    model = mlflow.pyfunc.load_model(f"models:/petal/{version.version}")
    import pandas
    rows = pandas.DataFrame({"width": [6.0, 1.0], "height": [1.0, 1.0]})
    found["prediction"] = list(model.predict(rows)["prediction"])
print(json.dumps(found, default=str))
"""


@pytest.fixture
def platform() -> Iterator[RunningPlatform]:
    home = Path(tempfile.mkdtemp(prefix="orr-"))
    with RunningPlatform(home) as running:
        yield running
    shutil.rmtree(home, ignore_errors=True)


def ask_mlflow(platform: RunningPlatform, user: str, folder: Path) -> dict[str, Any]:
    with platform.client(user) as client:
        token = client.headers["authorization"].removeprefix("Bearer ")
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "MLFLOW_TRACKING_URI": f"{platform.url}/mlflow",
        "MLFLOW_TRACKING_TOKEN": token,
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CLIENT],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


def test_a_training_and_its_model_are_in_mlflow_for_their_owner_alone(
    platform: RunningPlatform, tmp_path: Path
) -> None:
    with platform.client("alice") as alice:
        create_dataset(alice, "petals", CSV)
        assert alice.post("experiments", json={"name": "petals"}).status_code == 201
        spec = {
            "algorithm": "logistic-regression",
            "datasets": {"train": "petals"},
            "parameters": {"target": "species"},
            "experiment": "petals",
            "model_name": "petal",
        }
        assert alice.post("trainings", json={"name": "first", "spec": spec}).status_code == 201
        training = wait_settled(alice, "trainings", "first")
        assert training["status"]["phase"] == "COMPLETE", training["status"]
    seen = ask_mlflow(platform, "alice", tmp_path)
    assert (seen["name"], seen["status"]) == ("first", "FINISHED")
    assert seen["metrics"]["roc_auc"] == pytest.approx(training["status"]["outputs"]["metrics"]["roc_auc"])
    assert seen["params"]["target"] == "species"
    assert "output.ipynb" in seen["artifacts"]
    assert seen["prediction"] == ["yes", "no"]
    assert ask_mlflow(platform, "bob", tmp_path) == {"experiment": False}
