"""Experiments: the folders of runs."""

from __future__ import annotations

from orrery.domain.kinds import AGE_COLUMNS, COMMON_COLUMNS, Action, App, Column, ColumnType, Kind, Spec
from orrery.domain.machine import Phase, machine


class ExperimentSpec(Spec):
    """An experiment has nothing but its name and description."""


EXPERIMENT = Kind(
    name="experiment",
    plural="experiments",
    prefix="exp",
    title="Experiment",
    title_plural="Experiments",
    section="training",
    order=20,
    description="Groups trainings that belong together; it is an MLflow experiment of the same name.",
    spec=ExperimentSpec,
    app=App("TensorBoard", "tensorboard"),
    machine=machine(
        Phase("CREATE_REQUESTED", "Pending"),
        (
            Phase("CREATE_IN_PROGRESS", "Pending"),
            Phase("CREATE_FAILED", "Failed", settled=True),
            Phase("ACTIVE", "Active", settled=True),
        ),
        {
            ("CREATE_REQUESTED", "accepted"): "CREATE_IN_PROGRESS",
            ("CREATE_REQUESTED", "failed"): "CREATE_FAILED",
            ("CREATE_IN_PROGRESS", "created"): "ACTIVE",
            ("CREATE_IN_PROGRESS", "failed"): "CREATE_FAILED",
            ("CREATE_FAILED", "retry"): "CREATE_REQUESTED",
        },
    ),
    actions=(Action("retry", "Retry", event="retry"),),
    columns=(
        *COMMON_COLUMNS,
        Column("description", "Description"),
        Column("tags", "Tags", ColumnType.TAGS),
        *AGE_COLUMNS,
    ),
    tabs=("overview", "trainings", "tunings", "lineage"),
)
