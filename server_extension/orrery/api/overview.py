"""The overview: counts, what runs and waits, who holds the machine, calls of endpoints, activity, the last hour.

Everybody sees the machine's figures; of resources only those that the caller may read are counted and named.
"""

# pyright: reportInvalidTypeForm=false, reportUnknownParameterType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false

from collections import OrderedDict
from datetime import timedelta
from itertools import zip_longest
from threading import Lock
from time import monotonic
from typing import Annotated, Any, Final, Literal, TypeVar

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from orrery.api.queue import capacity_view, later_views, pause_view, queue_views
from orrery.api.views import Orjson, iso, views
from orrery.controllers.commands import Commands
from orrery.controllers.monitoring import SAMPLE_SECONDS, Monitor
from orrery.controllers.routing import Router
from orrery.controllers.settings import InstanceType
from orrery.domain.access import Act, User, is_allowed
from orrery.domain.dashboards import DASHBOARD
from orrery.domain.endpoints import ENDPOINT
from orrery.domain.kinds import Kind
from orrery.domain.records import Json, Record
from orrery.errors import Invalid, NotFound
from orrery.executors.meter import Reading
from orrery.store.events import EventLog
from orrery.store.summaries import Buckets, InstanceUse, Summaries

#: range -> (its length, the width of its parts)
RANGES: Final = {
    "24h": (timedelta(hours=24), timedelta(hours=1)),
    "7d": (timedelta(days=7), timedelta(hours=6)),
    "30d": (timedelta(days=30), timedelta(days=1)),
}
SHOWN: Final = 20
TOP_ENDPOINTS: Final = 10
#: of the most called endpoints, how many are looked up to find those that the caller may see
CANDIDATES: Final = 200
#: answers kept, of each sort
REMEMBERED: Final = 256
ACTIVITY_SECONDS: Final = 5.0
#: kinds whose resources are served by replicas, and hold as many parts as there are of these
SERVED: Final = frozenset({ENDPOINT.name, DASHBOARD.name})
K = TypeVar("K")
V = TypeVar("V")


class Overview:
    """Answers for one platform. Counts are kept until a resource changes; viewers with the same rights share them."""

    def __init__(self, commands: Commands, router: Router, monitor: Monitor) -> None:
        self.commands = commands
        self.router = router
        self.monitor = monitor
        self.summaries = Summaries(commands.store.database)
        self._log = EventLog(commands.store.database)
        self._lock = Lock()
        self._known: OrderedDict[User, tuple[int, dict[tuple[str, str], int]]] = OrderedDict()
        self._activities: OrderedDict[tuple[User, str, str, int], tuple[float, Json]] = OrderedDict()

    def counts(self, user: User) -> dict[str, dict[str, int]]:
        """kind -> state -> how many."""
        kinds = self.commands.store.kinds
        counts: dict[str, dict[str, int]] = {kind.name: {} for kind in kinds}
        for (kind_name, phase), count in self._count(user).items():
            state = kinds.named(kind_name).machine.phases[phase].state
            counts[kind_name][state] = counts[kind_name].get(state, 0) + count
        return counts

    def _count(self, user: User) -> dict[tuple[str, str], int]:
        viewer = _viewer(user)
        latest = self._log.latest()
        with self._lock:
            known = self._known.get(viewer)
        if known is not None and known[0] == latest:
            return known[1]
        counts = self.summaries.counts(viewer)
        self._keep(self._known, viewer, (latest, counts))
        return counts

    def document(self, user: User) -> Json:
        store = self.commands.store
        executor = self.commands.platform.executor
        capacity = executor.capacity()
        runs = [kind for kind in store.kinds if is_run(kind)]
        running = [record for kind in runs for record in self._in_states(user, kind, {"Running"})]
        running.sort(key=lambda record: record.started_at or record.created_at, reverse=True)
        services = [
            record for kind in store.kinds for record in self.summaries.in_phases(user, kind.name, kind.holding, SHOWN)
        ]
        reading = self.monitor.latest
        return {
            "counts": self.counts(user),
            "running": views(store, store.kinds, running[:SHOWN]),
            "queue": {
                "waiting": capacity.waiting,
                "items": queue_views(self.commands, user, SHOWN),
                "later": later_views(self.commands, user, SHOWN),
                "pause": pause_view(executor.rules(), len(executor.holders())),
            },
            "capacity": capacity_view(capacity),
            "holders": self._holders([*running, *services]),
            "endpoints": self._endpoints(user),
            "machine": machine_view(reading, capacity.total.cores),
            "disk": {
                "total_bytes": reading.disk_total_bytes,
                "free_bytes": reading.disk_total_bytes - reading.disk_bytes,
            },
            "waiting": capacity.waiting,
        }

    def _in_states(self, user: User, kind: Kind, states: set[str]) -> list[Record]:
        phases = {phase.name for phase in kind.machine.phases.values() if phase.state in states}
        return self.summaries.in_phases(user, kind.name, phases, SHOWN)

    def _holders(self, records: list[Record]) -> list[Json]:
        """What each holds of the machine, the largest first, as far as the caller may see them."""
        sizes = self.commands.platform.settings.instance_types
        held: list[Json] = []
        for record in records:
            size = sizes.get(record.spec.get("instance_type", ""))
            copies = self._copies(record)
            if size is None or copies == 0:
                continue
            held.append(
                {
                    "id": record.id,
                    "kind": record.kind,
                    "owner": record.owner,
                    "name": record.name,
                    "version": record.version or None,
                    "instance_type": record.spec["instance_type"],
                    "copies": copies,
                    "cores": round(size.cores * copies, 6),
                    "memory_bytes": size.memory_bytes * copies,
                    "gpus": size.gpus * copies,
                }
            )
        return sorted(held, key=lambda item: (-item["gpus"], -item["cores"]))

    def _copies(self, record: Record) -> int:
        """How often it holds its size: of what is served each replica that is there, ready or not, old or new."""
        if record.kind not in SERVED:
            return 1
        copies = 0
        for service_id in record.internal.get("services") or ():
            try:
                copies += self.commands.platform.executor.service(service_id).holding
            except NotFound:
                continue  # it is about to be begun, or ends at this moment
        return copies

    def _endpoints(self, user: User) -> list[Json]:
        """The most called endpoints that the caller may see."""
        counted: dict[str, Json] = (self.router.ask("/stats") or {}).get("endpoints", {})
        order = sorted(counted, key=lambda endpoint_id: -counted[endpoint_id]["requests"])[:CANDIDATES]
        records = self.commands.store.find_many(order)
        shown: list[Json] = []
        for endpoint_id in order:
            record = records.get(endpoint_id)
            if record is None or record.deleted_at is not None or not is_allowed(user, Act.READ, record):
                continue
            figures = counted[endpoint_id]
            shown.append(
                {
                    "id": record.id,
                    "kind": record.kind,
                    "owner": record.owner,
                    "name": record.name,
                    **{
                        key: figures[key]
                        for key in ("requests", "success", "client_errors", "server_errors", "latency_seconds")
                    },
                }
            )
        return shown[:TOP_ENDPOINTS]

    def activity(self, user: User, kind: Kind, length: str, offset_minutes: int) -> Json:
        """Counted anew at most every `ACTIVITY_SECONDS` for one question."""
        question = (_viewer(user), kind.name, length, offset_minutes)
        with self._lock:
            known = self._activities.get(question)
        if known is None or known[0] < monotonic():
            known = (monotonic() + ACTIVITY_SECONDS, self._count_activity(user, kind, length, offset_minutes))
            self._keep(self._activities, question, known)
        return known[1]

    def _keep(self, kept: OrderedDict[K, V], key: K, value: V) -> None:
        with self._lock:
            kept[key] = value
            kept.move_to_end(key)
            while len(kept) > REMEMBERED:
                kept.popitem(last=False)

    def _count_activity(self, user: User, kind: Kind, length: str, offset_minutes: int) -> Json:
        now = self.commands.store.clock()
        span, width = RANGES[length]
        buckets = Buckets(now - span + width, now, width, timedelta(minutes=offset_minutes))
        ended = {"completed": [0], "failed": [0], "cancelled": [0]}
        for phase in kind.machine.phases.values():
            if phase.settled and phase.state.lower() in ended:
                counts = self.summaries.ended(user, kind.name, phase.name, buckets)
                before = ended[phase.state.lower()]
                ended[phase.state.lower()] = [sum(pair) for pair in zip_longest(before, counts, fillvalue=0)]
        starts = buckets.edges()[:-1]
        return {
            "kind": kind.name,
            "range": length,
            "bucket_seconds": width.total_seconds(),
            "starts": [iso(start) for start in starts],
            "created": self.summaries.created(user, kind.name, buckets),
            **ended,
            "instance_types": self._instance_types(self.summaries.instance_use(user, kind.name, starts[0]), now),
        }

    def _instance_types(self, used: list[InstanceUse], now: Any) -> list[Json]:
        """The sizes by how much processor time was reserved with them, the most first."""
        hours: dict[str, float] = {}
        counts: dict[str, int] = {}
        for use in used:
            counts[use.instance_type] = counts.get(use.instance_type, 0) + 1
            if use.started_at is not None:
                spent = ((use.ended_at or now) - use.started_at).total_seconds() / 3600
                hours[use.instance_type] = hours.get(use.instance_type, 0.0) + spent
        sizes = self.commands.platform.settings.instance_types
        gone = InstanceType(title="no longer offered", cores=1, memory_bytes=1)
        found = [
            {
                "name": name,
                **sizes.get(name, gone).model_dump(include={"title", "cores", "gpus"}),
                "count": count,
                "core_hours": round(hours.get(name, 0.0) * sizes.get(name, gone).cores, 6),
                "gpu_hours": round(hours.get(name, 0.0) * sizes.get(name, gone).gpus, 3),
            }
            for name, count in counts.items()
        ]
        return sorted(found, key=lambda item: (-item["core_hours"], -item["count"], item["name"]))


def _viewer(user: User) -> User:
    """Who stands for all that see the same."""
    return User("", admin=True) if user.admin else user


def is_run(kind: Kind) -> bool:
    """Whether its resources run and come to an end, as a training does."""
    phases = kind.machine.phases.values()
    return any(p.state == "Running" for p in phases) and any(p.state == "Completed" and p.settled for p in phases)


def machine_view(reading: Reading, cores: float) -> Json:
    return {
        "at": reading.at,
        "cores": cores,
        "cpu": reading.cpu,
        "memory_bytes": reading.memory_bytes,
        "memory_total_bytes": reading.memory_total_bytes,
        "disk_bytes": reading.disk_bytes,
        "disk_total_bytes": reading.disk_total_bytes,
        "gpus": [
            {
                "name": gpu.name,
                "used": gpu.used,
                "memory_bytes": gpu.memory_bytes,
                "memory_total_bytes": gpu.memory_total_bytes,
            }
            for gpu in reading.gpus
        ],
    }


def history_view(monitor: Monitor, cores: float, after: float) -> Json:
    """The samples by column. A machine whose number of GPUs changed shows those that were there at each time."""
    rows = monitor.machine.after(after)
    machine = machine_view(monitor.latest, cores)
    for place, gpu in enumerate(machine["gpus"]):
        read = [row[4][place] if place < len(row[4]) else [None, None] for row in rows]
        gpu["history"] = {"used": [pair[0] for pair in read], "memory_bytes": [pair[1] for pair in read]}
    return {
        "period_seconds": SAMPLE_SECONDS,
        "machine": machine,
        "at": [row[0] for row in rows],
        "cpu": [row[1] for row in rows],
        "memory_bytes": [row[2] for row in rows],
        "disk_bytes": [row[3] for row in rows],
    }


def make_router(overview: Overview, current_user: Any) -> APIRouter:
    router = APIRouter(prefix="/api/v1", tags=["Platform"])
    caller = Annotated[User, Depends(current_user)]
    commands = overview.commands

    @router.get("/overview", summary="Counts, what runs and waits, who holds the machine, calls of endpoints")
    def read(user: caller) -> Response:  # pyright: ignore[reportUnusedFunction]
        return Orjson(overview.document(user))

    @router.get("/overview/activity", summary="What was created and what ended over time; the sizes used most")
    def activity(  # pyright: ignore[reportUnusedFunction]
        user: caller,
        range: Annotated[Literal["24h", "7d", "30d"], Query(description="How far back.")] = "7d",
        kind: Annotated[str, Query(description="A kind whose resources run and end.")] = "training",
        offset_minutes: Annotated[
            int, Query(ge=-1440, le=1440, description="The viewer's distance from UTC, so that days begin at midnight.")
        ] = 0,
    ) -> Response:
        runs = [known for known in commands.store.kinds if is_run(known)]
        chosen = next((known for known in runs if known.name == kind), None)
        if chosen is None:
            raise Invalid(f"kind {kind!r} does not run and end; use one of {', '.join(known.name for known in runs)}")
        return Orjson(overview.activity(user, chosen, range, offset_minutes))

    @router.get("/system/history", summary="Processor, memory, disk and GPUs over the last hour")
    def history(  # pyright: ignore[reportUnusedFunction]
        _: caller,
        after: Annotated[float, Query(description="Only samples later than this, in seconds since 1970.")] = 0.0,
    ) -> Response:
        cores = commands.platform.executor.capacity().total.cores
        return Orjson(history_view(overview.monitor, cores, after))

    return router
