"""What jobs and services share: the loop's thread, the pool for slow work, the zygote, the ledger, the subscribers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from orrery.executors.contract import Exit, Resources, SecretSource
from orrery.executors.folders import ShimRecord
from orrery.executors.launch import Zygote
from orrery.executors.policy import Limits, Rules
from orrery.executors.queue import Claim, Ledger
from orrery.executors.rulebook import RuleBook
from orrery.executors.supervision import Run
from orrery.executors.workfiles import ObjectSource

log = logging.getLogger(__name__)


class Core:
    """Records and the ledger change only under `lock`, which is never held while waiting for a process."""

    def __init__(
        self,
        home: Path,
        objects: ObjectSource,
        capacity: Resources,
        gpus: tuple[str, ...],
        zygote: Zygote | None,
        limits: Limits,
        secrets: SecretSource | None = None,
    ) -> None:
        self.home = home
        self.objects = objects
        self.secrets = secrets
        self.lock = threading.RLock()
        self.ledger = Ledger(capacity, gpus)
        self.rulebook = RuleBook(home / "queue.json", limits)
        #: GPUs of this machine: a program that was given none must not see them
        self.hides_gpus = bool(gpus)
        self.zygote = zygote
        #: made by `open`
        self.loop: asyncio.AbstractEventLoop
        #: staging, removing folders, killing remains: what would hold up the loop
        self.pool = ThreadPoolExecutor(max_workers=4, thread_name_prefix="orrery-executor")
        self.is_closed = False
        self._thread = threading.Thread(target=self._serve, name="orrery-executor", daemon=True)
        self._subscribers: list[Callable[[str], None]] = []
        self._on_admitted: dict[str, Callable[[Claim], None]] = {}
        self._is_admitting = False

    # --- life ---

    def open(self) -> None:
        """Calls are accepted from now on, and made once it is started."""
        self.rulebook.read()
        self.ledger.rules = self.rulebook.rules
        self.loop = asyncio.new_event_loop()

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Whoever closes has closed its runs before, on the loop."""
        self.is_closed = True
        if self._thread.is_alive():
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join()
        self.pool.shutdown(wait=True, cancel_futures=True)
        self.loop.close()
        if self.zygote is not None:
            self.zygote.close()

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        self.loop.run_until_complete(self._end_tasks())

    async def _end_tasks(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # transports close in the turn after

    def call(self, callback: Callable[..., object], *arguments: object) -> None:
        """Have the loop's thread call it soon; nothing happens once the executor is closed."""
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(callback, *arguments)

    def in_pool(self, work: Callable[[], None]) -> None:
        """Do slow work aside; what it raises is logged."""

        def attempt() -> None:
            try:
                work()
            except Exception:
                log.exception("work in the executor's pool failed", extra={"action": "pool_work_failed"})

        with contextlib.suppress(RuntimeError):
            self.pool.submit(attempt)

    # --- subscribers ---

    def subscribe(self, callback: Callable[[str], None]) -> None:
        self._subscribers.append(callback)

    def notify(self, identifier: str) -> None:
        """Tell the subscribers, from the loop's thread, without the lock."""
        self.call(self._tell, identifier)

    def _tell(self, identifier: str) -> None:
        for callback in list(self._subscribers):
            try:
                callback(identifier)
            except Exception:
                log.exception("a subscriber failed for %s", identifier, extra={"action": "subscriber_failed"})

    # --- admission ---

    def enqueue(self, claim: Claim, on_admitted: Callable[[Claim], None]) -> None:
        """Put a claim in line; `on_admitted`, which must be quick, is called when it is given. Under the lock."""
        self.ledger.line.add(claim)
        self._on_admitted[claim.id] = on_admitted
        self.admit_soon()

    def move(self, claim: Claim) -> None:
        """Lay a claim over the one of its id that waits: its place is another. Under the lock."""
        if claim.id in self.ledger.line:
            self.ledger.line.remove(claim.id)
            self.ledger.line.add(claim)
            self.admit_soon()

    def hold(self, claim: Claim, gpus: tuple[str, ...]) -> None:
        """Note what an adopted run holds already. Under the lock."""
        self.ledger.hold(claim, time.time(), gpus)

    def release(self, identifier: str) -> None:
        """Leave the line, give back what is held, and see who may start now. Under the lock."""
        self._on_admitted.pop(identifier, None)
        self.ledger.release(identifier, time.time())
        self.admit_soon()

    def change_rules(self, change: Callable[[Rules], Rules]) -> Rules:
        """Change what administrators said, durably, and see who may start now."""
        with self.lock:
            self.rulebook.change(change)
            self.ledger.rules = self.rulebook.rules
            self.admit_soon()
            return self.ledger.rules

    def admit_soon(self) -> None:
        if not self._is_admitting and len(self.ledger.line):
            self._is_admitting = True
            self.call(self._admit)

    def _admit(self) -> None:
        with self.lock:
            self._is_admitting = False
            if self.is_closed:
                return
            for claim in self.ledger.admit(time.time()):
                self._on_admitted.pop(claim.id)(claim)

    # --- runs ---

    def make_run(
        self,
        folder: Path,
        *,
        forked: bool,
        on_running: Callable[[ShimRecord], None],
        on_ended: Callable[[Exit], None],
    ) -> Run:
        return Run(folder, self.loop, self.pool, self.zygote if forked else None, on_running, on_ended)
