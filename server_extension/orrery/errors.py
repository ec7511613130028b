"""Every error a person can meet.

    OrreryError
    ├── Invalid                  the request is wrong: names the value and the remedy
    │   └── Unschedulable        no machine can ever hold it
    ├── NotFound
    │   ├── UnknownJob
    │   └── UnknownService
    ├── Conflict
    │   ├── NameTaken
    │   ├── InUse                something else needs it
    │   ├── WrongPhase           not in this state
    │   ├── Stale                somebody else changed it meanwhile
    │   └── JobActive
    ├── Unauthenticated
    ├── Forbidden
    ├── TooLarge
    ├── OutOfSpace
    └── Unavailable              try again later

The class docstring is the default message; `code` is stable and is what programs compare. HTTP statuses live in one
table beside it (`orrery.http_status`).
"""

from __future__ import annotations

from typing import ClassVar


class OrreryError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str | None = None, **details: object) -> None:
        self.message = message or (type(self).__doc__ or "").strip()
        self.details: dict[str, object] = details
        super().__init__(self.message)


class Invalid(OrreryError):
    """The request is not valid."""

    code = "invalid"


class Unschedulable(Invalid):
    """No machine here can ever hold this."""

    code = "unschedulable"


class NotFound(OrreryError):
    """There is no such thing, or you may not see it."""

    code = "not_found"


class UnknownJob(NotFound):
    """There is no such job."""

    code = "unknown_job"


class UnknownService(NotFound):
    """There is no such service."""

    code = "unknown_service"


class Conflict(OrreryError):
    """The request conflicts with what is there."""

    code = "conflict"


class NameTaken(Conflict):
    """The name is in use."""

    code = "name_taken"


class InUse(Conflict):
    """Something else needs it."""

    code = "in_use"


class WrongPhase(Conflict):
    """This cannot be done in its present state."""

    code = "wrong_phase"


class Stale(Conflict):
    """It was changed meanwhile; read it again."""

    code = "stale"


class JobActive(Conflict):
    """The job has not ended; stop it first."""

    code = "job_active"


class Unauthenticated(OrreryError):
    """Log in, or send a token: `Authorization: Bearer <token>`."""

    code = "unauthenticated"


class Forbidden(OrreryError):
    """You may not do this."""

    code = "forbidden"


class TooLarge(OrreryError):
    """It is larger than allowed."""

    code = "too_large"


class OutOfSpace(OrreryError):
    """The disk is full; free some space and try again."""

    code = "out_of_space"


class Unavailable(OrreryError):
    """Not available just now; try again in a moment."""

    code = "unavailable"
