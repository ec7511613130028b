"""One dashboard as a page: Voila runs its notebook in a kernel of this server, and sends what the cells show.

Voila's own handler reads notebooks among the user's files; this one reads those that ship with the platform. The kernel
starts in the user's folder and reaches the platform as every kernel of this server does: with the user's own rights.
"""

# Voila carries no types
# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUntypedFunctionDecorator=false

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from jupyter_server.auth.decorator import authorized
from jupyter_server.serverapp import ServerApp
from jupyter_server.services.contents.filemanager import FileContentsManager
from tornado import web
from voila.configuration import VoilaConfiguration
from voila.handler import VoilaHandler
from voila.paths import collect_template_paths

from orrery.extension.dashboard_files import ADDRESS, find_dashboards

#: all that a dashboard's page loads of JupyterLab's extensions; ours needs the whole of Lab
EXTENSIONS = ["@jupyter-widgets/jupyterlab-manager", "@voila-dashboards/widgets-manager8"]
#: our page, which fetches nothing from another host
TEMPLATES = Path(__file__).parent / "voila"


def make_options(server: ServerApp | None) -> dict[str, Any]:
    """What Voila's handler is made with: the server's `c.VoilaConfiguration`, but never the code cells."""
    configuration: Any = VoilaConfiguration(parent=server)
    configuration.strip_sources = True
    configuration.template = "lab"
    configuration.allow_template_override = "NO"
    configuration.page_config_hook = make_page_config
    configuration.extension_allowlist = EXTENSIONS
    configuration.progressive_rendering = False
    paths: Any = collect_template_paths(["voila", "nbconvert"], configuration.template)
    return {
        "config": configuration.config,
        "template_paths": [str(TEMPLATES), *paths],
        "voila_configuration": configuration,
    }


def make_page_config(page_config: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Mathematics by what Voila carries, in the place of a script from another host."""
    return {**page_config, "fullMathjaxUrl": None, "mathjaxConfig": None}


class DashboardHandler(VoilaHandler):
    """`GET {base_url}orrery-extension/dashboards/<name>?id=<resource>&theme=light|dark`."""

    auth_resource: ClassVar[str] = "kernels"
    _folder: str

    @property
    def contents_manager(self) -> FileContentsManager:
        """The folder of the dashboard that is asked for, in the place of the user's files."""
        return FileContentsManager(root_dir=self._folder)

    @web.authenticated
    @authorized(action="execute")
    async def get(self, name: str) -> None:
        dashboard = next((found for found in find_dashboards() if found.name == name), None)
        if dashboard is None:
            raise web.HTTPError(404, f"there is no dashboard {name!r}; GET {self.base_url}{ADDRESS} lists them")
        self._folder = str(dashboard.path.parent)
        # sets the cookie with which the page, when it is left, may end its kernel
        _ = self.xsrf_token
        pieces = self.get_generator(path=dashboard.path.name)
        async for html in pieces:
            self.write(html)
            await self.flush()
