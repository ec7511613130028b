"""An earlier attempt of a run that was started again: its log and its metrics are kept beside the present ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import Query

from orrery.controllers.jobs import find_job, make_job_id
from orrery.domain.records import Record
from orrery.errors import Invalid, NotFound
from orrery.executors.contract import Executor

AttemptQuery = Annotated[
    int | None,
    Query(
        ge=1,
        description="Of a run that was started again, this attempt of it, from 1; left out, the present one "
        "(`status.outputs.attempt`).",
    ),
]


def present_attempt(record: Record) -> int:
    """The number of its last attempt; 0 before the first, and for what has no attempts."""
    return int(record.internal.get("attempt") or 0)


def at_attempt(record: Record, attempt: int | None) -> Record:
    """The record as its parts are found by, for that attempt. Raises: Invalid for one that there was not.

    An earlier attempt stands alone: what it had gone on from in its turn is asked for by its own number.
    """
    present = present_attempt(record)
    if attempt is None or attempt == present:
        return record
    if not 1 <= attempt < present:
        have = f"attempts 1 to {present}" if present > 1 else "one attempt" if present else "no attempts"
        message = f"{record.label} has {have}; {attempt} was asked for"
        raise Invalid(message, fields=[{"path": "attempt", "message": message}])
    return replace(record, internal={**record.internal, "attempt": attempt, "goes_on_from": []})


def check_log_is_kept(executor: Executor, record: Record, attempt: int | None) -> None:
    """Raises: NotFound where the files of an attempt that was asked for are gone."""
    if attempt is None or attempt == present_attempt(record):
        return
    if find_job(executor, make_job_id(record, attempt)) is None:
        raise NotFound(f"the log of attempt {attempt} of {record.label} is not kept any more; its metrics may be")
