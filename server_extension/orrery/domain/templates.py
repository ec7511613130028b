"""Templates: the settings of a training, kept under a name to begin others from."""

from __future__ import annotations

from pydantic import ConfigDict

from orrery.domain.kinds import AGE_COLUMNS, COMMON_COLUMNS, Action, Column, ColumnType, Kind
from orrery.domain.machine import Phase, machine
from orrery.domain.trainings import TrainingSpec


class TemplateSpec(TrainingSpec):
    """The fields of a training; all but the algorithm may be left open, its datasets and hyperparameters too."""

    #: forms ask for no more than the algorithm
    model_config = ConfigDict(json_schema_extra={"x-orrery-open": True})


TEMPLATE = Kind(
    name="template",
    plural="templates",
    prefix="tpl",
    title="Template",
    title_plural="Templates",
    section="training",
    order=30,
    description="Settings of a training, kept to begin others from.",
    spec=TemplateSpec,
    machine=machine(
        Phase("CREATE_REQUESTED", "Pending"),
        (
            Phase("CREATE_IN_PROGRESS", "Pending"),
            Phase("CREATE_FAILED", "Failed", settled=True),
            Phase("UPDATE_IN_PROGRESS", "Pending"),
            Phase("ACTIVE", "Active", settled=True),
        ),
        {
            ("CREATE_REQUESTED", "accepted"): "CREATE_IN_PROGRESS",
            ("CREATE_REQUESTED", "failed"): "CREATE_FAILED",
            ("CREATE_IN_PROGRESS", "created"): "ACTIVE",
            ("CREATE_IN_PROGRESS", "failed"): "CREATE_FAILED",
            ("CREATE_FAILED", "retry"): "CREATE_REQUESTED",
            ("ACTIVE", "changed"): "UPDATE_IN_PROGRESS",
            ("UPDATE_IN_PROGRESS", "changed"): "UPDATE_IN_PROGRESS",
            ("UPDATE_IN_PROGRESS", "created"): "ACTIVE",
        },
    ),
    mutable=frozenset(TemplateSpec.model_fields) - TemplateSpec.made_by_platform,
    changed_event="changed",
    actions=(Action("retry", "Retry", event="retry"),),
    columns=(
        *COMMON_COLUMNS,
        Column("spec.algorithm", "Algorithm", ColumnType.REFERENCE),
        Column("status.outputs.hyperparameters", "Hyperparameters"),
        Column("spec.datasets.train", "Dataset", ColumnType.REFERENCE),
        Column("description", "Description"),
        Column("tags", "Tags", ColumnType.TAGS),
        *AGE_COLUMNS,
    ),
)
