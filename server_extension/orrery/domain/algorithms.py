"""Algorithms: notebooks with a typed parameters cell, which is their form."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from orrery.domain.datasets import DatasetFile
from orrery.domain.kinds import AGE_COLUMNS, COMMON_COLUMNS, Column, Kind, Spec
from orrery.domain.machine import Phase, machine


class MetricDeclaration(BaseModel):
    """A metric that the algorithm emits, and which way is better."""

    name: str
    title: str = ""
    goal: str = Field("maximize", pattern="^(maximize|minimize)$")


class DatasetDeclaration(BaseModel):
    """A dataset that the algorithm reads, by the name its notebook knows it by."""

    name: str
    title: str = ""
    required: bool = False


class AlgorithmSpec(Spec):
    title: str = ""
    scenario: str = "tabular"
    framework: str = ""
    tasks: list[str] = Field(default_factory=list)
    metrics: list[MetricDeclaration] = Field(default_factory=list[MetricDeclaration])
    datasets: list[DatasetDeclaration] = Field(default_factory=list[DatasetDeclaration])
    notebook: DatasetFile = Field(description="The notebook that is run.")
    parameters_schema: dict[str, Any] = Field(default_factory=dict, description="JSON schema of the parameters cell.")


ALGORITHM = Kind(
    name="algorithm",
    plural="algorithms",
    prefix="alg",
    title="Algorithm",
    title_plural="Algorithms",
    section="training",
    order=30,
    description="A notebook that trains a model; its parameters cell is the form.",
    spec=AlgorithmSpec,
    creatable=False,
    machine=machine(Phase("ACTIVE", "Active", settled=True), (), {}),
    columns=(
        *COMMON_COLUMNS,
        Column("spec.title", "Title"),
        Column("spec.scenario", "Scenario"),
        Column("spec.framework", "Framework"),
        *AGE_COLUMNS,
    ),
    tabs=("overview", "notebook", "lineage"),
)
