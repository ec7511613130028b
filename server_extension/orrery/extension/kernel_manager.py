"""The server's kernels, those on instances among them: these may wait long, can be given up meanwhile, and can be lost.

A kernel on an instance is a *pending* kernel: its session is there at once, and its cells are sent when it begins.
Kernels of this machine start as ever.
"""

# jupyter_server carries few types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false, reportPrivateUsage=false
# pyright: reportIncompatibleMethodOverride=false, reportIncompatibleVariableOverride=false

from __future__ import annotations

import asyncio
from collections import deque
from contextvars import ContextVar
from typing import Any, Final

from jupyter_client.multikernelmanager import MultiKernelManager
from jupyter_server._tz import utcnow
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager, MappingKernelManager

from orrery.extension.instance_types import SEPARATOR
from orrery.extension.kernel_places import Json, Places
from orrery.extension.kernel_provisioner import InstanceProvisioner

MOST_LOST: Final = 20
_is_pending: ContextVar[bool] = ContextVar("is_pending", default=False)


class InstanceKernels(AsyncMappingKernelManager):
    """`places` is set by the extension before the first kernel starts."""

    places: Places | None = None
    instance_idle_minutes: float = 0.0

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        #: those that ended without being asked to, the newest last: why is told in Lab
        self.lost: deque[Json] = deque(maxlen=MOST_LOST)

    def _using_pending_kernels(self) -> bool:
        return _is_pending.get() or super()._using_pending_kernels()

    async def _async_start_kernel(self, *, kernel_id: str | None = None, path: Any = None, **kwargs: Any) -> str:
        name = str(kwargs.get("kernel_name") or self.default_kernel_name)
        if SEPARATOR not in name or (kernel_id is not None and kernel_id in self):
            return await super()._async_start_kernel(kernel_id=kernel_id, path=path, **kwargs)
        kwargs = self._kernel_start_kwargs(**kwargs)
        if path is not None:
            kwargs["cwd"] = self.cwd_for_path(path, env=kwargs.get("env", {}))
        if kernel_id is not None:
            kwargs["kernel_id"] = kernel_id
        token = _is_pending.set(True)
        try:
            started: str = await MultiKernelManager._async_start_kernel(self, **kwargs)
        finally:
            _is_pending.reset(token)
        self._kernel_connections[started] = 0
        kernel: Any = self.get_kernel(started)
        kernel.execution_state, kernel.reason, kernel.last_activity = "starting", "", utcnow()
        self._pending_kernel_tasks[started] = asyncio.create_task(self._finish_kernel_start(started))
        self.log.info("Kernel on an instance asked for: %s (%s)", started, name)
        if not self._initialized_culler:
            self.initialize_culler()
        return started

    start_kernel = _async_start_kernel

    async def _finish_kernel_start(self, kernel_id: str) -> None:
        kernel: Any = self.get_kernel(kernel_id)
        await super()._finish_kernel_start(kernel_id)
        provisioner = kernel.provisioner
        if not isinstance(provisioner, InstanceProvisioner):
            return
        failure = kernel.ready.exception() if kernel.ready.done() and not kernel.ready.cancelled() else None
        if failure is not None:
            kernel.execution_state, kernel.reason = "dead", str(failure)
            provisioner.state = {"state": "lost", "message": str(failure), "queue": None}
            self.lost.append(describe(kernel_id, provisioner))
            self._pending_kernels.pop(kernel_id, None)

    async def _async_shutdown_kernel(
        self, kernel_id: str, now: bool | None = False, restart: bool | None = False
    ) -> None:
        self._check_kernel_id(kernel_id)
        kernel: Any = self.get_kernel(kernel_id)
        provisioner = kernel.provisioner
        if isinstance(provisioner, InstanceProvisioner) and kernel.execution_state == "dead":
            # nothing is left to be asked to end
            self.stop_watching_activity(kernel_id)
            self.stop_buffering(kernel_id)
            await provisioner.cleanup()
            self.remove_kernel(kernel_id)
            return
        if isinstance(provisioner, InstanceProvisioner) and not provisioner.has_process:
            await provisioner.give_up()
        await super()._async_shutdown_kernel(kernel_id, now=now, restart=restart)

    shutdown_kernel = _async_shutdown_kernel

    def tell_lost(self, kernel: Any, provisioner: InstanceProvisioner) -> None:
        """Whoever is connected hears that the kernel is dead; it leaves the list of those that run."""
        kernel.execution_state, kernel.reason = "dead", str(provisioner.state["message"])
        self.lost.append(describe(str(provisioner.kernel_id), provisioner))
        restarter = kernel._restarter
        kernel.stop_restarter()
        if restarter is not None:
            restarter._fire_callbacks("dead")

    def on_instances(self) -> list[Json]:
        """The kernels on instances, and those that were lost of late."""
        running = [
            describe(kernel_id, kernel.provisioner)
            for kernel_id, kernel in self._kernels.items()
            if isinstance(kernel.provisioner, InstanceProvisioner) and kernel.execution_state != "dead"
        ]
        return [*running, *self.lost]


def describe(kernel_id: str, provisioner: InstanceProvisioner) -> Json:
    return {
        "kernel_id": kernel_id,
        "resource_id": provisioner.resource_id,
        "instance_type": str(provisioner.instance_type),
        "path": provisioner.path,
        **provisioner.state,
    }


def with_waiting(base: type[MappingKernelManager]) -> type[MappingKernelManager]:
    """The same kernel manager, with kernels that wait for an instance; a synchronous one stays as it is."""
    if issubclass(base, InstanceKernels) or not issubclass(base, AsyncMappingKernelManager):
        return base
    if base is AsyncMappingKernelManager:
        return InstanceKernels
    return type(f"Instance{base.__name__}", (InstanceKernels, base), {})
