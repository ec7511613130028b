"""What JupyterHub loads to serve Orrery to a team: accounts, notebooks, and the platform as a service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orrery_hub.settings import HubSettings

__all__ = ["configure"]


def configure(c: Any, settings: HubSettings | None = None) -> None:
    """Fills JupyterHub's configuration `c`; see `orrery_hub.configuration`. Raises: InvalidSetting."""
    from orrery_hub import configuration

    configuration.configure(c, settings)
