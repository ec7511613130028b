"""One resource as an object: its attributes as last read, and what can be done to it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self, cast

from orrery.client.transport import segment
from orrery.errors import Invalid, NotFound

if TYPE_CHECKING:
    from orrery.client.client import Client

Json = dict[str, Any]


@dataclass(frozen=True)
class Progress:
    """How far a run is; None where it cannot be known."""

    fraction: float | None = None
    epoch: int | None = None
    epochs: int | None = None
    step: int | None = None
    steps: int | None = None
    message: str = ""
    eta_seconds: float | None = None
    #: how many of `rate_unit` (step or epoch) a second, over the last minute
    rate: float | None = None
    rate_unit: str | None = None


@dataclass(frozen=True)
class Status:
    """What the platform sees. `state` says in one word what `phase` means: Pending, Running, Completed, Failed ..."""

    phase: str
    state: str
    reason: str = ""
    message: str = ""
    progress: Progress | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    #: how long it ran before `started_at`, where it was stopped or failed and went on
    earlier_seconds: float = 0.0
    outputs: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def duration_seconds(self) -> float | None:
        """How long it has run by now, all times together; None where it never began."""
        if self.started_at is None:
            return self.earlier_seconds or None
        return self.earlier_seconds + ((self.ended_at or datetime.now(UTC)) - self.started_at).total_seconds()


@dataclass(frozen=True)
class FileEntry:
    path: str
    size: int
    modified_at: datetime | None = None


class MetricPoint(NamedTuple):
    step: int | None
    value: float
    at: datetime | None


class UsagePoint(NamedTuple):
    """What was in use since the point before; None where it is not known: at the first point, or without a GPU."""

    at: datetime
    #: 1.5: one core and half of another
    cores: float | None
    #: held at most
    memory_bytes: int
    #: 1.5: one GPU and half of another
    gpus: float | None
    #: held at most
    gpu_memory_bytes: int | None


class Resource:
    """A resource of any kind. Its attributes are as they were last read; `refresh` reads them again.

    Each action that the kind declares is a method as well: `endpoint.stop()`, `model.some_new_action(field=1)`.
    """

    def __init__(self, client: Client, document: Mapping[str, Any]) -> None:
        self.client = client
        #: the whole resource, as the API answered it
        self.document: Json = dict(document)
        #: a stop asked for through this object: then ending so is no failure
        self.stop_asked = False

    # what it is

    @property
    def id(self) -> str:
        return self.document["id"]

    @property
    def kind(self) -> str:
        return self.document["kind"]

    @property
    def name(self) -> str:
        return self.document["name"]

    @property
    def owner(self) -> str:
        return self.document["owner"]

    @property
    def version(self) -> int | None:
        return self.document.get("version")

    @property
    def qualified_name(self) -> str:
        """`owner/name`, or `owner/name@version`."""
        return f"{self.owner}/{self.name}" + (f"@{self.version}" if self.version else "")

    @property
    def description(self) -> str:
        return self.document.get("description") or ""

    @property
    def tags(self) -> tuple[str, ...]:
        return tuple(self.document.get("tags") or ())

    @property
    def visibility(self) -> str:
        return self.document.get("visibility") or "private"

    @property
    def spec(self) -> Json:
        """What was asked."""
        return self.document["spec"]

    @property
    def status(self) -> Status:
        seen: Json = self.document["status"]
        progress: Json | None = seen.get("progress")
        return Status(
            phase=seen["phase"],
            state=seen.get("state") or "",
            reason=seen.get("reason") or "",
            message=seen.get("message") or "",
            progress=read_progress(progress) if progress else None,
            started_at=read_time(seen.get("started_at")),
            ended_at=read_time(seen.get("ended_at")),
            earlier_seconds=seen.get("earlier_seconds") or 0.0,
            outputs=seen.get("outputs") or {},
        )

    @property
    def created_at(self) -> datetime | None:
        return read_time(self.document.get("created_at"))

    @property
    def is_deleted(self) -> bool:
        """Whether it lies in the trash."""
        return self.document.get("deleted_at") is not None

    @property
    def path(self) -> str:
        """Its address in the API, under `/api/v1`."""
        return f"/{self.client.declaration(self.kind).plural}/{segment(self.id)}"

    def export(self, files: str | os.PathLike[str] | None = None) -> Json:
        """The document that makes it anew, with names in the place of ids: `client.apply` takes it.

        Files are saved below the folder `files`, and else stand in the document, where they are texts and short.
        Raises: Invalid for files that need a folder.
        """
        from orrery.client.manifest_files import with_files
        from orrery.client.manifests import export

        return with_files(self, export(self), Path(files) if files is not None else None)

    def refresh(self) -> Self:
        """Read it again."""
        self.replace(self.client.transport.json("GET", self.path))
        return self

    def replace(self, document: Mapping[str, Any]) -> None:
        """Take over a newer reading of the same resource."""
        self.document = dict(document)

    # what can be done to it

    def act(self, action: str, **body: Any) -> Resource:
        """Do `action`. Returns the resource that came of it, which is this one unless the action makes another.

        Raises: WrongPhase where the action is not possible now, NotFound for an action that the kind has not.
        """
        declared = [one.name for one in self.client.declaration(self.kind).actions]
        if action not in (*declared, "restore"):
            known = ", ".join([*declared, "copy", "restore"])
            raise NotFound(f"a {self.kind} has no action {action!r}; it has: {known}")
        answer: Json = self.client.transport.json("POST", f"{self.path}/{segment(action)}", body=plain(body))
        if answer.get("id") != self.id:
            return self.client.wrap(answer)
        self.replace(answer)
        return self

    def stop(self) -> Self:
        self.stop_asked = True
        self.act("stop")
        return self

    def start(self) -> Self:
        self.stop_asked = False
        self.act("start")
        return self

    def retry(self) -> Self:
        self.stop_asked = False
        self.act("retry")
        return self

    def resume(self) -> Self:
        """Run again from the checkpoints that it kept. Raises: Invalid when it kept none; WrongPhase."""
        self.stop_asked = False
        self.act("resume")
        return self

    def copy(self, name: str, **spec: Any) -> Self:
        """A new resource with the same spec, and the given fields of it replaced."""
        body = {"name": name, "spec": plain(spec)}
        return type(self)(self.client, self.client.transport.json("POST", f"{self.path}/copy", body=body))

    def update(
        self,
        *,
        name: str | None = None,
        description: str | None = None,
        tags: Sequence[str] | None = None,
        visibility: str | None = None,
        group: str | None = None,
        only_if_unchanged: bool = False,
        **spec: Any,
    ) -> Self:
        """Change what may be changed; other fields stay.

        Raises: Stale with `only_if_unchanged`, when somebody changed it since it was read.
        """
        envelope = {
            "name": name,
            "description": description,
            "tags": list(tags) if tags is not None else None,
            "visibility": visibility,
            "group": group,
            "spec": plain(spec) or None,
        }
        headers = {"If-Match": str(self.document["etag"])} if only_if_unchanged else {}
        body = {key: value for key, value in envelope.items() if value is not None}
        self.replace(self.client.transport.json("PATCH", self.path, body=body, headers=headers))
        return self

    def delete(self, *, cascade: bool = False) -> None:
        """Move it to the trash; `cascade`: with everything that depends on it, as `dependents(deep=True)` lists it.

        Raises: InUse with the dependents in `details`.
        """
        query: dict[str, Any] = {}
        if cascade:
            query = {"cascade": 1, "preview": self.deletion_preview()["digest"]}
        self.client.transport.request("DELETE", self.path, query=query)

    def deletion_preview(self) -> Json:
        """`{"items", "digest"}`: everything else that a cascading delete removes."""
        return self.client.transport.json("GET", f"{self.path}/dependents", query={"deep": 1})

    def restore(self) -> Self:
        """Take it out of the trash."""
        self.act("restore")
        return self

    def dependents(self, *, deep: bool = False) -> list[Json]:
        """Summaries of what uses it; `deep`: also of what uses those, and so on."""
        answer = self.client.transport.json("GET", f"{self.path}/dependents", query={"deep": 1 if deep else None})
        return answer["items"]

    def references(self) -> list[Json]:
        """Summaries of what it uses, and of what it came from without needing it (`meanwhile_of.training`)."""
        return self.client.transport.json("GET", f"{self.path}/references")["items"]

    def has_settled(self) -> bool:
        """Whether, as last read, nothing but a user's act will change it further."""
        return self.status.phase in self.client.declaration(self.kind).settled

    def wait(self, timeout: float | None = None, *, progress: bool = True) -> Self:
        """Follow it until it has settled, through restarts of the platform as well.

        `timeout` is in seconds. With `progress` a bar shows in a terminal or a notebook.
        Raises: RunFailed with the platform's reason and the end of the log, WaitTimeout, NotFound when it is deleted.
        """
        from orrery.client.displays import make_display
        from orrery.client.waiting import wait_until_settled

        wait_until_settled(self, timeout_seconds=timeout, display=make_display(self, progress))
        return self

    # what it wrote

    def logs(
        self, *, follow: bool = False, rank: int | None = None, search: str | None = None, attempt: int | None = None
    ) -> Iterator[str]:
        """Lines of its log, without their ends; `follow`: as they are written, until it ends.

        `rank`: those of one of the processes that train together, without its label. `search`: those that hold this
        text, in large or small letters, each with its number before it: `12: loss=nan`. `attempt`: of a run that was
        started again, that of an earlier attempt, from 1.
        Raises: Invalid for `search` with `follow`, or with a text that is empty or has several lines, and for an
        attempt that there was not; NotFound where its log is not kept any more.
        """
        from orrery.client.logs import log_lines, log_matches

        if search is not None:
            if follow or not search:
                raise Invalid("search looks for a text in the log as it is; give a text, and leave follow out")
            return log_matches(self.client.transport, f"{self.path}/logs", search, rank=rank, attempt=attempt)
        return log_lines(self.client.transport, f"{self.path}/logs", follow=follow, rank=rank, attempt=attempt)

    def files(self) -> list[FileEntry]:
        answer = self.client.transport.json("GET", f"{self.path}/files")
        return [FileEntry(e["path"], e.get("size", 0), read_time(e.get("modified_at"))) for e in answer["items"]]

    def download(self, path: str | None = None, to: str | os.PathLike[str] = ".") -> Path:
        """Save one of its files, or without `path` all of them as a zip, in the folder or under the name `to`."""
        from orrery.client.downloads import download

        if path is None:
            return download(self.client.transport, f"{self.path}/archive", f"{self.name}.zip", Path(to))
        quoted = "/".join(segment(part) for part in path.split("/"))
        return download(self.client.transport, f"{self.path}/files/{quoted}", path.rsplit("/", 1)[-1], Path(to))

    def notebook(self, to: str | os.PathLike[str] | None = None) -> Json:
        """The notebook that it ran, with its outputs so far; `to` also saves it there."""
        from orrery.client.downloads import write_json

        document: Json = self.client.transport.json("GET", f"{self.path}/notebook")
        if to is not None:
            write_json(Path(to), document)
        return document

    def metrics_history(self, *, attempt: int | None = None) -> dict[str, list[MetricPoint]]:
        """Each metric's points in order; a NaN that was reported stays NaN.

        `attempt`: of a run that was started again, what that attempt told, from 1; None: the present one, behind what
        it goes on from. Raises: Invalid for an attempt that there was not.
        """
        query = {"attempt": attempt}
        series: list[Json] = self.client.transport.json("GET", f"{self.path}/metrics", query=query)["series"]
        return {one["key"]: [_read_point(point) for point in one["points"]] for one in series}

    def usage(self) -> Json:
        """What it took: samples of a run, or the statistics of an endpoint's requests."""
        return self.client.transport.json("GET", f"{self.path}/usage")

    def usage_history(self) -> dict[int | None, list[UsagePoint]]:
        """What a run used over time, also while it runs: at None the whole of it, and each rank by its number.

        A run of one process has no ranks.
        """
        answer = self.usage()
        by_rank: dict[int | None, list[Json]] = {None: answer.get("samples") or []}
        by_rank |= {one["rank"]: one["samples"] for one in answer.get("ranks") or ()}
        return {rank: [_read_usage(sample) for sample in samples] for rank, samples in by_rank.items()}

    # Python's

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Actions that a newer platform declares, as methods."""
            if name.startswith("_") or name in ("client", "document"):
                raise AttributeError(name)
            action = self.client.declaration(self.kind).action(name.replace("_", "-"))
            if action is None:
                known = ", ".join(a.name.replace("-", "_") for a in self.client.declaration(self.kind).actions)
                raise AttributeError(f"a {self.kind} has no attribute or action {name!r} (its actions: {known})")
            return lambda **body: self.act(action.name, **body)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Resource) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.qualified_name} {self.status.phase}>"


def plain(value: Any) -> Any:
    """`value` as JSON: a resource becomes its id, a path its text."""
    if isinstance(value, Resource):
        return value.id
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in cast("Sequence[Any]", value)]
    if isinstance(value, os.PathLike):
        return os.fspath(cast("os.PathLike[str]", value))
    if hasattr(value, "tolist") and callable(value.tolist):  # numpy's scalars and arrays, columns of pandas
        return plain(value.tolist())
    if hasattr(value, "item") and callable(value.item):
        return value.item()
    if value is not None and not isinstance(value, str | int | float | bool):
        raise Invalid(f"{value!r} ({type(value).__name__}) cannot be sent as JSON; convert it first")
    return value


def read_time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def read_progress(document: Mapping[str, Any]) -> Progress:
    known: Json = {name: document.get(name) for name in Progress.__dataclass_fields__}
    known["message"] = known["message"] or ""
    return Progress(**known)


def read_number(value: Any) -> float:
    """JSON has no NaN: the platform writes "NaN", "Infinity" and "-Infinity"."""
    return float(value)


def _read_usage(sample: Json) -> UsagePoint:
    at = datetime.fromisoformat(sample["at"])
    return UsagePoint(at, sample["cores"], sample["memory_bytes"], sample["gpus"], sample["gpu_memory_bytes"])


def _read_point(point: Sequence[Any]) -> MetricPoint:
    step, value, *at = point
    return MetricPoint(step, read_number(value), read_time(at[0]) if at else None)
