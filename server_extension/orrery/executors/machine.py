"""This machine: what it has to hand out, and which of its processes belong to a folder whose shim has died."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

from orrery.executors import folders
from orrery.executors.contract import Exit, ExitReason, Resources
from orrery.executors.family import boot_id, start_ticks, stat_fields

#: in the environment of every program: one of these names its folder
FOLDER_VARIABLES = ("ORRERY_JOB_DIR", "ORRERY_REPLICA_DIR")


def detect_gpus() -> tuple[str, ...]:
    """What `CUDA_VISIBLE_DEVICES` may name here; empty where there is no GPU or no driver."""
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if allowed is not None:
        return tuple(part.strip() for part in allowed.split(",") if part.strip() not in ("", "-1", "NoDevFiles"))
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    try:
        answer = subprocess.run(
            [program, "--query-gpu=index", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ()  # a driver that does not answer gives no GPU to a job either
    return tuple(line.strip() for line in answer.stdout.splitlines() if line.strip().isdigit())


def detect_capacity(gpus: int) -> Resources:
    """The cores and the memory that this process may use; container limits count."""
    cores = float(len(os.sched_getaffinity(0)))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    quota, _, period = _read(Path("/sys/fs/cgroup/cpu.max")).partition(" ")
    if quota.isdigit() and period.strip().isdigit():
        cores = min(cores, int(quota) / int(period))
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        limit = _read(Path(path)).strip()
        if limit.isdigit() and int(limit) > 0:
            memory = min(memory, int(limit))
    return Resources(cores=cores, memory_bytes=memory, gpus=gpus)


def open_process(record: folders.ShimRecord) -> int | None:
    """A pidfd of exactly the process that the record names; None when it has ended.

    Raises: `OSError` where the kernel has none.
    """
    if record.boot_id != boot_id():
        return None
    try:
        descriptor = os.pidfd_open(record.pid)
    except ProcessLookupError:
        return None
    if start_ticks(record.pid) != record.start_ticks:
        os.close(descriptor)
        return None
    return descriptor


def bury(folder: Path) -> Exit | None:
    """Settle a folder whose shim died before it wrote how the program ended: kill what is left and write LOST.

    Returns what exit.json says then; None while a shim lives or the program was never started.
    """
    with folders.hold_lock(folder) as held:
        if not held:
            return None
        record = folders.read_shim(folder)
        if record is None:
            if ended := folders.read_exit(folder):
                _unlink(folder / "launch.json")
            return ended
        if not (folder / "launch.json").exists() and (ended := folders.read_exit(folder)):
            return ended  # swept, and said so
        if record.boot_id == boot_id():
            kill_remains(folder, record)
        ended = folders.read_exit(folder)
        if ended is None:
            restarted = record.boot_id != boot_id()
            ended = Exit(
                reason=ExitReason.LOST,
                code=None,
                started_at=record.started_at,
                ended_at=datetime.now(UTC),
                message="the machine restarted while it ran; start it again"
                if restarted
                else "its supervisor was killed while it ran, so nobody saw how it ended; start it again",
            )
            folders.write_exit(folder, ended)
        _unlink(folder / "launch.json")
        return ended


def kill_remains(folder: Path, record: folders.ShimRecord) -> None:
    """Kill every process of the folder's program until there is none; for a folder whose lock is held here."""
    deadline = time.monotonic() + 10.0
    while (remains := find_remains(folder, record)) and time.monotonic() < deadline:
        for pid in remains:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
        time.sleep(0.005)


def find_remains(folder: Path, record: folders.ShimRecord) -> list[int]:
    """Processes of the program's session, or that carry the folder in their environment, or print to its log."""
    markers = {f"{name}={folder}".encode() for name in FOLDER_VARIABLES}
    found: list[int] = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        fields = stat_fields(int(name))
        # A zombie is dead; and nothing older than the shim can be of its family.
        if fields is None or fields[0] in "ZX" or int(fields[19]) < record.start_ticks:
            continue
        if int(fields[3]) == record.child and start_ticks(record.child) in (None, record.child_start_ticks):
            found.append(int(name))
        elif _carries(name, markers) or _prints_to(name, folder / "log"):
            found.append(int(name))
    return found


def _carries(pid: str, markers: set[bytes]) -> bool:
    try:
        return not markers.isdisjoint(Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"))
    except OSError:
        return False


def _prints_to(pid: str, log: Path) -> bool:
    # What was forked without an exec carries its parent's environment, but the output is its own.
    for descriptor in ("1", "2"):
        try:
            if os.readlink(f"/proc/{pid}/fd/{descriptor}") == str(log):
                return True
        except OSError:
            continue
    return False


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii")
    except OSError:
        return ""


def _unlink(path: Path) -> None:
    path.unlink(missing_ok=True)
