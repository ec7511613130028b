"""What Jupyter loads: settings, handlers, and the start and stop of the platform's supervision."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Any, ClassVar, Final

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_server.base.handlers import APIHandler
from jupyter_server.extension.application import ExtensionApp
from jupyter_server.gateway.gateway_client import GatewayClient
from jupyter_server.serverapp import ServerApp
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado import web
from traitlets import Bool, Float, Int, List, Unicode

from orrery import __version__
from orrery.client.result_notes import Server, notes_folder
from orrery.errors import OrreryError
from orrery.extension import dashboards, manifests, start_page
from orrery.extension.activity.handlers import make_handlers
from orrery.extension.activity.meter import ServerMeter, data_folder
from orrery.extension.activity.variables import VariableStore
from orrery.extension.activity.watch import Watch
from orrery.extension.app_proxy import APP_PATH, AppHandler
from orrery.extension.hub import HubPlatform
from orrery.extension.instance_types import InstanceSpecs, with_instances
from orrery.extension.kernel_manager import InstanceKernels, with_waiting
from orrery.extension.kernel_places import Places
from orrery.extension.kernel_specs import add_environments
from orrery.extension.local import LocalPlatform, default_home
from orrery.extension.proxy import Platform, PlatformHandler
from orrery.extension.result_notebooks import ResultNotebookHandler, ResultNotebooks
from orrery.extension.terminals import add_environments_to_terminals

#: between two questions for the instance types that kernels are offered on
TYPES_SECONDS: Final = 60.0
FIRST_TYPES_SECONDS: Final = 1.0


class StatusHandler(APIHandler):
    """`GET {base_url}orrery-extension/status`: which platform this server uses, and whether it answers."""

    auth_resource: ClassVar[str] = "orrery"

    def initialize(self, platform: Platform) -> None:
        self.platform = platform

    @web.authenticated
    def get(self) -> None:
        self.finish({"extension_version": __version__, **self.platform.status()})


class InstanceKernelsHandler(APIHandler):
    """`GET {base_url}orrery-extension/kernels`: the kernels on instances, why one waits, and why one was lost."""

    auth_resource: ClassVar[str] = "kernels"

    @web.authenticated
    def get(self) -> None:
        manager: Any = self.kernel_manager
        self.finish({"items": manager.on_instances() if isinstance(manager, InstanceKernels) else []})


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

    kernel_idle_minutes = Float(
        60.0,
        help="A kernel on an instance in which nothing was computed for so many minutes is shut down, open in a tab or "
        "not; never while a cell runs. 0: it is kept.",
    ).tag(config=True)

    def _link_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        super()._link_jupyter_server_extension(serverapp)
        # before the server makes them: what it was configured with, and kernels on instances besides
        if GatewayClient.instance(parent=serverapp).gateway_enabled:
            # all kernels of this server run elsewhere already
            return
        chosen: Any = serverapp
        specs = KernelSpecManager
        kernels = AsyncMappingKernelManager
        if chosen.trait_has_value("kernel_spec_manager_class"):
            specs = chosen.kernel_spec_manager_class
        if chosen.trait_has_value("kernel_manager_class"):
            kernels = chosen.kernel_manager_class
        serverapp.kernel_spec_manager_class = with_instances(specs)
        serverapp.kernel_manager_class = with_waiting(kernels)

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
        self.places = Places(self.platform)
        server: Any = self.serverapp
        manager: Any = server.kernel_manager
        if isinstance(manager, InstanceKernels):
            manager.places = self.places
            manager.instance_idle_minutes = self.kernel_idle_minutes

    def initialize_handlers(self) -> None:
        options = {"platform": self.platform}
        server: Any = self.serverapp
        # the platform of this home is found anew at each start, at another address
        url = self.platform.url.rstrip("/").removesuffix("/api/v1") if isinstance(self.platform, HubPlatform) else None
        place = Server(str(Path(server.root_dir).expanduser().resolve()), url)
        self.results = ResultNotebooks(self.platform, notes_folder(), place, self.log)
        self.handlers.extend(
            [
                (r"/orrery-extension/status", StatusHandler, options),
                (r"/orrery-extension/kernels", InstanceKernelsHandler),
                (r"/orrery-extension/results", ResultNotebookHandler, {"results": self.results}),
                (APP_PATH, AppHandler, options),
                (r"/orrery(/.*)", PlatformHandler, options),
            ]
        )
        self.handlers.extend(dashboards.make_handlers(self.serverapp))
        self.handlers.extend(start_page.make_handlers())
        self.handlers.extend(manifests.make_handlers(self.platform))
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
        self._bringing = asyncio.create_task(self.results.run(), name="result notebooks")
        self._offering = asyncio.create_task(self._offer_instances(), name="instance types")

    async def _offer_instances(self) -> None:
        """Keep the kernels on instances that are offered as the platform says."""
        server: Any = self.serverapp
        specs: Any = server.kernel_spec_manager
        while isinstance(specs, InstanceSpecs):
            try:
                specs.instance_types = await self.places.instance_types()
                pause = TYPES_SECONDS
            except OrreryError as error:
                self.log.debug("the instance types are not known yet: %s", error)
                pause = FIRST_TYPES_SECONDS
            await asyncio.sleep(pause)

    async def stop_extension(self) -> None:
        for task in (self._watching, self._bringing, self._offering):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self.places.close()
        await self.platform.stop()
