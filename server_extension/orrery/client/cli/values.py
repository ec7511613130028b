"""What is typed on the command line, as values: `key=value`, lists, documents. Pure but for reading files."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, cast

from orrery.errors import Invalid


def parse_value(text: str) -> Any:
    """JSON where it is JSON (`3`, `0.1`, `true`, `null`, `[1,2]`, `"3"`), else the text as it is."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except ValueError:
        return text


def parse_list(text: str) -> list[Any]:
    """`2,4,8` or `[2, 4, 8]`: the values, each as `parse_value` reads it; one with a comma needs the second form."""
    whole = parse_value(text)
    if isinstance(whole, list):
        return cast("list[Any]", whole)
    return [parse_value(part.strip()) for part in text.split(",") if part.strip()]


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


def parse_pairs(pairs: Iterable[str], option: str) -> dict[str, Any]:
    """`["rounds=50", "objective=auc"]` as a mapping. Raises: Invalid."""
    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise Invalid(f"{option} {pair!r} is no key=value; write for instance {option} rounds=50")
        if key in found:
            raise Invalid(f"{option} {key} is given twice; give it once")
        found[key.strip()] = parse_value(value)
    return found


def parse_texts(pairs: Iterable[str], option: str) -> dict[str, str]:
    """`["A=1", "B=x=y"]` as a mapping of texts. Raises: Invalid."""
    found: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise Invalid(f"{option} {pair!r} is no NAME=VALUE")
        if key.strip() in found:
            raise Invalid(f"{option} {key.strip()} is given twice; give it once")
        found[key.strip()] = value
    return found


def parse_metrics(pairs: Sequence[str] | None) -> dict[str, str] | None:
    """`accuracy=accuracy=([0-9.]+)`: a metric's name and its pattern. None where none is given. Raises: Invalid."""
    return parse_texts(pairs, "--metric") if pairs else None


def parse_datasets(given: Iterable[str]) -> dict[str, str]:
    """`breast` is the dataset `train`; `validation=breast-v` says which it is. Raises: Invalid."""
    return parse_texts((text if "=" in text else f"train={text}" for text in given), "--dataset")


def read_text(source: str) -> str:
    """The text itself, `@file` or `-` for stdin. Raises: Invalid."""
    if source == "-":
        return sys.stdin.read()
    if not source.startswith("@"):
        return source
    return read_file(source[1:])


def read_file(name: str) -> str:
    if name == "-":
        return sys.stdin.read()
    try:
        return Path(name).expanduser().read_text()
    except OSError as error:
        raise Invalid(f"{name!r} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Invalid(f"{name!r} is no text in UTF-8 (byte {error.start})") from error


def parse_json(source: str) -> Any:
    """Raises: Invalid, with the place."""
    text = read_text(source)
    try:
        return json.loads(text)
    except ValueError as error:
        shown = text if len(text) <= 60 else f"{text[:57]}..."
        raise Invalid(
            f"{shown!r} is not JSON: {error}; quote it for the shell, or give @file or - for stdin"
        ) from error


def read_documents(name: str) -> list[dict[str, Any]]:
    """The resources in a YAML or JSON file, of which it may hold several (or a list). Raises: Invalid."""
    import yaml

    try:
        loaded: list[Any] = [document for document in yaml.safe_load_all(read_file(name)) if document is not None]
    except yaml.YAMLError as error:
        raise Invalid(f"{name!r} is neither YAML nor JSON: {error}") from error
    documents = cast("list[Any]", loaded[0]) if len(loaded) == 1 and isinstance(loaded[0], list) else loaded
    for document in documents:
        if not isinstance(document, dict):
            raise Invalid(f"{name!r} holds {document!r}; each resource is a mapping with name and spec")
    if not documents:
        raise Invalid(f"{name!r} is empty; write name and spec of a resource")
    return cast("list[dict[str, Any]]", documents)


def parse_purposes(pairs: Sequence[str], paths: Sequence[str]) -> dict[str, str]:
    """`--purpose valid.csv=validation`; the file may be named by its last part. Raises: Invalid."""
    purposes: dict[str, str] = {}
    for pair in pairs:
        file, equals, purpose = pair.rpartition("=")
        if not equals or purpose not in ("training", "validation", "testing"):
            raise Invalid(f"--purpose {pair!r} is no FILE=training, FILE=validation or FILE=testing")
        matching = [path for path in paths if path == file or path == Path(file).name]
        if not matching:
            raise Invalid(f"--purpose {pair!r}: {file!r} is not among the files ({', '.join(paths)})")
        purposes[matching[0]] = purpose
    return purposes
