"""Counts of one model server, in Prometheus' text format, written by hand (the client library costs 10 ms at start).

Names: `orrery_serving_<noun>_<unit>[_total]`; labels are the model and the answer's class, never anything a client
sends.
"""

from __future__ import annotations

import resource
import time
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

LATENCY_BOUNDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
ROW_BOUNDS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096)


class Histogram:
    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Iterable[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def lines(self, name: str, labels: str) -> list[str]:
        out: list[str] = []
        seen = 0
        for bound, count in zip((*self.bounds, float("inf")), self.counts, strict=True):
            seen += count
            shown = "+Inf" if bound == float("inf") else f"{bound:g}"
            out.append(f'{name}_bucket{{{labels},le="{shown}"}} {seen}')
        return [*out, f"{name}_sum{{{labels}}} {self.total:g}", f"{name}_count{{{labels}}} {seen}"]


@dataclass
class ModelMetrics:
    requests: dict[str, int] = field(default_factory=lambda: {"2xx": 0, "4xx": 0, "5xx": 0})
    rows: int = 0
    in_flight: int = 0
    latency: Histogram = field(default_factory=lambda: Histogram(LATENCY_BOUNDS))
    batches: Histogram = field(default_factory=lambda: Histogram(ROW_BOUNDS))
    predict_seconds: float = 0.0

    def answered(self, status: int, seconds: float) -> None:
        self.requests["2xx" if status < 400 else "4xx" if status < 500 else "5xx"] += 1
        self.latency.observe(seconds)


class Metrics:
    """All models of one process."""

    def __init__(self) -> None:
        self.models: dict[str, ModelMetrics] = {}
        self._started_at = time.time()

    def model(self, name: str) -> ModelMetrics:
        return self.models.setdefault(name, ModelMetrics())

    def render(self) -> bytes:
        out: list[str] = []

        def family(name: str, kind: str, text: str) -> None:
            out.extend((f"# HELP {name} {text}", f"# TYPE {name} {kind}"))

        labelled = [(f'model="{_escaped(name)}"', metrics) for name, metrics in self.models.items()]
        family("orrery_serving_requests_total", "counter", "Inference requests answered.")
        for label, metrics in labelled:
            out.extend(
                f'orrery_serving_requests_total{{{label},status="{k}"}} {n}' for k, n in metrics.requests.items()
            )
        family("orrery_serving_rows_total", "counter", "Rows predicted.")
        out.extend(f"orrery_serving_rows_total{{{label}}} {metrics.rows}" for label, metrics in labelled)
        family("orrery_serving_in_flight", "gauge", "Requests waiting for their prediction.")
        out.extend(f"orrery_serving_in_flight{{{label}}} {metrics.in_flight}" for label, metrics in labelled)
        family("orrery_serving_predict_seconds_total", "counter", "Time spent inside the model.")
        out.extend(f"orrery_serving_predict_seconds_total{{{label}}} {m.predict_seconds:g}" for label, m in labelled)
        family("orrery_serving_request_seconds", "histogram", "From a complete head to the answer.")
        for label, metrics in labelled:
            out.extend(metrics.latency.lines("orrery_serving_request_seconds", label))
        family("orrery_serving_batch_rows", "histogram", "Rows predicted in one call.")
        for label, metrics in labelled:
            out.extend(metrics.batches.lines("orrery_serving_batch_rows", label))
        usage = resource.getrusage(resource.RUSAGE_SELF)
        family("process_cpu_seconds_total", "counter", "User and system time.")
        out.append(f"process_cpu_seconds_total {usage.ru_utime + usage.ru_stime:g}")
        family("process_start_time_seconds", "gauge", "Unix time at which the process started.")
        out.append(f"process_start_time_seconds {self._started_at:.3f}")
        return ("\n".join(out) + "\n").encode()


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
