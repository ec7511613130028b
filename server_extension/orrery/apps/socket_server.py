"""A WSGI application on the socket that the platform has chosen, and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Quiet(WSGIRequestHandler):
    """Keeps connections, and writes no line for each request."""

    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


def make_socket_server(app: Wsgi) -> BaseWSGIServer:
    """To be run by `serve_forever`."""
    where = f"unix://{os.environ['ORRERY_SOCKET']}"
    return make_server(where, 0, app, threaded=True, request_handler=Quiet)
