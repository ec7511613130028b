"""The files of a job: putting inputs in place, listing and opening outputs, reading the log and the reports.

A job writes what it likes into its work folder, symbolic links included: nothing here follows a path out of it.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Protocol, cast

from orrery.errors import Invalid, NotFound
from orrery.executors.contract import FileInfo, InputFile, UsageSample
from orrery.plain_json import make_plain

#: at most so much of the reports is read in one call
REPORTS_CHUNK_BYTES = 4 << 20


class ObjectSource(Protocol):
    """Where input files come from; `orrery.store.objects.ObjectStore` is one."""

    def fetch(self, oid: str, destination: Path) -> object:
        """Put a verified copy of the object at `destination`. Raises `NotFound` when there is none."""
        ...


def check_path(path: str) -> str:
    """Raises `Invalid` unless `path` stays below the folder that it is relative to."""
    parts = PurePosixPath(path).parts
    if not path or path.startswith("/") or "\0" in path or ".." in parts or not parts:
        raise Invalid(f"file path {path!r} must be relative to the work folder and stay inside it")
    return path


def place(files: Iterable[InputFile], work: Path, objects: ObjectSource) -> None:
    """Put each file below `work`. Safe to repeat: what lies there already is replaced."""
    for file in files:
        destination = work / check_path(file.path)
        destination.parent.mkdir(parents=True, exist_ok=True)
        destination.unlink(missing_ok=True)
        objects.fetch(file.oid, destination)


def give_to(folder: Path, uid: int, gid: int) -> None:
    """Make an account the owner of a folder and of all below it."""
    os.chown(folder, uid, gid)
    for parent, folder_names, file_names in os.walk(folder):
        for name in folder_names + file_names:
            os.chown(os.path.join(parent, name), uid, gid, follow_symlinks=False)


def listing(work: Path) -> list[FileInfo]:
    """Every regular file below `work`, by path. Symbolic links are not followed.

    A name on the disk is bytes: what of it is no Unicode is told as `\\xff`, and `open_inside` finds it by that.
    """
    return sorted(_walk(work, ""), key=lambda info: info.path)


def _walk(folder: Path, prefix: str) -> Iterator[FileInfo]:
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return  # removed meanwhile
    for entry in entries:
        try:
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(folder / entry.name, f"{prefix}{_told(entry.name)}/")
            elif entry.is_file(follow_symlinks=False):
                status = entry.stat(follow_symlinks=False)
                yield FileInfo(prefix + _told(entry.name), status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))
        except FileNotFoundError:
            continue


def _told(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _on_the_disk(root: Path, path: str) -> Path:
    """Where a path of the listing is."""
    found = root
    for part in PurePosixPath(path).parts:
        below = found / part
        if "\\x" in part and not os.path.lexists(below):
            below = next((found / name for name in os.listdir(found) if _told(name) == part), below)
        found = below
    return found


def remove_folder(work: Path, name: str) -> bool:
    """Remove a folder directly in `work`; a link of that name is left alone. Raises: Invalid for a longer path."""
    if check_path(name) != PurePosixPath(name).name:
        raise Invalid(f"{name!r} is no folder directly in the work folder")
    folder = work / name
    if folder.is_symlink() or not folder.is_dir():
        return False
    shutil.rmtree(folder)
    return True


def open_inside(work: Path, path: str) -> BinaryIO:
    """Open a regular file below `work`. Links inside it are followed, links out of it are not.

    Each folder on the way is opened by itself without following links, so that nothing can be exchanged meanwhile.

    Raises: `NotFound`.
    """
    refused = NotFound(f"there is no file {path!r} in the work folder", path=path)
    if not path or "\0" in path or PurePosixPath(path).is_absolute():
        raise refused
    try:
        root = work.resolve(strict=True)
        resolved = _on_the_disk(root, path).resolve(strict=True)
        parts = resolved.relative_to(root).parts
    except (OSError, ValueError, RuntimeError):
        raise refused from None
    if not parts:
        raise refused
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for index, part in enumerate(parts):
            flags = os.O_NONBLOCK if index == len(parts) - 1 else os.O_DIRECTORY
            below = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | flags, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise refused
        return open(descriptor, "rb")
    except OSError:
        os.close(descriptor)
        raise refused from None
    except NotFound:
        os.close(descriptor)
        raise


def read_range(path: Path, offset: int, limit: int) -> bytes:
    """Empty beyond the end, or while the file is not there yet."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, offset))
            return file.read(max(0, limit))
    except FileNotFoundError:
        return b""


def tail(path: Path, lines: int = 20, limit: int = 4000) -> str:
    """The last lines of a log, for a message."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return ""
    text = read_range(path, max(0, size - limit), limit).decode("utf-8", "replace")
    return "\n".join(text.splitlines()[-lines:])


def read_reports(path: Path, offset: int) -> tuple[list[dict[str, object]], int]:
    """Whole lines from `offset` on, and where to go on. What is no JSON object is passed over: jobs write this file."""
    chunk = REPORTS_CHUNK_BYTES
    while True:
        data = read_range(path, offset, chunk)
        end = data.rfind(b"\n") + 1
        if end or len(data) < chunk:
            break
        chunk *= 2  # one line longer than the chunk
    reports: list[dict[str, object]] = []
    for line in data[:end].split(b"\n"):
        try:
            # The names of NaN and the infinities, as strings: JSON has no such numbers.
            report = json.loads(line, parse_constant=str) if line.strip() else None
            plain = make_plain(report) if isinstance(report, dict) else None
        except (ValueError, RecursionError):
            continue
        if plain is not None:
            reports.append(cast("dict[str, object]", plain))
    return reports, offset + end


def read_usage(path: Path, last_bytes: int = 1 << 28) -> list[UsageSample]:
    """The samples in the last bytes of the file, oldest first."""
    size = path.stat().st_size if path.exists() else 0
    samples: list[UsageSample] = []
    for line in read_range(path, max(0, size - last_bytes), last_bytes).split(b"\n")[:-1]:
        try:
            content: dict[str, Any] = json.loads(line)
            at = datetime.fromisoformat(content["at"])
            ranks: dict[str, Any] = content.get("ranks") or {}
            samples.append(_sample(at, content, {int(rank): _sample(at, use) for rank, use in ranks.items()}))
        except (ValueError, KeyError, TypeError, AttributeError):
            continue  # cut short by a full disk
    return samples


def _sample(at: datetime, content: dict[str, Any], ranks: Mapping[int, UsageSample] | None = None) -> UsageSample:
    return UsageSample(
        at,
        content["cpu_seconds"],
        content["memory_bytes"],
        content.get("gpu_seconds"),
        content.get("gpu_memory_bytes"),
        ranks or {},
    )
