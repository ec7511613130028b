"""Secrets on a real platform: a run has them, and nobody else, through no door."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import jwt
import nbformat
import pytest

from orrery import Client
from orrery.client.waiting import RunFailed
from orrery.controllers.run_tokens import MARGIN_SECONDS
from orrery.errors import Invalid, NotFound
from orrery.testing.platform import RunningPlatform, wait_settled
from orrery.testing.waiting import wait_until

VALUE = 'hf_"Zm9v"-4711'

#: says it in every way that it can
LEAKING = """
import os, subprocess, sys
token = os.environ["HF_TOKEN"]
print("the token is", token)
print("hidden in", f"{token}{token}", flush=True)
subprocess.run([sys.executable, "-c", "import os; print('a child has', os.environ['HF_TOKEN'])"], check=True)
print(len(token), "characters")
sys.exit(f"401 for {token}")
"""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    with RunningPlatform(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture
def client(platform: RunningPlatform) -> Iterator[Client]:
    found = platform.announcement
    with Client(found["url"], found["token"]) as client:
        yield client


def holders(home: Path) -> list[str]:
    """The files below the home in which the value stands."""
    files = [path for path in home.rglob("*") if path.is_file()]
    return [str(path.relative_to(home)) for path in files if VALUE.encode() in path.read_bytes()]


def test_a_run_has_the_secret_and_nobody_else(platform: RunningPlatform, client: Client, tmp_path: Path) -> None:
    made = platform.cli("secret", "set", "hub-token", stdin=f"{VALUE}\n")
    assert made.returncode == 0 and "is set" in made.stderr, made.stderr
    (tmp_path / "train.py").write_text(LEAKING)
    training = client.train(name="leaking", script=tmp_path, secrets={"HF_TOKEN": "hub-token"})
    with pytest.raises(RunFailed):
        training.wait(progress=False)
    training.refresh()
    log = list(training.logs())
    assert "the token is ***" in log and "hidden in ******" in log and "a child has ***" in log
    assert f"{len(VALUE)} characters" in log
    assert training.status.message.endswith("401 for ***")
    assert training.spec["secrets"] == {"HF_TOKEN": "hub-token"}
    for address in ("trainings/leaking", "trainings/leaking/logs", "secrets", "secrets/hub-token", "kinds"):
        assert VALUE not in client.transport.request("GET", f"/{address}").text
    assert client.secrets.get("hub-token").spec == {}
    assert holders(platform.home) == []


def test_outputs_of_a_notebook_are_masked_and_a_new_value_counts(client: Client, tmp_path: Path) -> None:
    client.secrets.set("changing", "the-first-value")
    client.secrets.set("changing", "the-second-value")
    code = "import os\nprint(os.environ['T'][4:10])\nprint(os.environ['T'])\nos.environ['T']"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    path = tmp_path / "look.ipynb"
    nbformat.write(notebook, path)
    training = client.run_notebook(path, secrets={"T": "changing"}, save_to=tmp_path / "result.ipynb")
    outputs = nbformat.read(tmp_path / "result.ipynb", as_version=4).cells[-1].outputs
    assert outputs[0].text == "second\n***\n"
    assert outputs[1].data["text/plain"] == "'***'"
    assert list(training.logs())[-2:] == ["second", "***"]


def test_only_its_owner_may_use_it(platform: RunningPlatform, client: Client, tmp_path: Path) -> None:
    client.secrets.set("mine", "of-nobody-else")
    (tmp_path / "train.py").write_text("print('x')")
    code = client.algorithms.create("printing", tmp_path, visibility="public")
    with platform.client("bob") as bob:
        assert bob.get(f"secrets/{client.secrets.get('mine').id}").status_code == 404
        asked = {"name": "theft", "spec": {"algorithm": code.id, "secrets": {"T": "mine"}}}
        refused = bob.post("trainings", json=asked)
        assert refused.status_code == 422 and "bob has no secret 'mine'" in refused.text
        assert refused.json()["error"]["details"]["fields"][0]["path"] == "spec.secrets.T"
        # of the same name, but bob's
        made = bob.post("secrets", json={"name": "mine", "spec": {"value": "of bob alone"}})
        assert made.status_code == 201 and "of bob" not in made.text
        assert bob.post("trainings", json=asked).status_code == 201


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"spec": {}}, "a secret needs a value"),
        ({"spec": {"value": "short"}}, "this has 5"),
        ({"spec": {"value": "long enough"}, "visibility": "public"}, "a secret is private"),
    ],
)
def test_what_is_refused(client: Client, document: dict[str, object], message: str) -> None:
    with pytest.raises(Invalid, match=message):
        client.secrets.create_from({"name": "refused", **document})


def test_a_secret_stays_private(platform: RunningPlatform, client: Client) -> None:
    client.secrets.set("kept", "long enough")
    with pytest.raises(Invalid, match="let a group own it"):
        client.secrets.get("kept").update(visibility="public")
    with platform.client("carol", groups=("team",)) as carol:
        owned: httpx.Response = carol.post(
            "secrets", json={"name": "shared", "owner": "team", "spec": {"value": "of the team"}}
        )
        assert owned.status_code == 201, owned.text
    with platform.client("dave", groups=("team",)) as dave:
        assert [item["name"] for item in dave.get("secrets").json()["items"]] == ["shared"]


def test_a_deleted_secret_is_had_by_no_run(platform: RunningPlatform, client: Client, tmp_path: Path) -> None:
    client.secrets.set("leaving", "on its way out")
    (tmp_path / "train.py").write_text("raise SystemExit(1)")
    training = client.train(name="after", script=tmp_path, secrets={"T": "leaving"})
    with pytest.raises(RunFailed):
        training.wait(progress=False)
    assert platform.cli("secret", "delete", "leaving").returncode == 0
    listed = platform.cli("secret", "list")
    assert listed.returncode == 0 and "leaving" not in listed.stdout and "hub-token" in listed.stdout
    with pytest.raises(RunFailed, match="leaving is not there any more; set it"):
        training.retry().wait(progress=False)
    with pytest.raises(NotFound):
        client.secrets.get("leaving")
    assert platform.cli("secret", "set", "leaving").returncode == 2


#: prints all that it knows, and lets its token out in a form that nobody can know
TELLING = """
import base64, os, pathlib, time
for name, value in os.environ.items():
    print(name, "=", value)
token = os.environ["ORRERY_TOKEN"]
assert token == os.environ["MLFLOW_TRACKING_TOKEN"]
there = pathlib.Path({there!r})
if os.environ["ORRERY_NODE_RANK"] == "0":
    there.with_suffix(".part").write_text(base64.b64encode(token.encode()).decode())
    there.with_suffix(".part").rename(there)
while not there.with_suffix(".end").exists():
    time.sleep(0.05)
raise SystemExit(f"401 for {{token}}")
"""


def token_told(there: Path) -> str:
    wait_until(there.exists, what="the run's token")
    token = base64.b64decode(there.read_text()).decode()
    there.unlink()
    return token


def status_of(platform: RunningPlatform, token: str) -> int:
    bearer = {"Authorization": f"Bearer {token}"}
    return httpx.get(f"{platform.url}/api/v1/auth/whoami", headers=bearer, timeout=60).status_code


def ends_at(token: str) -> float:
    return float(jwt.decode(token, options={"verify_signature": False})["exp"])


def test_a_runs_token_is_hidden_and_ends_with_its_run(tmp_path: Path) -> None:
    there, home = tmp_path / "token", tmp_path / "home"
    source = tmp_path / "source"
    source.mkdir()
    (source / "train.py").write_text(TELLING.format(there=str(there)))
    with RunningPlatform(home) as platform, Client(platform.url, platform.announcement["token"]) as client:
        before = time.time()
        training = client.train(name="telling", script=source, nodes=2, max_seconds=1000)
        first = token_told(there)
        assert before + 999 <= ends_at(first) - MARGIN_SECONDS <= time.time() + 1000
        assert status_of(platform, first) == 200
        # what it makes for itself lives no longer
        with Client(platform.url, first) as run:
            made = str(run.make_token(7 * 24 * 3600)["token"])
        platform.kill()
        platform.start()
        assert (status_of(platform, first), status_of(platform, made)) == (200, 200)
        there.with_suffix(".end").touch()
        with platform.client() as plain:
            wait_settled(plain, "trainings", training.id)
        assert (status_of(platform, first), status_of(platform, made)) == (401, 401)
        there.with_suffix(".end").unlink()
        training.retry()
        second = token_told(there)
        assert second != first and [status_of(platform, token) for token in (first, second)] == [401, 200]
        there.with_suffix(".end").touch()
        with pytest.raises(RunFailed):
            training.wait(progress=False)
        training.refresh()
        assert status_of(platform, second) == 401
        log = list(training.logs())
        shown = [line.partition("] ")[2] for line in log if "_TOKEN =" in line]
        assert sorted(shown) == ["MLFLOW_TRACKING_TOKEN = ***"] * 2 + ["ORRERY_TOKEN = ***"] * 2
        assert "401 for ***" in training.status.message
        # neither the events nor anything else in the database tells them
        files = [path for path in home.rglob("*") if path.is_file()]
        for token in (first, second):
            assert token not in "\n".join(log)
            assert [path for path in files if token.encode() in path.read_bytes()] == []


def test_a_runs_token_stays_out_of_its_result_notebook(client: Client, tmp_path: Path) -> None:
    code = "import os\nprint(os.environ['ORRERY_TOKEN'])\ndict(os.environ)"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    path = tmp_path / "look.ipynb"
    nbformat.write(notebook, path)
    client.run_notebook(path, save_to=tmp_path / "result.ipynb")
    outputs = nbformat.read(tmp_path / "result.ipynb", as_version=4).cells[-1].outputs
    assert outputs[0].text == "***\n"
    assert "'MLFLOW_TRACKING_TOKEN': '***'" in outputs[1].data["text/plain"]
    assert "eyJ" not in (tmp_path / "result.ipynb").read_text()
