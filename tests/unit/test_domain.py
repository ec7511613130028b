"""The platform's rules, as pure functions."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from pydantic import ValidationError

from orrery.api.views import view
from orrery.domain import ids
from orrery.domain.access import Act, User, Visibility, is_allowed, require
from orrery.domain.algorithms import AlgorithmSpec
from orrery.domain.catalogue import KINDS
from orrery.domain.columns import check_target, find_column
from orrery.domain.datasets import DatasetSpec
from orrery.domain.endpoints import EndpointSpec
from orrery.domain.kinds import Kind, describe
from orrery.domain.machine import InvalidTransition
from orrery.domain.records import Record, object_ids
from orrery.domain.references import Named, named_references, parse_reference, replace_references
from orrery.domain.trainings import TRAINING, TrainingSpec
from orrery.errors import Forbidden, Invalid, NotFound

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OID = "a" * 64


def make_record(**changes: Any) -> Record:
    record = Record(
        id="trn_01jd8q3c9k4t7v2x5z",
        kind="training",
        owner="alice",
        name="breast",
        version=0,
        spec={},
        phase="CREATE_REQUESTED",
        created_at=NOW,
        updated_at=NOW,
    )
    return replace(record, **changes)


@pytest.mark.parametrize("kind", list(KINDS), ids=lambda kind: kind.name)
def test_every_pair_of_phase_and_event_moves_as_declared_or_is_refused(kind: Kind) -> None:
    for phase, event in product(kind.machine.phases, kind.machine.events):
        record = make_record(kind=kind.name, phase=phase)
        expected = kind.machine.transitions.get((phase, event))
        if expected is None:
            with pytest.raises(InvalidTransition, match=phase):
                kind.machine.step(record, event, NOW)
        else:
            assert kind.machine.step(record, event, NOW).phase == expected


@pytest.mark.parametrize("kind", list(KINDS), ids=lambda kind: kind.name)
def test_every_phase_can_be_reached_and_every_unsettled_one_left(kind: Kind) -> None:
    reached = {kind.machine.initial}
    while True:
        more = {target for (source, _), target in kind.machine.transitions.items() if source in reached} - reached
        if not more:
            break
        reached |= more
    sources = {source for source, _ in kind.machine.transitions}
    reserved = {"DELETE_IN_PROGRESS", "DELETE_FAILED"} if kind.name == "model" else set[str]()
    assert reached == kind.machine.phases.keys() - reserved
    assert {name for name, phase in kind.machine.phases.items() if not phase.settled} <= sources | reserved


def test_the_training_machine_knows_every_status_promised() -> None:
    assert set(KINDS.named("training").machine.phases) == {
        "CREATE_REQUESTED", "CREATE_IN_PROGRESS", "RUNNING", "STOP_IN_PROGRESS", "STOPPED", "COMPLETE_IN_PROGRESS",
        "COMPLETE", "FAIL_TRAIN_IN_PROGRESS", "FAIL_TRAIN", "CREATE_FAILED",
    }  # fmt: skip
    states = {phase.state for phase in KINDS.named("training").machine.phases.values()}
    assert states == {"Pending", "Running", "Completed", "Failed", "Cancelled"}


def test_a_run_is_stamped_when_it_starts_and_when_it_ends() -> None:
    machine = KINDS.named("training").machine
    later = datetime(2026, 1, 2, tzinfo=UTC)
    running = machine.step(make_record(phase="CREATE_IN_PROGRESS"), "started", NOW)
    assert (running.started_at, running.ended_at) == (NOW, None)
    ended = machine.step(machine.step(running, "stop", later), "cancelled", later)
    assert (ended.started_at, ended.ended_at) == (NOW, later)
    again = machine.step(ended, "start", later)
    assert (again.started_at, again.ended_at) == (None, None)


@pytest.mark.parametrize(("name", "before"), [("tuning", 60.0), ("training", 60.0), ("kernel", 0.0)])
def test_the_times_that_a_run_took_add_up(name: str, before: float) -> None:
    kind = KINDS.named(name)
    assert kind.sums_runs == (before > 0)
    record = replace(make_record(phase="CREATE_IN_PROGRESS"), kind=name)

    def shown(record: Record, now: datetime) -> tuple[float | None, float]:
        status = view(record, kind, [], now=now)["status"]
        return status["duration_seconds"], status["earlier_seconds"]

    now = NOW
    assert shown(record, now) == (None, 0.0)
    for _ in range(2):
        record = TRAINING.machine.step(record, "started", now)
        now += timedelta(seconds=30)
        record = TRAINING.machine.step(TRAINING.machine.step(record, "stop", now), "cancelled", now)
        # nothing runs meanwhile
        now += timedelta(hours=1)
        record = TRAINING.machine.step(record, "start", now)
        record = TRAINING.machine.step(record, "accepted", now)
    assert shown(record, now) == (before or None, before)
    record = TRAINING.machine.step(record, "started", now)
    now += timedelta(seconds=5)
    assert shown(record, now) == (before + 5, before)


@pytest.mark.parametrize("kind", list(KINDS), ids=lambda kind: kind.name)
def test_actions_name_events_and_phases_that_exist(kind: Kind) -> None:
    described = describe(kind)
    for action, shown in zip(kind.actions, described["actions"], strict=True):
        assert shown["phases"], f"{action.name} is never offered"
        assert set(shown["phases"]) <= kind.machine.phases.keys()
    assert kind.mutable <= kind.spec.model_fields.keys()
    assert kind.undeletable.keys() <= kind.machine.phases.keys()
    assert kind.holding <= kind.machine.phases.keys()


def test_ids_are_short_sortable_and_told_from_names() -> None:
    first, second = ids.make_id("trn", milliseconds=1), ids.make_id("trn", milliseconds=2)
    assert first < second
    assert ids.is_id(first) and len(first) == 22
    assert re.fullmatch(r"[a-z0-9_]+", first)
    assert not ids.is_id("breast-1")


@pytest.mark.parametrize("name", ["", "-a", "a-", "a b", "a/b", "ä", "a" * 64, "a@1", "../a", "trn_01jd8q3c9k4t7v2x5z"])
def test_a_bad_name_is_refused_with_the_rule(name: str) -> None:
    with pytest.raises(Invalid, match="letters, digits"):
        ids.check_name(name)


@pytest.mark.parametrize(
    ("text", "owner", "name", "version"),
    [("b", None, "b", None), ("alice/b", "alice", "b", None), ("alice/b@12", "alice", "b", 12), ("b@1", None, "b", 1)],
)
def test_references_are_parsed(text: str, owner: str | None, name: str, version: int | None) -> None:
    found = parse_reference(text)
    assert (found.owner, found.name, found.version) == (owner, name, version)


@pytest.mark.parametrize("text", ["", "/b", "a/b/c", "b@", "b@0", "b@x", "b@1.5"])
def test_a_malformed_reference_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match=re.escape(repr(text))):
        parse_reference(text)


def test_references_are_found_in_lists_and_mappings_and_replaced_by_ids() -> None:
    document = {"algorithm": "xgboost", "datasets": {"train": "a@1", "test": "b"}, "experiment": "e"}
    training = TrainingSpec.model_validate(document)
    assert named_references(training) == [
        Named("algorithm", "algorithm", "xgboost"),
        Named("datasets.train", "dataset-version", "a@1"),
        Named("datasets.test", "dataset-version", "b"),
        Named("experiment", "experiment", "e"),
    ]
    endpoint = EndpointSpec.model_validate(
        {"deployments": [{"model": "m", "traffic": 40}, {"model": "n", "traffic": 60}]}
    )
    assert [named.path for named in named_references(endpoint)] == ["deployments.0.model", "deployments.1.model"]
    replaced = replace_references(endpoint.model_dump(mode="json"), {"deployments.1.model": "mdl_2"})
    assert [d["model"] for d in replaced["deployments"]] == ["m", "mdl_2"]


@pytest.mark.parametrize(
    ("visibility", "group", "user", "acts"),
    [
        (Visibility.PRIVATE, None, User("alice"), {Act.READ, Act.USE, Act.WRITE}),
        (Visibility.PRIVATE, None, User("bob"), set()),
        (Visibility.PRIVATE, None, User("root", admin=True), {Act.READ, Act.USE, Act.WRITE}),
        (Visibility.GROUP, "lab", User("bob", frozenset({"lab"})), {Act.READ, Act.USE}),
        (Visibility.GROUP, "lab", User("bob", frozenset({"other"})), set()),
        (Visibility.PUBLIC, None, User("bob"), {Act.READ, Act.USE}),
        (Visibility.PRIVATE, "lab", User("bob", frozenset({"lab"})), set()),
    ],
)
def test_who_may_do_what(visibility: Visibility, group: str | None, user: User, acts: set[Act]) -> None:
    record = make_record(visibility=visibility, group=group)
    assert {act for act in Act if is_allowed(user, act, record)} == acts


def test_what_one_may_not_read_is_said_not_to_exist() -> None:
    with pytest.raises(NotFound, match="does not exist, or you may not see it"):
        require(User("bob"), Act.WRITE, make_record())
    with pytest.raises(Forbidden, match="belongs to alice"):
        require(User("bob"), Act.WRITE, make_record(visibility=Visibility.PUBLIC))


def test_a_groups_things_are_its_members() -> None:
    assert is_allowed(User("bob", frozenset({"lab"})), Act.WRITE, make_record(owner="lab"))


SCHEMA = {"columns": [{"name": "sepal length"}, {"name": "species", "kind": "category", "distinct": 3, "missing": 0}]}


@pytest.mark.parametrize(
    ("given", "meant"), [("speces", "species"), ("Species", "species"), ("sepal_length", "sepal length")]
)
def test_an_unknown_column_suggests_the_nearest(given: str, meant: str) -> None:
    with pytest.raises(Invalid, match=re.escape(f"column {given!r} is not in dataset iris@1; did you mean {meant!r}?")):
        find_column(SCHEMA, given, dataset="iris@1", path="spec.parameters.target")


@pytest.mark.parametrize(
    ("column", "task", "said"),
    [
        ({"kind": "category", "distinct": 2, "smallest_class": {"value": "x", "count": 1}}, "auto", "class 'x'"),
        ({"kind": "number", "distinct": 2, "smallest_class": {"value": 1, "count": 1}}, "classification", "class 1 "),
        ({"kind": "category", "distinct": 1}, "auto", "one value only"),
        ({"kind": "number", "distinct": 0, "missing": 10}, "auto", "empty in every row"),
    ],
)
def test_a_target_that_cannot_be_learned_is_refused(column: dict[str, Any], task: str, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        check_target({"name": "y", "rows": 10, **column}, task=task, dataset="d@1", path="spec.parameters.target")


def test_a_rare_number_is_no_class_in_a_regression() -> None:
    column = {"name": "y", "kind": "number", "distinct": 9, "rows": 10, "smallest_class": {"value": 1, "count": 1}}
    check_target(column, task="regression", dataset="d@1", path="p")


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", "a\\b", "", "a\nb"])
def test_a_file_path_that_leaves_the_dataset_is_refused(path: str) -> None:
    with pytest.raises(ValidationError):
        DatasetSpec.model_validate({"files": [{"path": path, "oid": OID, "size": 1}]})


def test_101_hyperparameters_are_refused_and_100_are_not() -> None:
    def spec(count: int) -> dict[str, Any]:
        return {"algorithm": "a", "datasets": {"train": "d"}, "parameters": {f"p{i}": i for i in range(count)}}

    TrainingSpec.model_validate(spec(100))
    with pytest.raises(ValidationError, match="101 hyperparameters were given; at most 100"):
        TrainingSpec.model_validate(spec(101))


@pytest.mark.parametrize("traffic", [(40, 40), (100, 1), (50,)])
def test_traffic_that_does_not_add_up_is_refused(traffic: tuple[int, ...]) -> None:
    deployments = [{"model": f"m{index}", "traffic": share} for index, share in enumerate(traffic)]
    with pytest.raises(ValidationError, match="adds up to"):
        EndpointSpec.model_validate({"deployments": deployments})


def test_a_misspelt_field_is_refused() -> None:
    with pytest.raises(ValidationError, match="instance_typ"):
        EndpointSpec.model_validate({"deployments": [{"model": "m"}], "instance_typ": "x"})


def test_objects_are_found_wherever_they_are_held() -> None:
    assert object_ids({"a": [{"oid": "1"}, {"b": {"oid": "2"}}]}, {"oid": "3", "other": "4"}) == {"1", "2", "3"}


@pytest.mark.parametrize(
    ("paths", "asked", "words"),
    [
        (["a.py", "b.py"], "", "which of the files is run"),
        (["a.py"], "b.py", "'b.py' is not among the files"),
        (["a.csv"], "", "neither a .py nor an .ipynb"),
    ],
)
def test_what_is_wrong_with_an_entry_point_is_said_at_its_field(paths: list[str], asked: str, words: str) -> None:
    files = [{"path": path, "oid": OID, "size": 1} for path in paths]
    with pytest.raises(ValidationError, match=words) as caught:
        AlgorithmSpec.model_validate({"files": files, "entry_point": asked})
    assert [problem["loc"] for problem in caught.value.errors()] == [("entry_point",)]


def test_the_only_program_among_the_files_is_run() -> None:
    files = [{"path": path, "oid": OID, "size": 1} for path in ("requirements.txt", "forest.py")]
    assert AlgorithmSpec.model_validate({"files": files}).entry_point == "forest.py"
