"""Trainings: submitted as jobs, followed by their reports, turned into registered models."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel

from orrery.controllers import jobs
from orrery.controllers.contract import Controller, Draft, NewResource, Outcome, Platform
from orrery.controllers.kernel_states import check_resume, keep_state
from orrery.controllers.meanwhile import Meanwhile, owner_of
from orrery.controllers.run_sizes import check_size
from orrery.controllers.secrets import check_room, check_secrets
from orrery.controllers.templates import template_of
from orrery.controllers.training_checks import (
    check_checkpoint,
    check_columns,
    check_datasets,
    check_nodes,
    check_torchrun,
    chosen_target,
    has_torch,
)
from orrery.controllers.training_files import TrainingFiles
from orrery.controllers.training_images import check_run_image, complete_image, offer_image, pin_image
from orrery.controllers.training_jobs import MODEL, make_job, pin_source
from orrery.controllers.training_storage import TrainingStorage, check_storages
from orrery.domain.access import User
from orrery.domain.algorithms import check_is_ready
from orrery.domain.models import MODEL as MODEL_KIND
from orrery.domain.records import Json, Record
from orrery.domain.templates import TEMPLATE
from orrery.domain.trainings import (
    START_ON_CPU,
    TRAINING,
    RegisterModelBody,
    ResumeBody,
    SaveTemplateBody,
    TrainingSpec,
)
from orrery.errors import Conflict, Invalid, WrongPhase
from orrery.executors.contract import Exit, ExitReason, JobPhase, Priority, UsageSample
from orrery.jobs.parameters import validate

#: why a training that was asked to start later has not begun
STARTS_LATER: Final = "starts_later"
#: it waits, or may be started again
_PRIORITY_COUNTS: Final = frozenset(
    {"CREATE_REQUESTED", "CREATE_IN_PROGRESS", "STOPPED", "FAIL_TRAIN", "CREATE_FAILED"}
)


class TrainingController(Controller):
    kind = TRAINING

    def __init__(self, platform: Platform) -> None:
        super().__init__(platform)
        #: makes a resource's next turn begin now; set when the platform is assembled
        self.wake: Callable[[str], None] = platform.store.leases.wake
        self.files = TrainingFiles(platform)
        self.storage = TrainingStorage(platform, lambda id: self.wake(id))

    # before it is accepted

    def offer(self, schema: Json) -> Json:
        return offer_image(self.platform, schema)

    def complete(self, spec: Json) -> Json:
        return complete_image(self.platform, spec)

    def admit(self, draft: Draft) -> Json:
        spec = draft.spec
        assert isinstance(spec, TrainingSpec)
        if draft.before is not None:
            return _with_priority(draft.before, spec.priority)
        check_size(self.platform, draft.owner, spec)
        algorithm = draft.references["algorithm"]
        check_is_ready(algorithm)
        check_nodes(spec, algorithm)
        check_torchrun(spec, algorithm, draft.references.get("image"), has_torch=has_torch())
        check_run_image(self.platform, draft, spec.instance_type)
        check_secrets(self.platform.store, draft.owner, spec.secrets)
        check_room(self.platform, draft.owner, spec)
        check_storages(self.platform, draft)
        stored = spec.model_dump(mode="json")
        stored["parameters"] = validate(algorithm.spec["parameters_schema"], spec.parameters, path="spec.parameters")
        check_datasets(draft, spec, algorithm)
        stored["parameters"] |= chosen_target(draft, stored["parameters"], algorithm)
        check_columns(draft, stored["parameters"], algorithm)
        check_checkpoint(draft)
        return stored

    # moving it

    def prepare(self, action: str, record: Record, body: BaseModel | None) -> Json:
        if action != "resume":
            return {}
        assert isinstance(body, ResumeBody)
        return check_resume(record, body, self.platform.objects)

    def reconcile(self, record: Record) -> Outcome:
        match record.phase:
            case "CREATE_REQUESTED":
                return self._new_attempt(record)
            case "CREATE_IN_PROGRESS" | "RUNNING" | "STOP_IN_PROGRESS":
                return self._follow(record)
            case "COMPLETE_IN_PROGRESS":
                return self._save(record)
            case "FAIL_TRAIN_IN_PROGRESS":
                return self._explain(record)
            case _:
                return Outcome()

    def _new_attempt(self, record: Record) -> Outcome:
        attempt = int(record.internal.get("attempt", 0)) + 1
        state: Json | None = record.internal.get("state") if record.internal.get("resume") else None
        cleared: Json = {"exit_code": None, "exit_reason": None, "model": None}
        if not state:
            cleared |= {"metrics": {}, "artifacts": [], "kernel_state": None}
        notes: Json = {"reports_offset": 0, "reports_position": 0, "rate_marks": [], "error": None, "failure": None}
        if "source" not in record.internal:
            notes["source"] = pin_source(self.platform.store.get(record.spec["algorithm"], trashed=True))
        if "image" not in record.internal:
            try:
                notes["image"] = pin_image(self.platform, record)
            except Conflict as error:
                return Outcome(event="refused", reason=error.code, message=error.message)
            cleared["image_address"] = notes["image"]["address"] if notes["image"] else None
        if "memory_facts" not in record.internal:
            notes["memory_facts"] = self.platform.memory_fit.facts_of_run(record).to_json()
        return Outcome(
            event="accepted",
            progress={},
            outputs={**cleared, "job_id": jobs.make_job_id(record, attempt), "attempt": attempt},
            internal={
                **notes,
                "attempt": attempt,
                "checkpoint": self._checkpoint(record),
                "goes_on_from": jobs.attempts_before(record) if record.internal.get("resume") else [],
                "resume": False,
                "went_on_at": None,
                "state": state,
                "state_begun_from": state,
            },
        )

    def _checkpoint(self, record: Record) -> list[Json]:
        """What the attempt begins from: its own when it is resumed, else that of the training named."""
        if record.internal.get("resume"):
            return record.outputs.get("checkpoint_files") or []
        if record.spec.get("checkpoint_from"):
            other = self.platform.store.get(record.spec["checkpoint_from"], trashed=True)
            return other.outputs.get("checkpoint_files") or []
        return []

    def _follow(self, record: Record) -> Outcome:
        executor = self.platform.executor
        attempt = int(record.internal.get("attempt", 0))
        job_id = jobs.make_job_id(record, attempt)
        state = jobs.find_job(executor, job_id)
        if state is None:
            if record.phase == "STOP_IN_PROGRESS":
                self.storage.drop(record)
                return Outcome(event="cancelled", message="stopped before it began")
            if taking := self.storage.take_checkpoint(record):
                return taking
            if later := self._starts_later(record):
                return later
            try:
                executor.submit(make_job(self.platform, record, job_id))
            except Invalid as error:
                return Outcome(event="refused", reason=error.code, message=error.message)
            state = executor.state(job_id)
        if state.phase is JobPhase.QUEUED:
            executor.change_priority(job_id, Priority[record.spec["priority"]])
        if record.phase == "STOP_IN_PROGRESS" and state.phase is not JobPhase.ENDED:
            executor.stop(job_id)
        outcome = self._told(record, job_id)
        if state.phase is JobPhase.ENDED:
            assert state.exit is not None
            return self._ended(record, outcome, state.exit)
        if state.phase in (JobPhase.RUNNING, JobPhase.STARTING) and record.phase == "CREATE_IN_PROGRESS":
            return replace(outcome, event="started", began=state.started_at)
        waits = state.phase is JobPhase.QUEUED
        was_later = record.reason == STARTS_LATER
        return Outcome(
            reason="" if was_later else None,
            message="" if was_later else None,
            progress=outcome.progress,
            outputs=outcome.outputs,
            internal=outcome.internal,
            again_in_seconds=jobs.WAITING_SECONDS if waits else jobs.FOLLOW_SECONDS,
        )

    def _starts_later(self, record: Record) -> Outcome | None:
        """While the moment that it was asked to wait for is to come: so, with the next look at it."""
        if not record.spec.get("start_after"):
            return None
        moment = datetime.fromisoformat(record.spec["start_after"])
        seconds = (moment - self.platform.store.clock()).total_seconds()
        if seconds <= 0:
            return None
        return Outcome(
            reason=STARTS_LATER,
            message=f"starts at {moment:%Y-%m-%d %H:%M %Z}",
            again_in_seconds=min(seconds, jobs.WAITING_SECONDS),
        )

    def _told(self, record: Record, job_id: str) -> Outcome:
        """What the job has reported since the last look; metrics are stored at once, exactly once."""
        found = jobs.read_reports(self.platform.executor, record, job_id)
        jobs.save_points(self.platform.metrics, record, int(record.internal.get("attempt", 1)), found)
        outputs: Json = {}
        if found.result is not None:
            outputs["metrics"] = found.result
        if found.parameters is not None:
            outputs["parameters"] = {**record.outputs.get("parameters", {}), **found.parameters}
        if found.artifacts:
            outputs["artifacts"] = [*record.outputs.get("artifacts", []), *found.artifacts]
        now = self.platform.store.clock()
        mark = self._went_on_at(record, found.progress, now)
        began, before = (record.started_at, 0.0) if mark is None else (datetime.fromisoformat(mark[0]), float(mark[1]))
        progress = jobs.with_estimate(found.progress, began, now, before)
        return Outcome(progress=progress, outputs=outputs, internal={**found.internal, "went_on_at": mark})

    @staticmethod
    def _went_on_at(record: Record, progress: Json | None, now: datetime) -> list[Any] | None:
        """When a run that was resumed told first how far it is, and how far that was: what came before took no time."""
        mark: list[Any] | None = record.internal.get("went_on_at")
        fraction = (progress or {}).get("fraction")
        if mark is None and record.internal.get("goes_on_from") and isinstance(fraction, int | float):
            return [now.isoformat(), fraction]
        return mark

    def _ended(self, record: Record, told: Outcome, exit_: Exit) -> Outcome:
        event = {ExitReason.COMPLETED: "succeeded", ExitReason.STOPPED: "cancelled"}.get(exit_.reason, "broke")
        if record.phase == "CREATE_IN_PROGRESS":
            # it was quick: its start is told first
            return replace(told, event="started", began=exit_.started_at)
        if record.phase == "STOP_IN_PROGRESS" and event == "broke":
            event = "cancelled"
        job_id = str(record.outputs["job_id"])
        kept: Json = {}
        state: Json = {}
        message = "stopped" if event == "cancelled" else ""
        if event == "cancelled":
            if not self._is_kept(record):
                shown, state = self._state(record, job_id)
                kept = {**self.files.checkpoints(job_id, self.files.paths(job_id)), **shown}
            copied = self.storage.copy_results(_with_outputs(record, kept))
            if copied.wait is not None:
                outputs = {**told.outputs, **kept}
                return replace(copied.wait, outputs=outputs, internal={**told.internal, **state, **_kept_now(record)})
            kept |= copied.outputs
            message = "; ".join(filter(None, (message, copied.message)))
        error = told.internal.get("error") or record.internal.get("error")
        failure: Json | None = None
        if event == "broke":
            failure = {
                "reason": error["code"] if error else exit_.reason.value.lower(),
                "message": jobs.explain_failure(
                    error, exit_, record.spec.get("max_seconds"), self._memory_bytes(record)
                ),
            }
        return Outcome(
            event=event,
            message=message,
            progress=told.progress,
            outputs={
                **told.outputs,
                **self._last_metrics(record, told),
                **jobs.usage_outputs(exit_, self._samples(record, job_id)),
                **kept,
            },
            internal={**told.internal, **state, "failure": failure, "ended_at": exit_.ended_at.isoformat()},
            ended=exit_.ended_at,
        )

    def _last_metrics(self, record: Record, told: Outcome) -> Json:
        """What it reported last of each metric, where it told no result."""
        if {**record.outputs, **told.outputs}.get("metrics"):
            return {}
        history = jobs.metric_history(self.platform.metrics, record)
        found = {key: points[-1].value for key, points in history.items() if math.isfinite(points[-1].value)}
        return {"metrics": found} if found else {}

    def _samples(self, record: Record, job_id: str) -> list[UsageSample]:
        """What the job used over time, where it had GPUs: without them its end tells enough."""
        size = self.platform.settings.instance_types.get(record.spec["instance_type"])
        return self.platform.executor.usage(job_id) if size is not None and size.gpus else []

    def _memory_bytes(self, record: Record) -> int | None:
        """What all its nodes may use together; None: its instance type is not offered any more."""
        size = self.platform.settings.instance_types.get(record.spec["instance_type"])
        return None if size is None else size.memory_bytes * int(record.spec.get("nodes") or 1)

    # at its end

    def _save(self, record: Record) -> Outcome:
        """Keep what it made: the executed notebook and its plots as objects, the model as a registered version."""
        job_id = str(record.outputs["job_id"])
        kept: Json = {}
        if not self._is_kept(record):
            paths = self.files.paths(job_id)
            kept = {**self.files.kept_results(job_id, paths), "model_files": self.files.kept(job_id, paths, MODEL)}
        made = _with_outputs(record, kept)
        copied = self.storage.copy_results(made)
        if copied.wait is not None:
            return replace(copied.wait, outputs=kept, internal=_kept_now(record))
        kept |= copied.outputs
        message = copied.message
        if record.spec["register_model"]:
            if made.outputs["model_files"]:
                kept["model"] = self._register(made, None, key=f"model:{job_id}").id
            else:
                nothing = "no model was registered: the run saved nothing in EM_MODEL_DIR"
                message = "; ".join(filter(None, (nothing, message)))
        self.platform.outbox.put("training", record.id)
        return Outcome(
            event="saved",
            message=message,
            outputs={**kept, "kernel_state": None},
            internal={"state": None, "state_begun_from": None},
            progress={**(record.progress or {}), "fraction": 1.0, "eta_seconds": 0, "rate": None, "rate_unit": None},
            ended=_ended_at(record),
        )

    def _is_kept(self, record: Record) -> bool:
        """Whether what the attempt made is kept already: its copies are on their way then."""
        return record.internal.get("kept_attempt") == record.internal.get("attempt")

    def _state(self, record: Record, job_id: str) -> tuple[Json, Json]:
        limit = self.platform.settings.notebook_state_bytes
        return keep_state(self.platform.executor, record, job_id, limit, lambda path: self.files.keep(job_id, path))

    def _register(self, record: Record, name: str | None, *, key: str | None) -> Record:
        new = NewResource(
            name=name or record.spec.get("model_name") or record.name,
            spec={
                "training": record.id,
                "files": record.outputs["model_files"],
                "metrics": record.outputs.get("metrics") or {},
            },
            owner=record.owner,
            description=record.description,
            visibility=record.visibility,
            group=record.group,
            tags=record.tags,
        )
        return self.commands.create(owner_of(record), MODEL_KIND, new, idempotency_key=key, by_platform=True)

    def act(self, action: str, record: Record, body: BaseModel | None, user: User) -> Record:
        if isinstance(body, SaveTemplateBody):
            return self.commands.create(user, TEMPLATE, template_of(record, body))
        if action == START_ON_CPU:
            return Meanwhile(self.platform).start(record, self.commands)
        assert isinstance(body, RegisterModelBody)
        if not record.outputs.get("model_files"):
            raise Invalid(f"{record.label} saved no model in EM_MODEL_DIR; there is nothing to register")
        return self._register(record, body.name, key=None)

    def _explain(self, record: Record) -> Outcome:
        failure: Json = record.internal.get("failure") or {"reason": "failed", "message": "it failed"}
        job_id = str(record.outputs["job_id"])
        kept: Json = {}
        state: Json = {}
        if not self._is_kept(record):
            shown, state = self._state(record, job_id)
            kept = {**self.files.kept_results(job_id, self.files.paths(job_id)), **shown}
        copied = self.storage.copy_results(_with_outputs(record, kept))
        if copied.wait is not None:
            return replace(copied.wait, outputs=kept, internal={**state, **_kept_now(record)})
        self.platform.outbox.put("training", record.id)
        return Outcome(
            event="saved",
            reason=failure["reason"],
            message="; ".join(filter(None, (failure["message"], copied.message))),
            outputs={**kept, **copied.outputs},
            internal=state,
            ended=_ended_at(record),
        )

    # looking at it

    def watchers(self, record: Record) -> list[str]:
        trial: Json | None = record.spec.get("trial")
        run: Json | None = record.spec.get("workflow")
        return [*([trial["tuning"]] if trial else []), *([run["workflow"]] if run else [])]

    def came_from(self, record: Record) -> Mapping[str, str]:
        """Of a copy that runs on CPU meanwhile: the training that waits for a GPU."""
        original: Json | None = record.spec.get("meanwhile_of")
        return {"meanwhile_of.training": original["training"]} if original else {}

    def view(self, record: Record) -> Json:
        """What it runs; its place in the queue while it waits, and what a copy would start on meanwhile."""
        source: Json = record.internal.get("source") or {}
        view: Json = {"entry_point": source["entry_point"]} if source else {}
        if record.phase == "CREATE_IN_PROGRESS":
            view |= jobs.queue_view(self.platform, str(record.outputs.get("job_id")))
            if "queue" in view:
                view["queue"]["meanwhile"] = Meanwhile(self.platform).offer(record)
        return view

    def purge(self, record: Record) -> None:
        for attempt in range(1, int(record.internal.get("attempt", 0)) + 1):
            self.platform.executor.forget(jobs.make_job_id(record, attempt))


def _with_priority(record: Record, priority: str) -> Json:
    """The spec with another priority, all that may be changed. Raises: WrongPhase where it no longer counts."""
    if priority != record.spec["priority"] and record.phase not in _PRIORITY_COUNTS:
        raise WrongPhase(
            f"{record.label} is {record.phase}, and its priority counts only while it waits; copy it to run it again",
            phase=record.phase,
        )
    return {**record.spec, "priority": priority}


def _ended_at(record: Record) -> datetime | None:
    """When its job ended, which is before what it made has been kept."""
    found: str | None = record.internal.get("ended_at")
    return datetime.fromisoformat(found) if found else None


def _kept_now(record: Record) -> Json:
    return {"kept_attempt": record.internal.get("attempt")}


def _with_outputs(record: Record, outputs: Json) -> Record:
    return Outcome(outputs=outputs).on(record)
