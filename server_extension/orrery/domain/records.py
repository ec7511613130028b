"""The one record that every resource is: what was asked (spec), what is wanted (target), what is seen (status)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from orrery.domain.access import Visibility

Json = dict[str, Any]
#: among a resource's notes: how long it ran until it was last begun anew
EARLIER_SECONDS: Final = "earlier_seconds"


class Target(StrEnum):
    """What the user wants; reconcilers move the phase towards it."""

    RUNNING = "running"
    STOPPED = "stopped"
    DELETED = "deleted"


@dataclass(frozen=True)
class Record:
    """A resource at one moment. Changes make a new record; `etag` counts them."""

    id: str
    kind: str
    owner: str
    name: str
    #: 1, 2, ... for versioned kinds, else 0
    version: int
    spec: Json
    phase: str
    created_at: datetime
    updated_at: datetime
    target: Target = Target.RUNNING
    visibility: Visibility = Visibility.PRIVATE
    group: str | None = None
    description: str = ""
    tags: tuple[str, ...] = ()
    #: one word for programs: why the phase is what it is
    reason: str = ""
    #: a sentence for people, with the remedy
    message: str = ""
    progress: Json | None = None
    #: what the platform found or made: kind-specific, shown to users
    outputs: Json = field(default_factory=dict[str, Any])
    #: the controller's own notes, never shown
    internal: Json = field(default_factory=dict[str, Any])
    started_at: datetime | None = None
    ended_at: datetime | None = None
    #: moved to the trash then
    deleted_at: datetime | None = None
    etag: int = 1
    #: consecutive failures of the reconciler on this record
    attempts: int = 0

    @property
    def qualified_name(self) -> str:
        """`owner/name`, or `owner/name@version` for versioned kinds."""
        return f"{self.owner}/{self.name}@{self.version}" if self.version else f"{self.owner}/{self.name}"

    @property
    def earlier_seconds(self) -> float:
        """How long it ran before its present start, all times together."""
        return float(self.internal.get(EARLIER_SECONDS, 0.0))

    @property
    def label(self) -> str:
        """How messages name it: `training alice/breast-1`."""
        return f"{self.kind} {self.qualified_name}"


@dataclass(frozen=True)
class Reference:
    """An edge of the graph: `path` in the source's spec names the target."""

    path: str
    kind: str
    target_id: str


def utc_now() -> datetime:
    return datetime.now(UTC)


def object_ids(*documents: Any) -> frozenset[str]:
    """Every `oid` anywhere in the JSON documents: the objects that a resource keeps alive."""
    found: set[str] = set()
    pending: list[Any] = list(documents)
    while pending:
        item = pending.pop()
        if isinstance(item, Mapping):
            for key, value in item.items():  # pyright: ignore[reportUnknownVariableType]
                if key == "oid" and isinstance(value, str):
                    found.add(value)
                else:
                    pending.append(value)
        elif isinstance(item, list | tuple):
            pending.extend(item)  # pyright: ignore[reportUnknownArgumentType]
    return frozenset(found)
