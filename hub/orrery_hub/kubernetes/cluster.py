"""JupyterHub's configuration inside a cluster: what Zero to JupyterHub set stays, and ours is added to it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final

from orrery_hub.kubernetes.pod import make_command
from orrery_hub.kubernetes.site import Site
from orrery_hub.settings import HubSettings, InvalidSetting

SPAWNER: Final = "orrery_hub.kubernetes.spawner.OrreryKubeSpawner"
#: a first pull of an image with PyTorch takes minutes
START_SECONDS: Final = 900
#: cont-init.d runs before the server answers
ANSWER_SECONDS: Final = 1800
#: long enough for a server to write what it holds
STOP_SECONDS: Final = 20


def configure_spawner(c: Any, settings: HubSettings, prefix: str, environment: Mapping[str, str] = os.environ) -> None:
    """`prefix` is the platform's, without a trailing slash. Raises: InvalidSetting."""
    if settings.platform_url is None:
        raise InvalidSetting(
            "ORRERY_PLATFORM_URL is not set; a hub in a cluster needs the platform's address there, such as "
            "http://orrery:8080. Without a platform, set c.JupyterHub.spawner_class yourself"
        )
    site = Site.from_environment(environment, f"{settings.platform_url.rstrip('/')}{prefix}")
    if not site.hub_key:
        raise InvalidSetting("ORRERY_HUB_KEY is not set; give the hub and the platform the same long random text")
    c.JupyterHub.spawner_class = SPAWNER
    c.OrreryKubeSpawner.site = site
    c.OrreryKubeSpawner.cmd = make_command(site)
    c.OrreryKubeSpawner.start_timeout = START_SECONDS
    c.OrreryKubeSpawner.http_timeout = ANSWER_SECONDS
    c.OrreryKubeSpawner.delete_grace_period = STOP_SECONDS
    c.OrreryKubeSpawner.delete_pvc = True


def added(present: Any, ours: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A list of services or roles with ours in it; whatever had the same name makes way."""
    names = {each["name"] for each in ours}
    kept: Any = [each for each in present if each["name"] not in names] if isinstance(present, list) else []  # pyright: ignore[reportUnknownVariableType]
    return [*kept, *ours]
