"""What a notebook's server reports of its use, what is decided on it, and the history for whoever may see the notebook.

A report is answered with the decision. A server is stopped on a report that was made for it a moment before, by the
notebook's own `stop`.
"""

# pyright: reportInvalidTypeForm=false, reportUnknownParameterType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from orrery.api.views import Orjson, iso
from orrery.controllers.commands import Commands
from orrery.controllers.notebook_upgrades import UpgradeBook
from orrery.domain.access import Act, User, require
from orrery.domain.idle import KEEP_SECONDS, Decision, IdleKernel, IdleLimits, Warned, decide
from orrery.domain.kinds import Kind
from orrery.domain.records import Json, Record
from orrery.store.notebook_use import Figures, NotebookUse, NotebookUseStore, merge

RANGES: Final = {"1h": 3600, "24h": 24 * 3600, "7d": 7 * 24 * 3600}
#: more are drawn by no chart
MOST_POINTS: Final = 1500
Point = tuple[int, float | None, int, int | None, list[tuple[float | None, int]]]


class ReportedUse(BaseModel):
    """In use, or idle since when; times in seconds since 1970."""

    model_config = ConfigDict(extra="forbid")
    idle_since: float | None
    because: str = Field(max_length=500)
    since: float


class ReportedKernel(BaseModel):
    model_config = ConfigDict(extra="forbid")
    id: str = Field(max_length=64)
    title: str = Field(max_length=255)
    idle_since: float | None
    because: str = Field(default="", max_length=500)
    memory_bytes: int = Field(ge=0)
    holds_gpu: bool = False


class UseReport(BaseModel):
    """Of one moment, with the samples since the last report."""

    model_config = ConfigDict(extra="forbid")
    at: float
    use: ReportedUse
    kernels: list[ReportedKernel] = Field(default_factory=list[ReportedKernel], max_length=500)
    figures: Json = Field(default_factory=dict)
    points: list[Point] = Field(default_factory=list[Point], max_length=500)
    is_ready_to_stop: bool = Field(
        default=False, description="What can be saved is saved: stop the notebook, if that is still decided."
    )


class NotebookUses:
    """Reports and decisions over one platform."""

    def __init__(self, commands: Commands, store: NotebookUseStore, upgrades: UpgradeBook) -> None:
        self.commands = commands
        self.store = store
        self.upgrades = upgrades

    def limits(self, record: Record) -> IdleLimits:
        spec = record.spec
        settings = self.commands.platform.settings.idle
        return settings.limits(str(spec.get("instance_type", "")), spec.get("idle_minutes"))

    def report(self, user: User, record: Record, report: UseReport) -> Json:
        """Decide on it, by the reporting server's clock. Raises: Forbidden, WrongPhase."""
        require(user, Act.WRITE, record)
        known = self.store.find(record.id)
        kernels = tuple(
            IdleKernel(kernel.id, kernel.title, kernel.idle_since, kernel.memory_bytes, kernel.holds_gpu)
            for kernel in report.kernels
        )
        limits = self.limits(record)
        decision = decide(
            report.at,
            limits,
            report.use.idle_since,
            kernels,
            warned={subject: Warned(**warned) for subject, warned in known.warned.items()},
            kept_until=known.kept_until,
        )
        self.store.add(record.id, (Figures(at, c, m, d, tuple(gpus)) for at, c, m, d, gpus in report.points))
        self.store.save(
            NotebookUse(
                record.id,
                self.commands.store.clock(),
                warned={subject: asdict(warned) for subject, warned in decision.warned.items()},
                report=report.model_dump(exclude={"points", "is_ready_to_stop"}),
            )
        )
        restarts = not decision.stop and self._restarts(record, report, known.kept_until, limits)
        decision = replace(decision, stop=decision.stop or restarts)
        stopping = decision.stop and report.is_ready_to_stop
        if stopping and restarts:
            self.commands.act(user, record, "reboot", None)
        elif stopping:
            self._stop(user, record, report)
        return {**answer_view(decision, limits, known.kept_until, record), "is_stopping": stopping}

    def _restarts(self, record: Record, report: UseReport, kept_until: float | None, limits: IdleLimits) -> bool:
        """Whether an upgrade's notice has expired, and nothing runs in it any more."""
        upgrade = self.upgrades.concerning(record)
        now = self.commands.store.clock()
        return upgrade is not None and upgrade.restarts_now(
            now, report.use.idle_since, kept_until, limits.warning_seconds
        )

    def _stop(self, user: User, record: Record, report: UseReport) -> None:
        """By the notebook's own action, with the reason for whoever comes back."""
        since = datetime.fromtimestamp(report.use.idle_since or report.at, UTC)
        message = f"It was stopped because nobody used it since {since:%Y-%m-%d %H:%M} UTC; the last was: "
        self.commands.act(user, record, "stop", None)

        def note(fresh: Record) -> Record:
            # for the turn that finds it stopped
            return replace(fresh, internal={**fresh.internal, "idle": message + report.use.because})

        self.commands.store.update(record.id, note)

    def keep(self, user: User, record: Record) -> Json:
        """Nothing is done to it for an hour. Raises: Forbidden."""
        require(user, Act.WRITE, record)
        until = self.commands.store.clock().timestamp() + KEEP_SECONDS
        self.store.keep(record.id, until)
        return {**answer_view(Decision(), self.limits(record), until, record), "is_stopping": False}

    def document(self, record: Record, length: str) -> Json:
        use = self.store.find(record.id)
        now = int(self.commands.store.clock().timestamp())
        samples = self.store.history(record.id, now - RANGES[length])
        if len(samples) > MOST_POINTS:
            samples = merge(samples, RANGES[length] // MOST_POINTS + 1)
        gpus = max((len(sample.gpus) for sample in samples), default=0)

        def of_gpu(place: int, index: int) -> list[float | int | None]:
            return [sample.gpus[place][index] if place < len(sample.gpus) else None for sample in samples]

        return {
            "reported_at": iso(use.reported_at),
            "kept_until": use.kept_until,
            "limits": asdict(self.limits(record)),
            "report": use.report or None,
            "range": length,
            "at": [sample.at for sample in samples],
            "cores": [sample.cores for sample in samples],
            "memory_bytes": [sample.memory_bytes for sample in samples],
            "disk_bytes": [sample.disk_bytes for sample in samples],
            "gpus": [{"used": of_gpu(place, 0), "memory_bytes": of_gpu(place, 1)} for place in range(gpus)],
        }


def answer_view(decision: Decision, limits: IdleLimits, kept_until: float | None, record: Record) -> Json:
    size = record.spec.get("data_gib")
    return {
        "warnings": [asdict(warning) for warning in decision.warnings],
        "free": list(decision.free),
        "stop": decision.stop,
        "kept_until": kept_until,
        "limits": asdict(limits),
        "data_bytes": None if size is None else int(float(size) * (1 << 30)),
    }


def make_router(uses: NotebookUses, kind: Kind, current_user: Any) -> APIRouter:
    """`kind`: the one whose resources are notebook servers."""
    api = APIRouter(prefix=f"/api/v1/{kind.plural}/{{id}}/use", tags=["Notebooks"])
    caller = Annotated[User, Depends(current_user)]

    def find(id: str, user: caller) -> Record:
        return uses.commands.resolve(user, kind, id)

    found = Depends(find)

    @api.get("", summary="What it uses and has used; in use, or idle since when")
    def read(  # pyright: ignore[reportUnusedFunction]
        record: Annotated[Record, found],
        range: Annotated[Literal["1h", "24h", "7d"], Query(description="How far back.")] = "1h",
    ) -> Response:
        return Orjson(uses.document(record, range))

    @api.post("", summary="Report its use: the notebook's own server does, and does what it is answered")
    def report(user: caller, record: Annotated[Record, found], body: UseReport) -> Response:  # pyright: ignore[reportUnusedFunction]
        return Orjson(uses.report(user, record, body))

    @api.post("/keep", summary="Keep it for an hour, though it is idle")
    def keep(user: caller, record: Annotated[Record, found]) -> Response:  # pyright: ignore[reportUnusedFunction]
        return Orjson(uses.keep(user, record))

    return api
