"""TensorBoard on `ORRERY_SOCKET`, over a folder of logs that grows while it is read.

    python -m orrery.apps.tensorboard FOLDER TITLE

TensorBoard's own page keeps its choices in the browser's storage. Its page is sandboxed, as every app's is, and has
none: a store that lives as long as the page stands in for it.
"""

from __future__ import annotations

import base64
import hashlib
import mimetypes
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any, Final

from tensorboard import default, program  # pyright: ignore[reportMissingTypeStubs]
from werkzeug.serving import WSGIRequestHandler, make_server

from orrery.apps.settings import HEALTH_PATH

RELOAD_SECONDS: Final = 3
_STORAGE: Final = b"""for (const name of ["localStorage", "sessionStorage"]) {
try { window[name].length } catch {
const kept = new Map();
Object.defineProperty(window, name, {value: {
getItem: key => kept.get(String(key)) ?? null, setItem: (key, value) => void kept.set(String(key), String(value)),
removeItem: key => void kept.delete(String(key)), clear: () => kept.clear(),
key: index => [...kept.keys()][index] ?? null, get length() { return kept.size }}}) } }
"""
_HASH: Final = base64.b64encode(hashlib.sha256(_STORAGE).digest()).decode()
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Quiet(WSGIRequestHandler):
    """Keeps connections, and writes no line for each request."""

    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


def with_page_storage(app: Wsgi) -> Wsgi:
    """Answers the health check, and puts the storage's stand-in into the page."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == HEALTH_PATH:
            start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
            return [b"ready"]
        if path not in ("", "/", "/index.html"):
            return app(environ, start_response)
        # what is changed must come plain
        environ.pop("HTTP_ACCEPT_ENCODING", None)
        begun: list[Any] = []
        page = b"".join(app(environ, lambda *words: begun.append(words)))
        status, headers = begun[0][:2]
        page = page.replace(b"<head>", b"<head><script>" + _STORAGE + b"</script>", 1)
        kept = [
            # its policy knows the scripts of its page by their hashes
            (name, value.replace("script-src ", f"script-src 'sha256-{_HASH}' ", 1))
            for name, value in headers
            if name.lower() != "content-length"
        ]
        start_response(status, [*kept, ("Content-Length", str(len(page)))])
        return [page]

    return answer


class SocketServer(program.TensorBoardServer):
    """Listens on the socket that the platform has chosen, and nowhere else."""

    def __init__(self, wsgi_app: Wsgi, flags: Any) -> None:
        self._socket = os.environ["ORRERY_SOCKET"]
        self._server = make_server(
            f"unix://{self._socket}", 0, with_page_storage(wsgi_app), threaded=True, request_handler=Quiet
        )

    def serve_forever(self) -> None:
        self._server.serve_forever()

    def get_url(self) -> str:
        return f"unix:{self._socket}"


def main(folder: str, title: str) -> None:
    mimetypes.add_type("application/javascript", ".js")
    board: Any = program.TensorBoard(default.get_plugins(), server_class=SocketServer)
    board.configure(
        logdir=folder,
        window_title=title,
        reload_interval=RELOAD_SECONDS,
        # the one that reads in a process of its own does not see files that are linked or joined later
        load_fast="false",
        reload_multifile=True,
        # a log may go on after a day's silence
        reload_multifile_inactive_secs=-1,
    )
    board._make_server().serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:3])
