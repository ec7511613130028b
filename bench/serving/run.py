"""Requests per second and latency of one XGBoost model: ours, directly and through the gateway, against its peers.

    python bench/serving/run.py [--seconds 4] [--repeat 3] [--peers mlserver,kserve,mlflow] [--json FILE]

Same machine, same booster (scikit-learn's breast_cancer, 100 trees), same client, one row a request, one process
each. All run at once and are measured in turn, `--repeat` times over, and the best run of each counts: whatever
else the machine does falls on all alike, and only ever takes away. Peers are installed into `~/.cache/orrery-bench`
on first use.

Exits with 1 when the requirement is not met: through the gateway at least 3 times the requests per second of the
fastest peer at 8 and 64 connections, p99 no worse than any peer's best, and under 0.5 ms added to the median at one
connection.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from load import Figures, load
from peers import PEERS, Peer, environment

from orrery.gateway.routes import Deployment, Replica, Route, Routes, write_routes
from orrery.serving.tabular.encoder import Encoder
from orrery.serving.tabular.models import BoostedTrees
from orrery.serving.tabular.writer import PackageContent, write_package
from orrery.testing.http import call
from orrery.testing.waiting import wait_until

CONNECTIONS = (1, 8, 64)
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Subject:
    """Something that answers predictions on a port."""

    name: str
    port: int
    path: str
    body: bytes


def train(folder: Path) -> tuple[Path, Path, list[list[float]]]:
    """A model file for the peers, the same model as a package for us, and rows to predict."""
    import xgboost
    from sklearn.datasets import load_breast_cancer

    data: Any = load_breast_cancer(as_frame=True)
    classifier = xgboost.XGBClassifier(n_estimators=100, max_depth=4, n_jobs=1)
    matrix = data.data.to_numpy()
    classifier.fit(matrix, data.target)
    model = folder / "model.json"
    classifier.save_model(model)
    columns = {name: data.data[name].to_numpy() for name in data.data.columns}
    content = PackageContent(
        name="bench",
        framework="xgboost",
        framework_version=xgboost.__version__,
        task="binary_classification",
        target="diagnosis",
        encoder=Encoder.fit(columns, dict.fromkeys(columns, "number"), "tree"),
        model=BoostedTrees(classifier.get_booster()),
        columns=columns,
        classes=[0, 1],
    )
    write_package(folder / "package", content)
    rows = matrix[:1].tolist()
    assert np.asarray(rows).shape == (1, 30)
    return model, folder / "package", rows


@contextmanager
def running(
    command: list[str], log: Path, environment: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env={**os.environ, **(environment or {})}, start_new_session=True
        )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def free_ports(count: int) -> int:
    """The first of `count` free ports in a row."""
    while True:
        with ExitStack() as stack:
            first = stack.enter_context(socket.socket())
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            try:
                for offset in range(1, count):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port + offset))
            except OSError:
                continue
            return port


def wait_answering(address: str | int, path: str, process: subprocess.Popen[bytes], log: Path) -> None:
    def answering() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args} ended: {log.read_text()[-3000:]}")
        try:
            return call(address, "GET", path).status == 200
        except OSError:
            return False

    wait_until(answering, 120, f"an answer at {path}")


@contextmanager
def ours(package: Path, folder: Path, rows: list[list[float]]) -> Iterator[list[Subject]]:
    """The model server on a port, and another one behind the gateway."""
    port, replica = free_ports(1), folder / "replica.sock"
    server = [sys.executable, "-m", "orrery.serving", "--model", f"bench={package}"]
    deployment = Deployment("d", "bench", 1, 100, (Replica("r", f"unix:{replica}"),))
    home = folder / "home"
    write_routes(
        home / "gateway" / "routes.json",
        Routes(1, None, (Route("e", "o", "bench", "public", deployments=(deployment,)),)),
    )
    gateway_port = free_ports(1)
    gateway = [sys.executable, "-m", "orrery.gateway", "--home", str(home), "--port", str(gateway_port)]
    body = json.dumps({"instances": rows}).encode()
    with ExitStack() as stack:
        direct = stack.enter_context(running([*server, "--port", str(port)], folder / "direct.log"))
        behind = stack.enter_context(running([*server, "--socket", str(replica)], folder / "replica.log"))
        front = stack.enter_context(running(gateway, folder / "gateway.log"))
        wait_answering(port, "/v2/health/ready", direct, folder / "direct.log")
        wait_answering(str(replica), "/v2/health/ready", behind, folder / "replica.log")
        wait_answering(gateway_port, "/endpoints/o/bench", front, folder / "gateway.log")
        yield [
            Subject("orrery, direct", port, "/v1/models/bench:predict", body),
            Subject("orrery, through the gateway", gateway_port, "/endpoints/o/bench/v1/models/bench:predict", body),
        ]


@contextmanager
def peer_running(
    peer: Peer, model: Path, folder: Path, cache: Path, rows: list[list[float]]
) -> Iterator[list[Subject]]:
    bin_folder = environment(peer, cache)
    work = folder / peer.name
    work.mkdir()
    port = free_ports(3)
    # MLflow and MLServer start what they find on the path; one row a request gains nothing from OpenMP's threads
    paths = {"PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    log = work / "log"
    with running(peer.command(bin_folder, model, work, port), log, paths) as process:
        wait_answering(port, peer.ready_path, process, log)
        yield [Subject(peer.name, port, peer.predict_path, json.dumps(peer.body(rows)).encode())]


def warm_up(subject: Subject) -> None:
    answer = call(subject.port, "POST", subject.path, subject.body, **{"Content_Type": "application/json"})
    if answer.status != 200:
        raise RuntimeError(f"{subject.name} answers {answer.status}: {answer.body[:500]!r}")
    load(subject.port, subject.path, subject.body, JSON, 8, 1)


def measure(subject: Subject, connections: int, seconds: float, before: Figures | None) -> Figures:
    """One run; the better of it and those before, figure by figure."""
    run = load(subject.port, subject.path, subject.body, JSON, connections, seconds)
    print(f"{subject.name}, {connections}: {run}", file=sys.stderr, flush=True)
    if before is None:
        return run
    return Figures(
        max(run.requests_per_second, before.requests_per_second),
        min(run.p50_ms, before.p50_ms),
        min(run.p99_ms, before.p99_ms),
        run.errors + before.errors,
    )


def verdicts(figures: dict[str, dict[int, Figures]], peers: list[str]) -> list[tuple[bool, str]]:
    """Each requirement, whether it is met, in words."""
    direct, gateway = figures["orrery, direct"], figures["orrery, through the gateway"]
    out: list[tuple[bool, str]] = []
    for connections in (8, 64):
        if not peers:
            break
        best = max(peers, key=lambda name: figures[name][connections].requests_per_second)
        ratio = gateway[connections].requests_per_second / figures[best][connections].requests_per_second
        out.append((ratio >= 3, f"{connections} connections: {ratio:.1f} times the requests/s of {best}"))
        p99 = min(figures[name][connections].p99_ms for name in peers)
        out.append(
            (
                gateway[connections].p99_ms <= p99,
                f"{connections} connections: p99 {gateway[connections].p99_ms:.2f} ms, best peer {p99:.2f} ms",
            )
        )
    added = gateway[1].p50_ms - direct[1].p50_ms
    out.append((added < 0.5, f"1 connection: the gateway adds {added:.3f} ms to the median"))
    errors = sum(figure.errors for by in (direct, gateway) for figure in by.values())
    out.append((errors == 0, f"{errors} errors of ours"))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4, help="of each run (4)")
    parser.add_argument("--repeat", type=int, default=3, help="runs of which the best counts (3)")
    parser.add_argument("--peers", default=",".join(PEERS), help="which to compare with; empty for none")
    parser.add_argument(
        "--cache", type=Path, default=Path.home() / ".cache" / "orrery-bench", help="where peers are installed"
    )
    parser.add_argument("--json", type=Path, help="write the figures here too")
    arguments = parser.parse_args()
    peers = [name for name in arguments.peers.split(",") if name]
    figures: dict[str, dict[int, Figures]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        model, package, rows = train(folder)
        with ExitStack() as stack:
            subjects = stack.enter_context(ours(package, folder, rows))
            for name in peers:
                subjects += stack.enter_context(peer_running(PEERS[name], model, folder, arguments.cache, rows))
            for subject in subjects:
                warm_up(subject)
            for connections in CONNECTIONS * arguments.repeat:
                for subject in subjects:
                    by = figures.setdefault(subject.name, {})
                    by[connections] = measure(subject, connections, arguments.seconds, by.get(connections))
    print(f"{'':30}" + "".join(f"{f'{n} connections':>34}" for n in CONNECTIONS))
    print(f"{'':30}" + f"{'requests/s':>14}{'p50 ms':>10}{'p99 ms':>10}" * len(CONNECTIONS))
    for name, by in figures.items():
        print(
            f"{name:30}"
            + "".join(f"{f.requests_per_second:14,.0f}{f.p50_ms:10.2f}{f.p99_ms:10.2f}" for f in by.values())
        )
    found = verdicts(figures, peers)
    for met, words in found:
        print(f"{'ok  ' if met else 'FAIL'} {words}")
    if arguments.json is not None:
        document = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "cores": os.cpu_count(),
            "figures": {name: {str(n): asdict(f) for n, f in by.items()} for name, by in figures.items()},
            "verdicts": [{"met": met, "words": words} for met, words in found],
        }
        arguments.json.write_text(json.dumps(document, indent=2))
    raise SystemExit(0 if all(met for met, _ in found) else 1)


if __name__ == "__main__":
    main()
