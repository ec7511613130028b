"""Orrery: a machine-learning platform that lives inside Jupyter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orrery._version import __version__

if TYPE_CHECKING:
    from orrery.client import Client, RunFailed

__all__ = ["Client", "RunFailed", "__version__"]


def __getattr__(name: str) -> Any:
    """The SDK is imported when it is used: the platform and its jobs never need it."""
    if name in ("Client", "RunFailed"):
        import orrery.client

        return getattr(orrery.client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
