"""Templates and sweeps on a real platform, by REST, SDK and CLI."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from orrery.api.auth import Signer
from orrery.client import Client
from orrery.domain.access import User
from orrery.errors import Invalid
from orrery.testing.platform import RunningPlatform, create_dataset, wait_settled

CSV = b"width,height,species\n" + b"".join(b"%d,%d,%s\n" % (i % 7, i % 5, b"ab"[i % 2 : i % 2 + 1]) for i in range(200))
SPEC = {
    "algorithm": "xgboost",
    "datasets": {"train": "iris"},
    "parameters": {"target": "species", "rounds": 5, "max_depth": 3},
}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    with RunningPlatform(tmp_path_factory.mktemp("home")) as running:
        with running.client("alice") as client:
            create_dataset(client, "iris", CSV)
        yield running


@pytest.fixture(scope="module")
def token(platform: RunningPlatform) -> str:
    return Signer.open(platform.home / "secrets" / "jwt.key").sign(User("alice"), 3600)[0]


@pytest.fixture
def alice(platform: RunningPlatform) -> Iterator[httpx.Client]:
    with platform.client("alice") as client:
        yield client


def test_a_template_needs_no_more_than_an_algorithm_and_can_be_changed_copied_and_deleted(
    alice: httpx.Client,
) -> None:
    answer = alice.post("templates", json={"name": "bare", "spec": {"algorithm": "xgboost"}})
    assert answer.status_code == 201, answer.text
    assert wait_settled(alice, "templates", "bare")["status"]["outputs"] == {"hyperparameters": ""}
    changed = alice.patch("templates/bare", json={"spec": {"parameters": {"max_depth": 4, "learning_rate": 0.2}}})
    assert changed.status_code == 200, changed.text
    found = wait_settled(alice, "templates", "bare")
    assert (found["status"]["phase"], found["status"]["outputs"]["hyperparameters"]) == (
        "ACTIVE",
        "max_depth, learning_rate",
    )
    refused = alice.patch("templates/bare", json={"spec": {"parameters": {"max_depth": "deep"}}})
    assert refused.json()["error"]["details"]["fields"][0]["path"] == "spec.parameters.max_depth"
    assert alice.post("templates/bare/copy", json={"name": "copied"}).status_code == 201
    assert alice.delete("templates/bare").status_code == 200
    assert wait_settled(alice, "templates", "copied")["spec"]["parameters"] == {"max_depth": 4, "learning_rate": 0.2}


def test_a_training_is_saved_as_a_template_and_others_begin_from_it(
    alice: httpx.Client, platform: RunningPlatform, token: str
) -> None:
    alice.post("trainings", json={"name": "first", "spec": SPEC}).raise_for_status()
    saved = alice.post("trainings/first/save-template", json={"name": "quick", "description": "small trees"})
    assert saved.status_code == 201, saved.text
    assert (saved.json()["kind"], saved.json()["description"]) == ("template", "small trees")
    assert saved.json()["spec"]["parameters"] == SPEC["parameters"]
    wait_settled(alice, "trainings", "first")
    with Client(platform.url, token) as client:
        training = client.templates.get("quick").train("second", parameters={"max_depth": 2}).wait(progress=False)
    assert training.spec["parameters"] == {"target": "species", "rounds": 5, "max_depth": 2}
    assert training.status.phase == "COMPLETE"
    done = platform.cli(
        "train", "--template", "quick", "--name", "third", "-p", "rounds=3", "--wait", "-o", "json", user="alice"
    )
    assert done.returncode == 0, done.stderr
    third = json.loads(done.stdout)
    assert third["spec"]["parameters"] == {"target": "species", "rounds": 3, "max_depth": 3}
    assert "created from template quick" in done.stderr


def test_a_sweep_makes_all_of_them_under_one_experiment_or_none(
    alice: httpx.Client, platform: RunningPlatform, token: str
) -> None:
    body = {"name": "depths", "spec": SPEC, "parameters": {"max_depth": [2, -1]}}
    refused = alice.post("trainings/sweep", json=body)
    assert refused.status_code == 422
    error = refused.json()["error"]
    assert error["message"].startswith("max_depth=-1: ")
    assert error["message"].endswith("none was created")
    assert error["details"]["fields"][0]["path"] == "spec.parameters.max_depth"
    assert alice.get("trainings", params={"q": "depths"}).json()["items"] == []
    assert alice.get("experiments/depths").status_code == 404
    body["parameters"] = {"max_depth": [2, 3], "rounds": [2, 4]}
    headers = {"Idempotency-Key": "once"}
    made = alice.post("trainings/sweep", json=body, headers=headers)
    assert made.status_code == 201, made.text
    items = made.json()["items"]
    assert [item["name"] for item in items] == ["depths-1", "depths-2", "depths-3", "depths-4"]
    assert items[1]["description"] == "max_depth=2, rounds=4"
    experiment = alice.get("experiments/depths").json()["id"]
    assert {item["spec"]["experiment"] for item in items} == {experiment} == {made.json()["experiment"]}
    again = alice.post("trainings/sweep", json=body, headers=headers).json()["items"]
    assert [item["id"] for item in again] == [item["id"] for item in items]
    assert alice.post("trainings/sweep", json=body).json()["error"]["code"] == "name_taken"
    done = platform.cli(
        "train", "--template", "quick", "--name", "typed", "--sweep", "max_depth=2,3", "-o", "json", user="alice"
    )
    assert done.returncode == 0, done.stderr
    assert [item["spec"]["parameters"]["max_depth"] for item in json.loads(done.stdout)["items"]] == [2, 3]


def test_a_dry_run_checks_and_writes_nothing(alice: httpx.Client) -> None:
    dry = {"dry_run": "true"}
    body = {"name": "tried", "spec": {"algorithm": "xgboost"}}
    assert alice.post("templates", json=body, params=dry).json()["spec"]["instance_type"] == "cpu-small"
    assert alice.get("templates/tried").status_code == 404
    alice.post("templates", json=body).raise_for_status()
    assert alice.post("templates", json=body, params=dry).json()["error"]["code"] == "name_taken"
    before = wait_settled(alice, "templates", "tried")
    assert alice.patch("templates/tried", json={"spec": {"priority": "HIGH"}}, params=dry).status_code == 200
    assert alice.patch("templates/tried", json={"spec": {"priority": "URGENT"}}, params=dry).status_code == 422
    assert alice.get("templates/tried").json()["etag"] == before["etag"]


def test_a_tuning_begins_from_a_template(platform: RunningPlatform, token: str, alice: httpx.Client) -> None:
    spec = {**SPEC, "priority": "LOW", "data_gib": 2.0, "max_seconds": 600, "model_name": "best"}
    assert alice.post("templates", json={"name": "for-tuning", "spec": spec}).status_code == 201
    wait_settled(alice, "templates", "for-tuning")
    with Client(platform.announcement["url"], token) as client:
        template = client.templates.get("for-tuning")
        tuning = template.tune(
            "from-template",
            space={"max_depth": "2..3"},
            objective="maximize:accuracy",
            trials=1,
            parameters={"rounds": 7},
        )
        assert tuning.spec["parameters"] == {"target": "species", "rounds": 7}
        assert tuning.spec["datasets"].keys() == {"train"}
        assert (tuning.spec["priority"], tuning.spec["data_gib"], tuning.spec["max_seconds"]) == ("LOW", 2.0, 600)
        done = platform.cli(
            *("tune", "--template", "for-tuning", "--name", "by-cli", "--space", "max_depth=2..3"),
            *("--objective", "maximize:accuracy", "--trials", "1", "--priority", "HIGH", "-p", "rounds=4"),
            user="alice",
        )
        assert done.returncode == 0, done.stderr
        made = client.tunings.get("by-cli")
        assert made.spec["parameters"] == {"target": "species", "rounds": 4}
        assert (made.spec["priority"], made.spec["max_trials"]) == ("HIGH", 1)
        refused = platform.cli(
            "tune", "--name", "none", "--space", "x=1..2", "--objective", "maximize:accuracy", user="alice"
        )
        assert refused.returncode != 0 and "what is to be tuned?" in refused.stderr
        both = "'max_depth' is searched and has a fixed value; keep one of the two"
        options: dict[str, Any] = {"space": {"max_depth": "2..3"}, "objective": "maximize:accuracy"}
        with pytest.raises(Invalid, match=both):
            template.tune("both", parameters={"max_depth": 4}, **options)
        with pytest.raises(Invalid, match=both):
            client.tune(template=template, name="both", parameters={"max_depth": 4}, **options)
        for begin in (("--template", "for-tuning"), ("xgboost", "--dataset", "iris", "--target", "species")):
            refused = platform.cli(
                *("tune", *begin, "--name", "both", "-p", "max_depth=4", "--space", "max_depth=2..3"),
                *("--objective", "maximize:accuracy"),
                user="alice",
            )
            assert refused.returncode != 0 and both in refused.stderr, refused.stderr
        for one in (tuning, made):
            one.wait()


def test_the_sdk_begins_from_a_template_sweeps_and_applies(platform: RunningPlatform, token: str) -> None:
    with Client(platform.url, token) as client:
        spec = {**SPEC, "priority": "LOW", "environment": {"A": "1"}}
        kept = client.templates.create("by-sdk", spec=spec).wait(progress=False)
        first = client.train(
            template="by-sdk",
            name="of-sdk",
            parameters={"max_depth": 2},
            environment={"B": "2"},
            max_seconds="2h",
            start_after="2030-01-01T22:00",
        )
        said = first.spec
        assert said["parameters"] == {"target": "species", "rounds": 5, "max_depth": 2}
        assert (said["priority"], said["environment"], said["max_seconds"]) == ("LOW", {"A": "1", "B": "2"}, 7200)
        first.stop()
        with pytest.raises(Invalid, match="'soon' is no duration"):
            client.train("xgboost", name="never", dataset="iris", target="species", max_seconds="soon")
        tuning = client.tune(
            template=kept, name="tuned-by-sdk", space={"max_depth": "2..4"}, objective="maximize:accuracy", trials=1
        )
        assert "max_depth" not in tuning.spec["parameters"] and tuning.spec["priority"] == "LOW"
        made = client.sweep("by-sdk-sweep", template="by-sdk", parameters={"max_depth": [2, 3]})
        assert [run.spec["parameters"]["max_depth"] for run in made] == [2, 3]

        document = first.export() | {"name": "of-sdk-again"}
        (planned,) = client.apply(document, dry_run=True)
        assert (planned.does, planned.resource) == ("create", None)
        (done,) = client.apply(document)
        assert str(done) == "training of-sdk-again: created" and done.resource is not None
        assert done.resource.spec == first.spec
        done.resource.stop()
        (changed,) = client.apply(kept.export() | {"spec": {"priority": "HIGH"}})
        assert changed.does == "change" and changed.differences == ('spec.priority: "LOW" -> "HIGH"',)
        assert kept.refresh().spec["priority"] == "HIGH"
        for run in (*made, tuning):
            run.wait(progress=False)


def test_a_template_of_somebody_else_whose_data_one_may_not_see_names_the_data(
    platform: RunningPlatform, alice: httpx.Client
) -> None:
    shown = {"name": "shown", "visibility": "public", "spec": SPEC}
    assert alice.post("templates", json=shown).status_code == 201
    begun = platform.cli("train", "--template", "alice/shown", "--name", "mine", user="bob")
    assert "'alice/iris@1' does not exist, or you may not see it" in begun.stderr
    with platform.client("bob") as bob:
        create_dataset(bob, "iris", CSV)
    begun = platform.cli("train", "--template", "alice/shown", "--name", "mine", "--dataset", "iris", user="bob")
    assert begun.returncode == 0, begun.stderr
