"""The whole platform over PostgreSQL: the main job, and a kill in the middle of it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from orrery.testing.platform import RunningPlatform, create_dataset, wait_settled

ROWS = "".join(f"{i % 7},{i % 5},{'yes' if (i % 7) > 3 else 'no'}\n" for i in range(200))
CSV = f"width,height,species\n{ROWS}".encode()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_the_main_job_survives_a_kill_on_postgresql(database_url: str) -> None:
    home = Path(tempfile.mkdtemp(prefix="orr-"))
    with (
        RunningPlatform(home, environment={"ORRERY_DATABASE_URL": database_url}) as platform,
        platform.client("alice") as alice,
    ):
        platform.port = int(platform.url.rpartition(":")[2])
        create_dataset(alice, "petals", CSV)
        spec = {
            "algorithm": "logistic-regression",
            "datasets": {"train": "petals"},
            "parameters": {"target": "species"},
        }
        assert alice.post("trainings", json={"name": "petal", "spec": spec}).status_code == 201
        platform.kill()
        platform.start()
        training = wait_settled(alice, "trainings", "petal")
        assert training["status"]["phase"] == "COMPLETE", training["status"]
        assert wait_settled(alice, "models", "petal")["status"]["phase"] == "ACTIVE"
        deployments = [{"model": "petal", "replicas": 2}]
        assert alice.post("endpoints", json={"name": "petal", "spec": {"deployments": deployments}}).status_code == 201
        endpoint = wait_settled(alice, "endpoints", "petal")
        assert endpoint["status"]["phase"] == "ACTIVE", endpoint["status"]
        answer = alice.post(
            f"{platform.url}/endpoints/alice/petal/v1/models/petal:predict", json={"instances": [[6, 1]]}
        )
        assert answer.json() == {"predictions": ["yes"]}
        assert not (home / "orrery.db").exists()
    shutil.rmtree(home, ignore_errors=True)
