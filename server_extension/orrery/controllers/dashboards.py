"""Dashboards: woken by a visit, put to sleep when nobody is there."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any, Final

from orrery.apps.settings import DASHBOARD_VARIABLE, HEALTH_PATH, REQUIREMENTS_FILE, DashboardSettings
from orrery.controllers import environment
from orrery.controllers.apps import FOLLOW_SECONDS, READY_SECONDS, Apps, AppState, Look
from orrery.controllers.contract import Controller, Draft, Outcome, Platform
from orrery.controllers.inputs import dataset_files
from orrery.domain.dashboards import DASHBOARD, DashboardSpec
from orrery.domain.records import Json, Record
from orrery.errors import Invalid
from orrery.executors.contract import InputFile, ServiceSpec
from orrery.jobs.declaration import parameters_source
from orrery.jobs.parameters import read_parameters, validate

MAX_NOTEBOOK_BYTES: Final = 64 << 20
#: an awake one is looked at so often, at the least and at the most
_SOONEST_SECONDS: Final = 0.5
_LATEST_SECONDS: Final = 60.0
#: a dashboard's first start makes its environment
INSTALL_SECONDS: Final = 900.0
WORK: Final = "$(ORRERY_WORK_DIR)"
#: why a dashboard falls asleep by itself, as against by its owner's word
IDLE: Final = "idle"


class DashboardController(Controller):
    kind = DASHBOARD

    def __init__(self, platform: Platform, apps: Apps) -> None:
        super().__init__(platform)
        self.apps = apps

    # before it is accepted

    def admit(self, draft: Draft) -> Json:
        spec = draft.spec
        assert isinstance(spec, DashboardSpec)
        asked = self.platform.settings.instance_type(spec.instance_type)
        there = self.platform.executor.capacity().total
        for name in ("cores", "memory_bytes", "gpus"):
            if getattr(asked, name) > getattr(there, name):
                message = f"instance type {spec.instance_type} has more {name} than there are; take a smaller one"
                raise Invalid(message, fields=[{"path": "spec.instance_type", "message": message}])
        for path, record in draft.references.items():
            if record.phase not in ("ACTIVE", "PUBLISHED"):
                message = f"{record.label} is {record.phase}; choose one that can be used"
                raise Invalid(message, fields=[{"path": f"spec.{path}", "message": message}])
        stored = spec.model_dump(mode="json")
        if draft.before is None or draft.before.spec.get("files") != stored["files"] or spec.parameters:
            stored["parameters"] = self._check_notebook(spec)
        return stored

    def _check_notebook(self, spec: DashboardSpec) -> Json:
        """The parameters as the notebook's cell types them. Raises: Invalid."""
        file = spec.shown
        where = [{"path": "spec.files", "message": f"{file.path!r} is not a Python notebook"}]
        if file.size > MAX_NOTEBOOK_BYTES:
            raise Invalid(f"{file.path!r} has {file.size} bytes; clear its outputs, they are made anew", fields=where)
        with self.platform.objects.open(file.oid) as stream:
            content = stream.read()
        try:
            notebook: Any = json.loads(content)
            cells: list[Any] = notebook["cells"]
            language = notebook.get("metadata", {}).get("kernelspec", {}).get("language") or "python"
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Invalid(f"{file.path!r} is not a Jupyter notebook of format 4 ({error})", fields=where) from error
        if language.lower() != "python":
            raise Invalid(f"{file.path!r} is written in {language}; a dashboard runs Python", fields=where)
        if not spec.parameters:
            return {}
        source = parameters_source({"cells": cells})
        if not source:
            message = f"{file.path!r} has no cell tagged 'parameters'; tag one, or leave the parameters out"
            raise Invalid(message, fields=[{"path": "spec.parameters", "message": message}])
        return validate(read_parameters(source), spec.parameters, path="spec.parameters")

    # visiting it

    def visit(self, record: Record, *, again: bool) -> Look:
        wakes = {"ASLEEP", "WAKE_FAILED"} if again else {"ASLEEP"}
        if record.phase in wakes:
            now = self.platform.store.clock()

            def wake(fresh: Record) -> Record:
                return self.kind.machine.step(fresh, "wake", now) if fresh.phase in wakes else fresh

            record = self.platform.store.update(record.id, wake)
        usual = record.outputs.get("wake_seconds")
        match record.phase:
            case "ACTIVE":
                return Look(AppState.AWAKE)
            case "WAKE_FAILED":
                message, _, log = record.message.partition("\n")
                return Look(AppState.FAILED, message, log)
            case "STOPPED" | "STOP_IN_PROGRESS" | "DELETE_IN_PROGRESS":
                return Look(AppState.STOPPED)
            case "SLEEP_IN_PROGRESS":
                return Look(AppState.WAKING, "It was just falling asleep", usual_seconds=usual)
            case _:
                return Look(AppState.WAKING, record.message, usual_seconds=usual)

    # moving it

    def reconcile(self, record: Record) -> Outcome:
        match record.phase:
            case "CREATE_REQUESTED":
                return self._accept(record)
            case "WAKE_IN_PROGRESS":
                return self._wake(record)
            case "ACTIVE":
                return self._watch(record)
            case "SLEEP_IN_PROGRESS":
                return self._sleep(record)
            case "STOP_IN_PROGRESS" | "DELETE_IN_PROGRESS":
                return self._wind_down(record, "stopped")
            case _:
                return self._rest(record)

    def _accept(self, record: Record) -> Outcome:
        return Outcome(
            event="accepted",
            outputs={"url": f"/apps/{record.id}/", "environment": environment.identity()},
            internal={"packages": environment.packages()},
        )

    def _wake(self, record: Record) -> Outcome:
        now = self.platform.store.clock()
        sid = service_id(record)
        if record.internal.get("services") != [sid] or not record.internal.get("waking_since"):
            # remembered before the service exists, so that it is never orphaned
            return Outcome(internal={"services": [sid], "waking_since": now.isoformat()}, again_in_seconds=0)
        look = self.apps.wake(record, self._service(record))
        match look.state:
            case AppState.AWAKE:
                began = datetime.fromisoformat(record.internal["waking_since"])
                changed = environment.describe_change(record.outputs["environment"], record.internal["packages"])
                outputs: Json = {
                    "wake_seconds": round((now - began).total_seconds(), 1),
                    "woken_at": now.isoformat().replace("+00:00", "Z"),
                    "environment_changed": changed or None,
                }
                return Outcome(event="ready", message=changed, outputs=outputs, internal={"waking_since": None})
            case AppState.FAILED:
                message = f"{look.message}\n{look.log}".strip()
                return Outcome(event="failed", reason="not_ready", message=message, internal={"waking_since": None})
            case _:
                return Outcome(message=look.message, again_in_seconds=FOLLOW_SECONDS)

    def _watch(self, record: Record) -> Outcome:
        if not self.apps.is_known(service_id(record)):
            return Outcome(event="slept")
        look = self.apps.wake(record, self._service(record))
        if look.state in (AppState.WAKING, AppState.FAILED):
            return Outcome(event="lost", message=look.message)
        limit = float(record.spec["idle_minutes"]) * 60
        idle = self.apps.idle_seconds(record.id)
        if idle is not None and idle >= limit:
            return Outcome(event="sleep", reason=IDLE)
        left = _LATEST_SECONDS if idle is None else limit - idle
        return Outcome(again_in_seconds=min(_LATEST_SECONDS, max(_SOONEST_SECONDS, left)))

    def _sleep(self, record: Record) -> Outcome:
        if not self.apps.close_door(record.id):
            return Outcome(again_in_seconds=FOLLOW_SECONDS)
        if record.reason == IDLE and self.apps.is_used(record.id):
            return Outcome(event="visited")
        return self._wind_down(record, "slept")

    def _wind_down(self, record: Record, event: str) -> Outcome:
        if not self.apps.close_door(record.id):
            return Outcome(again_in_seconds=FOLLOW_SECONDS)
        self.apps.end(service_id(record))
        return Outcome(event=event, internal={"services": [], "waking_since": None})

    def _rest(self, record: Record) -> Outcome:
        """Asleep, stopped or failed: nothing of it runs, whatever was left undone."""
        if record.internal.get("services"):
            self.apps.close_door(record.id)
            self.apps.end(service_id(record))
            return Outcome(internal={"services": [], "waking_since": None})
        return Outcome()

    def purge(self, record: Record) -> None:
        self.apps.close_door(record.id)
        self.apps.end(service_id(record))

    def _service(self, record: Record) -> ServiceSpec:
        spec = DashboardSpec.model_validate(record.spec)
        store = self.platform.store
        files = [InputFile(f"{DashboardSettings.FOLDER}/{file.path}", file.oid) for file in spec.files]
        environment_: dict[str, str] = {}
        for name, reference in spec.datasets.items():
            files.extend(dataset_files(self.platform.objects, name, store.get(reference, trashed=True)))
            environment_[f"EM_DATASET_{name.upper()}"] = f"{WORK}/datasets/{name}"
        for name, reference in spec.models.items():
            model = store.get(reference, trashed=True)
            files.extend(InputFile(f"models/{name}/{file['path']}", file["oid"]) for file in model.spec["files"])
            environment_[f"EM_MODEL_{name.upper()}"] = f"{WORK}/models/{name}"
        beside = PurePosixPath(spec.shown.path).with_name(REQUIREMENTS_FILE)
        is_installed = any(file.path == str(beside) for file in spec.files)
        shown = DashboardSettings(spec.shown.path, record.name, spec.show_code, spec.parameters)
        return ServiceSpec(
            id=service_id(record),
            owner=record.owner,
            title=record.name,
            argv=(sys.executable, "-m", "orrery.apps.dashboard"),
            resources=self.platform.settings.instance_type(spec.instance_type).resources,
            environment={
                **environment_,
                "ORRERY_ENVIRONMENTS": str(self.platform.settings.home / "environments"),
                "EM_DATASETS": json.dumps({name: f"{WORK}/datasets/{name}" for name in spec.datasets}),
                DASHBOARD_VARIABLE: shown.to_json(),
            },
            files=tuple(files),
            ready_path=HEALTH_PATH,
            ready_timeout_seconds=INSTALL_SECONDS if is_installed else READY_SECONDS,
            grace_seconds=5,
        )


def service_id(record: Record) -> str:
    return f"{record.id}-app"
