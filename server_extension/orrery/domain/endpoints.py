"""Endpoints: models that answer requests, with replicas and shares of the traffic."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator

from orrery.domain.kinds import AGE_COLUMNS, COMMON_COLUMNS, Action, Column, ColumnType, Kind, Spec
from orrery.domain.machine import Phase, machine
from orrery.domain.records import Target
from orrery.domain.references import ModelRef

MAX_REPLICAS = 5


class Deployment(BaseModel):
    """One model behind the endpoint."""

    model_config = ConfigDict(extra="forbid")

    model: ModelRef = Field(description="The model version that answers.")
    replicas: int = Field(
        1, ge=1, le=MAX_REPLICAS, description=f"How many copies of the model server, 1 to {MAX_REPLICAS}."
    )
    traffic: int = Field(
        100,
        ge=0,
        le=100,
        description="Percent of the requests that it gets. 40 sends 40 % to it and 60 % to the others; "
        "0 keeps it for tests that name it.",
    )


class EndpointSpec(Spec):
    deployments: list[Deployment] = Field(min_length=1, max_length=10, description="The models behind the endpoint.")
    instance_type: str = Field(
        "serve-small",
        description="The cores and memory that each replica holds.",
        json_schema_extra={"x-orrery-instance-type": True},
    )

    @model_validator(mode="after")
    def traffic_adds_up(self) -> EndpointSpec:
        total = sum(deployment.traffic for deployment in self.deployments)
        if total not in (0, 100):
            raise ValueError(
                f"the deployments' traffic adds up to {total} %; make it 100, or 0 for an endpoint under test"
            )
        models = [deployment.model for deployment in self.deployments]
        if len(set(models)) != len(models):
            raise ValueError("two deployments have the same model; give that one more replicas instead")
        return self


_LIVE = ("CREATE_IN_PROGRESS", "ACTIVE", "UPDATE_IN_PROGRESS", "UPDATE_FAILED", "CREATE_FAILED", "START_IN_PROGRESS")
_SETTLING = ("CREATE_REQUESTED", "CREATE_IN_PROGRESS", "START_IN_PROGRESS")

ENDPOINT = Kind(
    name="endpoint",
    plural="endpoints",
    prefix="epn",
    title="Endpoint",
    title_plural="Endpoints",
    section="serving",
    order=10,
    description="Models that answer requests at one URL.",
    spec=EndpointSpec,
    mutable=frozenset({"deployments", "instance_type"}),
    changed_event="changed",
    # as many as there are replicas
    holding=frozenset({"CREATE_IN_PROGRESS", "START_IN_PROGRESS", "ACTIVE", "UPDATE_IN_PROGRESS", "UPDATE_FAILED"}),
    machine=machine(
        Phase("CREATE_REQUESTED", "Pending"),
        (
            Phase("CREATE_IN_PROGRESS", "Pending"),
            Phase("ACTIVE", "Active", settled=True),
            Phase("UPDATE_IN_PROGRESS", "Active"),
            Phase("UPDATE_FAILED", "Failed", settled=True),
            Phase("CREATE_FAILED", "Failed", settled=True),
            Phase("STOP_IN_PROGRESS", "Stopped"),
            Phase("STOPPED", "Stopped", settled=True),
            Phase("START_IN_PROGRESS", "Pending"),
            Phase("DELETE_IN_PROGRESS", "Stopped"),
        ),
        {
            ("CREATE_REQUESTED", "accepted"): "CREATE_IN_PROGRESS",
            ("CREATE_REQUESTED", "failed"): "CREATE_FAILED",
            ("CREATE_IN_PROGRESS", "ready"): "ACTIVE",
            ("CREATE_IN_PROGRESS", "failed"): "CREATE_FAILED",
            ("START_IN_PROGRESS", "ready"): "ACTIVE",
            ("START_IN_PROGRESS", "failed"): "CREATE_FAILED",
            ("UPDATE_IN_PROGRESS", "ready"): "ACTIVE",
            ("UPDATE_IN_PROGRESS", "failed"): "UPDATE_FAILED",
            # a failed one that comes right by itself (memory was short, say) is Active again
            ("CREATE_FAILED", "ready"): "ACTIVE",
            ("UPDATE_FAILED", "ready"): "ACTIVE",
            ("ACTIVE", "changed"): "UPDATE_IN_PROGRESS",
            ("UPDATE_FAILED", "changed"): "UPDATE_IN_PROGRESS",
            ("UPDATE_IN_PROGRESS", "changed"): "UPDATE_IN_PROGRESS",
            **{
                (phase, "changed"): "CREATE_IN_PROGRESS"
                for phase in ("CREATE_FAILED", "CREATE_IN_PROGRESS", "CREATE_REQUESTED")
            },
            ("START_IN_PROGRESS", "changed"): "START_IN_PROGRESS",
            ("STOPPED", "changed"): "STOPPED",
            **{(phase, "stop"): "STOP_IN_PROGRESS" for phase in (*_LIVE, "CREATE_REQUESTED")},
            ("STOP_IN_PROGRESS", "stopped"): "STOPPED",
            ("STOPPED", "start"): "START_IN_PROGRESS",
            ("CREATE_FAILED", "retry"): "CREATE_IN_PROGRESS",
            ("UPDATE_FAILED", "retry"): "UPDATE_IN_PROGRESS",
            **{
                (phase, "delete"): "DELETE_IN_PROGRESS"
                for phase in (*_LIVE, "CREATE_REQUESTED", "STOP_IN_PROGRESS", "STOPPED")
            },
            ("DELETE_IN_PROGRESS", "stopped"): "STOPPED",
        },
    ),
    actions=(
        Action(
            "stop",
            "Stop",
            event="stop",
            target=Target.STOPPED,
            destructive=True,
            confirm="Stop this endpoint? Requests to it fail until it is started again.",
        ),
        Action("start", "Start", event="start", target=Target.RUNNING),
        Action("retry", "Deploy again", event="retry", target=Target.RUNNING),
    ),
    delete_event="delete",
    columns=(
        *COMMON_COLUMNS,
        Column("status.outputs.replicas.ready", "Ready replicas", ColumnType.NUMBER),
        Column("spec.deployments.0.model", "Model", ColumnType.REFERENCE),
        Column("visibility", "Visibility"),
        Column("status.outputs.url", "URL"),
        *AGE_COLUMNS,
    ),
    tabs=("overview", "playground", "service", "logs", "lineage"),
)
