"""What a training takes from storage outside the platform before it begins, and what is copied there at its end.

Both are done beside the reconciler's turns, and begun anew where the platform was killed meanwhile: the same files are
written again then.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from orrery.controllers.contract import Draft, Outcome, Platform
from orrery.controllers.fetches import Fetches, Progress
from orrery.controllers.jobs import FOLLOW_SECONDS
from orrery.controllers.storages import Storages, copy_in, copy_out
from orrery.controllers.training_jobs import MODEL
from orrery.domain.records import Json, Record
from orrery.domain.trainings import RunSpec, TrainingSpec
from orrery.errors import OrreryError

#: of one checkpoint
MOST_FILES: Final = 10_000
#: a storage that hangs holds no training for ever
MOST_SECONDS: Final = 6 * 3600.0
_GIBIBYTE: Final = 1 << 30


def check_storages(platform: Platform, draft: Draft) -> None:
    """Whether its storages are set up, and its user's to use. Raises: Invalid."""
    spec = draft.spec
    assert isinstance(spec, RunSpec)
    if isinstance(spec, TrainingSpec) and (spec.trial or spec.meanwhile_of):
        return  # as it was checked for its tuning, or the training that it is a copy of
    storages = Storages(platform.settings.storages)
    for name in ("input_checkpoint", "output", "output_checkpoint"):
        uri: str | None = getattr(spec, name)
        if uri is not None:
            storages.check(uri, draft.user, f"spec.{name}", write=name.startswith("output"))


@dataclass
class Transferred:
    """What a transfer did."""

    #: taken: `{path, oid, size}` each
    files: list[Json] = field(default_factory=list[Json])
    #: written: `{uri, files, bytes}` of each folder
    copied: list[Json] = field(default_factory=list[Json])
    errors: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class Copied:
    """How far the copies of a training's files are."""

    #: what the turn answers while they are on their way; None: done
    wait: Outcome | None = None
    #: what could not be copied, and why
    message: str = ""
    outputs: Json = field(default_factory=dict[str, Any])


class TrainingStorage:
    def __init__(self, platform: Platform, wake: Callable[[str], None]) -> None:
        self._platform = platform
        self._storages = Storages(platform.settings.storages)
        self._transfers: Fetches[Transferred] = Fetches(wake)

    def close(self) -> None:
        self._transfers.close()

    def drop(self, record: Record) -> None:
        """What is on its way is not wanted any more."""
        self._transfers.drop(record.id)

    def take_checkpoint(self, record: Record) -> Outcome | None:
        """Before its job is submitted: the turn's outcome while its input checkpoint is to come; None once it is there.

        What was taken is kept: each further attempt begins from the same.
        """
        uri: str | None = record.spec.get("input_checkpoint")
        if not uri or record.internal.get("checkpoint"):
            return None
        kept: list[Json] | None = record.internal.get("input_files")
        if kept is None:
            transfer = self._transfers.of(record.id, {"in": uri}, lambda progress: self._take(record, uri, progress))
            if not transfer.is_done:
                return Outcome(progress=transfer.progress.told, again_in_seconds=FOLLOW_SECONDS)
            self.drop(record)
            if transfer.error is not None:
                return Outcome(event="refused", reason=transfer.error.code, message=transfer.error.message)
            assert transfer.result is not None
            kept = transfer.result.files
        return Outcome(progress={}, internal={"input_files": kept, "checkpoint": kept}, again_in_seconds=0.0)

    def copy_results(self, record: Record) -> Copied:
        """Copy what its outputs name as kept to where its spec says."""
        wanted = [(uri, files) for uri, files in _wanted(record) if files]
        if not wanted:
            return Copied()
        transfer = self._transfers.of(
            record.id, {"out": record.internal.get("attempt")}, lambda progress: self._copy(record, wanted, progress)
        )
        if not transfer.is_done and time.monotonic() - transfer.begun > MOST_SECONDS:
            self.drop(record)
            return Copied(message=_not_copied([f"it took more than {MOST_SECONDS / 3600:g} hours"]))
        if not transfer.is_done:
            told: Json = {**(record.progress or {}), "message": transfer.progress.told["message"]}
            return Copied(wait=Outcome(progress=told, again_in_seconds=FOLLOW_SECONDS))
        self.drop(record)
        if transfer.error is not None:
            return Copied(message=_not_copied([transfer.error.message]))
        assert transfer.result is not None
        done = transfer.result
        return Copied(message=_not_copied(done.errors), outputs={"copied": done.copied})

    def _take(self, record: Record, uri: str, progress: Progress) -> Transferred:
        most: float | None = record.spec.get("data_gib")
        files = copy_in(
            self._storages.folder(uri, record.owner),
            uri,
            self._platform.objects,
            most_files=MOST_FILES,
            most_bytes=None if most is None else int(most * _GIBIBYTE),
            tell=progress.tell,
        )
        return Transferred(files=files)

    def _copy(self, record: Record, wanted: list[tuple[str, list[Json]]], progress: Progress) -> Transferred:
        """One that cannot be written to does not keep the others from their copies."""
        done = Transferred()
        for base, files in wanted:
            uri = f"{base.rstrip('/')}/{record.id}"
            try:
                folder = self._storages.folder(uri, record.owner)
                count = copy_out(folder, uri, files, self._platform.objects, progress.tell)
                done.copied.append({"uri": uri, "files": len(files), "bytes": count})
            except OrreryError as error:
                done.errors.append(error.message)
        return done


def _wanted(record: Record) -> list[tuple[str, list[Json]]]:
    """Folders, each with the files to be copied there: what was made only once the run has ended by itself."""
    spec, outputs = record.spec, record.outputs
    found: list[tuple[str, list[Json]]] = []
    if spec.get("output_checkpoint"):
        found.append((spec["output_checkpoint"], outputs.get("checkpoint_files") or []))
    if spec.get("output"):
        notebook: Json | None = outputs.get("notebook")
        model_files: list[Json] = outputs.get("model_files") or []
        model: list[Json] = [{**file, "path": f"{MODEL}/{file['path']}"} for file in model_files]
        found.append(
            (spec["output"], [*(outputs.get("output_files") or []), *model, *([notebook] if notebook else [])])
        )
    return found


def _not_copied(errors: list[str]) -> str:
    return f"not copied: {'; '.join(errors)} (the files are kept here: download them)" if errors else ""
