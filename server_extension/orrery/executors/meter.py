"""How much of this machine is in use now: processor, memory, disk, GPUs. A reading costs a fraction of a millisecond.

Where a container's limits hold, they are the machine: what is used is measured against them. GPUs are read through the
driver's own library (NVML) in this process; starting `nvidia-smi` for each reading would cost a hundred times as much.
"""

from __future__ import annotations

import ctypes
import functools
import logging
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

log = logging.getLogger(__name__)

CGROUP: Final = Path("/sys/fs/cgroup")
_NVML_LIBRARY: Final = "libnvidia-ml.so.1"
_NAME_BYTES: Final = 96


@dataclass(frozen=True)
class GpuReading:
    name: str
    #: 0 to 1; None where the driver does not tell
    used: float | None
    memory_bytes: int
    memory_total_bytes: int


@dataclass(frozen=True)
class Reading:
    """`at` in seconds since 1970. `cpu` is the share of all cores in use since the reading before, at first None."""

    at: float
    cpu: float | None
    memory_bytes: int
    memory_total_bytes: int
    disk_bytes: int
    disk_total_bytes: int
    gpus: tuple[GpuReading, ...] = ()


class Meter:
    """Reads the machine. `folder` names the file system whose space counts. Not thread-safe."""

    def __init__(self, folder: Path, cores: float) -> None:
        self._folder = folder
        self._cores = cores
        self._processor = _Processor(cores)
        self._gpus = open_gpus()

    def read(self) -> Reading:
        disk = shutil.disk_usage(self._folder)
        used, total = read_memory()
        return Reading(
            at=time.time(),
            cpu=self._processor.share(),
            memory_bytes=used,
            memory_total_bytes=total,
            # what others may not use (reserved for root) is no longer free
            disk_bytes=disk.total - disk.free,
            disk_total_bytes=disk.total,
            gpus=self._gpus.read() if self._gpus is not None else (),
        )


class _Processor:
    """The share of the cores in use between two looks."""

    def __init__(self, cores: float) -> None:
        self._cores = cores
        self._is_limited = _read(CGROUP / "cpu.max").partition(" ")[0].isdigit()
        self._before: tuple[float, float] | None = None

    def share(self) -> float | None:
        now = self._limited() if self._is_limited else self._whole()
        before, self._before = self._before, now
        if before is None or now[1] <= before[1]:
            return None
        return min(1.0, max(0.0, (now[0] - before[0]) / (now[1] - before[1])))

    def _limited(self) -> tuple[float, float]:
        """(used, could have been used): core seconds of this container."""
        fields = dict(line.split() for line in _read(CGROUP / "cpu.stat").splitlines())
        return int(fields.get("usage_usec", 0)) / 1e6, time.monotonic() * self._cores

    def _whole(self) -> tuple[float, float]:
        """(used, could have been used): ticks of all cores together."""
        ticks = [int(word) for word in _read(Path("/proc/stat")).partition("\n")[0].split()[1:9]]
        idle = ticks[3] + ticks[4] if len(ticks) > 4 else 0
        return float(sum(ticks) - idle), float(sum(ticks))


def read_memory() -> tuple[int, int]:
    """(used, total) bytes; caches that are given up on demand do not count as used."""
    lines = (line.split() for line in _read(Path("/proc/meminfo")).splitlines())
    there = {words[0].rstrip(":"): int(words[1]) << 10 for words in lines if len(words) > 1}
    total = there.get("MemTotal", os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    used = total - there.get("MemAvailable", there.get("MemFree", 0))
    limit = _read(CGROUP / "memory.max").strip()
    if limit.isdigit() and int(limit) < total:
        current = _read(CGROUP / "memory.current").strip()
        fields = dict(line.split() for line in _read(CGROUP / "memory.stat").splitlines())
        if current.isdigit():
            return max(0, int(current) - int(fields.get("inactive_file", 0))), int(limit)
    return used, total


class _Utilization(ctypes.Structure):
    """`nvmlUtilization_t`."""

    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))


class _Memory(ctypes.Structure):
    """`nvmlMemory_t`."""

    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


class Gpus:
    """The GPUs that the driver lists, opened once."""

    def __init__(self, library: Any) -> None:
        self._library = library
        self._devices: dict[int, tuple[Any, str]] = {}
        count = ctypes.c_uint()
        if library.nvmlDeviceGetCount_v2(ctypes.byref(count)) != 0:
            return
        for index in range(count.value):
            device = ctypes.c_void_p()
            name = ctypes.create_string_buffer(_NAME_BYTES)
            if library.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(device)) != 0:
                continue
            known = library.nvmlDeviceGetName(device, name, _NAME_BYTES) == 0
            shown = name.value.decode("utf-8", "replace") if known else f"GPU {index}"
            self._devices[index] = (device, shown)

    def read(self) -> tuple[GpuReading, ...]:
        return tuple(self.read_each().values())

    def read_each(self) -> dict[int, GpuReading]:
        """By the driver's number, which is CUDA's where that counts them by their place on the bus."""
        found: dict[int, GpuReading] = {}
        for index, (device, name) in self._devices.items():
            memory, utilization = _Memory(), _Utilization()
            if self._library.nvmlDeviceGetMemoryInfo(device, ctypes.byref(memory)) != 0:
                continue  # it has fallen off the bus, or is reset at this moment
            tells = self._library.nvmlDeviceGetUtilizationRates(device, ctypes.byref(utilization)) == 0
            used = utilization.gpu / 100 if tells else None
            found[index] = GpuReading(name, used, memory.used, memory.total)
        return found


def open_gpus() -> Gpus | None:
    """None where there is no NVIDIA driver, or it does not answer."""
    try:
        library = ctypes.CDLL(_NVML_LIBRARY)
        if library.nvmlInit_v2() != 0:
            return None
        return Gpus(library)
    except (OSError, AttributeError) as error:
        log.debug("no GPUs to read: %s", error)
        return None


@functools.cache
def smallest_gpu_bytes() -> int:
    """The memory of the smallest GPU of this machine, asked once; 0 without one."""
    gpus = open_gpus()
    return min((reading.memory_total_bytes for reading in gpus.read()), default=0) if gpus is not None else 0


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii")
    except OSError:
        return ""
