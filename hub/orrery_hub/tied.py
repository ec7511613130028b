"""A process that ends with the hub, however the hub ends: `python -m orrery_hub.tied COMMAND...`.

The hub's proxy and the platform run so. The jobs and replicas that the platform started go on.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Final

PR_SET_PDEATHSIG: Final = 1


def end_with_parent() -> None:
    """Asks the kernel for a SIGTERM at the parent's end; kept across exec. Linux only."""
    if not sys.platform.startswith("linux"):
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the hub ended while this was starting")


def tie(command: list[str]) -> list[str]:
    return [sys.executable, "-m", "orrery_hub.tied", *command]


if __name__ == "__main__":
    end_with_parent()
    os.execvp(sys.argv[1], sys.argv[1:])
