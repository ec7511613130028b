"""Starting a shim: the environment of a program, launch.json, and the way through the zygote or a new process."""

from __future__ import annotations

import logging
import math
import os
import pwd
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orrery.errors import Invalid
from orrery.executors import folders, shim
from orrery.executors.contract import Resources

log = logging.getLogger(__name__)

#: of the platform's own environment, what no program may see
_PRIVATE = re.compile(
    r"^(ORRERY|JUPYTERHUB|JPY|CONFIGPROXY)_|TOKEN|SECRET|PASSWORD|CREDENTIAL|API_KEY|ACCESS_KEY|DATABASE_URL"
)
#: read only when an interpreter or a loader starts: a forked program would not heed them
_NEEDS_EXEC = re.compile(r"^(PYTHON|LD_|MALLOC_|GLIBC_)")
_REFERENCE = re.compile(r"\$\(([A-Za-z_][A-Za-z0-9_]*)\)")
#: what numerical libraries read when they are loaded, to use as many threads as they were given cores
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_MAX_THREADS")

ZYGOTE_COMMAND = (sys.executable, "-P", "-m", "orrery.executors.zygote")


@dataclass(frozen=True)
class Account:
    name: str
    uid: int
    gid: int
    home: str


def find_account(name: str | None) -> Account | None:
    """The account to switch to; None when it is the platform's own.

    Raises: `Invalid` when there is no such account, or the platform may not switch.
    """
    if name is None:
        return None
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise Invalid(f"there is no account {name!r} on this machine; create it, or run without one") from None
    if entry.pw_uid == os.geteuid():
        return None
    if os.geteuid() != 0:
        raise Invalid(f"the platform is not root here and cannot run as {name!r}; run it as root, or without accounts")
    return Account(name, entry.pw_uid, entry.pw_gid, entry.pw_dir)


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace `$(NAME)`, as Kubernetes does; an unknown name stays as it is."""
    return _REFERENCE.sub(lambda match: variables.get(match[1], match[0]), text)


def needs_exec(environment: Mapping[str, str]) -> bool:
    return any(_NEEDS_EXEC.match(name) for name in environment)


def make_environment(
    own: Mapping[str, str],
    given: Mapping[str, str],
    resources: Resources,
    gpus: Sequence[str],
    account: Account | None,
    hide_gpus: bool,
) -> dict[str, str]:
    """The platform's environment without its secrets, then what fits the resources, `given`, and `own` on top."""
    environment = {name: value for name, value in os.environ.items() if not _PRIVATE.search(name)}
    if account is not None:
        for name in [name for name in environment if name.startswith("XDG_")]:
            del environment[name]
        environment.update(HOME=account.home, USER=account.name, LOGNAME=account.name)
    threads = str(max(1, math.ceil(resources.cores)))
    environment.update(dict.fromkeys(_THREADS, threads), PYTHONUNBUFFERED="1")
    environment.update(given)
    if gpus:
        environment.update(CUDA_VISIBLE_DEVICES=",".join(gpus), CUDA_DEVICE_ORDER="PCI_BUS_ID")
    elif hide_gpus:
        environment["CUDA_VISIBLE_DEVICES"] = ""
    environment.update(own)
    return environment


def write_launch(
    folder: Path,
    *,
    argv: Sequence[str],
    environment: Mapping[str, str],
    cwd: Path,
    resources: Resources,
    gpus: Sequence[str] = (),
    time_limit_seconds: float | None = None,
    grace_seconds: float,
    storage_bytes: int | None = None,
    account: Account | None = None,
    oom_score: int = 500,
    secrets: Sequence[str] = (),
    is_endless: bool = False,
) -> None:
    """`secrets`: values in the environment that are masked in the log. `is_endless`: of what is to run for ever."""
    content: dict[str, Any] = {
        "argv": list(argv),
        "environment": dict(environment),
        "cwd": str(cwd),
        "memory_bytes": resources.memory_bytes,
        "gpus": list(gpus),
        "time_limit_seconds": time_limit_seconds,
        "grace_seconds": grace_seconds,
        "storage_bytes": storage_bytes,
        "account": None if account is None else {"name": account.name, "uid": account.uid, "gid": account.gid},
        "oom_score": oom_score,
        "secrets": list(secrets),
        "is_endless": is_endless,
    }
    folders.write_atomically(folder / "launch.json", content, durable=False)


@dataclass
class Launching:
    """A start under way: the pipe tells when the shim has begun."""

    notify_fd: int
    process: subprocess.Popen[bytes] | None = None

    def finish(self) -> None:
        os.close(self.notify_fd)
        if self.process is not None:
            self.process.wait()  # it has ended: it only forks the shim


def start_shim(folder: Path) -> Launching:
    """Start a shim by itself; about 20 ms."""
    read, write = os.pipe()
    try:
        with open(folder / "log", "ab") as errors:
            process = subprocess.Popen(
                [*shim.COMMAND, str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=write,
                stderr=errors,
                cwd="/",
                env={"PATH": os.defpath},
            )
    except BaseException:
        os.close(read)
        raise
    finally:
        os.close(write)
    os.set_blocking(read, False)
    return Launching(read, process)


class Zygote:
    """The platform's end of the zygote: started on demand, again when it has died, given up after repeated failure."""

    MAX_FAILURES = 3

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._failures = 0

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Begin to load it, in the background."""
        with self._lock:
            self._ensure()

    def start_shim(self, folder: Path) -> Launching | None:
        """Ask it to fork a shim for the folder; None when it cannot be had."""
        with self._lock:
            for _ in range(2):  # once more, for one that died since the last job
                if not self._ensure():
                    return None
                assert self._channel is not None
                read, write = os.pipe()
                try:
                    socket.send_fds(self._channel, [str(folder).encode()], [write])
                except OSError:
                    os.close(read)
                    self._drop()
                    continue
                finally:
                    os.close(write)
                os.set_blocking(read, False)
                return Launching(read)
        return None

    def close(self) -> None:
        with self._lock:
            if self._channel is not None:
                self._channel.close()
                self._channel = None
            if self._process is not None:
                self._process.wait()
                self._process = None

    def _ensure(self) -> bool:
        """Note what has become of the zygote, and start one if there is none. False: not to be had."""
        if self._process is not None and self._process.poll() is not None:
            log.warning("the zygote ended with status %s", self._process.returncode, extra={"action": "zygote_ended"})
            self._drop()
        if self._process is None:
            if self._failures >= self.MAX_FAILURES:
                return False
            self._spawn()
        elif self._failures and self._channel is not None and self._is_ready(self._channel):
            self._failures = 0
        return True

    def _is_ready(self, channel: socket.socket) -> bool:
        try:
            return bool(channel.recv(16, socket.MSG_DONTWAIT))
        except OSError:
            return False

    def _spawn(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            environment = {name: value for name, value in os.environ.items() if not _PRIVATE.search(name)}
            # A forked program cannot change these afterwards.
            environment["PYTHONUNBUFFERED"] = "1"
            self._process = subprocess.Popen(
                ZYGOTE_COMMAND,
                stdin=theirs.fileno(),
                env=environment,
                cwd="/",
                start_new_session=True,
            )
        ours.setblocking(False)
        self._channel = ours
        self._failures += 1  # until it has said that it is ready

    def _drop(self) -> None:
        if self._channel is not None:
            if self._is_ready(self._channel):
                self._failures = 0
            self._channel.close()
            self._channel = None
        if self._process is not None:
            if self._process.poll() is None:
                self._process.kill()
            self._process.wait()
            self._process = None
