"""Loop-turn batching on a real loop: what is joined, what goes beside it, and who gets an error."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import numpy as np
import pytest

from orrery.serving import batching
from orrery.serving.batching import Batcher, Work
from orrery.serving.metrics import ModelMetrics
from orrery.serving.package import Column, ModelMetadata
from orrery.serving.runtimes import Explanation, NotSupported, Prediction
from orrery.serving.schema import InputSchema, Row

METADATA = ModelMetadata("m", "", "", "test", "regression", (Column("a", "number", "FP64"),), ())


class Doubles:
    """Answers with twice the input; fails on 13, and on every batch that holds it."""

    def __init__(self) -> None:
        self.metadata = METADATA
        self.calls: list[int] = []
        self.threads: set[str] = set()
        self.seconds = 0.0

    def predict(self, columns: Mapping[str, Any]) -> Prediction:
        values = columns["a"]
        self.calls.append(len(values))
        self.threads.add(threading.current_thread().name.split("_")[0])
        if self.seconds:
            threading.Event().wait(self.seconds)
        if (values == 13).any():
            raise ValueError("unlucky")
        return Prediction(values * 2)

    def explain(self, columns: Mapping[str, Any]) -> Explanation:
        raise NotSupported


Ask = Callable[..., Awaitable[list[float]]]


def run(runtime: Doubles, script: Callable[[Ask], Awaitable[None]]) -> ModelMetrics:
    metrics = ModelMetrics()

    async def main() -> None:
        batcher = Batcher(runtime, InputSchema(METADATA), metrics)

        def ask(*values: float) -> Awaitable[list[float]]:
            future: asyncio.Future[list[float]] = asyncio.get_running_loop().create_future()
            rows: list[Row] = [[value] for value in values]
            work = Work(rows, None, len(rows))
            work.done = lambda prediction: future.set_result(prediction.labels_or_values.tolist())
            work.failed = future.set_exception
            batcher.submit(work)
            return future

        await script(ask)
        batcher.close()

    asyncio.run(main())
    return metrics


def test_what_arrives_in_one_turn_is_predicted_in_one_call_and_given_back_in_parts() -> None:
    runtime = Doubles()

    async def script(ask: Ask) -> None:
        assert await asyncio.gather(ask(1), ask(2, 3), ask(4)) == [[2], [4, 6], [8]]
        assert await ask(5) == [10]

    metrics = run(runtime, script)
    assert runtime.calls == [4, 1]
    assert (metrics.rows, metrics.in_flight) == (5, 0)


def test_a_batch_is_bounded() -> None:
    runtime = Doubles()
    many = [1.0] * 400

    async def script(ask: Ask) -> None:
        await asyncio.gather(*(ask(*many) for _ in range(5)))

    run(runtime, script)
    assert runtime.calls == [800, 800, 400]


def test_only_the_input_at_fault_gets_the_error() -> None:
    async def script(ask: Ask) -> None:
        found = await asyncio.gather(ask(1), ask(13), ask(2), return_exceptions=True)
        assert (found[0], found[2]) == ([2], [4])
        assert isinstance(found[1], ValueError)

    run(Doubles(), script)


def test_large_inputs_are_predicted_beside_the_loop() -> None:
    runtime = Doubles()

    async def script(ask: Ask) -> None:
        assert len(await ask(*np.arange(batching.INLINE_ROWS + 1.0) + 20)) == batching.INLINE_ROWS + 1

    run(runtime, script)
    assert runtime.threads == {"predict"}


def test_a_slow_model_moves_beside_the_loop_and_what_arrives_meanwhile_is_joined(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batching, "SLOW_SECONDS", 0.001)
    runtime = Doubles()
    runtime.seconds = 0.02

    async def script(ask: Ask) -> None:
        await ask(1)
        await asyncio.gather(*(ask(i) for i in range(2, 12)))

    run(runtime, script)
    assert runtime.calls == [1, 1, 9]
