"""Algorithms: people's own, and the built-in ones, which follow the notebooks that ship with the platform."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from orrery.controllers import git_sources
from orrery.controllers.algorithm_forms import complete
from orrery.controllers.contract import Controller, Draft, Platform
from orrery.controllers.secrets import Secrets, check_secrets
from orrery.domain.access import SYSTEM_OWNER, User, Visibility
from orrery.domain.algorithms import ALGORITHM, AlgorithmSpec, GitSource, MemoryDeclaration
from orrery.domain.datasets import DatasetFile
from orrery.domain.ids import make_id
from orrery.domain.records import Json, Record
from orrery.errors import Invalid, OrreryError
from orrery.jobs.declaration import read_algorithm
from orrery.jobs.patterns import check_pattern
from orrery.notebooks import notebook_folders

log = logging.getLogger(__name__)


class AlgorithmController(Controller):
    kind = ALGORITHM

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
            spec = self._fetched(spec, spec.source, draft.owner)
        elif not spec.files:
            message = "there are no files: upload the code, or say which Git repository it is taken from"
            raise Invalid(message, fields=[{"path": "spec.files", "message": message}])
        elif draft.before is None or draft.before.spec["files"] != spec.model_dump(mode="json")["files"]:
            # uploaded files are no commit's
            spec = spec.model_copy(update={"source": None, "commit": ""})
        return complete(self.platform.objects, spec)

    def act(self, action: str, record: Record, body: BaseModel | None, user: User) -> Record:
        """Take its files anew: a branch may have moved. Trainings keep the code that they began with."""
        spec = AlgorithmSpec.model_validate(record.spec)
        if spec.source is None:
            raise Invalid(f"{record.label} is not from Git; send its files again instead")
        stored = complete(self.platform.objects, self._fetched(spec, spec.source, record.owner))
        return self.platform.store.update(record.id, lambda fresh: replace(fresh, spec=stored))

    def _fetched(self, spec: AlgorithmSpec, source: GitSource, owner: str) -> AlgorithmSpec:
        token = None
        if source.secret:
            check_secrets(self.platform.store, owner, {"secret": source.secret}, path="spec.source")
            token = Secrets(self.platform.store, self.platform.vault).reveal(f"{owner}/{source.secret}")
        found = git_sources.fetch(self.platform.objects, source, token, self.platform.settings.git_protocols)
        files: list[Json] = [file.model_dump(mode="json") for file in found.files]
        return parse_algorithm({**spec.model_dump(mode="json"), "files": files, "commit": found.commit})


def parse_algorithm(document: Json) -> AlgorithmSpec:
    """Raises: Invalid in the words of the rule that the files do not fulfil."""
    try:
        return AlgorithmSpec.model_validate(document)
    except ValidationError as error:
        message = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
        raise Invalid(message, fields=[{"path": "spec.source", "message": message}]) from error


def _is_to_be_fetched(spec: AlgorithmSpec, before: Record | None) -> bool:
    """A new source, or another one than before."""
    if before is None or not spec.files:
        return True
    return spec.source is not None and before.spec.get("source") != spec.source.model_dump(mode="json")


def built_in_notebooks() -> Iterator[Path]:
    """`algorithms/<scenario>/*.ipynb` of every notebook folder; the first of a name wins."""
    seen: set[str] = set()
    for folder in notebook_folders():
        for path in sorted(folder.glob("algorithms/*/*.ipynb")):
            if path.stem not in seen:
                seen.add(path.stem)
                yield path


def synchronise_built_ins(platform: Platform) -> None:
    """Bring the built-in algorithms to what is shipped; an unreadable notebook is left out, and logged."""
    for path in built_in_notebooks():
        try:
            spec = _spec(platform, path)
        except OrreryError as error:
            log.error("algorithm %s: %s", path.name, error.message, extra={"action": "algorithm_unreadable"})
            continue
        _write(platform, path.stem, spec)


def _spec(platform: Platform, path: Path) -> Json:
    declaration = read_algorithm(path)
    stored = platform.objects.put(path)
    spec = AlgorithmSpec(
        title=declaration.title,
        scenario=declaration.scenario,
        framework=declaration.framework,
        tasks=list(declaration.task),
        metrics=_dumped(declaration.metrics),
        datasets=_dumped(declaration.datasets),
        memory=MemoryDeclaration.model_validate(declaration.memory),
        files=[DatasetFile(path=path.name, oid=stored.oid, size=stored.size, purpose=None)],
        entry_point=path.name,
        parameters_schema=dict(declaration.parameters),
        source=None,
        commit="",
    )
    return {**spec.model_dump(mode="json"), "description": declaration.description}


def _dumped(items: Any) -> Any:
    from dataclasses import asdict, is_dataclass

    return [asdict(item) if is_dataclass(item) and not isinstance(item, type) else item for item in items]


def _write(platform: Platform, name: str, spec: Json) -> None:
    store = platform.store
    description = str(spec.pop("description"))
    outputs = {"parameters_schema": spec["parameters_schema"]}
    known = store.find_named(ALGORITHM.name, [SYSTEM_OWNER], name)
    now = store.clock()
    if known is None:
        record = Record(
            id=make_id(ALGORITHM.prefix),
            kind=ALGORITHM.name,
            owner=SYSTEM_OWNER,
            name=name,
            version=0,
            spec=spec,
            phase=ALGORITHM.machine.initial,
            created_at=now,
            updated_at=now,
            visibility=Visibility.PUBLIC,
            description=description,
            outputs=outputs,
        )
        store.create(record, (), due=False)
    elif known.spec != spec or known.description != description:
        store.update(
            known.id, lambda fresh: replace(fresh, spec=spec, description=description, outputs=outputs), due=False
        )
