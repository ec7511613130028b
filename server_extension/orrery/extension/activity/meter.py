"""One sample of everything: the server's kernels, terminals and processes, its memory, GPUs and volume.

What Jupyter knows is asked on its event loop; /proc and the disk are read in a thread.
"""

# Jupyter's managers carry few types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jupyter_server.serverapp import ServerApp

from orrery.executors.meter import CGROUP, GpuReading, open_gpus, read_memory
from orrery.extension.activity.processes import Groups, ProcessTable, make_mark
from orrery.extension.activity.use import KernelReading, Sample, TerminalReading
from orrery.extension.activity.volume import Volume, VolumeReading

#: JupyterHub's spawners give the memory that they allow
MEMORY_LIMIT_VARIABLE: Final = "MEM_LIMIT"
DATA_FOLDER_VARIABLE: Final = "ORRERY_DATA_DIR"


@dataclass(frozen=True)
class Figures:
    """What the monitoring shows. `cores` is None at first; `memory_total_bytes`: the limit, or the machine's."""

    at: float
    cores: float | None
    cores_total: float
    memory_bytes: int
    memory_total_bytes: int
    volume: VolumeReading
    gpus: tuple[GpuReading, ...] = ()


@dataclass(frozen=True)
class KernelPlace:
    """What Jupyter knows of a kernel, and its process on this machine, None where it runs elsewhere."""

    id: str
    path: str
    kernel_name: str
    pid: int | None
    execution_state: str
    active_at: float
    started_at: float


class ServerMeter:
    """`read` in turn, from the event loop. `folder` is the data volume."""

    def __init__(self, serverapp: ServerApp, folder: Path) -> None:
        self._serverapp = serverapp
        self._gpus = open_gpus()
        self._table = ProcessTable(os.getpid(), make_mark(), has_gpus=self._gpus is not None)
        self._started: dict[str, float] = {}
        self.volume = Volume(folder)
        self.person_at: float | None = None
        #: kernels whose variables are read at this moment
        self.saving: set[str] = set()
        #: until when what a kernel did was our own asking
        self.asked_until: dict[str, float] = {}

    async def read(self) -> tuple[Sample, Figures]:
        """Raises: OSError where the volume cannot be read."""
        kernels = await self.kernels()
        terminals = self._terminals()
        roots = {kernel.pid for kernel in kernels if kernel.pid is not None} | {found[0] for found in terminals}
        monotonic = time.monotonic()
        groups, volume, memory, gpus = await asyncio.to_thread(self._read_machine, monotonic, roots)
        at = time.time()
        sample = Sample(
            at=at,
            kernels=tuple(self._kernel(kernel, groups) for kernel in kernels),
            terminals=tuple(
                TerminalReading(name, output_at, foreground, groups.by_root[pid])
                for pid, name, output_at, foreground in terminals
            ),
            background=groups.background,
            background_name=groups.background_name,
            person_at=self.person_at,
            gpu_used={index: gpu.used for index, gpu in enumerate(gpus) if gpu.used is not None},
        )
        used, total = memory if memory[0] is not None else (groups.memory_bytes, memory[1])
        cores = len(os.sched_getaffinity(0))
        figures = Figures(at, groups.cores, float(cores), used or 0, total, volume, gpus)
        return sample, figures

    async def kernels(self) -> list[KernelPlace]:
        """Those of open notebooks and consoles, and those that nobody has opened anything for."""
        manager = self._serverapp.kernel_manager
        paths: dict[str, str] = {}
        for session in await self._serverapp.session_manager.list_sessions():
            paths[session["kernel"]["id"]] = session["path"]
        found: list[KernelPlace] = []
        for kernel_id in manager.list_kernel_ids():
            kernel: Any = manager.get_kernel(kernel_id)
            active_at = kernel.last_activity.timestamp()
            found.append(
                KernelPlace(
                    id=kernel_id,
                    path=paths.get(kernel_id, ""),
                    kernel_name=kernel.kernel_name,
                    pid=local_pid(kernel),
                    execution_state=str(kernel.execution_state),
                    active_at=active_at,
                    started_at=self._started.setdefault(kernel_id, active_at),
                )
            )
        there = {kernel.id for kernel in found}
        self._started = {key: at for key, at in self._started.items() if key in there}
        self.asked_until = {key: at for key, at in self.asked_until.items() if key in there}
        return found

    def _kernel(self, kernel: KernelPlace, groups: Groups) -> KernelReading:
        is_ours = kernel.active_at <= self.asked_until.get(kernel.id, 0.0)
        return KernelReading(
            id=kernel.id,
            title=os.path.basename(kernel.path) or kernel.id[:8],
            execution_state=kernel.execution_state,
            active_at=kernel.started_at if is_ours else kernel.active_at,
            started_at=kernel.started_at,
            group=groups.by_root.get(kernel.pid) if kernel.pid is not None else None,
            is_being_saved=kernel.id in self.saving,
        )

    def _terminals(self) -> list[tuple[int, str, float, str | None]]:
        """(the shell's pid, name, last output, the program in front)."""
        manager: Any = self._serverapp.web_app.settings.get("terminal_manager")
        found: list[tuple[int, str, float, str | None]] = []
        terminals: Mapping[str, Any] = manager.terminals if manager is not None else {}
        for name, terminal in terminals.items():
            pty = terminal.ptyproc
            if pty.isalive():
                found.append((pty.pid, name, terminal.last_activity.timestamp(), foreground(pty.fd, pty.pid)))
        return found

    def _read_machine(
        self, now: float, roots: set[int]
    ) -> tuple[Groups, VolumeReading, tuple[int | None, int], tuple[GpuReading, ...]]:
        gpus = self._gpus.read() if self._gpus is not None else ()
        return self._table.read(now, roots), self.volume.read(now), memory_limits(), gpus


def memory_limits() -> tuple[int | None, int]:
    """(used as the limit counts it, the limit). `used` is None where nothing but the machine limits it."""
    used, total = read_memory()
    if (CGROUP / "memory.max").exists() and (CGROUP / "memory.max").read_text("ascii").strip().isdigit():
        return used, total
    given = os.environ.get(MEMORY_LIMIT_VARIABLE, "")
    return None, int(given) if given.isdigit() and int(given) > 0 else total


def foreground(descriptor: int, shell: int) -> str | None:
    """The program in a terminal's foreground; None at the prompt of its shell."""
    try:
        group = os.tcgetpgrp(descriptor)
        if group == os.getpgid(shell):
            return None
        with open(f"/proc/{group}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        # the terminal was closed, or the program has just ended
        return None


def local_pid(kernel: Any) -> int | None:
    """The pid of a kernel's process, where it is one of this machine."""
    provisioner = getattr(kernel, "provisioner", None)
    pid = getattr(provisioner, "pid", None)
    process = getattr(provisioner, "process", None)
    return pid if isinstance(pid, int) and process is not None else None


def data_folder(serverapp: ServerApp) -> Path:
    return Path(os.environ.get(DATA_FOLDER_VARIABLE) or serverapp.root_dir).expanduser()
