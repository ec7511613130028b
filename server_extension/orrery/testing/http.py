"""Processes and clients for tests of what listens: launch one and wait until it answers; speak to it byte by byte."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from orrery.testing.waiting import wait_until


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, object]:
        return orjson.loads(self.body)


class RawClient:
    """One connection on which anything can be sent. Answers are read with the framing that they declare."""

    def __init__(self, address: str | int, timeout_seconds: float = 20.0) -> None:
        """`address`: a unix socket's path, or a port on 127.0.0.1."""
        if isinstance(address, int):
            self.socket = socket.create_connection(("127.0.0.1", address), timeout_seconds)
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout_seconds)
            try:
                self.socket.connect(address)
            except OSError:
                self.socket.close()
                raise
        self._buffer = bytearray()

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def request(self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Send one request and read its answer. `body`: bytes as they are, anything else as JSON."""
        data = b"" if body is None else body if isinstance(body, bytes) else orjson.dumps(body)
        lines = [f"{method} {path} HTTP/1.1", "Host: test", *(f"{k}: {v}" for k, v in (headers or {}).items())]
        if body is not None:
            lines.append(f"Content-Length: {len(data)}")
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1") + data)
        return self.answer(method)

    def answer(self, method: str = "GET") -> Answer:
        """The next answer, whole. Raises `EOFError` when the connection closes first."""
        status, headers = self.head()
        if method == "HEAD" or status in (204, 304) or status < 200:
            return Answer(status, headers, b"")
        if "content-length" in headers:
            return Answer(status, headers, self.exactly(int(headers["content-length"])))
        if headers.get("transfer-encoding") == "chunked":
            return Answer(status, headers, b"".join(self.chunks()))
        return Answer(status, headers, self.rest())

    def head(self) -> tuple[int, dict[str, str]]:
        first, *lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        pairs = (line.split(":", 1) for line in lines)
        return int(first.split(" ")[1]), {name.lower(): value.strip() for name, value in pairs}

    def chunks(self) -> Iterator[bytes]:
        while True:
            size = int(self._until(b"\r\n"), 16)
            data = self.exactly(size)
            self.exactly(2)
            if not size:
                return
            yield data

    def exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._more()
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def rest(self) -> bytes:
        """Everything until the other side closes."""
        with contextlib.suppress(EOFError):
            while True:
                self._more()
        return self.exactly(len(self._buffer))

    def _until(self, end: bytes) -> bytes:
        while (at := self._buffer.find(end)) < 0:
            self._more()
        return self.exactly(at + len(end))[:at]

    def _more(self) -> None:
        data = self.socket.recv(1 << 18)
        if not data:
            raise EOFError(f"the connection was closed; unread: {bytes(self._buffer[:200])!r}")
        self._buffer += data


def call(address: str | int, method: str, path: str, body: object = None, **headers: str) -> Answer:
    """One request on a connection of its own; `_` in header names stands for `-`."""
    with RawClient(address) as client:
        return client.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})


@dataclass
class Process:
    """A child process that is killed when the test ends."""

    argv: list[str]
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    log: Path | None = None
    popen: subprocess.Popen[bytes] | None = None

    def start(self) -> Process:
        output = subprocess.DEVNULL if self.log is None else self.log.open("ab")
        try:
            self.popen = subprocess.Popen(
                [sys.executable, *self.argv],
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        finally:
            if not isinstance(output, int):
                output.close()
        return self

    def signal(self, number: signal.Signals) -> None:
        assert self.popen is not None
        self.popen.send_signal(number)

    def wait(self, seconds: float = 30.0) -> int:
        assert self.popen is not None
        return self.popen.wait(seconds)

    def stop(self) -> None:
        if self.popen is not None and self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait()

    def wait_ready(self, address: str | int, path: str = "/v2/health/ready", seconds: float = 30.0) -> Process:
        """Wait for a 200. Raises `RuntimeError` with the log if the process ends first."""

        def ready() -> bool:
            if self.popen is not None and self.popen.poll() is not None:
                text = self.log.read_text() if self.log else ""
                raise RuntimeError(f"{self.argv} ended with {self.popen.returncode}: {text[-2000:]}")
            try:
                return call(address, "GET", path).status == 200
            except (OSError, EOFError):
                return False

        wait_until(ready, seconds, f"{self.argv[:3]} being ready")
        return self
