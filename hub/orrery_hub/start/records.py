"""What a start leaves to be read: its record, `.exitcode` and `.output` beside each script, and the whole log.

    .orrery/start.json           the last starts, newest first; of the one under way, how far it is
    .orrery/start/               output that is being written
    cont-init.d/NAME.exitcode
    cont-init.d/NAME.output
    cont-init.output             everything of the last start, one script after the other

A file appears whole or not at all. A volume that is full, read-only or taken away costs records, never the start:
each failure becomes one of the start's `problems`.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, cast

SCRIPTS_FOLDER: Final = "cont-init.d"
LOG_NAME: Final = "cont-init.output"
RECORD_NAME: Final = ".orrery/start.json"
WORK_NAME: Final = ".orrery/start"
KEPT_STARTS: Final = 10
LOG_BYTES: Final = 64 << 20
#: kept free from the beginning, so that the end can be written on a full volume
RESERVE_BYTES: Final = 256 << 10

RUNNING: Final = "running"
COMPLETE: Final = "complete"
INTERRUPTED: Final = "interrupted"


def now() -> str:
    seconds = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds % 1 * 1000):03d}Z"


@dataclass
class ScriptRecord:
    name: str
    #: waiting, running, ended, skipped, interrupted
    state: str = "waiting"
    began: str | None = None
    ended: str | None = None
    exit_code: int | None = None
    #: why it was skipped or ended; empty where it ended by itself
    reason: str = ""
    output_bytes: int = 0
    #: something that it started goes on
    left_running: bool = False


@dataclass
class StartRecord:
    began: str
    pid: int
    #: the account that the scripts run as
    account: str
    state: str = RUNNING
    ended: str | None = None
    problems: list[str] = field(default_factory=list[str])
    scripts: list[ScriptRecord] = field(default_factory=list[ScriptRecord])


def read_starts(data_folder: Path) -> list[dict[str, Any]]:
    """The last starts as they were recorded, newest first; empty where there are none, or nothing readable."""
    try:
        document: Any = json.loads((data_folder / RECORD_NAME).read_bytes())
        starts = document["starts"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return keep_objects(starts)


def keep_objects(values: Any) -> list[dict[str, Any]]:
    """Of a list the JSON objects; empty for anything else."""
    if not isinstance(values, list):
        return []
    return [cast("dict[str, Any]", value) for value in cast("list[Any]", values) if isinstance(value, dict)]


def describe_progress(data_folder: Path) -> str:
    """One line for whoever waits for the server; empty where no script runs."""
    start = next(iter(read_starts(data_folder)), None)
    if start is None or start.get("state") != RUNNING:
        return ""
    scripts = [one for one in keep_objects(start.get("scripts")) if one.get("state") != "skipped"]
    for place, script in enumerate(scripts, start=1):
        if script.get("state") == RUNNING:
            return f"cont-init.d: {script.get('name')} runs ({place} of {len(scripts)})"
    return ""


class Records:
    """Usage: `open`, then `save` at each change. `owner`: the uid and gid that everything is given to."""

    def __init__(self, data_folder: Path, owner: tuple[int, int] | None = None) -> None:
        self.data_folder = data_folder
        self.owner = owner
        self.start = StartRecord(began=now(), pid=os.getpid(), account=account_name())
        self.former: list[dict[str, Any]] = []
        self.work = data_folder / WORK_NAME
        self._is_writable = False

    def open(self) -> None:
        self.former = [mark_interrupted(start) for start in read_starts(self.data_folder)]
        try:
            self._make_folder(self.work.parent)
            shutil.rmtree(self.work, ignore_errors=True)
            self._make_folder(self.work)
            self._is_writable = True
        except OSError as error:
            self.note(f"nothing of this start is kept in {self.data_folder}: {error.strerror}")
            self.work = Path(tempfile.mkdtemp(prefix="orrery-start-"))
        self._keep_reserve()
        self._attempt("the former log stays", self._begin_log)

    def note(self, problem: str) -> None:
        self.start.problems.append(problem)
        print(f"cont-init.d: {problem}", file=sys.stderr, flush=True)

    def save(self) -> None:
        if self._is_writable:
            document = {"version": 1, "starts": [asdict(self.start), *self.former][:KEPT_STARTS]}
            text = json.dumps(document, indent=1).encode()
            self._attempt("the record is not up to date", lambda: self.put(self.data_folder / RECORD_NAME, text))

    def close(self, state: str) -> None:
        self.start.state, self.start.ended = state, now()
        (self.work / "reserve").unlink(missing_ok=True)
        self.save()
        shutil.rmtree(self.work, ignore_errors=True)

    # --- one script's ---

    def make_output_path(self, place: int) -> Path:
        """Where the output of one script is written to; an earlier one may have removed the folder."""
        if not self.work.is_dir():
            self._attempt("output is not kept", lambda: self._make_folder(self.work))
        return self.work / f"{place}.output"

    def forget(self, folder: Path, name: str) -> None:
        """What an earlier run left of a script must not be taken for this one's."""
        for ending in (".exitcode", ".output"):
            try:
                (folder / f"{name}{ending}").unlink(missing_ok=True)
            except OSError as error:
                self.note(f"{name}{ending} of an earlier start stays: {error.strerror}")

    def forget_gone(self, folder: Path, running: set[str]) -> None:
        """Results of scripts that are gone or do not run this time. A file that only has such a name is left alone."""
        try:
            names = [entry.name for entry in os.scandir(folder) if entry.is_file(follow_symlinks=False)]
        except OSError:
            return
        for name in names:
            script = name.removesuffix(".exitcode")
            if name.endswith(".exitcode") and script not in running and is_exit_code(folder / name):
                self.forget(folder, script)

    def keep(self, folder: Path, script: ScriptRecord, output: Path) -> None:
        """The results of a script that has ended, beside it and in the log."""
        code = f"{script.exit_code}\n".encode()
        self._attempt(f"the log lacks {script.name}", lambda: self._add_to_log(script, output))
        self._attempt(f"no {script.name}.output", lambda: self.place(output, folder / f"{script.name}.output"))
        self._attempt(f"no {script.name}.exitcode", lambda: self.put(folder / f"{script.name}.exitcode", code))

    def place(self, source: Path, target: Path) -> None:
        """Move a file into its place, over whatever lies there. Raises: OSError."""
        self.give(source)
        try:
            source.replace(target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            self.put(target, source.read_bytes())

    def put(self, target: Path, content: bytes) -> None:
        """Write a file that appears whole or not at all. Raises: OSError."""
        descriptor, name = tempfile.mkstemp(prefix=".orrery-", dir=target.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            os.chmod(name, 0o644)
            self.give(Path(name))
            os.replace(name, target)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise

    def give(self, path: Path) -> None:
        if self.owner is not None:
            os.chown(path, *self.owner, follow_symlinks=False)

    # --- the whole log ---

    def _begin_log(self) -> None:
        if self._is_writable:
            words = f"# {self.start.began} start of the notebook, scripts run as {self.start.account}\n"
            self.put(self.data_folder / LOG_NAME, words.encode())

    def _add_to_log(self, script: ScriptRecord, output: Path) -> None:
        if not self._is_writable:
            return
        log = self.data_folder / LOG_NAME
        descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "ab") as target, output.open("rb") as source:
            target.write(f"# {script.began} {script.name}\n".encode(errors="replace"))
            if target.tell() < LOG_BYTES:
                shutil.copyfileobj(source, target)
            else:
                target.write(f"[its output is in {script.name}.output: this log is full]\n".encode(errors="replace"))
            target.write(f"# {script.ended} {script.name} ended with {script.exit_code}\n".encode(errors="replace"))

    # --- a full volume ---

    def _attempt(self, what: str, act: Callable[[], None]) -> None:
        try:
            try:
                act()
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                (self.work / "reserve").unlink(missing_ok=True)
                act()
        except OSError as error:
            problem = f"{what}: {error.strerror}"
            if problem not in self.start.problems:
                self.note(problem)

    def _keep_reserve(self) -> None:
        try:
            (self.work / "reserve").write_bytes(b"\0" * RESERVE_BYTES)
        except OSError:
            (self.work / "reserve").unlink(missing_ok=True)

    def _make_folder(self, path: Path) -> None:
        if not path.is_dir():
            path.mkdir(parents=True)
            self.give(path)


def mark_interrupted(start: Mapping[str, Any]) -> dict[str, Any]:
    """A former start that has no end was ended from outside, half-way."""
    if start.get("state") != RUNNING:
        return dict(start)
    scripts = [dict(script) for script in keep_objects(start.get("scripts"))]
    for script in scripts:
        if script.get("state") == RUNNING:
            script |= {"state": INTERRUPTED, "reason": "the start was ended while this ran"}
        elif script.get("state") == "waiting":
            script |= {"state": INTERRUPTED, "reason": "the start was ended before this ran"}
    return {**start, "state": INTERRUPTED, "scripts": scripts}


def is_exit_code(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(8).strip().isdigit()
    except OSError:
        return False


def account_name() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
