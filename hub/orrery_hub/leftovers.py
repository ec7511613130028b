"""Servers that a hub started and forgot: it was killed between the start of a process and the note of its number.

Two servers over one data volume would write over each other, so the older one ends before the next begins. Linux only.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

GRACE_SECONDS: Final = 10.0
#: words of the command line of a notebook's server and of what runs before it; its kernels end by themselves
_COMMANDS: Final = (b"jupyterhub-singleuser", b"orrery_hub.start")


def end_leftovers(notebook_id: str) -> list[int]:
    """End the servers of this notebook that run here; the numbers of their processes."""
    found = list(find_servers(notebook_id))
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            _end(pid)
    return found


def find_servers(notebook_id: str) -> Iterator[int]:
    wanted = f"ORRERY_NOTEBOOK_ID={notebook_id}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
            if any(word in command for word in _COMMANDS) and wanted in (folder / "environ").read_bytes().split(b"\0"):
                yield int(folder.name)
        except OSError:
            continue  # it has ended, or is somebody else's


def _end(pid: int) -> None:
    descriptor = os.pidfd_open(pid)
    try:
        for number in (signal.SIGTERM, signal.SIGKILL):
            signal.pidfd_send_signal(descriptor, number)
            if select.select([descriptor], [], [], GRACE_SECONDS)[0]:
                return
    finally:
        os.close(descriptor)
