"""The whole main job from Python: a table becomes a model behind an endpoint, also while the platform is killed."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import orrery
from orrery.client import Dataset, RunStopped, Training, WaitTimeout
from orrery.client.discovery import Platform
from orrery.client.uploads import Planned, upload_file
from orrery.errors import InUse, Invalid, NameTaken, NotFound, Stale

from .conftest import BreastCancer, CommandLine

TUTORIALS = Path(__file__).parents[2] / "notebooks" / "tutorials"
#: deep trees that hardly learn anything take their time, each of them
ENDLESS = {
    "target": "diagnosis",
    "rounds": 10000,
    "early_stopping_rounds": 0,
    "max_depth": 10,
    "learning_rate": 0.001,
}


@pytest.fixture(scope="module")
def client(shell: CommandLine) -> Iterator[orrery.Client]:
    with orrery.Client(shell.url, shell.token) as made:
        yield made


@pytest.fixture(scope="module")
def dataset(client: orrery.Client, breast_cancer: BreastCancer) -> Dataset:
    return client.datasets.create(
        "sdk",
        {"train.csv": pd.read_csv(breast_cancer.train), "held-out.csv": breast_cancer.held_out},
        purposes={"held-out.csv": "testing"},
        publish=True,
    )


@pytest.fixture(scope="module")
def training(client: orrery.Client, dataset: Dataset) -> Training:
    return client.train("xgboost", name="sdk-1", dataset=dataset, target="diagnosis", wait=True, progress=False)


def test_a_dataset_that_was_waited_for_is_read_and_published(client: orrery.Client, dataset: Dataset) -> None:
    assert dataset.rows == 569
    assert "diagnosis" in dataset.columns
    assert dataset.latest_version == 1
    assert client.dataset_versions.get("sdk").version == 1


def test_a_training_tells_what_it_reached_and_keeps_what_it_wrote(training: Training, tmp_path: Path) -> None:
    assert training.status.state == "Completed"
    assert training.metrics["roc_auc"] >= 0.98
    history = training.metrics_history()
    losses = [point.value for point in history["training_log_loss"]]
    assert losses[-1] < losses[0]
    assert all(math.isfinite(loss) for loss in losses)
    assert any("diagnosis" in line for line in training.logs())
    assert {"output.ipynb", "model/orrery-model.json"} <= {file.path for file in training.files()}
    manifest = training.download("model/orrery-model.json", tmp_path)
    assert json.loads(manifest.read_text())["framework"] == "xgboost"
    assert training.download(to=tmp_path / "all.zip").read_bytes().startswith(b"PK")
    executed = training.notebook(to=tmp_path / "run.ipynb")
    assert (tmp_path / "run.ipynb").is_file()
    assert any(cell.get("outputs") for cell in executed["cells"])
    assert training.usage()["samples"]


def test_predictions_through_the_endpoint(
    client: orrery.Client, training: Training, breast_cancer: BreastCancer
) -> None:
    endpoint = client.deploy(training, endpoint="sdk", progress=False)
    assert endpoint.status.phase == "ACTIVE"
    frame = pd.DataFrame(breast_cancer.rows)
    predicted = client.predict("sdk", frame)
    assert predicted == endpoint.predict(breast_cancer.rows)
    right = sum(said == true for said, true in zip(predicted, breast_cancer.targets, strict=True))
    assert right / len(predicted) > 0.9
    with pytest.raises(Invalid, match="mean radius"):
        client.predict("sdk", [{**breast_cancer.rows[0], "mean radius": "wide"}])
    with pytest.raises(InUse) as caught:
        training.model.delete()
    dependents: Any = caught.value.details["dependents"]
    assert dependents[0]["name"] == "sdk"


def test_resources_can_be_listed_changed_copied_deleted_and_restored(client: orrery.Client) -> None:
    made = [client.experiments.create(f"sdk-{n}", tags=["sdk-list"], description=f"number {n}") for n in range(5)]
    listed = client.experiments.list(tag="sdk-list", page_size=2)
    assert [experiment.name for experiment in listed] == ["sdk-4", "sdk-3", "sdk-2", "sdk-1", "sdk-0"]
    assert len(list(client.experiments.list(tag="sdk-list", limit=3, page_size=2))) == 3
    first = made[0].wait(progress=False)
    first.update(description="changed", only_if_unchanged=True)
    assert client.experiments.get(first.id).description == "changed"
    stale = client.experiments.get(first.id)
    first.update(description="again")
    with pytest.raises(Stale):
        stale.update(description="lost", only_if_unchanged=True)
    with pytest.raises(NameTaken):
        client.experiments.create("sdk-0")
    first.delete()
    with pytest.raises(NotFound):
        client.experiments.get("sdk-0")
    assert client.experiments.restore("sdk-0") == first
    assert client.kind("experiment").get(f"{first.owner}/sdk-0") == first


def test_kinds_are_found_by_what_the_platform_declares(client: orrery.Client) -> None:
    assert client.kind("trn") is client.trainings
    with pytest.raises(NotFound, match="did you mean 'endpoint"):
        client.kind("endpiont")
    algorithm = client.algorithms.get("xgboost")
    assert "rounds" in algorithm.parameters_schema["properties"]
    assert client.whoami()["name"] == os.environ.get("USER", client.whoami()["name"])
    assert client.batch([{"method": "GET", "path": "/auth/whoami"}])[0]["status"] == 200


def test_a_wait_ends_at_its_timeout_and_when_somebody_stops_the_run(
    client: orrery.Client, shell: CommandLine, dataset: Dataset
) -> None:
    training = client.trainings.create("sdk-long", algorithm="xgboost", dataset=dataset, parameters=ENDLESS)
    with pytest.raises(WaitTimeout, match="goes on"):
        training.wait(timeout=0.5, progress=False)
    line = next(line for line in training.logs(follow=True) if line)
    assert line
    with orrery.Client(shell.url, shell.token) as other:
        stopping = threading.Timer(0.2, lambda: other.trainings.get("sdk-long").stop())
        stopping.start()
        with pytest.raises(RunStopped):
            training.wait(timeout=60, progress=False)
        stopping.join()
    again = training.copy("sdk-long-2")
    assert again.stop().wait(timeout=60, progress=False).status.state == "Cancelled"


def test_a_run_that_fails_tells_why_with_the_end_of_its_log(client: orrery.Client, dataset: Dataset) -> None:
    training = client.trainings.create(
        "sdk-slow", algorithm="xgboost", dataset=dataset, parameters=ENDLESS, max_seconds=5
    )
    with pytest.raises(orrery.RunFailed, match="maximum of 5 seconds") as caught:
        training.wait(timeout=90, progress=False)
    assert caught.value.details["phase"] == "FAIL_TRAIN"
    assert caught.value.log_tail.strip()
    assert caught.value.log_tail in str(caught.value)


def test_an_upload_of_several_pieces_and_an_empty_one_arrive_whole(client: orrery.Client) -> None:
    import hashlib

    content = os.urandom(1 << 20) * 17
    seen: list[int] = []
    stored = upload_file(client.transport, Planned("big.bin", content), lambda sent, _: seen.append(sent))
    assert stored == {"path": "big.bin", "oid": hashlib.sha256(content).hexdigest(), "size": 17 << 20}
    assert seen == [8 << 20, 16 << 20, 17 << 20]
    assert upload_file(client.transport, Planned("none", b""))["oid"] == hashlib.sha256(b"").hexdigest()


def test_waiting_uploading_and_following_survive_a_kill_of_the_platform(
    client: orrery.Client, shell: CommandLine, dataset: Dataset
) -> None:
    training = client.trainings.create(
        "sdk-killed", algorithm="xgboost", dataset=dataset, parameters={**ENDLESS, "rounds": 2000}
    )
    lines = training.logs(follow=True)
    next(lines)

    def kill_and_start() -> None:
        shell.kill()
        shell.start()

    restarting = threading.Thread(target=kill_and_start)
    restarting.start()
    try:
        content = os.urandom(1 << 20) * 20
        stored = upload_file(client.transport, Planned("through.bin", content))
        assert stored["size"] == len(content)
        training.wait(timeout=200, progress=False)
    finally:
        restarting.join()
    assert training.status.phase == "COMPLETE"
    assert "orrery-model.json" in list(lines)


def test_the_client_finds_the_running_platform_by_itself(shell: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORRERY_HOME", str(shell.home))
    monkeypatch.delenv("ORRERY_URL", raising=False)
    monkeypatch.delenv("ORRERY_TOKEN", raising=False)
    with orrery.Client() as client:
        assert client.transport.platform == Platform(shell.url, shell.token, shell.home / "run" / "platform.json")
        assert shell.token not in repr(client)
        assert client.whoami()["admin"]


@pytest.mark.parametrize(
    ("tutorial", "endpoint", "words"),
    [
        ("first-model", "tutorial", ["roc_auc", "ACTIVE", "mean radius"]),
        ("deploy-and-ask", "wines", ["accuracy=", "ACTIVE", "answered", "Barolo"]),
        ("tune-and-deploy", "tumours", ["MaxTrialsReached", "10 trials", "learning_rate", "predicted benign"]),
        ("from-notebook-to-job", None, ["did you mean 'epochs'?", "image/png", "digits-3"]),
        ("bring-your-own-script", None, ["going on after epoch", "sklearn", "are said"]),
    ],
)
def test_a_tutorial_runs(
    shell: CommandLine, tmp_path: Path, tutorial: str, endpoint: str | None, words: list[str]
) -> None:
    notebook = TUTORIALS / f"{tutorial}.ipynb"
    environment = {**shell.environment, "ORRERY_URL": shell.url, "ORRERY_TOKEN": shell.token}
    ran = subprocess.run(
        [sys.executable, "-m", "papermill", str(notebook), str(tmp_path / "ran.ipynb"), "--no-progress-bar"],
        env={**environment, "PYTHONWARNINGS": "default"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-4000:]
    executed = json.loads((tmp_path / "ran.ipynb").read_text())
    told = json.dumps([cell.get("outputs") for cell in executed["cells"]])
    assert [word for word in words if word not in told] == []
    if endpoint is not None:
        with orrery.Client(shell.url, shell.token) as client:
            assert client.endpoints.get(endpoint).status.phase == "STOPPED"


def test_a_panel_follows_a_run_by_its_id_and_ends_with_it(
    client: orrery.Client, dataset: Dataset, shell: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orrery_widgets import Progress

    monkeypatch.setenv("ORRERY_HOME", str(shell.home))
    training = client.trainings.create(
        "sdk-panel", algorithm="xgboost", dataset=dataset, target="diagnosis", parameters={"rounds": 5}
    )
    panel = Progress(training.id)
    panel.join(120)
    title, bar, detail, message, _ = panel.children
    assert "sdk-panel" in title.value
    assert "COMPLETE" in title.value
    assert (bar.value, bar.bar_style) == (1.0, "success")
    assert "roc_auc" in detail.value
    assert message.value == ""
    panel.close()


def test_a_panel_shows_the_error_and_stops_following_when_it_is_closed(client: orrery.Client, dataset: Dataset) -> None:
    from orrery_widgets import Progress

    absent = Progress("trn_000000000000000000", client=client)
    absent.join(30)
    assert "does not exist" in absent.children[3].value
    absent.close()
    training = client.trainings.create("sdk-panel-2", algorithm="xgboost", dataset=dataset, parameters=ENDLESS)
    panel = Progress(training)
    panel.close()
    panel.join(10)
    assert not any(thread.name == f"orrery-progress-{training.id}" for thread in threading.enumerate())
    training.stop().wait(60, progress=False)
