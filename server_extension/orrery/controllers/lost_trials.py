"""Trials whose machine or supervisor died beneath them: no failure of theirs, so they are run again, a few times."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from orrery.domain.records import Record, Target
from orrery.domain.trainings import TRAINING
from orrery.executors.contract import ExitReason
from orrery.store.resources import ResourceStore

#: one that is lost more often fails: it may be what takes its machine down
MOST_RUNS_AGAIN: Final = 3


def was_lost(training: Record) -> bool:
    """Whether it failed since nobody saw its end. One that told an error of its own before failed by that."""
    return (
        training.phase == "FAIL_TRAIN"
        and training.outputs.get("exit_reason") == ExitReason.LOST.value
        and not training.internal.get("error")
    )


def may_run_again(training: Record) -> bool:
    return training.deleted_at is None and was_lost(training) and _runs_again(training) < MOST_RUNS_AGAIN


def run_again(store: ResourceStore, training: Record) -> Record:
    """Retry it, and count that in the same write: a kill neither repeats nor forgets it."""

    def retried(fresh: Record) -> Record:
        if not may_run_again(fresh):
            return fresh
        number = _runs_again(fresh) + 1
        message = f"run again ({number} of {MOST_RUNS_AGAIN}): {fresh.message}"
        stepped = TRAINING.machine.step(fresh, "retry", store.clock(), message=message)
        internal = {**stepped.internal, "runs_again": number}
        return replace(stepped, target=Target.RUNNING, attempts=0, internal=internal)

    return store.update(training.id, retried)


def failure_of(training: Record) -> str:
    """Why it failed, and how often it was lost before."""
    number = _runs_again(training)
    if was_lost(training) and number:
        return f"{training.message} (lost {number + 1} times; it was run again {number} times)"
    return training.message


def _runs_again(training: Record) -> int:
    return int(training.internal.get("runs_again", 0))
