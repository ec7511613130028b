"""Resources as the API answers them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
from starlette.responses import Response

from orrery.domain.kinds import Kind, Registry
from orrery.domain.records import Json, Record, Reference
from orrery.store.resources import ResourceStore

#: outputs too large for lists and events
_DETAIL_OUTPUTS = ("content", "parameters_schema", "example", "inputs")


class Orjson(Response):
    """JSON; NaN becomes null (metrics that need it are written as strings before)."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content, default=str, option=orjson.OPT_NON_STR_KEYS)


def iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")


def view(
    record: Record,
    kind: Kind,
    references: list[tuple[Reference, Record]],
    *,
    now: datetime,
    detail: bool = True,
    live: Mapping[str, Any] | None = None,
) -> Json:
    """One resource; `detail` False leaves out what is too large for a list."""
    outputs = record.outputs if detail else {k: v for k, v in record.outputs.items() if k not in _DETAIL_OUTPUTS}
    spec = record.spec if detail else {k: v for k, v in record.spec.items() if k not in _DETAIL_OUTPUTS}
    earlier = record.earlier_seconds if kind.sums_runs else 0.0
    duration = earlier or None
    if record.started_at is not None:
        duration = earlier + ((record.ended_at or now) - record.started_at).total_seconds()
    phase = kind.machine.phases[record.phase]
    return {
        "id": record.id,
        "kind": record.kind,
        "name": record.name,
        "version": record.version or None,
        "owner": record.owner,
        "visibility": record.visibility.value,
        "group": record.group,
        "description": record.description,
        "tags": list(record.tags),
        "spec": spec,
        "target": record.target.value,
        "status": {
            "phase": record.phase,
            "state": phase.state,
            "settled": phase.settled,
            "reason": record.reason,
            "message": record.message,
            "progress": record.progress or None,
            "started_at": iso(record.started_at),
            "ended_at": iso(record.ended_at),
            "duration_seconds": None if duration is None else round(duration, 3),
            "earlier_seconds": round(earlier, 3),
            "outputs": {**outputs, **(live or {})},
        },
        "references": [
            {
                "path": reference.path,
                "kind": target.kind,
                "id": target.id,
                "owner": target.owner,
                "name": target.name,
                "version": target.version or None,
                "deleted": target.deleted_at is not None,
            }
            for reference, target in references
        ],
        "created_at": iso(record.created_at),
        "updated_at": iso(record.updated_at),
        "deleted_at": iso(record.deleted_at),
        "etag": str(record.etag),
    }


def views(store: ResourceStore, kinds: Registry, records: list[Record], *, detail: bool = False) -> list[Json]:
    """Many resources with one look-up of their references."""
    references = store.references_of(record.id for record in records)
    now = store.clock()
    return [view(record, kinds.named(record.kind), references[record.id], now=now, detail=detail) for record in records]
