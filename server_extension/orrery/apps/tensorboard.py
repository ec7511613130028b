"""TensorBoard on `ORRERY_SOCKET`, over a folder of logs that grows while it is read.

    python -m orrery.apps.tensorboard FOLDER TITLE

TensorBoard's page is sandboxed, as every app's is: it has no storage and no cookies in the browser, and may not start
a worker from an address (`orrery.apps.stand_ins`).
"""

from __future__ import annotations

import mimetypes
import os
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from tensorboard import default, program  # pyright: ignore[reportMissingTypeStubs]
from tensorboard.plugins.projector.projector_plugin import ProjectorPlugin  # pyright: ignore[reportMissingTypeStubs]
from werkzeug.test import Client

from orrery.apps.settings import HEALTH_PATH
from orrery.apps.socket_server import Wsgi, make_socket_server
from orrery.apps.stand_ins import SHOWN, STORAGE, WORKERS, put_in, source_of

RELOAD_SECONDS: Final = 3
_STAND_INS: Final = STORAGE + WORKERS + SHOWN


class FirstRead:
    """Whether there is something to see: its page does not look again by itself for what it did not find at first."""

    #: a run that has written nothing yet is shown all the same
    PATIENCE_SECONDS: Final = 10.0

    def __init__(self, app: Wsgi) -> None:
        self._client = Client(app)
        self._until = time.monotonic() + self.PATIENCE_SECONDS
        self._is_over = False

    def is_over(self) -> bool:
        """Logs have been read, or have been waited for long enough."""
        if not self._is_over:
            self._is_over = time.monotonic() > self._until or bool(self._client.get("/data/runs").get_json())
        return self._is_over


def with_stand_ins(app: Wsgi) -> Wsgi:
    """Answers the health check, and puts the stand-ins into the page."""
    first_read = FirstRead(app)

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == HEALTH_PATH:
            status = "200 OK" if first_read.is_over() else "503 Service Unavailable"
            start_response(status, [("Content-Type", "text/plain"), ("Content-Length", "0")])
            return [b""]
        if path not in ("", "/", "/index.html"):
            return app(environ, start_response)
        # what is changed must come plain
        environ.pop("HTTP_ACCEPT_ENCODING", None)
        begun: list[Any] = []
        page = b"".join(app(environ, lambda *words: begun.append(words)))
        status, headers = begun[0][:2]
        page = put_in(page, _STAND_INS)
        page = page.replace(b"url(/font-roboto/", b"url(font-roboto/")
        kept = [
            # its policy knows the scripts of its page by their hashes
            (name, value.replace("script-src ", f"worker-src blob:;script-src {source_of(_STAND_INS)} ", 1))
            for name, value in headers
            if name.lower() != "content-length"
        ]
        start_response(status, [*kept, ("Content-Length", str(len(page)))])
        return [page]

    return answer


class SocketServer(program.TensorBoardServer):
    """Listens on the socket that the platform has chosen, and nowhere else."""

    def __init__(self, wsgi_app: Wsgi, flags: Any) -> None:
        self._server = make_socket_server(with_stand_ins(wsgi_app))

    def serve_forever(self) -> None:
        self._server.serve_forever()

    def get_url(self) -> str:
        return f"unix:{os.environ['ORRERY_SOCKET']}"


def main(folder: str, title: str) -> None:
    mimetypes.add_type("application/javascript", ".js")
    # a log may name any file for the projector to show
    known: list[Any] = default.get_plugins()  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType]
    plugins = [plugin for plugin in known if plugin is not ProjectorPlugin]
    board: Any = program.TensorBoard(plugins, server_class=SocketServer)
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
