"""YAML by way of the Jupyter server: the rules of `orrery export` and `orrery apply`, with a plan to look at first."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest

from orrery.testing.jupyter import Jupyter, jupyter_lab
from orrery.testing.platform import create_dataset, wait_settled
from orrery.testing.waiting import wait_until

CSV = b"width,height,species\n" + b"".join(b"%d,%d,%s\n" % (i % 7, i % 5, b"ab"[i % 2 : i % 2 + 1]) for i in range(200))
PROJECT = """\
kind: training
name: applied
spec:
  algorithm: xgboost
  datasets: {train: iris}
  experiment: trees
  parameters:
    target: species
    rounds: 4
---
kind: experiment
name: trees
description: all of the trees
"""
Lab = tuple[Jupyter, httpx.Client, httpx.Client]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("lab")
    (folder / "work").mkdir()
    with jupyter_lab(folder / "home", folder / "work") as jupyter, jupyter.client(timeout=120) as asking:
        wait_until(lambda: asking.get("/orrery/readyz").is_success, seconds=90, what="the platform behind Jupyter")
        base = f"{jupyter.orrery}/api/v1/"
        headers = {"Authorization": f"token {jupyter.token}"}
        with httpx.Client(base_url=base, headers=headers, timeout=60, trust_env=False) as client:
            create_dataset(client, "iris", CSV)
            yield jupyter, asking, client


def ask(asking: httpx.Client, what: str, **body: Any) -> httpx.Response:
    return asking.post(f"/orrery-extension/manifests/{what}", json=body)


def lines(answer: httpx.Response) -> list[dict[str, Any]]:
    return [json.loads(line) for line in answer.text.splitlines()]


def test_a_file_is_planned_then_applied_and_exported_again(lab: Lab) -> None:
    _, asking, client = lab
    planned = ask(asking, "plan", text=PROJECT, name="project.yaml")
    assert planned.status_code == 200, planned.text
    plan = planned.json()
    assert [(step["label"], step["does"], step["line"]) for step in plan["steps"]] == [
        ("experiment trees", "create", 11),
        ("training applied", "create", 1),
    ]
    assert client.get("experiments/trees").status_code == 404
    applied = ask(asking, "apply", text=PROJECT, plan=plan["plan"])
    assert [(line["label"], line["does"]) for line in lines(applied)] == [
        ("experiment trees", "create"),
        ("training applied", "create"),
    ]
    training = wait_settled(client, "trainings", "applied")
    assert training["id"] == lines(applied)[1]["id"]
    exported = ask(asking, "export", items=[{"kind": "training", "id": training["id"]}]).json()["text"]
    assert "train: iris@1" in exported
    assert "experiment: trees" in exported
    again = ask(asking, "plan", text=exported).json()
    assert [step["does"] for step in again["steps"]] == ["nothing"]


def test_what_was_changed_since_it_was_looked_at_is_not_done(lab: Lab) -> None:
    _, asking, client = lab
    text = "kind: experiment\nname: moved\ndescription: as the file says\n"
    client.post("experiments", json={"name": "moved", "spec": {}, "description": "first"}).raise_for_status()
    plan = ask(asking, "plan", text=text).json()
    assert plan["steps"][0]["differences"] == ['description: "first" -> "as the file says"']
    client.patch("experiments/moved", json={"description": "somebody else's"}).raise_for_status()
    refused = ask(asking, "apply", text=text, plan=plan["plan"])
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "stale")
    assert client.get("experiments/moved").json()["description"] == "somebody else's"


def test_a_refusal_names_the_line_and_the_value(lab: Lab) -> None:
    _, asking, _ = lab
    for text, status, words, line in [
        (PROJECT.replace("rounds: 4", "rounds: many").replace("  experiment: trees\n", ""), 422, "'many'", 8),
        # also where what it names is made by the same file
        (
            PROJECT.replace("rounds: 4", "rounds: many").replace("trees", "new").replace("applied", "later"),
            422,
            "'many'",
            9,
        ),
        (PROJECT.replace("spec:", "spce:"), 422, "did you mean 'spec'", 3),
        (PROJECT.replace("kind: experiment", "kind: experimint"), 422, "did you mean 'experiment'", 11),
        ("kind: a\nname: !!python/object/apply:os.system ['true']", 422, "could not determine a constructor", 2),
        ("#" * (1 << 20) + "\n", 413, "split it into several files", None),
    ]:
        answer = ask(asking, "plan", text=text)
        error = answer.json()["error"]
        assert answer.status_code == status, error
        assert words in error["message"]
        assert error["details"].get("line") == line, error


def test_a_form_is_written_as_a_file_that_can_be_applied(lab: Lab) -> None:
    _, asking, _ = lab
    spec = {"algorithm": "orrery/xgboost", "datasets": {"train": "iris"}, "parameters": {"target": "species"}}
    draft = ask(asking, "draft", kind="training", name="from-form", description="", tags=["a"], spec=spec)
    text = draft.json()["text"]
    assert text.startswith("apiVersion: orrery/v1\nkind: training\nname: from-form\ntags:\n- a\n")
    assert [step["does"] for step in ask(asking, "plan", text=text).json()["steps"]] == ["create"]


def test_a_stranger_and_a_foreign_page_are_refused(lab: Lab) -> None:
    jupyter, _, _ = lab
    url = f"{jupyter.url}/orrery-extension/manifests/plan"
    assert httpx.post(url, json={"text": PROJECT}, trust_env=False).status_code == 403
    with closing(jupyter.browser()) as browser:
        assert browser.post(url, json={"text": PROJECT}).status_code == 403
