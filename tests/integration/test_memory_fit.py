"""Before a training starts: what it will take of memory, beside what real runs of it took."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

import orrery
from orrery.testing.platform import RunningPlatform, create_dataset, put_object, wait_settled

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
        # what is warm already takes a little less than what is not
        assert after["predicted_bytes"] == pytest.approx(peak, rel=0.4), (size, peak, after)
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


def test_what_is_begun_from_a_template_or_as_a_sweep_is_judged_too(
    platform: RunningPlatform, client: httpx.Client
) -> None:
    client.post("templates", json={"name": "deep", "spec": spec("xgboost", "middle")}).raise_for_status()
    words = ("train", "--template", "deep", "--name", "deep-1", "-p", "rounds=700")
    said = platform.cli(*words, "-p", "max_depth=20", "--estimate")
    assert said.stdout.startswith("memory: needs about"), said
    assert client.get("trainings/deep-1").status_code == 404
    later = ("--start-after", "2d")
    begun = platform.cli(*words, "-p", "max_depth=20", *later)
    assert "memory: needs about" in begun.stderr, begun
    swept = platform.cli("train", "--template", "deep", "--name", "deeps", "--sweep", "max_depth=2,20", *later)
    assert begun.returncode == swept.returncode == 0
    assert "memory: " not in swept.stderr
    swept = platform.cli(*words[:3], "--name", "rounds", "--sweep", "rounds=5,700", "-p", "max_depth=20", *later)
    assert "memory: needs about" in swept.stderr, swept


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
    wrong = client.post("trainings/estimate", json={"spec": spec("xgboost", "small", nodes=10**18)})
    assert wrong.json()["error"]["message"] == "nodes: must be at most 100, not 1000000000000000000"


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
    assert "leave --script away" in refused.stderr


GPU_TYPES = {
    "gpu-small": {"cores": 1, "memory_bytes": "8G", "gpus": 1, "gpu_memory_bytes": "16G"},
    "gpu-large": {"cores": 1, "memory_bytes": "8G", "gpus": 1, "gpu_memory_bytes": "80G"},
    "gpu-told-nothing": {"cores": 1, "memory_bytes": "8G", "gpus": 1},
    "cpu-small": {"cores": 1, "memory_bytes": "2G"},
    "cpu-medium": {"cores": 1, "memory_bytes": "8G"},
}
TUNE = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--billions", type=float, default=7)
parser.add_argument("--weights", choices=["16-bit", "4-bit"], default="16-bit")
parser.add_argument("--batch-size", type=int, default=8)
parser.parse_args()
"""


@pytest.fixture(scope="module")
def machine_with_gpus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """As far as its settings say: what is asked here starts nothing."""
    environment = {"ORRERY_INSTANCE_TYPES": json.dumps(GPU_TYPES), "ORRERY_MEMORY_BYTES": "16G"}
    with (
        RunningPlatform(tmp_path_factory.mktemp("gpus"), environment=environment) as running,
        running.client() as client,
    ):
        create_dataset(client, "texts", table(100))
        code = put_object(client, TUNE.encode())
        memory = {
            "bytes": "2 * GiB",
            "gpu_bytes": "(2 if weights == '16-bit' else 0.5) * billions * GiB + 1 * GiB * batch_size",
            "smaller": ["batch-size", "weights"],
        }
        deep = {"bytes": "(1.5 + batch_size) * GiB", "smaller": ["batch-size"]}
        files = [{"path": "tune.py", **{key: code[key] for key in ("oid", "size")}}]
        for name, declared in (("tune", memory), ("deep", deep)):
            made = client.post("algorithms", json={"name": name, "spec": {"files": files, "memory": declared}})
            assert made.status_code == 201, made.text
        yield client


def ask_gpus(client: httpx.Client, instance_type: str, algorithm: str = "tune", **parameters: Any) -> Any:
    owner = client.get("auth/whoami").json()["name"]
    given: dict[str, Any] = {"algorithm": f"{owner}/{algorithm}", "datasets": {"train": f"{owner}/texts"}}
    return estimate(client, {**given, "instance_type": instance_type, "parameters": parameters})


def test_what_does_not_fit_onto_a_gpu_is_told_with_what_would(machine_with_gpus: httpx.Client) -> None:
    found = ask_gpus(machine_with_gpus, "gpu-small")
    assert (found["verdict"], found["gpu_predicted_bytes"], found["gpu_allowed_bytes"]) == (
        "exceeds",
        22 << 30,
        16 << 30,
    )
    assert found["message"].startswith(
        "about 2 GiB of 8 GiB of memory; needs about 22 GiB of each GPU's memory, and gpu-small has 16 GiB; "
        "with weights = 4-bit it takes about 2 GiB, and 11.5 GiB on each GPU"
    )
    # halving the batch alone is not enough, and this machine has no larger GPU
    assert [remedy["spec"] for remedy in found["remedies"]] == [{"parameters": {"weights": "4-bit"}}]
    smaller = ask_gpus(machine_with_gpus, "gpu-small", billions=5)
    assert {"parameters": {"batch-size": 2}} in [remedy["spec"] for remedy in smaller["remedies"]]
    assert ask_gpus(machine_with_gpus, "gpu-small", weights="4-bit")["verdict"] == "fits"


def test_gpus_of_which_nothing_is_known_are_not_spoken_of(machine_with_gpus: httpx.Client) -> None:
    for instance_type in ("gpu-told-nothing", "cpu-small"):
        found = ask_gpus(machine_with_gpus, instance_type)
        assert (found["gpu_predicted_bytes"], found["gpu_allowed_bytes"]) == (None, None)
        assert "GPU" not in found["message"]


def test_where_no_single_change_is_enough_two_together_are_proposed(machine_with_gpus: httpx.Client) -> None:
    found = ask_gpus(machine_with_gpus, "cpu-small", "deep", **{"batch-size": 64})
    assert found["message"] == (
        "needs about 65.5 GiB of memory, and cpu-small has 2 GiB; "
        "on cpu-medium, with batch-size = 4 it takes about 5.5 GiB"
    )
    assert found["remedies"] == [
        {
            "title": "Use cpu-medium, batch-size = 4",
            "message": "on cpu-medium, with batch-size = 4 it takes about 5.5 GiB",
            "spec": {"instance_type": "cpu-medium", "parameters": {"batch-size": 4}},
        }
    ]
    assert ask_gpus(machine_with_gpus, "cpu-medium", "deep", **{"batch-size": 4})["verdict"] == "fits"
