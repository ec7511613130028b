"""Trainings: submitted as notebook jobs, followed by their reports, turned into registered models."""

from __future__ import annotations

import io
import json
from pathlib import PurePosixPath
from typing import Any

from pydantic import BaseModel

from orrery.controllers import jobs
from orrery.controllers.contract import Controller, Draft, NewResource, Outcome
from orrery.domain.access import User
from orrery.domain.columns import check_target, find_column
from orrery.domain.models import MANIFEST, MODEL
from orrery.domain.records import Json, Record
from orrery.domain.trainings import TRAINING, RegisterModelBody, TrainingSpec
from orrery.errors import Invalid, NotFound
from orrery.executors.contract import (
    Exit,
    ExitReason,
    InputFile,
    JobPhase,
    JobSpec,
    NotebookProgram,
    Priority,
)
from orrery.jobs.parameters import validate

#: filled in by the executor, which alone knows the folder
WORK = "$(ORRERY_WORK_DIR)"
OUTPUT_NOTEBOOK = "output.ipynb"


class TrainingController(Controller):
    kind = TRAINING

    # before it is accepted

    def admit(self, draft: Draft) -> Json:
        spec = draft.spec
        assert isinstance(spec, TrainingSpec)
        self.platform.settings.instance_type(spec.instance_type)
        algorithm = draft.references["algorithm"]
        stored = spec.model_dump(mode="json")
        stored["parameters"] = validate(algorithm.spec["parameters_schema"], spec.parameters, path="spec.parameters")
        self._check_datasets(draft, spec, algorithm)
        self._check_columns(draft, stored["parameters"], algorithm)
        return stored

    def _check_datasets(self, draft: Draft, spec: TrainingSpec, algorithm: Record) -> None:
        declared = {dataset["name"]: dataset for dataset in algorithm.spec["datasets"]}
        for name in spec.datasets:
            if declared and name not in declared:
                message = f"algorithm {algorithm.name} knows no dataset {name!r}; it reads {', '.join(declared)}"
                raise Invalid(message, fields=[{"path": f"spec.datasets.{name}", "message": message}])
            if draft.references[f"datasets.{name}"].phase == "ARCHIVED":
                message = (
                    f"{draft.references[f'datasets.{name}'].label} is archived; choose another version, or restore it"
                )
                raise Invalid(message, fields=[{"path": f"spec.datasets.{name}", "message": message}])
        for name, dataset in declared.items():
            if dataset["required"] and name not in spec.datasets:
                message = f"algorithm {algorithm.name} needs a dataset {name!r}"
                raise Invalid(message, fields=[{"path": f"spec.datasets.{name}", "message": message}])

    def _check_columns(self, draft: Draft, parameters: Json, algorithm: Record) -> None:
        """Column parameters must name columns of the training data; the target must be learnable."""
        version = draft.references.get("datasets.train")
        content: Json = version.spec.get("content") or {} if version is not None else {}
        if version is None or not content.get("columns"):
            return
        properties: Json = algorithm.spec["parameters_schema"].get("properties", {})
        for name, schema in properties.items():
            value = parameters.get(name)
            if not schema.get("x-orrery-column") or value in (None, ""):
                continue
            path = f"spec.parameters.{name}"
            column = find_column(content, str(value), dataset=version.qualified_name, path=path)
            if name == "target":
                declared: list[str] = algorithm.spec.get("tasks") or []
                task = str(parameters.get("task") or ("classification" if declared == ["classification"] else "auto"))
                known = {**column, "rows": content.get("rows")}
                check_target(known, task=task, dataset=version.qualified_name, path=path)

    # moving it

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
        cleared: Json = {"metrics": {}, "artifacts": [], "exit_code": None, "exit_reason": None, "model": None}
        return Outcome(
            event="accepted",
            progress={},
            outputs={**cleared, "job_id": jobs.make_job_id(record, attempt), "attempt": attempt},
            internal={"attempt": attempt, "reports_offset": 0, "reports_position": 0, "error": None, "failure": None},
        )

    def _follow(self, record: Record) -> Outcome:
        executor = self.platform.executor
        attempt = int(record.internal.get("attempt", 0))
        job_id = jobs.make_job_id(record, attempt)
        state = jobs.find_job(executor, job_id)
        if state is None:
            if record.phase == "STOP_IN_PROGRESS":
                return Outcome(event="cancelled", message="stopped before it began")
            try:
                executor.submit(self._job(record, job_id))
            except Invalid as error:
                return Outcome(event="refused", reason=error.code, message=error.message)
            state = executor.state(job_id)
        if record.phase == "STOP_IN_PROGRESS" and state.phase is not JobPhase.ENDED:
            executor.stop(job_id)
        outcome = self._told(record, job_id)
        if state.phase is JobPhase.ENDED:
            assert state.exit is not None
            return self._ended(record, outcome, state.exit)
        if state.phase in (JobPhase.RUNNING, JobPhase.STARTING) and record.phase == "CREATE_IN_PROGRESS":
            return Outcome(
                event="started", outputs=outcome.outputs, internal=outcome.internal, progress=outcome.progress
            )
        waits = state.phase is JobPhase.QUEUED
        return Outcome(
            progress=outcome.progress,
            outputs=outcome.outputs,
            internal=outcome.internal,
            again_in_seconds=jobs.WAITING_SECONDS if waits else jobs.FOLLOW_SECONDS,
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
        progress = jobs.with_estimate(found.progress, record.started_at, now)
        return Outcome(progress=progress, outputs=outputs, internal=found.internal)

    def _ended(self, record: Record, told: Outcome, exit_: Exit) -> Outcome:
        event = {ExitReason.COMPLETED: "succeeded", ExitReason.STOPPED: "cancelled"}.get(exit_.reason, "broke")
        if record.phase == "CREATE_IN_PROGRESS":
            # it was quick: its start is told first
            return Outcome(event="started", outputs=told.outputs, internal=told.internal, progress=told.progress)
        if record.phase == "STOP_IN_PROGRESS" and event == "broke":
            event = "cancelled"
        error = told.internal.get("error") or record.internal.get("error")
        failure: Json | None = None
        if event == "broke":
            failure = {
                "reason": error["code"] if error else exit_.reason.value.lower(),
                "message": error["message"] if error else jobs.explain_exit(exit_, record.spec.get("max_seconds")),
            }
        message = "" if event != "cancelled" else "stopped"
        return Outcome(
            event=event,
            message=message,
            progress=told.progress,
            outputs={**told.outputs, **jobs.usage_outputs(exit_)},
            internal={**told.internal, "failure": failure},
        )

    def _job(self, record: Record, job_id: str) -> JobSpec:
        spec = TrainingSpec.model_validate(record.spec)
        store = self.platform.store
        algorithm = store.get(spec.algorithm, trashed=True)
        notebook = algorithm.spec["notebook"]
        files = [InputFile("input.ipynb", notebook["oid"])]
        for name, reference in spec.datasets.items():
            files.extend(self._dataset_files(name, store.get(reference, trashed=True)))
        instance = self.platform.settings.instance_type(spec.instance_type)
        return JobSpec(
            id=job_id,
            owner=record.owner,
            title=record.name,
            program=NotebookProgram("input.ipynb", OUTPUT_NOTEBOOK, spec.parameters),
            resources=instance.resources,
            priority=Priority[spec.priority],
            time_limit_seconds=spec.max_seconds,
            environment=self._environment(record, spec, algorithm),
            files=tuple(files),
        )

    def _dataset_files(self, name: str, version: Record) -> list[InputFile]:
        listing = {
            "format": version.spec["format"],
            "files": [{"path": file["path"], "purpose": file["purpose"]} for file in version.spec["files"]],
        }
        described = self.platform.objects.put(io.BytesIO(json.dumps(listing).encode()))
        files = [InputFile(f"datasets/{name}/{file['path']}", file["oid"]) for file in version.spec["files"]]
        return [*files, InputFile(f"datasets/{name}/dataset.json", described.oid)]

    def _environment(self, record: Record, spec: TrainingSpec, algorithm: Record) -> dict[str, str]:
        """The `EM_*` contract, our own variables and MLflow's."""
        folders = {name: f"{WORK}/datasets/{name}" for name in spec.datasets}
        token, url = self.platform.make_token(record.owner), self.platform.url()
        return {
            "ORRERY_URL": url,
            "ORRERY_TOKEN": token,
            "MLFLOW_TRACKING_URI": f"{url}/mlflow",
            "MLFLOW_TRACKING_TOKEN": token,
            "EM_SOURCE_DIR": WORK,
            "EM_ENTRY_POINT": "input.ipynb",
            "EM_DATASETS": json.dumps(folders),
            **{f"EM_DATASET_{name.upper()}": folder for name, folder in folders.items()},
            "EM_MODEL_DIR": f"{WORK}/model",
            "EM_OUTPUT_DIR": f"{WORK}/output",
            "EM_CHECKPOINT_INPUT_DIR": "",
            "EM_CHECKPOINT_DIR": f"{WORK}/checkpoints",
            "EM_TENSORBOARD_LOG_DIR": f"{WORK}/tensorboard",
            "EM_HPS": json.dumps(spec.parameters),
            **{f"EM_HP_{key.upper()}": _as_text(value) for key, value in spec.parameters.items()},
            "EM_REGION": self.platform.settings.region,
            "EM_APPKEY": record.owner,
            "ORRERY_TRAINING": record.name,
            "ORRERY_ALGORITHM": algorithm.name,
        }

    # at its end

    def _save(self, record: Record) -> Outcome:
        """Keep what it made: the executed notebook and its plots as objects, the model as a registered version."""
        job_id = str(record.outputs["job_id"])
        kept: Json = {}
        held: list[Json] = []
        model_files: list[Json] = []
        for info in self.platform.executor.files(job_id):
            if info.path == OUTPUT_NOTEBOOK:
                kept["notebook"] = self._keep(job_id, info.path)
            elif info.path.startswith("output/"):
                held.append(self._keep(job_id, info.path))
            elif info.path.startswith("model/"):
                model_files.append(self._keep(job_id, info.path, below="model"))
        kept["output_files"] = held
        kept["model_files"] = sorted(model_files, key=lambda file: str(file["path"]))
        message = ""
        if record.spec["register_model"]:
            if any(file["path"] == MANIFEST for file in model_files):
                with_files = _with_outputs(record, kept)
                kept["model"] = self._register(with_files, None, key=f"model:{job_id}").id
            else:
                message = f"no model was registered: the run saved no {MANIFEST} in EM_MODEL_DIR"
        self.platform.outbox.put("training", record.id)
        return Outcome(
            event="saved",
            message=message,
            outputs=kept,
            progress={**(record.progress or {}), "fraction": 1.0, "eta_seconds": 0},
        )

    def _keep(self, job_id: str, path: str, below: str = "") -> Json:
        with self.platform.executor.open_file(job_id, path) as stream:
            stored = self.platform.objects.put(stream)
        shown = str(PurePosixPath(path).relative_to(below)) if below else path
        return {"path": shown, "oid": stored.oid, "size": stored.size}

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
        groups = frozenset({record.group}) if record.group else frozenset[str]()
        owner = User(record.owner, groups)
        return self.commands.create(owner, MODEL, new, idempotency_key=key, made_objects=True)

    def act(self, action: str, record: Record, body: BaseModel | None, user: User) -> Record:
        assert isinstance(body, RegisterModelBody)
        if not record.outputs.get("model_files"):
            raise Invalid(f"{record.label} saved no model in EM_MODEL_DIR; there is nothing to register")
        return self._register(record, body.name, key=None)

    def _explain(self, record: Record) -> Outcome:
        failure: Json = record.internal.get("failure") or {"reason": "failed", "message": "it failed"}
        kept: Json = {}
        job_id = str(record.outputs["job_id"])
        try:
            kept["notebook"] = self._keep(job_id, OUTPUT_NOTEBOOK)
        except NotFound:
            kept["notebook"] = None
        self.platform.outbox.put("training", record.id)
        return Outcome(event="saved", reason=failure["reason"], message=failure["message"], outputs=kept)

    # looking at it

    def view(self, record: Record) -> Json:
        """Its place in the queue while it waits."""
        if record.phase != "CREATE_IN_PROGRESS":
            return {}
        job_id = record.outputs.get("job_id")
        entry = self.platform.executor.queue_entry(str(job_id))
        return {"queue": {"place": entry.place, "reason": entry.reason}} if entry is not None else {}

    def purge(self, record: Record) -> None:
        for attempt in range(1, int(record.internal.get("attempt", 0)) + 1):
            self.platform.executor.forget(jobs.make_job_id(record, attempt))


def _with_outputs(record: Record, outputs: Json) -> Record:
    return Outcome(outputs=outputs).on(record)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
