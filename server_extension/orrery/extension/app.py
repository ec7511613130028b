"""What Jupyter loads: settings, handlers, and the start and stop of the platform's supervision."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

from jupyter_server.base.handlers import APIHandler
from jupyter_server.extension.application import ExtensionApp
from jupyter_server.serverapp import ServerApp
from tornado import web
from traitlets import Bool, List, Unicode

from orrery import __version__
from orrery.extension import dashboards, start_page
from orrery.extension.app_proxy import APP_PATH, AppHandler
from orrery.extension.hub import HubPlatform
from orrery.extension.kernel_specs import add_environments
from orrery.extension.local import LocalPlatform, default_home
from orrery.extension.proxy import Platform, PlatformHandler
from orrery.extension.terminals import add_environments_to_terminals


class StatusHandler(APIHandler):
    """`GET {base_url}orrery-extension/status`: which platform this server uses, and whether it answers."""

    auth_resource: ClassVar[str] = "orrery"

    def initialize(self, platform: Platform) -> None:
        self.platform = platform

    @web.authenticated
    def get(self) -> None:
        self.finish({"extension_version": __version__, **self.platform.status()})


class OrreryExtension(ExtensionApp):
    """Settings in `jupyter_server_config.py`, as `c.OrreryExtension.home = "/data/orrery"`."""

    name = "orrery"
    extension_url = "/lab"
    load_other_extensions = True

    home = Unicode(
        help="Where the platform keeps everything when there is no hub. Default: $ORRERY_HOME, else ~/.orrery."
    ).tag(config=True)
    autostart = Bool(
        True,
        help="Start the platform where none is running. False: only use one that was started with `orrery up`.",
    ).tag(config=True)
    command = List(
        Unicode(),
        help="The command that starts the platform. Default: `orrery up --port 0` of this installation.",
    ).tag(config=True)

    def initialize_settings(self) -> None:
        token, url = os.environ.get("JUPYTERHUB_API_TOKEN"), os.environ.get("ORRERY_URL")
        self.platform: HubPlatform | LocalPlatform
        if token and url:
            # Kernels and terminals inherit it: `orrery.Client()` and the CLI act there as this user.
            os.environ["ORRERY_TOKEN"] = token
            self.platform = HubPlatform(url, token)
        else:
            home = (Path(self.home).expanduser() if self.home else default_home()).resolve()
            # Kernels and terminals find the running platform through it.
            os.environ["ORRERY_HOME"] = str(home)
            self.platform = LocalPlatform(home, self.log, command=list(self.command) or None, may_start=self.autostart)

    def initialize_handlers(self) -> None:
        options = {"platform": self.platform}
        self.handlers.extend(
            [
                (r"/orrery-extension/status", StatusHandler, options),
                (APP_PATH, AppHandler, options),
                (r"/orrery(/.*)", PlatformHandler, options),
            ]
        )
        self.handlers.extend(dashboards.make_handlers(self.serverapp))
        self.handlers.extend(start_page.make_handlers())

    async def _start_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        add_environments(serverapp)
        add_environments_to_terminals(serverapp)
        self.platform.start()

    async def stop_extension(self) -> None:
        await self.platform.stop()
