"""Training workflows: one training for the newest version of a dataset, then its judgement, then the next.

A run is planned (its number and the version, noted), trained (the training knows the workflow and the number, so that
it is found again), and judged, in one step of the machine. A turn that is cut off anywhere is made good by the next.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel

from orrery.controllers.contract import Changes, Controller, Draft, NewResource, Outcome
from orrery.controllers.earlier_runs import value_of
from orrery.controllers.meanwhile import owner_of
from orrery.domain.access import Act, require
from orrery.domain.algorithms import check_is_ready, check_metric
from orrery.domain.datasets import DATASET_VERSION
from orrery.domain.models import MODEL
from orrery.domain.records import Json, Record, Target
from orrery.domain.trainings import TRAINING, TrainingSpec
from orrery.domain.workflows import WORKFLOW, WorkflowSpec, judge, with_model
from orrery.errors import Conflict, Forbidden, Invalid, NameTaken, NotFound, Stale

#: a training wakes its workflow when it ends; between that one that was deleted is noticed
LOOK_SECONDS: Final = 15.0
#: a model is checked in a moment
MODEL_SECONDS: Final = 0.25
#: a name has room for its number behind it
_NAME_LENGTH: Final = 48
#: how often an endpoint that changes meanwhile is read again
MOST_READINGS: Final = 5
#: how a run ended that may become complete yet: its training is retried, started or resumed by hand
MENDABLE: Final = frozenset({"FAILED", "STOPPED"})
#: of runs that ended so, the last ones are followed
MOST_UNJUDGED: Final = 100
_NO_RUNS: Final[Json] = {"total": 0, "completed": 0, "failed": 0, "better": 0}


class WorkflowController(Controller):
    kind = WORKFLOW

    # before it is accepted

    def admit(self, draft: Draft) -> Json:
        spec = draft.spec
        assert isinstance(spec, WorkflowSpec)
        self._check_template(draft.references["template"], spec)
        endpoint = draft.references.get("endpoint")
        if endpoint is not None:
            self._check_endpoint(draft, endpoint)
        return super().admit(draft)

    def _check_template(self, template: Record, spec: WorkflowSpec) -> None:
        """Raises: Invalid where no training could ever be begun with it, or judged."""
        if template.phase == "CREATE_FAILED":
            message = f"{template.label} is {template.phase}: {template.message}; mend it, or choose another"
            raise Invalid(message, fields=[{"path": "spec.template", "message": message}])
        algorithm = self.platform.store.get(template.spec["algorithm"], trashed=True)
        check_is_ready(algorithm)
        declared = [dataset["name"] for dataset in algorithm.spec["datasets"]]
        if declared and spec.role not in declared:
            message = f"algorithm {algorithm.name} knows no dataset {spec.role!r}; it reads {', '.join(declared)}"
            raise Invalid(message, fields=[{"path": "spec.role", "message": message}])
        check_metric(algorithm, spec.metric, path="spec.metric")

    def _check_endpoint(self, draft: Draft, endpoint: Record) -> None:
        """Whoever owns the workflow is who changes the endpoint, later on. Raises: Invalid."""
        changed = Record(
            id="",
            kind=WORKFLOW.name,
            owner=draft.owner,
            name=draft.name,
            version=0,
            spec={},
            phase=WORKFLOW.machine.initial,
            created_at=endpoint.created_at,
            updated_at=endpoint.updated_at,
        )
        try:
            require(owner_of(changed), Act.WRITE, endpoint)
        except (Forbidden, NotFound):
            message = (
                f"{endpoint.label} belongs to {endpoint.owner}, and {draft.owner} may not change it; "
                f"choose an endpoint of {draft.owner}, or let {endpoint.owner} own the workflow"
            )
            raise Invalid(message, fields=[{"path": "spec.endpoint", "message": message}]) from None

    # moving it

    def prepare(self, action: str, record: Record, body: BaseModel | None) -> Json:
        if action == "run" and self._newest(record) is None:
            dataset = self.platform.store.get(record.spec["dataset"], trashed=True)
            raise Invalid(
                f"{dataset.label} has no published version; publish one first (`orrery dataset publish {dataset.name}`)"
            )
        return {}

    def reconcile(self, record: Record) -> Outcome:
        if record.deleted_at is not None:
            return Outcome()
        match record.phase:
            case "CREATE_REQUESTED":
                return self._begin(record)
            case "ENABLED":
                return self._follow(record)
            case "DISABLED":
                return self._mended(record) or Outcome()
            case "RUN_IN_PROGRESS":
                return self._run(record)
            case _:
                return Outcome()

    def _begin(self, record: Record) -> Outcome:
        template = self.platform.store.get(record.spec["template"], trashed=True)
        try:
            self._check_template(template, WorkflowSpec.model_validate(record.spec))
        except Invalid as error:
            return Outcome(event="refused", reason=error.code, message=error.message)
        newest = self._newest(record)
        trains = newest is not None and record.spec["train_at_once"]
        seen: Json = {"seen_at": newest.created_at.isoformat()} if newest is not None and not trains else {}
        return Outcome(
            event="published" if trains else "accepted",
            outputs={"runs": _NO_RUNS, "best": None, "last_run": None},
            internal=seen,
        )

    def _follow(self, record: Record) -> Outcome:
        """At rest: whether there is something to do."""
        if mended := self._mended(record):
            return mended
        if record.target is Target.STOPPED:
            return Outcome(event="disable")
        newest = self._newest(record)
        seen_at: str | None = record.internal.get("seen_at")
        if newest is not None and (seen_at is None or newest.created_at > datetime.fromisoformat(seen_at)):
            return Outcome(event="published")
        return Outcome()

    def _mended(self, record: Record) -> Outcome | None:
        """A run of before whose training had failed or been stopped, and is complete by now: it is judged after all."""
        unjudged: list[Json] = record.internal.get("unjudged") or []
        trainings = self.platform.store.find_many(run["training"] for run in unjudged)
        for run in unjudged:
            training = trainings.get(run["training"])
            if training is not None and training.deleted_at is None and training.phase == "COMPLETE":
                return Outcome(event="mended", internal={"run": {**run, "again": True}})
        return None

    def _newest(self, record: Record) -> Record | None:
        """The newest version of its dataset that is published and not archived."""
        found = self.platform.store.dependents(record.spec["dataset"])
        versions = [other for other in found if other.kind == DATASET_VERSION.name and other.phase == "PUBLISHED"]
        return max(versions, key=lambda version: (version.created_at, version.version), default=None)

    def _run(self, record: Record) -> Outcome:
        run: Json | None = record.internal.get("run")
        if run is None:
            return self._plan(record)
        if run.get("training") is None:
            return self._train(record, run)
        return self._judge(record, run)

    def _plan(self, record: Record) -> Outcome:
        """Say which version is trained, before anything is made for it."""
        newest = self._newest(record)
        if newest is None:
            return Outcome(event="judged", message="there is no published version any more; publish one")
        number = int(record.internal.get("number", 0)) + 1
        return Outcome(
            message=f"run {number}: {newest.qualified_name}",
            outputs={"last_run": _shown(number, newest.id, newest.version)},
            internal={
                "number": number,
                "seen_at": newest.created_at.isoformat(),
                "run": {"number": number, "version": newest.id, "version_number": newest.version},
            },
            again_in_seconds=0,
        )

    # its training

    def _train(self, record: Record, run: Json) -> Outcome:
        training = self._find_training(record, run)
        if training is None:
            try:
                training = self._create_training(record, run)
            except (Invalid, NotFound, Forbidden, Conflict) as error:
                return self._ended(record, run, f"no training could be begun: {error.message}", phase="FAILED")
        shown = _shown(run["number"], run["version"], run["version_number"], training=training)
        return Outcome(
            outputs={"last_run": shown}, internal={"run": {**run, "training": training.id}}, again_in_seconds=0
        )

    def _find_training(self, record: Record, run: Json) -> Record | None:
        """That of this run, where it was made before a turn that was cut off."""
        return next(
            (
                other
                for other in self.platform.store.dependents(record.id)
                if other.kind == TRAINING.name and other.spec["workflow"]["number"] == run["number"]
            ),
            None,
        )

    def _create_training(self, record: Record, run: Json) -> Record:
        template = self.platform.store.get(record.spec["template"])
        if template.phase == "CREATE_FAILED":
            raise Invalid(f"{template.label} is {template.phase}: {template.message}")
        taken = TrainingSpec.model_fields.keys() - TrainingSpec.made_by_platform
        spec: Json = {name: value for name, value in template.spec.items() if name in taken}
        spec |= {
            "datasets": {**template.spec.get("datasets", {}), record.spec["role"]: run["version"]},
            "register_model": True,
            "model_name": template.spec.get("model_name") or record.name,
            "workflow": {"workflow": record.id, "number": run["number"]},
        }
        key = f"workflow:{record.id}:{run['version']}:{run['number']}"
        name = f"{record.name[:_NAME_LENGTH]}-{run['number']}"
        try:
            return self._make(record, name, spec, key)
        except NameTaken:
            return self._make(record, f"{name}-{record.id[-6:]}", spec, f"{key}:renamed")

    def _make(self, record: Record, name: str, spec: Json, key: str) -> Record:
        new = NewResource(
            name=name, spec=spec, owner=record.owner, visibility=record.visibility, group=record.group, tags=record.tags
        )
        return self.commands.create(owner_of(record), TRAINING, new, idempotency_key=key, by_platform=True)

    # its judgement

    def _judge(self, record: Record, run: Json) -> Outcome:
        training = self.platform.store.find(run["training"])
        if training is None or training.deleted_at is not None:
            return self._ended(record, run, "its training was deleted", phase="DELETED", training=training)
        if not TRAINING.machine.phases[training.phase].settled:
            return Outcome(again_in_seconds=LOOK_SECONDS)
        if training.phase == "STOPPED":
            return self._ended(record, run, "its training was stopped", phase="STOPPED", training=training)
        if training.phase != "COMPLETE":
            return self._ended(record, run, training.message, phase="FAILED", training=training)
        spec = WorkflowSpec.model_validate(record.spec)
        value = value_of(self.platform.metrics, training, spec.metric)
        if value is None:
            return self._ended(record, run, _missing(training, spec.metric), training=training)
        best: Json | None = record.outputs.get("best")
        verdict = judge(spec, value, best["value"] if best else None)
        if not verdict.is_best:
            return self._ended(record, run, verdict.words, value=value, training=training)
        model = self.platform.store.find(str(training.outputs.get("model")))
        if model is None or model.deleted_at is not None:
            words = f"{verdict.words}, but there is no model of it: {training.message or 'it was deleted'}"
            return self._ended(record, run, words, value=value, training=training)
        if not MODEL.machine.phases[model.phase].settled:
            return Outcome(again_in_seconds=MODEL_SECONDS)
        if model.phase != "ACTIVE":
            words = f"{verdict.words}, but {model.label} is {model.phase}: {model.message}"
            return self._ended(record, run, words, value=value, training=training)
        words = verdict.words
        if spec.endpoint is not None:
            words += f"; {self._promote(record, spec.endpoint, model)}"
        better: Json = {
            "training": training.id,
            "model": model.id,
            "name": model.qualified_name,
            "value": value,
            "dataset_version": run["version_number"],
        }
        return self._ended(record, run, words, value=value, training=training, best=better)

    def _promote(self, record: Record, endpoint_id: str, model: Record) -> str:
        """Give the endpoint the model; what came of that, in words. Doing it again changes nothing."""
        for _ in range(MOST_READINGS):
            endpoint = self.platform.store.find(endpoint_id)
            if endpoint is None or endpoint.deleted_at is not None:
                name = endpoint.label if endpoint is not None else f"endpoint {endpoint_id}"
                return f"{name} was deleted and did not get it: restore it, or choose another for the workflow"
            try:
                endpoint = self._deploy(record, endpoint, model)
            except Stale:
                # its reconciler, or somebody else, was quicker
                continue
            except (Invalid, NotFound, Forbidden, Conflict) as error:
                return (
                    f"{endpoint.label} was left as it is: {error.message}; once that is mended, deploy it by hand "
                    f"(`orrery deploy {model.qualified_name} --endpoint {endpoint.name}`)"
                )
            if endpoint.target is Target.STOPPED:
                return f"{endpoint.label} has it, but is stopped: start it to serve it"
            return f"{endpoint.label} gets it"
        raise Stale(f"endpoint {endpoint_id} keeps changing")

    def _deploy(self, record: Record, endpoint: Record, model: Record) -> Record:
        """The endpoint with the model in the place of one before it, as the workflow's owner would change it."""
        deployments: list[Json] = endpoint.spec["deployments"]
        others = self.platform.store.find_many(deployment["model"] for deployment in deployments)
        relatives = {other.id: (other.owner, other.name) == (model.owner, model.name) for other in others.values()}
        changed = with_model(deployments, model.id, relatives)
        if changed is None:
            return endpoint
        asked = Changes(spec={"deployments": changed})
        return self.commands.patch(owner_of(record), endpoint, asked, etag=endpoint.etag)

    def _ended(
        self,
        record: Record,
        run: Json,
        verdict: str,
        *,
        phase: str = "COMPLETE",
        value: float | None = None,
        training: Record | None = None,
        best: Json | None = None,
    ) -> Outcome:
        """The run is over: what came of it, and the counts. One that is judged again counts as what it is now."""
        is_again, is_complete = bool(run.get("again")), phase == "COMPLETE"
        counts: Json = {**_NO_RUNS, **(record.outputs.get("runs") or {})}
        counts["total"] += not is_again
        counts["completed"] += is_complete
        counts["failed"] += (not is_complete) - is_again
        counts["better"] += best is not None
        ended_at = training.ended_at if training is not None and training.ended_at else self.platform.store.clock()
        shown = {
            **_shown(run["number"], run["version"], run["version_number"], training=training),
            "phase": phase,
            "value": value,
            "verdict": verdict,
            "ended_at": ended_at.isoformat(),
        }
        outputs: dict[str, Any] = {"runs": counts}
        last: Json = record.outputs.get("last_run") or shown
        if run["number"] >= last["number"]:
            outputs["last_run"] = shown
        if best is not None:
            outputs["best"] = best
        unjudged: list[Json] = record.internal.get("unjudged") or []
        unjudged = [other for other in unjudged if other["number"] != run["number"]]
        if phase in MENDABLE and training is not None:
            kept = {key: run[key] for key in ("number", "version", "version_number")}
            unjudged = [*unjudged, {**kept, "training": training.id}][-MOST_UNJUDGED:]
        message = f"run {run['number']}, tried again: {verdict}" if is_again else verdict
        return Outcome(event="judged", message=message, outputs=outputs, internal={"run": None, "unjudged": unjudged})


def _shown(number: int, version: str, version_number: int, *, training: Record | None = None) -> Json:
    """A run as its workflow's outputs tell it, while it goes on."""
    return {
        "number": number,
        "training": training.id if training is not None else None,
        "name": training.name if training is not None else None,
        "dataset_version": version_number,
        "dataset_version_id": version,
        "phase": "RUNNING",
        "value": None,
        "verdict": "",
        "ended_at": None,
    }


def _missing(training: Record, metric: str) -> str:
    """Why there is nothing to compare."""
    told: Json = training.outputs.get("metrics") or {}
    if metric in told:
        return f"{metric} is {told[metric]}, which is no number to compare; the model is registered, and not better"
    known = ", ".join(sorted(told)) or "none"
    return f"it told no {metric} (its metrics: {known}); the model is registered, and not better"
