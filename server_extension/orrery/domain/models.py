"""Models: registered versions with their files, their input schema and where they came from."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from orrery.domain.datasets import DatasetFile, distinct_paths
from orrery.domain.kinds import AGE_COLUMNS, COMMON_COLUMNS, Column, ColumnType, Kind, Spec
from orrery.domain.machine import Phase, machine
from orrery.domain.references import TrainingRef

#: the file that describes a model package
MANIFEST = "orrery-model.json"


class ModelFile(DatasetFile):
    model_config = ConfigDict(extra="forbid")


class ModelParameter(BaseModel):
    """Reaches the model server as an argument (as typed) and as a SCREAMING_SNAKE environment variable."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(min_length=1, max_length=128)
    value: str = Field(max_length=4096)

    @field_validator("value")
    @classmethod
    def fits_a_variable(cls, value: str) -> str:
        if "\0" in value:
            raise ValueError("it becomes an environment variable, which cannot hold the character NUL")
        return value


class ModelSpec(Spec):
    training: TrainingRef | None = Field(None, description="The training that made it; empty for an imported model.")
    files: list[ModelFile] = Field(
        min_length=1,
        max_length=10_000,
        description=f"The model's files; {MANIFEST} among them describes the rest.",
        json_schema_extra={"x-orrery-upload": True},
    )
    parameters: list[ModelParameter] = Field(
        default_factory=list[ModelParameter], max_length=100, description="Parameters for serving."
    )
    metrics: dict[str, Any] = Field(default_factory=dict, description="Held-out metrics of the training.")

    _distinct = field_validator("files")(distinct_paths)


MODEL = Kind(
    name="model",
    plural="models",
    prefix="mdl",
    title="Model",
    title_plural="Models",
    section="models",
    order=10,
    description="A registered model version with its files and its lineage.",
    spec=ModelSpec,
    versioned=True,
    machine=machine(
        Phase("CREATE_REQUESTED", "Pending"),
        (
            Phase("CREATE_IN_PROGRESS", "Pending"),
            Phase("ACTIVE", "Active", settled=True),
            Phase("CREATE_FAILED", "Failed", settled=True),
            Phase("DELETE_IN_PROGRESS", "Running"),
            Phase("DELETE_FAILED", "Failed", settled=True),
        ),
        {
            ("CREATE_REQUESTED", "accepted"): "CREATE_IN_PROGRESS",
            ("CREATE_REQUESTED", "failed"): "CREATE_FAILED",
            ("CREATE_IN_PROGRESS", "checked"): "ACTIVE",
            ("CREATE_IN_PROGRESS", "failed"): "CREATE_FAILED",
        },
    ),
    columns=(
        *COMMON_COLUMNS,
        Column("version", "Version", ColumnType.NUMBER),
        Column("status.outputs.framework", "Framework"),
        Column("status.outputs.task", "Task"),
        Column("status.outputs.algorithm", "Algorithm"),
        Column("status.outputs.metrics.accuracy", "Accuracy", ColumnType.NUMBER),
        Column("spec.training", "Training", ColumnType.REFERENCE),
        Column("status.outputs.bytes", "Size", ColumnType.BYTES),
        Column("tags", "Tags", ColumnType.TAGS),
        *AGE_COLUMNS,
    ),
    tabs=("overview", "card", "try-model", "files", "lineage"),
)
