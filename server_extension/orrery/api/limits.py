"""No body larger than allowed is read: refused by its Content-Length, or once it has grown too large."""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orrery.api.errors import answer
from orrery.errors import TooLarge

#: these stream to disk and check sizes of their own
_STREAMED: Final = ("/api/v1/uploads", "/api/v1/objects", "/mlflow")


class BodyLimit:
    """Refuses JSON bodies above `max_bytes` with 413; what was sent of them is not kept."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = str(scope.get("path", "")).removeprefix(str(scope.get("root_path", "")))
        if scope["type"] != "http" or path.startswith(_STREAMED):
            await self.app(scope, receive, send)
            return
        declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if declared.isdigit() and int(declared) > self.max_bytes:
            await answer(self._refusal(int(declared)))(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self.max_bytes:
                raise self._refusal(seen)
            return message

        await self.app(scope, counted, send)

    def _refusal(self, size: int) -> TooLarge:
        return TooLarge(
            f"the body has {size} bytes or more; at most {self.max_bytes} are read here (files go to /api/v1/uploads)",
            limit_bytes=self.max_bytes,
        )
