"""Waiting for a condition, with a deadline: what tests do instead of sleeping."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from typing import Final, TypeVar

PAUSE_SECONDS: Final = 0.01
Found = TypeVar("Found")


def wait_until(
    condition: Callable[[], Found | None],
    seconds: float = 60.0,
    what: str = "the condition",
    *,
    process: subprocess.Popen[bytes] | None = None,
) -> Found:
    """The first true value of `condition`.

    Raises: AssertionError at the deadline, naming what did not happen, or as soon as `process` has ended.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if process is not None and process.poll() is not None:
            raise AssertionError(f"the process ended with {process.returncode} before {what}")
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(PAUSE_SECONDS)
