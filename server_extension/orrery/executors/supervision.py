"""Watching runs: from the request for a shim to the end of it, as events of one loop.

A `Run` belongs to a folder. Its callbacks come from the loop's thread: `on_running` once the program may run,
`on_ended` once its shim has gone and nothing of it is left. Waiting costs nothing: pipes and pidfds wake the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
from collections.abc import Callable
from concurrent.futures import Executor as Pool
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from orrery.executors import folders, machine
from orrery.executors.contract import Exit, ExitReason
from orrery.executors.launch import Launching, Zygote, start_shim

log = logging.getLogger(__name__)

RETRY_SECONDS = 0.05
#: where a process cannot be watched by descriptor, its lock is tried so often
POLL_SECONDS = 1.0
MAX_LAUNCHES = 3
DISK_RETRY_SECONDS = 5.0


class Run:
    """One program under its shim. Every method but `stop` belongs to the loop's thread."""

    def __init__(
        self,
        folder: Path,
        loop: asyncio.AbstractEventLoop,
        pool: Pool,
        zygote: Zygote | None,
        on_running: Callable[[folders.ShimRecord], None],
        on_ended: Callable[[Exit], None],
    ) -> None:
        self.folder = folder
        self._loop = loop
        self._pool = pool
        #: None: the program is executed, not forked
        self._zygote = zygote
        self._on_running = on_running
        self._on_ended = on_ended
        self._launches = 0
        self._pidfd: int | None = None
        self._launching: Launching | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False

    # --- begin ---

    def launch(self) -> None:
        """Start the program unless it was started before; launch.json lies ready."""
        self._timer = None
        if self._is_closed:
            return
        self._launches += 1
        launching = None
        if self._zygote is not None and self._launches < MAX_LAUNCHES:
            launching = self._zygote.start_shim(self.folder)
        try:
            self._launching = launching or start_shim(self.folder)
        except OSError as failed:
            log.warning("a shim could not be started: %s", failed, extra={"action": "shim_failed"})
            self._again_or_fail(str(failed))
            return
        self._loop.add_reader(self._launching.notify_fd, self._on_notified)

    def adopt(self) -> None:
        """Find out from the folder where the run is, and go on from there. Never starts the program."""
        self._timer = None
        if self._is_closed:
            return
        try:
            record = folders.read_shim(self.folder)
            if record is None:
                self._settle()
                return
            pidfd = machine.open_process(record)
        except OSError:
            # Watching by descriptor is not possible here; a free lock will tell.
            self._timer = self._loop.call_later(POLL_SECONDS, self._settle)
            return
        if pidfd is None:
            self._settle()
            return
        self._pidfd = pidfd
        self._loop.add_reader(pidfd, self._on_shim_ended)
        self._on_running(record)
        if (self.folder / "stop").exists():
            self.stop()

    def _on_notified(self) -> None:
        assert self._launching is not None
        line = b""
        with contextlib.suppress(BlockingIOError):
            line = os.read(self._launching.notify_fd, 4096)
        self._loop.remove_reader(self._launching.notify_fd)
        self._launching.finish()
        self._launching = None
        news: dict[str, Any] = cast("dict[str, Any]", json.loads(line)) if line.endswith(b"\n") else {}
        if news.get("busy"):
            self._timer = self._loop.call_later(RETRY_SECONDS, self.adopt)
        elif news:
            self.adopt()
        else:
            self._again_or_fail("its supervisor could not be started; its log may say why")

    def _again_or_fail(self, message: str) -> None:
        if (self.folder / "shim.json").exists():
            self.adopt()
        elif self._launches < MAX_LAUNCHES:
            self._timer = self._loop.call_later(RETRY_SECONDS * self._launches, self.launch)
        else:
            self.end_unstarted(ExitReason.FAILED, message)

    # --- end ---

    def stop(self) -> None:
        """Ask the program to end. Thread-safe; works before it has started, too."""
        with contextlib.suppress(FileNotFoundError):
            os.close(os.open(self.folder / "stop", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        self._loop.call_soon_threadsafe(self._signal_stop)

    def _signal_stop(self) -> None:
        if self._pidfd is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGTERM)

    def _on_shim_ended(self) -> None:
        assert self._pidfd is not None
        self._loop.remove_reader(self._pidfd)
        with contextlib.suppress(ChildProcessError):
            os.waitid(
                os.P_PIDFD, self._pidfd, os.WEXITED | os.WNOHANG
            )  # as a container's first process we are its parent
        os.close(self._pidfd)
        self._pidfd = None
        self._settle()

    def _settle(self) -> None:
        """The shim has gone, or never was: read, or write, how it ended."""
        self._timer = None
        if not (self.folder / "launch.json").exists() and (ended := folders.read_exit(self.folder)):
            self._finish(ended)
            return
        # Killing what a dead shim left takes a while: not on the loop.
        self._pool.submit(machine.bury, self.folder).add_done_callback(
            lambda done: None if done.cancelled() else self._call_soon(self._on_buried, done)
        )

    def _on_buried(self, burial: Future[Exit | None]) -> None:
        if self._is_closed:
            return
        if failed := burial.exception():
            self._try_later(failed, self.adopt)
        elif ended := burial.result():
            self._finish(ended)
        else:
            # Another shim holds the folder, or none has come yet.
            self._timer = self._loop.call_later(RETRY_SECONDS, self._adopt_or_launch)

    def _adopt_or_launch(self) -> None:
        with folders.hold_lock(self.folder) as free:
            never_started = free and not (self.folder / "shim.json").exists()
        if never_started and (self.folder / "launch.json").exists():
            self.launch()
        else:
            self.adopt()

    def end_unstarted(self, reason: ExitReason, message: str) -> None:
        """Write the end of a program that never ran, unless a shim is there after all."""
        if self._is_closed:
            return
        ended = Exit(reason, None, None, datetime.now(UTC), message=message)
        with folders.hold_lock(self.folder) as free:
            never_started = free and not (self.folder / "shim.json").exists()
            if never_started:
                try:
                    folders.write_exit(self.folder, ended)
                except OSError as failed:
                    self._try_later(failed, lambda: self.end_unstarted(reason, message))
                    return
                (self.folder / "launch.json").unlink(missing_ok=True)
        if never_started:
            self._finish(ended)
        else:
            self.adopt()

    def _try_later(self, failed: BaseException, again: Callable[[], None]) -> None:
        """The disk is full, most likely: what has to be written waits for room."""
        log.warning("the end of %s cannot be noted: %s", self.folder, failed, extra={"action": "exit_not_written"})
        self._timer = self._loop.call_later(DISK_RETRY_SECONDS, again)

    def _finish(self, ended: Exit) -> None:
        self.close()
        self._on_ended(ended)

    def close(self) -> None:
        """Stop watching; the program goes on."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._launching is not None:
            self._loop.remove_reader(self._launching.notify_fd)
            self._launching.finish()
            self._launching = None
        if self._pidfd is not None:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None

    def _call_soon(self, callback: Callable[..., object], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
            self._loop.call_soon_threadsafe(callback, *arguments)
