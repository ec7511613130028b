"""Fetching and copying in threads of its own: a request does not wait for it, and a reconciler's turn neither.

What is fetched is kept here until a turn takes it; a platform that is killed loses it, and the next one begins anew.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from orrery.domain.datasets import DatasetFile
from orrery.domain.records import Json
from orrery.errors import Invalid, OrreryError

log = logging.getLogger(__name__)

#: fetches at once; others wait
_SLOTS: Final = 3

#: what a fetch gives
T = TypeVar("T")


class Dropped(Exception):
    """Nobody wants it any more."""


@dataclass(frozen=True)
class Fetched:
    """What a source gave."""

    files: list[DatasetFile]
    #: what exactly it was: a commit, an archive's sha256
    commit: str = ""


class Progress:
    """How far a fetch is; whoever fetches tells it, and hears here that it is no longer wanted."""

    def __init__(self) -> None:
        self._told: Json = {"fraction": None, "message": "waits for other fetches"}
        self._dropped = threading.Event()
        self._cuts: list[Callable[[], None]] = []

    @property
    def told(self) -> Json:
        return self._told

    def tell(self, message: str, fraction: float | None = None) -> None:
        """Raises: Dropped."""
        self._told = {"fraction": None if fraction is None else round(fraction, 2), "message": message}
        self.check()

    def check(self) -> None:
        """Raises: Dropped."""
        if self._dropped.is_set():
            raise Dropped

    def on_drop(self, cut: Callable[[], None]) -> None:
        """Call `cut` too when it is dropped: to end what blocks."""
        self._cuts.append(cut)

    def drop(self) -> None:
        self._dropped.set()
        for cut in list(self._cuts):
            cut()


@dataclass
class Fetch(Generic[T]):
    """One fetch, for as long as the source it is of is what is asked."""

    source: Json
    progress: Progress = field(default_factory=Progress)
    #: by the monotonic clock
    begun: float = field(default_factory=time.monotonic)
    result: T | None = None
    error: OrreryError | None = None

    @property
    def is_done(self) -> bool:
        return self.result is not None or self.error is not None


class Fetches(Generic[T]):
    """Those of one platform, at most one a resource. Thread-safe. `on_done` is told the resource's id."""

    def __init__(self, on_done: Callable[[str], None]) -> None:
        self._on_done = on_done
        self._slots = threading.BoundedSemaphore(_SLOTS)
        self._lock = threading.Lock()
        self._running: dict[str, Fetch[T]] = {}
        self._threads: set[threading.Thread] = set()
        self._is_closed = False

    def of(self, id: str, source: Json, work: Callable[[Progress], T]) -> Fetch[T]:
        """The fetch of this source for this resource, begun now if there is none; one of another source is dropped."""
        with self._lock:
            known = self._running.get(id)
            if known is not None and known.source == source:
                return known
            if known is not None:
                known.progress.drop()
            fetch = self._running[id] = Fetch[T](source)
            thread = threading.Thread(target=self._run, args=(id, fetch, work), name=f"fetch-{id}", daemon=True)
            self._threads.add(thread)
        thread.start()
        return fetch

    def drop(self, id: str) -> None:
        """End and forget it."""
        with self._lock:
            fetch = self._running.pop(id, None)
        if fetch is not None:
            fetch.progress.drop()

    def close(self) -> None:
        """End all, and wait until nothing of them works any more."""
        with self._lock:
            self._is_closed = True
            fetches, threads = list(self._running.values()), list(self._threads)
        for fetch in fetches:
            fetch.progress.drop()
        for thread in threads:
            thread.join(5)

    def _run(self, id: str, fetch: Fetch[T], work: Callable[[Progress], T]) -> None:
        try:
            with self._slots:
                fetch.progress.tell("begins")
                fetch.result = work(fetch.progress)
        except Dropped:
            return
        except OrreryError as error:
            fetch.error = error
        except Exception as error:
            # the boundary of the thread: without it the resource would wait for ever
            log.exception("fetching for %s failed", id, extra={"action": "fetch_failed", "resource_id": id})
            fetch.error = Invalid(f"it could not be fetched ({type(error).__name__}: {error}); try again")
        finally:
            with self._lock:
                self._threads.discard(threading.current_thread())
                is_wanted = not self._is_closed and self._running.get(id) is fetch
            if is_wanted and fetch.is_done:
                self._on_done(id)
