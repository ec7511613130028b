"""Dashboards: notebooks published as pages, pinned to their data and models, asleep until somebody visits."""

from __future__ import annotations

import keyword
from pathlib import PurePosixPath
from typing import Any

from pydantic import Field, field_validator, model_validator

from orrery.domain.datasets import DatasetFile, distinct_paths, fit_for_variables
from orrery.domain.kinds import AGE_COLUMNS, COMMON_COLUMNS, Action, App, Column, ColumnType, Kind, Spec
from orrery.domain.machine import Phase, machine
from orrery.domain.records import Target
from orrery.domain.references import DatasetVersionRef, ModelRef

MAX_INPUTS = 10
MAX_FILES = 200


class DashboardSpec(Spec):
    files: list[DatasetFile] = Field(
        min_length=1,
        max_length=MAX_FILES,
        description="The notebook, and what it needs beside it: modules, images.",
        json_schema_extra={"x-orrery-upload": True, "x-orrery-group": "Notebook"},
    )
    entry_point: str | None = Field(
        None,
        description="Which notebook is shown; empty where there is one among the files.",
        json_schema_extra={"x-orrery-group": "Notebook"},
    )
    parameters: dict[str, Any] = Field(
        default_factory=dict,
        description="Values for the notebook's parameters cell; those left out keep the notebook's own.",
        json_schema_extra={"x-orrery-group": "Notebook"},
    )
    show_code: bool = Field(
        False,
        description="Show the code cells too, and full tracebacks where one fails.",
        json_schema_extra={"x-orrery-group": "Notebook"},
    )
    datasets: dict[str, DatasetVersionRef] = Field(
        default_factory=dict,
        max_length=MAX_INPUTS,
        description="Dataset versions by name; the notebook finds the folder of 'train' in EM_DATASET_TRAIN. "
        "A dataset without a version means its latest published one.",
        json_schema_extra={"x-orrery-group": "Data"},
    )
    models: dict[str, ModelRef] = Field(
        default_factory=dict,
        max_length=MAX_INPUTS,
        description="Model versions by name; the notebook finds the folder of 'best' in EM_MODEL_BEST.",
        json_schema_extra={"x-orrery-group": "Data"},
    )
    instance_type: str = Field(
        "serve-medium",
        description="The cores and memory that it holds while it is awake; every visitor's kernel shares them.",
        json_schema_extra={"x-orrery-instance-type": True, "x-orrery-group": "Run"},
    )
    idle_minutes: float = Field(
        15.0,
        gt=0,
        le=7 * 24 * 60,
        description="It falls asleep after so many minutes without a visitor.",
        json_schema_extra={"x-orrery-group": "Run"},
    )

    _distinct = field_validator("files")(distinct_paths)

    @field_validator("datasets", "models")
    @classmethod
    def names_fit_variables(cls, inputs: dict[str, str]) -> dict[str, str]:
        return fit_for_variables(inputs)

    @field_validator("parameters")
    @classmethod
    def names_of_variables(cls, parameters: dict[str, Any]) -> dict[str, Any]:
        for name in parameters:
            if not name.isidentifier() or keyword.iskeyword(name):
                raise ValueError(f"parameter {name!r} is no name of a Python variable")
        return parameters

    @model_validator(mode="after")
    def one_notebook(self) -> DashboardSpec:
        notebooks = [file.path for file in self.files if PurePosixPath(file.path).suffix == ".ipynb"]
        known = ", ".join(notebooks) or "none"
        if self.entry_point is None and len(notebooks) != 1:
            raise ValueError(f"name the notebook to show in 'entry_point'; the files hold: {known}")
        if self.entry_point is not None and self.entry_point not in notebooks:
            raise ValueError(f"notebook {self.entry_point!r} is not among the files; the notebooks there are: {known}")
        return self

    @property
    def shown(self) -> DatasetFile:
        """The notebook."""
        return next(file for file in self.files if file.path == self.entry_point or self._is_only(file))

    def _is_only(self, file: DatasetFile) -> bool:
        return self.entry_point is None and PurePosixPath(file.path).suffix == ".ipynb"


_AWAKE = ("WAKE_IN_PROGRESS", "ACTIVE", "WAKE_FAILED", "SLEEP_IN_PROGRESS")

DASHBOARD = Kind(
    name="dashboard",
    plural="dashboards",
    prefix="dsh",
    title="Dashboard",
    title_plural="Dashboards",
    section="dashboards",
    order=10,
    description="A notebook published as a page; it costs nothing until somebody visits.",
    spec=DashboardSpec,
    app=App("Open", "visit", is_main=True),
    mutable=frozenset(DashboardSpec.model_fields),
    changed_event="changed",
    holding=frozenset({"WAKE_IN_PROGRESS", "ACTIVE", "SLEEP_IN_PROGRESS"}),
    machine=machine(
        Phase("CREATE_REQUESTED", "Pending"),
        (
            Phase("ASLEEP", "Active", settled=True),
            Phase("WAKE_IN_PROGRESS", "Active"),
            Phase("ACTIVE", "Active", settled=True),
            Phase("WAKE_FAILED", "Failed", settled=True),
            Phase("SLEEP_IN_PROGRESS", "Active"),
            Phase("STOP_IN_PROGRESS", "Stopped"),
            Phase("STOPPED", "Stopped", settled=True),
            Phase("DELETE_IN_PROGRESS", "Stopped"),
        ),
        {
            ("CREATE_REQUESTED", "accepted"): "ASLEEP",
            ("ASLEEP", "wake"): "WAKE_IN_PROGRESS",
            ("WAKE_FAILED", "wake"): "WAKE_IN_PROGRESS",
            ("WAKE_IN_PROGRESS", "ready"): "ACTIVE",
            ("WAKE_IN_PROGRESS", "failed"): "WAKE_FAILED",
            # its process died; the executor starts it again
            ("ACTIVE", "lost"): "WAKE_IN_PROGRESS",
            ("ACTIVE", "sleep"): "SLEEP_IN_PROGRESS",
            ("SLEEP_IN_PROGRESS", "slept"): "ASLEEP",
            # somebody came while it went: it stays
            ("SLEEP_IN_PROGRESS", "visited"): "ACTIVE",
            # the platform was shut down, and its services with it
            ("ACTIVE", "slept"): "ASLEEP",
            ("CREATE_REQUESTED", "changed"): "CREATE_REQUESTED",
            ("ASLEEP", "changed"): "ASLEEP",
            ("WAKE_IN_PROGRESS", "changed"): "WAKE_IN_PROGRESS",
            ("ACTIVE", "changed"): "WAKE_IN_PROGRESS",
            ("WAKE_FAILED", "changed"): "ASLEEP",
            ("SLEEP_IN_PROGRESS", "changed"): "SLEEP_IN_PROGRESS",
            ("STOPPED", "changed"): "STOPPED",
            **{(phase, "stop"): "STOP_IN_PROGRESS" for phase in ("CREATE_REQUESTED", "ASLEEP", *_AWAKE)},
            ("STOP_IN_PROGRESS", "stopped"): "STOPPED",
            ("STOPPED", "start"): "ASLEEP",
            **{
                (phase, "delete"): "DELETE_IN_PROGRESS"
                for phase in ("CREATE_REQUESTED", "ASLEEP", *_AWAKE, "STOP_IN_PROGRESS", "STOPPED")
            },
            ("DELETE_IN_PROGRESS", "stopped"): "STOPPED",
        },
    ),
    actions=(
        Action("wake", "Wake", event="wake", target=Target.RUNNING),
        Action(
            "sleep",
            "Put to sleep",
            event="sleep",
            confirm="Put it to sleep now? Pages that are open lose their kernel.",
        ),
        Action(
            "stop",
            "Stop",
            event="stop",
            target=Target.STOPPED,
            destructive=True,
            confirm="Stop this dashboard? Nobody can visit it until it is started again.",
        ),
        Action("start", "Start", event="start", target=Target.RUNNING),
    ),
    columns=(
        *COMMON_COLUMNS,
        Column("visibility", "Visibility"),
        Column("status.outputs.url", "Address"),
        Column("status.outputs.woken_at", "Last woken", ColumnType.DATE),
        Column("tags", "Tags", ColumnType.TAGS),
        *AGE_COLUMNS,
    ),
    tabs=("overview", "files", "logs", "lineage"),
    delete_event="delete",
)
