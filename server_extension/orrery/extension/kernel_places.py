"""The notebook server's side of kernels on instances: asking the platform for places, and speaking to hosts."""

# jupyter_client and zmq carry few types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import asyncio
from typing import Any, Final

import httpx
import zmq
import zmq.asyncio

from orrery.errors import Invalid, NotFound, OrreryError, Unavailable
from orrery.extension.instance_types import InstanceType, read_instance_types
from orrery.extension.proxy import Platform
from orrery.jobs.kernel_wire import make_session, read

Json = dict[str, Any]
ANSWER_SECONDS: Final = 2.0


class Places:
    """The platform's kernels, as the user of this server."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._http = httpx.AsyncClient(timeout=10.0, trust_env=False)

    async def instance_types(self) -> tuple[InstanceType, ...]:
        return read_instance_types(await self._ask("GET", "instance-types"))

    async def ask_for(self, name: str, spec: Json) -> Json:
        return await self._ask("POST", "kernels", {"name": name, "spec": spec})

    async def look_at(self, resource_id: str) -> Json:
        return await self._ask("GET", f"kernels/{resource_id}")

    async def stop(self, resource_id: str) -> None:
        await self._ask("POST", f"kernels/{resource_id}/stop")

    async def remove(self, resource_id: str) -> None:
        await self._ask("DELETE", f"kernels/{resource_id}")

    async def close(self) -> None:
        await self._http.aclose()

    async def _ask(self, method: str, path: str, body: Json | None = None) -> Json:
        """Raises: Unavailable, NotFound, Invalid; OrreryError for whatever else the platform refuses."""
        upstream = await self._platform.upstream()
        headers = {"Authorization": f"Bearer {upstream.token}"}
        try:
            answer = await self._http.request(method, f"{upstream.url}/api/v1/{path}", json=body, headers=headers)
        except httpx.HTTPError as error:
            self._platform.report_failure()
            raise Unavailable(f"the platform at {upstream.url} does not answer ({error}); try again") from error
        if answer.is_success:
            return answer.json()
        try:
            message = str(answer.json()["error"]["message"])
        except (ValueError, KeyError, TypeError):
            message = f"the platform answered {answer.status_code}"
        if answer.status_code >= 500 or answer.status_code == 429:
            raise Unavailable(message)
        kinds: dict[int, type[OrreryError]] = {404: NotFound, 400: Invalid, 422: Invalid}
        raise kinds.get(answer.status_code, OrreryError)(message)


class HostClient:
    """Asks a kernel's host, one request at a time."""

    def __init__(self, connection: Json, key: str) -> None:
        self._session = make_session(key)
        self._context: zmq.asyncio.Context = zmq.asyncio.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.linger = 500
        if connection.get("server_key"):
            public, secret = zmq.curve_keypair()
            self._socket.curve_publickey, self._socket.curve_secretkey = public, secret
            self._socket.curve_serverkey = str(connection["server_key"]).encode()
        self._socket.connect(str(connection["address"]))
        self._lock = asyncio.Lock()

    async def ask(self, what: str, seconds: float = ANSWER_SECONDS, **content: object) -> Json | None:
        """The host's reply; None where none came in time."""
        async with self._lock:
            if self._socket.closed:
                return None
            sent = self._session.msg(what, content)
            await self._socket.send_multipart(self._session.serialize(sent))
            try:
                async with asyncio.timeout(seconds):
                    while True:
                        _, reply = read(self._session, await self._socket.recv_multipart())
                        if reply["parent_header"].get("msg_id") == sent["header"]["msg_id"]:
                            return reply["content"]
            except TimeoutError:
                return None

    def close(self) -> None:
        self._context.destroy(linger=500)
