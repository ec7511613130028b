"""Closed-loop load: N connections, each with one request outstanding. wrk where it is installed, else our own client.

wrk takes far less of the machine that it shares with what is measured; figures of the two must not be compared.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, cast

import httptools
import uvloop


@dataclass(frozen=True)
class Figures:
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    errors: int


def load(port: int, path: str, body: bytes, headers: dict[str, str], connections: int, seconds: float) -> Figures:
    if shutil.which("wrk"):
        return _wrk(port, path, body, headers, connections, seconds)
    arguments = json.dumps([port, path, body.decode(), headers, connections, seconds])
    found = subprocess.run([sys.executable, __file__, arguments], check=True, capture_output=True, text=True)
    return Figures(**json.loads(found.stdout))


_SCRIPT = """
wrk.method = "POST"
wrk.body = [==[{body}]==]
{headers}
done = function(summary, latency, requests)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.timeout + errors.status
  io.write(string.format("FIGURES %f %f %f %d\\n", summary.requests / (summary.duration / 1e6),
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, failed))
end
"""


def _wrk(port: int, path: str, body: bytes, headers: dict[str, str], connections: int, seconds: float) -> Figures:
    lines = "\n".join(f'wrk.headers["{name}"] = "{value}"' for name, value in headers.items())
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_SCRIPT.format(body=body.decode(), headers=lines))
        script.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "10s", "-s", script.name]
        url = f"http://127.0.0.1:{port}{path}"
        found = subprocess.run([*command, url], check=True, capture_output=True, text=True)
    match = re.search(r"FIGURES (\S+) (\S+) (\S+) (\d+)", found.stdout)
    if match is None:
        raise RuntimeError(f"wrk said {found.stdout!r}")
    return Figures(float(match[1]), float(match[2]), float(match[3]), int(match[4]))


class _Client(asyncio.Protocol):
    def __init__(self, request: bytes, until: float, latencies: list[float], done: asyncio.Future[int]) -> None:
        self._request, self._until, self._latencies, self._done = request, until, latencies, done
        self._errors = 0
        self._began = 0.0
        self._transport: asyncio.Transport | None = None
        self._parser: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._next()

    def _next(self) -> None:
        assert self._transport is not None
        self._parser = httptools.HttpResponseParser(self)
        self._began = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        now = time.perf_counter()
        self._latencies.append(now - self._began)
        self._errors += self._parser.get_status_code() != 200
        if now < self._until:
            self._next()
        elif self._transport is not None:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_result(self._errors + (exc is not None))


async def _own(port: int, path: str, body: str, headers: dict[str, str], connections: int, seconds: float) -> Figures:
    loop = asyncio.get_running_loop()
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers.items())]
    lines.append(f"Content-Length: {len(body)}")
    request = ("\r\n".join([*lines, "", ""]) + body).encode()
    latencies: list[float] = []
    began = time.perf_counter()
    waiting: list[asyncio.Future[int]] = []
    for _ in range(connections):
        done = loop.create_future()
        waiting.append(done)
        make = partial(_Client, request, began + seconds, latencies, done)
        await loop.create_connection(make, "127.0.0.1", port)
    errors = sum(await asyncio.gather(*waiting))
    took = time.perf_counter() - began
    latencies.sort()
    p50, p99 = (latencies[int(len(latencies) * q)] * 1000 for q in (0.5, 0.99))
    return Figures(len(latencies) / took, p50, p99, errors)


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(_own(*json.loads(sys.argv[1]))))))
