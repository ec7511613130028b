"""The one loop that moves resources: it leases what is due, runs its controller's turn in a thread, applies the result.

A turn may be cut off at any line: the lease runs out and the next turn begins again from the stored phase. A turn that
fails is tried again with growing delays; the reason stands in the resource's message meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Final

from orrery.controllers.contract import Controller, Outcome
from orrery.domain.machine import InvalidTransition
from orrery.domain.records import Record
from orrery.errors import OrreryError
from orrery.store.leases import Lease
from orrery.store.resources import ResourceStore

log = logging.getLogger(__name__)

LEASE: Final = timedelta(minutes=5)
#: how long to wait when nothing is due and no wake comes: other platform processes may have written
LONGEST_WAIT_SECONDS: Final = 30.0
#: before looking again for what somebody else has just taken
SHORTEST_WAIT_SECONDS: Final = 0.05
MAX_BACKOFF_SECONDS: Final = 120.0
#: turns of one record in a row under one lease; then others may go first
MOST_TURNS: Final = 8


def backoff_seconds(attempts: int) -> float:
    """0.5, 1, 2, ... at most `MAX_BACKOFF_SECONDS`."""
    return min(MAX_BACKOFF_SECONDS, 0.25 * 2.0 ** min(attempts, 20))


class Engine:
    """Runs the controllers. `wake` and `wake_resource` may be called from any thread."""

    def __init__(self, store: ResourceStore, controllers: Mapping[str, Controller], *, workers: int = 4) -> None:
        self.store = store
        self.controllers = controllers
        self.workers = workers
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="reconciler")
        self._something_due = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turns: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """Something is due: look now."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._something_due.set)

    def wake_resource(self, resource_id: str) -> None:
        """Something happened to this resource: look at it now. Blocks on the database; not for the event loop."""
        self.store.leases.wake(resource_id)
        self.wake()

    async def run(self) -> None:
        """Until cancelled; turns that have begun are finished then."""
        self._loop = asyncio.get_running_loop()
        try:
            while True:
                self._something_due.clear()
                seconds = await self._seconds_until_due()
                if seconds <= 0:
                    begun = await self.check_due()
                    seconds = 0.0 if begun else SHORTEST_WAIT_SECONDS
                if seconds > 0:
                    await self._wait(seconds)
        finally:
            if self._turns:
                await asyncio.wait(self._turns)
            self._threads.shutdown(wait=True)

    async def check_due(self) -> int:
        """Begin a turn for each record that is due, as far as there are free workers. Returns how many."""
        free = self.workers - len(self._turns)
        if free <= 0:
            await asyncio.wait(self._turns, return_when=asyncio.FIRST_COMPLETED)
            free = self.workers - len(self._turns)
        loop = asyncio.get_running_loop()
        leases = await loop.run_in_executor(None, self.store.leases.take_due, free, LEASE)
        for lease in leases:
            turn = loop.create_task(self._turn(lease))
            self._turns.add(turn)
            turn.add_done_callback(self._turns.discard)
        return len(leases)

    async def _turn(self, lease: Lease) -> None:
        await asyncio.get_running_loop().run_in_executor(self._threads, self.take_turn, lease)
        self._something_due.set()

    async def _seconds_until_due(self) -> float:
        due = await asyncio.get_running_loop().run_in_executor(None, self.store.leases.next_due)
        if due is None:
            return LONGEST_WAIT_SECONDS
        return min(LONGEST_WAIT_SECONDS, (due - self.store.clock()).total_seconds())

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._something_due.wait()
        except TimeoutError:
            return

    def take_turn(self, lease: Lease) -> None:
        """Reconcile one leased record and apply what came of it; go on with it while it has more to do at once."""
        going_on: Lease | None = lease
        for turns_left in reversed(range(MOST_TURNS)):
            going_on = self._reconcile(going_on, is_last=turns_left == 0)
            if going_on is None:
                return

    def _reconcile(self, lease: Lease, *, is_last: bool) -> Lease | None:
        """One turn. The lease goes on where another turn is to follow at once."""
        record = lease.record
        controller = self.controllers.get(record.kind)
        try:
            outcome = controller.reconcile(record) if controller is not None else Outcome()
        except OrreryError as error:
            log.warning(
                "%s: %s", record.label, error.message, extra={"action": "reconcile_failed", "resource_id": record.id}
            )
            return self._apply_failure(lease, error.code, error.message)
        except Exception as error:
            # The boundary of the reconciler: a defect in one kind must not stop the others.
            log.exception(
                "%s: reconciling failed", record.label, extra={"action": "reconcile_failed", "resource_id": record.id}
            )
            return self._apply_failure(lease, "internal", f"{type(error).__name__}: {error}")
        try:
            return self._apply(lease, outcome, is_last=is_last)
        except Exception as error:
            # What it found cannot be kept. Somebody waits for it, and is told.
            log.exception(
                "%s: what was found cannot be kept",
                record.label,
                extra={"action": "reconcile_failed", "resource_id": record.id},
            )
            return self._apply_failure(lease, "internal", f"{type(error).__name__}: {ascii(str(error))[:300]}")

    def _apply(self, lease: Lease, outcome: Outcome, *, is_last: bool) -> Lease | None:
        record = lease.record
        machine = self.store.kinds.named(record.kind).machine
        now = self.store.clock()
        again = outcome.again_in_seconds
        if outcome.event is not None and again is None:
            again = 0.0
        goes_on = again == 0.0 and not is_last

        def change(fresh: Record) -> Record:
            changed = replace(outcome.on(fresh), attempts=0)
            if outcome.event is None:
                return changed
            if fresh.phase != record.phase:
                # the user acted meanwhile; what was seen is kept, the next turn sees the new phase
                return changed
            return machine.step(
                changed,
                outcome.event,
                now,
                reason=outcome.reason or "",
                message=outcome.message or "",
                began=outcome.began,
                ended=outcome.ended,
            )

        try:
            changed = self.store.leases.apply(
                lease,
                change,
                again_at=None if again is None else now + timedelta(seconds=again),
                keep_for=LEASE if goes_on else None,
            )
        except InvalidTransition as error:
            log.error("%s", error.message, extra={"action": "invalid_transition", "resource_id": record.id})
            return self._apply_failure(lease, error.code, error.message)
        if changed is None:
            return None
        before, after = machine.phases[record.phase], machine.phases[changed.phase]
        if changed.phase != record.phase and (after.settled or after.state != before.state):
            for watcher in self.controllers[record.kind].watchers(changed):
                self.store.leases.wake(watcher)
        return replace(lease, record=changed) if goes_on else None

    def _apply_failure(self, lease: Lease, code: str, message: str) -> None:
        def change(fresh: Record) -> Record:
            return replace(fresh, attempts=fresh.attempts + 1, reason=code, message=f"{message} (trying again)")

        delay = backoff_seconds(lease.record.attempts + 1)
        self.store.leases.apply(lease, change, again_at=self.store.clock() + timedelta(seconds=delay))
