"""What the hub's spawner asks: with what a notebook's server is to be started. The hub alone may ask."""

# pyright: reportUnknownMemberType=false

import hmac
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from orrery.api.views import Orjson
from orrery.controllers.notebooks import NotebookController
from orrery.errors import Forbidden


def make_router(notebooks: NotebookController, key: str) -> APIRouter:
    """`key`: what hub and platform share (`ORRERY_HUB_KEY`); empty: nobody may ask."""
    router = APIRouter(prefix="/api/v1/hub", include_in_schema=False)

    @router.get("/servers/{user}/{server}")
    def launch(request: Request, user: str, server: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not key or not hmac.compare_digest(given.encode(), key.encode()):
            raise Forbidden("only the hub may ask this; it shows the key that both have in ORRERY_HUB_KEY")
        document: dict[str, Any] = notebooks.launch(user, server)
        return Orjson(document)

    return router
