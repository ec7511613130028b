"""What a tuning used over time: the sum of its trials, and each of the newest by itself."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from orrery.api.details import Details
from orrery.api.usage import samples_view
from orrery.api.views import Orjson
from orrery.controllers.commands import Commands
from orrery.controllers.tunings import TuningController
from orrery.domain.access import User
from orrery.domain.records import Json, Record
from orrery.domain.tunings import TUNING
from orrery.errors import NotFound
from orrery.executors.contract import UsageSample
from orrery.store.trials import Trial

#: of a tuning with more trials the newest are summed up
MOST_TRIALS: Final = 200
#: how many of them are told one by one, unless asked otherwise
ONE_BY_ONE: Final = 24
#: samples of the sum, and of each trial
MOST_SAMPLES: Final = 300
SAMPLES_OF_A_TRIAL: Final = 60
#: a stretch of the sum is not shorter: trials are sampled every two seconds
SHORTEST: Final = timedelta(seconds=2)


@dataclass(frozen=True)
class _Totals:
    """What one trial had used until each of its samples. Memory is summed up over time: byte seconds."""

    at: list[float]
    cpu: list[float]
    memory: list[float]
    gpu: list[float]
    gpu_memory: list[float]


def combine(trials: Sequence[Sequence[UsageSample]], most: int = MOST_SAMPLES) -> list[UsageSample]:
    """The trials together in at most `most` stretches of the same length.

    Memory is the mean over each stretch, so that trials that follow one another within it are not counted as if they
    had run at once. GPUs are None where no trial tells of any.
    """
    used = [samples for samples in trials if samples]
    if not used:
        return []
    first = min(samples[0].at for samples in used)
    last = max(samples[-1].at for samples in used)
    width = max(SHORTEST, (last - first) / most)
    grid = [first]
    while grid[-1] < last:
        grid.append(min(grid[-1] + width, last))
    has_gpus = any(sample.gpu_seconds is not None for samples in used for sample in samples)
    has_gpu_memory = any(sample.gpu_memory_bytes is not None for samples in used for sample in samples)
    totals = [_sum_up(samples) for samples in used]
    found: list[UsageSample] = []
    earlier, before = first, (0.0, 0.0)
    for moment in grid:
        at = moment.timestamp()
        seconds = (moment - earlier).total_seconds() or 1.0
        memory = sum(_at(at, one.at, one.memory) for one in totals)
        gpu_memory = sum(_at(at, one.at, one.gpu_memory) for one in totals)
        found.append(
            UsageSample(
                at=moment,
                cpu_seconds=round(sum(_at(at, one.at, one.cpu) for one in totals), 4),
                memory_bytes=round((memory - before[0]) / seconds),
                gpu_seconds=round(sum(_at(at, one.at, one.gpu) for one in totals), 4) if has_gpus else None,
                gpu_memory_bytes=round((gpu_memory - before[1]) / seconds) if has_gpu_memory else None,
            )
        )
        earlier, before = moment, (memory, gpu_memory)
    # of the moment that it begins at there is no stretch
    held = [samples[0] for samples in used if samples[0].at == first]
    found[0] = replace(
        found[0],
        memory_bytes=sum(sample.memory_bytes for sample in held),
        gpu_memory_bytes=sum(sample.gpu_memory_bytes or 0 for sample in held) if has_gpu_memory else None,
    )
    return found


def _sum_up(samples: Sequence[UsageSample]) -> _Totals:
    totals = _Totals([], [], [], [], [])
    memory = gpu_memory = 0.0
    before: datetime | None = None
    for sample in samples:
        seconds = 0.0 if before is None else max(0.0, (sample.at - before).total_seconds())
        memory += sample.memory_bytes * seconds
        gpu_memory += (sample.gpu_memory_bytes or 0) * seconds
        totals.at.append(sample.at.timestamp())
        totals.cpu.append(sample.cpu_seconds)
        totals.memory.append(memory)
        totals.gpu.append(sample.gpu_seconds or 0.0)
        totals.gpu_memory.append(gpu_memory)
        before = sample.at
    return totals


def _at(moment: float, times: Sequence[float], values: Sequence[float]) -> float:
    """The value between two samples by a straight line; nothing before the first, the last after it."""
    place = bisect_right(times, moment)
    if place == 0:
        return 0.0
    if place == len(times):
        return values[-1]
    passed, length = moment - times[place - 1], times[place] - times[place - 1]
    return values[place - 1] + (values[place] - values[place - 1]) * (passed / length)


def thin(samples: Sequence[UsageSample], most: int = SAMPLES_OF_A_TRIAL) -> list[UsageSample]:
    """At most `most` of the samples, the first and the last among them; the peaks of those between are kept."""
    step = max(1, -(-(len(samples) - 1) // (most - 1)))
    kept: list[UsageSample] = list(samples[:1])
    for start in range(1, len(samples), step):
        group = samples[start : start + step]
        known = [sample.gpu_memory_bytes for sample in group if sample.gpu_memory_bytes is not None]
        most_held = max(sample.memory_bytes for sample in group)
        kept.append(replace(group[-1], memory_bytes=most_held, gpu_memory_bytes=max(known, default=None)))
    return kept


def make_router(commands: Commands, controller: TuningController, current_user: Any) -> APIRouter:
    api = APIRouter(tags=["Tunings"])
    details = Details(commands.platform)

    def find(id: str, user: Annotated[User, Depends(current_user)]) -> Record:
        return commands.resolve(user, TUNING, id, trashed=True)

    def samples_of(training: Record | None) -> list[UsageSample]:
        job_id = details.job_id(training) if training is not None else None
        try:
            return commands.platform.executor.usage(job_id) if job_id else []
        except NotFound:
            return []  # it waits, or its job's files are gone

    def told(trial: Trial, training: Record | None, samples: list[UsageSample]) -> Json:
        return {
            "number": trial.number,
            "status": trial.status.value,
            "training": trial.training_id,
            "name": training.name if training is not None else None,
            "samples": samples_view(thin(samples)),
        }

    @api.get(
        f"/api/v1/{TUNING.plural}/{{id}}/usage",
        summary="Processor, memory and GPUs of its trials over time: together, and one by one",
    )
    def usage(  # pyright: ignore[reportUnusedFunction]
        record: Annotated[Record, Depends(find)],
        trials: Annotated[
            int, Query(ge=0, le=MOST_TRIALS, description="How many of the newest are told one by one.")
        ] = ONE_BY_ONE,
    ) -> Response:
        newest = controller.trials.list(record.id, order="-number", limit=MOST_TRIALS)
        trainings = commands.store.find_many(trial.training_id for trial in newest)
        used = [(trial, trainings.get(trial.training_id)) for trial in newest]
        samples = [samples_of(training) for _, training in used]
        one_by_one = [
            told(trial, training, found) for (trial, training), found in zip(used, samples, strict=True) if found
        ]
        return Orjson(
            {
                "samples": samples_view(combine(samples)),
                "ranks": [],
                "trials": one_by_one[:trials],
                "counted": len(one_by_one),
                "total": sum(controller.trials.count(record.id).values()),
            }
        )

    return api
