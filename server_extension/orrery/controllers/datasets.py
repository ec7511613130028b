"""Datasets: read by a job when they arrive or change; published as immutable versions."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from orrery.controllers import jobs
from orrery.controllers.contract import Controller, Draft, NewResource, Outcome
from orrery.domain.access import User
from orrery.domain.datasets import DATASET, DATASET_VERSION, DatasetSpec, DatasetType, PublishBody, file_format
from orrery.domain.records import Json, Record
from orrery.domain.workflows import WORKFLOW
from orrery.errors import Invalid, NotFound, WrongPhase
from orrery.executors.contract import ExitReason, InputFile, JobPhase, JobSpec, Priority, PythonProgram, Resources

#: where the job leaves the profile, in its work folder
PROFILE_FILE = "profile.json"
#: what reading a dataset holds; it streams, so that size does not matter
INSPECTION = Resources(cores=0.5, memory_bytes=1 << 30)


def check_sizes(spec: DatasetSpec) -> None:
    """Raises: Invalid for an empty file."""
    for index, file in enumerate(spec.files):
        if file.size == 0:
            message = f"file {file.path!r} is empty; upload one with data"
            raise Invalid(message, fields=[{"path": f"spec.files.{index}", "message": message}])


class DatasetController(Controller):
    kind = DATASET

    def admit(self, draft: Draft) -> Json:
        assert isinstance(draft.spec, DatasetSpec)
        check_sizes(draft.spec)
        return super().admit(draft)

    def act(self, action: str, record: Record, body: BaseModel | None, user: User) -> Record:
        assert isinstance(body, PublishBody)
        return self._publish(record, body.description, user, key=None)

    def _publish(self, record: Record, description: str, user: User, *, key: str | None) -> Record:
        """Raises: WrongPhase when these files are the newest version already."""
        spec = {
            "dataset": record.id,
            "type": record.spec["type"],
            "format": record.spec["format"],
            "files": record.spec["files"],
            "content": record.outputs.get("content", {}),
        }
        latest = self.platform.store.find_named(DATASET_VERSION.name, [record.owner], record.name)
        if key is None and latest is not None and latest.spec["files"] == spec["files"] and latest.phase == "PUBLISHED":
            raise WrongPhase(
                f"{record.label} has not changed since version {latest.version}; that one is what you want"
            )
        new = NewResource(
            name=record.name,
            spec=spec,
            owner=record.owner,
            description=description,
            visibility=record.visibility,
            group=record.group,
            tags=record.tags,
        )
        version = self.commands.create(user, DATASET_VERSION, new, idempotency_key=key, by_platform=True)
        self.platform.store.leases.wake(record.id)
        return version

    def reconcile(self, record: Record) -> Outcome:
        match record.phase:
            case "PROCESSING":
                return self._process(record)
            case "READY":
                return self._ready(record)
            case _:
                return Outcome()

    def _ready(self, record: Record) -> Outcome:
        """Publish the first version where the spec asks for it, and show which version is the latest."""
        if record.spec.get("publish") and record.deleted_at is None:
            published = self.platform.store.find_named(DATASET_VERSION.name, [record.owner], record.name)
            if published is None or published.spec["files"] != record.spec["files"]:
                fingerprint = "+".join(file["oid"][:12] for file in record.spec["files"])[:200]
                self._publish(
                    record,
                    "",
                    User(record.owner),
                    key=f"publish:{record.id}:{record.internal.get('attempt')}:{fingerprint}",
                )
        latest = self.platform.store.find_named(DATASET_VERSION.name, [record.owner], record.name)
        return Outcome(outputs={"latest_version": latest.version if latest else None})

    def _process(self, record: Record) -> Outcome:
        spec = DatasetSpec.model_validate(record.spec)
        size = sum(file.size for file in spec.files)
        if spec.type is not DatasetType.TABULAR:
            return Outcome(event="inspected", outputs={"bytes": size, "content": {}})
        files_key = [file.oid for file in spec.files]
        attempt = int(record.internal.get("attempt", 0))
        if not attempt or record.internal.get("inspected") != files_key or record.internal.get("settled"):
            notes = {
                "attempt": attempt + 1,
                "inspected": files_key,
                "settled": False,
                "reports_offset": 0,
                "reports_position": 0,
            }
            return Outcome(internal={**notes, "error": None, "result": None}, again_in_seconds=0)
        job_id = jobs.make_job_id(record, attempt)
        state = jobs.find_job(self.platform.executor, job_id)
        if state is None:
            self.platform.executor.submit(self._job(record, job_id, spec))
            state = self.platform.executor.state(job_id)
        found = jobs.read_reports(self.platform.executor, record, job_id)
        error = found.error or record.internal.get("error")
        if state.phase is not JobPhase.ENDED:
            # its result may come a moment before its end
            notes = {**found.internal, "result": found.result or record.internal.get("result")}
            again = jobs.WAITING_SECONDS if state.phase is JobPhase.QUEUED else jobs.FOLLOW_SECONDS
            return Outcome(progress=found.progress, internal=notes, again_in_seconds=again)
        assert state.exit is not None
        content: Json | None = found.result or record.internal.get("result")
        internal = {**found.internal, "settled": True, "result": None}
        if state.exit.reason is not ExitReason.COMPLETED or content is None:
            message = error["message"] if error else jobs.explain_exit(state.exit, None)
            reason = error["code"] if error else state.exit.reason.value.lower()
            return Outcome(event="failed", reason=reason, message=message, internal=internal, outputs={"bytes": size})
        content = {**content, "profile": self._keep_profile(job_id)}
        outputs = {
            "bytes": size,
            "rows": content.get("rows"),
            "columns": [column.get("name") for column in content.get("columns", [])],
            "warnings": content.get("warnings", []),
            "content": content,
        }
        return Outcome(event="inspected", outputs=outputs, internal=internal, progress={})

    def _keep_profile(self, job_id: str) -> Json | None:
        """The profile as an object, `{"oid", "size"}`: what names it in the content keeps it alive."""
        try:
            with self.platform.executor.open_file(job_id, PROFILE_FILE) as stream:
                stored = self.platform.objects.put(stream)
        except NotFound:
            return None  # this type of data has no profile
        return {"oid": stored.oid, "size": stored.size}

    def _job(self, record: Record, job_id: str, spec: DatasetSpec) -> JobSpec:
        listed: list[dict[str, Any]] = [
            {"path": f"datasets/data/{file.path}", "purpose": file.purpose.value if file.purpose else None}
            for file in spec.files
        ]
        return JobSpec(
            id=job_id,
            owner=record.owner,
            title=f"{record.name} (reading)",
            program=PythonProgram(
                "orrery.jobs.inspect_dataset:inspect",
                {"files": listed, "format": file_format(spec.files[0].path, spec.format)},
            ),
            resources=INSPECTION,
            priority=Priority.HIGH,
            files=tuple(InputFile(f"datasets/data/{file.path}", file.oid) for file in spec.files),
        )

    def purge(self, record: Record) -> None:
        for attempt in range(1, int(record.internal.get("attempt", 0)) + 1):
            self.platform.executor.forget(jobs.make_job_id(record, attempt))


class DatasetVersionController(Controller):
    kind = DATASET_VERSION

    def reconcile(self, record: Record) -> Outcome:
        """A version that came or went changes what its dataset shows, and wakes the workflows that follow it."""
        if record.internal.get("told") != record.phase:
            dataset = str(record.spec["dataset"])
            self.platform.store.leases.wake(dataset)
            for follower in self.platform.store.dependents(dataset):
                if follower.kind == WORKFLOW.name:
                    self.platform.store.leases.wake(follower.id)
            total = sum(int(file["size"]) for file in record.spec["files"])
            content = record.spec.get("content", {})
            return Outcome(internal={"told": record.phase}, outputs={"bytes": total, "rows": content.get("rows")})
        return Outcome()
