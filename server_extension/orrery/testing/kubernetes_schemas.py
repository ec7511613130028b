"""Kubernetes' own OpenAPI definitions, against which manifests are checked without a cluster.

The file is large and not part of the project: `$ORRERY_KUBERNETES_SCHEMAS` names it, else it is looked for beside the
checkout, in `shared/kubernetes/`. Any API server gives it: `kubectl get --raw /openapi/v2`.
"""

from __future__ import annotations

import copy
import functools
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft4Validator

VARIABLE: Final = "ORRERY_KUBERNETES_SCHEMAS"
ROOT: Final = Path(__file__).parents[3]
QUANTITY: Final = "io.k8s.apimachinery.pkg.api.resource.Quantity"
#: as Kubernetes' parser reads them
QUANTITY_PATTERN: Final = r"^[+-]?(\d+|\d+\.\d*|\.\d+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?$"


def find_schemas() -> Path | None:
    """The file, or None where there is none. Raises: FileNotFoundError for a variable that leads nowhere."""
    if given := os.environ.get(VARIABLE):
        if not Path(given).is_file():
            raise FileNotFoundError(f"{VARIABLE} is {given!r}, where there is no file")
        return Path(given)
    found = sorted((ROOT.parent / "shared" / "kubernetes").glob("openapi-*-definitions.json"))
    return found[-1] if found else None


@functools.cache
def read_definitions(path: Path) -> dict[str, Any]:
    """The definitions made strict: what they do not name is an error, as for `kubectl apply --validate=strict`."""
    definitions: dict[str, Any] = json.loads(path.read_bytes())["definitions"]
    for name, definition in definitions.items():
        if name == QUANTITY:
            definition["pattern"] = QUANTITY_PATTERN
        definitions[name] = _strict(definition)
    return definitions


def _strict(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_strict(each) for each in schema]  # pyright: ignore[reportUnknownVariableType]
    if not isinstance(schema, dict):
        return schema
    made: dict[str, Any] = {str(key): _strict(each) for key, each in schema.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if made.get("format") == "int-or-string":
        made = {"type": ["integer", "string"]}
    if isinstance(made.get("properties"), dict) and "additionalProperties" not in made and "type" in made:
        made["additionalProperties"] = False
    return made


def find_faults(manifest: Mapping[str, Any], path: Path) -> list[str]:
    """What is wrong with an object, a line each. Raises: KeyError for a kind that Kubernetes does not have."""
    definitions = read_definitions(path)
    group, _, version = str(manifest["apiVersion"]).rpartition("/")
    wanted = {"group": group, "version": version, "kind": manifest["kind"]}
    names = [
        name
        for name, definition in definitions.items()
        if wanted in definition.get("x-kubernetes-group-version-kind", [])
    ]
    if not names:
        raise KeyError(f"Kubernetes has no {manifest['kind']} in {manifest['apiVersion']}")
    schema = {**copy.copy(definitions[names[0]]), "definitions": definitions}
    faults = Draft4Validator(schema).iter_errors(manifest)  # pyright: ignore[reportUnknownMemberType]
    return [f"{'.'.join(str(part) for part in fault.absolute_path)}: {fault.message}" for fault in faults]
