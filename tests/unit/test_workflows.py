"""Training workflows: each turn of the reconciler, also cut off."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from orrery.api.assembly import Assembly, assemble
from orrery.controllers.built_in_algorithms import synchronise_built_ins
from orrery.controllers.contract import Changes, NewResource, Outcome
from orrery.controllers.engine import Engine
from orrery.controllers.settings import Settings
from orrery.controllers.workflows import WorkflowController
from orrery.domain.access import User, Visibility
from orrery.domain.catalogue import KINDS
from orrery.domain.models import MANIFEST
from orrery.domain.records import Json, Record, Target
from orrery.errors import InUse, Invalid, OrreryError, WrongPhase

ANN = User("ann")
SPEC: Json = {"template": "quick", "dataset": "iris", "metric": "accuracy"}


class CutOff(WorkflowController):
    """Every turn is cut off after all that it does, before anything is noted; then it is taken again."""

    def reconcile(self, record: Record) -> Outcome:
        super().reconcile(record)
        return super().reconcile(record)


class Bench:
    """A platform whose loop does not run: its workflows are moved by hand, and trainings end as the test says."""

    def __init__(self, home: Path, controller: type[WorkflowController]) -> None:
        self.assembly: Assembly = assemble(Settings(home=home))
        self.platform, self.commands = self.assembly.platform, self.assembly.commands
        self.store = self.platform.store
        synchronise_built_ins(self.platform)
        workflows = controller(self.platform)
        workflows.commands = self.commands
        self.engine = Engine(
            self.store, {"workflow": workflows, "dataset-version": self.assembly.controllers["dataset-version"]}
        )
        stored = self.platform.objects.put(io.BytesIO(b"width,species\n1,a\n2,b\n"))
        self.files = [{"path": "data.csv", "oid": stored.oid, "size": stored.size}]
        self.dataset = self.create("dataset", "iris", {"files": self.files})
        self.create("template", "quick", {"algorithm": "xgboost", "parameters": {"target": "species"}})

    def create(self, kind: str, name: str, spec: Json, **envelope: Any) -> Record:
        new = NewResource(name=name, spec=spec, **envelope)
        return self.commands.create(ANN, KINDS.named(kind), new, by_platform=True)

    def publish(self) -> Record:
        spec: Json = {"dataset": self.dataset.id, "type": "tabular", "files": self.files}
        version = self.create("dataset-version", "iris", spec)
        self.move()
        return version

    def move(self) -> None:
        """Until nothing of a workflow or a version is due."""
        while True:
            due = self.store.leases.take_due(100, timedelta(minutes=5))
            if not due:
                return
            for lease in due:
                if lease.record.kind in self.engine.controllers:
                    self.engine.take_turn(lease)

    def workflow(self, **changes: Any) -> Record:
        made = self.create("workflow", "daily", {**SPEC, **changes})
        self.move()
        return made

    def trainings(self, workflow: Record) -> list[Record]:
        return [other for other in self.store.dependents(workflow.id) if other.kind == "training"]

    def model(self, training: Record | None, name: str = "daily", *, path: str = MANIFEST) -> Record:
        files = [{**self.files[0], "path": path}]
        made = self.create(
            "model", name, {"training": training.id if training else None, "files": files, "metrics": {}}
        )
        return self.store.update(made.id, lambda fresh: replace(fresh, phase="ACTIVE"))

    def end(
        self,
        workflow: Record,
        phase: str = "COMPLETE",
        *,
        metrics: Json | None = None,
        message: str = "",
        path: str = MANIFEST,
    ) -> Record:
        """The newest training ends; the workflow as it is after that."""
        training = self.trainings(workflow)[-1]
        outputs: Json = {"metrics": metrics or {}}
        if phase == "COMPLETE":
            outputs["model"] = self.model(training, path=path).id
        self.store.update(
            training.id,
            lambda fresh: replace(fresh, phase=phase, outputs={**fresh.outputs, **outputs}, message=message),
        )
        for watcher in self.assembly.controllers["training"].watchers(training):
            self.store.leases.wake(watcher)
        self.move()
        return self.store.get(workflow.id)


@pytest.fixture(params=[WorkflowController, CutOff], ids=["whole", "cut off"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path, request.param)
    yield made
    made.assembly.tunings.studies.close()
    made.assembly.algorithms.fetches.close()
    made.store.database.close()


def test_each_version_is_trained_once_and_the_best_is_kept(bench: Bench) -> None:
    first = bench.publish()
    workflow = bench.workflow()
    (training,) = bench.trainings(workflow)
    assert training.name == "daily-1"
    assert training.spec["datasets"] == {"train": first.id}
    assert (training.spec["model_name"], training.spec["register_model"]) == ("daily", True)
    assert training.spec["parameters"]["target"] == "species"
    record = bench.store.get(workflow.id)
    assert record.phase == "RUN_IN_PROGRESS"
    assert record.outputs["last_run"]["training"] == training.id

    record = bench.end(workflow, metrics={"accuracy": 0.8})
    assert record.phase == "ENABLED"
    best = record.outputs["best"]
    assert (best["training"], best["name"], best["value"], best["dataset_version"]) == (
        training.id,
        "ann/daily@1",
        0.8,
        1,
    )
    assert record.outputs["runs"] == {"total": 1, "completed": 1, "failed": 0, "better": 1}

    bench.publish()
    record = bench.end(workflow, metrics={"accuracy": 0.7})
    assert record.outputs["best"] == best
    assert record.outputs["last_run"]["verdict"] == "accuracy 0.7 is worse than the best, 0.8"
    assert record.outputs["last_run"]["phase"] == "COMPLETE"
    assert record.outputs["runs"] == {"total": 2, "completed": 2, "failed": 0, "better": 1}
    assert len(bench.trainings(workflow)) == 2


def test_of_what_is_published_meanwhile_only_the_newest_is_trained(bench: Bench) -> None:
    bench.publish()
    workflow = bench.workflow()
    bench.publish()
    third = bench.publish()
    assert len(bench.trainings(workflow)) == 1
    record = bench.end(workflow, metrics={"accuracy": 0.8})
    assert record.phase == "RUN_IN_PROGRESS"
    assert [t.spec["datasets"]["train"] for t in bench.trainings(workflow)][1:] == [third.id]
    assert bench.end(workflow, metrics={"accuracy": 0.9}).phase == "ENABLED"


def test_it_waits_for_the_next_version_where_it_is_told_to(bench: Bench) -> None:
    bench.publish()
    workflow = bench.workflow(train_at_once=False)
    assert (bench.store.get(workflow.id).phase, bench.trainings(workflow)) == ("ENABLED", [])
    second = bench.publish()
    assert [t.spec["datasets"]["train"] for t in bench.trainings(workflow)] == [second.id]


def test_archiving_the_newest_version_trains_no_older_one(bench: Bench) -> None:
    bench.publish()
    second = bench.publish()
    workflow = bench.workflow()
    bench.end(workflow, metrics={"accuracy": 0.8})
    bench.commands.act(ANN, second, "archive", None)
    bench.move()
    assert bench.store.get(workflow.id).phase == "ENABLED"
    # asked for, the newest that is left is trained with
    bench.commands.act(ANN, bench.store.get(workflow.id), "run", None)
    bench.move()
    assert [t.spec["workflow"]["number"] for t in bench.trainings(workflow)] == [1, 2]
    assert bench.store.get(workflow.id).outputs["last_run"]["dataset_version"] == 1


@pytest.mark.parametrize(
    ("phase", "metrics", "shown", "verdict"),
    [
        ("COMPLETE", {"loss": 1.0}, "COMPLETE", "it told no accuracy (its metrics: loss)"),
        ("COMPLETE", {"accuracy": "NaN"}, "COMPLETE", "accuracy is NaN, which is no number to compare"),
        ("FAIL_TRAIN", {}, "FAILED", "it ran out of memory"),
        ("STOPPED", {}, "STOPPED", "its training was stopped"),
    ],
)
def test_what_cannot_be_judged_is_said_and_never_better(
    bench: Bench, phase: str, metrics: Json, shown: str, verdict: str
) -> None:
    bench.publish()
    workflow = bench.workflow()
    record = bench.end(
        workflow, phase, metrics=metrics, message="it ran out of memory" if phase == "FAIL_TRAIN" else ""
    )
    last = record.outputs["last_run"]
    assert (record.phase, last["phase"], last["value"], record.outputs["best"]) == ("ENABLED", shown, None, None)
    assert last["verdict"].startswith(verdict)
    assert record.outputs["runs"]["better"] == 0


@pytest.mark.parametrize("phase", ["FAIL_TRAIN", "STOPPED"])
def test_a_training_that_is_tried_again_by_hand_is_judged_after_all(bench: Bench, phase: str) -> None:
    bench.publish()
    workflow = bench.workflow()
    record = bench.end(workflow, phase, message="the disk was full")
    assert (record.outputs["best"], record.outputs["runs"]["failed"]) == (None, 1)
    (training,) = bench.trainings(workflow)
    # while it runs again the workflow is at rest
    bench.store.update(training.id, lambda fresh: replace(fresh, phase="RUNNING"))
    bench.move()
    assert bench.store.get(workflow.id).phase == "ENABLED"
    # a second failure changes nothing
    record = bench.end(workflow, "FAIL_TRAIN", message="again")
    assert record.outputs["runs"] == {"total": 1, "completed": 0, "failed": 1, "better": 0}

    record = bench.end(workflow, metrics={"accuracy": 0.8})
    assert record.phase == "ENABLED"
    assert record.outputs["runs"] == {"total": 1, "completed": 1, "failed": 0, "better": 1}
    assert (record.outputs["best"]["training"], record.outputs["best"]["value"]) == (training.id, 0.8)
    last = record.outputs["last_run"]
    assert (last["phase"], last["value"], last["training"]) == ("COMPLETE", 0.8, training.id)
    assert record.message == "run 1, tried again: accuracy 0.8 is the first, and so the best"
    # judged once
    bench.move()
    assert bench.store.get(workflow.id).outputs == record.outputs
    assert len(bench.trainings(workflow)) == 1


def test_an_earlier_run_that_is_mended_is_no_last_run_and_may_be_the_best(bench: Bench) -> None:
    bench.publish()
    workflow = bench.workflow()
    bench.end(workflow, "FAIL_TRAIN")
    (first,) = bench.trainings(workflow)
    bench.publish()
    record = bench.end(workflow, metrics={"accuracy": 0.7})
    assert record.outputs["last_run"]["number"] == 2
    bench.commands.act(ANN, record, "disable", None)
    bench.move()
    # also of one that is disabled, for what was begun is judged
    model = bench.model(first, "daily")
    bench.store.update(
        first.id,
        lambda fresh: replace(fresh, phase="COMPLETE", outputs={"metrics": {"accuracy": 0.9}, "model": model.id}),
    )
    bench.store.leases.wake(workflow.id)
    bench.move()
    mended = bench.store.get(workflow.id)
    assert (mended.phase, mended.outputs["last_run"]) == ("DISABLED", record.outputs["last_run"])
    assert (mended.outputs["best"]["training"], mended.outputs["best"]["dataset_version"]) == (first.id, 1)
    assert mended.outputs["runs"] == {"total": 2, "completed": 2, "failed": 0, "better": 2}


def test_a_version_that_cannot_be_trained_with_fails_its_run_only(bench: Bench) -> None:
    content = {"rows": 2, "columns": [{"name": "width"}, {"name": "kind"}]}
    bench.create(
        "dataset-version",
        "iris",
        {"dataset": bench.dataset.id, "type": "tabular", "files": bench.files, "content": content},
    )
    workflow = bench.workflow()
    record = bench.store.get(workflow.id)
    assert (record.phase, bench.trainings(workflow)) == ("ENABLED", [])
    assert record.outputs["last_run"]["phase"] == "FAILED"
    assert "'species'" in record.outputs["last_run"]["verdict"]
    bench.publish()
    assert len(bench.trainings(workflow)) == 1


def test_disabled_it_does_nothing_and_what_runs_goes_on(bench: Bench) -> None:
    bench.publish()
    workflow = bench.workflow()
    bench.commands.act(ANN, bench.store.get(workflow.id), "disable", None)
    bench.move()
    assert bench.store.get(workflow.id).phase == "RUN_IN_PROGRESS"
    bench.publish()
    record = bench.end(workflow, metrics={"accuracy": 0.8})
    assert (record.phase, record.outputs["best"]["value"]) == ("DISABLED", 0.8)
    assert len(bench.trainings(workflow)) == 1
    # by hand all the same, and disabled again after that
    bench.commands.act(ANN, record, "run", None)
    bench.move()
    assert len(bench.trainings(workflow)) == 2
    assert bench.end(workflow, metrics={"accuracy": 0.7}).phase == "DISABLED"
    third = bench.publish()
    assert len(bench.trainings(workflow)) == 2
    # what was published meanwhile is not lost
    bench.commands.act(ANN, bench.store.get(workflow.id), "enable", None)
    bench.move()
    assert bench.trainings(workflow)[-1].spec["datasets"]["train"] == third.id


def test_a_name_that_is_taken_stops_no_run(bench: Bench) -> None:
    bench.create(
        "training",
        "daily-1",
        {"algorithm": "xgboost", "datasets": {"train": bench.publish().id}, "parameters": {"target": "species"}},
    )
    workflow = bench.workflow()
    assert [training.name for training in bench.trainings(workflow)] == [f"daily-1-{workflow.id[-6:]}"]


def endpoint_of(bench: Bench, **envelope: Any) -> Record:
    old = bench.model(None, "old")
    deployment = {"model": old.id, "replicas": 1, "traffic": 100}
    made = bench.create("endpoint", "live", {"deployments": [deployment]}, **envelope)
    return bench.store.update(made.id, lambda fresh: replace(fresh, phase="ACTIVE"))


def deployed(bench: Bench, endpoint: Record) -> list[str]:
    return [bench.store.get(d["model"]).name for d in bench.store.get(endpoint.id).spec["deployments"]]


def test_the_endpoint_gets_what_is_better_and_nothing_else(bench: Bench) -> None:
    endpoint = endpoint_of(bench)
    bench.publish()
    workflow = bench.workflow(endpoint="live")
    record = bench.end(workflow, metrics={"accuracy": 0.8})
    assert record.outputs["last_run"]["verdict"].endswith("; endpoint ann/live gets it")
    changed = bench.store.get(endpoint.id)
    assert (changed.phase, changed.spec["deployments"][0]["model"]) == (
        "UPDATE_IN_PROGRESS",
        record.outputs["best"]["model"],
    )
    bench.publish()
    bench.end(workflow, metrics={"accuracy": 0.5})
    assert bench.store.get(endpoint.id).spec == changed.spec


def test_an_endpoint_that_is_stopped_has_it_when_it_starts(bench: Bench) -> None:
    endpoint = endpoint_of(bench)
    bench.store.update(endpoint.id, lambda fresh: replace(fresh, phase="STOPPED", target=Target.STOPPED))
    bench.publish()
    record = bench.end(bench.workflow(endpoint="live"), metrics={"accuracy": 0.8})
    assert record.outputs["last_run"]["verdict"].endswith("ann/live has it, but is stopped: start it to serve it")
    assert (bench.store.get(endpoint.id).phase, deployed(bench, endpoint)) == ("STOPPED", ["daily"])


def test_an_endpoint_that_cannot_be_changed_is_left_whole_and_the_remedy_told(bench: Bench) -> None:
    endpoint = endpoint_of(bench)
    bench.publish()
    workflow = bench.workflow(endpoint="live")
    # a model that nothing knows how to serve
    record = bench.end(workflow, metrics={"accuracy": 0.8}, path="model.bin")
    verdict = record.outputs["last_run"]["verdict"]
    assert "endpoint ann/live was left as it is: model ann/daily@1 has no" in verdict
    assert verdict.endswith("deploy it by hand (`orrery deploy ann/daily@1 --endpoint live`)")
    assert (record.phase, deployed(bench, endpoint)) == ("ENABLED", ["old"])
    # being stopped
    bench.store.update(endpoint.id, lambda fresh: replace(fresh, phase="STOP_IN_PROGRESS", target=Target.STOPPED))
    bench.publish()
    record = bench.end(workflow, metrics={"accuracy": 0.9})
    assert "was left as it is: endpoint ann/live is STOP_IN_PROGRESS" in record.outputs["last_run"]["verdict"]
    # no longer its owner's
    bench.store.update(
        endpoint.id, lambda fresh: replace(fresh, phase="ACTIVE", owner="bob", visibility=Visibility.PUBLIC)
    )
    bench.publish()
    record = bench.end(workflow, metrics={"accuracy": 0.95})
    assert "belongs to bob; you may read it but not write it" in record.outputs["last_run"]["verdict"]
    # deleted behind its back
    bench.store.update(endpoint.id, lambda fresh: replace(fresh, deleted_at=bench.store.clock()))
    bench.publish()
    record = bench.end(workflow, metrics={"accuracy": 0.99})
    assert "was deleted and did not get it" in record.outputs["last_run"]["verdict"]
    assert record.outputs["best"]["value"] == 0.99
    assert bench.store.get(endpoint.id, trashed=True).spec == endpoint.spec


def test_what_could_never_work_is_refused_at_once(bench: Bench) -> None:
    endpoint = endpoint_of(bench)
    bench.store.update(endpoint.id, lambda fresh: replace(fresh, owner="bob", visibility=Visibility.PUBLIC))
    for changes, path, words in (
        ({"metric": "happiness"}, "spec.metric", "emits no 'happiness'"),
        ({"role": "extra"}, "spec.role", "knows no dataset 'extra'"),
        ({"endpoint": "bob/live"}, "spec.endpoint", "ann may not change it"),
        ({"template": "none"}, "spec.template", "'none' does not exist"),
    ):
        with pytest.raises(Invalid, match=words) as refused:
            bench.create("workflow", "daily", {**SPEC, **changes})
        fields: Any = refused.value.details["fields"]
        assert [field["path"] for field in fields] == [path]


def test_a_run_needs_a_published_version(bench: Bench) -> None:
    workflow = bench.workflow()
    record = bench.store.get(workflow.id)
    assert record.phase == "ENABLED"
    with pytest.raises(Invalid, match="no published version; publish one first"):
        bench.commands.act(ANN, record, "run", None)
    bench.publish()
    with pytest.raises(WrongPhase, match="is RUN_IN_PROGRESS; run now is possible in"):
        bench.commands.act(ANN, bench.store.get(workflow.id), "run", None)


def test_a_workflow_whose_template_has_no_code_fails_and_can_be_retried(bench: Bench) -> None:
    template = bench.store.find_named("template", ["ann"], "quick")
    assert template is not None
    workflow = bench.create("workflow", "daily", SPEC)
    bench.store.update(template.id, lambda fresh: replace(fresh, phase="CREATE_FAILED", message="no code"))
    bench.move()
    failed = bench.store.get(workflow.id)
    assert (failed.phase, failed.message) == (
        "CREATE_FAILED",
        "template ann/quick is CREATE_FAILED: no code; mend it, or choose another",
    )
    bench.store.update(template.id, lambda fresh: replace(fresh, phase="ACTIVE", message=""))
    bench.commands.act(ANN, failed, "retry", None)
    bench.move()
    assert bench.store.get(workflow.id).phase == "ENABLED"


def test_what_a_workflow_needs_cannot_be_deleted_and_neither_can_one_with_runs(bench: Bench) -> None:
    endpoint = endpoint_of(bench)
    bench.publish()
    workflow = bench.workflow(endpoint="live")
    with pytest.raises(InUse, match="workflow ann/daily"):
        bench.commands.delete(ANN, bench.store.get(endpoint.id))
    with pytest.raises(InUse, match="workflow ann/daily"):
        bench.commands.delete(ANN, bench.dataset)
    with pytest.raises(InUse, match="training ann/daily-1"):
        bench.commands.delete(ANN, bench.store.get(workflow.id))
    with pytest.raises(OrreryError, match=r"stop it first|wait for its training"):
        bench.commands.delete(ANN, bench.store.get(workflow.id), cascade=True)
    record = bench.end(workflow, metrics={"accuracy": 0.8})
    # the circle over the endpoint's model is no trap: it is taken off, and then goes alone
    record = bench.commands.patch(ANN, record, Changes(spec={"endpoint": None}))
    bench.commands.delete(ANN, bench.store.get(endpoint.id))
    gone = bench.commands.delete(ANN, record, cascade=True)
    assert sorted(one.label for one in gone) == ["model ann/daily@1", "training ann/daily-1", "workflow ann/daily"]
    bench.publish()
    assert bench.trainings(workflow) == []


def test_only_the_platform_says_whose_run_a_training_is(bench: Bench) -> None:
    version = bench.publish()
    workflow = bench.workflow(train_at_once=False)
    spec: Json = {
        "algorithm": "xgboost",
        "datasets": {"train": version.id},
        "parameters": {"target": "species"},
        "workflow": {"workflow": workflow.id, "number": 1},
    }
    with pytest.raises(Invalid, match="workflow of a training is filled in by the platform"):
        bench.commands.create(ANN, KINDS.named("training"), NewResource(name="mine", spec=spec))
