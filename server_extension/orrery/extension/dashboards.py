"""Dashboards: notebooks with `metadata.orrery.dashboard`, listed here and rendered by Voila in the user's own server.

They lie in the notebook folders' `dashboards/` and need not be among the user's files. Without Voila there are none,
and the list says what to install.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import Any, ClassVar, Final

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join
from tornado import web

from orrery.extension.dashboard_files import ADDRESS, find_dashboards

WITHOUT_VOILA: Final = "dashboards are rendered by Voila; install it: pip install 'orrery[lab]'"


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
