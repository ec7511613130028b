"""What one client may take of a server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """A body's own limit is given where it is collected."""

    head_bytes: int = 32768
    headers: int = 100
    connections: int = 4096
    #: from the first byte of a head to its end
    head_seconds: float = 15.0
    #: a kept-alive connection without a request
    idle_seconds: float = 75.0
    #: a body may be this late, beside `body_bytes_per_second`
    body_grace_seconds: float = 30.0
    body_bytes_per_second: int = 1024
    #: a client that reads nothing of its answer
    write_stall_seconds: float = 60.0
    #: between SIGTERM and cutting what is left
    drain_seconds: float = 25.0
