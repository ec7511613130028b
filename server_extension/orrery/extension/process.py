"""The platform's process as several Jupyter servers of one person share it: who may start it, who has to stop it.

Three files under `$ORRERY_HOME/run/`:

`jupyter-start.lock`   held by the server that is starting the platform, so that two never do
`jupyter-users.lock`   held *shared* by each server that uses it; whoever gets it alone is the last
`jupyter-child.json`   the process that a server started, with its start time (a process id alone may have been reused)

The kernel drops a lock with its holder, however that ended; nothing here has to be cleaned up.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, cast

#: a log above this is put aside as `.1` before the next start
LOG_BYTES: Final = 16 << 20


class Lock:
    """An advisory lock on a file, held until `release` or the end of the process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    @property
    def is_held(self) -> bool:
        return self._descriptor is not None

    def acquire(self, *, shared: bool = False) -> bool:
        """Takes it without waiting; changes the mode where it is held already. Whether it is now held that way."""
        if self._descriptor is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            return False
        return True

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


@dataclass(frozen=True)
class Announcement:
    """`run/platform.json`: what a running platform says of itself."""

    url: str
    token: str
    version: str

    def __repr__(self) -> str:
        return f"Announcement(url={self.url!r}, version={self.version!r})"


@dataclass(frozen=True)
class Child:
    pid: int
    #: when the process began, in the system's own terms; None where it does not tell
    began: str | None


def read_json(path: Path) -> dict[str, Any] | None:
    """None where there is no such file, or it is half written."""
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def read_announcement(home: Path) -> Announcement | None:
    value = read_json(home / "run" / "platform.json")
    if value is None or not isinstance(value.get("url"), str) or not isinstance(value.get("token"), str):
        return None
    return Announcement(
        url=value["url"].rstrip("/"), token=value["token"], version=str(value.get("version", "unknown"))
    )


def process_began(pid: int) -> str | None:
    """The start time of a live process (in clock ticks since boot); None where it is gone or cannot be told."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def is_alive(child: Child) -> bool:
    if child.began is not None:
        return process_began(child.pid) == child.began
    try:
        os.kill(child.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def read_child(home: Path) -> Child | None:
    """The platform that a Jupyter server started, if it still runs."""
    value = read_json(home / "run" / "jupyter-child.json")
    if value is None or not isinstance(value.get("pid"), int):
        return None
    child = Child(pid=value["pid"], began=value.get("began"))
    return child if is_alive(child) else None


def start_child(home: Path, command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Starts the platform in a session of its own (a Ctrl-C in Jupyter's terminal is Jupyter's), its output logged."""
    log = log_path(home)
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    child = Child(pid=process.pid, began=process_began(process.pid))
    record = home / "run" / "jupyter-child.json"
    temporary = record.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps(asdict(child)))
    temporary.replace(record)
    return process


def log_path(home: Path) -> Path:
    return home / "logs" / "platform.log"


def last_words(home: Path, lines: int = 3) -> str:
    """The end of the platform's log: why it did not start."""
    try:
        with log_path(home).open("rb") as log:
            log.seek(max(0, log_path(home).stat().st_size - 4096))
            text = log.read().decode(errors="replace")
    except OSError:
        return ""
    return " ".join(text.strip().splitlines()[-lines:])


def terminate(child: Child) -> None:
    if is_alive(child):
        os.kill(child.pid, signal.SIGTERM)
