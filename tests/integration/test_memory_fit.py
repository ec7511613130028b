"""Before a training starts: what it will take of memory, beside what real runs of it took."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

import orrery
from orrery.testing.platform import RunningPlatform, create_dataset, wait_settled

ROWS = {"small": 2_000, "middle": 60_000, "large": 200_000}
COLUMNS = 12


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    environment = {"ORRERY_MEMORY_BYTES": "16G", "ORRERY_CORES": "2"}
    with RunningPlatform(tmp_path_factory.mktemp("home"), environment=environment) as running:
        with running.client() as client:
            for name, rows in ROWS.items():
                create_dataset(client, name, table(rows))
        yield running


@pytest.fixture
def client(platform: RunningPlatform) -> Iterator[httpx.Client]:
    with platform.client() as opened:
        yield opened


def table(rows: int) -> bytes:
    numbers = random.Random(7)
    lines = [",".join([*(f"n{i}" for i in range(COLUMNS)), "city", "y"])]
    for _ in range(rows):
        values = [numbers.random() for _ in range(COLUMNS)]
        label = "yes" if values[0] + 0.2 * numbers.random() > 0.6 else "no"
        lines.append(",".join([*(f"{value:.5f}" for value in values), f"c{numbers.randrange(9)}", label]))
    return "\n".join(lines).encode()


def spec(algorithm: str, dataset: str, **changes: Any) -> dict[str, Any]:
    parameters = {"target": "y", **({"rounds": 15} if algorithm == "xgboost" else {"max_iter": 10})}
    given: dict[str, Any] = {"algorithm": algorithm, "datasets": {"train": dataset}, "parameters": parameters}
    return {**given, "instance_type": "cpu-small", **changes}


def estimate(client: httpx.Client, document: dict[str, Any], kinds: str = "trainings") -> Any:
    answer = client.post(f"{kinds}/estimate", json={"spec": document})
    assert answer.status_code == 200, answer.text
    return answer.json()


def peak_of(client: httpx.Client, name: str, document: dict[str, Any]) -> int:
    answer = client.post("trainings", json={"name": name, "spec": document})
    assert answer.status_code == 201, answer.text
    training = wait_settled(client, "trainings", answer.json()["id"], seconds=240)
    assert training["status"]["phase"] == "COMPLETE", training["status"]
    return training["status"]["outputs"]["peak_memory_bytes"]


@pytest.mark.parametrize("algorithm", ["xgboost", "logistic-regression"])
def test_the_prediction_is_near_what_a_run_takes_and_gets_nearer(client: httpx.Client, algorithm: str) -> None:
    for size in ROWS:
        document = spec(algorithm, size)
        before = estimate(client, document)
        peak = peak_of(client, f"{algorithm}-{size}", document)
        assert peak / 1.6 < before["predicted_bytes"] < peak * 1.6, (size, peak, before)
        after = estimate(client, document)
        assert after["predicted_bytes"] == pytest.approx(peak, rel=0.25), (size, peak, after)
        assert after["runs"] == before["runs"] + 1
        assert after["verdict"] == "fits"


def test_what_does_not_fit_names_what_would_help(client: httpx.Client) -> None:
    deep = {"target": "y", "rounds": 700, "max_depth": 20}
    found = estimate(client, spec("xgboost", "middle", parameters=deep))
    assert found["verdict"] == "exceeds"
    assert found["predicted_bytes"] > found["allowed_bytes"] == 2 << 30
    larger, smaller = found["remedies"]
    assert larger["spec"] == {"instance_type": "cpu-medium"}
    assert "cpu-medium has 8 GiB" in found["message"]
    assert smaller["spec"]["parameters"]["max_depth"] < 20
    # taken, either makes it fit
    changed = spec("xgboost", "middle", parameters={**deep, **smaller["spec"]["parameters"]})
    assert estimate(client, changed)["verdict"] == "fits"


def test_a_tuning_is_judged_by_the_largest_that_it_may_try(client: httpx.Client) -> None:
    fixed = {"target": "y", "rounds": 700}
    tuning = spec("xgboost", "middle", parameters=fixed, space={"max_depth": "2..20"})
    same = spec("xgboost", "middle", parameters={**fixed, "max_depth": 20})
    found = estimate(client, tuning, "tunings")
    assert found["predicted_bytes"] == estimate(client, same)["predicted_bytes"]


def test_of_a_draft_what_is_not_known_is_said_so(client: httpx.Client) -> None:
    assert client.post("trainings/estimate", json={"spec": {"algorithm": "nothing"}}).status_code == 404
    wrong = client.post("trainings/estimate", json={"spec": spec("xgboost", "small", instance_type="huge")})
    assert wrong.status_code == 422
    assert "'huge' is unknown" in wrong.json()["error"]["message"]


def test_what_one_may_not_see_tells_nothing(platform: RunningPlatform) -> None:
    with platform.client("mallory") as other:
        answer = other.post("trainings/estimate", json={"spec": spec("xgboost", "small")})
    assert answer.status_code == 404


def test_the_sdk_and_the_command_line_say_it_before_anything_is_begun(platform: RunningPlatform) -> None:
    deep = {"rounds": 700, "max_depth": 20}
    with orrery.Client(platform.url, platform.announcement["token"]) as sdk:
        found = sdk.trainings.estimate("xgboost", dataset="middle", target="y", parameters=deep)
        assert found.verdict == "exceeds"
        assert found.remedies[0].spec == {"instance_type": "cpu-medium"}
        larger = sdk.trainings.estimate(
            "xgboost", dataset="middle", target="y", parameters=deep, instance_type="cpu-medium"
        )
        assert larger.verdict == "fits"
        tuning = sdk.tunings.estimate(
            "xgboost", dataset="middle", target="y", parameters={"rounds": 700}, space={"max_depth": "2..20"}
        )
        assert tuning.predicted_bytes == found.predicted_bytes
        before = sorted(training.name for training in sdk.trainings)
        words = "--name deep --dataset middle --target y -p rounds=700 -p max_depth=20 --estimate".split()
        said = platform.cli("train", "xgboost", *words)
        assert said.returncode == 0, said.stderr
        assert said.stdout.startswith(f"memory: {found.message}\n  Use cpu-medium: cpu-medium has 8 GiB\n")
        words = "--name deep --dataset middle --target y --space max_depth=2..20 --objective maximize:roc_auc".split()
        said = platform.cli("tune", "xgboost", *words, "-p", "rounds=700", "--estimate", "-o", "json")
        assert json.loads(said.stdout)["predicted_bytes"] == found.predicted_bytes
        assert sorted(training.name for training in sdk.trainings) == before
        assert not list(sdk.tunings)
    refused = platform.cli("train", "--script", ".", "--name", "deep", "--estimate")
    assert refused.returncode == 2, refused
    assert "an algorithm of the catalogue" in refused.stderr
