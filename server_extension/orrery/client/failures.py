"""What can go wrong on the client's side, and how the platform's answers become errors.

    OrreryError
    ├── RunFailed                what was waited for ended, and not well
    │   └── RunStopped           somebody stopped it
    ├── WaitTimeout              it goes on, but the wait is over
    └── Unavailable
        └── PlatformUnreachable  nothing answers
            └── NoPlatform       none is known

The rest is `orrery.errors`: the class with the answer's `code`, with its message and its details.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

from orrery import errors
from orrery.errors import OrreryError, Unavailable


class RunFailed(OrreryError):
    """It failed."""

    code = "run_failed"

    def __init__(self, message: str | None = None, *, log_tail: str = "", **details: object) -> None:
        super().__init__(message, **details)
        #: the last lines of its log
        self.log_tail = log_tail

    @property
    def summary(self) -> str:
        """The message, without those further lines of it that the end of the log has as well."""
        first, *rest = self.message.split("\n")
        logged = {line.strip() for line in self.log_tail.splitlines()}
        return "\n".join([first, *(line for line in rest if line.strip() not in logged)])

    def __str__(self) -> str:
        return f"{self.summary}\n\nThe end of its log:\n{self.log_tail}" if self.log_tail else self.message


class RunStopped(RunFailed):
    """It was stopped before it had finished."""

    code = "run_stopped"


class WaitTimeout(OrreryError):
    """It has not finished yet."""

    code = "wait_timeout"


class PlatformUnreachable(Unavailable):
    """The platform does not answer."""

    code = "unreachable"


class NoPlatform(PlatformUnreachable):
    """No platform is running here; start one with `orrery up`."""

    code = "no_platform"


_BY_STATUS: Mapping[int, type[OrreryError]] = {
    400: errors.Invalid,
    401: errors.Unauthenticated,
    403: errors.Forbidden,
    404: errors.NotFound,
    405: errors.Invalid,
    409: errors.Conflict,
    412: errors.Stale,
    413: errors.TooLarge,
    422: errors.Invalid,
    502: errors.Unavailable,
    503: errors.Unavailable,
    504: errors.Unavailable,
    507: errors.OutOfSpace,
}


def _all_classes(parent: type[OrreryError] = OrreryError) -> Iterator[type[OrreryError]]:
    for child in parent.__subclasses__():
        yield child
        yield from _all_classes(child)


def make_error(status: int, body: bytes, url: str) -> OrreryError:
    """The error for an answer of 400 or above. A code that this client does not know becomes the status' class."""
    code, message, details = _read(body)
    by_code = {cls.code: cls for cls in _all_classes()}
    cls = by_code.get(code) or _BY_STATUS.get(status, OrreryError)
    error = cls(message or f"{url} answered {status}")
    error.details = {**details, "status": status} if code in by_code else {**details, "status": status, "code": code}
    return error


def _read(body: bytes) -> tuple[str, str, dict[str, Any]]:
    """`{"error": {"code", "message", "details"}}`, or an inference server's `{"error": "message"}`."""
    try:
        document: Any = json.loads(body)
    except ValueError:
        return "", "", {}
    found: Any = cast("dict[str, Any]", document).get("error") if isinstance(document, dict) else None
    if isinstance(found, str):
        return "", found, {}
    if not isinstance(found, dict):
        return "", "", {}
    error = cast("dict[str, Any]", found)
    details: Any = error.get("details")
    return (
        str(error.get("code", "")),
        str(error.get("message", "")),
        cast("dict[str, Any]", details) if isinstance(details, dict) else {},
    )


def field_messages(error: OrreryError) -> list[tuple[str, str]]:
    """The fields that the platform refused, each with the reason."""
    fields = error.details.get("fields")
    if not isinstance(fields, list):
        return []
    entries = cast("list[dict[str, Any]]", fields)
    return [(str(entry.get("path", "")), str(entry.get("message", ""))) for entry in entries]
