"""What Jupyter loads: settings, handlers, and the start and stop of the platform's supervision."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from typing import ClassVar

from jupyter_server.base.handlers import APIHandler
from jupyter_server.extension.application import ExtensionApp
from jupyter_server.serverapp import ServerApp
from tornado import web
from traitlets import Bool, Float, Int, List, Unicode

from orrery import __version__
from orrery.extension import dashboards
from orrery.extension.activity.handlers import make_handlers
from orrery.extension.activity.meter import ServerMeter, data_folder
from orrery.extension.activity.variables import VariableStore
from orrery.extension.activity.watch import Watch
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

    saved_variables_bytes = Int(
        1 << 30,
        help="Largest size of a kernel's variables that are saved before an idle kernel is freed, bytes. Larger "
        "variables are left out, and named. Default: 1 GiB.",
    ).tag(config=True)
    saved_variables_seconds = Float(
        60.0, help="Longest time that saving a kernel's variables may take, seconds. Default: 60."
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
        self.watch = self._make_watch()
        self.handlers.extend(make_handlers(self.watch))

    def _make_watch(self) -> Watch:
        serverapp = self.serverapp
        assert serverapp is not None
        folder = data_folder(serverapp)
        variables = VariableStore(
            folder, limit_bytes=self.saved_variables_bytes, limit_seconds=self.saved_variables_seconds
        )
        return Watch(
            serverapp.kernel_manager,
            ServerMeter(serverapp, folder),
            variables,
            self.platform,
            self.log,
            notebook_id=os.environ.get("ORRERY_NOTEBOOK_ID") or None,
        )

    async def _start_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        add_environments(serverapp)
        add_environments_to_terminals(serverapp)
        self.platform.start()
        self._watching = asyncio.create_task(self.watch.run(), name="activity")

    async def stop_extension(self) -> None:
        self._watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._watching
        await self.platform.stop()
