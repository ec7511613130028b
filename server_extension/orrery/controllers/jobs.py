"""What kinds that run jobs share: watching a job and reading its reports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from orrery.controllers.contract import Platform
from orrery.controllers.rates import Rate
from orrery.domain.records import Json, Record, utc_now
from orrery.errors import UnknownJob
from orrery.executors.contract import Executor, Exit, ExitReason, JobState, UsageSample
from orrery.executors.words import human_bytes
from orrery.jobs.distributed import precedence
from orrery.store.metrics import MetricStore, Point, parse_value

#: between two looks at a running job's reports
FOLLOW_SECONDS: Final = 0.5
#: a waiting job is looked at when the executor tells of it, and now and then all the same
WAITING_SECONDS: Final = 600.0
#: what was killed having used so much of what it might was killed for that, most likely
NEAR_LIMIT: Final = 0.8


def make_job_id(record: Record, attempt: int) -> str:
    return f"{record.id}-{attempt}"


def resource_id_of(executor_id: str) -> str:
    """The resource that a job's or service's id belongs to."""
    return executor_id.partition("-")[0]


def queue_view(platform: Platform, job_id: str) -> Json:
    """A waiting job's place, why it waits and when it will start: what a kind's `view` adds; empty once it holds."""
    entry = platform.executor.queue_entry(job_id)
    if entry is None:
        return {}
    seconds = platform.estimates.starts_in(job_id)
    return {"queue": {"place": entry.place, "reason": entry.reason, "starts_in_seconds": seconds}}


def find_job(executor: Executor, job_id: str) -> JobState | None:
    try:
        return executor.state(job_id)
    except UnknownJob:
        return None


@dataclass
class Reports:
    """What a job has told since the last look, folded."""

    offset: int
    position: int
    rate: Rate = field(default_factory=lambda: Rate([]))
    progress: Json | None = None
    result: Json | None = None
    parameters: Json | None = None
    error: Json | None = None
    artifacts: list[Json] = field(default_factory=list[Json])
    points: list[Point] = field(default_factory=list[Point])

    @property
    def internal(self) -> Json:
        notes: Json = {"reports_offset": self.offset, "reports_position": self.position}
        if self.progress is not None:
            notes["rate_marks"] = self.rate.marks
        if self.error is not None:
            notes["error"] = self.error
        return notes


def read_reports(executor: Executor, record: Record, job_id: str) -> Reports:
    """Fold the new report lines. Lines of a shape not known are passed over: a job's file is not to be trusted.

    The last error counts; among those of several ranks the first cause.
    """
    lines, offset = executor.read_reports(job_id, int(record.internal.get("reports_offset", 0)))
    rate = Rate(record.internal.get("rate_marks") or [])
    found = Reports(offset, int(record.internal.get("reports_position", 0)), rate)
    for line in lines:
        found.position += 1
        match line.get("type"):
            case "progress":
                found.rate.saw(line, _moment(line.get("at")))
                told = {key: value for key, value in line.items() if key not in ("type", "at")}
                found.progress = {**told, **found.rate.told}
            case "metrics":
                found.points.extend(_points(line, found.position))
            case "params" if isinstance(line.get("values"), dict):
                found.parameters = {**(found.parameters or {}), **_mapping(line["values"])}
            case "artifact" if isinstance(line.get("path"), str):
                found.artifacts.append({"path": line["path"], "title": str(line.get("title") or line["path"])})
            case "result" if isinstance(line.get("values"), dict):
                found.result = _mapping(line["values"])
            case "error":
                error: Json = {
                    "code": str(line.get("code") or "failed"),
                    "message": str(line.get("message") or "")[:4000],
                    "details": line.get("details") if isinstance(line.get("details"), dict) else {},
                }
                found.error = _cause(found.error or record.internal.get("error"), error)
            case _:
                continue
    return found


def _cause(known: Json | None, other: Json) -> Json:
    """The error to tell: the newer one, but of two ranks' the first cause."""
    if known is None or not all(_is_of_rank(error) for error in (known, other)):
        return other
    return min(known, other, key=lambda error: (precedence(error["details"]["status"]), error["details"]["at"]))


def _is_of_rank(error: Json) -> bool:
    details: Json = error.get("details") or {}
    return all(isinstance(details.get(key), int | float) for key in ("rank", "status", "at"))


def _mapping(value: Any) -> Json:
    return {str(key): item for key, item in value.items()} if isinstance(value, Mapping) else {}  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]


def _points(line: Mapping[str, Any], position: int) -> list[Point]:
    values = _mapping(line.get("values"))
    step = line.get("step")
    at = _moment(line.get("at"))
    return [
        Point(str(key), position, step if isinstance(step, int) else None, number, at)
        for key, value in values.items()
        if (number := parse_value(value)) is not None
    ]


def _moment(text: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return utc_now()
    return moment if moment.tzinfo is not None else utc_now()


def save_points(metrics: MetricStore, record: Record, run: int, reports: Reports) -> None:
    metrics.add(record.id, run, reports.points)


def with_estimate(
    progress: Json | None, began: datetime | None, now: datetime, done_before: float = 0.0
) -> Json | None:
    """The progress with `eta_seconds`, as far as its fraction allows one; when it `began`, `done_before` was done."""
    if progress is None:
        return None
    fraction = progress.get("fraction")
    eta = None
    if isinstance(fraction, int | float) and 0.01 < fraction - done_before and fraction <= 1 and began is not None:
        eta = round((now - began).total_seconds() * (1 - fraction) / (fraction - done_before), 1)
    return {**progress, "eta_seconds": eta}


def usage_outputs(exit_: Exit, samples: Iterable[UsageSample] = ()) -> Json:
    """`samples`: of the job, for what it took of its GPUs, all of them together."""
    held = [sample.gpu_memory_bytes for sample in samples if sample.gpu_memory_bytes is not None]
    return {
        **({"peak_gpu_memory_bytes": max(held)} if held else {}),
        "exit_code": exit_.code,
        "exit_reason": exit_.reason.value,
        "peak_memory_bytes": exit_.peak_memory_bytes,
        "cpu_seconds": round(exit_.cpu_seconds, 3),
    }


def attempts_before(record: Record) -> list[int]:
    """Those that a further attempt goes on from when it is resumed, the first one first."""
    last: int = record.internal.get("attempt", 0)
    return [*record.internal.get("goes_on_from", []), last] if last else []


def metric_history(metrics: MetricStore, record: Record) -> dict[str, list[Point]]:
    """The points of the present attempt by their keys, behind those of the attempts that it goes on from.

    What is reported again, from a step on, counts as it was reported last.
    """
    series: dict[str, list[Point]] = {}
    for attempt in (*record.internal.get("goes_on_from", []), int(record.internal.get("attempt", 1))):
        found: dict[str, list[Point]] = {}
        for point in metrics.history(record.id, attempt):
            found.setdefault(point.key, []).append(point)
        for key, points in found.items():
            first = min((point.step for point in points if point.step is not None), default=None)
            before = [
                point for point in series.get(key, []) if point.step is None or first is None or point.step < first
            ]
            series[key] = before + points
    return series


def explain_failure(
    error: Json | None, exit_: Exit, limit_seconds: float | None, memory_bytes: int | None = None
) -> str:
    """What the job said of its failure; else what its end tells. Of one that was killed, whether memory was why.

    `memory_bytes`: how much it might use in all.
    """
    if error is None:
        return explain_exit(exit_, limit_seconds, memory_bytes)
    message = str(error["message"])
    details: Json = error.get("details") or {}
    if details.get("status") == -9:
        first, _, rest = message.partition("\n")
        return "\n".join(filter(None, (f"{first}: {_why_killed(exit_, memory_bytes)}", rest)))
    return message


def explain_exit(exit_: Exit, limit_seconds: float | None, memory_bytes: int | None = None) -> str:
    """Why a job ended badly, for a person, where the job itself did not say."""
    match exit_.reason:
        case ExitReason.TIMED_OUT:
            unit = "second" if limit_seconds == 1 else "seconds"
            return f"ended after its maximum of {limit_seconds:g} {unit}; raise max_seconds, or make it shorter"
        case ExitReason.OUT_OF_MEMORY:
            return f"ran out of memory ({_peak(exit_)}); choose an instance type with more memory"
        case ExitReason.LOST:
            return exit_.message or "the machine or its supervisor died while it ran; retry it"
        case ExitReason.OUT_OF_STORAGE:
            return f"ran out of storage: {exit_.message}; raise data_gib, or have it write less"
        case _ if exit_.code == -9:
            return f"exit code : -9: killed: {_why_killed(exit_, memory_bytes)}"
        case _:
            return exit_.message or f"exit code: {exit_.code}; its log says more"


def _why_killed(exit_: Exit, memory_bytes: int | None) -> str:
    """Want of memory where the kernel said so, or its peak came near to what it might use; else that it was not."""
    if exit_.reason is ExitReason.OUT_OF_MEMORY:
        return f"for want of memory ({_peak(exit_)}); choose an instance type with more memory"
    if memory_bytes and exit_.peak_memory_bytes >= NEAR_LIMIT * memory_bytes:
        allowed = f" of {human_bytes(memory_bytes)}"
        return f"most likely for want of memory ({_peak(exit_)}{allowed}); choose an instance type with more memory"
    allowed = f" of the {human_bytes(memory_bytes)} that it had" if memory_bytes else ""
    return f"not for want of memory as far as was seen ({_peak(exit_)}{allowed}); somebody or the code itself did it"


def _peak(exit_: Exit) -> str:
    return f"all of it together peaked at {exit_.peak_memory_bytes / (1 << 20):,.0f} MiB"
