"""TensorBoard on a real platform: live, for one training and for an experiment, and only for those who may look."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import nbformat
import pytest

from orrery.testing.apps import KERNEL, enter, knock
from orrery.testing.platform import RunningPlatform, create_dataset, wait_settled
from orrery.testing.waiting import wait_until

TABLE = b"a,b\n" + b"1,2\n" * 20
#: reports a metric and writes a log of its own; goes on when a file appears
CELL = """import os, time
from pathlib import Path
from orrery.jobs import report
from orrery.controllers.event_file import make_record, make_scalar, make_version
folder = Path(os.environ["EM_TENSORBOARD_LOG_DIR"], "inner")
folder.mkdir(parents=True)
def write(data):
    with (folder / "events.out.tfevents.1.own").open("ab") as file:
        file.write(make_record(data))
report.metrics({"loss": 0.5}, step=0)
write(make_version(1.0))
write(make_scalar("own/score", 1.0, 0, 1.0))
while not Path(go).exists() and go:
    time.sleep(0.05)
report.metrics({"loss": 0.25}, step=1)
write(make_scalar("own/score", 2.0, 1, 2.0))"""


def algorithm(folder: Path) -> None:
    new: Any = nbformat.v4
    notebook = new.new_notebook(metadata={"kernelspec": KERNEL, "orrery": {"title": "Eventful", "scenario": "tabular"}})
    notebook.cells = [
        new.new_code_cell('go: str = ""', metadata={"tags": ["parameters"]}),
        new.new_code_cell(CELL),
    ]
    written = io.StringIO()
    nbformat.write(notebook, written)  # pyright: ignore[reportUnknownMemberType]
    target = folder / "algorithms" / "tabular" / "eventful.ipynb"
    target.parent.mkdir(parents=True)
    target.write_text(written.getvalue())


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    notebooks = tmp_path_factory.mktemp("notebooks")
    algorithm(notebooks)
    environment = {"ORRERY_NOTEBOOKS": str(notebooks), "ORRERY_TENSORBOARD_IDLE_MINUTES": "0.1"}
    with RunningPlatform(tmp_path_factory.mktemp("h"), environment=environment) as running:
        with running.client("alice") as client:
            create_dataset(client, "table", TABLE)
        yield running


@pytest.fixture
def alice(platform: RunningPlatform) -> Iterator[httpx.Client]:
    with platform.client("alice") as client:
        yield client


def train(client: httpx.Client, name: str, **spec: Any) -> Any:
    dataset = {"datasets": {"train": "alice/table"}, "register_model": False}
    body = {"name": name, "spec": {"algorithm": "eventful", **dataset, **spec}}
    answer = client.post("trainings", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def open_board(platform: RunningPlatform, client: httpx.Client, kinds: str, resource: Any) -> str:
    answer = client.post(f"{kinds}/{resource['id']}/tensorboard")
    assert answer.status_code == 200, answer.text
    assert answer.json()["url"] == f"/apps/{resource['id']}/"
    assert answer.json()["state"] in ("waking", "awake")
    return enter(platform.url, resource["id"], client.headers)


def scalars(board: str, run: str, tag: str) -> list[tuple[int, float]]:
    """As TensorBoard serves them to its own page; empty while it does not know them."""
    answer = httpx.get(f"{board}data/plugin/scalars/scalars", params={"run": run, "tag": tag}, timeout=60)
    return [(step, value) for _, step, value in answer.json()] if answer.status_code == 200 else []


def services(platform: RunningPlatform) -> list[str]:
    return [path.name for path in (platform.home / "services").glob("*-tensorboard")]


def test_a_training_is_shown_while_it_runs_and_its_board_falls_asleep(
    platform: RunningPlatform, alice: httpx.Client, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    training = train(alice, "live", parameters={"go": str(go)})
    board = open_board(platform, alice, "trainings", training)
    wait_until(lambda: scalars(board, "live", "loss") == [(0, 0.5)], what="the metric that the job reported")
    wait_until(lambda: scalars(board, "live/inner", "own/score") == [(0, 1.0)], what="what the job wrote itself")
    platform.kill()
    go.touch()
    wait_until(lambda: scalars(board, "live", "loss") == [(0, 0.5)], what="it is served without the platform")
    platform.start()
    wait_until(lambda: scalars(board, "live", "loss") == [(0, 0.5), (1, 0.25)], what="what came since, once")
    wait_until(lambda: scalars(board, "live/inner", "own/score") == [(0, 1.0), (1, 2.0)], what="the rest of its log")
    page = httpx.get(board, headers={"Accept": "text/html"}, timeout=60)
    assert page.status_code == 200 and "sandbox" in ", ".join(page.headers.get_list("content-security-policy"))
    assert "localStorage" in page.text and "sha256-" in ", ".join(page.headers.get_list("content-security-policy"))
    assert wait_settled(alice, "trainings", training["id"])["status"]["phase"] == "COMPLETE"
    wait_until(lambda: not services(platform), what="it falls asleep")
    assert not (platform.home / "apps" / training["id"]).exists()
    left = httpx.get(board, headers={"Accept": "text/html"}, timeout=60)
    assert left.status_code == 503 and f'data-door="/apps/{training["id"]}/"' in left.text
    again = knock(platform.url, training["id"], alice.headers)
    assert again.status_code == 202 and "live is waking up" in again.text
    assert alice.delete(f"trainings/{training['id']}").status_code == 200, "a board does not hold its training"
    wait_until(lambda: not services(platform), what="it goes with its training")


def test_an_experiment_shows_its_trainings_that_all_who_see_it_may_see(
    platform: RunningPlatform, alice: httpx.Client
) -> None:
    experiment = alice.post("experiments", json={"name": "compared", "visibility": "public", "spec": {}}).json()
    with platform.client("bob") as bob, platform.client("carol") as carol:
        assert alice.patch("datasets/table", json={"visibility": "public"}).status_code == 200
        version = alice.get("dataset-versions/table").json()["id"]
        assert alice.patch(f"dataset-versions/{version}", json={"visibility": "public"}).status_code == 200
        inside = {"experiment": "alice/compared"}
        for client, name, visibility in ((alice, "one", "public"), (alice, "two", "private"), (bob, "three", "public")):
            training = train(client, name, **inside)
            assert wait_settled(client, "trainings", training["id"])["status"]["phase"] == "COMPLETE"
            client.patch(f"trainings/{training['id']}", json={"visibility": visibility})
            if name == "two":
                refused = carol.post(f"trainings/{training['id']}/tensorboard")
                assert refused.status_code == 404
                assert knock(platform.url, training["id"], carol.headers).status_code == 404
        board = open_board(platform, carol, "experiments", experiment)
        wait_until(lambda: scalars(board, "one", "loss") == [(0, 0.5), (1, 0.25)], what="the first training")
        wait_until(lambda: scalars(board, "three (bob)", "loss") == [(0, 0.5), (1, 0.25)], what="another's training")
        assert set(httpx.get(f"{board}data/runs", timeout=60).json()) == {
            *("one", "one/inner", "three (bob)", "three (bob)/inner")
        }
        assert bob.patch("trainings/three", json={"visibility": "private"}).status_code == 200
        wait_until(lambda: not scalars(board, "three (bob)", "loss"), what="what is private now is shown no more")
        assert scalars(board, "one", "loss")


def test_a_tuning_shows_its_trials(platform: RunningPlatform, alice: httpx.Client) -> None:
    spec = {
        "algorithm": "eventful",
        # two that are there already
        "space": {"go": {"values": ["", "/"]}},
        "objectives": [{"metric": "loss", "goal": "minimize"}],
        "sampler": "grid",
    }
    answer = alice.post("tunings", json={"name": "study", "spec": spec})
    assert answer.status_code == 201, answer.text
    tuning = answer.json()
    assert wait_settled(alice, "tunings", tuning["id"])["status"]["phase"] == "COMPLETE"
    # optuna-dashboard beside it, each at its own address, over the same study; it may be looked at and not changed
    told = alice.post(f"tunings/{tuning['id']}/optuna").json()
    assert told["url"] == f"/apps/{tuning['id']}_optuna/"
    shown = enter(platform.url, f"{tuning['id']}_optuna", alice.headers)
    [study] = httpx.get(f"{shown}api/studies", timeout=60).json()["study_summaries"]
    assert study["study_name"] == "study"
    trials = httpx.get(f"{shown}api/studies/{study['study_id']}?after=0", timeout=60).json()["trials"]
    assert [trial["state"] for trial in trials] == ["Complete", "Complete"]
    page = httpx.get(shown, headers={"Accept": "text/html"}, timeout=60)
    assert page.status_code == 200 and "allow-same-origin" not in str(page.headers)
    refused = httpx.delete(f"{shown}api/studies/{study['study_id']}", timeout=60)
    assert refused.status_code == 403 and "only looked at" in refused.text
    with platform.client("bob") as bob:
        assert bob.post(f"tunings/{tuning['id']}/optuna").status_code == 404
        assert knock(platform.url, f"{tuning['id']}_optuna", bob.headers).status_code == 404
    assert knock(platform.url, f"{tuning['id']}_nothing", alice.headers).status_code == 404
    held = alice.get(f"{platform.url}/metrics", timeout=60).text
    assert "orrery_held_cores 0\n" in held, "it holds no core"
    board = open_board(platform, alice, "tunings", tuning)
    wait_until(lambda: scalars(board, "study-0", "loss") == [(0, 0.5), (1, 0.25)], what="the first trial")
    wait_until(lambda: scalars(board, "study-1", "loss") == [(0, 0.5), (1, 0.25)], what="the second trial")
    left = [platform.home / "services" / f"{tuning['id']}-{name}" for name in ("tensorboard", "optuna")]
    wait_until(lambda: not any(path.exists() for path in left), what="both fall asleep")
    assert knock(platform.url, f"{tuning['id']}_optuna", alice.headers).status_code == 202, "a visit wakes it again"
