"""What a kind's controller is, and what it gets to work with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel

from orrery.controllers.estimates import Estimates
from orrery.controllers.memory_fit import MemoryFit
from orrery.controllers.settings import Settings
from orrery.domain.access import User, Visibility
from orrery.domain.kinds import Kind, Spec
from orrery.domain.records import Json, Record, Reference, Target
from orrery.errors import WrongPhase
from orrery.executors.contract import Executor
from orrery.store.metrics import MetricStore
from orrery.store.objects import ObjectStore
from orrery.store.outbox import OutboxStore
from orrery.store.resources import ResourceStore
from orrery.store.uploads import Uploads
from orrery.store.vault import Vault


@dataclass(frozen=True)
class Platform:
    """What controllers and the API work with."""

    settings: Settings
    store: ResourceStore
    metrics: MetricStore
    outbox: OutboxStore
    objects: ObjectStore
    uploads: Uploads
    executor: Executor
    estimates: Estimates
    memory_fit: MemoryFit
    #: seals what must not lie readable in the database
    vault: Vault
    #: where jobs reach the platform
    url: Callable[[], str]


@dataclass(frozen=True)
class Outcome:
    """What a turn of a reconciler found: an event of the machine, and changes to what is shown.

    None leaves a field as it is. `outputs` and `internal` are merged key by key.
    """

    event: str | None = None
    reason: str | None = None
    message: str | None = None
    progress: Json | None = None
    outputs: Mapping[str, Any] = field(default_factory=dict[str, Any])
    internal: Mapping[str, Any] = field(default_factory=dict[str, Any])
    #: what is wanted now, where the world has decided it
    target: Target | None = None
    #: look again then, even if nothing happens
    again_in_seconds: float | None = None
    #: when what the event tells of came to be, where it was noticed later: a run's begin, its end
    began: datetime | None = None
    ended: datetime | None = None

    def on(self, record: Record) -> Record:
        """The record with the changes, before the event."""
        return replace(
            record,
            reason=record.reason if self.reason is None else self.reason,
            message=record.message if self.message is None else self.message,
            progress=record.progress if self.progress is None else self.progress,
            target=self.target or record.target,
            outputs={**record.outputs, **self.outputs},
            internal={**record.internal, **self.internal},
        )


@dataclass(frozen=True)
class Draft:
    """A resource about to be created or changed, its references resolved."""

    user: User
    owner: str
    name: str
    spec: Spec
    #: path in the spec -> the record meant
    references: Mapping[str, Record]
    #: the record as it was, for a change
    before: Record | None = None

    def edges(self) -> list[Reference]:
        return [Reference(path, record.kind, record.id) for path, record in self.references.items()]


@dataclass(frozen=True)
class NewResource:
    """A create request, its envelope checked."""

    name: str
    spec: Json
    owner: str | None = None
    description: str = ""
    visibility: Visibility = Visibility.PRIVATE
    group: str | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Changes:
    """A PATCH: None leaves a field as it is; `spec` is merged over the stored one, field by field."""

    name: str | None = None
    description: str | None = None
    visibility: Visibility | None = None
    group: str | None = None
    tags: tuple[str, ...] | None = None
    spec: Json = field(default_factory=dict[str, Any])


class Maker(Protocol):
    """Makes and changes resources as a user's own request would (`orrery.controllers.commands.Commands`)."""

    def create(
        self,
        user: User,
        kind: Kind,
        new: NewResource,
        *,
        idempotency_key: str | None = None,
        by_platform: bool = False,
    ) -> Record: ...

    def patch(
        self, user: User, record: Record, changes: Changes, *, etag: int | None = None, dry_run: bool = False
    ) -> Record: ...


class Controller:
    """Base of the kinds' controllers. Every method may be run again after a crash at any line."""

    kind: ClassVar[Kind]
    #: set when the platform is assembled: how a controller makes resources for users
    commands: Maker

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def offer(self, schema: Json) -> Json:
        """The spec's schema as forms get it here: a platform need not have all that a kind declares."""
        return schema

    def complete(self, spec: Json) -> Json:
        """A spec as it was asked for, with what was left out and the platform's configuration decides."""
        return spec

    def admit(self, draft: Draft) -> Json:
        """Check a new or changed spec against the world; return it as it is stored, references not yet replaced.

        Raises: Invalid naming the value and the remedy. Nothing is written yet.
        """
        return draft.spec.model_dump(mode="json")

    def conceal(self, draft: Draft) -> Json:
        """What is noted in `internal` of a new or changed resource: what must be kept but never shown."""
        return {}

    def event_of(self, stored: Json, before: Record | None) -> str | None:
        """The step of the machine that a new spec causes (`before` None), or a changed one. Runs in the transaction."""
        return None if before is None else self.kind.changed_event

    def act(self, action: str, record: Record, body: BaseModel | None, user: User) -> Record:
        """Do an action that is no step of the machine; return the resource to answer with."""
        raise WrongPhase(f"{record.label} has no action {action!r}")

    def prepare(self, action: str, record: Record, body: BaseModel | None) -> Json:
        """Before an action that is a step of the machine: what is noted in `internal` with it.

        Raises: Invalid where it is not possible, with the remedy.
        """
        return {}

    def reconcile(self, record: Record) -> Outcome:
        """One turn: look, do what the phase asks for, say what happened. Called under a lease, in a thread."""
        return Outcome()

    def watchers(self, record: Record) -> list[str]:
        """The ids of those that look again now, since it has begun to run or has settled."""
        return []

    def came_from(self, record: Record) -> Mapping[str, str]:
        """Ids of what it came from and does not need, by their paths in the spec: of lineage, no edges of the graph."""
        return {}

    def view(self, record: Record) -> Json:
        """Live additions to the outputs of one resource, too short-lived to be stored (its place in the queue)."""
        return {}

    def purge(self, record: Record) -> None:
        """Remove what the resource left outside the database. Called when the trash is emptied."""
