"""Endpoints: one service a deployed model, routes for the gateway, and changes without a lost request.

The order of a change: the new services start; once all of them are ready the routes name them; once the gateway has
taken these routes the old services end. A replica that retires leaves the routes first, too.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any, Final

from orrery.controllers.contract import Controller, Draft, Outcome, Platform
from orrery.controllers.routing import Router
from orrery.domain.endpoints import ENDPOINT, Deployment, EndpointSpec
from orrery.domain.models import MANIFEST
from orrery.domain.records import Json, Record
from orrery.errors import Invalid, UnknownService
from orrery.executors.contract import InputFile, ReplicaPhase, ServiceSpec, ServiceState

#: between two looks while replicas start or retire
FOLLOW_SECONDS: Final = 0.25
#: an endpoint at rest is looked at now and then all the same
IDLE_SECONDS: Final = 60.0
_REQUEST_LIMITS: Final = {"max_body_bytes": 32 << 20, "timeout_seconds": 60}


@dataclass(frozen=True)
class Wanted:
    """One deployment and the service that runs it."""

    service_id: str
    deployment: Deployment
    model: Record


def service_id(endpoint: Record, model_id: str) -> str:
    return f"{endpoint.id}-{model_id.partition('_')[2]}"


class EndpointController(Controller):
    kind = ENDPOINT

    def __init__(self, platform: Platform, router: Router) -> None:
        super().__init__(platform)
        self.router = router

    def admit(self, draft: Draft) -> Json:
        spec = draft.spec
        assert isinstance(spec, EndpointSpec)
        instance = self.platform.settings.instance_type(spec.instance_type)
        total = self.platform.executor.capacity().total
        replicas = sum(deployment.replicas for deployment in spec.deployments)
        for name, asked, there in (
            ("cores", instance.cores * replicas, total.cores),
            ("bytes of memory", instance.memory_bytes * replicas, total.memory_bytes),
            ("GPUs", instance.gpus * replicas, total.gpus),
        ):
            if asked > there:
                message = (
                    f"{replicas} replicas of {spec.instance_type} need {asked:g} {name}; there are {there:g}: "
                    "take fewer replicas, or a smaller instance type"
                )
                raise Invalid(message, fields=[{"path": "spec.deployments", "message": message}])
        chosen = [record.id for path, record in draft.references.items() if path.startswith("deployments.")]
        if len(set(chosen)) != len(chosen):
            raise Invalid("two deployments have the same model; give that one more replicas instead")
        for path, record in draft.references.items():
            if record.phase not in ("ACTIVE", "CREATE_REQUESTED", "CREATE_IN_PROGRESS"):
                message = f"{record.label} is {record.phase}; choose a model that is ACTIVE"
                raise Invalid(message, fields=[{"path": f"spec.{path}", "message": message}])
            if not any(file["path"] == MANIFEST for file in record.spec["files"]):
                message = (
                    f"{record.label} has no {MANIFEST}, so nothing knows how to serve it; save it as a model package, "
                    "or log it with MLflow and load it in a script of your own"
                )
                raise Invalid(message, fields=[{"path": f"spec.{path}", "message": message}])
        return super().admit(draft)

    # moving it

    def reconcile(self, record: Record) -> Outcome:
        match record.phase:
            case "CREATE_REQUESTED":
                return Outcome(event="accepted", outputs={"url": f"/endpoints/{record.owner}/{record.name}"})
            case "STOP_IN_PROGRESS" | "DELETE_IN_PROGRESS":
                return self._wind_down(record)
            case "STOPPED":
                self.router.publish(record.id, None)
                return Outcome()
            case _:
                return self._serve(record)

    def _wanted(self, record: Record) -> list[Wanted]:
        spec = EndpointSpec.model_validate(record.spec)
        store = self.platform.store
        models = [(deployment, store.get(deployment.model, trashed=True)) for deployment in spec.deployments]
        return [Wanted(service_id(record, model.id), deployment, model) for deployment, model in models]

    def _serve(self, record: Record) -> Outcome:
        """Towards the spec: services up, then routes, then old services down."""
        wanted = self._wanted(record)
        waiting = [item.model for item in wanted if item.model.phase in ("CREATE_REQUESTED", "CREATE_IN_PROGRESS")]
        if waiting:
            return Outcome(message=f"waits for {waiting[0].label} to be checked", again_in_seconds=FOLLOW_SECONDS)
        ids = [item.service_id for item in wanted]
        known: list[str] = record.internal.get("services", [])
        if set(ids) - set(known):
            # remembered before any of them exists, so that none is ever orphaned
            return Outcome(internal={"services": sorted({*known, *ids})}, again_in_seconds=0)
        for item in wanted:
            self.platform.executor.apply_service(self._service(record, item))
        states = {item.service_id: self.platform.executor.service(item.service_id) for item in wanted}
        ready = {sid: _ready(state) for sid, state in states.items()}
        is_complete = all(
            ready[item.service_id] >= item.deployment.replicas and _is_current(states[item.service_id])
            for item in wanted
        )
        can_switch = all(ready[sid] > 0 for sid in ids)
        routed = wanted if can_switch else []
        settled = self._route(record, routed, states) if can_switch else self._reroute(record, ids, states)
        old = sorted(set(known) - set(ids))
        if can_switch and settled and old:
            for sid in old:
                self.platform.executor.remove_service(sid)
            return Outcome(internal={"services": ids}, again_in_seconds=0)
        return self._shown(record, wanted, states, is_complete=is_complete and not old, settled=settled)

    def _route(self, record: Record, wanted: list[Wanted], states: dict[str, ServiceState]) -> bool:
        """Name the ready replicas in the routes; end the retired ones once the gateway has let go of them."""
        deployments: list[Json] = [
            {
                "id": item.service_id,
                "model": item.model.name,
                "model_version": item.model.version,
                "weight": item.deployment.traffic,
                "replicas": _addresses(states[item.service_id]),
            }
            for item in wanted
        ]
        revision = self.router.publish(record.id, make_route(record, deployments))
        retiring = {
            sid: frozenset(replica.id for replica in state.replicas if replica.phase is ReplicaPhase.RETIRING)
            for sid, state in states.items()
        }
        if not self.router.is_taken(revision):
            return False
        for sid, replicas in retiring.items():
            if replicas:
                self.platform.executor.release_replicas(sid, replicas)
        return True

    def _reroute(self, record: Record, new_ids: list[str], states: dict[str, ServiceState]) -> bool:
        """While the new services start, the old ones go on with the replicas that they have now."""
        route = self.router.route(record.id)
        if route is None:
            return True
        kept: list[Json] = []
        for deployment in route["deployments"]:
            try:
                state = states.get(deployment["id"]) or self.platform.executor.service(deployment["id"])
            except UnknownService:
                continue
            kept.append({**deployment, "replicas": _addresses(state)})
        self.router.publish(record.id, make_route(record, kept))
        return True

    def _shown(
        self, record: Record, wanted: list[Wanted], states: dict[str, ServiceState], *, is_complete: bool, settled: bool
    ) -> Outcome:
        shown: list[Json] = []
        for item in wanted:
            state = states[item.service_id]
            messages = [replica.message for replica in state.replicas if replica.message]
            shown.append(
                {
                    "id": item.service_id,
                    "model": item.model.qualified_name,
                    "model_id": item.model.id,
                    "traffic": item.deployment.traffic,
                    "ready": _ready(state),
                    "wanted": item.deployment.replicas,
                    "message": state.failure or (messages[0] if messages else ""),
                    "replicas": [
                        {"id": r.id, "phase": r.phase.value, "restarts": r.restarts, "message": r.message}
                        for r in state.replicas
                    ],
                }
            )
        total: dict[str, Any] = {
            "replicas": {"ready": sum(int(d["ready"]) for d in shown), "wanted": sum(int(d["wanted"]) for d in shown)},
            "deployments": shown,
            "url": f"/endpoints/{record.owner}/{record.name}",
        }
        failures = [
            f"{item.model.label}: {states[item.service_id].failure}"
            for item in wanted
            if states[item.service_id].failure
        ]
        machine = ENDPOINT.machine
        if is_complete and settled and (record.phase, "ready") in machine.transitions:
            return Outcome(event="ready", outputs=total)
        if failures and (record.phase, "failed") in machine.transitions:
            return Outcome(event="failed", reason="not_ready", message=failures[0], outputs=total)
        is_moving = not is_complete or not settled or any(d["ready"] != len(d["replicas"]) for d in shown)
        message = failures[0] if failures else next((str(d["message"]) for d in shown if d["message"]), "")
        return Outcome(message=message, outputs=total, again_in_seconds=FOLLOW_SECONDS if is_moving else IDLE_SECONDS)

    def _wind_down(self, record: Record) -> Outcome:
        revision = self.router.publish(
            record.id, None if record.phase == "DELETE_IN_PROGRESS" else make_route(record, [], stopped=True)
        )
        if not self.router.is_taken(revision):
            return Outcome(again_in_seconds=FOLLOW_SECONDS)
        for sid in record.internal.get("services", []):
            self.platform.executor.remove_service(sid)
        outputs: Json = {"replicas": {"ready": 0, "wanted": 0}, "deployments": []}
        return Outcome(event="stopped", outputs=outputs, internal={"services": []})

    def _service(self, record: Record, item: Wanted) -> ServiceSpec:
        instance = self.platform.settings.instance_type(record.spec["instance_type"])
        parameters = item.model.spec.get("parameters", [])
        return ServiceSpec(
            id=item.service_id,
            owner=record.owner,
            title=record.name,
            argv=(sys.executable, "-m", "orrery.serving", *_alias(record.name, item.model.name)),
            replicas=item.deployment.replicas,
            resources=instance.resources,
            environment={
                **{_screaming_snake(parameter["name"]): parameter["value"] for parameter in parameters},
                "ORRERY_MODEL_NAME": item.model.name,
                "ORRERY_MODEL_VERSION": str(item.model.version),
            },
            files=tuple(InputFile(f"model/{file['path']}", file["oid"]) for file in item.model.spec["files"]),
        )


def _alias(endpoint: str, model: str) -> tuple[str, ...]:
    """A model answers by the endpoint's name as well, so that clients need not know what is behind it."""
    return ("--alias", f"{endpoint}={model}") if endpoint != model else ()


def _screaming_snake(name: str) -> str:
    spaced = "".join(f"_{letter}" if letter.isupper() and index else letter for index, letter in enumerate(name))
    return "".join(letter if letter.isalnum() else "_" for letter in spaced).upper().replace("__", "_")


def make_route(record: Record, deployments: list[Json], *, stopped: bool = False) -> Json:
    return {
        "endpoint_id": record.id,
        "owner": record.owner,
        "name": record.name,
        "visibility": record.visibility.value,
        "group": record.group,
        "stopped": stopped,
        "limits": dict(_REQUEST_LIMITS),
        "deployments": deployments,
    }


def _ready(state: ServiceState) -> int:
    return sum(1 for replica in state.replicas if replica.phase is ReplicaPhase.READY)


def _is_current(state: ServiceState) -> bool:
    """Whether every ready replica is of the revision wanted."""
    return all(replica.revision == state.revision for replica in state.replicas if replica.phase is ReplicaPhase.READY)


def _addresses(state: ServiceState) -> list[Json]:
    return [{"id": r.id, "address": r.address} for r in state.replicas if r.phase is ReplicaPhase.READY]
