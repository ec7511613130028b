"""Archives for tests, good and hostile, and a server that gives them, slowly or wrongly where a test asks for it."""

from __future__ import annotations

import io
import ssl
import tarfile
import threading
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from orrery.testing.waiting import wait_until

#: status, headers (None: not sent) and content
Answer = tuple[int, Mapping[str, str | None], bytes]


def make_zip(files: Mapping[str, str | bytes], change: Callable[[zipfile.ZipInfo], None] | None = None) -> bytes:
    """`change` is shown each entry before it is written."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            if change is not None:
                change(entry)
            archive.writestr(entry, content)
    return packed.getvalue()


def make_tar(files: Mapping[str, str | bytes], change: Callable[[tarfile.TarInfo], None] | None = None) -> bytes:
    """As `make_zip`, a .tar.gz."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            if change is not None:
                change(entry)
            archive.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


@dataclass
class ArchiveServer:
    """HTTP on a free port, over TLS where a context is given; a path without an answer is 404. A context manager."""

    answers: dict[str, Answer] = field(default_factory=dict[str, Answer])
    #: paths that are answered only once `release` is called
    held: set[str] = field(default_factory=set[str])
    #: (path, Authorization) of each request, in order
    asked: list[tuple[str, str | None]] = field(default_factory=list[tuple[str, str | None]])
    tls: ssl.SSLContext | None = None

    def __enter__(self) -> ArchiveServer:
        self._released = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: object) -> None:
                return

            def do_GET(self) -> None:
                server.asked.append((self.path, self.headers.get("Authorization")))
                if self.path in server.held:
                    server._released.wait(120)
                status, headers, content = server.answers.get(self.path, (404, {}, b""))
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(content))} | dict(headers)).items():
                    if value is not None:
                        self.send_header(name, value)
                self.end_headers()
                try:
                    self.wfile.write(content)
                except OSError:
                    # whoever asked has hung up
                    return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if self.tls is not None:
            self._server.socket = self.tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def give(self, path: str, content: bytes) -> str:
        """Answer with this; the address."""
        self.answers[path] = (200, {}, content)
        return self.url + path

    def hold(self, path: str, content: bytes) -> str:
        self.held.add(path)
        return self.give(path, content)

    def release(self) -> None:
        self.held.clear()
        self._released.set()
        self._released = threading.Event()

    def wait_until_asked(self, path: str, times: int = 1) -> None:
        wait_until(lambda: [one for one, _ in self.asked].count(path) >= times, what=f"{path} asked for {times} times")
