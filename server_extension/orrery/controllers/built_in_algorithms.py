"""The algorithms of everybody: the notebooks that ship with the platform, and the scripts that administrators add."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from orrery.controllers.algorithm_forms import complete
from orrery.controllers.algorithms import with_entry_point
from orrery.controllers.commands import parse_spec
from orrery.controllers.contract import Platform
from orrery.controllers.storage_local import LocalFolder
from orrery.controllers.storages import copy_in
from orrery.domain.access import SYSTEM_OWNER, Visibility
from orrery.domain.algorithms import ALGORITHM, AlgorithmSpec, MemoryDeclaration, ModelType
from orrery.domain.datasets import DatasetFile
from orrery.domain.ids import check_name, make_id
from orrery.domain.records import Json, Record
from orrery.domain.sources import MAX_FILES
from orrery.errors import Invalid, OrreryError
from orrery.jobs.declaration import read_algorithm
from orrery.notebooks import notebook_folders

log = logging.getLogger(__name__)


def built_in_notebooks() -> Iterator[Path]:
    """`algorithms/<scenario>/*.ipynb` of every notebook folder; the first of a name wins."""
    seen: set[str] = set()
    for folder in notebook_folders():
        for path in sorted(folder.glob("algorithms/*/*.ipynb")):
            if path.stem not in seen:
                seen.add(path.stem)
                yield path


def synchronise_built_ins(platform: Platform) -> None:
    """Bring the built-in algorithms to what is shipped, and to what administrators have put beside it.

    What cannot be read is left out, and logged.
    """
    for path in built_in_notebooks():
        try:
            spec = _spec(platform, path)
        except OrreryError as error:
            log.error("algorithm %s: %s", path.name, error.message, extra={"action": "algorithm_unreadable"})
            continue
        _write(platform, path.stem, spec)
    shipped = {path.stem for path in built_in_notebooks()}
    for model_type, folder in training_scripts(platform.settings.training_scripts):
        try:
            if folder.name in shipped:
                raise Invalid("an algorithm of that name ships with the platform; rename the folder")
            spec = _script_spec(platform, model_type, folder)
        except OrreryError as error:
            log.error("training script %s: %s", folder, error.message, extra={"action": "algorithm_unreadable"})
            continue
        _write(platform, folder.name, spec)


def training_scripts(folder: Path | None) -> Iterator[tuple[ModelType, Path]]:
    """`<model type>/<name>/` of the administrators' folder; a folder called like no model type is logged."""
    if folder is None:
        return
    if not folder.is_dir():
        log.error("ORRERY_TRAINING_SCRIPTS: %s is no folder", folder, extra={"action": "algorithm_unreadable"})
        return
    for group in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        try:
            model_type = ModelType.of(group.name)
        except ValueError as error:
            log.error("training scripts %s: %s", group, error, extra={"action": "algorithm_unreadable"})
            continue
        for path in sorted(group.iterdir()):
            if path.is_dir() and not path.name.startswith("."):
                yield model_type, path


def _script_spec(platform: Platform, model_type: ModelType, folder: Path) -> Json:
    """Raises: Invalid where it is too much, where it is not clear what is run, or it cannot be read."""
    check_name(folder.name)
    files = copy_in(
        LocalFolder(folder, ""),
        str(folder),
        platform.objects,
        most_files=MAX_FILES,
        most_bytes=platform.settings.sources.max_unpacked_bytes,
        tell=lambda message, fraction: None,
    )
    readme = next((file for file in files if file["path"] == "README.md"), None)
    spec = parse_spec(AlgorithmSpec, {"model_type": model_type, "files": files})
    return {
        **complete(platform.objects, with_entry_point(spec, "spec.entry_point")),
        "description": _first_line(platform, readme) if readme is not None else "",
    }


def _first_line(platform: Platform, readme: Json) -> str:
    with platform.objects.open(readme["oid"], length=4096) as stream:
        lines = stream.read().decode("utf-8", "replace").splitlines()
    return next((text for line in lines if (text := line.strip().lstrip("# "))), "")[:500]


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
        model_type=None,
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
