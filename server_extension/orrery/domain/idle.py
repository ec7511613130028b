"""What becomes of a notebook that nobody uses: a warning, then its kernels on GPUs are freed, later the server stops.

Pure. The notebook's server reports what is idle since when; this decides. Nothing happens without a report, so that an
unreachable platform stops nothing, and each act is decided on a report made for it a moment before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

SERVER: Final = "server"
#: "keep" puts everything off for so long
KEEP_SECONDS: Final = 3600.0


@dataclass(frozen=True)
class IdleLimits:
    """In seconds; None: never."""

    server_seconds: float | None = None
    #: kernels that hold a GPU, or more memory than `kernel_bytes`
    kernel_seconds: float | None = None
    kernel_bytes: int = 2 << 30
    #: how long before an act it is said
    warning_seconds: float = 600.0

    def for_notebook(self, own_seconds: float | None, longest_seconds: float | None) -> IdleLimits:
        """With a notebook's own limit: it may shorten the site's, and lengthen it up to `longest_seconds`."""
        if own_seconds is None:
            return self
        most = max((limit for limit in (self.server_seconds, longest_seconds) if limit is not None), default=None)
        allowed = own_seconds if most is None else min(own_seconds, most)
        return IdleLimits(allowed, self.kernel_seconds, self.kernel_bytes, self.warning_seconds)


@dataclass(frozen=True)
class IdleKernel:
    """A kernel as reported. `idle_since` is None while it works."""

    id: str
    title: str
    idle_since: float | None
    memory_bytes: int = 0
    holds_gpu: bool = False


@dataclass(frozen=True)
class Warned:
    """What is about to happen, and when it was first said."""

    at: float
    #: a change of it begins the warning anew
    idle_since: float


@dataclass(frozen=True)
class Warning:
    """`subject` is "server" or a kernel's id; `act_at` the earliest moment, in seconds since 1970."""

    subject: str
    title: str
    idle_since: float
    act_at: float


@dataclass(frozen=True)
class Decision:
    warnings: tuple[Warning, ...] = ()
    #: ids of kernels to free now, their variables saved before
    free: tuple[str, ...] = ()
    #: the server's time has come
    stop: bool = False
    #: what to remember until the next report
    warned: Mapping[str, Warned] = field(default_factory=dict[str, Warned])


def decide(
    now: float,
    limits: IdleLimits,
    server_idle_since: float | None,
    kernels: tuple[IdleKernel, ...],
    *,
    warned: Mapping[str, Warned],
    kept_until: float | None,
) -> Decision:
    """One turn. Whatever works is never warned of, and nothing is done that was not said for `warning_seconds`."""
    subjects: list[tuple[str, str, float, float]] = []
    if server_idle_since is not None and limits.server_seconds is not None:
        subjects.append((SERVER, "this notebook", server_idle_since, limits.server_seconds))
    for kernel in kernels:
        is_costly = kernel.holds_gpu or kernel.memory_bytes >= limits.kernel_bytes
        if kernel.idle_since is not None and limits.kernel_seconds is not None and is_costly:
            subjects.append((kernel.id, kernel.title, kernel.idle_since, limits.kernel_seconds))
    warnings: list[Warning] = []
    due: list[str] = []
    told: dict[str, Warned] = {}
    for subject, title, idle_since, limit in subjects:
        due_at = max(idle_since + limit, kept_until or 0.0)
        # a limit shorter than its warning is half warning
        ahead = min(limits.warning_seconds, limit / 2)
        if now < due_at - ahead:
            continue
        before = warned.get(subject)
        if before is None or before.idle_since != idle_since or before.at < (kept_until or 0.0) - KEEP_SECONDS:
            before = Warned(now, idle_since)
        told[subject] = before
        act_at = max(due_at, before.at + ahead)
        if now >= act_at:
            due.append(subject)
        else:
            warnings.append(Warning(subject, title, idle_since, act_at))
    return Decision(
        warnings=tuple(sorted(warnings, key=lambda warning: warning.act_at)),
        free=tuple(subject for subject in due if subject != SERVER),
        stop=SERVER in due,
        warned=told,
    )
