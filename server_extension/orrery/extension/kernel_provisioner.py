"""Starts, watches and ends a kernel on an instance: what Jupyter calls a kernel provisioner.

It asks the platform for a place, waits its turn in the queue without holding up the server, has the host start the
kernel, and keeps telling the host that somebody is there. A restart replaces the kernel's process; the place is given
back when the kernel is shut down, when nobody has computed with it for `idle_minutes`, or when this server is gone.
"""

# jupyter_client carries few types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportIncompatibleMethodOverride=false

from __future__ import annotations

import asyncio
import os
import re
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.provisioner_base import KernelProvisionerBase
from traitlets import Unicode

from orrery.errors import NotFound, OrreryError, Unavailable
from orrery.extension.kernel_places import HostClient, Json, Places

#: between two questions to the platform while the kernel waits
FIRST_LOOK_SECONDS: Final = 0.1
LAST_LOOK_SECONDS: Final = 1.0
#: between two signs of life to the host
BEAT_SECONDS: Final = 2.0
LAUNCH_SECONDS: Final = 30.0
#: until the platform has noticed that a host ended
SETTLE_SECONDS: Final = 20.0
#: credentials of this server that no kernel needs
WITHHELD: Final = ("JUPYTERHUB_API_TOKEN", "JUPYTERHUB_CLIENT_ID", "JPY_API_TOKEN")


class PlaceLost(Exception):
    """There is no place for the kernel (any more); the message says why."""


def resource_name(path: str, kernel_id: str) -> str:
    """`analysis-1f3a9c2e`: what the platform's lists and the queue call it."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(path).stem).strip("-._")[:50]
    return f"{stem or 'kernel'}-{kernel_id[:8]}"


class InstanceProvisioner(KernelProvisionerBase):
    """One kernel's place. `parent` is its kernel manager, whose own parent knows the platform."""

    instance_type = Unicode(help="The type of instance that the kernel holds.")
    base = Unicode(help="The kernel spec that is run there.")

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.resource_id: str | None = None
        self.path = ""
        #: what a person is told while it waits, and after it has been lost
        self.state: Json = {"state": "waiting", "message": "asking for an instance", "queue": None}
        self.connection_info: KernelConnectionInfo = {}
        self._host: HostClient | None = None
        self._where: Json = {}
        self._wanted = asyncio.Event()
        self._wanted.set()
        self._running = False
        self._exit_code: int | None = None
        self._beating: asyncio.Task[None] | None = None
        self._farewells: set[asyncio.Task[None]] = set()
        self._key = secrets.token_hex(32)

    @property
    def kernel(self) -> Any:
        """The kernel manager; what it holds is not typed."""
        return self.parent

    @property
    def places(self) -> Places:
        manager: Any = getattr(self.kernel, "parent", None)
        places = getattr(manager, "places", None)
        if not isinstance(places, Places):
            raise PlaceLost("kernels on instances are started by a Jupyter server with the Orrery extension")
        return places

    # what Jupyter asks for

    @property
    def has_process(self) -> bool:
        return self._running

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        extra = kwargs.pop("extra_arguments", [])
        kwargs = await super().pre_launch(**kwargs)
        return {**kwargs, "cmd": self.kernel.format_kernel_cmd(extra_arguments=extra)}

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        environment: dict[str, str] = {
            name: value
            for name, value in kwargs["env"].items()
            if name not in WITHHELD and not name.startswith("JPY_PARENT")
        }
        cwd = str(kwargs.get("cwd") or os.getcwd())
        if self._host is None:
            self.path = self._shown_path(environment.get("JPY_SESSION_NAME", ""))
            await self._take_place()
        assert self._host is not None
        key: bytes = self.kernel.session.key
        ports = {name: value for name, value in self._where.items() if name.endswith("_port")}
        shared: Json = {
            **ports,
            "transport": self._where["transport"],
            "ip": self._where["ip"],
            "signature_scheme": self.kernel.session.signature_scheme,
        }
        reply = await self._host.ask(
            "launch",
            LAUNCH_SECONDS,
            argv=cmd,
            # as it stands in the command
            connection_file=os.path.realpath(self.kernel.connection_file),  # noqa: ASYNC240
            cwd=cwd,
            environment=environment,
            connection={**shared, "key": key.decode(), "kernel_name": self.base},
        )
        if reply is None or reply["error"]:
            raise PlaceLost(reply["error"] if reply else f"the instance {self.instance_type} does not answer")
        self._running, self._exit_code = True, None
        self.state = {"state": "ready", "message": "", "queue": None}
        if self._beating is None:
            self._beating = asyncio.create_task(self._beat(), name=f"kernel {self.kernel_id} beats")
        self.connection_info = {**shared, "key": key}  # pyright: ignore[reportAttributeAccessIssue]
        return self.connection_info

    async def poll(self) -> int | None:
        if self._host is None or self._exit_code is not None:
            return 0 if self._exit_code is None else self._exit_code
        reply = await self._host.ask("poll")
        if reply is None or reply["is_running"]:
            return None
        return 0 if reply["exit_code"] is None else int(reply["exit_code"])

    async def wait(self) -> int | None:
        while (code := await self.poll()) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        self._running = False
        return code

    async def send_signal(self, signum: int) -> None:
        if self._host is not None:
            await self._host.ask("signal", signum=int(signum))

    async def kill(self, restart: bool = False) -> None:
        await self.send_signal(9)

    async def terminate(self, restart: bool = False) -> None:
        await self.send_signal(15)

    async def cleanup(self, restart: bool = False) -> None:
        """Give the place back; a restart keeps it."""
        if restart:
            return
        self._running = False
        if self._beating is not None:
            self._beating.cancel()
            self._beating = None
        await self._give_back("shut down from its notebook")

    def resolve_path(self, path: str) -> str | None:
        return None

    # the place

    def _shown_path(self, session_name: str) -> str:
        root = str(getattr(self.kernel.parent, "root_dir", "") or "")
        return os.path.relpath(session_name, root) if root and session_name.startswith(f"{root}/") else session_name

    async def _take_place(self) -> None:
        """Ask for a place and wait for it. Raises: PlaceLost."""
        spec = {
            "instance_type": str(self.instance_type),
            "kernel": str(self.base),
            "path": self.path,
            "notebook": os.environ.get("ORRERY_NOTEBOOK_ID"),
            "key": self._key,
        }
        pause = FIRST_LOOK_SECONDS
        while True:
            self._check_wanted()
            try:
                if self.resource_id is None:
                    name = resource_name(self.path, f"{self.kernel_id}")
                    self.resource_id = (await self.places.ask_for(name, spec))["id"]
                resource = await self.places.look_at(str(self.resource_id))
            except Unavailable as error:
                self.state = {"state": "waiting", "message": error.message, "queue": None}
            except OrreryError as error:
                raise PlaceLost(error.message) from error
            else:
                status: Json = resource["status"]
                if status["outputs"].get("connection"):
                    self._where = status["outputs"]["connection"]
                    self._host = HostClient(self._where, self._key)
                    return
                if status["settled"]:
                    raise PlaceLost(status["message"] or f"the kernel has ended: {status['phase']}")
                self.state = {"state": "waiting", **self._told(status)}
            await asyncio.sleep(pause)
            pause = min(LAST_LOOK_SECONDS, pause * 1.3)

    def _told(self, status: Json) -> Json:
        queue: Json | None = status["outputs"].get("queue")
        if queue is None:
            return {"message": f"the instance {self.instance_type} is starting", "queue": None}
        return {"message": str(queue["reason"]), "queue": queue}

    def _check_wanted(self) -> None:
        if not self._wanted.is_set():
            raise PlaceLost("it was shut down before an instance was free")

    async def give_up(self) -> None:
        """Somebody has shut the kernel down while it waits."""
        self._wanted.clear()
        await self._give_back("shut down before it began")

    async def _give_back(self, reason: str) -> None:
        host, self._host = self._host, None
        resource_id = self.resource_id
        reply = None
        if host is not None:
            reply = await host.ask("end", reason=reason)
            host.close()
        if resource_id is not None:
            farewell = asyncio.create_task(self._forget(resource_id, ended=reply is not None))
            self._farewells.add(farewell)
            farewell.add_done_callback(self._farewells.discard)

    async def _forget(self, resource_id: str, *, ended: bool) -> None:
        """The record goes as well: a kernel that was shut down in good order is nothing to look at later."""
        try:
            if not ended:
                await self.places.stop(resource_id)
            async with asyncio.timeout(SETTLE_SECONDS):
                while not (await self.places.look_at(resource_id))["status"]["settled"]:  # noqa: ASYNC110
                    await asyncio.sleep(0.25)
            await self.places.remove(resource_id)
        except (OrreryError, PlaceLost, TimeoutError) as error:
            self.log.info("kernel %s is left in the platform's list: %s", resource_id, error)

    # while it runs

    async def _beat(self) -> None:
        """Tell the host that somebody is there, and notice when the host or everybody's interest is gone."""
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            host = self._host
            if host is None:
                return
            if await host.ask("poll") is None:
                reason = await self._why_gone()
                if reason is not None:
                    self._lose(reason)
                    return
            elif self._is_idle():
                self.log.info("kernel %s has been idle: its instance is given back", self.kernel_id)
                self._lose(
                    f"nothing was computed for {self._idle_minutes():g} minutes: {self.instance_type} is free again"
                )
                await self._give_back("idle")
                return

    def _idle_minutes(self) -> float:
        return float(getattr(self.kernel.parent, "instance_idle_minutes", 0.0))

    def _is_idle(self) -> bool:
        minutes = self._idle_minutes()
        last: datetime | None = getattr(self.kernel, "last_activity", None)
        if minutes <= 0 or last is None or getattr(self.kernel, "execution_state", None) != "idle":
            return False
        return datetime.now(UTC) - last > timedelta(minutes=minutes)

    async def _why_gone(self) -> str | None:
        """What the platform says of a host that does not answer; None where it may be there still."""
        assert self.resource_id is not None
        try:
            status: Json = (await self.places.look_at(self.resource_id))["status"]
        except NotFound:
            return "its instance is gone"
        except OrreryError as error:
            self.log.warning("kernel %s does not answer, and %s", self.kernel_id, error)
            return None
        return (status["message"] or status["phase"]) if status["settled"] else None

    def _lose(self, reason: str) -> None:
        """The kernel is dead and is not started again by itself: it would have to wait in the queue."""
        self.log.warning("kernel %s on %s: %s", self.kernel_id, self.instance_type, reason)
        self._exit_code, self._running, self._beating = 1, False, None
        self.state = {"state": "lost", "message": reason, "queue": None}
        self.kernel.parent.tell_lost(self.kernel, self)
