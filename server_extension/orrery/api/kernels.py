"""How a notebook server asks for an instance for one of its kernels.

Annotations are values here, not strings: FastAPI reads those that are made inside `make_router`.
"""

# pyright: reportInvalidTypeForm=false, reportUnusedFunction=false, reportUnknownParameterType=false
# pyright: reportUnknownArgumentType=false

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from orrery.api.resources import KindRoutes, ResourceView
from orrery.controllers.commands import Commands
from orrery.controllers.contract import NewResource
from orrery.domain.access import User
from orrery.domain.kernels import KERNEL, KernelSpec


class KernelBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="1 to 63 letters, digits, '.', '_' or '-'; unique per owner.")
    spec: KernelSpec


def make_router(commands: Commands, current_user: Any) -> APIRouter:
    router = APIRouter(prefix="/api/v1/kernels", tags=[KERNEL.title_plural])
    caller = Annotated[User, Depends(current_user)]
    routes = KindRoutes(KERNEL, commands)

    @router.post(
        "", status_code=201, responses={201: {"model": ResourceView}}, summary="Ask for an instance for a kernel"
    )
    def ask(user: caller, body: KernelBody) -> Response:
        new = NewResource(name=body.name, spec=body.spec.model_dump(mode="json", exclude_unset=True))
        return routes.answer(commands.create(user, KERNEL, new, by_platform=True), 201)

    return router
