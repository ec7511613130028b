"""Work beside the kernel's main thread: one worker a panel, and one listener to the platform's events.

While a cell runs the main thread is taken, and while the main thread waits for the platform no cell can run; so a panel
does neither there. One thread a panel, so that its work never overtakes itself.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from orrery.client.events import ResourceEvents
from orrery.client.transport import Transport
from orrery.errors import OrreryError

log = logging.getLogger(__name__)


class Worker:
    """Does what it is given, in order, in a thread that ends when `stop` is called or the kernel does."""

    def __init__(self, name: str, idle_changed: Callable[[bool], None]) -> None:
        self._name = name
        self._idle_changed = idle_changed
        self._jobs: deque[Callable[[], None]] = deque()
        self._changed = threading.Condition()
        self._pending = 0
        self._stopped = False
        self._thread: threading.Thread | None = None

    def submit(self, job: Callable[[], None], *, is_quiet: bool = False) -> None:
        """`job` may raise nothing: whoever gives it shows what goes wrong. Of a quiet one nobody is told."""
        with self._changed:
            if self._stopped:
                return
            self._jobs.append(job)
            self._pending += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._changed.notify_all()
        if not is_quiet:
            self._idle_changed(False)

    def wait_idle(self, seconds: float) -> bool:
        """Whether all that was given has been done within that time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._pending == 0 or self._stopped, seconds)

    def stop(self) -> None:
        """What has begun is finished; what waits is not done."""
        with self._changed:
            self._stopped = True
            self._jobs.clear()
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._jobs) or self._stopped)
                if self._stopped:
                    return
                job = self._jobs.popleft()
            try:
                job()
            finally:
                with self._changed:
                    self._pending -= 1
                    idle = self._pending == 0
                    self._changed.notify_all()
                if idle:
                    self._idle_changed(True)


class Listener:
    """Calls `changed` after something happened to resources of some kinds, at most once in `every_seconds`."""

    def __init__(
        self,
        transport: Transport,
        kinds: Sequence[str],
        changed: Callable[[], None],
        failed: Callable[[OrreryError], None],
        *,
        every_seconds: float,
    ) -> None:
        self._every_seconds = every_seconds
        self._events = ResourceEvents(transport, kinds)
        self._changed = changed
        self._failed = failed
        self._news = threading.Event()
        self._closed = threading.Event()
        for target in (self._listen, self._tell):
            threading.Thread(target=target, name=f"orrery-{target.__name__}", daemon=True).start()

    def close(self) -> None:
        self._closed.set()
        self._news.set()
        self._events.close()

    def _listen(self) -> None:
        try:
            for _ in self._events:
                self._news.set()
        except OrreryError as error:
            if not self._closed.is_set():
                self._failed(error)

    def _tell(self) -> None:
        last = 0.0
        while True:
            self._news.wait()
            self._closed.wait(max(0.0, last + self._every_seconds - time.monotonic()))
            if self._closed.is_set():
                return
            self._news.clear()
            last = time.monotonic()
            self._changed()
