"""The queue and what is handed out, as answers: everybody sees that something waits, its name only who may read it."""

from __future__ import annotations

from itertools import islice

from orrery.api.views import iso
from orrery.controllers.commands import Commands
from orrery.controllers.jobs import resource_id_of
from orrery.domain.access import Act, User, is_allowed
from orrery.domain.records import Json
from orrery.executors.contract import Capacity, Resources


def sizes(resources: Resources) -> Json:
    return {"cores": resources.cores, "memory_bytes": resources.memory_bytes, "gpus": resources.gpus}


def capacity_view(capacity: Capacity) -> Json:
    return {"total": sizes(capacity.total), "held": sizes(capacity.held)}


def queue_views(commands: Commands, user: User, limit: int | None = None) -> list[Json]:
    """What waits, the next one first."""
    entries = list(islice(commands.platform.executor.queue(), limit))
    records = commands.store.find_many(resource_id_of(entry.job_id) for entry in entries)
    items: list[Json] = []
    for entry in entries:
        record = records.get(resource_id_of(entry.job_id))
        shown = record if record is not None and is_allowed(user, Act.READ, record) else None
        items.append(
            {
                "resource": shown.id if shown else None,
                "kind": shown.kind if shown else None,
                "owner": entry.owner,
                "title": entry.title if shown else "",
                "place": entry.place,
                "priority": entry.priority.name,
                "reason": entry.reason if shown else "",
                **sizes(entry.resources),
                "submitted_at": iso(entry.submitted_at),
            }
        )
    return items
