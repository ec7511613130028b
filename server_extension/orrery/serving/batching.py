"""Loop-turn batching: what arrives within one turn of the event loop is predicted in one call.

There is no timer, so that a lone request waits for nobody. A model's call costs 100 to 200 µs however few rows it
gets, far more than HTTP does; under load every turn brings several requests and they share it. Large inputs, and all
inputs of a model that turns out to be slow, are predicted in one thread beside the loop; meanwhile what arrives joins
the next batch.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from orrery.serving.metrics import ModelMetrics
from orrery.serving.schema import InputSchema, Row

if TYPE_CHECKING:
    from orrery.serving.runtimes import Array, Prediction, Runtime

log = logging.getLogger(__name__)

#: Most rows that are joined into one call.
BATCH_ROWS: Final = 1024
#: An input of more rows goes to the thread.
INLINE_ROWS: Final = 2048
#: A model whose batches take longer on average is predicted in the thread.
SLOW_SECONDS: Final = 0.010


class Work:
    """One request's rows (or ready columns), and where its part of the prediction goes."""

    __slots__ = ("columns", "done", "failed", "n_rows", "rows")

    def __init__(self, rows: Sequence[Row] | None, columns: Mapping[str, Array] | None, n_rows: int) -> None:
        self.rows = rows
        self.columns = columns
        self.n_rows = n_rows
        self.done: Callable[[Prediction], None] = _nothing
        self.failed: Callable[[Exception], None] = _nothing


def _nothing(_: object) -> None: ...


class Batcher:
    def __init__(self, runtime: Runtime, schema: InputSchema, metrics: ModelMetrics) -> None:
        self._runtime = runtime
        self._schema = schema
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        self._pending: list[Work] = []
        self._scheduled = False
        self._heavy: deque[Work] = deque()
        self._thread: ThreadPoolExecutor | None = None
        self._busy = False
        self._average_seconds = 0.0

    def submit(self, work: Work) -> None:
        self._metrics.in_flight += 1
        if work.n_rows > INLINE_ROWS or self._average_seconds > SLOW_SECONDS:
            self._heavy.append(work)
            self._start_heavy()
            return
        self._pending.append(work)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._flush)

    def run_beside(self, function: Callable[[], bytes], done: Callable[[bytes | BaseException], None]) -> None:
        """Run something long in the thread, in its turn; `done` gets its result, or what it raised."""
        future = self._loop.run_in_executor(self._executor(), function)

        def finished(found: asyncio.Future[bytes]) -> None:
            if not found.cancelled():
                done(found.exception() or found.result())

        future.add_done_callback(finished)

    def _executor(self) -> ThreadPoolExecutor:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "predict")
        return self._thread

    def close(self) -> None:
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)

    def _flush(self) -> None:
        self._scheduled = False
        pending, self._pending = self._pending, []
        start = 0
        while start < len(pending):
            batch = _take(pending, start)
            start += len(batch)
            self._settle(batch, self._predict(batch))

    def _start_heavy(self) -> None:
        if self._busy or not self._heavy:
            return
        batch = _take(self._heavy, 0)
        for _ in batch:
            self._heavy.popleft()
        self._busy = True
        future = self._loop.run_in_executor(self._executor(), self._predict, batch)
        future.add_done_callback(lambda done: self._heavy_done(batch, done))

    def _heavy_done(self, batch: list[Work], done: asyncio.Future[Prediction | Exception]) -> None:
        self._busy = False
        if not done.cancelled():
            self._settle(batch, done.result())
        self._start_heavy()

    def _predict(self, batch: Sequence[Work]) -> Prediction | Exception:
        """Runs on the loop or in the thread; touches no state but the average."""
        began = time.perf_counter()
        try:
            return self._runtime.predict(self._columns(batch))
        except Exception as error:
            return error
        finally:
            seconds = time.perf_counter() - began
            self._average_seconds += (seconds - self._average_seconds) * 0.2
            self._metrics.predict_seconds += seconds

    def _columns(self, batch: Sequence[Work]) -> Mapping[str, Array]:
        if batch[0].columns is not None:
            return batch[0].columns
        if len(batch) == 1:
            return self._schema.to_columns(batch[0].rows or ())
        rows: list[Row] = []
        for work in batch:
            rows.extend(work.rows or ())
        return self._schema.to_columns(rows)

    def _settle(self, batch: list[Work], outcome: Prediction | Exception) -> None:
        if isinstance(outcome, Exception) and len(batch) > 1:
            # one bad input must not fail those that happened to arrive with it
            for work in batch:
                self._settle([work], self._predict([work]))
            return
        self._metrics.in_flight -= len(batch)
        if isinstance(outcome, Exception):
            log.error("prediction failed", exc_info=outcome, extra={"action": "predict"})
            batch[0].failed(outcome)
            return
        rows = sum(work.n_rows for work in batch)
        self._metrics.rows += rows
        self._metrics.batches.observe(rows)
        if len(batch) == 1:
            batch[0].done(outcome)
            return
        kind = type(outcome)
        values, probabilities = outcome.labels_or_values, outcome.probabilities
        start = 0
        for work in batch:
            end = start + work.n_rows
            work.done(kind(values[start:end], None if probabilities is None else probabilities[start:end]))
            start = end


def _take(items: Sequence[Work], start: int) -> list[Work]:
    """As many as go into one call: rows up to the limit, ready columns alone."""
    first = items[start]
    batch = [first]
    if first.columns is not None:
        return batch
    rows = first.n_rows
    for i in range(start + 1, len(items)):
        work = items[i]
        rows += work.n_rows
        if work.columns is not None or rows > BATCH_ROWS:
            break
        batch.append(work)
    return batch
