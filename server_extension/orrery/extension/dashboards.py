"""Dashboards: notebooks with `metadata.orrery.dashboard`, listed here and rendered by Voila in the user's own server.

They lie in the notebook folders' `dashboards/` and need not be among the user's files. Without Voila there are none,
and the list says what to install.
"""

from __future__ import annotations

import importlib.util
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join
from tornado import web

from orrery.notebooks import notebook_folders

log = logging.getLogger(__name__)
ADDRESS: Final = "orrery-extension/dashboards"
WITHOUT_VOILA: Final = "dashboards are rendered by Voila; install it: pip install 'orrery[lab]'"


@dataclass(frozen=True)
class Dashboard:
    """`subject` is the kind of the resource that it shows (`?id=...`), as `training`; None: it needs none."""

    name: str
    title: str
    description: str
    subject: str | None
    path: Path


def find_dashboards() -> list[Dashboard]:
    """By title; of two with one name the first folder's wins. A notebook that declares none is passed over."""
    found: dict[str, Dashboard] = {}
    for folder in notebook_folders():
        for path in sorted(folder.glob("dashboards/*.ipynb")):
            dashboard = read_dashboard(path)
            if dashboard is not None:
                found.setdefault(dashboard.name, dashboard)
    return sorted(found.values(), key=lambda dashboard: dashboard.title)


def read_dashboard(path: Path) -> Dashboard | None:
    """What the notebook declares; None where it declares nothing, or cannot be read, which is logged."""
    try:
        document: Any = json.loads(path.read_text("utf-8"))
        declared: dict[str, Any] | None = document["metadata"].get("orrery", {}).get("dashboard")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("%s is no notebook: %s", path, error, extra={"action": "dashboard_unreadable"})
        return None
    if declared is None:
        return None
    subject = declared.get("for")
    return Dashboard(
        name=path.stem,
        title=str(declared.get("title") or path.stem),
        description=str(declared.get("description") or ""),
        subject=str(subject) if subject else None,
        path=path,
    )


def has_voila() -> bool:
    return importlib.util.find_spec("voila") is not None


class DashboardsHandler(APIHandler):
    """`GET {base_url}orrery-extension/dashboards`: the dashboards and where each opens."""

    auth_resource: ClassVar[str] = "orrery"

    @web.authenticated
    @authorized
    def get(self) -> None:
        if not has_voila():
            self.finish({"items": [], "message": WITHOUT_VOILA})
            return
        items = [
            {
                "name": dashboard.name,
                "title": dashboard.title,
                "description": dashboard.description,
                "for": dashboard.subject,
                "url": url_path_join(self.base_url, ADDRESS, dashboard.name),
            }
            for dashboard in find_dashboards()
        ]
        self.finish({"items": items})


class MissingHandler(APIHandler):
    """In the place of the dashboards' pages where Voila is not installed."""

    auth_resource: ClassVar[str] = "orrery"

    @web.authenticated
    @authorized
    def get(self, name: str) -> None:
        raise web.HTTPError(404, WITHOUT_VOILA, reason=f"No dashboard {name}")


def make_handlers(server: ServerApp | None) -> Iterator[tuple[str, type[Any], dict[str, Any]]]:
    """Routes below the server's base URL."""
    yield rf"/{ADDRESS}", DashboardsHandler, {}
    page = rf"/{ADDRESS}/([\w.-]+)"
    if has_voila():
        from orrery.extension.dashboard_page import DashboardHandler, make_options

        yield page, DashboardHandler, make_options(server)
    else:
        yield page, MissingHandler, {}
