"""What hangs below one resource: its logs, metrics, files, notebook, usage and archive."""

import asyncio
import json
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, BinaryIO, Final

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse
from starlette.responses import Response

from orrery.api.archive import zip_stream
from orrery.api.attempts import AttemptQuery, at_attempt, check_log_is_kept, present_attempt
from orrery.api.log_search import MOST_MATCHES, search_log
from orrery.api.usage import samples_view, usage_view
from orrery.api.views import Orjson, iso
from orrery.controllers.commands import Commands
from orrery.controllers.contract import Platform
from orrery.controllers.jobs import make_job_id, metric_history
from orrery.controllers.kernel_states import STATE_FOLDER
from orrery.controllers.monitoring import Monitor
from orrery.controllers.routing import Router
from orrery.domain.access import User
from orrery.domain.algorithms import ALGORITHM, entry_file, is_notebook
from orrery.domain.datasets import media_type
from orrery.domain.records import Json, Record
from orrery.domain.trainings import count_ranks
from orrery.errors import Invalid, NotFound, OrreryError
from orrery.executors.contract import JobPhase, iter_chunks
from orrery.store.metrics import Point, special_name

#: between two looks at a log that is followed
FOLLOW_SECONDS: Final = 0.3
MAX_LOG_BYTES: Final = 4 << 20
FOLLOW_BYTES: Final = 1 << 20
#: served below our own origin, so nothing from outside may run there
INERT: Final = {"Content-Security-Policy": "sandbox; default-src 'none'", "X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True)
class FileView:
    path: str
    size: int
    open: Callable[[], BinaryIO]
    modified_at: str | None = None
    purpose: str | None = None


class Details:
    """Where the parts of a resource lie: with its job while that is kept, in the object store for good."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def job_id(self, record: Record) -> str | None:
        """The job of the record's last attempt."""
        attempt = present_attempt(record)
        return make_job_id(record, attempt) if attempt else None

    def has_ended(self, record: Record) -> bool:
        job_id = self.job_id(record)
        if job_id is None:
            return True
        try:
            return self.platform.executor.state(job_id).phase is JobPhase.ENDED
        except NotFound:
            return self.platform.store.kinds.named(record.kind).machine.phases[record.phase].settled

    def read_log(self, record: Record, offset: int, limit: int) -> bytes:
        """A piece of the log from byte `offset`; empty where there is none (yet)."""
        services: list[str] = record.internal.get("services", [])
        try:
            if services:
                return self._service_logs(services)[offset : offset + limit]
            job_id = self.job_id(record)
            return self.platform.executor.read_log(job_id, offset, limit) if job_id else b""
        except NotFound:
            return b""

    def read_rank(self, record: Record, rank: int, offset: int, limit: int, *, ended: bool) -> tuple[bytes, int]:
        """The whole lines of one rank from byte `offset` of the log on, and the offset to go on from.

        Empty only where the log has no more of it for now.
        """
        while True:
            piece = self.read_log(record, offset, limit)
            whole = whole_lines(piece, is_last=ended and len(piece) < limit, limit=limit)
            offset += len(whole)
            lines = lines_of_rank(whole, rank)
            if lines or not whole:
                return lines, offset

    def search(self, record: Record, wanted: str, rank: int | None, after_line: int) -> Json:
        """The lines that hold `wanted`; of one rank, counted among its own."""
        ended = self.has_ended(record)

        def read(offset: int) -> tuple[bytes, int]:
            if rank is not None:
                return self.read_rank(record, rank, offset, FOLLOW_BYTES, ended=ended)
            piece = self.read_log(record, offset, FOLLOW_BYTES)
            return piece, offset + len(piece)

        return search_log(read, wanted, after_line=after_line)

    def _service_logs(self, services: list[str]) -> bytes:
        """The ends of all replicas' logs, one after the other."""
        pieces: list[bytes] = []
        for service in services:
            for replica in self.platform.executor.service(service).replicas:
                pieces.append(f"==> replica {replica.id} ({replica.phase})\n".encode())
                pieces.append(self.platform.executor.read_service_log(service, replica.id, 0, 256 << 10))
        return b"".join(pieces)

    def files(self, record: Record) -> list[FileView]:
        stored: list[Json] = record.spec.get("files") or []
        if stored:
            return [
                FileView(f["path"], f["size"], self._opener(f["oid"]), iso(record.created_at), f.get("purpose"))
                for f in stored
            ]
        job_id = self.job_id(record)
        if job_id is None:
            return []
        executor = self.platform.executor

        def opener(path: str) -> Callable[[], BinaryIO]:
            return lambda: executor.open_file(job_id, path)

        try:
            return [
                FileView(f.path, f.size, opener(f.path), iso(f.modified_at))
                for f in executor.files(job_id)
                # a kernel's variables are for the job that goes on, not for whoever may look at the run
                if not f.path.startswith(f"{STATE_FOLDER}/")
            ]
        except NotFound:
            return []

    def _opener(self, oid: str) -> Callable[[], BinaryIO]:
        return lambda: self.platform.objects.open(oid)

    def file(self, record: Record, path: str) -> FileView:
        for file in self.files(record):
            if file.path == path:
                return file
        raise NotFound(f"{record.label} has no file {path!r}")

    def notebook(self, record: Record) -> BinaryIO:
        """The executed notebook, also while it runs; an algorithm's own notebook. Raises: NotFound."""
        kept: Json | None = record.outputs.get("notebook")
        if record.kind == ALGORITHM.name and is_notebook(record.spec["entry_point"]):
            kept = entry_file(record.spec)
        if kept:
            return self.platform.objects.open(kept["oid"])
        job_id = self.job_id(record)
        if job_id is not None:
            try:
                return self.platform.executor.open_file(job_id, "output.ipynb")
            except NotFound:
                pass  # it has not begun: said below
        source: Json = record.spec if record.kind == ALGORITHM.name else record.internal.get("source") or {}
        entry = str(source.get("entry_point") or "")
        if entry and not is_notebook(entry):
            raise NotFound(f"{record.label} has no notebook: it is the script {entry!r}; read its log and its files")
        raise NotFound(f"{record.label} has no executed notebook yet; it is there once the first cell has run")

    def metrics(self, record: Record) -> Json:
        found = metric_history(self.platform.metrics, record)
        return {"series": [{"key": key, "points": _points(points)} for key, points in sorted(found.items())]}

    def usage(self, record: Record) -> Json:
        job_id = self.job_id(record)
        try:
            samples = self.platform.executor.usage(job_id) if job_id else []
        except NotFound:
            samples = []
        return usage_view(samples)

    def replica_usage(self, record: Record) -> list[Json]:
        """Processor and memory of each replica over the last hour."""
        services: list[str] = record.internal.get("services", [])
        found: list[Json] = []
        for service_id in services:
            try:
                usage = self.platform.executor.service_usage(service_id)
            except NotFound:
                continue  # it ends at this moment
            found += [
                {"id": replica_id, "service": service_id, "samples": samples_view(samples)}
                for replica_id, samples in usage.items()
            ]
        return found


def _points(points: list[Point]) -> list[list[Any]]:
    return [[point.step, special_name(point.value) or point.value, iso(point.at)] for point in points]


def whole_lines(piece: bytes, *, is_last: bool, limit: int) -> bytes:
    """The piece up to its last line's end; all of it where nothing follows, or a line is longer than any piece."""
    end = piece.rfind(b"\n") + 1
    return piece if is_last or (not end and len(piece) >= limit) else piece[:end]


def lines_of_rank(log: bytes, rank: int) -> bytes:
    """What one rank printed, without the label that stands before each of its lines."""
    label = f"[rank {rank}] ".encode()
    return b"".join(line[len(label) :] for line in log.splitlines(keepends=True) if line.startswith(label))


def check_rank(record: Record, rank: int | None) -> None:
    """Raises: Invalid for a rank that the run does not have. One that is alone has no labelled lines: it has none."""
    ranks = count_ranks(record.spec)
    if rank is not None and not (ranks > 1 and rank < ranks):
        have = f"ranks 0 to {ranks - 1}" if ranks > 1 else "no ranks: its log is that of one process"
        raise Invalid(f"{record.label} has {have}; {rank} was asked for")


def check_search(wanted: str, *, is_followed: bool, offset: int) -> None:
    """Raises: Invalid for what cannot be searched for, or not so."""
    if "\n" in wanted:
        message = f"search {wanted!r} has more than one line; a log is searched line by line"
    elif is_followed or offset:
        message = "search looks through the whole log as it is; leave follow and offset out (after_line goes on)"
    else:
        return
    raise Invalid(message, fields=[{"path": "search", "message": message}])


def make_router(commands: Commands, router: Router, monitor: Monitor, current_user: Any) -> APIRouter:
    """`/api/v1/<kinds>/{id}/<part>`; a kind that has no such part answers with an empty one."""
    api = APIRouter(prefix="/api/v1", tags=["Parts of a resource"])
    details = Details(commands.platform)

    def find(plural: str, id: str, user: Annotated[User, Depends(current_user)]) -> Record:
        kind = commands.store.kinds.plural(plural)
        if kind is None:
            raise NotFound(f"there is no kind {plural!r}; GET /api/v1/kinds lists them")
        return commands.resolve(user, kind, id, trashed=True)

    found = Depends(find)

    @api.get("/{plural}/{id}/logs", summary="Its log, from a byte offset; followed as server-sent events with follow=1")
    async def logs(  # pyright: ignore[reportUnusedFunction]
        request: Request,
        record: Annotated[Record, found],
        offset: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=MAX_LOG_BYTES)] = 1 << 20,
        follow: bool = False,
        rank: Annotated[int | None, Query(ge=0, description="Of several processes that train together, one.")] = None,
        search: Annotated[
            str | None,
            Query(
                min_length=1,
                max_length=1000,
                description="Only the lines that hold this text, in large or small letters, with their numbers: "
                f'{{"items": [{{"line", "text"}}], "more"}} in JSON, {MOST_MATCHES:,} at most.',
            ),
        ] = None,
        after_line: Annotated[int, Query(ge=0, description="With search: only lines behind this one.")] = 0,
        attempt: AttemptQuery = None,
    ) -> Response:
        check_rank(record, rank)
        present, record = record, at_attempt(record, attempt)
        if attempt is not None:
            await asyncio.to_thread(check_log_is_kept, details.platform.executor, present, attempt)
        if search is not None:
            check_search(search, is_followed=follow, offset=offset)
            return Orjson(await asyncio.to_thread(details.search, record, search, rank, after_line))
        if after_line:
            message = "after_line goes with search; offset is where a piece of the log begins"
            raise Invalid(message, fields=[{"path": "after_line", "message": message}])
        if follow:
            start = resumed_at(request.headers.get("last-event-id", ""), present_attempt(record), offset)
            return StreamingResponse(
                follow_log(details, commands, record.id, start, rank, attempt), media_type="text/event-stream"
            )
        ended = await asyncio.to_thread(details.has_ended, record)
        if rank is None:
            piece = await asyncio.to_thread(details.read_log, record, offset, limit)
            offset += len(piece)
        else:
            piece, offset = await asyncio.to_thread(details.read_rank, record, rank, offset, limit, ended=ended)
        headers = {"Orrery-Next-Offset": str(offset), "Orrery-Ended": str(int(ended)), **INERT}
        return Response(piece, media_type="text/plain; charset=utf-8", headers=headers)

    @api.get("/{plural}/{id}/metrics", summary="Its metric histories")
    def metrics(  # pyright: ignore[reportUnusedFunction]
        record: Annotated[Record, found], attempt: AttemptQuery = None
    ) -> Response:
        return Orjson(details.metrics(at_attempt(record, attempt)))

    @api.get(
        "/{plural}/{id}/usage",
        summary="Processor, memory and GPUs over time, of each rank as well; an endpoint's statistics",
    )
    def usage(record: Annotated[Record, found]) -> Response:  # pyright: ignore[reportUnusedFunction]
        if record.kind == "endpoint":
            statistics = router.ask("/stats") or {}
            return Orjson(
                {
                    "statistics": _statistics_of(statistics, record.id),
                    "calls": monitor.calls(record.id, 0.0),
                    "replicas": details.replica_usage(record),
                }
            )
        return Orjson(details.usage(record))

    @api.get("/{plural}/{id}/files", summary="Its files")
    def files(record: Annotated[Record, found]) -> Response:  # pyright: ignore[reportUnusedFunction]
        items = [
            {"path": file.path, "size": file.size, "modified_at": file.modified_at, "purpose": file.purpose}
            for file in details.files(record)
        ]
        return Orjson({"items": items})

    @api.get("/{plural}/{id}/files/{path:path}", summary="One file")
    def file(record: Annotated[Record, found], path: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        chosen = details.file(record, path)
        return stream_file(chosen)

    @api.get("/{plural}/{id}/archive", summary="All its files as a zip")
    def archive(record: Annotated[Record, found]) -> Response:  # pyright: ignore[reportUnusedFunction]
        entries = [(file.path, file.open) for file in details.files(record)]
        name = f"{record.name}-{record.version}.zip" if record.version else f"{record.name}.zip"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return StreamingResponse(
            zip_stream(entries, zipfile.ZIP_DEFLATED), media_type="application/zip", headers=headers
        )

    @api.get("/{plural}/{id}/notebook", summary="The executed notebook, also while it runs")
    def notebook(record: Annotated[Record, found]) -> Response:  # pyright: ignore[reportUnusedFunction]
        headers = {"Content-Disposition": f'attachment; filename="{record.name}.ipynb"', **INERT}
        return StreamingResponse(
            _pieces(details.notebook(record)), media_type="application/x-ipynb+json", headers=headers
        )

    return api


def stream_file(file: FileView) -> Response:
    headers = {"Content-Length": str(file.size), **INERT}
    return StreamingResponse(_pieces(file.open()), media_type=media_type(file.path), headers=headers)


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    with stream:
        yield from iter_chunks(stream)


def resumed_at(last_event_id: str, attempt: int, offset: int) -> int:
    """The offset that a broken stream goes on from: of another attempt's log it knows nothing yet."""
    known, _, seen = last_event_id.partition(":")
    if not known.isdecimal() or not seen.isdecimal():
        return offset
    return int(seen) if int(known) == attempt else 0


async def follow_log(
    details: Details,
    commands: Commands,
    resource_id: str,
    offset: int,
    rank: int | None = None,
    attempt: int | None = None,
) -> AsyncIterator[str]:
    """`log` events with the text and where it ends, then `end`. Cut at line ends, so that no character is torn.

    That of an `attempt` ends with it; without, it goes on with the run, and each attempt's log from its beginning.
    """
    quiet = 0.0
    followed: int | None = None
    while True:
        try:
            present = await asyncio.to_thread(commands.store.get, resource_id, trashed=True)
        except OrreryError:
            return
        record = at_attempt(present, attempt)
        if followed is not None and present_attempt(record) != followed:
            offset = 0
        followed = present_attempt(record)
        ended = await asyncio.to_thread(details.has_ended, record)
        piece = await asyncio.to_thread(details.read_log, record, offset, FOLLOW_BYTES)
        whole = whole_lines(piece, is_last=ended and len(piece) < FOLLOW_BYTES, limit=FOLLOW_BYTES)
        if whole:
            quiet = 0.0
            offset += len(whole)
            whole = whole if rank is None else lines_of_rank(whole, rank)
            data = json.dumps({"text": whole.decode("utf-8", "replace"), "offset": offset, "attempt": followed})
            yield f"id: {followed}:{offset}\nevent: log\ndata: {data}\n\n"
            continue
        kind = commands.store.kinds.named(record.kind)
        if ended and (record is not present or kind.machine.phases[record.phase].settled):
            yield f"id: {followed}:{offset}\nevent: end\ndata: {{}}\n\n"
            return
        await asyncio.sleep(FOLLOW_SECONDS)
        quiet += FOLLOW_SECONDS
        if quiet >= 15:
            quiet = 0.0
            yield ": still here\n\n"


def _statistics_of(statistics: Json, endpoint_id: str) -> Any:
    endpoints = statistics.get("endpoints", {})
    if isinstance(endpoints, dict):
        return endpoints.get(endpoint_id)  # pyright: ignore[reportUnknownVariableType,reportUnknownMemberType]
    return next((item for item in endpoints if item.get("endpoint_id") == endpoint_id), None)
