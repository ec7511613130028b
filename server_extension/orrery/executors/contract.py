"""What an executor is: it runs jobs to their end and keeps services listening.

The platform's controllers speak only to this contract; `orrery.executors.local` implements it with supervised
processes on one machine, `orrery.executors.kubernetes` with Jobs and Deployments. `orrery.testing.executors` holds the
conformance suite that every implementation passes.

Two rules make it safe to be killed at any line: `submit` is idempotent by the job's id and returns only after the job
is recorded, and `apply_service` states what is wanted rather than what to do.

In the values of `environment` and the arguments of a command, `$(NAME)` stands for what the executor itself puts into
the program's environment, as on Kubernetes: `$(ORRERY_WORK_DIR)/datasets/train`. An unknown name stays as it is.

A job of several nodes runs its program once on each of them, all begun together. Besides its own variables each finds
`ORRERY_NODES` (how many), `ORRERY_NODE_RANK` (0 to n-1) and `ORRERY_NODE_ADDRESSES` (`host:port` of every node, by rank
and separated by commas; the port is free for the program). The job has completed when every node has ended with 0; the
first that ends otherwise ends the others, and its status is the job's. The log tells the nodes apart: each line begins
with `[rank N] ` or `[node N] `, where the program has not labelled it so itself. Whether the work folder is one for all
is the executor's matter: here it is, on Kubernetes each node has its own, and node 0's is the job's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import BinaryIO, Final, Protocol

from orrery.executors.policy import Rules as Rules
from orrery.executors.resources import Resources as Resources

DEFAULT_RESOURCES: Final = Resources()


class Priority(IntEnum):
    """Order in the queue; within one priority users take turns (`orrery.executors.shares`)."""

    LOW = 0
    NORMAL = 1
    HIGH = 2


@dataclass(frozen=True)
class InputFile:
    """A file put into the job's work folder before it starts, from the object store."""

    #: relative to the work folder, POSIX separators, never leaving it
    path: str
    #: sha256 of the content, the object's name in the object store
    oid: str


@dataclass(frozen=True)
class NotebookProgram:
    """Run a notebook with Papermill: `input_path` and `output_path` are relative to the work folder.

    It works in `folder`, relative to it as well; a `requirements.txt` there is fulfilled first.
    """

    input_path: str = "input.ipynb"
    output_path: str = "output.ipynb"
    parameters: Mapping[str, object] = field(default_factory=dict[str, object])
    kernel_name: str = "python3"
    folder: str = ""


@dataclass(frozen=True)
class PythonProgram:
    """Call `module:function` of this distribution with JSON arguments, in a fresh process."""

    entry: str
    arguments: Mapping[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True)
class CommandProgram:
    """Run `argv` as it is."""

    argv: tuple[str, ...]


Program = NotebookProgram | PythonProgram | CommandProgram


@dataclass(frozen=True)
class ContainerImage:
    """What a job's program runs in, where an executor runs containers."""

    #: registry/repository@sha256:…
    address: str
    #: a reference, as those of `JobSpec.secrets`, whose value is the log-in to pull it: a Docker configuration
    #: (`{"auths": …}`); None: it is public
    login: str | None = None


@dataclass(frozen=True)
class JobSpec:
    """One job, as accepted. Nothing in it changes after `submit` but its priority (`Executor.change_priority`)."""

    #: unique for ever; a second submit of the same id does nothing
    id: str
    owner: str
    program: Program
    #: what one node holds
    resources: Resources = DEFAULT_RESOURCES
    #: how many times the program runs, side by side; a notebook runs on one
    nodes: int = 1
    priority: Priority = Priority.NORMAL
    #: None: no limit. Counted from the start of the process, not from the queue
    time_limit_seconds: float | None = None
    #: between the polite signal and the kill
    grace_seconds: float = 10.0
    #: most that each node's work folder may take on the disk, what is put there included; None: no limit
    storage_bytes: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    #: further variables, whose values the executor asks for by these references when the job starts: they are in no
    #: record of the job, and masked in its log. `ORRERY_SECRETS` names the variables
    secrets: Mapping[str, str] = field(default_factory=dict[str, str])
    files: tuple[InputFile, ...] = ()
    #: the Unix account to run under; None: the platform's own
    run_as: str | None = None
    #: what a person calls it, for the queue's listing
    title: str = ""
    #: None: the executor's own Python
    image: ContainerImage | None = None

    @property
    def held(self) -> Resources:
        """What all its nodes hold together: they start at once or not at all."""
        return self.resources.times(self.nodes)


class JobPhase(StrEnum):
    QUEUED = "QUEUED"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    STOPPING = "STOPPING"
    ENDED = "ENDED"


class ExitReason(StrEnum):
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    STOPPED = "STOPPED"
    TIMED_OUT = "TIMED_OUT"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    OUT_OF_STORAGE = "OUT_OF_STORAGE"
    #: the machine or the shim died under it: nobody saw how it ended
    LOST = "LOST"


@dataclass(frozen=True)
class Exit:
    """How a job ended, as the shim saw it."""

    reason: ExitReason
    #: the exit status, negative for a signal (-9); None when LOST or never started
    code: int | None
    started_at: datetime | None
    ended_at: datetime
    #: highest sum over the process group, as sampled
    peak_memory_bytes: int = 0
    cpu_seconds: float = 0.0
    message: str = ""


@dataclass(frozen=True)
class JobState:
    id: str
    phase: JobPhase
    submitted_at: datetime
    started_at: datetime | None = None
    exit: Exit | None = None


@dataclass(frozen=True)
class QueueEntry:
    """One waiting job, with its place and the reason in words a person can act on."""

    job_id: str
    owner: str
    title: str
    #: 1 is next
    place: int
    priority: Priority
    resources: Resources
    submitted_at: datetime
    reason: str


@dataclass(frozen=True)
class Holder:
    """One job that has been given its part of the machine."""

    job_id: str
    owner: str
    title: str
    resources: Resources
    #: None: its process is being started
    started_at: datetime | None


@dataclass(frozen=True)
class Capacity:
    """What the executor may hand out, and what is held now."""

    total: Resources
    held: Resources
    #: jobs and replicas that wait for some of it
    waiting: int = 0


@dataclass(frozen=True)
class FileInfo:
    #: relative to the job's work folder
    path: str
    size: int
    modified_at: datetime


@dataclass(frozen=True)
class UsageSample:
    """What had been used until `at`, and what was held at most since the sample before."""

    at: datetime
    cpu_seconds: float
    memory_bytes: int
    #: two GPUs half in use for a second are one; None where there is no GPU, or it does not tell
    gpu_seconds: float | None = None
    gpu_memory_bytes: int | None = None
    #: of several processes that train together, what each uses, by its number
    ranks: Mapping[int, UsageSample] = field(default_factory=dict[int, "UsageSample"])


@dataclass(frozen=True)
class ServiceSpec:
    """A program that listens, kept at `replicas` ready copies.

    Each replica finds in its environment `ORRERY_SOCKET` (the unix socket it must listen on), `ORRERY_REPLICA_ID` and
    `ORRERY_WORK_DIR` (where `files` lie). It is ready when `GET ready_path` on that socket answers 200. A change of
    anything but `replicas` is a new revision: it is rolled out by starting new replicas, waiting until they are ready
    and only then retiring old ones.
    """

    id: str
    owner: str
    argv: tuple[str, ...]
    replicas: int = 1
    resources: Resources = DEFAULT_RESOURCES
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    files: tuple[InputFile, ...] = ()
    ready_path: str = "/v2/health/ready"
    ready_timeout_seconds: float = 120.0
    #: how long a retired replica may finish what it has begun
    grace_seconds: float = 30.0
    run_as: str | None = None
    title: str = ""


class ReplicaPhase(StrEnum):
    PENDING = "PENDING"
    STARTING = "STARTING"
    READY = "READY"
    #: out of the routes, finishing what it has begun
    RETIRING = "RETIRING"
    #: between a crash and the next start
    BACKING_OFF = "BACKING_OFF"


@dataclass(frozen=True)
class Replica:
    id: str
    revision: str
    phase: ReplicaPhase
    #: "unix:/path" or "http://host:port"
    address: str
    restarts: int = 0
    started_at: datetime | None = None
    message: str = ""


@dataclass(frozen=True)
class ServiceState:
    id: str
    #: content hash of the spec wanted now, without `replicas`
    revision: str
    wanted: int
    replicas: tuple[Replica, ...]
    #: set when the newest revision cannot become ready (crash loop, bad files): what a person should read
    failure: str | None = None

    @property
    def holding(self) -> int:
        """How many replicas hold their part of the machine: all but those that still wait for it."""
        return sum(replica.phase is not ReplicaPhase.PENDING for replica in self.replicas)


class SecretSource(Protocol):
    """Where an executor gets the values of `JobSpec.secrets`."""

    def reveal(self, reference: str) -> str:
        """Raises: `OrreryError` with what a person can do about it, where it is not to be had. Thread-safe."""
        ...


class Executor(Protocol):
    """All methods are thread-safe and quick (no waiting for a process); waiting is done by `subscribe`.

    Raises: `UnknownJob`/`UnknownService` (orrery.errors) for an id never submitted or forgotten.
    """

    #: whether a job may name an image; `submit` refuses one otherwise
    runs_containers: bool

    def start(self) -> None:
        """Adopt what a predecessor left running or waiting, then begin to admit."""
        ...

    def close(self) -> None:
        """Stop admitting and watching. Jobs and replicas go on."""
        ...

    def subscribe(self, callback: Callable[[str], None]) -> None:
        """Call back with the id of a job or service, from the executor's thread, after each change of its state."""
        ...

    def submit(self, spec: JobSpec) -> None:
        """Record the job durably and queue it. Idempotent by id.

        Raises: `Unschedulable` when no machine can ever hold it; `Invalid` for a spec that cannot work.
        """
        ...

    def state(self, job_id: str) -> JobState: ...

    def stop(self, job_id: str) -> None:
        """Ask it to end: SIGTERM to the group, SIGKILL after the grace. A queued job ends at once. Idempotent."""
        ...

    def forget(self, job_id: str) -> None:
        """Remove an ended job and its folder. Raises `JobActive` while it has not ended; unknown ids are ignored."""
        ...

    def jobs(self) -> list[JobState]: ...

    def queue(self, limit: int | None = None) -> list[QueueEntry]:
        """What waits, the next one first; at most `limit`."""
        ...

    def queue_entry(self, job_id: str) -> QueueEntry | None:
        """The job's place in the queue; None when it does not wait."""
        ...

    def change_priority(self, job_id: str, priority: Priority) -> None:
        """Give a job that waits another priority, durably; what it has waited counts on. Idempotent.

        Harmless for one that has been given its part of the machine already, or has ended.
        """
        ...

    def holders(self) -> list[Holder]:
        """The jobs that hold a part of the machine."""
        ...

    def forecast(self, expected: Mapping[str, float], most: int = 100) -> dict[str, float]:
        """In how many seconds each of the first `most` in line starts, if all goes as expected.

        `expected`: the id of a job that waits or holds -> the seconds that it will still run. Those whose start hangs
        on one that is not in it are left out.
        """
        ...

    def explain_newcomer(self, owner: str, resources: Resources, priority: Priority) -> str:
        """Why a job of that size would wait if it came now; empty where it would start at once."""
        ...

    def rules(self) -> Rules:
        """The limits, the shares and the pause that hold now."""
        ...

    def change_rules(self, change: Callable[[Rules], Rules]) -> Rules:
        """Change what administrators have said, durably; `change` is given that, without the configuration's limits.

        Returns the rules that hold then.
        """
        ...

    def check(self, owner: str, resources: Resources) -> None:
        """Raises: `Unschedulable` for what `owner` could never be given here, however long it waited."""
        ...

    def capacity(self) -> Capacity: ...

    def read_log(self, job_id: str, offset: int = 0, limit: int = 1 << 20) -> bytes: ...

    def read_reports(self, job_id: str, offset: int = 0) -> tuple[list[dict[str, object]], int]:
        """Whole report lines from byte `offset` on, and the offset to go on from. A torn last line waits."""
        ...

    def usage(self, job_id: str) -> list[UsageSample]:
        """Since its start, oldest first, ever further apart the longer it runs: some hundreds at most."""
        ...

    def files(self, job_id: str) -> list[FileInfo]: ...

    def open_file(self, job_id: str, path: str) -> BinaryIO:
        """Raises `NotFound` for a path that is absent, leaves the work folder or is no regular file."""
        ...

    def remove_folder(self, job_id: str, name: str) -> bool:
        """Remove a folder that lies directly in an ended job's work folder; whether it was there.

        Raises `JobActive` while the job has not ended, `Invalid` for a name that is more than one.
        """
        ...

    def apply_service(self, spec: ServiceSpec) -> None:
        """Record what is wanted durably; the executor moves towards it, also after restarts of the platform."""
        ...

    def service(self, service_id: str) -> ServiceState: ...

    def services(self) -> list[ServiceState]: ...

    def release_replicas(self, service_id: str, replica_ids: frozenset[str]) -> None:
        """Tell that no traffic goes to these RETIRING replicas any more: they may be ended now."""
        ...

    def read_service_log(self, service_id: str, replica_id: str, offset: int = 0, limit: int = 1 << 20) -> bytes: ...

    def service_usage(self, service_id: str) -> dict[str, list[UsageSample]]:
        """What each replica used lately, by its id; a replica that is not sampled has no samples."""
        ...

    def remove_service(self, service_id: str) -> None:
        """End all its replicas and forget it. Idempotent."""
        ...


def iter_chunks(stream: BinaryIO, chunk_bytes: int = 1 << 20) -> Iterator[bytes]:
    """Read `stream` to its end in pieces."""
    while chunk := stream.read(chunk_bytes):
        yield chunk
