"""Many requests in one: each is run as if it had come alone, and answered separately."""

from typing import Annotated, Any, Final, Literal

import httpx
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from orrery.api.views import Orjson
from orrery.domain.access import User
from orrery.errors import Invalid

MAX_OPERATIONS: Final = 500


class Operation(BaseModel):
    model_config = ConfigDict(extra="forbid")
    method: Literal["POST", "PATCH", "DELETE", "GET"]
    path: str = Field(description="Below /api/v1, e.g. /trainings or /trainings/{id}/stop.")
    body: dict[str, Any] | None = None


class BatchBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    operations: list[Operation] = Field(min_length=1, max_length=MAX_OPERATIONS)


def make_router(app: Any, current_user: Any) -> APIRouter:
    router = APIRouter(prefix="/api/v1", tags=["Batch"])

    @router.post("/batch", summary="Many creates or actions in one call, each answered separately")
    async def batch(request: Request, _: Annotated[User, Depends(current_user)], body: BatchBody) -> Response:  # pyright: ignore[reportUnusedFunction]
        for index, operation in enumerate(body.operations):
            if not operation.path.startswith("/") or operation.path.startswith(("/batch", "/events")):
                message = (
                    f"operations.{index}.path {operation.path!r} is not possible in a batch; name a resource's route"
                )
                raise Invalid(message, fields=[{"path": f"operations.{index}.path", "message": message}])
        passed = ("authorization", "cookie", "origin", "sec-fetch-site", "host", "x-forwarded-host")
        headers = {name: value for name, value in request.headers.items() if name in passed}
        results: list[dict[str, Any]] = []
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://batch/api/v1", headers=headers) as client:
            for operation in body.operations:
                answered = await client.request(operation.method, operation.path.lstrip("/"), json=operation.body)
                content = answered.json() if answered.content else None
                results.append({"status": answered.status_code, "body": content})
        return Orjson({"results": results})

    return router
