"""Sweeps: one call makes several trainings under one experiment, or none where one of them could not be."""

# pyright: reportInvalidTypeForm=false, reportUnknownParameterType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header
from pydantic import Field
from starlette.responses import Response

from orrery.api.resources import Envelope
from orrery.api.views import Orjson, views
from orrery.controllers.commands import Commands
from orrery.controllers.contract import NewResource
from orrery.controllers.sweeps import plan_sweep
from orrery.domain.access import User
from orrery.domain.experiments import EXPERIMENT
from orrery.domain.records import Record
from orrery.domain.trainings import TRAINING, TrainingSpec
from orrery.errors import Invalid, NotFound


class SweepBody(Envelope):
    """A training, and what is to be tried in its place."""

    spec: TrainingSpec = Field(
        description="What all have alike. Without an experiment they get one of the sweep's name."
    )
    parameters: dict[str, list[Any]] = Field(
        default_factory=dict, description="Values to try by hyperparameter; every combination is run."
    )
    datasets: list[dict[str, str]] = Field(
        default_factory=list, description="Datasets to try, each laid over those of the spec: [{'train': 'iris'}]."
    )


class Sweeps:
    def __init__(self, commands: Commands) -> None:
        self.commands = commands

    def create(self, user: User, body: SweepBody, key: str | None) -> Response:
        base = body.spec.model_dump(mode="json", exclude_unset=True)
        runs = plan_sweep(body.name, base, body.parameters, body.datasets)
        news = [self._new(body, run.name, run.label, run.spec) for run in runs]
        for run, new in zip(runs, news, strict=True):
            try:
                # with a key, those that an earlier try made are answered again
                self.commands.check(user, TRAINING, new, is_new=key is None)
            except Invalid as error:
                raise type(error)(f"{run.label}: {error.message}; none was created", **error.details) from error
        experiment = base.get("experiment") or self._experiment(user, body).id
        made = [
            self.commands.create(
                user,
                TRAINING,
                self._new(body, run.name, run.label, {**run.spec, "experiment": experiment}),
                idempotency_key=f"{key}/{run.name}" if key else None,
            )
            for run in runs
        ]
        store = self.commands.store
        return Orjson({"experiment": made[0].spec["experiment"], "items": views(store, store.kinds, made)}, 201)

    def _new(self, body: SweepBody, name: str, label: str, spec: dict[str, Any]) -> NewResource:
        return NewResource(
            name=name,
            spec=spec,
            owner=body.owner,
            description=body.description or label,
            visibility=body.visibility,
            group=body.group,
            tags=tuple(body.tags),
        )

    def _experiment(self, user: User, body: SweepBody) -> Record:
        """The owner's of the sweep's name."""
        owner = body.owner or user.name
        try:
            return self.commands.resolve(user, EXPERIMENT, f"{owner}/{body.name}")
        except NotFound:
            new = self._new(body, body.name, "", {})
            return self.commands.create(user, EXPERIMENT, new)


def make_router(commands: Commands, current_user: Any) -> APIRouter:
    router = APIRouter(prefix="/api/v1/trainings", tags=["Trainings"])
    caller = Annotated[User, Depends(current_user)]
    sweeps = Sweeps(commands)

    @router.post("/sweep", status_code=201, summary="Create several trainings, over hyperparameters or datasets")
    def sweep(  # pyright: ignore[reportUnusedFunction]
        user: caller, body: SweepBody, idempotency_key: Annotated[str | None, Header(max_length=200)] = None
    ) -> Response:
        return sweeps.create(user, body, idempotency_key)

    return router
