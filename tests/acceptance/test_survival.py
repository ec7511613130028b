"""`kill -9` of the platform at random moments, 50 times, while it trains, deploys and takes uploads.

After each restart everything acknowledged is there; at the end every training has run exactly once, the endpoint
answers, and no process is left that nobody owns.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from orrery.testing.platform import RunningPlatform, create_dataset, wait_settled
from orrery.testing.waiting import wait_until

KILLS = 50
ROWS = "".join(f"{i % 7},{i % 5},{'yes' if (i % 7) > 3 else 'no'}\n" for i in range(200))
CSV = f"width,height,species\n{ROWS}".encode()


@pytest.fixture
def platform() -> Iterator[RunningPlatform]:
    home = Path(tempfile.mkdtemp(prefix="orr-"))
    with RunningPlatform(home, environment={"ORRERY_CORES": "8"}) as running:
        yield running
    shutil.rmtree(home, ignore_errors=True)


class Work:
    """A user who goes on working whatever happens: what was acknowledged is remembered and checked."""

    def __init__(self, platform: RunningPlatform, client: httpx.Client) -> None:
        self.platform = platform
        self.client = client
        self.acknowledged: dict[str, set[str]] = {"trainings": set(), "endpoints": set(), "objects": set()}
        self.served = 0
        self.unserved: list[str] = []

    def attempt(self, method: str, path: str, **arguments: Any) -> httpx.Response | None:
        """The answer, or None when the platform was not there to give one."""
        try:
            answer = self.client.request(method, path, **arguments)
        except httpx.TransportError:
            return None
        return None if answer.status_code in (502, 503, 504) else answer

    def train(self, name: str) -> None:
        spec = {
            "algorithm": "logistic-regression",
            "datasets": {"train": "iris"},
            "parameters": {"target": "species"},
            "register_model": False,
        }
        answer = self.attempt("POST", "trainings", json={"name": name, "spec": spec}, headers={"Idempotency-Key": name})
        if answer is not None and answer.status_code == 201:
            self.acknowledged["trainings"].add(name)

    def upload(self, content: bytes) -> None:
        answer = self.attempt("PUT", "objects", content=content)
        if answer is not None and answer.status_code in (200, 201):
            assert answer.json()["oid"] == hashlib.sha256(content).hexdigest()
            name = f"u{answer.json()['oid'][:12]}"
            files = [{"path": "a.csv", **answer.json()}]
            created = self.attempt("POST", "datasets", json={"name": name, "spec": {"files": files}})
            if created is not None and created.status_code == 201:
                self.acknowledged["objects"].add(name)

    def deploy(self, replicas: int) -> None:
        """Create the endpoint, then change it again and again."""
        deployments = [{"model": "seed", "replicas": replicas}]
        if self.acknowledged["endpoints"]:
            self.attempt("PATCH", "endpoints/live", json={"spec": {"deployments": deployments}})
            return
        answer = self.attempt("POST", "endpoints", json={"name": "live", "spec": {"deployments": deployments}})
        if answer is not None and answer.status_code in (201, 409):
            self.acknowledged["endpoints"].add("live")

    def predict(self) -> None:
        """The gateway goes on serving while the platform is away."""
        url = f"{self.platform.url}/endpoints/alice/live/v1/models/live:predict"
        answer = httpx.post(url, json={"instances": [[1, 2]]}, headers=self.client.headers, timeout=30)
        if answer.status_code == 200:
            self.served += 1
        else:
            self.unserved.append(f"{answer.status_code} {answer.text[:200]}")

    def still_there(self) -> None:
        for kinds, names in (("trainings", "trainings"), ("endpoints", "endpoints"), ("datasets", "objects")):
            for name in self.acknowledged[names]:
                answer = self.client.get(f"{kinds}/{name}")
                assert answer.status_code == 200, f"{kinds}/{name} was acknowledged and is gone: {answer.text}"


@pytest.mark.timeout(900)
def test_fifty_kills_lose_nothing_and_leave_nothing(platform: RunningPlatform) -> None:
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    chance = random.Random(seed)
    with platform.client("alice") as client:
        kill_fifty_times(platform, Work(platform, client), chance)


def kill_fifty_times(platform: RunningPlatform, work: Work, chance: random.Random) -> None:
    create_dataset(work.client, "iris", CSV)
    model = train_model(work.client)
    assert model["status"]["phase"] == "ACTIVE"
    platform.port = int(platform.url.rpartition(":")[2])
    for round_number in range(KILLS):
        doer = threading.Thread(target=work_a_while, args=(work, chance.randrange(1 << 30), round_number))
        doer.start()
        # the random moment is what is tested; no outcome depends on how long it is
        time.sleep(chance.uniform(0.0, 0.6))
        platform.kill()
        if work.acknowledged["endpoints"] and round_number % 5 == 4:
            work.predict()
        doer.join()
        platform.start()
        work.still_there()
    for name in work.acknowledged["trainings"]:
        training = wait_settled(work.client, "trainings", name, seconds=300)
        assert training["status"]["phase"] == "COMPLETE", training["status"]
        # one attempt, one run of the notebook: its reports begin once
        assert training["status"]["outputs"]["attempt"] == 1
        reports = platform.home / "jobs" / training["status"]["outputs"]["job_id"] / "reports.jsonl"
        results = [line for line in reports.read_text().splitlines() if json.loads(line)["type"] == "result"]
        assert len(results) == 1, f"{name} ran {len(results)} times"
    for name in work.acknowledged["objects"]:
        wait_settled(work.client, "datasets", name)
    if not work.acknowledged["endpoints"]:
        work.deploy(1)
    endpoint = wait_settled(work.client, "endpoints", "live")
    assert endpoint["status"]["phase"] == "ACTIVE", endpoint["status"]
    wanted = endpoint["spec"]["deployments"][0]["replicas"]
    wait_until(
        lambda: (
            work.client.get("endpoints/live").json()["status"]["outputs"]["replicas"]
            == {"ready": wanted, "wanted": wanted}
        ),
        what="the endpoint's replicas",
    )
    work.predict()
    assert work.served > 0
    assert work.acknowledged["trainings"], "no training was acknowledged: nothing was tested"
    work.client.delete("endpoints/live")
    wait_until(lambda: not replicas_of(platform), what="the end of the replicas")
    platform.stop()
    wait_until(lambda: not platform.processes(), seconds=30, what="the end of all processes")


def work_a_while(work: Work, seed: int, round_number: int) -> None:
    chance = random.Random(seed)
    what = chance.randrange(3)
    if what == 0 and len(work.acknowledged["trainings"]) < 12:
        work.train(f"t{round_number}")
    elif what == 1:
        work.upload(
            b"a,b\n" + b"".join(b"%d,%d\n" % (chance.randrange(1000), i) for i in range(chance.choice([10, 20000])))
        )
    else:
        work.deploy(chance.choice([1, 2]))


def train_model(client: httpx.Client) -> Any:
    spec = {"algorithm": "logistic-regression", "datasets": {"train": "iris"}, "parameters": {"target": "species"}}
    answer = client.post("trainings", json={"name": "seed", "spec": spec})
    assert answer.status_code == 201, answer.text
    assert wait_settled(client, "trainings", "seed")["status"]["phase"] == "COMPLETE"
    return wait_settled(client, "models", "seed")


def replicas_of(platform: RunningPlatform) -> list[int]:
    found: list[int] = []
    for pid in platform.processes():
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if b"orrery.serving" in command:
            found.append(pid)
    return found
