"""Which secrets a spec names, found by the kind's own description (`x-orrery-name-of`). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from orrery.client.resources import Json

_DEFINITIONS = "#/$defs/"


def secret_names(spec: Json, schema: Mapping[str, Any]) -> list[tuple[str, str]]:
    """`("spec.secrets.HF_TOKEN", "my-token")` for each, in the order of the spec."""
    return list(dict.fromkeys(_walk(spec, schema, schema.get("$defs") or {}, "spec")))


def _walk(value: Any, schema: Any, definitions: Json, path: str) -> Iterator[tuple[str, str]]:
    if not isinstance(schema, dict):
        return
    found = cast("Json", schema)
    if "$ref" in found:
        yield from _walk(value, definitions.get(str(found["$ref"]).removeprefix(_DEFINITIONS)), definitions, path)
    for way in ("anyOf", "oneOf", "allOf"):
        for part in found.get(way) or ():
            yield from _walk(value, part, definitions, path)
    if isinstance(value, str) and value and found.get("x-orrery-name-of") == "secret":
        yield path, value
    elif isinstance(value, dict):
        properties: Json = found.get("properties") or {}
        for key, item in cast("Json", value).items():
            inner = properties.get(key, found.get("additionalProperties"))
            yield from _walk(item, inner, definitions, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(cast("list[Any]", value)):
            yield from _walk(item, found.get("items"), definitions, f"{path}.{index}")
