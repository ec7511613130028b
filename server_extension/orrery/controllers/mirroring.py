"""What MLflow is told: the outbox's messages as the records that the mirror understands.

A message says only which resource; what is told is read when it is told, so that a late telling tells the newest.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Final

from orrery.controllers.contract import Platform
from orrery.domain.records import Json, Record
from orrery.store.metrics import Point
from orrery.tracking.records import ArtifactFile, Entry, Metric, ModelRecord, RunStatus, TrainingRecord

log = logging.getLogger(__name__)

RETRY_SECONDS: Final = 60.0
_STATUS: Final = {
    "COMPLETE": RunStatus.FINISHED,
    "COMPLETE_IN_PROGRESS": RunStatus.FINISHED,
    "FAIL_TRAIN": RunStatus.FAILED,
    "FAIL_TRAIN_IN_PROGRESS": RunStatus.FAILED,
    "STOPPED": RunStatus.KILLED,
}
#: where runs of no experiment are listed
DEFAULT_EXPERIMENT: Final = "Default"


class MirrorOutbox:
    """Implements `orrery.tracking.records.Outbox`. What MLflow refuses is told again later, after all the rest."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self._retry_at: dict[int, float] = {}

    def pending(self) -> Sequence[Entry]:
        now = time.monotonic()
        found: list[Entry] = []
        for message in self.platform.outbox.pending(1000):
            if self._retry_at.get(message.id, 0.0) > now:
                continue
            record = self.platform.store.find(message.resource_id)
            if record is None:
                self.platform.outbox.done(message.id)
                continue
            told = self._training(record) if message.topic == "training" else self._model(record)
            found.append(Entry(str(message.id), told))
            if len(found) == 50:
                break
        return found

    def done(self, entry_id: str) -> None:
        self._retry_at.pop(int(entry_id), None)
        self.platform.outbox.done(int(entry_id))

    def failed(self, entry_id: str, message: str) -> None:
        log.warning("MLflow refused entry %s: %s", entry_id, message, extra={"action": "mirror_refused"})
        self._retry_at[int(entry_id)] = time.monotonic() + RETRY_SECONDS

    def _training(self, record: Record) -> TrainingRecord:
        store = self.platform.store
        experiment = store.find(record.spec["experiment"]) if record.spec.get("experiment") else None
        run = int(record.internal.get("attempt", 1))
        kept: list[Json] = [*record.outputs.get("output_files", [])]
        if record.outputs.get("notebook"):
            kept.append(record.outputs["notebook"])
        metrics = [_metric(point) for point in self.platform.metrics.history(record.id, run)]
        ended = record.ended_at or record.updated_at
        held_out: Json = record.outputs.get("metrics") or {}
        for key, value in held_out.items():
            if isinstance(value, int | float):
                metrics.append(Metric(key, 0, float(value), ended))
        return TrainingRecord(
            id=record.id,
            owner=record.owner,
            name=record.name,
            experiment=experiment.name if experiment is not None else DEFAULT_EXPERIMENT,
            status=_STATUS.get(record.phase, RunStatus.RUNNING),
            started_at=record.started_at or record.created_at,
            ended_at=ended,
            params={**record.spec.get("parameters", {}), **record.outputs.get("parameters", {})},
            metrics=metrics,
            tags={"orrery.name": record.name, **{f"tag.{tag}": "true" for tag in record.tags}},
            artifacts=[ArtifactFile(file["path"], file["oid"]) for file in kept],
        )

    def _model(self, record: Record) -> ModelRecord:
        return ModelRecord(
            id=record.id,
            owner=record.owner,
            name=record.name,
            version=record.version,
            created_at=record.created_at,
            training_id=record.spec.get("training"),
            files=[ArtifactFile(file["path"], file["oid"]) for file in record.spec["files"]],
            description=record.description,
        )


def _metric(point: Point) -> Metric:
    return Metric(point.key, point.step or 0, point.value, point.at)
