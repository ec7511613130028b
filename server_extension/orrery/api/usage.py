"""What a run used over time, as it is answered: of the whole run, and of each of its ranks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from orrery.api.views import iso
from orrery.domain.records import Json
from orrery.executors.contract import UsageSample


def usage_view(samples: Sequence[UsageSample]) -> Json:
    """`samples` of all together, `ranks` with those of each; of one process there are none."""
    numbers = sorted({rank for sample in samples for rank in sample.ranks})
    ranks = [
        {"rank": rank, "samples": samples_view(sample.ranks[rank] for sample in samples if rank in sample.ranks)}
        for rank in numbers
    ]
    return {"samples": samples_view(samples), "ranks": ranks}


def samples_view(samples: Iterable[UsageSample]) -> list[Json]:
    """Each with the cores and GPUs in use since the one before; of the first they are not known."""
    found: list[Json] = []
    before: UsageSample | None = None
    for sample in samples:
        seconds = 0.0 if before is None else (sample.at - before.at).total_seconds()
        found.append(
            {
                "at": iso(sample.at),
                "cpu_seconds": sample.cpu_seconds,
                "cores": None if before is None else rate(before.cpu_seconds, sample.cpu_seconds, seconds),
                "memory_bytes": sample.memory_bytes,
                "gpus": None if before is None else rate(before.gpu_seconds, sample.gpu_seconds, seconds),
                "gpu_memory_bytes": sample.gpu_memory_bytes,
            }
        )
        before = sample
    return found


def rate(earlier: float | None, later: float | None, seconds: float) -> float | None:
    """None where either is not known, or no time has passed."""
    if earlier is None or later is None or seconds <= 0:
        return None
    return round(max(0.0, later - earlier) / seconds, 4)
