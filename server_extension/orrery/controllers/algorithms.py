"""Algorithms: people's own, and the built-in ones, which follow the notebooks that ship with the platform."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from pydantic import BaseModel, ValidationError

from orrery.controllers import archive_sources, dataset_sources, git_sources
from orrery.controllers.algorithm_forms import complete
from orrery.controllers.contract import Controller, Draft, Outcome, Platform
from orrery.controllers.fetches import Fetched, Fetches, Progress
from orrery.controllers.jobs import FOLLOW_SECONDS
from orrery.controllers.secrets import Secrets, check_secrets
from orrery.controllers.storages import Folder, Storages, copy_in
from orrery.domain.algorithms import ALGORITHM, FETCHING, AlgorithmSpec, choose_entry_point
from orrery.domain.datasets import DatasetFile
from orrery.domain.problems import say
from orrery.domain.records import Json, Record
from orrery.domain.sources import MAX_FILES, ArchiveSource, DatasetSource, Source, StorageSource
from orrery.errors import Invalid, OrreryError
from orrery.jobs.patterns import check_pattern

#: why it is what it is, for programs
FETCH_REFUSED: Final = "fetch_refused"
log = logging.getLogger(__name__)


class AlgorithmController(Controller):
    kind = ALGORITHM

    def __init__(self, platform: Platform) -> None:
        super().__init__(platform)
        #: makes a resource's next turn begin now; set when the platform is assembled
        self.wake: Callable[[str], None] = platform.store.leases.wake
        self.fetches: Fetches[Fetched] = Fetches(lambda id: self.wake(id))

    # before it is accepted

    def admit(self, draft: Draft) -> Json:
        spec = draft.spec
        assert isinstance(spec, AlgorithmSpec)
        for index, metric in enumerate(spec.metrics):
            if metric.pattern:
                try:
                    check_pattern(metric.pattern)
                except Invalid as error:
                    path = f"spec.metrics.{index}.pattern"
                    raise Invalid(error.message, fields=[{"path": path, "message": error.message}]) from error
        if spec.source is not None and _is_to_be_fetched(spec, draft.before):
            check_source(self.platform, spec.source, draft)
            return spec.model_copy(update={"files": [], "commit": ""}).model_dump(mode="json")
        if not spec.files:
            message = (
                "there are no files: upload the code, or say from which Git repository, archive or dataset it comes"
            )
            raise Invalid(message, fields=[{"path": "spec.files", "message": message}])
        if draft.before is None or draft.before.spec["files"] != spec.model_dump(mode="json")["files"]:
            # uploaded files are no commit's
            spec = spec.model_copy(update={"source": None, "commit": ""})
        return complete(self.platform.objects, with_entry_point(spec, "spec.entry_point"))

    def event_of(self, stored: Json, before: Record | None) -> str | None:
        if not stored["files"]:
            # what is on its way goes on, unless it is of another source
            is_going_on = before is not None and before.phase == FETCHING
            return None if is_going_on else "fetch"
        if before is not None and before.phase != ALGORITHM.machine.initial and stored["source"] is None:
            return "uploaded"
        return None

    def prepare(self, action: str, record: Record, body: BaseModel | None) -> Json:
        """A branch may have moved. Trainings keep the code that they began with."""
        if source_of(record.spec) is None:
            raise Invalid(f"{record.label} was uploaded; send its files again instead")
        self.fetches.drop(record.id)
        return {}

    # fetching

    def reconcile(self, record: Record) -> Outcome:
        source = source_of(record.spec)
        if record.phase != FETCHING or source is None or record.deleted_at is not None:
            self.fetches.drop(record.id)
            return Outcome()
        try:
            fetch = self.fetches.of(record.id, source.model_dump(mode="json"), self._work(record, source))
            if not fetch.is_done:
                return Outcome(progress=fetch.progress.told, again_in_seconds=FOLLOW_SECONDS)
            if fetch.error is not None:
                raise fetch.error
            assert fetch.result is not None
            stored = self._completed(record, fetch.result)
        except OrreryError as error:
            self.fetches.drop(record.id)
            return self._refused(record, error.message)
        return self._take(record, stored)

    def _work(self, record: Record, source: Source) -> Callable[[Progress], Fetched]:
        platform = self.platform
        if isinstance(source, DatasetSource):
            version = platform.store.get(source.dataset, trashed=True)
            return lambda progress: dataset_sources.fetch(platform.objects, source, version, platform.settings.sources)
        if isinstance(source, StorageSource):
            folder = Storages(platform.settings.storages).folder(source.uri, record.owner)
            return lambda progress: _from_storage(platform, folder, source, progress)
        token = None
        if source.secret:
            token = Secrets(platform.store, platform.vault).reveal(f"{record.owner}/{source.secret}")
        settings = platform.settings
        if isinstance(source, ArchiveSource):
            return lambda progress: archive_sources.fetch(platform.objects, source, token, settings.sources, progress)
        return lambda progress: git_sources.fetch(
            platform.objects, source, token, settings.git_protocols, settings.sources, progress
        )

    def _completed(self, record: Record, fetched: Fetched) -> Json:
        """The spec with what was fetched, and with what the files tell. Raises: Invalid."""
        try:
            spec = AlgorithmSpec.model_validate(
                {
                    **record.spec,
                    "files": [file.model_dump(mode="json") for file in fetched.files],
                    "commit": fetched.commit,
                }
            )
        except ValidationError as error:
            raise Invalid(say(error.errors()[0])) from error
        for file in spec.files:
            self.platform.objects.claim(file.oid)
        return complete(self.platform.objects, with_entry_point(spec, "spec.source"))

    def _take(self, record: Record, stored: Json) -> Outcome:
        """Write what was fetched, unless what is asked has changed meanwhile: the next turn sees that."""
        now = self.platform.store.clock()

        def change(fresh: Record) -> Record:
            if fresh.spec != record.spec or fresh.phase != record.phase or fresh.deleted_at is not None:
                raise _Changed
            stepped = ALGORITHM.machine.step(fresh, "fetched", now)
            fetched_at = now.isoformat().replace("+00:00", "Z")
            return replace(stepped, spec=stored, progress=None, outputs={**fresh.outputs, "fetched_at": fetched_at})

        try:
            self.platform.store.update(record.id, change, due=False)
        except _Changed:
            return Outcome(again_in_seconds=0)
        self.fetches.drop(record.id)
        return Outcome()

    def _refused(self, record: Record, message: str) -> Outcome:
        if record.spec["files"]:
            kept = f"it could not be fetched again, and stays as it was: {message}"
            return Outcome(event="kept", reason=FETCH_REFUSED, message=kept, progress={})
        return Outcome(event="refused", reason=FETCH_REFUSED, message=message, progress={})

    def purge(self, record: Record) -> None:
        self.fetches.drop(record.id)


class _Changed(Exception):
    """What is asked is not any more what was fetched."""


def check_source(platform: Platform, source: Source, draft: Draft) -> None:
    """What can be told without asking anybody. Raises: Invalid."""
    if isinstance(source, DatasetSource):
        version = draft.references["source.dataset"]
        if version.phase == "ARCHIVED":
            message = f"{version.label} is archived; choose another version, or restore it"
            raise Invalid(message, fields=[{"path": "spec.source.dataset", "message": message}])
        return
    if isinstance(source, StorageSource):
        Storages(platform.settings.storages).check(source.uri, draft.user, "spec.source.uri")
        return
    if isinstance(source, ArchiveSource):
        archive_sources.check_address(source, platform.settings.sources)
    else:
        git_sources.check_protocol(source.url, platform.settings.git_protocols)
    if source.secret:
        check_secrets(platform.store, draft.owner, {"secret": source.secret}, path="spec.source")


def _from_storage(platform: Platform, folder: Folder, source: StorageSource, progress: Progress) -> Fetched:
    """Raises: Invalid with what to do about it; Dropped."""
    most = platform.settings.sources.max_unpacked_bytes
    files = copy_in(folder, source.uri, platform.objects, most_files=MAX_FILES, most_bytes=most, tell=progress.tell)
    return Fetched([DatasetFile(**file, purpose=None) for file in files])


def with_entry_point(spec: AlgorithmSpec, path: str) -> AlgorithmSpec:
    """Raises: Invalid in the words of the rule that the files do not fulfil."""
    try:
        entry_point = choose_entry_point([file.path for file in spec.files], spec.entry_point)
    except ValueError as error:
        raise Invalid(f"{error}", fields=[{"path": path, "message": f"{error}"}]) from error
    return spec.model_copy(update={"entry_point": entry_point})


def source_of(spec: Json) -> Source | None:
    return AlgorithmSpec.model_validate({"source": spec.get("source")}).source


def _is_to_be_fetched(spec: AlgorithmSpec, before: Record | None) -> bool:
    """A new source, or another one than before."""
    if before is None or not spec.files:
        return True
    return spec.source != source_of(before.spec)
