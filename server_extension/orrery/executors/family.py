"""What the kernel tells about a family of processes: who belongs to it, and what it uses.

Standard library only: the shim loads it in a few milliseconds. Every function copes with processes that end meanwhile.
"""

from __future__ import annotations

import os
from typing import NamedTuple

#: shared pages are told apart only below this size of one process: it costs the kernel a walk over all its pages
EXACT_MEMORY_BYTES = 4 << 30
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")


def stat_fields(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the third (state) on; None when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().decode("ascii", "replace").rpartition(")")[2].split()
    except OSError:
        return None


def start_ticks(pid: int) -> int | None:
    """When the process started, in clock ticks since boot: with the pid, its identity until the next boot."""
    fields = stat_fields(pid)
    return int(fields[19]) if fields else None


def boot_id() -> str:
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()


def oom_kills() -> int:
    """How often the kernel has ended a process on this machine for want of memory."""
    try:
        with open("/proc/vmstat") as file:
            for line in file:
                if line.startswith("oom_kill "):
                    return int(line.split()[1])
    except OSError:
        return 0
    return 0


def descendants(root: int) -> list[int]:
    found: list[int] = []
    todo = [root]
    while todo:
        parent = todo.pop()
        try:
            tasks = os.listdir(f"/proc/{parent}/task")
        except OSError:
            continue
        for task in tasks:
            try:
                with open(f"/proc/{parent}/task/{task}/children") as file:
                    children = [int(word) for word in file.read().split()]
            except FileNotFoundError:
                if os.path.exists(f"/proc/{parent}/task/{task}"):
                    return _descendants_by_scan(root)  # a kernel without CONFIG_PROC_CHILDREN
                continue
            except OSError:
                continue
            found += children
            todo += children
    return found


def _descendants_by_scan(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (fields := stat_fields(int(name))):
            children.setdefault(int(fields[1]), []).append(int(name))
    found: list[int] = []
    todo = [root]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def _memory_bytes(pid: int, resident: int) -> int:
    """The process's proportional share: a page that n processes hold counts as 1/n in each."""
    if resident < EXACT_MEMORY_BYTES:
        try:
            with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
                for line in file:
                    if line.startswith(b"Pss:"):
                        return int(line.split()[1]) * 1024
        except OSError:
            pass  # it has just ended, or the kernel does not tell: its resident pages are the next best figure
    return resident


def resident_bytes(pid: int) -> int:
    """All its pages, those that others hold as well included; 0 for one that is gone."""
    fields = stat_fields(pid)
    return int(fields[21]) * PAGE_BYTES if fields else 0


class Process(NamedTuple):
    parent: int
    #: those of children that it has waited for included
    cpu_seconds: float
    memory_bytes: int


def measure(pid: int) -> Process | None:
    """None when there is no such process."""
    fields = stat_fields(pid)
    if not fields:
        return None
    cpu = sum(int(word) for word in fields[11:15]) / TICKS
    return Process(int(fields[1]), cpu, _memory_bytes(pid, int(fields[21]) * PAGE_BYTES))


def usage(family: list[int]) -> tuple[float, int]:
    """CPU seconds, those of waited-for children included, and bytes of memory that the processes use together."""
    found = [process for pid in family if (process := measure(pid)) is not None]
    return sum(process.cpu_seconds for process in found), sum(process.memory_bytes for process in found)


def group_of(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return -1


def group_exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
