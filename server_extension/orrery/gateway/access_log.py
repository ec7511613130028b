"""One JSON object a line for each request. Queries, headers and bodies are never written: they may hold secrets."""

from __future__ import annotations

import logging
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import orjson

from orrery.serving.http import Exchange

log = logging.getLogger(__name__)


class AccessLog:
    """Lines are kept until `flush`, which the gateway calls twice a second."""

    def __init__(self, path: Path | None) -> None:
        """`path` None: standard output."""
        if path is None:
            self._descriptor = sys.stdout.fileno()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        self._lines: list[bytes] = []

    def write(self, exchange: Exchange, status: int, seconds: float, request_id: bytes, **fields: object) -> None:
        document = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "method": exchange.head.method,
            "path": exchange.head.path.decode("latin-1"),
            "status": status,
            "seconds": round(seconds, 6),
            "bytes_in": exchange.received_bytes,
            "bytes_out": exchange.sent_bytes,
            "request_id": request_id.decode("ascii"),
            "peer": exchange.connection.peername,
            **fields,
        }
        self._lines.append(orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE))
        if len(self._lines) > 1000:
            self.flush()

    def flush(self) -> None:
        if self._lines:
            lines, self._lines = self._lines, []
            try:
                os.write(self._descriptor, b"".join(lines))
            except OSError as error:
                log.error("%d lines of the access log are lost: %s", len(lines), error, extra={"action": "access_log"})
