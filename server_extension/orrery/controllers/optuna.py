"""optuna-dashboard for a tuning: a board over the journal that its search writes, live while it does."""

from __future__ import annotations

import sys

from orrery.controllers.apps import Apps, AppState, Look
from orrery.controllers.boards import Boards
from orrery.controllers.contract import Platform
from orrery.domain.records import Record
from orrery.domain.tunings import OPTUNA
from orrery.tuning.studies import Studies


class StudyBoards(Boards):
    title = "optuna-dashboard"
    service_suffix = "-optuna"
    app_suffix = OPTUNA.suffix

    def __init__(self, platform: Platform, apps: Apps, studies: Studies) -> None:
        super().__init__(platform, apps)
        self._studies = studies

    def look_first(self, record: Record) -> Look | None:
        if self._studies.journal(record.id).exists():
            return None
        if record.phase in ("CREATE_REQUESTED", "CREATE_IN_PROGRESS"):
            return Look(AppState.WAKING, "Its study is there once the tuning has begun")
        return Look(AppState.FAILED, f"{record.name} has no study: it never began")

    def program(self, record: Record) -> tuple[str, ...]:
        journal = str(self._studies.journal(record.id))
        return (sys.executable, "-m", "orrery.apps.optuna", journal, record.id, record.name)
