"""What lies on the disk for each job and replica: the durable truth from which everything else is rebuilt.

The phase of a folder follows from four facts, so that no two files can contradict each other:

    exit.json                              ENDED
    shim.json, shim.lock held              RUNNING (STOPPING with a file `stop`)
    shim.json, shim.lock free              LOST: nobody saw the end
    no shim.json                           QUEUED, or a shim is about to write it
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from orrery.errors import Invalid, OutOfSpace
from orrery.executors.contract import (
    CommandProgram,
    Exit,
    ExitReason,
    InputFile,
    JobSpec,
    NotebookProgram,
    Priority,
    Program,
    PythonProgram,
    Resources,
    ServiceSpec,
)

FORMAT = 1
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True)
class AcceptedJob:
    """The content of job.json."""

    spec: JobSpec
    submitted_at: datetime
    #: rises with every submit: the order within one priority
    sequence: int


@dataclass(frozen=True)
class ShimRecord:
    """The content of shim.json: who the shim and the program are."""

    pid: int
    start_ticks: int
    boot_id: str
    #: leads the program's session and process group
    child: int
    child_start_ticks: int
    started_at: datetime


def check_id(identifier: str) -> str:
    """Raises `Invalid` unless `identifier` is safe as the name of a folder."""
    if not _ID.fullmatch(identifier):
        raise Invalid(
            f"id {identifier!r} must be 1 to 100 of the characters A-Z a-z 0-9 _ . - and begin with one of A-Z a-z 0-9"
        )
    return identifier


# --- writing ---


@contextlib.contextmanager
def refusing_full_disk() -> Generator[None]:
    """Raises `OutOfSpace` instead of the operating system's error."""
    try:
        yield
    except OSError as failed:
        if failed.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise OutOfSpace("the disk of the platform is full; free some space and try again") from failed


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomically(path: Path, content: Mapping[str, Any], *, durable: bool = True) -> None:
    """Replace the file at once; with `durable`, it is on the disk when this returns."""
    temporary = path.with_name(f".{path.name}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(json.dumps(content, ensure_ascii=False).encode())
        if durable:
            file.flush()
            os.fsync(file.fileno())
    os.rename(temporary, path)
    if durable:
        sync_folder(path.parent)


def read_json(path: Path) -> dict[str, Any] | None:
    """None when the file is not there. Raises `ValueError` for anything but a JSON object."""
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    if not isinstance(content, dict):
        raise ValueError(f"{path} does not hold a JSON object")
    return cast("dict[str, Any]", content)


# --- specs ---


def _program_to_json(program: Program) -> dict[str, Any]:
    match program:
        case NotebookProgram():
            return {
                "type": "notebook",
                "input_path": program.input_path,
                "output_path": program.output_path,
                "parameters": dict(program.parameters),
                "kernel_name": program.kernel_name,
                "folder": program.folder,
            }
        case PythonProgram():
            return {"type": "python", "entry": program.entry, "arguments": dict(program.arguments)}
        case CommandProgram():
            return {"type": "command", "argv": list(program.argv)}


def _program_from_json(content: dict[str, Any]) -> Program:
    match content["type"]:
        case "notebook":
            return NotebookProgram(
                content["input_path"],
                content["output_path"],
                content["parameters"],
                content["kernel_name"],
                content.get("folder", ""),
            )
        case "python":
            return PythonProgram(content["entry"], content["arguments"])
        case "command":
            return CommandProgram(tuple(content["argv"]))
        case other:
            raise ValueError(f"program type {other!r} is not one of: notebook, python, command")


def _resources_to_json(resources: Resources) -> dict[str, Any]:
    return {"cores": resources.cores, "memory_bytes": resources.memory_bytes, "gpus": resources.gpus}


def _files_to_json(files: tuple[InputFile, ...]) -> list[dict[str, str]]:
    return [{"path": file.path, "oid": file.oid} for file in files]


def _files_from_json(content: list[dict[str, str]]) -> tuple[InputFile, ...]:
    return tuple(InputFile(file["path"], file["oid"]) for file in content)


def job_to_json(job: AcceptedJob) -> dict[str, Any]:
    spec = job.spec
    return {
        "format": FORMAT,
        "id": spec.id,
        "owner": spec.owner,
        "title": spec.title,
        "program": _program_to_json(spec.program),
        "resources": _resources_to_json(spec.resources),
        "nodes": spec.nodes,
        "priority": int(spec.priority),
        "time_limit_seconds": spec.time_limit_seconds,
        "grace_seconds": spec.grace_seconds,
        "storage_bytes": spec.storage_bytes,
        "environment": dict(spec.environment),
        "secrets": dict(spec.secrets),
        "files": _files_to_json(spec.files),
        "run_as": spec.run_as,
        "submitted_at": job.submitted_at.isoformat(),
        "sequence": job.sequence,
    }


def job_from_json(content: dict[str, Any]) -> AcceptedJob:
    spec = JobSpec(
        id=content["id"],
        owner=content["owner"],
        title=content["title"],
        program=_program_from_json(content["program"]),
        resources=Resources(**content["resources"]),
        nodes=content.get("nodes", 1),
        priority=Priority(content["priority"]),
        time_limit_seconds=content["time_limit_seconds"],
        grace_seconds=content["grace_seconds"],
        storage_bytes=content.get("storage_bytes"),
        environment=content["environment"],
        secrets=content.get("secrets", {}),
        files=_files_from_json(content["files"]),
        run_as=content["run_as"],
    )
    return AcceptedJob(spec, datetime.fromisoformat(content["submitted_at"]), content["sequence"])


def service_to_json(spec: ServiceSpec) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "id": spec.id,
        "owner": spec.owner,
        "title": spec.title,
        "argv": list(spec.argv),
        "replicas": spec.replicas,
        "resources": _resources_to_json(spec.resources),
        "environment": dict(spec.environment),
        "files": _files_to_json(spec.files),
        "ready_path": spec.ready_path,
        "ready_timeout_seconds": spec.ready_timeout_seconds,
        "grace_seconds": spec.grace_seconds,
        "run_as": spec.run_as,
    }


def service_from_json(content: dict[str, Any]) -> ServiceSpec:
    return ServiceSpec(
        id=content["id"],
        owner=content["owner"],
        title=content["title"],
        argv=tuple(content["argv"]),
        replicas=content["replicas"],
        resources=Resources(**content["resources"]),
        environment=content["environment"],
        files=_files_from_json(content["files"]),
        ready_path=content["ready_path"],
        ready_timeout_seconds=content["ready_timeout_seconds"],
        grace_seconds=content["grace_seconds"],
        run_as=content["run_as"],
    )


# --- what the shim tells ---


def read_job(folder: Path) -> AcceptedJob | None:
    """None when the job was never acknowledged."""
    content = read_json(folder / "job.json")
    return None if content is None else job_from_json(content)


def read_shim(folder: Path) -> ShimRecord | None:
    content = read_json(folder / "shim.json")
    if content is None:
        return None
    return ShimRecord(
        pid=content["pid"],
        start_ticks=content["start_ticks"],
        boot_id=content["boot_id"],
        child=content["child"],
        child_start_ticks=content["child_start_ticks"] or 0,
        started_at=datetime.fromisoformat(content["started_at"]),
    )


def read_exit(folder: Path) -> Exit | None:
    content = read_json(folder / "exit.json")
    if content is None:
        return None
    started = content["started_at"]
    return Exit(
        reason=ExitReason(content["reason"]),
        code=content["code"],
        started_at=None if started is None else datetime.fromisoformat(started),
        ended_at=datetime.fromisoformat(content["ended_at"]),
        peak_memory_bytes=content["peak_memory_bytes"],
        cpu_seconds=content["cpu_seconds"],
        message=content["message"],
    )


def write_exit(folder: Path, exit: Exit) -> None:
    """For what ends without a shim. Only while `hold_lock` gives the folder."""
    write_atomically(
        folder / "exit.json",
        {
            "reason": exit.reason.value,
            "code": exit.code,
            "started_at": None if exit.started_at is None else exit.started_at.isoformat(),
            "ended_at": exit.ended_at.isoformat(),
            "peak_memory_bytes": exit.peak_memory_bytes,
            "cpu_seconds": exit.cpu_seconds,
            "message": exit.message,
        },
    )


@contextlib.contextmanager
def hold_lock(folder: Path) -> Generator[bool]:
    """True: no shim lives, and none can come to be meanwhile. False: one lives, or the folder is gone."""
    try:
        descriptor = os.open(folder / "shim.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(descriptor)


def clear_run(folder: Path) -> None:
    """Forget an ended run, so that the folder can be started again. Only while `hold_lock` gives the folder."""
    for name in ("stop", "shim.json", "launch.json", "exit.json"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(folder / name)
