"""When those who wait will start, if all goes as expected: the queue played forward on a copy. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Mapping

from orrery.executors.queue import Ledger
from orrery.executors.shares import Line


class Forecast:
    """`ledger` is consumed. `expected`: the seconds that a job which waits or holds will still run.

    What is not in `expected` (a replica, a job of which nothing is known) holds its part for ever: nothing is said of
    those who need it.
    """

    def __init__(self, ledger: Ledger, expected: Mapping[str, float], now: float) -> None:
        self._ledger = ledger
        self._expected = expected
        self._now = now

    def starts(self, most: int) -> dict[str, float]:
        """Id -> seconds from now, of the first `most` in line. Under a pause nobody knows."""
        ledger, now = self._ledger, self._now
        if ledger.rules.pause is not None:
            return {}
        ledger.line = Line([claim for claim, _ in zip(ledger.in_order(now), range(most), strict=False)])
        ends = [(now + self._expected[id], id) for id in ledger.holders if id in self._expected]
        heapq.heapify(ends)
        found: dict[str, float] = {}
        while True:
            for claim in ledger.admit(now):
                found[claim.id] = max(0.0, now - self._now)
                if claim.id in self._expected:
                    heapq.heappush(ends, (now + self._expected[claim.id], claim.id))
            if not ends or not len(ledger.line):
                return found
            now, ended = heapq.heappop(ends)
            ledger.release(ended, now)
            while ends and ends[0][0] <= now:
                ledger.release(heapq.heappop(ends)[1], now)
