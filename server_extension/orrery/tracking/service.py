"""Tracking as the platform holds it: MLflow's server, what waits to be told to it, and the loop over both."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
from anyio import to_thread

from orrery.errors import OrreryError, Unavailable
from orrery.store.objects import ObjectStore
from orrery.tracking.artifacts import ArtifactTree
from orrery.tracking.calls import WorkspaceCalls
from orrery.tracking.mirror import Mirror
from orrery.tracking.records import Entry, Outbox, TrainingRecord
from orrery.tracking.server import ServerSettings, TrackingServer

log = logging.getLogger(__name__)

_DEFAULT_EXPERIMENT = "Default"


class Tracking:
    """Used from one event loop: `run()` in the platform's task group, `close()` at its end.

    The outbox is drained whenever the server runs: before the request that started it is answered, then every
    `period_seconds` and at each `wake`. While it is stopped, entries wait.
    """

    def __init__(
        self, settings: ServerSettings, objects: ObjectStore, outbox: Outbox, period_seconds: float = 2.0
    ) -> None:
        self.server = TrackingServer(settings)
        self.artifacts = ArtifactTree(settings.artifacts)
        self.mirror = Mirror(self.server, self.artifacts, objects)
        self._outbox = outbox
        self._period_seconds = period_seconds
        self._draining = asyncio.Lock()
        self._drained_start = 0
        self._default_experiments: dict[str, str] = {}
        self._waking: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def use(self) -> AsyncGenerator[httpx.AsyncClient]:
        """A running server that knows what the platform knows. Raises: `Unavailable`."""
        async with self.server.use() as client:
            if self._drained_start != self.server.starts:
                await self.drain()
            yield client

    def wake(self) -> None:
        """Start the server in the background and tell it what waits."""
        if self._waking is None or self._waking.done():
            self._waking = asyncio.create_task(self._wake())

    async def enter_workspace(self, calls: WorkspaceCalls, make: bool = True) -> str:
        """Make the workspace (if `make`) and its default experiment at the first visit; the latter's id.

        Raises: `TrackingError` when it is not there and not to be made.
        """
        known = self._default_experiments.get(calls.workspace)
        if known is None:
            if make:
                await calls.ensure_workspace()
            known = await calls.ensure_experiment(_DEFAULT_EXPERIMENT)
            self._default_experiments[calls.workspace] = known
        return known

    async def drain(self) -> int:
        """Tell what waits; how many entries were told. One that fails does not hold the others up."""
        told = 0
        async with self._draining, self.server.use(keeps_awake=False):
            starts = self.server.starts
            seen: set[str] = set()
            while fresh := [entry for entry in await to_thread.run_sync(self._outbox.pending) if entry.id not in seen]:
                for entry in fresh:
                    seen.add(entry.id)
                    told += await self._tell(entry)
            self._drained_start = starts
        return told

    async def check_tracking(self) -> None:
        """One turn: stop an idle server, else tell it what is new."""
        if not await self.server.check_idle() and self.server.is_running():
            await self.drain()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.check_tracking()
            except OrreryError as error:
                log.warning("%s", error, extra={"action": "tracking_failed"})
            await asyncio.sleep(self._period_seconds)

    async def close(self) -> None:
        if self._waking is not None:
            self._waking.cancel()
            await asyncio.wait([self._waking])
        await self.server.close()

    async def _wake(self) -> None:
        try:
            async with self.use():
                pass
        except OrreryError as error:
            log.error("%s", error, extra={"action": "mlflow_failed"})

    async def _tell(self, entry: Entry) -> bool:
        record = entry.record
        try:
            if isinstance(record, TrainingRecord):
                await self.mirror.training(record)
            else:
                await self.mirror.model(record)
        except Unavailable:
            raise
        except OrreryError as error:
            log.warning("MLflow does not take %s: %s", record.id, error, extra={"action": "mirror_failed"})
            await to_thread.run_sync(self._outbox.failed, entry.id, error.message)
            return False
        await to_thread.run_sync(self._outbox.done, entry.id)
        return True
