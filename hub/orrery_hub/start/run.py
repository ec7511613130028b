"""All scripts of one start, one after the other, each under a supervisor of its own."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from orrery_hub.start.choice import Candidate, find_candidates
from orrery_hub.start.output import DEFAULT_BYTES
from orrery_hub.start.records import COMPLETE, INTERRUPTED, SCRIPTS_FOLDER, Records, ScriptRecord, now
from orrery_hub.start.supervisor import GRACE_SECONDS, Supervisor, Task, send, send_group

DEFAULT_SECONDS: Final = 600.0
#: a supervisor that has not answered so long after the time limit was stopped by its script
LATE_SECONDS: Final = 3 * GRACE_SECONDS


class Ended(BaseException):
    """The start was asked to end: the notebook is being stopped."""

    def __init__(self, number: int) -> None:
        self.number = number


@dataclass(frozen=True)
class Limits:
    script_seconds: float = DEFAULT_SECONDS
    output_bytes: int = DEFAULT_BYTES

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], problems: list[str]) -> Limits:
        """A value that is no positive number is told of, and the default used: a typing error stops no notebook."""
        seconds = read_number(environment, "ORRERY_START_SCRIPT_SECONDS", DEFAULT_SECONDS, problems)
        mebibytes = read_number(environment, "ORRERY_START_OUTPUT_MIB", DEFAULT_BYTES / (1 << 20), problems)
        return cls(script_seconds=seconds, output_bytes=int(mebibytes * (1 << 20)))


def read_number(environment: Mapping[str, str], name: str, default: float, problems: list[str]) -> float:
    text = environment.get(name)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if 0 < value < 1e7:
        return value
    problems.append(f"{name} is {text!r}, which is no positive number; {default:g} is used")
    return default


def run_scripts(data_folder: Path, environment: Mapping[str, str], owner: tuple[int, int] | None = None) -> None:
    """Runs what is in `cont-init.d`, and returns whatever comes of it.

    Raises: Ended, where the start itself was asked to end; the record says so by then.
    """
    records = Records(data_folder, owner)
    records.open()
    problems: list[str] = []
    limits = Limits.from_environment(environment, problems)
    for problem in problems:
        records.note(problem)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, be_ended)
    try:
        _run_all(records, data_folder / SCRIPTS_FOLDER, environment, limits)
    except Ended:
        for script in records.start.scripts:
            if script.state == "waiting":
                script.state, script.reason = INTERRUPTED, "the start was ended before this ran"
        records.close(INTERRUPTED)
        raise
    except OSError as error:
        records.note(f"the scripts could not be run: {error}")
        records.close(COMPLETE)
    else:
        records.close(COMPLETE)


def be_ended(number: int, _: object) -> None:
    """Once: what follows must not be disturbed while it ends the script."""
    for ignored in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    raise Ended(number)


def _run_all(records: Records, folder: Path, environment: Mapping[str, str], limits: Limits) -> None:
    try:
        candidates = find_candidates(folder)
    except OSError as error:
        records.note(f"{folder} cannot be read: {error.strerror}")
        candidates = []
    scripts = [make_record(candidate) for candidate in candidates]
    records.start.scripts = scripts
    chosen = [
        (candidate, script) for candidate, script in zip(candidates, scripts, strict=True) if not candidate.skipped
    ]
    records.forget_gone(folder, {script.name for _, script in chosen})
    for _, script in chosen:
        records.forget(folder, script.name)
    records.save()
    for place, (candidate, script) in enumerate(chosen):
        script.state, script.began = "running", now()
        records.save()
        print(f"cont-init.d: {script.name!r} runs", file=sys.stderr, flush=True)
        output = records.make_output_path(place)
        task = Task(
            path=candidate.path,
            folder=records.data_folder,
            output=output,
            environment={**environment, "ORRERY_START_SCRIPT": script.name},
            limit_seconds=limits.script_seconds,
            output_bytes=limits.output_bytes,
        )
        try:
            run_script(task, script)
        finally:
            script.ended = now()
            records.keep(folder, script, output)
        said = f" ({script.reason})" if script.reason else ""
        print(f"cont-init.d: {script.name!r} ended with {script.exit_code}{said}", file=sys.stderr, flush=True)
        records.save()


def make_record(candidate: Candidate) -> ScriptRecord:
    return ScriptRecord(candidate.name, state="skipped" if candidate.skipped else "waiting", reason=candidate.skipped)


def run_script(task: Task, script: ScriptRecord) -> None:
    """Fills the record in. Raises: Ended, after the script has been ended."""
    reading, reporting = os.pipe()
    sys.stderr.flush()
    sys.stdout.flush()
    supervisor = os.fork()
    if supervisor == 0:
        os.close(reading)
        _supervise(task, reporting)
    os.close(reporting)
    answers = Answers(reading)
    deadline = time.monotonic() + task.limit_seconds + LATE_SECONDS
    try:
        answers.read_until(deadline)
    except Ended:
        send(supervisor, signal.SIGTERM)
        send(supervisor, signal.SIGCONT)
        answers.read_until(time.monotonic() + LATE_SECONDS)
        _fill_in(script, answers)
        script.state, script.reason = INTERRUPTED, "the start was ended while this ran"
        raise
    finally:
        os.close(reading)
        if answers.result is None:
            # Killed or stopped by the script: nobody else would end it.
            if answers.script:
                send_group(answers.script, signal.SIGKILL)
            send(supervisor, signal.SIGKILL)
            os.waitpid(supervisor, 0)
        else:
            os.waitpid(supervisor, os.WNOHANG)
    _fill_in(script, answers)


def _supervise(task: Task, report: int) -> None:
    """In the new process; never returns."""
    try:
        Supervisor(task, report).run()
    except OSError as error:
        words = {"exit_code": 126, "reason": f"it could not be started: {error.strerror}"}
        os.write(report, json.dumps(words).encode() + b"\n")
    finally:
        os._exit(0)


def _fill_in(script: ScriptRecord, answers: Answers) -> None:
    script.state = "ended"
    if answers.result is None:
        script.exit_code = 128 + signal.SIGKILL
        script.reason = "the process that watched it was ended, and it with it; it may have ended its parent"
        return
    script.exit_code = answers.result["exit_code"]
    script.reason = answers.result["reason"]
    script.output_bytes = answers.result.get("output_bytes", 0)
    script.left_running = answers.result.get("left_running", False)
    if lost := answers.result.get("lost_bytes", 0):
        script.reason = "; ".join(filter(None, [script.reason, f"the volume was full: {lost:,} bytes are missing"]))


class Answers:
    """What a supervisor says, line after line."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.script = 0
        self.result: dict[str, Any] | None = None
        self._rest = b""

    def read_until(self, deadline: float) -> None:
        """Until it has said how the script ended, or is gone, or the time is over."""
        while self.result is None:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.descriptor], [], [], left)[0]:
                return
            data = os.read(self.descriptor, 1 << 16)
            if not data:
                return
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                said = json.loads(line)
                if "pid" in said:
                    self.script = int(said["pid"])
                else:
                    self.result = said
