"""The pure parts before MLflow: which doors are open, whose workspace is whose, and the tree of artifacts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orrery.domain.access import User
from orrery.errors import Invalid, NotFound
from orrery.store.objects import Object
from orrery.tracking.artifacts import ArtifactTree, Listed
from orrery.tracking.rules import is_open, names_experiment, replace_default_experiment
from orrery.tracking.workspaces import choose_workspace, make_workspace, workspaces_of

STORED = Object("a" * 64, 3)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "version",
        "graphql",
        "get-artifact",
        "static-files/static/js/main.js",
        "api/2.0/mlflow/runs/create",
        "ajax-api/2.0/mlflow/experiments/search",
        "api/2.0/mlflow/logged-models/m-1/tags",
        "api/2.0/mlflow-artifacts/artifacts/1/run/artifacts/50% of données.txt",
        "ajax-api/3.0/mlflow/traces/search",
    ],
)
def test_what_workspaces_guard_is_open(path: str) -> None:
    assert is_open(path)


@pytest.mark.parametrize(
    "path",
    [
        "api/2.0/mlflow/webhooks",
        "ajax-api/3.0/mlflow/gateway/secrets/list",
        "ajax-api/3.0/mlflow/assistant/message",
        "ajax-api/2.0/mlflow/runs/create-promptlab-run",
        "ajax-api/3.0/mlflow/traces",
        "api/2.0/mlflow-artifacts/presigned/x",
        "api/2.0/mlflow/runs/../webhooks",
        "static-files/../api/2.0/mlflow/webhooks",
        "static-files/..\\x",
        "api//2.0/mlflow/webhooks",
        "/api/2.0/mlflow/runs/create",
        "v1/traces",
        "api/9.0/mlflow/runs/create",
        "api",
    ],
)
def test_everything_else_is_shut(path: str) -> None:
    assert not is_open(path)


def test_the_default_experiment_is_ones_own() -> None:
    assert names_experiment("api/2.0/mlflow/runs/create")
    assert not names_experiment("api/2.0/mlflow/runs/log-batch")
    body = {"experiment_id": "0", "experiment_ids": ["0", "3"], "other": "0"}
    replaced = json.loads(replace_default_experiment(json.dumps(body).encode(), "7"))
    assert replaced == {"experiment_id": "7", "experiment_ids": ["7", "3"], "other": "0"}
    for untouched in (b"not json", b"[1]", b""):
        assert replace_default_experiment(untouched, "7") == untouched


@given(st.text(min_size=1, max_size=80), st.text(min_size=1, max_size=80))
def test_no_two_owners_share_a_workspace(one: str, other: str) -> None:
    first, second = make_workspace(one), make_workspace(other)
    assert (first == second) == (one == other)
    assert 2 <= len(first) <= 63
    assert first not in ("default", "workspaces", "api")


@pytest.mark.parametrize("owner", ["alice", "team-7", "u1"])
def test_plain_names_stay_readable(owner: str) -> None:
    assert make_workspace(owner) == owner


def test_a_forged_hash_is_hashed_again() -> None:
    taken = make_workspace("Carol@Example.org")
    assert make_workspace(taken) != taken


def test_who_enters_which_workspace() -> None:
    user = User("alice", frozenset({"team", "alice"}))
    assert workspaces_of(user) == ["alice", "team"]
    asked = {None: "alice", "": "alice", "default": "alice", "team": "team", "bob": None, " team ": "team"}
    assert {wish: choose_workspace(user, wish) for wish in asked} == asked
    assert choose_workspace(User("root", admin=True), "bob") == "bob"


def test_artifacts_are_named_listed_and_forgotten(tmp_path: Path) -> None:
    tree = ArtifactTree(tmp_path)
    tree.put("run/model/.hidden", STORED)
    tree.put("run/a.txt", Object("b" * 64, 1))
    tree.put("run/a.txt", STORED)
    assert tree.list("run") == [Listed("a.txt", STORED), Listed("model", None)]
    assert tree.list("run/a.txt") == tree.list("absent") == []
    assert tree.get("run/model/.hidden") == STORED
    assert tree.oids() == {STORED.oid}
    tree.remove("run")
    tree.remove("run")
    assert tree.oids() == set()


@pytest.mark.parametrize("path", ["../x", "a/../../x", "a\0b", "", "/"])
def test_artifacts_stay_in_their_tree(tmp_path: Path, path: str) -> None:
    with pytest.raises(Invalid):
        ArtifactTree(tmp_path).put(path, STORED)


@pytest.mark.parametrize("path", ["absent", "folder", "folder/file/below"])
def test_what_is_no_artifact_is_not_found(tmp_path: Path, path: str) -> None:
    tree = ArtifactTree(tmp_path)
    tree.put("folder/file", STORED)
    with pytest.raises(NotFound):
        tree.get(path)
