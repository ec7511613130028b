"""What hangs below a tuning: its trials, the importance of its parameters, the journal of its study."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query
from starlette.responses import FileResponse, Response

from orrery.api.details import INERT
from orrery.api.views import Orjson, iso
from orrery.controllers.commands import Commands
from orrery.controllers.tunings import TuningController
from orrery.domain.access import User
from orrery.domain.records import Json, Record
from orrery.domain.tunings import MAX_TRIALS, TUNING
from orrery.errors import NotFound
from orrery.store.trials import Trial
from orrery.tuning.definition import JOURNAL

_PREFIX: Final = f"/api/v1/{TUNING.plural}/{{id}}"


def make_router(commands: Commands, controller: TuningController, current_user: Any) -> APIRouter:
    api = APIRouter(tags=["Tunings"])

    def find(id: str, user: Annotated[User, Depends(current_user)]) -> Record:
        return commands.resolve(user, TUNING, id, trashed=True)

    found = Depends(find)

    @api.get(f"{_PREFIX}/trials", summary="Its trials, page by page")
    def trials(  # pyright: ignore[reportUnusedFunction]
        record: Annotated[Record, found],
        order: Annotated[str, Query(description="number or target; downwards with a '-' before it")] = "number",
        limit: Annotated[int, Query(ge=1, le=MAX_TRIALS)] = 200,
        offset: Annotated[int, Query(ge=0)] = 0,
    ) -> Response:
        page = controller.trials.list(record.id, order=order, limit=limit, offset=offset)
        trainings = commands.store.find_many(trial.training_id for trial in page)
        items = [_trial(trial, trainings.get(trial.training_id), commands) for trial in page]
        total = sum(controller.trials.count(record.id).values())
        return Orjson({"items": items, "total": total, "objectives": record.spec["objectives"]})

    @api.get(f"{_PREFIX}/importances", summary="How much of each objective each parameter explains")
    def importances(record: Annotated[Record, found]) -> Response:  # pyright: ignore[reportUnusedFunction]
        objectives: list[Json] = record.spec["objectives"]
        values: list[dict[str, float]] = [{} for _ in objectives]
        if controller.studies.journal(record.id).exists():
            values = controller.studies.importances(controller.definition(record))
        items = [
            {"metric": objective["metric"], "importances": shares}
            for objective, shares in zip(objectives, values, strict=True)
        ]
        return Orjson({"items": items})

    @api.get(f"{_PREFIX}/journal", summary="Its study as Optuna's journal: `optuna-dashboard FILE` opens it")
    def journal(record: Annotated[Record, found]) -> Response:  # pyright: ignore[reportUnusedFunction]
        path = controller.studies.journal(record.id)
        if not path.exists():
            raise NotFound(f"{record.label} has not begun; its study is there once it has")
        headers = {"Orrery-Study": record.id, **INERT}
        return FileResponse(path, media_type="text/plain", filename=f"{record.name}-{JOURNAL}", headers=headers)

    return api


def _trial(trial: Trial, training: Record | None, commands: Commands) -> Json:
    end = trial.ended_at or (commands.store.clock() if trial.started_at is not None else None)
    duration = (end - trial.started_at).total_seconds() if end is not None and trial.started_at is not None else None
    return {
        "number": trial.number,
        "status": trial.status.value,
        "parameters": trial.parameters,
        "targets": trial.targets,
        #: of one that was stopped, the targets are the last that it reported
        "is_final": not trial.status.is_cut_short and trial.targets is not None,
        "created_at": iso(trial.created_at),
        "started_at": iso(trial.started_at),
        "ended_at": iso(trial.ended_at),
        "duration_seconds": None if duration is None else round(duration, 3),
        "training": None
        if training is None
        else {
            "id": training.id,
            "name": training.name,
            "phase": training.phase,
            "progress": training.progress,
            "message": training.message,
            "deleted": training.deleted_at is not None,
        },
    }
