"""Algorithms: a notebook or a script that trains. What it takes is read from its own code, and is the form."""

from __future__ import annotations

from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic.config import JsonDict

from orrery.domain.access import SYSTEM_OWNER
from orrery.domain.datasets import DatasetFile, distinct_paths
from orrery.domain.formulas import MAX_CHARACTERS, check_formula
from orrery.domain.goals import LOWER_IS_BETTER, Goal, guess_goal
from orrery.domain.kinds import AGE_COLUMNS, COMMON_COLUMNS, Action, Column, Kind, Spec
from orrery.domain.machine import Phase, machine
from orrery.domain.records import Json, Record
from orrery.domain.sources import MAX_FILES, AnySource, with_type
from orrery.errors import Invalid

#: among an algorithm's files: a JSON schema of its parameters, where its code does not tell them
SCHEMA_FILE = "parameters.schema.json"
#: among an algorithm's files: installed before it runs
REQUIREMENTS_FILE = "requirements.txt"
NOTEBOOK: Final = ".ipynb"
SCRIPT: Final = ".py"
#: the phase in which its code is on its way
FETCHING: Final = "FETCH_IN_PROGRESS"
_ADVANCED: Final[JsonDict] = {"x-orrery-group": "Advanced"}


class ModelType(StrEnum):
    """What kind of model an algorithm trains."""

    LLM = "LLM"
    DIFFUSION = "DIFFUSION"
    NLP_CLASSIFICATION = "NLP_CLASSIFICATION"
    NLP_NER = "NLP_NER"
    CV_CLASSIFICATION = "CV_CLASSIFICATION"
    OBJECT_DETECTION = "OBJECT_DETECTION"

    @classmethod
    def of(cls, text: str) -> ModelType:
        """`nlp-ner` and `NLP NER` are both NLP_NER. Raises: ValueError listing the known ones."""
        name = text.strip().upper().replace("-", "_").replace(" ", "_")
        if name not in cls.__members__:
            raise ValueError(f"model type {text!r} is none of {', '.join(cls)}")
        return cls[name]


class MetricDeclaration(BaseModel):
    """A metric that the algorithm emits, and which way is better."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=250)
    title: str = ""
    goal: Goal = Field(
        default_factory=lambda given: guess_goal(given.get("name", "")),
        description="Which way it is better. Automatic: a loss, an error or a duration is to be small, all else large.",
        json_schema_extra={"x-orrery-goal-of": "name", "x-orrery-minimized": LOWER_IS_BETTER},
    )
    pattern: str = Field(
        "",
        max_length=1000,
        description="Where it is read from the log: a regular expression whose group is the value, "
        "`accuracy=([0-9.]+)`; a group named `step` tells the step. Empty: the code reports it by itself.",
    )


class DatasetDeclaration(BaseModel):
    """A dataset that the algorithm reads, by the name its code knows it by."""

    name: str
    title: str = ""
    required: bool = False


class MemoryDeclaration(BaseModel):
    """How much memory a run takes, as far as it can be told before it starts; like runs correct it."""

    model_config = ConfigDict(extra="forbid")

    bytes: str = Field(
        "",
        title="Formula",
        max_length=MAX_CHARACTERS,
        description="Bytes at its peak, `200 * MiB + 60 * rows * numbers`: arithmetic over rows, bytes, numbers and "
        "categories (columns of each), features(16) (columns once categories of up to 16 values have one each), "
        "classes, and its parameters by their names (`batch-size` as batch_size). Empty: only earlier runs tell.",
    )
    gpu_bytes: str = Field(
        "",
        title="Formula for GPUs",
        max_length=MAX_CHARACTERS,
        description="Bytes on each GPU at its peak, `2 * billions * GiB + 40 * MiB * batch_size`: as the other.",
    )
    smaller: list[str] = Field(
        default_factory=list[str],
        max_length=20,
        description="Parameters that take less memory, of the machine or of its GPUs, the smaller they are, or with "
        "another of their choices (4-bit weights): what is proposed where it does not fit.",
    )

    @field_validator("bytes", "gpu_bytes")
    @classmethod
    def is_arithmetic(cls, formula: str) -> str:
        if formula.strip():
            try:
                check_formula(formula)
            except Invalid as error:
                raise ValueError(error.message) from error
        return formula.strip()


class AlgorithmSpec(Spec):
    title: str = Field("", max_length=250, description="What a list calls it; empty: its name.")
    source: AnySource | None = Field(
        None,
        title="Code from",
        description="Instead of uploaded files: where they are taken from, a Git repository, an archive or a dataset. "
        "`fetch` takes them anew.",
        json_schema_extra={"x-orrery-instead-of": "files", "x-orrery-none": "Uploaded files"},
    )
    files: list[DatasetFile] = Field(
        default_factory=list[DatasetFile],
        max_length=MAX_FILES,
        description=f"Its code: the entry point and what lies beside it. A {REQUIREMENTS_FILE} is installed first.",
        json_schema_extra={"x-orrery-upload": True},
    )
    commit: str = Field(
        "",
        max_length=64,
        description="What was taken: of Git the commit, of an archive its SHA-256. Set by the platform.",
        json_schema_extra={"readOnly": True},
    )
    entry_point: str = Field(
        "",
        max_length=500,
        validate_default=True,
        description="The file that is run, a .py or an .ipynb. Empty: the only one there is.",
        json_schema_extra={"x-orrery-entry-of": "files"},
    )
    metrics: list[MetricDeclaration] = Field(
        default_factory=list[MetricDeclaration], max_length=100, description="The metrics that it emits."
    )
    model_type: ModelType | None = Field(
        None, description="The kind of model that it trains. Empty: none of these.", json_schema_extra=_ADVANCED
    )
    scenario: str = Field("custom", max_length=64, description="What it is for.", json_schema_extra=_ADVANCED)
    framework: str = Field("", max_length=64, description="What it is written with.", json_schema_extra=_ADVANCED)
    tasks: list[str] = Field(
        default_factory=list[str],
        max_length=20,
        description="Kinds of task: classification, regression ...",
        json_schema_extra=_ADVANCED,
    )
    datasets: list[DatasetDeclaration] = Field(
        default_factory=list[DatasetDeclaration],
        max_length=10,
        description="The datasets that it reads, by name. Empty: whatever a training gives it.",
        json_schema_extra=_ADVANCED,
    )
    parameters_schema: dict[str, Any] = Field(
        default_factory=dict,
        description=f"JSON schema of its parameters. Empty: read from its parameters cell, from argparse, click or "
        f"typer, or from a file {SCHEMA_FILE}.",
        json_schema_extra=_ADVANCED,
    )

    memory: MemoryDeclaration = Field(
        default_factory=lambda: MemoryDeclaration.model_validate({}),
        title="Memory",
        description="What a run of it takes, told before one is started.",
        json_schema_extra=_ADVANCED,
    )

    _distinct = field_validator("files")(distinct_paths)

    @field_validator("model_type", mode="before")
    @classmethod
    def known_model_type(cls, given: Any) -> Any:
        return (ModelType.of(given) if given else None) if isinstance(given, str) else given

    @field_validator("source", mode="before")
    @classmethod
    def of_a_type(cls, source: Any) -> Any:
        return with_type(source)

    @field_validator("entry_point")
    @classmethod
    def among_the_files(cls, asked: str, info: ValidationInfo) -> str:
        files: list[DatasetFile] = info.data.get("files", [])
        if files and info.data.get("source") is None:
            return choose_entry_point([file.path for file in files], asked)
        return asked  # of those that are fetched it is chosen then


def choose_entry_point(paths: list[str], asked: str) -> str:
    """The file that is run. Raises: ValueError saying what to do."""
    programs = [path for path in paths if PurePosixPath(path).suffix in (NOTEBOOK, SCRIPT)]
    shown = ", ".join(programs[:10])
    if not asked:
        if len(programs) != 1:
            raise ValueError(
                f"which of the files is run? set entry_point to one of {shown}"
                if programs
                else "there is neither a .py nor an .ipynb among the files; add the one that is run"
            )
        return programs[0]
    if asked not in paths:
        raise ValueError(f"entry point {asked!r} is not among the files ({shown or 'none to run'})")
    if asked not in programs:
        raise ValueError(f"entry point {asked!r} must be a .py or an .ipynb")
    return asked


def check_metric(algorithm: Record, metric: str, *, path: str) -> None:
    """What a built-in algorithm emits is known; code of one's own may tell anything.

    Raises: Invalid for a metric that it does not emit; `path` is where it was named.
    """
    emitted = [declared["name"] for declared in algorithm.spec["metrics"]]
    if algorithm.owner == SYSTEM_OWNER and emitted and metric not in emitted:
        message = f"algorithm {algorithm.name} emits no {metric!r}; it emits {', '.join(emitted)}"
        raise Invalid(message, fields=[{"path": path, "message": message}])


def check_is_ready(algorithm: Record) -> None:
    """Raises: Invalid for one whose code is not there yet, or could not be had."""
    if algorithm.spec["files"]:
        return
    if algorithm.phase == FETCHING:
        message = f"the code of {algorithm.label} is still being fetched; try again once it is active"
    else:
        message = (
            f"{algorithm.label} has no code: {algorithm.message or algorithm.phase}; mend its source and try again"
        )
    raise Invalid(message, fields=[{"path": "spec.algorithm", "message": message}])


def entry_file(spec: Json) -> Json:
    """The entry point's `{"path", "oid", "size"}` in an algorithm's spec."""
    return next(file for file in spec["files"] if file["path"] == spec["entry_point"])


def is_notebook(path: str) -> bool:
    return PurePosixPath(path).suffix == NOTEBOOK


ALGORITHM = Kind(
    name="algorithm",
    plural="algorithms",
    prefix="alg",
    title="Algorithm",
    title_plural="Algorithms",
    section="training",
    order=30,
    description="A notebook or a script that trains a model; what it takes is the form.",
    spec=AlgorithmSpec,
    mutable=frozenset(
        (
            "title files source entry_point metrics model_type scenario framework tasks datasets parameters_schema "
            "memory"
        ).split()
    ),
    machine=machine(
        Phase("ACTIVE", "Active", settled=True),
        (Phase(FETCHING, "Pending"), Phase("FETCH_FAILED", "Failed", settled=True)),
        {
            ("ACTIVE", "fetch"): FETCHING,
            (FETCHING, "fetch"): FETCHING,
            (FETCHING, "fetched"): "ACTIVE",
            # fetching again went wrong: what was there stays
            (FETCHING, "kept"): "ACTIVE",
            (FETCHING, "refused"): "FETCH_FAILED",
            (FETCHING, "uploaded"): "ACTIVE",
            ("FETCH_FAILED", "fetch"): FETCHING,
            ("FETCH_FAILED", "uploaded"): "ACTIVE",
        },
    ),
    actions=(
        Action("fetch", "Fetch again", event="fetch", phases=frozenset({"ACTIVE"})),
        Action("retry", "Try again", event="fetch", phases=frozenset({"FETCH_FAILED"})),
    ),
    columns=(
        *COMMON_COLUMNS,
        Column("spec.title", "Title"),
        Column("spec.model_type", "Model type"),
        Column("spec.scenario", "Scenario"),
        Column("spec.framework", "Framework"),
        *AGE_COLUMNS,
    ),
    tabs=("overview", "notebook", "files", "lineage"),
)
