"""What a job tells about itself: progress, metrics, parameters, artifacts, its result, its error.

Every call appends one JSON object to the file that `ORRERY_REPORTS` names, in a single `O_APPEND` write, so that
several processes of one job may report at once; of several ranks only the first is heard, but for errors. Without that
variable (a notebook opened by hand) every call does nothing. Standard library only: a script in any environment may
copy this file.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn

REPORTS_VARIABLE = "ORRERY_REPORTS"
#: of several ranks all say the same: what the first one says counts
_OF_RANK_0 = frozenset({"progress", "metrics", "params", "artifact", "result", "state"})

#: set after a write that the disk cut short: the next line starts on a line of its own
_is_torn = False


def this_rank() -> int | None:
    """Which of several ranks this process belongs to; None where it is alone, or starts them."""
    if int(os.environ.get("ORRERY_RANKS") or 1) < 2 or not os.environ.get("ORRERY_RANK"):
        return None
    return int(os.environ["ORRERY_RANK"])


class JobFailed(Exception):
    """The job cannot go on; `message` names the value and the remedy. In a notebook it shows without a traceback."""

    def __init__(self, code: str, message: str, **details: object) -> None:
        self.code = code
        self.message = message
        self.details = details
        super().__init__(message)

    def _render_traceback_(self) -> list[str]:  # IPython's hook
        return [f"{self.code}: {self.message}"]


def progress(
    fraction: float,
    *,
    epoch: int | None = None,
    epochs: int | None = None,
    step: int | None = None,
    steps: int | None = None,
    message: str | None = None,
) -> None:
    """How much of the whole job is done, from 0.0 to 1.0 (values beyond are cut), and where it is."""
    if math.isnan(fraction):
        raise ValueError("progress must be a number between 0 and 1, not NaN")
    done = min(1.0, max(0.0, float(fraction)))
    _write("progress", fraction=round(done, 6), epoch=epoch, epochs=epochs, step=step, steps=steps, message=message)


def metrics(values: Mapping[str, float], step: int | None = None) -> None:
    """Metric values at `step` (an epoch, a boosting round). NaN stays NaN."""
    _write("metrics", step=step, values=dict(values))


def params(values: Mapping[str, object]) -> None:
    """What the run was made with, for comparing runs."""
    _write("params", values=dict(values))


def artifact(path: str | os.PathLike[str], title: str) -> None:
    """A file made by the job, worth keeping, inside the work folder: `path` is relative to it or to the present one."""
    work = os.environ.get("ORRERY_WORK_DIR") or os.getcwd()
    text: str = os.path.relpath(os.fspath(path), work)
    if text.split(os.sep)[0] == os.pardir and not os.path.isabs(path):
        text = os.path.normpath(os.fspath(path))
    if text.split(os.sep)[0] == os.pardir:
        raise ValueError(f"artifact {os.fspath(path)!r} lies outside the work folder; save it inside")
    _write("artifact", path=text.replace(os.sep, "/"), title=title)


def result(values: Mapping[str, object]) -> None:
    """The job's outcome in short; the last call counts. For a training: its held-out metrics."""
    _write("result", values=dict(values))


def state(cell: int | None, problem: str, unsaved: Sequence[Mapping[str, str]] = ()) -> None:
    """The kernel's variables were saved before `cell`, counted from 1, but for those of `unsaved`; or why not."""
    _write("state", cell=cell, problem=problem, unsaved=list(unsaved))


def error(code: str, message: str, **details: object) -> None:
    """The reason shown to the person when the job then exits non-zero; of several ranks' the first cause."""
    rank = this_rank()
    if rank is not None:
        details = {"rank": rank, "status": 1, "at": time.time(), **details}
    _write("error", code=code, message=message, details=details)


def fail(code: str, message: str, **details: object) -> NoReturn:
    """Report the error and end the job. Raises: `JobFailed`, always."""
    error(code, message, **details)
    raise JobFailed(code, message, **details)


def _write(kind: str, **fields: object) -> None:
    global _is_torn
    path = os.environ.get(REPORTS_VARIABLE)
    if not path or (kind in _OF_RANK_0 and this_rank()):
        return
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    line = json.dumps(_plain({"type": kind, "at": at, **fields}), ensure_ascii=False, allow_nan=False)
    data = line.encode("utf-8", "backslashreplace") + b"\n"
    if _is_torn:
        data = b"\n" + data
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        written = os.write(descriptor, data)
        _is_torn = written < len(data)
        if _is_torn:
            raise OSError(28, f"the disk is full: a {kind} report was cut short", path)
    finally:
        os.close(descriptor)


def _masked(text: str) -> str:
    """Without the values of the variables that `ORRERY_SECRETS` names: a report is shown to whoever may see the run."""
    for name in filter(None, os.environ.get("ORRERY_SECRETS", "").split(",")):
        secret = os.environ.get(name)
        if secret:
            text = text.replace(secret, "***")
    return text


def _plain(value: Any) -> object:
    """`value` in JSON's own types: NaN and the infinities become their names, NumPy's scalars Python's."""
    if isinstance(value, str):
        return _masked(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if math.isnan(value):
            return "NaN"
        if math.isinf(value):
            return "Infinity" if value > 0 else "-Infinity"
        return float(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    if hasattr(value, "tolist"):  # a NumPy scalar or array
        return _plain(value.tolist())
    return str(value)
