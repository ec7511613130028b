"""Datasets, and the versions of them that are published.

A dataset is a working copy: its files may be replaced until they are published. A *dataset version* is an immutable
snapshot, and what trainings are pinned to.
"""

from __future__ import annotations

import mimetypes
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from orrery.domain.kinds import AGE_COLUMNS, COMMON_COLUMNS, Action, Column, ColumnType, Kind, Spec
from orrery.domain.machine import Phase, machine
from orrery.domain.references import DatasetRef


class DatasetType(StrEnum):
    TEXT = "text"
    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"
    TABULAR = "tabular"


class Purpose(StrEnum):
    TRAINING = "training"
    VALIDATION = "validation"
    TESTING = "testing"


class Format(StrEnum):
    CSV = "csv"
    TSV = "tsv"
    PARQUET = "parquet"
    JSON = "json"
    JSONL = "jsonl"
    XLSX = "xlsx"


ObjectId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class DatasetFile(BaseModel):
    """One file: where it lies in the dataset, and its content in the object store."""

    model_config = ConfigDict(extra="forbid")

    path: str = Field(
        min_length=1, max_length=1024, description="Where it lies inside the dataset, with '/' between folders."
    )
    oid: ObjectId = Field(description="sha256 of its content, as the upload answered it.")
    size: int = Field(ge=0, description="Bytes.")
    purpose: Purpose | None = Field(
        None, description="What its rows are for; without a label the training splits them."
    )

    @field_validator("path")
    @classmethod
    def stays_inside(cls, path: str) -> str:
        parts = PurePosixPath(path).parts
        if not parts or parts[0] == "/" or ".." in parts or "\\" in path or any(ord(letter) < 32 for letter in path):
            raise ValueError(f"{path!r} must be a relative path with '/', without '..', '\\' or control characters")
        return str(PurePosixPath(*parts))


def distinct_paths(files: list[DatasetFile]) -> list[DatasetFile]:
    seen: set[str] = set()
    for file in files:
        if file.path in seen:
            raise ValueError(f"two files lie at {file.path!r}; rename one of them")
        seen.add(file.path)
    return files


def fit_for_variables(inputs: dict[str, str]) -> dict[str, str]:
    """Inputs by names that environment variables can end with: `EM_DATASET_<NAME>`. Raises: ValueError."""
    for name in inputs:
        if not name.isidentifier() or len(name) > 63:
            raise ValueError(f"name {name!r} must be a word of letters, digits and '_'")
    return inputs


class DatasetSpec(Spec):
    type: DatasetType = Field(
        DatasetType.TABULAR, description="What the data is. Tabular data is read and described at once."
    )
    format: Format | None = Field(
        None, description="How the files are written; left empty, each file's extension says it."
    )
    files: list[DatasetFile] = Field(
        min_length=1,
        max_length=10_000,
        description="The uploaded files.",
        json_schema_extra={"x-orrery-upload": True},
    )
    publish: bool = Field(
        False, description="Publish version 1 as soon as the files are read: trainings need a published version."
    )

    _distinct = field_validator("files")(distinct_paths)

    @model_validator(mode="after")
    def only_tabular(self) -> DatasetSpec:
        if self.type is DatasetType.TABULAR and self.format is None:
            unknown = [
                f.path for f in self.files if PurePosixPath(f.path).suffix.lstrip(".").lower() not in set(Format)
            ]
            if unknown:
                raise ValueError(
                    f"{unknown[0]!r} has no known extension ({', '.join(Format)}); rename it, or set 'format'"
                )
        return self


class DatasetVersionSpec(Spec):
    dataset: DatasetRef
    type: DatasetType
    format: Format | None = None
    files: list[DatasetFile]
    #: what inspection found: rows, columns, warnings, and the object that holds the profile
    content: dict[str, Any] = Field(default_factory=dict)

    _distinct = field_validator("files")(distinct_paths)


def file_format(path: str, declared: Format | None) -> str | None:
    """The format of one file: as declared, else by its extension."""
    return declared.value if declared else (PurePosixPath(path).suffix.lstrip(".").lower() or None)


def media_type(path: str) -> str:
    return mimetypes.guess_type(path)[0] or "application/octet-stream"


class PublishBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    description: str = Field("", max_length=10_000, description="What is new in this version.")


_DATA_COLUMNS = (
    Column("spec.type", "Type"),
    Column("status.outputs.rows", "Rows", ColumnType.NUMBER),
    Column("status.outputs.bytes", "Size", ColumnType.BYTES),
)

DATASET = Kind(
    name="dataset",
    plural="datasets",
    prefix="dst",
    title="Dataset",
    title_plural="Datasets",
    section="data",
    order=10,
    description="Files to learn from, read and described when they arrive.",
    spec=DatasetSpec,
    machine=machine(
        Phase("PROCESSING", "Pending"),
        (Phase("READY", "Active", settled=True), Phase("FAILED", "Failed", settled=True)),
        {
            ("PROCESSING", "inspected"): "READY",
            ("PROCESSING", "failed"): "FAILED",
            ("FAILED", "retry"): "PROCESSING",
            ("READY", "retry"): "PROCESSING",
            ("FAILED", "changed"): "PROCESSING",
            ("READY", "changed"): "PROCESSING",
        },
    ),
    mutable=frozenset({"files", "format", "publish"}),
    changed_event="changed",
    actions=(
        Action(
            "publish",
            "Publish version",
            phases=frozenset({"READY"}),
            body=PublishBody,
            confirm="Publish the files as they are now? A published version cannot be changed.",
        ),
        Action("retry", "Read again", event="retry"),
    ),
    columns=(
        *COMMON_COLUMNS,
        *_DATA_COLUMNS,
        Column("status.outputs.latest_version", "Version", ColumnType.NUMBER),
        Column("tags", "Tags", ColumnType.TAGS),
        *AGE_COLUMNS,
    ),
    tabs=("overview", "data", "insight", "files", "logs", "lineage"),
)

DATASET_VERSION = Kind(
    name="dataset-version",
    plural="dataset-versions",
    prefix="dsv",
    title="Dataset version",
    title_plural="Dataset versions",
    section="data",
    order=11,
    description="An immutable snapshot of a dataset; trainings are pinned to one.",
    spec=DatasetVersionSpec,
    versioned=True,
    creatable=False,
    machine=machine(
        Phase("PUBLISHED", "Active", settled=True),
        (Phase("ARCHIVED", "Stopped", settled=True),),
        {("PUBLISHED", "archive"): "ARCHIVED", ("ARCHIVED", "unarchive"): "PUBLISHED"},
    ),
    actions=(
        Action(
            "archive",
            "Archive",
            event="archive",
            confirm="Archive this version? New trainings can no longer choose it.",
        ),
        Action("unarchive", "Restore from archive", event="unarchive"),
    ),
    columns=(*COMMON_COLUMNS, Column("version", "Version", ColumnType.NUMBER), *_DATA_COLUMNS, *AGE_COLUMNS),
    tabs=("overview", "data", "insight", "files", "lineage"),
)
