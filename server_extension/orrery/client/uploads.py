"""Resumable uploads: the tus 1.0 protocol (https://tus.io/protocols/resumable-upload) in pieces of 8 MiB."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol, runtime_checkable

from orrery.client.transport import Transport
from orrery.errors import Conflict, Invalid

PIECE_BYTES = 8 << 20
_TUS = {"Tus-Resumable": "1.0.0"}
_MOST_DETOURS = 8

#: told after each piece: the bytes sent so far, of how many
OnProgress = Callable[[int, int], None]


@runtime_checkable
class Frame(Protocol):
    """A pandas or polars-like table that writes itself as CSV."""

    def to_csv(self, path_or_buf: Any, *, index: bool) -> Any: ...


Source = str | os.PathLike[str] | bytes | Frame
#: files, folders, or a mapping of the name in the dataset to a file, bytes or a DataFrame
Sources = Sequence[str | os.PathLike[str]] | Mapping[str, Source] | str | os.PathLike[str]


@dataclass(frozen=True)
class Planned:
    """One file to upload, and where it is to lie."""

    path: str
    source: Path | bytes

    @property
    def size(self) -> int:
        return self.source.stat().st_size if isinstance(self.source, Path) else len(self.source)


def plan(sources: Sources) -> list[Planned]:
    """What to upload: a folder stands for all files in it. Raises: Invalid for what is not there or twice there."""
    if isinstance(sources, Mapping):
        planned = [_plan_named(path, source) for path, source in sources.items()]
    else:
        several = [sources] if isinstance(sources, str | os.PathLike) else sources
        planned = [entry for source in several for entry in _plan_path(Path(source).expanduser())]
    seen: dict[str, Planned] = {}
    for entry in planned:
        told = entry.path.encode("utf-8", "backslashreplace").decode()
        if told != entry.path:
            raise Invalid(f"the name of the file '{told}' is no Unicode; rename it, or leave it out")
        if entry.path in seen:
            raise Invalid(f"two files would lie at {entry.path!r}; rename one of them, or give a mapping of names")
        seen[entry.path] = entry
    if not planned:
        raise Invalid("there is no file to upload; give at least one")
    return planned


def _plan_named(path: str, source: Source) -> Planned:
    if isinstance(source, bytes):
        return Planned(path, source)
    if isinstance(source, str | os.PathLike):
        return Planned(path, _check_file(Path(source).expanduser()))
    text = io.StringIO()
    source.to_csv(text, index=False)
    return Planned(path, text.getvalue().encode())


def _plan_path(source: Path) -> list[Planned]:
    if not source.is_dir():
        return [Planned(source.name, _check_file(source))]
    found = sorted(file for file in source.rglob("*") if file.is_file() and not _is_hidden(file.relative_to(source)))
    if not found:
        raise Invalid(f"there is no file in the folder {str(source)!r}")
    return [Planned(str(PurePosixPath(file.relative_to(source))), file) for file in found]


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _check_file(path: Path) -> Path:
    if not path.is_file():
        raise Invalid(f"there is no file {str(path)!r}; check the path (now in {Path.cwd()})")
    return path


def upload_file(transport: Transport, planned: Planned, on_progress: OnProgress | None = None) -> dict[str, Any]:
    """Send one file and answer `{"path", "oid", "size"}`.

    What a lost connection or a restart of the platform has kept is not sent again.
    """
    size = planned.size
    name = base64.b64encode(PurePosixPath(planned.path).name.encode()).decode()
    headers = {**_TUS, "Upload-Length": str(size), "Upload-Metadata": f"filename {name}"}
    # one begun for nothing expires
    created = transport.request("POST", "/uploads", content=b"", headers=headers, repeatable=True)
    # its id alone: the platform's address may change while the file is sent
    address = f"/uploads/{created.headers['Location'].rsplit('/', 1)[-1]}"
    oid: str | None = created.headers.get("Orrery-Oid")
    offset, detours = 0, 0
    with _opened(planned.source) as file:
        while oid is None and offset < size:
            file.seek(offset)
            piece = file.read(min(PIECE_BYTES, size - offset))
            if not piece:
                raise Conflict(f"{planned.path!r} became shorter while it was uploaded; upload it again")
            try:
                answer = transport.request(
                    "PATCH",
                    address,
                    content=piece,
                    headers={**_TUS, "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"},
                )
            except Conflict:
                # the piece came through, wholly or in part, though its answer did not
                detours += 1
                if detours > _MOST_DETOURS:
                    raise
                answer = transport.request("HEAD", address, headers=_TUS)
            offset = int(answer.headers["Upload-Offset"])
            oid = answer.headers.get("Orrery-Oid")
            if on_progress is not None:
                on_progress(offset, size)
    oid = oid or transport.request("HEAD", address, headers=_TUS).headers["Orrery-Oid"]
    return {"path": planned.path, "oid": oid, "size": size}


@contextmanager
def _opened(source: Path | bytes) -> Generator[IO[bytes]]:
    if isinstance(source, bytes):
        yield io.BytesIO(source)
        return
    with source.open("rb") as file:
        yield file


def upload_files(transport: Transport, planned: Sequence[Planned], *, progress: bool = True) -> list[dict[str, Any]]:
    """Send them one after the other, with a bar where there is a terminal or a notebook to show it."""
    total = sum(entry.size for entry in planned)
    # a bar for what takes a moment would only flicker
    bar = _make_bar() if progress and total > PIECE_BYTES else None
    if bar is None:
        return [upload_file(transport, entry) for entry in planned]
    done = 0
    answers: list[dict[str, Any]] = []
    with bar:
        task = bar.add_task("Uploading", total=total)
        for entry in planned:
            before = done
            bar.update(task, description=entry.path)
            answers.append(
                upload_file(transport, entry, lambda sent, _, before=before: bar.update(task, completed=before + sent))
            )
            done += entry.size
    return answers


def _make_bar() -> Any:
    import sys

    from orrery.client.displays import in_notebook

    if not (in_notebook() or sys.stderr.isatty()):
        return None
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=not in_notebook()),
    )
