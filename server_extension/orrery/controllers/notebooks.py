"""Notebooks: named servers of the hub, moved and watched.

The hub starts and stops them; this tells it what is wanted and follows what is there. Where the hub did something by
itself (a crash, a culler, somebody who opened a stopped notebook's address), the record follows the hub: it never
starts again what somebody ended, and never ends what somebody opened.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from pydantic import BaseModel

from orrery.controllers.apps import AppState, Look
from orrery.controllers.contract import Controller, Draft, NewResource, Outcome, Platform
from orrery.controllers.images import base_image, check_core_type, check_image, launch_image
from orrery.controllers.notebook_upgrades import RESTARTED_FOR, UpgradeBook
from orrery.domain.access import User
from orrery.domain.images import LOCAL
from orrery.domain.notebooks import NOTEBOOK, NotebookSpec
from orrery.domain.records import Json, Record, Target
from orrery.errors import Invalid, NameTaken, NotFound, WrongPhase
from orrery.hub.client import HubClient, Server
from orrery.hub.watch import HubWatch
from orrery.store.rows import Query

FOLLOW_SECONDS: Final = 1.0
#: a stop that takes longer has failed
STOP_TIMEOUT: Final = timedelta(minutes=5)
#: a start that the hub forgot (it was restarted) is asked for again so often
MOST_STARTS: Final = 3
_DOWN: Final = frozenset({"STOPPED", "CREATE_FAILED", "START_FAILED", "REBOOT_FAILED"})
_SIZE: Final = ("image", "instance_type", "mounts", "environment")


@dataclass(frozen=True)
class HubLink:
    """The hub that a platform belongs to."""

    client: HubClient
    watch: HubWatch


class NotebookController(Controller):
    kind = NOTEBOOK

    def __init__(self, platform: Platform) -> None:
        super().__init__(platform)
        #: None: this platform runs without a hub, and has no notebooks
        self.hub: HubLink | None = None
        settings = platform.settings
        self.upgrades = UpgradeBook(settings.home / "notebook-upgrade.json", settings.notebook_upgrade.upgrade)

    # before it is accepted

    def offer(self, schema: Json) -> Json:
        if self.platform.settings.containers:
            return schema
        properties: Json = schema["properties"]
        return {**schema, "properties": {**properties, "image": {**properties["image"], "default": LOCAL}}}

    def complete(self, spec: Json) -> Json:
        if spec.get("image") is not None:
            return spec
        size = spec.get("instance_type", NotebookSpec.model_fields["instance_type"].default)
        return {**spec, "image": base_image(self.platform, "NOTEBOOK", size)}

    def admit(self, draft: Draft) -> Json:
        spec = draft.spec
        assert isinstance(spec, NotebookSpec)
        if self.hub is None:
            raise Invalid("this platform runs without JupyterHub, which starts notebooks; start one: `make run`")
        if draft.owner != draft.user.name and draft.before is None:
            message = f"a notebook belongs to a person; make it as yourself ({draft.user.name})"
            raise Invalid(message, fields=[{"path": "owner", "message": message}])
        image = check_image(self.platform, draft.references["image"], "NOTEBOOK")
        if spec.mounts and not self.platform.settings.containers:
            message = "shared storage is mounted into containers; here a notebook is a process: leave the mounts out"
            raise Invalid(message, fields=[{"path": "spec.mounts", "message": message}])
        asked = self.platform.settings.instance_type(spec.instance_type)
        check_core_type(self.platform, image, spec.instance_type)
        there = self.platform.executor.capacity().total
        for name in ("cores", "memory_bytes", "gpus"):
            if not self.platform.settings.containers and getattr(asked, name) > getattr(there, name):
                message = f"instance type {spec.instance_type} has more {name} than there are; take a smaller one"
                raise Invalid(message, fields=[{"path": "spec.instance_type", "message": message}])
        stored = spec.model_dump(mode="json")
        if draft.before is not None:
            self._check_change(draft.before, {**stored, "image": image.id})
        return stored

    def _check_change(self, before: Record, stored: Json) -> None:
        changed = [name for name in _SIZE if stored[name] != before.spec.get(name)]
        if not changed:
            return
        if before.phase not in _DOWN:
            raise WrongPhase(f"{before.label} is {before.phase}; stop it before you change its {changed[0]}")
        if "instance_type" in changed:
            sizes = self.platform.settings.instance_types
            was, becomes = sizes.get(before.spec["instance_type"]), sizes[stored["instance_type"]]
            if was is not None and bool(was.gpus) != bool(becomes.gpus):
                kinds = ("CPU", "GPU") if becomes.gpus else ("GPU", "CPU")
                message = (
                    f"{before.label} is a {kinds[0]} notebook; {stored['instance_type']} is a {kinds[1]} size: "
                    "choose one of the same core type, or make another notebook"
                )
                raise Invalid(message, fields=[{"path": "spec.instance_type", "message": message}])

    def prepare(self, action: str, record: Record, body: BaseModel | None) -> Json:
        notes: Json = {"asked": 0, "is_down": False, "since": None, "idle": None}
        if action == "reboot":
            upgrade = self.upgrades.concerning(record)
            notes[RESTARTED_FOR] = None if upgrade is None else upgrade.id
        return notes

    # opening it

    def visit(self, record: Record, *, again: bool) -> Look:
        wakes = _DOWN if again else frozenset({"STOPPED"})
        if record.phase in wakes:
            now = self.platform.store.clock()

            def start(fresh: Record) -> Record:
                if fresh.phase not in wakes:
                    return fresh
                return _wanted(self.kind.machine.step(fresh, "start", now), Target.RUNNING, asked=0)

            record = self.platform.store.update(record.id, start)
        match record.phase:
            case "ACTIVE_HEALTHY" | "ACTIVE_UNHEALTHY":
                return Look(AppState.AWAKE, address=record.outputs["url"])
            case "CREATE_FAILED" | "START_FAILED" | "REBOOT_FAILED" | "STOP_FAILED" | "DELETE_FAILED":
                return Look(AppState.FAILED, record.message)
            case "STOP_IN_PROGRESS" | "DELETE_IN_PROGRESS":
                return Look(AppState.WAKING, "It is being stopped; open it again when it has")
            case _:
                return Look(AppState.WAKING, record.message or "Its server starts")

    def launch(self, user: str, server: str) -> Json:
        """What the hub's spawner starts a server with; one made at the hub itself becomes a notebook by it.

        Raises: NotFound, WrongPhase.
        """
        record = self.find(user, server) or self._adopt(user, server)
        if record.deleted_at is not None or record.phase in ("STOP_IN_PROGRESS", "DELETE_IN_PROGRESS"):
            raise WrongPhase(f"{record.label} is being stopped or deleted; start it afterwards", phase=record.phase)
        spec = NotebookSpec.model_validate(record.spec)
        assert spec.image is not None
        size = self.platform.settings.instance_type(spec.instance_type)
        return {
            "notebook_id": record.id,
            "image": launch_image(self.platform, self.platform.store.get(spec.image, trashed=True)),
            "instance_type": {"name": spec.instance_type, **asdict(size.resources)},
            "data_bytes": None if spec.data_gib is None else int(spec.data_gib * (1 << 30)),
            "boot_bytes": None if spec.boot_gib is None else int(spec.boot_gib * (1 << 30)),
            "mounts": [mount.model_dump() for mount in spec.mounts],
            "environment": spec.environment,
        }

    def _adopt(self, user: str, server: str) -> Record:
        try:
            return self.commands.create(User(user), self.kind, NewResource(name=server, spec={}))
        except (Invalid, NameTaken) as error:
            raise NotFound(
                f"{user} has no notebook whose server is {server!r}, and it cannot become one: {error.message}"
            ) from error

    def find(self, user: str, server: str) -> Record | None:
        """The notebook of a server; one in the trash where no other has its name."""
        # mostly they are called alike; another one's server has no such name
        named = self.platform.store.list(Query(kind=self.kind.name, owner=user, name=server)).items
        if named and named[0].outputs.get("server", server) == server:
            return named[0]
        # it was renamed, had its name from one before, or is in the trash
        found = [record for record in self._all(user) if record.outputs.get("server", record.name) == server]
        return next((record for record in found if record.deleted_at is None), found[0] if found else None)

    def _all(self, owner: str) -> list[Record]:
        """Somebody's notebooks, and those in the trash."""
        store = self.platform.store
        return [
            record
            for trashed in (False, True)
            for record in store.every(Query(kind=self.kind.name, owner=owner, trashed=trashed))
        ]

    # moving it

    def reconcile(self, record: Record) -> Outcome:
        if self.hub is None:
            return Outcome()
        outcome = self._turn(record, self.hub)
        notice = self.upgrades.notice(record) if outcome.event != "gone" else None
        if notice == record.outputs.get("notice"):
            return outcome
        return replace(outcome, outputs={**outcome.outputs, "notice": notice})

    def _turn(self, record: Record, hub: HubLink) -> Outcome:
        match record.phase:
            case "CREATE_REQUESTED":
                return self._accept(record)
            case "CREATE_IN_PROGRESS" | "START_IN_PROGRESS":
                return self._start(record, hub)
            case "REBOOT_IN_PROGRESS":
                return self._reboot(record, hub)
            case "STOP_IN_PROGRESS" | "DELETE_IN_PROGRESS":
                return self._stop(record, hub)
            case "ACTIVE_HEALTHY" | "ACTIVE_UNHEALTHY":
                return self._watch(record, hub)
            case _:
                return self._rest(record, hub)

    def _accept(self, record: Record) -> Outcome:
        """Its server's name is its own for good, whatever it is called later and whatever had the name before."""
        taken = {other.outputs.get("server") for other in self._all(record.owner) if other.id != record.id}
        name = record.name if record.name not in taken else f"{record.name}-{record.id[-6:]}"
        return Outcome(event="accepted", outputs={"server": name}, internal={"asked": 0})

    def _start(self, record: Record, hub: HubLink) -> Outcome:
        name, asked = record.outputs["server"], int(record.internal.get("asked") or 0)
        server = hub.client.server(record.owner, name)
        if server is not None and server.pending is None and server.ready:
            if not hub.client.is_answering(server):
                return Outcome(message="Its server is up; it does not answer yet", again_in_seconds=FOLLOW_SECONDS)
            now = self.platform.store.clock().isoformat()
            outputs = {"url": f"{server.url}lab", "started_at": now, "last_activity": server.last_activity}
            return Outcome(event="healthy", outputs=outputs, internal={"asked": 0, "is_down": False})
        if server is not None:
            return Outcome(message=_doing(server), again_in_seconds=FOLLOW_SECONDS)
        if asked:
            failure = hub.client.failure(record.owner, name)
            if failure is not None or asked >= MOST_STARTS:
                message = failure or "The hub began to start it and forgot; start it again"
                return Outcome(event="failed", reason="not_started", message=message, internal={"asked": 0})
        hub.client.start(record.owner, name)
        return Outcome(
            message="The hub starts its server", internal={"asked": asked + 1}, again_in_seconds=FOLLOW_SECONDS
        )

    def _reboot(self, record: Record, hub: HubLink) -> Outcome:
        if record.internal.get("is_down"):
            return self._start(record, hub)
        if hub.client.server(record.owner, record.outputs["server"]) is None:
            return Outcome(internal={"is_down": True, "asked": 0, "since": None}, again_in_seconds=0)
        return self._end(record, hub, "Its server is being stopped")

    def _stop(self, record: Record, hub: HubLink) -> Outcome:
        name = record.outputs.get("server")
        if name is None or hub.client.server(record.owner, name) is None:
            idle: str | None = record.internal.get("idle")
            reason = None if idle is None else "idle"
            return Outcome(event="stopped", reason=reason, message=idle, internal={"since": None, "asked": 0})
        return self._end(record, hub, "Its server is being stopped")

    def _end(self, record: Record, hub: HubLink, message: str) -> Outcome:
        """Ask the hub to stop its server, and for how long that may take."""
        now = self.platform.store.clock()
        since = datetime.fromisoformat(record.internal["since"]) if record.internal.get("since") else now
        if now - since > STOP_TIMEOUT:
            message = f"Its server did not stop within {STOP_TIMEOUT.total_seconds() / 60:.0f} minutes; try again"
            return Outcome(event="failed", reason="not_stopped", message=message, internal={"since": None})
        hub.client.stop(record.owner, record.outputs["server"])
        return Outcome(message=message, internal={"since": since.isoformat()}, again_in_seconds=FOLLOW_SECONDS)

    def _watch(self, record: Record, hub: HubLink) -> Outcome:
        name = record.outputs["server"]
        server = hub.watch.server(record.owner, name)
        # looked at again, since what was seen may be older than the record's phase
        if server is None and hub.client.server(record.owner, name) is None:
            message = "Its server ended: the hub stopped it, somebody stopped it at the hub, or it crashed"
            return Outcome(event="gone", reason="gone", message=message, target=Target.STOPPED)
        is_healthy = hub.watch.is_healthy(record.owner, name)
        if is_healthy != (record.phase == "ACTIVE_HEALTHY"):
            if is_healthy:
                return Outcome(event="healthy")
            return Outcome(event="unreachable", reason="unreachable", message="Its server does not answer; reboot it")
        return Outcome(outputs={} if server is None else {"last_activity": server.last_activity})

    def _rest(self, record: Record, hub: HubLink) -> Outcome:
        name = record.outputs.get("server")
        if name is None or record.phase not in _DOWN or record.deleted_at is not None:
            return Outcome()
        if hub.watch.server(record.owner, name) is None or hub.client.server(record.owner, name) is None:
            return Outcome()
        return Outcome(event="appeared", target=Target.RUNNING, internal={"asked": 1})

    def purge(self, record: Record) -> None:
        """The hub's spawner removes the data volume with the server."""
        if self.hub is not None and record.outputs.get("server"):
            self.hub.client.stop(record.owner, record.outputs["server"], remove=True)


def _wanted(record: Record, target: Target, **notes: object) -> Record:
    return replace(record, target=target, attempts=0, internal={**record.internal, **notes})


def _doing(server: Server) -> str:
    match server.pending:
        case "spawn":
            return "Its server starts"
        case "stop":
            return "Its server is just ending; it is started again then"
        case _:
            return "The hub looks whether it is still there"
