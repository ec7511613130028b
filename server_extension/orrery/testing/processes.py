"""Real processes in tests: start one, wait until it is there, stop it whatever happens.

with running([sys.executable, "-m", "http.server", str(port)], log=tmp_path / "server.log") as server:
    wait_until(lambda: answers(port), what="the server answers", process=server)
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

Found = TypeVar("Found")

PAUSE_SECONDS: Final = 0.05
STOP_SECONDS: Final = 20.0


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def running(
    command: Sequence[str | Path],
    *,
    log: Path,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    stop_signal: signal.Signals = signal.SIGTERM,
) -> Generator[subprocess.Popen[bytes]]:
    """A process in a session of its own, stopped by `stop_signal` at the end, and killed where it does not obey.

    `environment` is added to this process's. What it writes goes to `log`; the log's end is noted on a failure within.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            cwd=folder,
            start_new_session=True,
        )
    try:
        yield process
    except BaseException as error:
        error.add_note(f"--- end of {log}\n{log.read_text(errors='replace')[-4000:]}")
        raise
    finally:
        stop(process, stop_signal)


def stop(process: subprocess.Popen[bytes], stop_signal: signal.Signals = signal.SIGTERM) -> None:
    if process.poll() is None:
        process.send_signal(stop_signal)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def is_running(pid: int) -> bool:
    """Whether a process lives (one that has ended but was not waited for does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
