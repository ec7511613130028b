"""A cell of `1+1` on an instance takes at most 10 ms longer than in a kernel of the notebook server itself.

Both kernels belong to one JupyterLab and take turns in one run; a cell's time is from its sending to the kernel's idle.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from orrery.testing.instance_kernels import Kernel, begin, connected, wait_for_kernels
from orrery.testing.jupyter import jupyter_lab
from orrery.testing.platform import RunningPlatform

CELLS = 200
MOST_MS = 10.0
TYPE = "python3.on.cpu-small"


def cell_ms(kernel: Kernel) -> float:
    begun = time.perf_counter()
    kernel.run("1+1")
    return (time.perf_counter() - begun) * 1000


def main() -> int:
    folder = Path(tempfile.mkdtemp(prefix="orr-bench-"))
    with RunningPlatform(folder / "home") as platform, jupyter_lab(platform.home, folder / "lab") as server:
        wait_for_kernels(server, TYPE)
        begun = time.perf_counter()
        there = begin(server, TYPE, path="there.ipynb")
        with connected(server, there) as on_instance:
            on_instance.run("1+1")
            first_cell_seconds = time.perf_counter() - begun
            begun = time.perf_counter()
            with connected(server, begin(server, "python3", path="here.ipynb")) as local:
                local.run("1+1")
                first_local_seconds = time.perf_counter() - begun
                pairs = [(cell_ms(local), cell_ms(on_instance)) for _ in range(CELLS)]
        with server.client() as client:
            client.delete(f"/api/kernels/{there}").raise_for_status()
    here_ms, there_ms = (statistics.median(taken) for taken in zip(*pairs, strict=True))
    result = {
        "cells": CELLS,
        "median_ms_local": round(here_ms, 2),
        "median_ms_on_instance": round(there_ms, 2),
        "difference_ms": round(there_ms - here_ms, 2),
        # for the record: from the choice in the picker to the first cell's end
        "first_cell_seconds_local": round(first_local_seconds, 2),
        "first_cell_seconds_on_instance": round(first_cell_seconds, 2),
    }
    print(json.dumps(result, indent=2))
    return 0 if there_ms - here_ms < MOST_MS else 1


if __name__ == "__main__":
    sys.exit(main())
