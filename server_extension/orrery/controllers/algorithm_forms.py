"""What an algorithm takes and says of itself, from wherever its files tell it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import PurePosixPath
from typing import Any, Final, cast

from pydantic import ValidationError

from orrery.domain.algorithms import SCHEMA_FILE, AlgorithmSpec, MemoryDeclaration, is_notebook
from orrery.domain.datasets import DatasetFile
from orrery.domain.goals import guess_goal
from orrery.domain.problems import say
from orrery.domain.records import Json
from orrery.errors import Invalid
from orrery.jobs.declaration import MetricDeclaration as Declared
from orrery.jobs.declaration import declared_by, parameters_source
from orrery.jobs.parameters import read_parameters
from orrery.jobs.script_parameters import read_script
from orrery.store.objects import ObjectStore

#: a program that people wrote is smaller; a notebook with its outputs may not be
MAX_CODE_BYTES: Final = 64 << 20
MAX_SCHEMA_BYTES: Final = 1 << 20
#: in a schema that was read from a file: it is read again whenever the files change
READ_FROM: Final = "x-orrery-read-from"


def _metric(declared: Declared) -> Json:
    goal = declared.goal or guess_goal(declared.name)
    return {"name": declared.name, "title": declared.title, "goal": goal, "pattern": ""}


def complete(objects: ObjectStore, spec: AlgorithmSpec) -> Json:
    """The spec as it is stored: what was left out is read from the files. Raises: Invalid naming the file."""
    files = {file.path: file for file in spec.files}
    entry = files[spec.entry_point]
    notebook = _read_notebook(objects, entry) if is_notebook(entry.path) else None
    stored = spec.model_dump(mode="json")
    if notebook is not None:
        declared = declared_by(notebook, PurePosixPath(entry.path))
        told: Json = {
            "title": declared.title if declared.title != declared.name else "",
            "framework": declared.framework,
            "tasks": list(declared.task),
            "metrics": [_metric(metric) for metric in declared.metrics],
            "datasets": [asdict(dataset) for dataset in declared.datasets],
        }
        if declared.memory and not spec.memory.bytes:
            told["memory"] = _memory(declared.memory, entry.path)
            stored["memory"] = {}
        stored |= {key: value for key, value in told.items() if not stored[key]}
    given = spec.parameters_schema
    if given and READ_FROM not in given:
        schema = check_schema(given, "parameters_schema")
    elif SCHEMA_FILE in files:
        schema = check_schema(_read_json(objects, files[SCHEMA_FILE], MAX_SCHEMA_BYTES), SCHEMA_FILE)
        schema = schema | {READ_FROM: SCHEMA_FILE}
    elif notebook is not None:
        schema = _open_where_empty(read_parameters(parameters_source(notebook))) | {READ_FROM: entry.path}
    else:
        schema = read_script(_read_text(objects, entry, MAX_CODE_BYTES), entry.path) | {READ_FROM: entry.path}
    return stored | {"parameters_schema": schema}


def _memory(declared: Mapping[str, Any], where: str) -> Json:
    try:
        return MemoryDeclaration.model_validate(declared).model_dump(mode="json")
    except ValidationError as error:
        problem = say(error.errors()[0])
        raise _refused(f"{where}: orrery.memory of its metadata: {problem}") from error


def _read_notebook(objects: ObjectStore, entry: DatasetFile) -> Json:
    notebook = _read_json(objects, entry, MAX_CODE_BYTES)
    if not isinstance(notebook.get("cells"), list):
        raise _refused(f"{entry.path} is not a Jupyter notebook: it has no cells (format 4 is needed)")
    return notebook


def check_schema(schema: Any, where: str) -> Json:
    """Raises: Invalid unless it is an object's schema whose properties are described by objects."""
    if not isinstance(schema, dict):
        raise _refused(f"{where} is not a JSON schema: it must be an object")
    document = cast("Json", schema)
    properties = document.get("properties", {})
    if document.get("type", "object") != "object" or not isinstance(properties, dict):
        raise _refused(f"{where} must describe an object: {{'type': 'object', 'properties': {{...}}}}")
    for name, described in cast("Json", properties).items():
        if not isinstance(described, dict):
            raise _refused(f"{where}: property {name!r} must be described by an object")
    return document


def _open_where_empty(schema: Json) -> Json:
    """A notebook without a parameters cell takes any, as Papermill does."""
    return schema if schema["properties"] else schema | {"additionalProperties": True}


def _read_json(objects: ObjectStore, file: DatasetFile, most: int) -> Json:
    try:
        document: Any = json.loads(_read_text(objects, file, most))
    except (ValueError, RecursionError) as error:
        raise _refused(f"{file.path} is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise _refused(f"{file.path} must hold a JSON object")
    return cast("Json", document)


def _read_text(objects: ObjectStore, file: DatasetFile, most: int) -> str:
    with objects.open(file.oid) as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise _refused(f"{file.path} has more than {most >> 20} MiB; keep data out of it")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _refused(f"{file.path} is not UTF-8 (byte {error.start}); save it as UTF-8") from None


def _refused(message: str) -> Invalid:
    return Invalid(message, fields=[{"path": "spec.files", "message": message}])
