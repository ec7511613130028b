"""Experiments: nothing is computed for them; they become ACTIVE and are mirrored to MLflow."""

from __future__ import annotations

from orrery.controllers.contract import Controller, Outcome
from orrery.domain.experiments import EXPERIMENT
from orrery.domain.records import Record


class ExperimentController(Controller):
    kind = EXPERIMENT

    def reconcile(self, record: Record) -> Outcome:
        match record.phase:
            case "CREATE_REQUESTED":
                return Outcome(event="accepted")
            case "CREATE_IN_PROGRESS":
                return Outcome(event="created")
            case _:
                return Outcome()
