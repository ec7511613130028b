"""Notebooks: servers of JupyterHub that keep what people build in them."""

from __future__ import annotations

import re
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, field_validator

from orrery.domain.kinds import AGE_COLUMNS, COMMON_COLUMNS, Action, App, Column, ColumnType, Kind, Spec
from orrery.domain.machine import Phase, machine
from orrery.domain.records import Target
from orrery.domain.references import ImageRef
from orrery.domain.variables import check_values

_DIRECTORY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_NAS: Final = re.compile(r"nas://([A-Za-z0-9][A-Za-z0-9._-]*):(/.*)")
#: of a variable's value, characters
MAX_VALUE: Final = 32_768
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: folders of the data volume that mean something already
RESERVED_DIRECTORIES: Final = frozenset({"cont-init.d", "custom-conda-envs"})


class Mount(BaseModel):
    """Shared storage inside the data volume."""

    model_config = ConfigDict(extra="forbid")
    directory: str = Field(description="Its folder's name below the data volume.")
    uri: str = Field(description="nas://ID:/path, with an ID that the administrator has set up.")
    read_only: bool = False

    @field_validator("directory")
    @classmethod
    def a_plain_name(cls, directory: str) -> str:
        if not _DIRECTORY.fullmatch(directory) or directory in RESERVED_DIRECTORIES:
            raise ValueError(
                f"directory {directory!r} cannot be used: begin with a letter or digit, go on with letters, digits, "
                f". _ or -, 64 at most, and none of {', '.join(sorted(RESERVED_DIRECTORIES))}"
            )
        return directory

    @field_validator("uri")
    @classmethod
    def shared_storage(cls, uri: str) -> str:
        found = _NAS.fullmatch(uri)
        if found is None:
            raise ValueError(f"{uri!r} is no shared storage; it looks like nas://ID:/path")
        if ".." in found.group(2).split("/"):
            raise ValueError(f"{uri!r} leads out of its storage; leave '..' out")
        return uri


class NotebookSpec(Spec):
    image: ImageRef | None = Field(
        None,
        description="The software it starts with: its core type, framework and versions. Empty: the catalogue's Python "
        "for the instance type's core type.",
        json_schema_extra={"x-orrery-image": "NOTEBOOK", "x-orrery-group": "Size"},
    )
    instance_type: str = Field(
        "cpu-small",
        description="Its cores, memory and GPUs; can be changed while it is stopped, within the same core type.",
        json_schema_extra={"x-orrery-instance-type": True, "x-orrery-group": "Size"},
    )
    data_gib: float | None = Field(
        None,
        gt=0,
        le=65_536,
        title="Data volume size",
        description="Size of the data volume, GiB, where volumes have sizes: it keeps everything below it over stops, "
        "starts and changes of image and size.",
        json_schema_extra={"x-orrery-unit": "GiB", "x-orrery-group": "Storage"},
    )
    boot_gib: float | None = Field(
        None,
        gt=0,
        le=65_536,
        title="Boot volume size",
        description="Size of what the image brings, GiB; it is made anew at each start.",
        json_schema_extra={"x-orrery-unit": "GiB", "x-orrery-group": "Storage"},
    )
    mounts: list[Mount] = Field(
        default_factory=list[Mount],
        max_length=16,
        description="Shared storage inside the data volume; it stays when the notebook is deleted.",
        json_schema_extra={"x-orrery-group": "Storage"},
    )
    environment: dict[str, str] = Field(
        default_factory=dict,
        max_length=100,
        description="Variables of its kernels and terminals.",
        json_schema_extra={"x-orrery-group": "Advanced"},
    )
    idle_minutes: float | None = Field(
        None,
        gt=0,
        le=30 * 24 * 60,
        description="It is stopped after so many minutes in which nothing ran and nobody was there; empty: what the "
        "administrator set.",
        json_schema_extra={"x-orrery-group": "Advanced"},
    )

    @field_validator("mounts")
    @classmethod
    def distinct_directories(cls, mounts: list[Mount]) -> list[Mount]:
        seen = [mount.directory for mount in mounts]
        twice = next((name for name in seen if seen.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"directory {twice!r} is named twice; give each storage a folder of its own")
        return mounts

    @field_validator("environment")
    @classmethod
    def names_of_variables(cls, environment: dict[str, str]) -> dict[str, str]:
        def problem(name: str) -> str:
            if not _VARIABLE.fullmatch(name) or name.startswith(("ORRERY_", "JUPYTERHUB_", "LD_")):
                return f"variable {name!r} cannot be set; use letters, digits and _, and no name of Jupyter's"
            length = len(environment[name])
            too_long = f"the value of {name} has {length:,} characters; it has {MAX_VALUE:,} at most"
            return too_long if length > MAX_VALUE else ""

        check_values(environment, problem)
        return environment


_ACTIVE: Final = ("ACTIVE_HEALTHY", "ACTIVE_UNHEALTHY")
#: wanted to run, and on the way there
_STARTING: Final = ("CREATE_IN_PROGRESS", "START_IN_PROGRESS", "REBOOT_IN_PROGRESS")
_DOWN: Final = ("STOPPED", "CREATE_FAILED", "START_FAILED", "REBOOT_FAILED")
_ALL: Final = ("CREATE_REQUESTED", *_STARTING, *_ACTIVE, "STOP_IN_PROGRESS", *_DOWN, "STOP_FAILED", "DELETE_FAILED")

NOTEBOOK = Kind(
    name="notebook",
    plural="notebooks",
    prefix="nbk",
    title="Notebook",
    title_plural="Notebooks",
    section="notebooks",
    order=10,
    description="A JupyterLab of its own: an image, a size, and a data volume that keeps what you build.",
    deleting="Its server is stopped. Its data volume, with everything on it, is removed when it leaves the trash; "
    "shared storage stays.",
    spec=NotebookSpec,
    app=App("Open", "open", is_main=True),
    mutable=frozenset({"image", "instance_type", "environment", "idle_minutes", "mounts"}),
    is_private=True,
    needs_hub=True,
    holding=frozenset(
        {
            "CREATE_IN_PROGRESS",
            "START_IN_PROGRESS",
            "ACTIVE_HEALTHY",
            "ACTIVE_UNHEALTHY",
            "REBOOT_IN_PROGRESS",
            "STOP_IN_PROGRESS",
            "STOP_FAILED",
        }
    ),
    machine=machine(
        Phase("CREATE_REQUESTED", "Pending"),
        (
            Phase("CREATE_IN_PROGRESS", "Pending"),
            Phase("ACTIVE_HEALTHY", "Active", settled=True),
            Phase("ACTIVE_UNHEALTHY", "Active", settled=True),
            Phase("STOP_IN_PROGRESS", "Stopped"),
            Phase("STOPPED", "Stopped", settled=True),
            Phase("START_IN_PROGRESS", "Pending"),
            Phase("REBOOT_IN_PROGRESS", "Pending"),
            Phase("DELETE_IN_PROGRESS", "Stopped"),
            Phase("CREATE_FAILED", "Failed", settled=True),
            Phase("STOP_FAILED", "Failed", settled=True),
            Phase("START_FAILED", "Failed", settled=True),
            Phase("REBOOT_FAILED", "Failed", settled=True),
            Phase("DELETE_FAILED", "Failed", settled=True),
        ),
        {
            ("CREATE_REQUESTED", "accepted"): "CREATE_IN_PROGRESS",
            **{(phase, "healthy"): "ACTIVE_HEALTHY" for phase in (*_STARTING, "ACTIVE_UNHEALTHY")},
            ("CREATE_IN_PROGRESS", "failed"): "CREATE_FAILED",
            ("START_IN_PROGRESS", "failed"): "START_FAILED",
            ("REBOOT_IN_PROGRESS", "failed"): "REBOOT_FAILED",
            ("ACTIVE_HEALTHY", "unreachable"): "ACTIVE_UNHEALTHY",
            # the hub ended it by itself, or it ended: a crash, a culler, somebody at the hub's own pages
            **{(phase, "gone"): "STOPPED" for phase in _ACTIVE},
            # it was started past the platform, by its address
            **{(phase, "appeared"): "START_IN_PROGRESS" for phase in _DOWN},
            **{(phase, "stop"): "STOP_IN_PROGRESS" for phase in ("CREATE_REQUESTED", *_STARTING, *_ACTIVE)},
            ("STOP_FAILED", "stop"): "STOP_IN_PROGRESS",
            ("STOP_IN_PROGRESS", "stopped"): "STOPPED",
            ("STOP_IN_PROGRESS", "failed"): "STOP_FAILED",
            **{(phase, "start"): "START_IN_PROGRESS" for phase in _DOWN},
            **{(phase, "reboot"): "REBOOT_IN_PROGRESS" for phase in (*_ACTIVE, "REBOOT_FAILED", "STOP_FAILED")},
            **{(phase, "delete"): "DELETE_IN_PROGRESS" for phase in _ALL},
            ("DELETE_IN_PROGRESS", "stopped"): "STOPPED",
            ("DELETE_IN_PROGRESS", "failed"): "DELETE_FAILED",
        },
    ),
    actions=(
        Action("start", "Start", event="start", target=Target.RUNNING),
        Action(
            "stop",
            "Stop",
            event="stop",
            target=Target.STOPPED,
            destructive=True,
            confirm="Stop this notebook? Its kernels and terminals end, and what is not on the data volume is lost. "
            "This cannot be cancelled.",
        ),
        Action(
            "reboot",
            "Reboot",
            event="reboot",
            target=Target.RUNNING,
            destructive=True,
            confirm="Reboot this notebook? Its kernels and terminals end; the data volume stays.",
        ),
    ),
    columns=(
        *COMMON_COLUMNS,
        Column("spec.image", "Image", ColumnType.REFERENCE),
        Column("spec.instance_type", "Instance type"),
        Column("status.outputs.last_activity", "Last used", ColumnType.DATE),
        Column("tags", "Tags", ColumnType.TAGS),
        *AGE_COLUMNS,
    ),
    tabs=("overview", "monitoring", "lineage"),
    delete_event="delete",
)
