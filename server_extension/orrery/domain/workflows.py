"""Training workflows: train again when a dataset has a new version, and keep the best model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import Field, field_validator
from pydantic.config import JsonDict

from orrery.domain.datasets import fit_for_variables
from orrery.domain.kinds import AGE_COLUMNS, COMMON_COLUMNS, Action, Column, ColumnType, Kind, Spec
from orrery.domain.machine import Phase, machine
from orrery.domain.records import Json, Target
from orrery.domain.references import DatasetRef, EndpointRef, TemplateRef

Direction = Literal["maximize", "minimize"]

_TRAINING: Final[JsonDict] = {"x-orrery-group": "Training"}
_BETTER: Final[JsonDict] = {"x-orrery-group": "What is better"}
_MODEL: Final[JsonDict] = {"x-orrery-group": "The best model"}


class WorkflowSpec(Spec):
    template: TemplateRef = Field(
        description="The settings that each training gets; a change of them holds from the next training on.",
        json_schema_extra=_TRAINING,
    )
    dataset: DatasetRef = Field(
        description="The dataset that is followed: each new version that is published begins a training.",
        json_schema_extra=_TRAINING,
    )
    role: str = Field(
        "train",
        description="The name that the algorithm knows this data by.",
        json_schema_extra=_TRAINING,
    )
    train_at_once: bool = Field(
        True,
        title="Train at once",
        description="Begin with the version that is published now; else wait for the next one.",
        json_schema_extra=_TRAINING,
    )
    metric: str = Field(
        min_length=1,
        max_length=250,
        description="The metric of the trainings that decides: accuracy, rmse ...",
        json_schema_extra=_BETTER,
    )
    direction: Direction = Field("maximize", description="Which way the metric is better.", json_schema_extra=_BETTER)
    minimum_gain: float = Field(
        0.0,
        ge=0,
        allow_inf_nan=False,
        description="By how much the metric must be better than the best so far, in the metric's own unit.",
        json_schema_extra=_BETTER,
    )
    endpoint: EndpointRef | None = Field(
        None,
        description="The endpoint that gets each model that is the best so far. Empty: the models are only registered.",
        json_schema_extra=_MODEL,
    )

    @field_validator("role")
    @classmethod
    def fits_variables(cls, role: str) -> str:
        fit_for_variables({role: ""})
        return role

    @field_validator("metric")
    @classmethod
    def without_spaces_around(cls, metric: str) -> str:
        if not metric.strip():
            raise ValueError("name a metric of the trainings: accuracy, rmse ...")
        return metric.strip()


@dataclass(frozen=True)
class Verdict:
    """Whether a value is the best so far, and why, in words."""

    is_best: bool
    words: str


def judge(spec: WorkflowSpec, value: float, best: float | None) -> Verdict:
    """Compare a training's finite `value` with the best before it (None: it is the first)."""
    told = f"{spec.metric} {value:.6g}"
    if best is None:
        return Verdict(True, f"{told} is the first, and so the best")
    gain = value - best if spec.direction == "maximize" else best - value
    if gain <= 0:
        same = "the same as" if gain == 0 else "worse than"
        return Verdict(False, f"{told} is {same} the best, {best:.6g}")
    if gain < spec.minimum_gain:
        return Verdict(
            False, f"{told} is better than {best:.6g}, but by {gain:.6g}, less than the {spec.minimum_gain:g} asked for"
        )
    return Verdict(True, f"{told} is better than the best before, {best:.6g}")


def with_model(deployments: Sequence[Json], model: str, relatives: Mapping[str, bool]) -> list[Json] | None:
    """An endpoint's deployments with `model` (an id) in the place of one; None: it is among them already.

    The place is that of another version of the same registered model, else of the one with the most traffic.
    `relatives` says of the ids in the deployments which are such versions.
    """
    if any(deployment["model"] == model for deployment in deployments):
        return None
    place = max(
        range(len(deployments)),
        key=lambda i: (relatives.get(deployments[i]["model"], False), deployments[i]["traffic"], -i),
    )
    return [
        {**deployment, "model": model} if i == place else dict(deployment) for i, deployment in enumerate(deployments)
    ]


WORKFLOW = Kind(
    name="workflow",
    plural="workflows",
    prefix="wfl",
    title="Training workflow",
    title_plural="Training workflows",
    section="training",
    order=35,
    description="Trains again when a dataset has a new version, and keeps the best model.",
    spec=WorkflowSpec,
    mutable=frozenset({"template", "role", "minimum_gain", "endpoint"}),
    machine=machine(
        Phase("CREATE_REQUESTED", "Pending"),
        (
            Phase("ENABLED", "Active", settled=True),
            # what runs is its training, and that is counted among the runs
            Phase("RUN_IN_PROGRESS", "Active"),
            Phase("DISABLED", "Stopped", settled=True),
            Phase("CREATE_FAILED", "Failed", settled=True),
        ),
        {
            ("CREATE_REQUESTED", "accepted"): "ENABLED",
            ("CREATE_REQUESTED", "published"): "RUN_IN_PROGRESS",
            ("CREATE_REQUESTED", "refused"): "CREATE_FAILED",
            ("CREATE_FAILED", "retry"): "CREATE_REQUESTED",
            ("ENABLED", "published"): "RUN_IN_PROGRESS",
            ("ENABLED", "run"): "RUN_IN_PROGRESS",
            ("DISABLED", "run"): "RUN_IN_PROGRESS",
            # a training that had failed was tried again by hand, and is complete
            ("ENABLED", "mended"): "RUN_IN_PROGRESS",
            ("DISABLED", "mended"): "RUN_IN_PROGRESS",
            ("RUN_IN_PROGRESS", "judged"): "ENABLED",
            ("ENABLED", "disable"): "DISABLED",
            # what runs goes on; it is disabled after that
            ("RUN_IN_PROGRESS", "disable"): "RUN_IN_PROGRESS",
            ("DISABLED", "enable"): "ENABLED",
        },
    ),
    actions=(
        Action("run", "Run now", event="run"),
        Action(
            "disable",
            "Disable",
            event="disable",
            target=Target.STOPPED,
            confirm="Disable this workflow? New versions begin no training until it is enabled again; "
            "a training that runs goes on.",
        ),
        Action("enable", "Enable", event="enable", target=Target.RUNNING),
        Action("retry", "Retry", event="retry", target=Target.RUNNING),
    ),
    columns=(
        *COMMON_COLUMNS,
        Column("spec.dataset", "Dataset", ColumnType.REFERENCE),
        Column("spec.template", "Template", ColumnType.REFERENCE),
        Column("spec.metric", "Metric"),
        Column("status.outputs.best.value", "Best", ColumnType.NUMBER),
        Column("status.outputs.best.name", "Best model"),
        Column("status.outputs.last_run.verdict", "Last run"),
        Column("status.outputs.runs.total", "Runs", ColumnType.NUMBER),
        Column("spec.endpoint", "Endpoint", ColumnType.REFERENCE),
        Column("tags", "Tags", ColumnType.TAGS),
        *AGE_COLUMNS,
    ),
    tabs=("overview", "runs", "lineage"),
    undeletable={"RUN_IN_PROGRESS": "wait for its training to end, or stop that training first"},
)
