"""The process between the start and one script: it outlives neither the notebook nor anything that the script left.

A script may do what it likes: hang, print without end, fork daemons, kill the process group that it was started from.
So each gets a supervisor in a session of its own, which adopts what the script leaves behind (a subreaper, on Linux).
A script that is over its time is ended with all that descends from it. What a script left running when it ended by
itself goes on: the supervisor stays with it, takes what it prints, and ends it when the notebook ends.

The start reads JSON lines from a pipe: {"pid"} once the script runs, then {"exit_code", "reason", ...} at its end.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import select
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from orrery_hub.start.output import Output

TIMED_OUT: Final = 124
CANNOT_RUN: Final = 126
NOT_FOUND: Final = 127
#: between asking to end and ending
GRACE_SECONDS: Final = 5.0
#: what was printed before the end is in the pipe by then; a daemon may go on printing
DRAIN_SECONDS: Final = 0.5
PIECE_BYTES: Final = 1 << 16
PR_SET_PDEATHSIG: Final = 1
PR_SET_CHILD_SUBREAPER: Final = 36
IS_LINUX: Final = sys.platform.startswith("linux")


@dataclass(frozen=True)
class Task:
    """One script, and how it is run."""

    path: Path
    #: where it runs
    folder: Path
    output: Path
    environment: Mapping[str, str]
    limit_seconds: float
    output_bytes: int


def prctl(option: int, value: int) -> None:
    if IS_LINUX:
        ctypes.CDLL(None, use_errno=True).prctl(option, ctypes.c_ulong(value), 0, 0, 0)


def read_parents() -> dict[int, int]:
    """Of every live process its parent; empty where the system does not tell."""
    parents: dict[int, int] = {}
    for entry in os.listdir("/proc") if IS_LINUX else ():
        if entry.isdigit():
            try:
                fields = Path("/proc", entry, "stat").read_text(errors="replace").rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] != "Z":
                parents[int(entry)] = int(fields[1])
    return parents


def descendants(root: int) -> list[int]:
    """Every process below `root`, however deep."""
    parents = read_parents()
    found, grown = {root}, True
    while grown:
        below = {pid for pid, parent in parents.items() if parent in found} - found
        grown = bool(below)
        found |= below
    return sorted(found - {root})


def send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass  # it has ended, or became somebody else's


def send_group(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        pass


class Supervisor:
    def __init__(self, task: Task, report: int) -> None:
        self.task = task
        self.report_to = report
        self.script = 0
        self.status: int | None = None
        self.is_asked_to_end = False
        self.is_timed_out = False
        self._wake, self._woken_by = os.pipe()
        self._printed = -1

    def run(self) -> None:
        """In a child of the start; returns when nothing of the script is left."""
        parent = os.getppid()
        os.setsid()
        prctl(PR_SET_CHILD_SUBREAPER, 1)
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        os.set_blocking(self._wake, False)
        os.set_blocking(self._woken_by, False)
        signal.set_wakeup_fd(self._woken_by, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, self._be_woken)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._be_asked_to_end)
        if os.getppid() != parent:
            return
        self._be_silent()
        self.output = Output(self.task.output, self.task.output_bytes)
        refusal = self._start_script()
        reason = refusal or self._watch()
        self._drain()
        self.output.finish(reason)
        self._report(
            exit_code=self._exit_code(),
            reason=reason,
            output_bytes=self.output.total_bytes,
            lost_bytes=self.output.lost_bytes,
            left_running=bool(self._family()),
        )
        os.close(self.report_to)
        self._stay_with_what_is_left()

    def _be_woken(self, *_: object) -> None:
        """A signal that is only ignored does not write to the wake-up pipe."""

    def _be_asked_to_end(self, *_: object) -> None:
        self.is_asked_to_end = True

    def _be_silent(self) -> None:
        """Hold nothing open that belongs to whoever reads the server's own output."""
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        os.close(null)

    # --- the script ---

    def _start_script(self) -> str:
        """Why it could not be started; empty where it runs."""
        self._printed, printing = os.pipe()
        os.set_blocking(self._printed, False)
        refused, refusing = os.pipe()
        self.script = os.fork()
        if self.script == 0:
            self._become_script(printing, refusing)
        os.close(printing)
        os.close(refusing)
        self._report(pid=self.script)
        refusal = b""
        while piece := os.read(refused, PIECE_BYTES):
            refusal += piece
        os.close(refused)
        if refusal:
            _, self.status = os.waitpid(self.script, 0)
        return refusal.decode(errors="replace")

    def _become_script(self, printing: int, refusing: int) -> NoReturn:
        try:
            os.setsid()
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE):
                signal.signal(number, signal.SIG_DFL)
            os.chdir(self.task.folder)
            os.dup2(printing, 1)
            os.dup2(printing, 2)
            os.execve(self.task.path, [str(self.task.path)], dict(self.task.environment))
        except OSError as error:
            words, code = explain_refusal(self.task.path, error)
            os.write(refusing, words.encode(errors="replace"))
            os._exit(code)
        finally:
            os._exit(CANNOT_RUN)

    def _watch(self) -> str:
        """Until the script has ended; why it was ended, or which signal ended it."""
        deadline = time.monotonic() + self.task.limit_seconds
        while self.status is None:
            if self.is_asked_to_end:
                self._end_family()
                return "ended with the start of the notebook"
            left = deadline - time.monotonic()
            if left <= 0:
                self.is_timed_out = True
                self._end_family()
                return f"ended after {self.task.limit_seconds:g} seconds, its time limit (ORRERY_START_SCRIPT_SECONDS)"
            self._turn(left)
        if os.WIFSIGNALED(self.status):
            return f"ended by signal {signal.Signals(os.WTERMSIG(self.status)).name}"
        return ""

    def _exit_code(self) -> int:
        if self.status is None or self.is_timed_out:
            return TIMED_OUT
        code = os.waitstatus_to_exitcode(self.status)
        return code if code >= 0 else 128 - code

    # --- one turn ---

    def _turn(self, seconds: float | None) -> None:
        """Wait for something to happen; take what was printed, bury who has died."""
        readable, _, _ = select.select([self._wake, *([self._printed] if self._printed >= 0 else [])], [], [], seconds)
        if self._wake in readable:
            try:
                os.read(self._wake, PIECE_BYTES)
            except BlockingIOError:
                pass
        if self._printed in readable:
            self._take()
        self._reap()

    def _take(self) -> bool:
        """Whether there was anything."""
        try:
            data = os.read(self._printed, PIECE_BYTES)
        except BlockingIOError:
            return False
        if not data:
            os.close(self._printed)
            self._printed = -1
            return False
        self.output.write(data)
        return True

    def _drain(self) -> None:
        until = time.monotonic() + DRAIN_SECONDS
        while self._printed >= 0 and self._take() and time.monotonic() < until:
            pass

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.script:
                self.status = status

    # --- what descends from the script ---

    def _family(self) -> list[int]:
        if IS_LINUX:
            return descendants(os.getpid())
        return [self.script] if self.status is None else []

    def _signal_family(self, number: int) -> None:
        send_group(self.script, number)
        for pid in self._family():
            send(pid, number)

    def _end_family(self) -> None:
        """First asked, then killed; what forks meanwhile is found in the next round."""
        self._signal_family(signal.SIGTERM)
        self._signal_family(signal.SIGCONT)
        until = time.monotonic() + GRACE_SECONDS
        while self._family() and time.monotonic() < until:
            self._turn(0.1)
        until = time.monotonic() + GRACE_SECONDS
        while self._family() and time.monotonic() < until:
            self._signal_family(signal.SIGKILL)
            self._turn(0.05)
        self._reap()

    def _stay_with_what_is_left(self) -> None:
        while self._family():
            if self.is_asked_to_end:
                self._end_family()
                return
            self._turn(None)

    def _report(self, **line: object) -> None:
        try:
            os.write(self.report_to, json.dumps(line).encode() + b"\n")
        except OSError:
            pass  # the start has been killed: its end is ours, too


def explain_refusal(path: Path, error: OSError) -> tuple[str, int]:
    """Why the system does not start a script, and the exit code that a shell gives for it."""
    try:
        with path.open("rb") as file:
            first = file.readline(512).rstrip(b"\n")
    except OSError:
        return f"it could not be started: {error.strerror}", NOT_FOUND if error.errno == errno.ENOENT else CANNOT_RUN
    interpreter = first.removeprefix(b"#!").strip(b" \t").partition(b" ")[0].decode(errors="replace")
    if first.endswith(b"\r"):
        return "its first line ends with a carriage return (Windows line ends); save it with Unix line ends", NOT_FOUND
    if error.errno == errno.ENOENT:
        return f"its first line names {interpreter!r}, which is not there", NOT_FOUND
    if error.errno == errno.EACCES:
        return f"{interpreter!r} may not be run, or the volume does not let anything run (noexec)", CANNOT_RUN
    return f"it could not be started: {error.strerror}", CANNOT_RUN
