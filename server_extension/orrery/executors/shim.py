"""The shim: the parent of one job or replica, which outlives the platform.

It holds `shim.lock` for as long as it lives, starts the program in a session of its own, samples what the whole family
of processes uses, enforces the limits, and writes `exit.json` before it ends whatever is left. Standard library only,
one thread, few imports: it runs either in a small Python of its own (`COMMAND`) or in a child of the zygote.

What lies in FOLDER:

    launch.json   what to run, written by the executor before each start; removed when nothing of the family is left
    stop          exists when the program shall end
    shim.lock     locked while the shim lives: a free lock and no exit.json mean that nobody saw the end
    shim.json     who the shim and the program are; written before the program may run, so that it never starts twice
    exit.json     how it ended
    usage.jsonl   what it used over time (`orrery.executors.history`)
    log           what the program and the shim print

The executor reads one JSON line from the notification pipe: {"pid": ...} when the program runs, {"busy": true} when
another shim holds the folder, {"settled": true} when the program was started before. No line: it could not be started.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn, cast

from orrery.executors.disk_use import DiskWatch
from orrery.executors.family import boot_id, descendants, group_exists, group_of, oom_kills, resident_bytes, start_ticks
from orrery.executors.history import timestamp
from orrery.executors.masking import mask_stream
from orrery.executors.sampling import Sampler
from orrery.executors.shim_files import keep_room_for_exit, write_exit, write_whole
from orrery.executors.words import human_bytes

FIRST_PERIOD_SECONDS = 0.25
LAST_PERIOD_SECONDS = 2.0
#: of what is to run for ever
ENDLESS_PERIOD_SECONDS = 5.0
#: measuring takes at most this part of one core's time
MEASURING_PART = 0.01
#: beyond this multiple of the memory asked for, the program is ended
OVERUSE = 1.5
#: how a program ends that was killed, or whose own program was, and tells so as a shell does
KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)
#: how long what a program printed last may take to be masked
DRAIN_SECONDS = 2.0

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
SIGNALS = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}

#: the folder that the package `orrery` lies in
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

_libc = ctypes.CDLL(None, use_errno=True)


def prctl(option: int, value: int) -> None:
    _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0)


class Shim:
    def __init__(self, folder: str, notify: int, body: Callable[[], int] | None) -> None:
        self.folder = folder
        self.notify_fd = notify
        self.body = body
        self.launch: dict[str, Any] = {}
        self.child = 0
        #: the process that masks what the program prints; 0 where nothing is to be masked, or once it has ended
        self.filter = 0
        self.started: float | None = None
        self.started_clock = 0.0
        self.period = FIRST_PERIOD_SECONDS
        #: why the program is being ended; empty while it may run
        self.ending = ""
        self.ending_message = ""
        self.kill_clock: float | None = None

    def path(self, name: str) -> str:
        return f"{self.folder}/{name}"

    def notify(self, **line: object) -> None:
        try:
            os.write(self.notify_fd, json.dumps(line).encode() + b"\n")
        except OSError:
            pass  # the platform has gone meanwhile: it will find us by shim.json
        os.close(self.notify_fd)

    def run(self) -> None:
        # Blocked before the lock is taken: whoever sees this shim may signal it.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        lock = os.open(self.path("shim.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.notify(busy=True)
            return
        if os.path.exists(self.path("exit.json")) or os.path.exists(self.path("shim.json")):
            self.notify(settled=True)
            return
        with open(self.path("launch.json"), "rb") as file:
            self.launch = json.load(file)
        self.is_endless = bool(self.launch.get("is_endless"))
        shared = resident_bytes(os.getpid()) if self.body else 0
        self.sampler = Sampler(self.path("usage.jsonl"), self.launch, is_endless=self.is_endless, shared_bytes=shared)
        keep_room_for_exit(self.folder)
        if os.path.exists(self.path("stop")):
            self._write_exit("STOPPED", None, "stopped before it started")
            self.notify(settled=True)
            return
        prctl(PR_SET_CHILD_SUBREAPER, 1)
        self.oom_kills = oom_kills()
        try:
            error = self._start(lock)
            if error:
                self._reap()
                self._drain_filter()
                self._write_exit("FAILED", 127, error)
                self.notify(settled=True)
            else:
                self.notify(pid=os.getpid())
                self._watch(lock)
        finally:
            self._sweep()
        try:
            os.unlink(self.path("launch.json"))
        except OSError:
            pass  # only a mark that the sweep is done; the executor would sweep once more

    # --- start ---

    def _start(self, lock: int) -> str:
        """Start the program; returns what went wrong. It may run only once shim.json is on the disk."""
        # first of all, so that it holds no end of what follows
        output = self._start_filter(lock)
        go_read, go_write = os.pipe()
        error_read, error_write = os.pipe()
        shim_pid = os.getpid()
        self.child = os.fork()
        if not self.child:
            os.close(lock)
            os.close(self.notify_fd)
            os.close(go_write)
            os.close(error_read)
            self._become_program(shim_pid, go_read, error_write, output)
        if output is not None:
            os.close(output)
        os.close(go_read)
        os.close(error_write)
        self.started = time.time()
        self.started_clock = time.monotonic()
        record = {
            "pid": shim_pid,
            "start_ticks": start_ticks(shim_pid),
            "boot_id": boot_id(),
            "child": self.child,
            "child_start_ticks": start_ticks(self.child),
            "started_at": timestamp(self.started),
        }
        write_whole(self.folder, "shim.json", json.dumps(record).encode())
        try:
            os.write(go_write, b"g")
        except BrokenPipeError:
            pass  # it ended before it was let go: the error pipe or its exit status tells
        os.close(go_write)
        # Closed by a successful exec or by the forked body: then there is nothing to read.
        with open(error_read, "rb") as errors:
            return errors.read().decode("utf-8", "replace")

    def _start_filter(self, lock: int) -> int | None:
        """Where the program shall print, if something in it is to be masked on its way to the log."""
        secrets = self.launch.get("secrets")
        if not secrets:
            return None
        read, write = os.pipe()
        self.filter = os.fork()
        if self.filter:
            self.sampler.leave_out(self.filter)
            os.close(read)
            return write
        try:
            for descriptor in (write, lock, self.notify_fd):
                os.close(descriptor)
            mask_stream(read, 1, secrets)
        finally:
            os._exit(0)

    def _drain_filter(self) -> None:
        """The program has ended: what it printed last gets to the log. Not for long: others may hold its output."""
        deadline = time.monotonic() + DRAIN_SECONDS
        while self.filter and time.monotonic() < deadline:
            signal.sigtimedwait({signal.SIGCHLD}, 0.02)
            self._reap()
        self.filter = 0

    def _become_program(self, shim_pid: int, go: int, errors: int, output: int | None) -> NoReturn:
        try:
            os.setsid()
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler if self.body else signal.SIG_DFL)
            signal.signal(signal.SIGPIPE, signal.SIG_IGN if self.body else signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, set[int]())
            log = output
            if log is None:
                log = os.open(self.path("log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
            for source, target in ((null, 0), (log, 1), (log, 2)):
                os.dup2(source, target)
            os.close(log)
            os.close(null)
            self._make_first_to_go()
            resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
            account = self.launch.get("account")
            if account:
                os.initgroups(account["name"], account["gid"])
                os.setgid(account["gid"])
                os.setuid(account["uid"])
            os.chdir(self.launch["cwd"])
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != shim_pid or os.read(go, 1) != b"g":
                os._exit(125)
            os.close(go)
            environment: dict[str, str] = self.launch["environment"]
            if self.body:
                os.close(errors)
                os.environ.clear()
                os.environ.update(environment)
                os._exit(_finish(self.body))
            argv: list[str] = self.launch["argv"]
            try:
                os.execvpe(argv[0], argv, environment)
            except FileNotFoundError:
                raise OSError(f"command {argv[0]!r} is not on this job's PATH; check the spelling") from None
            except PermissionError:
                raise OSError(f"command {argv[0]!r} may not be executed; give it the executable bit") from None
        except BaseException as failed:
            try:
                os.write(errors, f"could not be started: {failed}".encode())
                os.write(2, f"could not be started: {failed}\n".encode())
            finally:
                os._exit(127)

    def _make_first_to_go(self) -> None:
        try:
            with open("/proc/self/oom_score_adj", "w") as file:
                file.write(str(self.launch.get("oom_score", 500)))
        except OSError:
            pass  # a container may forbid it: then the kernel chooses by size alone

    # --- watch ---

    def _watch(self, lock: int) -> None:
        limit = self.launch.get("time_limit_seconds")
        deadline = self.started_clock + limit if limit is not None else None
        next_sample = self.started_clock + 0.1
        storage: int | None = self.launch.get("storage_bytes")
        disk = DiskWatch(self.launch["cwd"], storage)
        while True:
            clocks = [next_sample]
            if deadline is not None and not self.ending:
                clocks.append(deadline)
            if self.kill_clock is not None:
                clocks.append(self.kill_clock)
            heard = signal.sigtimedwait(SIGNALS, max(0.0, min(clocks) - time.monotonic()))
            status = self._reap()
            if status is not None:
                self.sampler.sample(is_last=True)
                self._drain_filter()
                if storage and not self.ending and (taken := disk.excess(is_last=True)):
                    self.ending, self.ending_message = "OUT_OF_STORAGE", _too_much(taken, storage)
                self._write_exit(*self._judge(status))
                return
            now = time.monotonic()
            if heard is not None and heard.si_signo in (signal.SIGTERM, signal.SIGINT):
                self._end("STOPPED", "stopped")
            if deadline is not None and now >= deadline:
                self._end("TIMED_OUT", f"ran longer than its time limit of {limit:g} s; raise the limit")
            if self.kill_clock is not None and now >= self.kill_clock:
                self._signal_all(signal.SIGKILL)
                self.kill_clock = now + 0.2
            if now >= next_sample:
                used = self.sampler.sample()
                took = time.monotonic() - now
                allowed = self.launch.get("memory_bytes") or 0
                if allowed and used > OVERUSE * allowed:
                    self._end(
                        "OUT_OF_MEMORY",
                        f"used {human_bytes(used)} of memory, having asked for {human_bytes(allowed)}; ask for more",
                        grace=0.0,
                    )
                if storage and (taken := disk.excess()):
                    self._end("OUT_OF_STORAGE", _too_much(taken, storage))
                if os.fstat(lock).st_nlink == 0:
                    self._end("STOPPED", "its folder was removed")
                if os.path.exists(self.path("stop")):
                    self._end("STOPPED", "stopped")
                close = allowed and used > 0.7 * allowed
                longest = ENDLESS_PERIOD_SECONDS if self.is_endless else LAST_PERIOD_SECONDS
                self.period = FIRST_PERIOD_SECONDS if close else min(longest, self.period * 1.5)
                rest = 0.0 if close else min(ENDLESS_PERIOD_SECONDS, took / MEASURING_PART)
                next_sample = time.monotonic() + max(self.period, rest)

    def _end(self, reason: str, message: str, grace: float | None = None) -> None:
        """Ask the whole family to end; the kill follows after the grace. The first reason counts."""
        if self.ending:
            return
        self.ending, self.ending_message = reason, message
        seconds: float = self.launch.get("grace_seconds", 10.0) if grace is None else grace
        self.kill_clock = time.monotonic() + seconds
        if seconds > 0:
            self._signal_all(signal.SIGTERM)

    def _signal_all(self, number: int) -> None:
        # Found before the group is signalled: what its parent leaves is still in the tree, for we reap orphans.
        family = [pid for pid in descendants(os.getpid()) if pid != self.filter]
        targets = [-self.child] if group_exists(self.child) else []
        for pid in targets + [pid for pid in family if group_of(pid) != self.child]:
            try:
                os.kill(pid, number)
            except (ProcessLookupError, PermissionError):
                pass  # ended meanwhile, or a set-uid program of another account

    def _reap(self) -> int | None:
        """Take leave of every child that has ended; returns the program's own wait status."""
        found = None
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return found
            if not pid:
                return found
            if pid == self.child:
                found = status
            elif pid == self.filter:
                self.filter = 0

    def _judge(self, status: int) -> tuple[str, int, str]:
        code = os.waitstatus_to_exitcode(status)
        if self.ending:
            return self.ending, code, self.ending_message
        if code == 0:
            return "COMPLETED", 0, ""
        if code in KILLED and oom_kills() > self.oom_kills:
            return (
                "OUT_OF_MEMORY",
                code,
                (
                    f"the machine ran out of memory; its peak was {human_bytes(self.sampler.peak_bytes)}. "
                    "Ask for as much memory as it needs, so that it waits for room"
                ),
            )
        if code < 0:
            return "FAILED", code, f"ended by {_signal_name(-code)}"
        return "FAILED", code, f"exit status {code}"

    # --- end ---

    def _write_exit(self, reason: str, code: int | None, message: str) -> None:
        record = {
            "reason": reason,
            "code": code,
            "started_at": None if self.started is None else timestamp(self.started),
            "ended_at": timestamp(time.time()),
            "peak_memory_bytes": self.sampler.peak_bytes,
            "cpu_seconds": round(self.sampler.cpu_seconds, 3),
            "message": message[:1000],
        }
        write_exit(self.folder, record)

    def _sweep(self) -> None:
        """Kill what the program left, in its group or anywhere below; orphans become our children and are found."""
        deadline = time.monotonic() + 30.0
        while time.monotonic() < deadline:
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            except ChildProcessError:
                return
            self._signal_all(signal.SIGKILL)
            signal.sigtimedwait({signal.SIGCHLD}, 0.05)


def _finish(body: Callable[[], int]) -> int:
    """Run a program in this very process, and what Python does at the end of one."""
    import atexit
    import threading
    import traceback

    try:
        cast("Any", sys.stdout).reconfigure(line_buffering=True)
        code = body()
    except SystemExit as exit:
        code = exit.code if isinstance(exit.code, int) else (0 if exit.code is None else 1)
        if isinstance(exit.code, str):
            print(exit.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        code = 1
    try:
        threading._shutdown()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
        atexit._run_exitfuncs()  # pyright: ignore[reportPrivateUsage]
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        traceback.print_exc()
    return int(code) & 0xFF


def _too_much(taken_bytes: int, asked_bytes: int) -> str:
    return f"its files took {human_bytes(taken_bytes)}, having asked for {human_bytes(asked_bytes)}; ask for more"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def supervise(folder: str, notify: int, body: Callable[[], int] | None = None) -> NoReturn:
    """Be the shim of `folder` in this process, which must be single-threaded and of no further use.

    `body` runs in the forked child instead of executing launch.json's argv.
    """
    code = 1
    try:
        os.setsid()
        log = os.open(f"{folder}/log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        for source, target in ((null, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        os.close(log)
        os.close(null)
        Shim(folder, notify, body).run()
        code = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)


def main() -> None:
    """Started with the folder as last argument and the notification pipe as standard output; returns at once."""
    notify = fcntl.fcntl(1, fcntl.F_DUPFD_CLOEXEC, 3)
    if not os.fork():
        supervise(sys.argv[-1], notify)


#: what starts a shim by itself, to be followed by the folder: isolated, without `site`, from compiled code
COMMAND = (
    sys.executable,
    "-I",
    "-S",
    "-c",
    f"import sys; sys.path.append({ROOT!r}); from orrery.executors.shim import main; main()",
)
