"""The zygote: one thread with everything imported that a notebook job needs, from which jobs are forked.

It is a child of the platform and talks over one socket pair that it inherits as standard input: no name in the file
system, so nobody else can ask it to run anything. Each message is a job's folder, with the notification pipe as an
attached descriptor; the forked child becomes the shim, and the shim's child runs the job without an exec. When the
platform closes its end, in whatever way, the zygote ends; shims are in sessions of their own and stay.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from orrery.executors.shim import supervise

MESSAGE_BYTES = 4096
READY = b"ready"


def main() -> int:
    """Serve until the platform's end of the socket is closed."""
    channel = socket.socket(fileno=os.dup(0))
    # Ended shims are reaped by the kernel; nobody waits for them here.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    # Ctrl-C in the platform's terminal is the platform's affair.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        preload()
    except Exception as failed:
        print(f"the zygote could not load what jobs need, they will start more slowly: {failed!r}", file=sys.stderr)
        return 1
    threads = len(os.listdir("/proc/self/task"))
    if threads > 1:
        print(f"the zygote has {threads} threads after loading, it cannot fork safely", file=sys.stderr)
        return 1
    try:
        return serve(channel)
    except ConnectionError:
        return 0  # the platform was killed


def serve(channel: socket.socket) -> int:
    channel.send(READY)
    while True:
        message, descriptors, _, _ = socket.recv_fds(channel, MESSAGE_BYTES, 1)
        if not message:
            return 0
        if os.fork():
            for descriptor in descriptors:
                os.close(descriptor)
        else:
            become_shim(message.decode(), descriptors[0])


def preload() -> None:
    from orrery.jobs.warm import warm

    warm()
    ctypes.CDLL(None).malloc_trim(0)


def become_shim(folder: str, notify: int) -> None:
    """In the forked child: let go of everything that is the zygote's, then supervise the job. Never returns."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for name in os.listdir("/proc/self/fd"):
        descriptor = int(name)
        if descriptor > 2 and descriptor != notify:
            try:
                os.close(descriptor)
            except OSError:
                continue  # the listing's own descriptor
    supervise(folder, notify, _program(Path(folder)))


def _program(folder: Path) -> Callable[[], int]:
    def run() -> int:
        import orrery.jobs.run as program

        # What `python -m orrery.jobs.run` would have as its main module: multiprocessing's spawn looks it up.
        sys.modules["__main__"] = program
        sys.argv = [program.__file__ or "orrery.jobs.run", str(folder)]
        return program.main(folder)

    return run


if __name__ == "__main__":
    sys.exit(main())
