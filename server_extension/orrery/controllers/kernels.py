"""Kernels on instances: each is a job that waits its turn, hosts a kernel, and ends when its notebook server is gone.

The platform only gives the place: what is run there, and every message, goes between the notebook server and the host
directly (`orrery.jobs.kernel_host`), so a kernel goes on while the platform restarts.
"""

from __future__ import annotations

from typing import Final

from orrery.controllers import jobs
from orrery.controllers.contract import Controller, Draft, Outcome
from orrery.controllers.run_tokens import token_secrets
from orrery.domain.kernels import KERNEL, KernelSpec
from orrery.domain.records import Json, Record
from orrery.errors import Invalid, NotFound
from orrery.executors.contract import Exit, ExitReason, JobPhase, JobSpec, PythonProgram, SecretSource
from orrery.jobs.kernel_wire import KEY_VARIABLE
from orrery.store.resources import ResourceStore
from orrery.store.vault import Vault

_SEALED: Final = "sealed_key"
#: what a reference to a kernel's key begins with; no owner's name has a colon
_PREFIX: Final = "kernel:"
#: between two looks while a job begins to listen
_STARTING_SECONDS: Final = 0.1


class KernelController(Controller):
    kind = KERNEL

    def admit(self, draft: Draft) -> Json:
        spec = draft.spec
        assert isinstance(spec, KernelSpec)
        resources = self.platform.settings.instance_type(spec.instance_type).resources
        self.platform.executor.check(draft.owner, resources)
        if spec.key is None and draft.before is None:
            message = "a kernel needs a key that signs its messages"
            raise Invalid(message, fields=[{"path": "spec.key", "message": message}])
        return spec.model_dump(mode="json", exclude={"key"})

    def conceal(self, draft: Draft) -> Json:
        spec = draft.spec
        assert isinstance(spec, KernelSpec)
        return {} if spec.key is None else {_SEALED: self.platform.vault.seal(spec.key)}

    def reconcile(self, record: Record) -> Outcome:
        match record.phase:
            case "CREATE_REQUESTED":
                return Outcome(event="accepted", outputs={"job_id": jobs.make_job_id(record, 1)})
            case "CREATE_IN_PROGRESS" | "RUNNING" | "STOP_IN_PROGRESS":
                return self._follow(record)
            case _:
                return Outcome()

    def _follow(self, record: Record) -> Outcome:
        executor = self.platform.executor
        job_id = jobs.make_job_id(record, 1)
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
        told = jobs.read_reports(executor, record, job_id)
        outputs: Json = {} if told.result is None else {key: value for key, value in told.result.items() if value}
        if state.phase is JobPhase.ENDED:
            assert state.exit is not None
            return self._ended(record, told, outputs, state.exit)
        if "connection" in outputs and record.phase == "CREATE_IN_PROGRESS":
            return Outcome(event="started", outputs=outputs, internal=told.internal)
        starts = record.phase == "CREATE_IN_PROGRESS" and state.phase is not JobPhase.QUEUED
        return Outcome(
            outputs=outputs,
            internal=told.internal,
            again_in_seconds=_STARTING_SECONDS if starts else jobs.WAITING_SECONDS,
        )

    def _job(self, record: Record, job_id: str) -> JobSpec:
        settings = self.platform.settings
        arguments = {"transport": settings.kernel_transport, "lease_seconds": settings.kernel_lease_seconds}
        return JobSpec(
            id=job_id,
            owner=record.owner,
            title=f"kernel of {record.spec['path']}" if record.spec["path"] else record.name,
            program=PythonProgram("orrery.jobs.kernel_host:run", arguments),
            resources=settings.instance_type(record.spec["instance_type"]).resources,
            grace_seconds=3.0,
            environment={
                "ORRERY_URL": self.platform.url(),
                "ORRERY_KERNEL": record.id,
            },
            secrets={KEY_VARIABLE: f"{_PREFIX}{record.id}", **token_secrets(job_id)},
        )

    def _ended(self, record: Record, told: jobs.Reports, outputs: Json, exit_: Exit) -> Outcome:
        match exit_.reason:
            case ExitReason.COMPLETED:
                event = "ended"
            case ExitReason.STOPPED:
                event = "cancelled"
            case _:
                event = "failed"
        if record.phase == "STOP_IN_PROGRESS":
            event = "cancelled"
        ended = {**record.outputs, **outputs}.get("ended")
        message = {"ended": str(ended or ""), "cancelled": "stopped"}.get(event)
        return Outcome(
            event=event,
            reason=exit_.reason.value.lower() if event == "failed" else "",
            message=self._why(record, told, exit_) if message is None else message,
            outputs={**outputs, **jobs.usage_outputs(exit_), "connection": None},
            internal={**told.internal, _SEALED: None},
        )

    def _why(self, record: Record, told: jobs.Reports, exit_: Exit) -> str:
        if exit_.reason is ExitReason.OUT_OF_MEMORY:
            name = record.spec["instance_type"]
            size = self.platform.settings.instance_type(name).memory_bytes / (1 << 30)
            return f"out of memory: {name} has {size:,.3g} GiB; choose a larger instance type ({exit_.message})"
        return jobs.explain_failure(told.error, exit_, None)

    def view(self, record: Record) -> Json:
        """Its place in the queue while it waits."""
        if record.phase != "CREATE_IN_PROGRESS":
            return {}
        return jobs.queue_view(self.platform, str(record.outputs.get("job_id")))

    def purge(self, record: Record) -> None:
        self.platform.executor.forget(jobs.make_job_id(record, 1))


class KernelKeys:
    """Answers the executor for the keys of kernels, and asks `others` for every other secret."""

    def __init__(self, store: ResourceStore, vault: Vault, others: SecretSource) -> None:
        self._store = store
        self._vault = vault
        self._others = others

    def reveal(self, reference: str) -> str:
        """Raises: NotFound, Conflict where the vault's key is lost."""
        if not reference.startswith(_PREFIX):
            return self._others.reveal(reference)
        found = self._store.find(reference.removeprefix(_PREFIX))
        sealed = None if found is None else found.internal.get(_SEALED)
        if sealed is None:
            raise NotFound("the kernel has ended; start another from its notebook")
        return self._vault.unseal(sealed)
