"""The queue and what is handed out: everybody sees that something waits, its name only who may read it.

Limits, the pause and the drain are an administrator's.
"""

# pyright: reportInvalidTypeForm=false, reportUnknownParameterType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import heapq
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from orrery.api.views import Orjson, iso
from orrery.controllers.commands import Commands
from orrery.controllers.jobs import resource_id_of
from orrery.controllers.meanwhile import Meanwhile
from orrery.controllers.settings import LimitSettings, Named
from orrery.controllers.trainings import STARTS_LATER
from orrery.domain.access import Act, User, is_allowed
from orrery.domain.records import Json, Record
from orrery.domain.trainings import TRAINING
from orrery.errors import Forbidden
from orrery.executors.contract import Capacity, Resources
from orrery.executors.policy import Pause, Rules, changed, limits_to_json, said
from orrery.store.rows import Query

#: each is worked out: of so many at the head of the line
MOST_OFFERS: Final = 10
#: starts that are foretold within so many seconds of each other are at the same time
SAME_SECONDS: Final = 10.0
#: of those that begin later, so many are listed
MOST_LATER: Final = 200


class PauseBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    reason: str = Field("", max_length=500, description="Shown to everybody who waits.")


class LimitsBody(BaseModel):
    """What is left out stays as it is; null takes away what an administrator said before."""

    model_config = ConfigDict(extra="forbid")
    everyone: LimitSettings | None = Field(None, description="Each user, as far as nothing is said by name.")
    users: Annotated[dict[str, LimitSettings | None], Named] = Field(default_factory=dict)
    groups: Annotated[dict[str, LimitSettings | None], Named] = Field(
        default_factory=dict, description="All members of a group together, with what is the group's own."
    )


def sizes(resources: Resources) -> Json:
    return {"cores": resources.cores, "memory_bytes": resources.memory_bytes, "gpus": resources.gpus}


def capacity_view(capacity: Capacity) -> Json:
    return {"total": sizes(capacity.total), "held": sizes(capacity.held)}


def pause_view(rules: Rules, running: int) -> Json | None:
    """None while jobs start. `running`: the jobs that still do."""
    pause = rules.pause
    if pause is None:
        return None
    return {
        "by": pause.by,
        "since": iso(datetime.fromtimestamp(pause.since, UTC)),
        "reason": pause.reason,
        "draining": pause.is_draining,
        "running": running,
    }


def queue_views(commands: Commands, user: User, limit: int | None = None) -> list[Json]:
    """What waits, the next one first."""
    entries = commands.platform.executor.queue(limit)
    starts = commands.platform.estimates.starts() if entries else {}
    records = commands.store.find_many(resource_id_of(entry.job_id) for entry in entries)
    passed = [
        None if first is None else entries[first].place
        for first in passes([starts.get(entry.job_id) for entry in entries])
    ]
    meanwhile = Meanwhile(commands.platform)
    offers_left = MOST_OFFERS
    items: list[Json] = []
    for entry, number in zip(entries, passed, strict=True):
        past = f"; may start before number {number}, for what it needs is free sooner" if number is not None else ""
        record = records.get(resource_id_of(entry.job_id))
        shown = record if record is not None and is_allowed(user, Act.READ, record) else None
        offer = None
        if shown and shown.kind == TRAINING.name and entry.resources.gpus and is_allowed(user, Act.WRITE, shown):
            offer = meanwhile.offer(shown) if offers_left > 0 else None
            offers_left -= 1
        items.append(
            {
                "resource": shown.id if shown else None,
                "kind": shown.kind if shown else None,
                "owner": entry.owner,
                "title": entry.title if shown else "",
                "place": entry.place,
                "priority": entry.priority.name,
                "reason": f"{entry.reason}{past}" if shown else "",
                "starts_in_seconds": starts.get(entry.job_id),
                #: the first place before it that starts later, or nobody knows when; null: nobody is passed
                "passes": number,
                #: the instance type that a copy would start on now (the action start-on-cpu)
                "meanwhile": offer,
                "priority_can_change": _may_reorder(user, shown),
                **sizes(entry.resources),
                "submitted_at": iso(entry.submitted_at),
            }
        )
    return items


def passes(starts: Sequence[float | None]) -> list[int | None]:
    """Of each in line the first before it, from 0, that it starts before. `starts`: seconds, None: not known.

    Places are the order of now. Who starts first in the end is decided by what becomes free, for whom there is room
    beside those who wait longer, and by what everybody has had by then.
    """
    found: list[int | None] = []
    for place, own in enumerate(starts):
        found.append(
            next(
                (
                    number
                    for number, other in enumerate(starts[:place])
                    if own is not None and (other is None or other > own + SAME_SECONDS)
                ),
                None,
            )
        )
    return found


def _may_reorder(user: User, record: Record | None) -> bool:
    return record is not None and record.kind == TRAINING.name and is_allowed(user, Act.WRITE, record)


def later_views(commands: Commands, user: User, limit: int) -> list[Json]:
    """Trainings that were asked to begin later, the earliest first: no place is theirs before that moment."""
    settings, pause = commands.platform.settings, commands.platform.executor.rules().pause
    phases = frozenset({"CREATE_IN_PROGRESS"})
    asked = commands.store.every(Query(kind=TRAINING.name, phases=phases, reason=STARTS_LATER))
    soonest = heapq.nsmallest(limit, ((datetime.fromisoformat(r.spec["start_after"]), r.id, r) for r in asked))
    items: list[Json] = []
    for moment, _, record in soonest:
        is_shown = is_allowed(user, Act.READ, record)
        size = settings.instance_types.get(record.spec["instance_type"])
        held = size.resources.times(record.spec["nodes"]) if size is not None else Resources(0, 0, 0)
        held_up = f"; {pause} now" if pause is not None else ""
        items.append(
            {
                "resource": record.id if is_shown else None,
                "kind": record.kind if is_shown else None,
                "owner": record.owner,
                "title": record.name if is_shown else "",
                "priority": record.spec["priority"],
                "reason": f"was asked to start no earlier than {moment:%Y-%m-%d %H:%M %Z}{held_up}" if is_shown else "",
                "starts_at": iso(moment),
                "priority_can_change": _may_reorder(user, record),
                **sizes(held),
                "submitted_at": iso(record.created_at),
            }
        )
    return items


def queue_document(commands: Commands, user: User, limit: int | None = None) -> Json:
    executor = commands.platform.executor
    rules = executor.rules()
    bounds = [{"whose": bound.whose, **said(bound.limit)} for bound in rules.bounds(user.name)]
    return {
        "items": queue_views(commands, user, limit),
        #: not in line yet
        "later": later_views(commands, user, limit or MOST_LATER),
        "capacity": capacity_view(executor.capacity()),
        "pause": pause_view(rules, len(executor.holders())),
        #: what one may hold oneself
        "limits": [bound for bound in bounds if len(bound) > 1],
    }


def make_router(commands: Commands, current_user: Any) -> APIRouter:
    router = APIRouter(prefix="/api/v1/queue", tags=["Queue"])
    caller = Annotated[User, Depends(current_user)]
    executor = commands.platform.executor

    def administrator(user: caller) -> User:
        if not user.admin:
            raise Forbidden(f"only administrators may do this to the queue, and {user.name} is none; ask one")
        return user

    admin = Annotated[User, Depends(administrator)]

    def stop_starting(user: User, body: PauseBody | None, *, draining: bool) -> Response:
        pause = Pause(user.name, time.time(), body.reason if body else "", draining)
        executor.change_rules(lambda rules: replace(rules, pause=pause))
        return Orjson(queue_document(commands, user))

    @router.get("", summary="What waits, in order, why, and when it may start; what is held")
    def queue(user: caller) -> Response:  # pyright: ignore[reportUnusedFunction]
        return Orjson(queue_document(commands, user))

    @router.post("/pause", summary="Start no more jobs; what runs goes on (administrators)")
    def pause(user: admin, body: PauseBody | None = None) -> Response:  # pyright: ignore[reportUnusedFunction]
        return stop_starting(user, body, draining=False)

    @router.post("/drain", summary="Empty the machine: start no more jobs, and tell when none runs (administrators)")
    def drain(user: admin, body: PauseBody | None = None) -> Response:  # pyright: ignore[reportUnusedFunction]
        return stop_starting(user, body, draining=True)

    @router.post("/resume", summary="Start jobs again (administrators)")
    def resume(user: admin) -> Response:  # pyright: ignore[reportUnusedFunction]
        executor.change_rules(lambda rules: replace(rules, pause=None))
        return Orjson(queue_document(commands, user))

    @router.get("/limits", summary="Who may hold how much at a time (administrators)")
    def read_limits(_: admin) -> Response:  # pyright: ignore[reportUnusedFunction]
        return Orjson(limits_to_json(executor.rules().limits))

    @router.patch("/limits", summary="Change who may hold how much (administrators)")
    def change_limits(_: admin, body: LimitsBody) -> Response:  # pyright: ignore[reportUnusedFunction]
        changes = body.model_dump(exclude_unset=True)
        rules = executor.change_rules(lambda rules: replace(rules, limits=changed(rules.limits, changes)))
        return Orjson(limits_to_json(rules.limits))

    return router
