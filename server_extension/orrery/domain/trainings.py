"""Trainings: one run of an algorithm on pinned dataset versions."""

from __future__ import annotations

import re
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic.json_schema import SkipJsonSchema

from orrery.domain.datasets import ObjectId, fit_for_variables
from orrery.domain.ids import NAME
from orrery.domain.kinds import AGE_COLUMNS, COMMON_COLUMNS, Action, App, Column, ColumnType, Kind, Parts, Spec
from orrery.domain.locations import LocationUri
from orrery.domain.machine import Phase, machine
from orrery.domain.records import Json, Target
from orrery.domain.references import (
    AlgorithmRef,
    DatasetVersionRef,
    ExperimentRef,
    ImageRef,
    SecretName,
    TrainingRef,
    TuningRef,
    WorkflowRef,
)
from orrery.domain.variables import check_parameters, check_values, refusal, size_of

MAX_HYPERPARAMETERS = 100
MAX_DATASETS = 10
MAX_NODES = 100
MAX_PROCESSES_PER_NODE = 64
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")


def _name_problem(name: str) -> str:
    if _VARIABLE.fullmatch(name) and not name.startswith(("EM_", "ORRERY_")):
        return ""
    return f"{name!r} cannot be set: use letters, digits and '_', not beginning with EM_ or ORRERY_"


class RunSpec(Spec):
    """What a training and a tuning of many share: what is run, on what, and how large."""

    algorithm: AlgorithmRef = Field(description="What is run.", json_schema_extra={"x-orrery-group": "Algorithm"})
    datasets: dict[str, DatasetVersionRef] = Field(
        default_factory=dict,
        max_length=MAX_DATASETS,
        description="Dataset versions by the name that the algorithm knows them by: 'train', and where there are any "
        "'validation' and 'test'. "
        "A dataset without a version means its latest published one.",
        json_schema_extra={"x-orrery-group": "Data", "x-orrery-datasets-of": "algorithm"},
    )
    parameters: dict[str, Any] = Field(
        default_factory=dict,
        description="Hyperparameters; those left out keep the algorithm's defaults.",
        json_schema_extra={"x-orrery-parameters-of": "algorithm", "x-orrery-group": "Hyperparameters"},
    )
    experiment: ExperimentRef | None = Field(
        None, description="The experiment that the run is listed under.", json_schema_extra={"x-orrery-group": "Run"}
    )
    image: ImageRef | None = Field(
        None,
        description="The container image that it runs in, where the platform runs containers. Empty: the catalogue's "
        "for the instance type's core type; where trainings are processes, the platform's own Python.",
        json_schema_extra={"x-orrery-image": "TRAINING", "x-orrery-group": "Image"},
    )
    instance_type: str = Field(
        "cpu-small",
        description="The cores, memory and GPUs that it holds while it runs.",
        json_schema_extra={"x-orrery-instance-type": True, "x-orrery-group": "Run"},
    )
    priority: str = Field(
        "NORMAL",
        description="Higher goes first; within one priority the first to come is the first to start.",
        json_schema_extra={"enum": ["HIGH", "NORMAL", "LOW"], "x-orrery-group": "Run"},
    )
    max_seconds: int | None = Field(
        None,
        ge=1,
        le=30 * 24 * 3600,
        title="Longest time",
        description="Longest time it may run, in seconds; it is ended when that is exceeded. Counted anew when it is "
        "retried or resumed; of a tuning, for each of its trainings. Empty: no limit.",
        json_schema_extra={"x-orrery-duration": True, "x-orrery-group": "Run"},
    )
    start_after: AwareDatetime | None = Field(
        None,
        description="Earliest moment to start, with its time zone: at night, say. Empty: as soon as there is room.",
        json_schema_extra={"x-orrery-group": "Run"},
    )
    nodes: int = Field(
        1,
        ge=1,
        le=MAX_NODES,
        description="How many nodes it runs on. Each holds the instance type, and all start at once; the script or "
        "notebook is run on every one of them, and finds the others by MASTER_ADDR or TF_CONFIG.",
        json_schema_extra={"x-orrery-group": "Distributed"},
    )
    torchrun: bool = Field(
        False,
        title="Start with torchrun",
        description="Start the script by torchrun, as PyTorch's distributed training expects it.",
        json_schema_extra={"x-orrery-script": True, "x-orrery-group": "Distributed"},
    )
    processes_per_node: int = Field(
        1,
        ge=1,
        le=MAX_PROCESSES_PER_NODE,
        description="How many processes torchrun starts on each node: one for each GPU, or a few that share the cores. "
        "A notebook is one process on each node.",
        json_schema_extra={"x-orrery-script": True, "x-orrery-group": "Distributed"},
    )
    data_gib: float | None = Field(
        None,
        gt=0,
        le=65_536,
        title="Data storage size",
        description="Most that its data, checkpoints and what it writes may take on the disk of each node, GiB; it is "
        "ended when that is exceeded. Empty: no limit.",
        json_schema_extra={"x-orrery-unit": "GiB", "x-orrery-group": "Run"},
    )
    output: LocationUri | None = Field(
        None,
        title="Output path",
        description="A folder in a storage, obs://bucket/folder or nas://ID:/folder: what is written to EM_OUTPUT_DIR, "
        "the model and the executed notebook are copied into a folder there that is called like the training's id.",
        json_schema_extra={"x-orrery-group": "Storage"},
    )
    output_checkpoint: LocationUri | None = Field(
        None,
        title="Output checkpoint path",
        description="A folder in a storage: what is written to EM_CHECKPOINT_DIR is copied into a folder there that is "
        "called like the training's id, also where the run fails or is stopped.",
        json_schema_extra={"x-orrery-group": "Storage"},
    )
    input_checkpoint: LocationUri | None = Field(
        None,
        title="Input checkpoint path",
        description="A folder in a storage whose files it begins from (EM_CHECKPOINT_INPUT_DIR).",
        json_schema_extra={"x-orrery-group": "Storage"},
    )
    environment: dict[str, str] = Field(
        default_factory=dict,
        max_length=100,
        description="Environment variables of the run. Shown to whoever may see the training: no secrets here.",
        json_schema_extra={"x-orrery-group": "Advanced"},
    )
    secrets: dict[str, SecretName] = Field(
        default_factory=dict,
        max_length=100,
        description="Environment variables whose values are secrets of the training's owner: each variable with the "
        "secret's name, HF_TOKEN: my-token. Their values are shown nowhere, and masked in the log.",
        json_schema_extra={"x-orrery-group": "Advanced"},
    )

    @field_validator("parameters")
    @classmethod
    def not_too_many(cls, parameters: Json) -> Json:
        if len(parameters) > MAX_HYPERPARAMETERS:
            raise ValueError(
                f"{len(parameters)} hyperparameters were given; at most {MAX_HYPERPARAMETERS} are possible"
            )
        check_parameters(parameters)
        return parameters

    @field_validator("datasets")
    @classmethod
    def names_fit_variables(cls, datasets: dict[str, str]) -> dict[str, str]:
        return fit_for_variables(datasets)

    @field_validator("environment", "secrets")
    @classmethod
    def good_variables(cls, environment: dict[str, str]) -> dict[str, str]:
        check_values(environment, _name_problem)
        return environment

    @field_validator("priority", mode="before")
    @classmethod
    def known_priority(cls, priority: Any) -> str:
        upper = str(priority).upper()
        if upper not in ("HIGH", "NORMAL", "LOW"):
            raise ValueError(f"priority {priority!r} is none of HIGH, NORMAL, LOW")
        return upper

    @model_validator(mode="after")
    def no_variable_twice(self) -> RunSpec:
        if twice := sorted(self.environment.keys() & self.secrets.keys()):
            told = "{} is set both in environment and in secrets; leave one of them away"
            raise refusal({("secrets", name): told.format(name) for name in twice})
        return self

    @model_validator(mode="after")
    def no_more_than_a_program_can_have(self) -> RunSpec:
        check_parameters(self.parameters, sum(size_of(name, value) for name, value in self.environment.items()))
        return self

    @model_validator(mode="after")
    def several_processes_need_torchrun(self) -> RunSpec:
        if self.processes_per_node > 1 and not self.torchrun:
            raise ValueError(
                f"processes_per_node is {self.processes_per_node}, and nothing starts so many: set torchrun as well, "
                "or leave it at 1"
            )
        return self


class TrialOf(BaseModel):
    """The tuning that a training is a trial of, and its number there."""

    model_config = ConfigDict(extra="forbid")
    tuning: TuningRef
    number: int = Field(ge=0)


class RunOf(BaseModel):
    """The workflow that began a training, and the number of the run there, from 1."""

    model_config = ConfigDict(extra="forbid")
    workflow: WorkflowRef
    number: int = Field(ge=1)


class MeanwhileOf(BaseModel):
    """The training that waits for a GPU while this one runs without. No reference: either may be deleted alone."""

    model_config = ConfigDict(extra="forbid")
    training: str = Field(description="Its id.")
    name: str = Field(description="Its name when this one was started.")


class TrainingSpec(RunSpec):
    made_by_platform = frozenset({"trial", "workflow", "meanwhile_of"})

    checkpoint_from: TrainingRef | None = Field(
        None,
        description="A training whose checkpoints this one begins from (EM_CHECKPOINT_INPUT_DIR).",
        json_schema_extra={"x-orrery-group": "Advanced"},
    )
    register_model: bool = Field(
        True, description="Register the trained model when it succeeds.", json_schema_extra={"x-orrery-group": "Model"}
    )
    model_name: str | None = Field(
        None,
        description="Name of the registered model; left empty, the training's name. "
        "An existing name gets its next version.",
        json_schema_extra={"x-orrery-group": "Model"},
    )

    trial: SkipJsonSchema[TrialOf | None] = None
    workflow: SkipJsonSchema[RunOf | None] = None
    meanwhile_of: SkipJsonSchema[MeanwhileOf | None] = None

    @model_validator(mode="after")
    def one_checkpoint(self) -> TrainingSpec:
        if self.checkpoint_from and self.input_checkpoint:
            raise ValueError("checkpoint_from and input_checkpoint are both set; it can begin from one of them")
        return self

    @field_validator("model_name")
    @classmethod
    def good_model_name(cls, name: str | None) -> str | None:
        if name is not None and NAME.fullmatch(name) is None:
            raise ValueError(f"{name!r} is not a name: use 1 to 63 letters, digits, '.', '_' or '-'")
        return name


def count_ranks(spec: Json) -> int:
    """How many processes train together; 1 for a kind that knows no nodes."""
    return int(spec.get("nodes") or 1) * int(spec.get("processes_per_node") or 1)


class SaveTemplateBody(BaseModel):
    """What *Save as template* asks for."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(description="Name of the template.")
    description: str = Field("", max_length=10_000, description="What it is good for.")


class RegisterModelBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str | None = Field(None, description="Name of the model; left empty, the training's name.")


class NotebookFile(BaseModel):
    """A notebook that was uploaded as an object."""

    model_config = ConfigDict(extra="forbid")
    oid: ObjectId = Field(description="sha256 of its content, as the upload answered it.")
    size: int = Field(ge=0, description="Bytes.")


class ResumeBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    notebook: NotebookFile | None = Field(
        None, description="The notebook with changes in cells that are not done; left empty, the one that was run."
    )
    start_over: bool = Field(False, description="Begin at the first cell of the changed notebook.")


#: of one that waits for a GPU: a copy of it runs without, at once
START_ON_CPU = "start-on-cpu"

_ACTIVE = ("CREATE_REQUESTED", "CREATE_IN_PROGRESS", "RUNNING")

TRAINING = Kind(
    name="training",
    plural="trainings",
    prefix="trn",
    title="Training",
    title_plural="Trainings",
    section="training",
    order=10,
    description="One run of an algorithm on pinned dataset versions.",
    spec=TrainingSpec,
    #: while it waits, and of one that may be started again
    mutable=frozenset({"priority"}),
    app=App("TensorBoard", "tensorboard"),
    parts=Parts("trial.tuning", "Trials of tunings"),
    machine=machine(
        Phase("CREATE_REQUESTED", "Pending"),
        (
            Phase("CREATE_IN_PROGRESS", "Pending"),
            Phase("RUNNING", "Running"),
            Phase("STOP_IN_PROGRESS", "Running"),
            Phase("STOPPED", "Cancelled", settled=True),
            Phase("COMPLETE_IN_PROGRESS", "Running"),
            Phase("COMPLETE", "Completed", settled=True),
            Phase("FAIL_TRAIN_IN_PROGRESS", "Running"),
            Phase("FAIL_TRAIN", "Failed", settled=True),
            Phase("CREATE_FAILED", "Failed", settled=True),
        ),
        {
            ("CREATE_REQUESTED", "accepted"): "CREATE_IN_PROGRESS",
            ("CREATE_REQUESTED", "refused"): "CREATE_FAILED",
            ("CREATE_IN_PROGRESS", "refused"): "CREATE_FAILED",
            ("CREATE_IN_PROGRESS", "started"): "RUNNING",
            ("CREATE_REQUESTED", "stop"): "STOP_IN_PROGRESS",
            ("CREATE_IN_PROGRESS", "stop"): "STOP_IN_PROGRESS",
            ("RUNNING", "stop"): "STOP_IN_PROGRESS",
            ("RUNNING", "succeeded"): "COMPLETE_IN_PROGRESS",
            ("RUNNING", "broke"): "FAIL_TRAIN_IN_PROGRESS",
            ("RUNNING", "cancelled"): "STOPPED",
            # it may have ended before the stop reached it: then what it made counts
            ("STOP_IN_PROGRESS", "succeeded"): "COMPLETE_IN_PROGRESS",
            ("STOP_IN_PROGRESS", "cancelled"): "STOPPED",
            ("COMPLETE_IN_PROGRESS", "saved"): "COMPLETE",
            ("COMPLETE_IN_PROGRESS", "broke"): "FAIL_TRAIN_IN_PROGRESS",
            ("FAIL_TRAIN_IN_PROGRESS", "saved"): "FAIL_TRAIN",
            ("STOPPED", "start"): "CREATE_REQUESTED",
            ("FAIL_TRAIN", "retry"): "CREATE_REQUESTED",
            ("CREATE_FAILED", "retry"): "CREATE_REQUESTED",
            ("STOPPED", "resume"): "CREATE_REQUESTED",
            ("FAIL_TRAIN", "resume"): "CREATE_REQUESTED",
        },
    ),
    actions=(
        Action(
            "stop",
            "Stop",
            event="stop",
            target=Target.STOPPED,
            destructive=True,
            confirm="Stop this training? What it has computed since its last checkpoint is lost.",
        ),
        Action("start", "Start again", event="start", target=Target.RUNNING),
        Action("retry", "Retry", event="retry", target=Target.RUNNING),
        Action("resume", "Resume", event="resume", target=Target.RUNNING, body=ResumeBody, asks=False),
        Action(START_ON_CPU, "Start on CPU meanwhile", phases=frozenset({"CREATE_REQUESTED", "CREATE_IN_PROGRESS"})),
        Action("register-model", "Create model", phases=frozenset({"COMPLETE"}), body=RegisterModelBody),
        Action("save-template", "Save as template", body=SaveTemplateBody),
    ),
    columns=(
        *COMMON_COLUMNS,
        Column("status.progress", "Progress", ColumnType.PROGRESS),
        Column("spec.algorithm", "Algorithm", ColumnType.REFERENCE),
        Column("spec.datasets.train", "Dataset", ColumnType.REFERENCE),
        Column("spec.experiment", "Experiment", ColumnType.REFERENCE),
        Column("status.duration_seconds", "Training time", ColumnType.DURATION),
        Column("tags", "Tags", ColumnType.TAGS),
        *AGE_COLUMNS,
    ),
    sums_runs=True,
    tabs=("overview", "progress", "logs", "metrics", "files", "notebook", "usage", "lineage"),
    undeletable={
        phase: "stop it first"
        for phase in (*_ACTIVE, "STOP_IN_PROGRESS", "COMPLETE_IN_PROGRESS", "FAIL_TRAIN_IN_PROGRESS")
    },
)
