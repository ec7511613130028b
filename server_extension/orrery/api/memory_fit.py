"""What a run would take of memory, asked before it is started; what a form has so far is enough."""

# pyright: reportInvalidTypeForm=false, reportUnknownParameterType=false, reportUnknownArgumentType=false

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from orrery.api.views import Orjson
from orrery.controllers.commands import Commands
from orrery.domain.access import User
from orrery.domain.algorithms import ALGORITHM
from orrery.domain.datasets import DATASET_VERSION
from orrery.domain.records import Record
from orrery.domain.trainings import MAX_NODES, TRAINING
from orrery.domain.tunings import TUNING

MAX_DATASETS: Final = 10


class RunDraft(BaseModel):
    """Of the spec of a training or a tuning, what memory depends on; the rest is passed over."""

    model_config = ConfigDict(extra="ignore")

    algorithm: str
    datasets: dict[str, str | None] = Field(default_factory=dict, max_length=MAX_DATASETS)
    parameters: dict[str, Any] = Field(default_factory=dict)
    space: dict[str, Any] = Field(default_factory=dict)
    instance_type: str = "cpu-small"
    nodes: int = Field(1, ge=1, le=MAX_NODES)


class EstimateBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    spec: RunDraft


class Remedy(BaseModel):
    title: str
    message: str
    spec: dict[str, Any] = Field(description="What to change in the spec, field by field.")


class MemoryEstimate(BaseModel):
    instance_type: str
    allowed_bytes: int
    predicted_bytes: int | None = Field(description="The peak; null where it is not known.")
    runs: int = Field(description="Like runs that it rests on; 0: on what the algorithm declares alone.")
    gpu_allowed_bytes: int | None = Field(description="Of each GPU; null: it has none, or that is not known.")
    gpu_predicted_bytes: int | None = Field(description="The peak on each GPU; null where it is not known.")
    verdict: Literal["fits", "tight", "exceeds", "unknown"]
    message: str
    remedies: list[Remedy]


def make_router(commands: Commands, current_user: Any) -> APIRouter:
    router = APIRouter()
    caller = Annotated[User, Depends(current_user)]

    def estimate(user: caller, body: EstimateBody) -> Response:
        spec = body.spec
        algorithm = commands.resolve(user, ALGORITHM, spec.algorithm)
        names = sorted((name for name, value in spec.datasets.items() if value), key=lambda name: name != "train")
        versions: list[Record] = [
            commands.resolve(user, DATASET_VERSION, reference) for name in names if (reference := spec.datasets[name])
        ]
        found = commands.platform.memory_fit.estimate(user, spec.model_dump(), algorithm, versions)
        return Orjson(found)

    for kind in (TRAINING, TUNING):
        router.add_api_route(
            f"/api/v1/{kind.plural}/estimate",
            estimate,
            methods=["POST"],
            tags=[kind.title_plural],
            operation_id=f"estimate_{kind.name}",
            responses={200: {"model": MemoryEstimate}},
            summary="Whether it would fit into memory, and what would make it fit",
        )
    return router
