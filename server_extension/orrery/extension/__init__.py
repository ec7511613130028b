"""The Jupyter server extension: it finds or starts the platform, and proxies it under `{base_url}orrery/`.

Whoever is logged in to the Jupyter server reaches the platform as themselves, without a second login: alone on one
machine with the platform's private token, under a hub with the user's own.
"""

from __future__ import annotations

from typing import Any

__all__ = ["_jupyter_server_extension_points"]


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    from orrery.extension.app import OrreryExtension

    return [{"module": "orrery.extension", "app": OrreryExtension}]
