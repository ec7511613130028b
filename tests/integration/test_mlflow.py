"""MLflow through the platform's door, with MLflow's own client in processes of its own, as two users and a group."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Request

from orrery import errors
from orrery.api.errors import install
from orrery.domain.access import User
from orrery.store.objects import ObjectStore
from orrery.testing.waiting import wait_until
from orrery.tracking.proxy import make_router
from orrery.tracking.records import ArtifactFile, Entry, Metric, ModelRecord, RunStatus, TrainingRecord
from orrery.tracking.server import ServerPhase, ServerSettings
from orrery.tracking.service import Tracking

USERS = {
    "alice-token": User("alice", frozenset({"team"})),
    "bob-token": User("bob"),
    "carol-token": User("Carol@Example.org", frozenset({"team"})),
    "root-token": User("root", admin=True),
}
STARTED = datetime(2026, 3, 1, 12, 0, 0, 123000, tzinfo=UTC)


def current_user(request: Request) -> User:
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if token not in USERS:
        raise errors.Unauthenticated
    return USERS[token]


@dataclass
class MemoryOutbox:
    entries: dict[str, Entry] = field(default_factory=dict[str, Entry])
    failures: dict[str, str] = field(default_factory=dict[str, str])

    def add(self, record: TrainingRecord | ModelRecord) -> None:
        entry_id = f"{len(self.entries) + len(self.failures)}-{record.id}"
        self.entries[entry_id] = Entry(entry_id, record)

    def pending(self) -> Sequence[Entry]:
        return list(self.entries.values())

    def done(self, entry_id: str) -> None:
        self.entries.pop(entry_id, None)

    def failed(self, entry_id: str, message: str) -> None:
        self.entries.pop(entry_id)
        self.failures[entry_id] = message


class Platform:
    """A real server with the door, in a thread."""

    def __init__(self, home: Path, database_url: str | None = None, idle_seconds: float = 600) -> None:
        self.objects = ObjectStore.from_url(home / "objects")
        self.outbox = MemoryOutbox()
        self.url = ""
        self._settings = ServerSettings(home / "mlflow", str(home / "objects"), database_url, idle_seconds)
        self.tracking: Tracking
        self.clients: subprocess.Popen[str]

    @contextlib.contextmanager
    def running(self) -> Iterator[Platform]:
        app = FastAPI(lifespan=self._lifespan)
        install(app)
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{listener.getsockname()[1]}/base"
            server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none", timeout_graceful_shutdown=5))
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
            thread.start()
            try:
                wait_until(lambda: server.started)
                yield self
            finally:
                server.should_exit = True
                thread.join()

    @contextlib.asynccontextmanager
    async def _lifespan(self, app: FastAPI) -> AsyncGenerator[None]:
        self.tracking = Tracking(self._settings, self.objects, self.outbox, period_seconds=0.1)
        app.include_router(make_router(self.tracking, current_user), prefix="/base")
        running = asyncio.create_task(self.tracking.run())
        yield
        running.cancel()
        await asyncio.wait([running])
        await self.tracking.close()

    def call(self, method: str, path: str, token: str = "alice-token", **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}", **options.pop("headers", {})}
        return httpx.request(method, f"{self.url}/mlflow{path}", headers=headers, timeout=120, **options)

    def script(self, token: str, source: str) -> Any:
        """Run Python with MLflow's client as that user; what it prints last, as JSON."""
        variables = {"MLFLOW_TRACKING_URI": f"{self.url}/mlflow", "MLFLOW_TRACKING_TOKEN": token}
        assert self.clients.stdin is not None
        assert self.clients.stdout is not None
        self.clients.stdin.write(json.dumps({"environment": variables, "source": source}) + "\n")
        self.clients.stdin.flush()
        told = json.loads(self.clients.stdout.readline())
        assert told["status"] == 0, told["output"][-3000:]
        return json.loads(told["output"].strip().splitlines()[-1])


#: importing MLflow takes seconds: done once, then a fork for each script, so that none inherits another's session
CLIENTS = """
import json, os, sys, traceback, warnings
warnings.simplefilter("ignore")
import mlflow
for line in sys.stdin:
    task = json.loads(line)
    read, write = os.pipe()
    if os.fork() == 0:
        os.environ.update(task["environment"])
        os.dup2(write, 1)
        status = 0
        try:
            exec(task["source"], {})
        except BaseException:
            traceback.print_exc(file=sys.stdout)
            status = 1
        sys.stdout.flush()
        os._exit(status)
    os.close(write)
    with os.fdopen(read) as stream:
        output = stream.read()
    _, status = os.wait()
    print(json.dumps({"output": output, "status": status}), flush=True)
"""


@contextlib.contextmanager
def mlflow_clients() -> Iterator[subprocess.Popen[str]]:
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", CLIENTS],
        env={**os.environ, **quiet},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as clients:
        yield clients
        assert clients.stdin is not None
        clients.stdin.close()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def platform(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    platform = Platform(tmp_path_factory.mktemp("home"), url)
    with mlflow_clients() as platform.clients, platform.running():
        yield platform


LOG_RUN = """
import json, math, tempfile, pathlib, mlflow
from mlflow import MlflowClient
mlflow.set_experiment("shared name")
with mlflow.start_run(run_name="by client") as run:
    mlflow.log_param("depth", 6)
    mlflow.log_metrics({"auc": 0.99, "nothing": float("nan")}, step=1)
    folder = pathlib.Path(tempfile.mkdtemp())
    (folder / "50% of données.txt").write_text("secret of %s" % mlflow.get_tracking_uri())
    mlflow.log_artifacts(str(folder), "notes")
    mlflow.log_text("hello", "hello.txt")
client = MlflowClient()
source = run.info.artifact_uri + "/notes"
client.create_registered_model("breast")
version = client.create_model_version("breast", source, run.info.run_id)
back = pathlib.Path(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="notes"))
print(json.dumps({
    "run": run.info.run_id,
    "experiment": run.info.experiment_id,
    "artifacts": [a.path for a in client.list_artifacts(run.info.run_id)],
    "text": [p.read_text()[:9] for p in back.iterdir()],
    "found": len(mlflow.search_runs(experiment_names=["shared name"], filter_string="metrics.auc > 0.9")),
    "nan": math.isnan(client.get_run(run.info.run_id).data.metrics["nothing"]),
    "version": version.version,
    "model_text": [p.name for p in pathlib.Path(mlflow.artifacts.download_artifacts("models:/breast/1")).iterdir()],
}))
"""


def test_an_mlflow_client_works_unchanged_and_users_do_not_meet(platform: Platform) -> None:
    told = {name: platform.script(f"{name}-token", LOG_RUN) for name in ("alice", "bob")}
    for answer in told.values():
        assert answer["artifacts"] == ["hello.txt", "notes"]
        assert answer["text"] == ["secret of"]
        assert (answer["found"], answer["nan"], answer["version"]) == (1, True, "1")
        assert answer["model_text"] == ["50% of données.txt"]
    alices = told["alice"]
    look = f"""
import json, mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
client = MlflowClient()
def refused(act):
    try: act()
    except MlflowException: return True
    return False
run, experiment = {alices["run"]!r}, {alices["experiment"]!r}
print(json.dumps([
    refused(lambda: client.get_run(run)),
    refused(lambda: client.log_metric(run, "stolen", 1)),
    refused(lambda: client.set_tag(run, "stolen", "1")),
    refused(lambda: client.delete_run(run)),
    refused(lambda: client.get_experiment(experiment)),
    refused(lambda: client.create_run(experiment)),
    refused(lambda: client.get_metric_history(run, "auc")),
    refused(lambda: client.list_artifacts(run)),
    refused(lambda: mlflow.artifacts.download_artifacts(run_id=run, artifact_path="hello.txt")),
    refused(lambda: client.create_model_version("mine", "runs:/%s/notes" % run, run)),
    len(client.search_runs([experiment])) == 0,
    run not in [r.info.run_id for r in client.search_runs([e.experiment_id for e in client.search_experiments()])],
    [v.run_id for v in client.search_model_versions("name='breast'")] != [run],
]))
"""
    assert platform.script("bob-token", look) == [True] * 13


def test_artifacts_lie_in_the_object_store_once(platform: Platform) -> None:
    stored = platform.objects.put(BytesIO(b"hello"))
    before = sum(1 for _ in platform.objects.iterate())
    log = "import mlflow; mlflow.start_run(); mlflow.log_text('hello', 'hello.txt'); mlflow.end_run(); print(1)"
    platform.script("bob-token", log)
    assert sum(1 for _ in platform.objects.iterate()) == before
    assert stored.oid in platform.tracking.artifacts.oids()


def test_no_experiment_named_means_ones_own_default(platform: Platform) -> None:
    source = """
import json, mlflow
with mlflow.start_run() as run: mlflow.log_metric("loss", 1.0)
client = mlflow.MlflowClient()
print(json.dumps([client.get_experiment(run.info.experiment_id).name, client.get_experiment("0").name,
                  run.info.run_id in list(mlflow.search_runs()["run_id"])]))
"""
    assert platform.script("root-token", source) == ["Default", "Default", True]


def test_a_group_shares_a_workspace_and_others_do_not_enter(platform: Platform) -> None:
    write = """
import json, mlflow
mlflow.set_workspace("team")
mlflow.set_experiment("of the team")
with mlflow.start_run() as run: pass
print(json.dumps(run.info.run_id))
"""
    run_id = platform.script("alice-token", write)
    read = (
        f"import json, mlflow; mlflow.set_workspace('team'); print(json.dumps(mlflow.get_run({run_id!r}).info.run_id))"
    )
    assert platform.script("carol-token", read) == run_id
    assert platform.script("root-token", read) == run_id
    body = {"experiment_ids": [], "max_results": 1}
    answer = platform.call(
        "POST", "/api/2.0/mlflow/runs/search", "bob-token", json=body, headers={"X-MLFLOW-WORKSPACE": "team"}
    )
    assert (answer.status_code, answer.json()["error_code"]) == (403, "PERMISSION_DENIED")


def test_the_list_of_workspaces_is_ones_own(platform: Platform) -> None:
    def names(token: str) -> list[str]:
        listed = platform.call("GET", "/ajax-api/3.0/mlflow/workspaces", token).json()["workspaces"]
        return [workspace["name"] for workspace in listed]

    assert names("alice-token") == ["alice", "team"]
    assert names("bob-token") == ["bob"]
    assert names("carol-token")[0].startswith("carol-example-org--")
    for token, enabled in (("alice-token", True), ("bob-token", False)):
        assert platform.call("GET", "/ajax-api/3.0/mlflow/server-info", token).json()["workspaces_enabled"] is enabled


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/2.0/mlflow/webhooks"),
        ("GET", "/ajax-api/3.0/mlflow/gateway/secrets/list"),
        ("POST", "/ajax-api/3.0/mlflow/assistant/message"),
        ("POST", "/ajax-api/3.0/mlflow/scorer/invoke"),
        ("GET", "/ajax-api/3.0/mlflow/jobs/1"),
        ("GET", "/ajax-api/3.0/mlflow/get-trace-artifact?request_id=1"),
        ("POST", "/v1/traces"),
        ("GET", "/api/2.0/mlflow/experiments/%2e%2e/webhooks"),
        ("GET", "/static-files/../api/2.0/mlflow/webhooks"),
    ],
)
def test_doors_beyond_the_workspace_are_shut(platform: Platform, method: str, path: str) -> None:
    answer = platform.call(method, path)
    assert answer.status_code == 404
    assert "not served here" in answer.json()["error"]["message"]


def test_who_is_not_logged_in_is_refused(platform: Platform) -> None:
    for path in ("/", "/api/2.0/mlflow/experiments/search"):
        assert platform.call("GET", path, "stolen").status_code == 401


def test_another_site_cannot_act_for_a_user(platform: Platform) -> None:
    answer = platform.call(
        "POST", "/ajax-api/2.0/mlflow/experiments/create", json={"name": "x"}, headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert answer.status_code == 403


@pytest.mark.parametrize("scheme", ["file://", "", "s3:/", "http:/"])
def test_the_servers_own_files_and_network_are_out_of_reach(platform: Platform, tmp_path: Path, scheme: str) -> None:
    """A client may name any location for an experiment's artifacts."""
    (tmp_path / "secret.txt").write_text("secret")
    api = "/api/2.0/mlflow"
    made = platform.call(
        "POST",
        f"{api}/experiments/create",
        json={"name": f"sly {scheme} {tmp_path}", "artifact_location": f"{scheme}{tmp_path}"},
    )
    if made.status_code != 200:
        return
    experiment_id = made.json()["experiment_id"]
    run = platform.call("POST", f"{api}/runs/create", json={"experiment_id": experiment_id}).json()["run"]["info"]
    platform.call("PUT", f"/api/2.0/mlflow-artifacts/artifacts/{experiment_id}/x", content=b"x")
    uri = run["artifact_uri"].removeprefix("file://")
    Path(uri).mkdir(parents=True, exist_ok=True)
    (Path(uri) / "secret.txt").write_text("secret")
    for path in (
        f"/get-artifact?run_uuid={run['run_id']}&path=secret.txt",
        f"{api}/artifacts/list?run_id={run['run_id']}",
    ):
        answer = platform.call("GET", path)
        assert answer.status_code >= 400
        assert "secret.txt" not in answer.text
    upload = f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run['run_id']}&path=mine.txt"
    assert platform.call("POST", upload, content=b"x").status_code >= 400
    assert not (Path(uri) / "mine.txt").exists()


def test_the_ui_is_served_below_any_base(platform: Platform) -> None:
    redirect = httpx.get(f"{platform.url}/mlflow", headers={"Authorization": "Bearer alice-token"}, timeout=60)
    assert str(redirect.url.join(redirect.headers["Location"])) == f"{platform.url}/mlflow/"
    page = platform.call("GET", "/")
    assert "<title>MLflow</title>" in page.text
    script = page.text.split('src="')[1].split('"')[0]
    assert script.startswith("static-files/")
    answer = platform.call("GET", f"/{script}", headers={"Accept-Encoding": "gzip"})
    assert answer.status_code == 200
    assert "javascript" in answer.headers["Content-Type"]
    assert "set-cookie" not in answer.headers


def make_training(platform: Platform, **changes: Any) -> TrainingRecord:
    artifact = platform.objects.put(BytesIO(b"<svg/>"))
    values = (0.5, float("nan"), float("inf"), 0.25)
    record: dict[str, Any] = {
        "id": "tr_1",
        "owner": "dave",
        "name": "first",
        "experiment": "tumours",
        "status": RunStatus.FINISHED,
        "started_at": STARTED,
        "ended_at": STARTED.replace(minute=1),
        "params": {"max_depth": 6, "objective": "binary:logistic"},
        "metrics": [Metric("loss", step, value, STARTED) for step, value in enumerate(values)],
        "tags": {"algorithm": "xgboost"},
        "artifacts": [ArtifactFile("plots/roc.svg", artifact.oid)],
        **changes,
    }
    return TrainingRecord(**record)


def test_a_training_and_its_model_appear_once_however_often_they_are_told(platform: Platform) -> None:
    USERS["dave-token"] = User("dave")
    model_file = platform.objects.put(BytesIO(b"trees"))
    model = ModelRecord(
        "mv_1", "dave", "breast", 1, STARTED, "tr_1", [ArtifactFile("model.ubj", model_file.oid)], tags={"stage": "x"}
    )
    imported = ModelRecord("mv_2", "dave", "breast", 2, STARTED, None, [ArtifactFile("model.ubj", model_file.oid)])
    before = sum(1 for _ in platform.objects.iterate())
    for record in (make_training(platform, status=RunStatus.RUNNING, ended_at=None), *[make_training(platform)] * 2):
        platform.outbox.add(record)
    for record in (model, model, imported):
        platform.outbox.add(record)
    wait_until(lambda: not platform.outbox.entries)
    assert platform.outbox.failures == {}
    look = """
import json, math, pathlib, mlflow
client = mlflow.MlflowClient()
experiment = client.get_experiment_by_name("tumours")
[run] = client.search_runs([experiment.experiment_id])
history = client.get_metric_history(run.info.run_id, "loss")
versions = sorted(client.search_model_versions("name='breast'"), key=lambda v: int(v.version))
folder = pathlib.Path(mlflow.artifacts.download_artifacts("models:/breast/1"))
print(json.dumps({
    "status": run.info.status, "start": run.info.start_time, "end": run.info.end_time, "name": run.info.run_name,
    "params": run.data.params, "id": run.data.tags["orrery.id"], "user": run.data.tags["mlflow.user"],
    "history": [[m.step, m.timestamp, repr(m.value)] for m in history],
    "plot": mlflow.artifacts.load_text(run.info.artifact_uri + "/plots/roc.svg"),
    "versions": [[v.version, v.tags["orrery.id"], v.run_id == run.info.run_id] for v in versions],
    "model": [[p.name, p.read_text()] for p in folder.iterdir()],
}))
"""
    told = platform.script("dave-token", look)
    at = int(STARTED.timestamp() * 1000)
    assert told["history"][0] == [0, at, "0.5"]
    assert [value for _, _, value in told["history"]][1] == "nan"
    assert float(told["history"][2][2]) > 1e308
    assert len(told["history"]) == 4
    del told["history"]
    assert told == {
        "status": "FINISHED",
        "start": at,
        "end": at + 60_000,
        "name": "first",
        "params": {"max_depth": "6", "objective": "binary:logistic"},
        "id": "tr_1",
        "user": "dave",
        "plot": "<svg/>",
        "versions": [["1", "mv_1", True], ["2", "mv_2", False]],
        "model": [["model.ubj", "trees"]],
    }
    # the plot was put by the test; nothing was copied
    assert sum(1 for _ in platform.objects.iterate()) <= before + 1


def test_what_mlflow_refuses_holds_nothing_up(platform: Platform) -> None:
    gone = make_training(platform, id="tr_gone", artifacts=[ArtifactFile("x", "0" * 64)])
    platform.outbox.add(gone)
    platform.outbox.add(make_training(platform, id="tr_after"))
    wait_until(lambda: not platform.outbox.entries)
    assert [name.endswith("tr_gone") for name in platform.outbox.failures] == [True]
    assert "no object" in next(iter(platform.outbox.failures.values()))


def test_it_sleeps_until_used_survives_its_death_and_sleeps_again(tmp_path: Path) -> None:
    platform = Platform(tmp_path, idle_seconds=4.0)
    with platform.running():
        platform.outbox.add(make_training(platform))
        server = platform.tracking.server
        assert (server.phase, len(platform.outbox.entries)) == (ServerPhase.STOPPED, 1)
        first = platform.call("GET", "/", headers={"Accept": "text/html"})
        assert (first.status_code, "MLflow is starting…" in first.text) == (503, True)
        assert 'http-equiv="refresh"' in first.text
        os.kill(wait_until(lambda: server.pid), signal.SIGKILL)
        # a program waits instead, and finds what the platform knows
        USERS["dave-token"] = User("dave")
        wait_until(lambda: server.phase is ServerPhase.STOPPED)
        found = platform.call("POST", "/api/2.0/mlflow/experiments/search", "dave-token", json={"max_results": 10})
        assert {experiment["name"] for experiment in found.json()["experiments"]} == {"Default", "tumours"}
        pid = server.pid
        assert pid is not None
        wait_until(lambda: server.phase is ServerPhase.STOPPED)
        assert not Path(f"/proc/{pid}").exists()


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    platform = Platform(tmp_path, "postgresql+psycopg://nobody@127.0.0.1:1/none")
    with platform.running():
        answer = platform.call("GET", "/version")
    assert answer.status_code == 503
    assert "port 1 failed: Connection refused" in answer.json()["error"]["message"]
