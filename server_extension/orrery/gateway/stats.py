"""What went through each endpoint and deployment: cumulative counts and latencies that survive a restart.

Latencies go into a fixed logarithmic histogram (ratio 1.2, so quantiles are right to about 10 %), which can be added up
over gateways and restarts, unlike quantiles.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Final, cast

import orjson

from orrery.gateway.routes import write_atomically

log = logging.getLogger(__name__)

_FIRST_SECONDS: Final = 0.0001
_RATIO: Final = 1.2
_BUCKETS: Final = 80
_PER_LOG: Final = 1 / math.log(_RATIO)
_COUNTS: Final = ("requests", "success", "client_errors", "server_errors", "bytes_in", "bytes_out")
QUANTILES: Final = {"p50": 0.5, "p90": 0.9, "p99": 0.99}


class Latency:
    __slots__ = ("counts", "total_seconds")

    def __init__(self) -> None:
        self.counts = [0] * _BUCKETS
        self.total_seconds = 0.0

    def observe(self, seconds: float) -> None:
        bucket = 0 if seconds <= _FIRST_SECONDS else int(math.log(seconds / _FIRST_SECONDS) * _PER_LOG) + 1
        self.counts[min(bucket, _BUCKETS - 1)] += 1
        self.total_seconds += seconds

    def quantile(self, fraction: float) -> float | None:
        """Seconds, the geometric middle of the bucket; None without observations."""
        total = sum(self.counts)
        if not total:
            return None
        wanted, seen = fraction * total, 0
        for i, count in enumerate(self.counts):
            seen += count
            if seen >= wanted:
                return _FIRST_SECONDS * _RATIO ** (i - 0.5)
        return None


class Counts:
    """One endpoint, or one deployment of it."""

    __slots__ = ("bytes_in", "bytes_out", "client_errors", "latency", "requests", "server_errors", "success")

    def __init__(self) -> None:
        self.requests = 0
        self.success = 0
        self.client_errors = 0
        self.server_errors = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.latency = Latency()

    def add(self, status: int, seconds: float, bytes_in: int, bytes_out: int) -> None:
        self.requests += 1
        if status < 400:
            self.success += 1
        elif status < 500:
            self.client_errors += 1
        else:
            self.server_errors += 1
        self.bytes_in += bytes_in
        self.bytes_out += bytes_out
        self.latency.observe(seconds)

    def document(self) -> dict[str, object]:
        """As `/stats` gives it; quantiles in seconds, null without requests."""
        latency: dict[str, object] = {name: self.latency.quantile(q) for name, q in QUANTILES.items()}
        latency["total"] = self.latency.total_seconds
        return {**{name: getattr(self, name) for name in _COUNTS}, "latency_seconds": latency}

    def stored(self) -> dict[str, object]:
        histogram = {str(i): n for i, n in enumerate(self.latency.counts) if n}
        return {
            **{name: getattr(self, name) for name in _COUNTS},
            "histogram": histogram,
            "total_seconds": self.latency.total_seconds,
        }

    @classmethod
    def restored(cls, stored: Mapping[str, object]) -> Counts:
        """Raises `TypeError`, `ValueError` for what `stored` never wrote."""
        counts = cls()
        for name in _COUNTS:
            setattr(counts, name, int(cast("int", stored[name])))
        for bucket, count in cast("dict[str, int]", stored["histogram"]).items():
            counts.latency.counts[int(bucket)] = int(count)
        counts.latency.total_seconds = float(cast("float", stored["total_seconds"]))
        return counts


class EndpointCounts:
    """The endpoint's own counts hold every request; those refused before a deployment was chosen are only there."""

    def __init__(self, owner: str, name: str) -> None:
        self.owner = owner
        self.name = name
        self.total = Counts()
        self.deployments: dict[str, Counts] = {}


class Stats:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._endpoints: dict[str, EndpointCounts] = {}
        self._changed = False
        self._restore()

    def endpoint(self, endpoint_id: str, owner: str, name: str) -> EndpointCounts:
        counts = self._endpoints.get(endpoint_id)
        if counts is None:
            counts = self._endpoints[endpoint_id] = EndpointCounts(owner, name)
        counts.owner, counts.name = owner, name
        return counts

    def record(
        self, counts: EndpointCounts, deployment: str | None, status: int, seconds: float, bytes_in: int, bytes_out: int
    ) -> None:
        counts.total.add(status, seconds, bytes_in, bytes_out)
        if deployment is not None:
            part = counts.deployments.get(deployment)
            if part is None:
                part = counts.deployments[deployment] = Counts()
            part.add(status, seconds, bytes_in, bytes_out)
        self._changed = True

    def document(self) -> dict[str, object]:
        return {
            "endpoints": {
                endpoint_id: {
                    "owner": counts.owner,
                    "name": counts.name,
                    **counts.total.document(),
                    "deployments": {key: part.document() for key, part in counts.deployments.items()},
                }
                for endpoint_id, counts in self._endpoints.items()
            }
        }

    def flush(self) -> None:
        """Write what has changed. A full disk is logged, and tried again at the next flush."""
        if not self._changed:
            return
        document = {
            "format": 1,
            "endpoints": {
                endpoint_id: {
                    "owner": counts.owner,
                    "name": counts.name,
                    "total": counts.total.stored(),
                    "deployments": {key: part.stored() for key, part in counts.deployments.items()},
                }
                for endpoint_id, counts in self._endpoints.items()
            },
        }
        try:
            write_atomically(self._path, orjson.dumps(document))
        except OSError as error:
            log.error("the statistics cannot be written: %s", error, extra={"action": "flush_stats"})
        else:
            self._changed = False

    def _restore(self) -> None:
        try:
            document = cast("dict[str, dict[str, dict[str, object]]]", orjson.loads(self._path.read_bytes()))
            for endpoint_id, stored in document["endpoints"].items():
                counts = EndpointCounts(str(stored["owner"]), str(stored["name"]))
                counts.total = Counts.restored(cast("dict[str, object]", stored["total"]))
                for key, part in cast("dict[str, dict[str, object]]", stored["deployments"]).items():
                    counts.deployments[key] = Counts.restored(part)
                self._endpoints[endpoint_id] = counts
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            log.error("%s cannot be read, counting starts anew: %s", self._path, error, extra={"action": "read_stats"})
