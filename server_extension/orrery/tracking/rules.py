"""Which of MLflow's doors are open through the platform, and what is changed on the way. Pure.

MLflow scopes experiments, runs, models and artifacts by workspace; those doors are open. What reaches beyond (webhooks,
its own LLM gateway and its secrets, server-side jobs and scorers, the assistant, which runs a shell) stays shut, and so
does what MLflow adds tomorrow until someone has looked at it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, cast

_API: Final = ("api", "ajax-api")
#: version, then the first part of the path
_OPEN: Final[Mapping[str, frozenset[str]]] = {
    "2.0": frozenset(
        {
            "artifacts",
            "experiments",
            "logged-models",
            "metrics",
            "model-versions",
            "registered-models",
            "runs",
            "upload-artifact",
        }
    ),
    "3.0": frozenset({"datasets", "label-schemas", "server-info", "ui-telemetry", "workspaces"}),
}
#: reading only: traces are not written here yet, but the UI asks for them on every experiment's page
_READ: Final = frozenset({"traces/search", "traces/metrics", "traces/calculate-filter-correlation"})
_SHUT: Final = frozenset({"runs/create-promptlab-run"})
_PAGES: Final = frozenset({"", "health", "version", "get-artifact", "model-versions/get-artifact", "graphql"})
#: the experiment that a client means when it names none
DEFAULT_EXPERIMENT: Final = "0"
_NAMES_EXPERIMENT: Final = frozenset(
    {"runs/create", "runs/search", "logged-models", "logged-models/search", "experiments/search-datasets"}
)
#: larger bodies are no requests of these kinds
REWRITTEN_BYTES: Final = 1 << 20


def is_open(path: str) -> bool:
    """Whether a request may pass to `path`, given without its leading slash and percent-decoded."""
    parts = path.split("/")
    if ".." in parts or "." in parts or "\\" in path or "" in parts[:-1]:
        return False
    if path in _PAGES or parts[0] == "static-files":
        return True
    if len(parts) < 4 or parts[0] not in _API:
        return False
    if parts[1:3] == ["2.0", "mlflow-artifacts"]:
        return parts[3] in ("artifacts", "mpu")
    if parts[2] != "mlflow":
        return False
    rest = "/".join(parts[3:])
    return (parts[3] in _OPEN.get(parts[1], ()) and rest not in _SHUT) or rest in _READ


def endpoint_of(path: str) -> str | None:
    """`runs/create` of `api/2.0/mlflow/runs/create`; None for anything that is no such call."""
    parts = path.split("/")
    return "/".join(parts[3:]) if len(parts) > 3 and parts[0] in _API and parts[2] == "mlflow" else None


def names_experiment(path: str) -> bool:
    """Whether the JSON body may name the default experiment and must be looked at."""
    return endpoint_of(path) in _NAMES_EXPERIMENT


def replace_default_experiment(body: bytes, experiment_id: str) -> bytes:
    """Put the workspace's own default experiment where the client means `0`; what is no JSON object stays as it is."""
    try:
        document = json.loads(body)
    except ValueError:
        return body
    if not isinstance(document, dict):
        return body
    fields = cast("dict[str, Any]", document)
    for key, value in fields.items():
        if key in ("experiment_id", "experimentId") and str(value) == DEFAULT_EXPERIMENT:
            fields[key] = experiment_id
        elif key in ("experiment_ids", "experimentIds") and isinstance(value, list):
            fields[key] = [
                experiment_id if str(item) == DEFAULT_EXPERIMENT else item for item in cast("list[Any]", value)
            ]
    return json.dumps(fields).encode()
