"""Kernels on instances: a notebook stays where it is, and its kernel holds an instance of some type elsewhere."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from orrery.domain.kinds import AGE_COLUMNS, COMMON_COLUMNS, Action, Column, ColumnType, Kind, Spec
from orrery.domain.machine import Phase, machine
from orrery.domain.records import Target

#: shorter ones would be guessed
LEAST_KEY_CHARACTERS: Final = 32


class KernelSpec(Spec):
    instance_type: str = Field(
        description="The cores, memory and GPUs that it holds.", json_schema_extra={"x-orrery-instance-type": True}
    )
    kernel: str = Field("python3", description="The kernel spec that is run there, as the notebook server names it.")
    path: str = Field("", max_length=4096, description="The notebook that it belongs to.")
    notebook: str | None = Field(None, description="The notebook server that asked for it.")
    key: str | None = Field(
        None,
        repr=False,
        min_length=LEAST_KEY_CHARACTERS,
        max_length=256,
        description="What signs the messages between the notebook server and the kernel's host; never shown again.",
    )


_WAITING = ("CREATE_REQUESTED", "CREATE_IN_PROGRESS")

KERNEL = Kind(
    name="kernel",
    plural="kernels",
    prefix="krn",
    title="Kernel",
    title_plural="Kernels on instances",
    section="notebooks",
    order=20,
    description="A notebook's kernel that runs on an instance of its own.",
    spec=KernelSpec,
    # a notebook server makes them: `orrery.api.kernels`
    creatable=False,
    is_private=True,
    concealed=frozenset({"key"}),
    machine=machine(
        Phase("CREATE_REQUESTED", "Pending"),
        (
            Phase("CREATE_IN_PROGRESS", "Pending"),
            Phase("RUNNING", "Running"),
            Phase("STOP_IN_PROGRESS", "Running"),
            Phase("STOPPED", "Cancelled", settled=True),
            Phase("COMPLETE", "Completed", settled=True),
            Phase("FAILED", "Failed", settled=True),
            Phase("CREATE_FAILED", "Failed", settled=True),
        ),
        {
            ("CREATE_REQUESTED", "accepted"): "CREATE_IN_PROGRESS",
            ("CREATE_IN_PROGRESS", "refused"): "CREATE_FAILED",
            ("CREATE_IN_PROGRESS", "started"): "RUNNING",
            ("CREATE_IN_PROGRESS", "failed"): "FAILED",
            ("CREATE_IN_PROGRESS", "ended"): "COMPLETE",
            ("CREATE_IN_PROGRESS", "cancelled"): "STOPPED",
            **{(phase, "stop"): "STOP_IN_PROGRESS" for phase in (*_WAITING, "RUNNING")},
            ("RUNNING", "ended"): "COMPLETE",
            ("RUNNING", "failed"): "FAILED",
            ("RUNNING", "cancelled"): "STOPPED",
            ("STOP_IN_PROGRESS", "ended"): "STOPPED",
            ("STOP_IN_PROGRESS", "failed"): "STOPPED",
            ("STOP_IN_PROGRESS", "cancelled"): "STOPPED",
        },
    ),
    actions=(
        Action(
            "stop",
            "Stop",
            event="stop",
            target=Target.STOPPED,
            destructive=True,
            confirm="Stop this kernel? The notebook stays, its variables are lost.",
        ),
    ),
    columns=(
        *COMMON_COLUMNS,
        Column("spec.instance_type", "Instance type"),
        Column("spec.path", "Notebook"),
        Column("spec.kernel", "Kernel"),
        Column("status.duration_seconds", "Running for", ColumnType.DURATION),
        *AGE_COLUMNS,
    ),
    tabs=("overview", "logs", "usage"),
    undeletable={phase: "stop it first" for phase in (*_WAITING, "RUNNING", "STOP_IN_PROGRESS")},
)
