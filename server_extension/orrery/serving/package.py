"""The model package: a folder with `orrery-model.json`, which says what the model takes, gives and is made of.

Read with checks that name the field, since people and other programs write these files too. Nothing in a package is
ever unpickled or executed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

import orjson

METADATA_FILE: Final = "orrery-model.json"
FORMAT: Final = 1
#: datatype of each kind of input, where the package names none
KINDS: Final[Mapping[str, str]] = {
    "number": "FP64",
    "category": "BYTES",
    "boolean": "BOOL",
    "text": "BYTES",
    "image": "BYTES",
    "audio": "BYTES",
    "file": "BYTES",
    "series": "FP64",
}
#: these are the bytes of a file
FILE_KINDS: Final = frozenset({"image", "audio", "file"})


class BadPackage(Exception):
    """The model package cannot be served; the message says which file and field, and why."""


@dataclass(frozen=True)
class Column:
    """One input column."""

    name: str
    #: one of `KINDS`
    kind: str
    #: OIP datatype: FP64, INT64, BYTES, BOOL ...
    datatype: str
    nullable: bool = True
    categories: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Output:
    name: str
    datatype: str
    #: without the batch dimension's meaning: (-1,) or (-1, n_classes)
    shape: tuple[int, ...] = (-1,)


@dataclass(frozen=True)
class ModelMetadata:
    name: str
    framework: str
    framework_version: str
    runtime: str
    task: str
    inputs: tuple[Column, ...]
    outputs: tuple[Output, ...]
    classes: tuple[object, ...] | None = None
    target: str | None = None
    metrics: Mapping[str, object] = field(default_factory=dict[str, object])
    example: Mapping[str, object] | None = None
    #: role -> path inside the folder
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    requirements: tuple[str, ...] = ()
    #: columns of the dataset that the model does not use, and why; a client may send them along
    ignored: Mapping[str, object] = field(default_factory=dict[str, object])

    @property
    def is_classifier(self) -> bool:
        return self.task.endswith("classification")


def read_metadata(folder: Path) -> ModelMetadata:
    """Read `folder/orrery-model.json`. Raises `BadPackage`."""
    path = folder / METADATA_FILE
    try:
        document = cast("object", orjson.loads(path.read_bytes()))
    except FileNotFoundError:
        raise BadPackage(f"{path} is not there; a model package is a folder that holds {METADATA_FILE}") from None
    except orjson.JSONDecodeError as error:
        raise BadPackage(f"{path} is not JSON: {error}") from None
    return parse_metadata(document, str(path))


def parse_metadata(document: object, where: str = METADATA_FILE) -> ModelMetadata:
    """Raises `BadPackage`."""
    reader = _Reader(_mapping(document, where), where)
    number = reader.document.get("format")
    if number != FORMAT:
        raise BadPackage(
            f"{where}: format is {number!r}, this server reads {FORMAT}; update it, or save the model again"
        )
    inputs = tuple(_column(item, f"{where}: inputs[{i}]") for i, item in enumerate(reader.items("inputs")))
    if not inputs:
        raise BadPackage(f"{where}: inputs is empty; a model has at least one column")
    names = [column.name for column in inputs]
    for name in names:
        if names.count(name) > 1:
            raise BadPackage(f"{where}: inputs names column {name!r} twice")
    task = reader.text("task")
    outputs = tuple(_output(item, f"{where}: outputs[{i}]") for i, item in enumerate(reader.items("outputs")))
    classes = reader.document.get("classes")
    if classes is not None and not isinstance(classes, list):
        raise BadPackage(f"{where}: classes is {classes!r}, not a list")
    files = reader.mapping("files")
    for role, name in files.items():
        if not isinstance(name, str) or Path(name).is_absolute() or ".." in Path(name).parts:
            raise BadPackage(f"{where}: files.{role} is {name!r}; it must be a path inside the folder")
    return ModelMetadata(
        name=reader.text("name"),
        framework=reader.text("framework", ""),
        framework_version=reader.text("framework_version", ""),
        runtime=reader.text("runtime"),
        task=task,
        inputs=inputs,
        outputs=outputs or (Output("prediction", "BYTES" if task.endswith("classification") else "FP64"),),
        classes=None if classes is None else tuple(cast("list[object]", classes)),
        target=reader.optional_text("target"),
        metrics=reader.mapping("metrics"),
        example=reader.mapping("example") or None,
        files=cast("Mapping[str, str]", files),
        requirements=tuple(str(item) for item in reader.items("requirements")),
        ignored=reader.mapping("ignored"),
    )


@dataclass(frozen=True)
class _Reader:
    document: Mapping[str, object]
    where: str

    def text(self, key: str, default: str | None = None) -> str:
        value = self.document.get(key, default)
        if not isinstance(value, str):
            raise BadPackage(f"{self.where}: {key} is {value!r}; it must be a string")
        return value

    def optional_text(self, key: str) -> str | None:
        return None if self.document.get(key) is None else self.text(key)

    def items(self, key: str) -> Sequence[object]:
        value = self.document.get(key)
        if value is None:
            return ()
        if not isinstance(value, list):
            raise BadPackage(f"{self.where}: {key} is {value!r}; it must be a list")
        return cast("list[object]", value)

    def mapping(self, key: str) -> Mapping[str, object]:
        value = self.document.get(key)
        return {} if value is None else _mapping(value, f"{self.where}: {key}")


def _mapping(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise BadPackage(f"{where} is {value!r}; it must be an object")
    return cast("dict[str, object]", value)


def _column(item: object, where: str) -> Column:
    reader = _Reader(_mapping(item, where), where)
    kind = reader.text("kind", "number")
    if kind not in KINDS:
        raise BadPackage(f"{where}: kind is {kind!r}; use one of {', '.join(KINDS)}")
    categories = reader.document.get("categories")
    return Column(
        name=reader.text("name"),
        kind=kind,
        datatype=reader.text("datatype", KINDS[kind]),
        nullable=bool(reader.document.get("nullable", True)),
        categories=None if categories is None else tuple(str(value) for value in reader.items("categories")),
    )


def _output(item: object, where: str) -> Output:
    reader = _Reader(_mapping(item, where), where)
    shape = reader.items("shape") or [-1]
    if not all(isinstance(size, int) for size in shape):
        raise BadPackage(f"{where}: shape is {shape!r}; it must be a list of integers")
    return Output(reader.text("name"), reader.text("datatype"), tuple(cast("Sequence[int]", shape)))
