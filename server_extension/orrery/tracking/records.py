"""What the platform tells MLflow: finished trainings and models, queued in an outbox until MLflow is next running."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class RunStatus(StrEnum):
    """MLflow's own words."""

    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"


@dataclass(frozen=True)
class Metric:
    key: str
    step: int
    #: NaN and the infinities are kept
    value: float
    at: datetime


@dataclass(frozen=True)
class ArtifactFile:
    #: below the run's artifacts, POSIX separators
    path: str
    #: in the object store; MLflow refers to it, nothing is copied
    oid: str


@dataclass(frozen=True)
class TrainingRecord:
    """One training as an MLflow run. Sent again, it updates the same run."""

    id: str
    owner: str
    name: str
    #: in the owner's workspace; made when it is not there
    experiment: str
    status: RunStatus
    started_at: datetime
    #: None while it runs
    ended_at: datetime | None = None
    params: Mapping[str, object] = field(default_factory=dict[str, object])
    metrics: Sequence[Metric] = ()
    tags: Mapping[str, str] = field(default_factory=dict[str, str])
    artifacts: Sequence[ArtifactFile] = ()


@dataclass(frozen=True)
class ModelRecord:
    """One version of a model as a version of an MLflow registered model. Sent again, it changes nothing."""

    id: str
    owner: str
    name: str
    version: int
    created_at: datetime
    #: the training that made it; None for an imported model, which gets a run of its own
    training_id: str | None
    files: Sequence[ArtifactFile]
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Entry:
    """One thing to tell, under the outbox's own id."""

    id: str
    record: TrainingRecord | ModelRecord


class Outbox(Protocol):
    """Where the platform keeps what MLflow does not know yet. Methods block; they are called in a worker thread."""

    def pending(self) -> Sequence[Entry]:
        """The oldest entries first, a page at a time; none when all is told. Failed ones come last or not at all."""
        ...

    def done(self, entry_id: str) -> None:
        """Forget the entry. Idempotent: after a crash the same entry is told twice."""
        ...

    def failed(self, entry_id: str, message: str) -> None:
        """Note that MLflow refused it; it stays, and whether and when it is pending again is the outbox's decision."""
        ...
