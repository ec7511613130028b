"""A job of several nodes on one machine, and what a program on one of its nodes is told, wherever that node is.

The executor says who a node is by three variables (`orrery.executors.contract`). From these come the names that
frameworks read: `MASTER_ADDR`, `MASTER_PORT`, `RANK`, `WORLD_SIZE`, `LOCAL_RANK`, `NODE_RANK` (PyTorch's `env://`) and
`TF_CONFIG` (TensorFlow's MultiWorkerMirroredStrategy). `run_nodes` is what plays the executor's part on one machine:
each node is a process group of its own, all work in the job's one folder.
"""

from __future__ import annotations

import json
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Final

from orrery.executors.sampling import RANK, RANKS
from orrery.jobs import report

NODES: Final = "ORRERY_NODES"
NODE_RANK: Final = "ORRERY_NODE_RANK"
ADDRESSES: Final = "ORRERY_NODE_ADDRESSES"
#: how long the others may take to notice by themselves that a node has failed: their words may tell the cause
NOTICE_SECONDS: Final = 5.0
_LABEL = re.compile(rb"\[(?:rank|node) \d+\] ")
_LOOPBACK: Final = "127.0.0.1"
#: a pipe takes so much at once without mixing it with what others write
_ATOMIC_BYTES: Final = 4096
#: a line longer than this is passed on in pieces
_LONGEST_LINE: Final = 64 << 10


@dataclass(frozen=True)
class Node:
    """Where this program runs among the nodes of its job."""

    rank: int
    #: `host:port` of each node; one that is alone has a free port of its own
    addresses: tuple[str, ...]

    @property
    def count(self) -> int:
        return len(self.addresses)

    @property
    def master(self) -> tuple[str, str]:
        host, _, port = self.addresses[0].rpartition(":")
        return host, port


def this_node(environment: Mapping[str, str] = os.environ) -> Node:
    if NODE_RANK in environment:
        return Node(int(environment[NODE_RANK]), tuple(environment[ADDRESSES].split(",")))
    return Node(0, tuple(free_addresses(1)))


def free_addresses(count: int) -> list[str]:
    """Of this machine, told by the kernel to be free: all are held until the last is known."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for listening in sockets:
            listening.bind((_LOOPBACK, 0))
        return [f"{_LOOPBACK}:{listening.getsockname()[1]}" for listening in sockets]
    finally:
        for listening in sockets:
            listening.close()


def variables(node: Node, processes: int, *, has_gpus: bool) -> dict[str, str]:
    """What frameworks read on this node, where one program runs on it; torchrun replaces the ranks for each of its own.

    `processes`: how many ranks the node has.
    """
    host, port = node.master
    cluster = {"worker": list(node.addresses)}
    found = {
        "MASTER_ADDR": host,
        "MASTER_PORT": port,
        "WORLD_SIZE": str(node.count * processes),
        "RANK": str(node.rank * processes),
        "LOCAL_RANK": "0",
        "NODE_RANK": str(node.rank),
        "TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": "worker", "index": node.rank}}),
        "ORRERY_DISTRIBUTED_BACKEND": "nccl" if has_gpus else "gloo",
    }
    if host == _LOOPBACK:
        # the machine's own name may lead nowhere
        found |= dict.fromkeys(("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME", "TP_SOCKET_IFNAME"), "lo")
    return found


def threads_each(environment: Mapping[str, str], processes: int) -> dict[str, str]:
    """The node's cores shared out: numerical libraries of each process use so many threads."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_MAX_THREADS")
    return {
        name: str(max(1, int(environment[name]) // processes))
        for name in names
        if environment.get(name, "").isdecimal()
    }


def precedence(status: int) -> int:
    """Of several ranks that failed, which one is told: one that was killed or crashed takes the others with it.

    Then one that ended by itself (PyTorch aborts at times where it should exit), and last of all those that torchrun
    ended because of another. Of equals the first.
    """
    if status == -signal.SIGTERM:
        return 2
    return 0 if status < 0 and status != -signal.SIGABRT else 1


class Labeller:
    """Passes output on by whole lines, each with a label before it that tells who wrote it."""

    def __init__(self, label: bytes, write: Callable[[bytes], object]) -> None:
        self._label = label
        self._write = write
        self._rest = b""

    def feed(self, piece: bytes) -> None:
        *lines, self._rest = (self._rest + piece).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            lines.append(self._rest)
            self._rest = b""
        self._pass_on(lines)

    def finish(self) -> None:
        if self._rest:
            self._pass_on([self._rest])
            self._rest = b""

    def _pass_on(self, lines: Sequence[bytes]) -> None:
        batch = b""
        for line in lines:
            # of a progress bar, the state that it was left in
            line = line.rstrip(b"\r").rpartition(b"\r")[2]
            whole = line + b"\n" if _LABEL.match(line) else self._label + line + b"\n"
            if batch and len(batch) + len(whole) > _ATOMIC_BYTES:
                self._write(batch)
                batch = b""
            batch += whole
        if batch:
            self._write(batch)


def read_some(descriptor: int) -> bytes | None:
    """What is there now. None: nothing at the moment; empty: nothing ever more."""
    try:
        return os.read(descriptor, 1 << 16)
    except BlockingIOError:
        return None


def write_output(data: bytes) -> None:
    """To this process's own log, at once."""
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


# --- the nodes of one machine ---


@dataclass
class _Running:
    rank: int
    process: subprocess.Popen[bytes]
    ended_fd: int
    labeller: Labeller
    status: int | None = None


@dataclass
class _Nodes:
    #: one rank is what runs on each
    are_ranks: bool
    running: list[_Running] = field(default_factory=list[_Running])
    #: of the node that failed first, where one has
    status: int = 0
    #: when the others are asked to end, and when they are made to
    terminate_at: float | None = None
    kill_at: float | None = None


def run_nodes(job_dir: Path, count: int, *, label: str, grace_seconds: float) -> int:
    """Run the job's program on each of `count` nodes here; the status of the first that failed, 0 where none has.

    `label` is put before each line that a node prints without one: "rank" where a node is a rank, else "node".
    """
    addresses = free_addresses(count)
    devices = [device for device in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if device]
    each = len(devices) // count
    nodes = _Nodes(are_ranks=label == "rank")
    selector = selectors.DefaultSelector()
    for rank in range(count):
        environment = {**os.environ, NODES: str(count), NODE_RANK: str(rank), ADDRESSES: ",".join(addresses)}
        if nodes.are_ranks:
            environment |= {RANK: str(rank), RANKS: str(count)}
        if devices:
            environment["CUDA_VISIBLE_DEVICES"] = ",".join(devices[rank * each : (rank + 1) * each])
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "orrery.jobs.run", str(job_dir)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        labeller = Labeller(f"[{label} {rank}] ".encode(), write_output)
        node = _Running(rank, process, os.pidfd_open(process.pid), labeller)
        nodes.running.append(node)
        selector.register(process.stdout.fileno(), selectors.EVENT_READ, (node, False))
        selector.register(node.ended_fd, selectors.EVENT_READ, (node, True))

    def on_term(signum: int, frame: FrameType | None) -> None:
        # the nodes have been asked as well, as members of the job; what they still say is passed on
        nodes.kill_at = nodes.kill_at or time.monotonic() + grace_seconds

    signal.signal(signal.SIGTERM, on_term)
    while any(node.status is None for node in nodes.running):
        for key, _ in selector.select(_patience(nodes)):
            node, has_ended = key.data
            if has_ended:
                selector.unregister(node.ended_fd)
                _note_end(nodes, node)
            elif _pass_on(node) == b"":
                selector.unregister(key.fd)
        _press(nodes, grace_seconds)
    for node in nodes.running:
        while _pass_on(node):
            continue
        node.labeller.finish()
        os.close(node.ended_fd)
    return nodes.status


def _patience(nodes: _Nodes) -> float | None:
    clocks = [clock for clock in (nodes.terminate_at, nodes.kill_at) if clock is not None]
    return max(0.0, min(clocks) - time.monotonic()) if clocks else None


def _pass_on(node: _Running) -> bytes | None:
    assert node.process.stdout is not None
    piece = read_some(node.process.stdout.fileno())
    if piece:
        node.labeller.feed(piece)
    return piece


def _note_end(nodes: _Nodes, node: _Running) -> None:
    node.status = node.process.wait()
    if node.status != 0 and nodes.status == 0:
        if node.status < 0 and nodes.are_ranks and nodes.kill_at is None:
            _report_killed(node)
        nodes.status = node.status if node.status > 0 else 128 - node.status
        nodes.terminate_at = time.monotonic() + NOTICE_SECONDS


def _report_killed(node: _Running) -> None:
    """It could not say so itself."""
    assert node.status is not None
    # whether for want of memory, the platform tells, which knows how much it had
    why = "it was killed"
    if node.status != -signal.SIGKILL:
        why = f"it crashed with {signal.Signals(-node.status).name}"
    message = f"exit code : {node.status} (pid: {node.process.pid}), rank {node.rank}: {why}"
    details = {"status": node.status, "pid": node.process.pid, "rank": node.rank, "at": time.time()}
    report.error("failed", message, **details)


def _press(nodes: _Nodes, grace_seconds: float) -> None:
    """End the nodes that go on after another has failed."""
    now = time.monotonic()
    if nodes.terminate_at is not None and now >= nodes.terminate_at:
        nodes.terminate_at = None
        nodes.kill_at = nodes.kill_at or now + grace_seconds
        _signal_running(nodes, signal.SIGTERM)
    if nodes.kill_at is not None and now >= nodes.kill_at:
        nodes.kill_at = None
        _signal_running(nodes, signal.SIGKILL)


def _signal_running(nodes: _Nodes, number: signal.Signals) -> None:
    for node in nodes.running:
        if node.status is None:
            os.killpg(node.process.pid, number)
