"""What nobody means to send, sent to a real platform: it is refused in words, or nothing is lost by it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from orrery.testing.platform import RunningPlatform, put_object, wait_settled

RUN: dict[str, Any] = {"algorithm": "xgboost", "datasets": {}, "parameters": {}}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    with RunningPlatform(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture
def alice(platform: RunningPlatform) -> Iterator[httpx.Client]:
    with platform.client("alice", admin=True) as client:
        yield client


def refused(answer: httpx.Response) -> list[dict[str, str]]:
    """The fields that are named."""
    assert answer.status_code == 422, answer.text
    return answer.json()["error"]["details"]["fields"]


TUNING = '{"name": "t", "spec": {"algorithm": "xgboost", "objectives": [{"metric": "auc"}], %s}}'


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "tunings", TUNING % '"space": {"x": {"low": 1, "high": 1e999}}', "spec.space.x.high"),
        ("POST", "tunings", TUNING % '"space": {"x": "1..1e999"}', "spec.space.x"),
        ("POST", "tunings", TUNING % '"space": {"x": "1..2"}, "goal_value": 1e999', "spec.goal_value"),
        ("POST", "tunings", TUNING % '"space": {"x": "1..2"}, "goal_value": "nan"', "spec.goal_value"),
        ("POST", "trainings/sweep", '{"name": "s", "spec": {}, "parameters": {"x": [1e999, 1]}}', "parameters.x.0"),
        ("PATCH", "queue/limits", '{"everyone": {"cores": 1e999}}', "everyone.cores"),
        ("PATCH", "queue/limits", '{"everyone": {"cores": "inf"}}', "everyone.cores"),
        (
            "POST",
            "templates",
            '{"name": "t", "spec": {"algorithm": "xgboost", "parameters": {"x": "\\ud800"}}}',
            "spec.parameters.x",
        ),
        (
            "POST",
            "trainings",
            '{"name": "t", "spec": {"algorithm": "xgboost", "parameters": {"x": "\\ud800"}}}',
            "spec.parameters.x",
        ),
        ("POST", "experiments", '{"name": "\\ud800"}', "name"),
        (
            "POST",
            "batch",
            '{"operations": [{"method": "POST", "path": "/experiments", "body": {"name": "x", "description": NaN}}]}',
            "operations.0.body.description",
        ),
    ],
)
def test_what_json_cannot_hold_is_refused_with_its_field(
    alice: httpx.Client, method: str, path: str, body: str, field: str
) -> None:
    answer = alice.request(method, path, content=body.encode(), headers={"Content-Type": "application/json"})
    assert [fault["path"] for fault in refused(answer)] == [field]


def test_a_limit_that_is_no_number_is_refused_on_the_command_line(platform: RunningPlatform) -> None:
    done = platform.cli("queue", "limits", "--set", "cores=inf")
    assert done.returncode != 0
    assert "everyone.cores: must be a finite number, not 'inf'" in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--goal", "nan"], "goal_value: must be a finite number, not nan"),
        (["--goal", "inf"], "goal_value: must be a finite number, not inf"),
        (["-p", "rounds=1e999"], "parameters.rounds: must be a finite number, not inf"),
    ],
)
def test_a_number_that_is_none_is_refused_in_words_on_the_command_line(
    platform: RunningPlatform, options: list[str], said: str
) -> None:
    wanted = ["--space", "max_depth=2..8", "--objective", "maximize:roc_auc"]
    done = platform.cli("tune", "xgboost", "--name", "t", *wanted, *options)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("fields", "path", "said"),
    [
        (
            {"environment": {"MY_TEXT": "a\0b"}},
            "spec.environment.MY_TEXT",
            "the value of MY_TEXT holds the character NUL",
        ),
        ({"environment": {"MY_TEXT": "a" * 200_000}}, "spec.environment.MY_TEXT", "MY_TEXT takes 200,009 bytes"),
        ({"parameters": {"text": "a\0b"}}, "spec.parameters", "the value of text holds the character NUL"),
    ],
)
def test_a_variable_that_no_program_could_be_given_is_refused(
    alice: httpx.Client, fields: dict[str, Any], path: str, said: str
) -> None:
    for plural in ("trainings", "templates"):
        [fault] = refused(alice.post(plural, json={"name": "t", "spec": {**RUN, **fields}}))
        assert fault["path"] == path
        assert said in fault["message"]


def test_a_log_is_searched_and_what_cannot_be_searched_for_is_refused(
    platform: RunningPlatform, alice: httpx.Client
) -> None:
    code = "print('begin')\nfor i in range(1500): print('Step', i)\nprint('LOSS=nan')\n"
    stored = put_object(alice, code.encode())
    spec = {"files": [{"path": "t.py", "oid": stored["oid"], "size": stored["size"]}], "entry_point": "t.py"}
    alice.post("algorithms", json={"name": "steps", "spec": spec}).raise_for_status()
    wait_settled(alice, "algorithms", "steps")
    made = alice.post("trainings", json={"name": "steps", "spec": {"algorithm": "steps", "register_model": False}})
    made.raise_for_status()
    wait_settled(alice, "trainings", "steps")
    logs = "trainings/steps/logs"
    [found] = alice.get(logs, params={"search": "loss="}).json()["items"]
    assert found == {"line": found["line"], "text": "LOSS=nan"}
    assert alice.get(logs).text.split("\n")[found["line"] - 1] == "LOSS=nan"
    many = alice.get(logs, params={"search": "step "}).json()
    assert (len(many["items"]), many["more"]) == (1000, True)
    for wrong, path in (
        ({"search": ""}, "search"),
        ({"search": "a\nb"}, "search"),
        ({"search": "a", "follow": 1}, "search"),
        ({"search": "a", "offset": 3}, "search"),
        ({"after_line": 3}, "after_line"),
    ):
        assert [fault["path"] for fault in refused(alice.get(logs, params=wrong))] == [path]
    done = platform.cli("logs", "training", "steps", "--search", "step 1", user="alice")
    assert done.stdout.splitlines()[0].endswith(": Step 1")
    assert len(done.stdout.splitlines()) == 1 + 10 + 100 + 500
    both = platform.cli("logs", "training", "steps", "--search", "x", "--follow", user="alice")
    assert (both.returncode, "leave follow out" in both.stderr) == (2, True)
