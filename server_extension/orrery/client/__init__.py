"""The SDK and the command line: all that they know of the platform is its API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orrery.client.builtin import Algorithm, Dataset, DatasetVersion, Endpoint, Experiment, Model, Training
    from orrery.client.client import Client
    from orrery.client.failures import NoPlatform, PlatformUnreachable, RunFailed, RunStopped, WaitTimeout
    from orrery.client.memory_fit import MemoryEstimate
    from orrery.client.resources import Resource
    from orrery.client.templates import Template
    from orrery.client.tunings import Tuning
    from orrery.client.workflows import Workflow

_HOMES = {
    **dict.fromkeys(
        ("Algorithm", "Dataset", "DatasetVersion", "Endpoint", "Experiment", "Model", "Training"), "builtin"
    ),
    **dict.fromkeys(("NoPlatform", "PlatformUnreachable", "RunFailed", "RunStopped", "WaitTimeout"), "failures"),
    "Client": "client",
    "MemoryEstimate": "memory_fit",
    "Resource": "resources",
    "Template": "templates",
    "Tuning": "tunings",
    "Workflow": "workflows",
}

__all__ = [
    "Algorithm",
    "Client",
    "Dataset",
    "DatasetVersion",
    "Endpoint",
    "Experiment",
    "MemoryEstimate",
    "Model",
    "NoPlatform",
    "PlatformUnreachable",
    "Resource",
    "RunFailed",
    "RunStopped",
    "Template",
    "Training",
    "Tuning",
    "WaitTimeout",
    "Workflow",
]


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is: `orrery --help` needs none of it."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
