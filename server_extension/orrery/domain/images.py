"""Images: the software that notebooks and runs are started with, in a registry and checked there."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field, field_validator

from orrery.domain.image_addresses import parse_image_address
from orrery.domain.kinds import AGE_COLUMNS, COMMON_COLUMNS, Action, Column, ColumnType, Kind, Spec
from orrery.domain.machine import Phase, machine
from orrery.domain.references import RegistryAccountRef

#: the label by which an image says from which of the platform's own it was built; what is built on it inherits it
BASE_LABEL: Final = "orrery.image.base"
#: field of the spec -> the label that says it
LABELS: Final = {
    "type": "orrery.image.type",
    "core_type": "orrery.image.core-type",
    "framework": "orrery.image.framework",
    "framework_version": "orrery.image.framework-version",
    "python_version": "orrery.image.python-version",
}
#: what is read of an image, and shown
FACTS: Final = ("core_type", "framework", "framework_version", "python_version")
#: the image of a platform without containers: what is installed on its machine
LOCAL: Final = "local"

Use = Literal["NOTEBOOK", "TRAINING"]
_FROM_LABEL = "Empty: as the image's label says."


class ImageSpec(Spec):
    address: str = Field(
        description="Where it is: registry/repository:tag, or registry/repository@sha256:… for good. "
        "It must be built on one of the catalogue's images.",
        json_schema_extra={"x-orrery-group": "Image"},
    )
    type: Use = Field(
        "NOTEBOOK",
        description="What it is for: notebooks, or trainings and tunings.",
        json_schema_extra={"x-orrery-group": "Image"},
    )
    registry_account: RegistryAccountRef | None = Field(
        None,
        description="The log-in at its registry, where it is not public.",
        json_schema_extra={"x-orrery-group": "Image"},
    )
    core_type: Literal["CPU", "GPU"] | None = Field(
        None, description=_FROM_LABEL, json_schema_extra={"x-orrery-group": "What is in it"}
    )
    framework: Literal["PYTHON", "PYTORCH", "TENSORFLOW"] | None = Field(
        None, description=_FROM_LABEL, json_schema_extra={"x-orrery-group": "What is in it"}
    )
    framework_version: str | None = Field(
        None, max_length=64, description=_FROM_LABEL, json_schema_extra={"x-orrery-group": "What is in it"}
    )
    python_version: str | None = Field(
        None, max_length=64, description=_FROM_LABEL, json_schema_extra={"x-orrery-group": "What is in it"}
    )

    @field_validator("address")
    @classmethod
    def canonical(cls, address: str) -> str:
        return str(parse_image_address(address))

    @field_validator("framework_version", "python_version", mode="before")
    @classmethod
    def empty_is_none(cls, version: object) -> object:
        return None if isinstance(version, str) and not version.strip() else version


IMAGE = Kind(
    name="image",
    plural="images",
    prefix="img",
    title="Image",
    title_plural="Images",
    section="notebooks",
    order=40,
    description="The software that notebooks and trainings are started with: Python, its framework, their versions.",
    spec=ImageSpec,
    mutable=frozenset(ImageSpec.model_fields) - {"type"},
    changed_event="check",
    machine=machine(
        Phase("CHECK_IN_PROGRESS", "Pending"),
        (Phase("ACTIVE", "Active", settled=True), Phase("CHECK_FAILED", "Failed", settled=True)),
        {
            ("CHECK_IN_PROGRESS", "checked"): "ACTIVE",
            ("CHECK_IN_PROGRESS", "refused"): "CHECK_FAILED",
            ("CHECK_IN_PROGRESS", "check"): "CHECK_IN_PROGRESS",
            ("ACTIVE", "check"): "CHECK_IN_PROGRESS",
            ("CHECK_FAILED", "check"): "CHECK_IN_PROGRESS",
        },
    ),
    actions=(Action("check", "Check again", event="check", phases=frozenset({"ACTIVE", "CHECK_FAILED"})),),
    columns=(
        *COMMON_COLUMNS,
        Column("spec.type", "For"),
        Column("status.outputs.core_type", "Core"),
        Column("status.outputs.framework", "Framework"),
        Column("status.outputs.framework_version", "Version"),
        Column("status.outputs.python_version", "Python"),
        Column("status.outputs.size_bytes", "Size", ColumnType.BYTES),
        *AGE_COLUMNS,
    ),
)
