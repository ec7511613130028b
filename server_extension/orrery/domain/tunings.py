"""Tunings: a study of many trainings (trials) that looks for good hyperparameters."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic.config import JsonDict

from orrery.domain.goals import Goal, guess_goal
from orrery.domain.kinds import AGE_COLUMNS, COMMON_COLUMNS, Action, App, Column, ColumnType, Kind
from orrery.domain.machine import Phase, machine
from orrery.domain.records import Target
from orrery.domain.references import TrainingRef, TuningRef
from orrery.domain.search_space import MAX_DIMENSIONS, Dimension, in_order
from orrery.domain.trainings import RegisterModelBody, RunSpec

MAX_TRIALS: Final = 10_000
_SEARCH: Final[JsonDict] = {"x-orrery-group": "Search"}
_STOPPING: Final[JsonDict] = {"x-orrery-group": "When it ends"}
_ADVANCED: Final[JsonDict] = {"x-orrery-group": "Advanced"}


class TrialStatus(StrEnum):
    """How a trial stands; all but the first two are final."""

    CREATED = "CREATED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    #: stopped by a person, or because the tuning had reached its goal
    KILLED = "KILLED"
    FAILED = "FAILED"
    #: it completed, but never told the metric
    METRICS_UNAVAILABLE = "METRICS_UNAVAILABLE"
    EARLY_STOPPED = "EARLY_STOPPED"

    @property
    def is_open(self) -> bool:
        return self in (TrialStatus.CREATED, TrialStatus.RUNNING)

    @property
    def is_failure(self) -> bool:
        return self in (TrialStatus.FAILED, TrialStatus.METRICS_UNAVAILABLE)

    @property
    def is_cut_short(self) -> bool:
        """What it reached is what it reported last, not what it would have come to."""
        return self in (TrialStatus.KILLED, TrialStatus.EARLY_STOPPED)


class Detail(StrEnum):
    """Why a tuning is complete."""

    GOAL_REACHED = "GoalReached"
    MAX_TRIALS_REACHED = "MaxTrialsReached"
    SUGGESTION_END_REACHED = "SuggestionEndReached"


class Objective(BaseModel):
    """A metric of the trainings, and which way is better."""

    model_config = ConfigDict(extra="forbid")

    metric: str = Field(min_length=1, max_length=250)
    #: told by its name where it is not given
    goal: Goal = Field(default_factory=lambda given: guess_goal(given.get("metric", "")))

    @model_validator(mode="before")
    @classmethod
    def from_text(cls, given: Any) -> Any:
        """`maximize:roc_auc`."""
        if not isinstance(given, str):
            return given
        goal, colon, metric = given.partition(":")
        if not colon or not metric.strip() or goal not in ("maximize", "minimize"):
            raise ValueError(f"{given!r} is no objective; write maximize:METRIC or minimize:METRIC")
        return {"metric": metric.strip(), "goal": goal}


class TuningSpec(RunSpec):
    space: dict[str, Dimension] = Field(
        min_length=1,
        max_length=MAX_DIMENSIONS,
        description="What may be tried for each hyperparameter.",
        json_schema_extra={"x-orrery-space-of": "algorithm", **_SEARCH},
    )
    objectives: list[Objective] = Field(
        min_length=1,
        max_length=5,
        description="The metrics that are made as good as they can be. Of several, the trials are kept that no other "
        "beats in all of them.",
        json_schema_extra={"x-orrery-metrics-of": "algorithm", **_SEARCH},
    )
    sampler: Literal["tpe", "random", "grid", "cma-es", "gp", "qmc", "nsga2"] = Field(
        "tpe",
        description="Strategy. tpe learns from the trials so far; random and qmc spread evenly; grid tries every "
        "combination; cma-es and gp suit numbers alone; nsga2 suits several objectives.",
        json_schema_extra=_SEARCH,
    )
    seed: int | None = Field(
        None,
        ge=0,
        le=2**32 - 1,
        description="Random state: the same seed suggests the same.",
        json_schema_extra=_SEARCH,
    )
    max_trials: int = Field(20, ge=1, le=MAX_TRIALS, description="Trainings in all.", json_schema_extra=_STOPPING)
    parallel: int = Field(2, ge=1, le=200, description="Trainings at a time.", json_schema_extra=_STOPPING)
    max_failed: int = Field(
        3, ge=0, le=MAX_TRIALS, description="More failed trainings than this end it.", json_schema_extra=_STOPPING
    )
    goal_value: float | None = Field(
        None, description="It ends as soon as the first metric is this good.", json_schema_extra=_STOPPING
    )
    early_stop: Literal["none", "median", "asha", "hyperband"] = Field(
        "none",
        description="Stop trainings that do badly before their end, by the metric that they report step by step. "
        "median: worse than half of the others at the same step.",
        json_schema_extra=_STOPPING,
    )
    early_stop_metric: str = Field(
        "",
        max_length=250,
        description="The metric that is watched meanwhile, minimize:validation_log_loss where its better way is not "
        "the objective's. Empty: the objective.",
        json_schema_extra={"x-orrery-metrics-of": "algorithm", **_STOPPING},
    )
    min_trials: int = Field(
        5, ge=0, le=1000, description="Trainings that are finished before any is stopped.", json_schema_extra=_STOPPING
    )
    start_step: int = Field(0, ge=0, description="None is stopped before this step.", json_schema_extra=_STOPPING)
    earlier_tunings: list[TuningRef] = Field(
        default_factory=list[str],
        max_length=20,
        description="Tunings whose trials the search already knows when it begins.",
        json_schema_extra=_ADVANCED,
    )
    earlier_trainings: list[TrainingRef] = Field(
        default_factory=list[str],
        max_length=200,
        description="Trainings that the search already knows when it begins.",
        json_schema_extra=_ADVANCED,
    )

    @field_validator("space")
    @classmethod
    def without_circles(cls, space: dict[str, Dimension]) -> dict[str, Dimension]:
        in_order(space)
        return space

    @field_validator("early_stop_metric")
    @classmethod
    def known_goal(cls, metric: str) -> str:
        if ":" in metric:
            Objective.model_validate(metric)
        return metric

    @property
    def watched(self) -> Objective:
        """What early stopping compares; a metric without a goal has the objective's."""
        first = self.objectives[0]
        if ":" in self.early_stop_metric:
            return Objective.model_validate(self.early_stop_metric)
        return first.model_copy(update={"metric": self.early_stop_metric or first.metric})

    @model_validator(mode="after")
    def fits_together(self) -> TuningSpec:
        if both := sorted(self.space.keys() & self.parameters.keys()):
            raise ValueError(f"{both[0]!r} is searched and has a fixed value; keep one of the two")
        metrics = [objective.metric for objective in self.objectives]
        if len(set(metrics)) < len(metrics):
            raise ValueError(f"a metric is named twice among the objectives ({', '.join(metrics)})")
        if len(metrics) > 1:
            if self.early_stop != "none":
                raise ValueError("early stopping compares one metric; choose none, or a single objective")
            if self.sampler in ("cma-es",):
                raise ValueError(f"{self.sampler} has one objective; choose tpe or nsga2 for several")
        return self


class RegisterTrialBody(RegisterModelBody):
    trial: int | None = Field(
        None, ge=0, description="The trial whose model it becomes; left empty, the best. Needed for several objectives."
    )


_ACTIVE = ("CREATE_REQUESTED", "CREATE_IN_PROGRESS", "RUNNING")

#: optuna-dashboard over its study
OPTUNA: Final = App("Optuna", "optuna", suffix="_optuna")

TUNING = Kind(
    name="tuning",
    plural="tunings",
    prefix="tun",
    title="Tuning",
    title_plural="Tunings",
    section="training",
    order=15,
    description="A study of many trainings that looks for good hyperparameters.",
    spec=TuningSpec,
    mutable=frozenset({"max_trials", "max_failed", "parallel", "goal_value"}),
    app=App("TensorBoard", "tensorboard"),
    more_apps=(OPTUNA,),
    machine=machine(
        Phase("CREATE_REQUESTED", "Pending"),
        (
            Phase("CREATE_IN_PROGRESS", "Pending"),
            Phase("RUNNING", "Running"),
            Phase("STOP_IN_PROGRESS", "Running"),
            Phase("STOPPED", "Cancelled", settled=True),
            Phase("COMPLETE_IN_PROGRESS", "Running"),
            Phase("COMPLETE", "Completed", settled=True),
            Phase("FAIL_HYPERPARAMETER_TUNING_IN_PROGRESS", "Running"),
            Phase("FAIL_HYPERPARAMETER_TUNING", "Failed", settled=True),
            Phase("CREATE_FAILED", "Failed", settled=True),
        ),
        {
            ("CREATE_REQUESTED", "accepted"): "CREATE_IN_PROGRESS",
            ("CREATE_REQUESTED", "refused"): "CREATE_FAILED",
            ("CREATE_IN_PROGRESS", "refused"): "CREATE_FAILED",
            ("CREATE_IN_PROGRESS", "started"): "RUNNING",
            ("CREATE_REQUESTED", "stop"): "STOP_IN_PROGRESS",
            ("CREATE_IN_PROGRESS", "stop"): "STOP_IN_PROGRESS",
            ("RUNNING", "stop"): "STOP_IN_PROGRESS",
            ("RUNNING", "finished"): "COMPLETE_IN_PROGRESS",
            ("RUNNING", "broke"): "FAIL_HYPERPARAMETER_TUNING_IN_PROGRESS",
            # what still runs has been stopped, and every trial is told
            ("STOP_IN_PROGRESS", "wound_up"): "STOPPED",
            ("COMPLETE_IN_PROGRESS", "wound_up"): "COMPLETE",
            ("FAIL_HYPERPARAMETER_TUNING_IN_PROGRESS", "wound_up"): "FAIL_HYPERPARAMETER_TUNING",
            ("STOPPED", "start"): "CREATE_REQUESTED",
            ("COMPLETE", "start"): "CREATE_REQUESTED",
            ("FAIL_HYPERPARAMETER_TUNING", "retry"): "CREATE_REQUESTED",
            ("CREATE_FAILED", "retry"): "CREATE_REQUESTED",
        },
    ),
    actions=(
        Action(
            "stop",
            "Stop",
            event="stop",
            target=Target.STOPPED,
            destructive=True,
            confirm="Stop this tuning? Its running trainings are stopped; what has been found is kept.",
        ),
        Action("start", "Go on", event="start", target=Target.RUNNING),
        Action("retry", "Retry", event="retry", target=Target.RUNNING),
        Action("register-model", "Create model", phases=frozenset({"COMPLETE"}), body=RegisterTrialBody),
    ),
    columns=(
        *COMMON_COLUMNS,
        Column("status.progress", "Progress", ColumnType.PROGRESS),
        Column("status.outputs.trials", "Trials", ColumnType.TRIALS),
        Column("status.outputs.best", "Best training", ColumnType.BEST_TRIAL),
        Column("spec.algorithm", "Algorithm", ColumnType.REFERENCE),
        Column("status.duration_seconds", "Time spent", ColumnType.DURATION),
        Column("spec.experiment", "Experiment", ColumnType.REFERENCE),
        Column("tags", "Tags", ColumnType.TAGS),
        *AGE_COLUMNS,
    ),
    sums_runs=True,
    tabs=("overview", "trials", "plots", "usage", "lineage"),
    undeletable={
        phase: "stop it first"
        for phase in (
            *_ACTIVE,
            "STOP_IN_PROGRESS",
            "COMPLETE_IN_PROGRESS",
            "FAIL_HYPERPARAMETER_TUNING_IN_PROGRESS",
        )
    },
)
