"""`orrery up`: the platform as a process, with its gateway before it.

The gateway owns the public port; the platform listens on a unix socket behind it. `run/platform.json` tells clients of
this account where it is. One platform runs over one home: a lock says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import getpass
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import uvicorn

from orrery._version import __version__
from orrery.api.assembly import Assembly, assemble, running
from orrery.api.gateway import GatewaySupervisor
from orrery.controllers.settings import Settings
from orrery.domain.access import User
from orrery.errors import Conflict, Invalid, NotFound, Unavailable
from orrery.hub.client import HubClient

log = logging.getLogger(__name__)

TOKEN_LIFETIME_SECONDS: Final = 365 * 24 * 3600
STOP_SECONDS: Final = 40.0
SWITCH_SECONDS: Final = 0.0005


class AlreadyRunning(Conflict):
    """A platform runs over this home already."""

    code = "already_running"


class Server(uvicorn.Server):
    """uvicorn, telling the event streams to end before it waits for them."""

    def __init__(self, config: uvicorn.Config, on_exit: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_exit = on_exit

    def handle_exit(self, sig: int, frame: object) -> None:
        self._on_exit()
        self.should_exit = True


def announcement(home: Path) -> Path:
    return home / "run" / "platform.json"


def serve(
    *,
    port: int = 8899,
    home: Path | None = None,
    host: str = "127.0.0.1",
    hub: bool = False,
    keep_serving: bool = False,
) -> None:
    """Run until SIGINT or SIGTERM. `port` 0 takes a free one; `hub` reads the address from the hub's variables.

    With `keep_serving` the gateway and the replicas stay up when the platform stops, as they do when it is killed; jobs
    always go on. Raises: AlreadyRunning.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    settings = Settings() if home is None else Settings(home=home)
    settings.run_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
    # a request must not wait long for the reconcilers' threads
    sys.setswitchinterval(SWITCH_SECONDS)
    with _only_one(settings.home):
        assembly, host, port = _assemble(settings, hub=hub, host=host, port=port)
        # what is loaded by now stays: the collector need not walk it while requests wait
        gc.freeze()
        asyncio.run(_serve(assembly, host=host, port=port, is_hub=hub, keep_serving=keep_serving))


def _assemble(settings: Settings, *, hub: bool, host: str, port: int) -> tuple[Assembly, str, int]:
    if not hub:
        return assemble(settings), host, port
    from orrery.api import hub_oauth

    where = urlsplit(os.environ.get("JUPYTERHUB_SERVICE_URL", ""))
    if not where.hostname or not where.port:
        raise Invalid("JUPYTERHUB_SERVICE_URL is not set: `orrery up --hub` is started by JupyterHub as its service")
    verifier = hub_oauth.HubAuthenticator.from_environment()
    client = HubClient(verifier.settings.api_url, verifier.settings.api_token, settings.hub_url)
    base_path = os.environ.get("JUPYTERHUB_SERVICE_PREFIX", "").rstrip("/")
    assembly = assemble(settings, hub_tokens=verifier, base_path=base_path, mode="hub", hub=client)
    hub_oauth.install(assembly.app, verifier)
    return assembly, where.hostname, where.port


@contextlib.contextmanager
def _only_one(home: Path) -> Generator[None]:
    """Hold the home's lock. Raises: AlreadyRunning naming the one that does."""
    with (home / "run" / "platform.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            known = read_announcement(home)
            where = f" at {known['url']} (process {known['pid']})" if known else ""
            raise AlreadyRunning(f"a platform runs over {home} already{where}; `orrery down` stops it") from error
        yield


async def _serve(assembly: Assembly, *, host: str, port: int, is_hub: bool, keep_serving: bool) -> None:
    settings = assembly.platform.settings
    socket = settings.run_dir / "platform.sock"
    socket.unlink(missing_ok=True)
    config = uvicorn.Config(
        assembly.asgi,
        uds=str(socket),
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=5,
        proxy_headers=True,
        forwarded_allow_ips="*",
        lifespan="off",
    )
    server = Server(config, assembly.hub.close)
    gateway = GatewaySupervisor(settings.home, assembly.router, host=host, port=port, base_path=assembly.base_path)
    taken = await asyncio.to_thread(gateway.start)
    url = f"http://{host}:{taken}{assembly.base_path}"
    assembly.address["url"] = url
    try:
        async with running(assembly):
            keeper = asyncio.create_task(gateway.keep())
            serving = asyncio.create_task(server.serve())
            await _started(server, serving)
            os.chmod(socket, 0o600)
            _announce(assembly, url, is_hub=is_hub)
            try:
                await serving
            finally:
                keeper.cancel()
                announcement(settings.home).unlink(missing_ok=True)
                if not keep_serving:
                    await asyncio.to_thread(_end_services, assembly)
    finally:
        if not keep_serving:
            await asyncio.to_thread(gateway.stop)


async def _started(server: Server, serving: asyncio.Task[None]) -> None:
    """uvicorn sets a flag when it listens and offers nothing to wait for."""
    while not server.started and not serving.done():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


def _announce(assembly: Assembly, url: str, *, is_hub: bool) -> None:
    """Write `run/platform.json` (0600) and say the URL. Behind a hub there is no token: users have the hub's."""
    home = assembly.platform.settings.home
    token = ""
    if not is_hub:
        token, _ = assembly.signer.sign(User(account_name(), admin=True), TOKEN_LIFETIME_SECONDS)
    path = announcement(home)
    temporary = path.with_suffix(".new")
    temporary.touch(mode=0o600)
    content = {"url": url, "token": token, "pid": os.getpid(), "version": __version__}
    temporary.write_text(json.dumps(content))
    temporary.replace(path)
    print(f"Orrery {__version__} serves {url}", flush=True)
    if token:
        print(f"  token: {token}\n  API:   {url}/docs", flush=True)


def account_name() -> str:
    """The account that runs the platform; a container's account may have no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"


def _end_services(assembly: Assembly) -> None:
    """End all replicas; the endpoints stay as they are and come back at the next start."""
    executor = assembly.platform.executor
    for service in executor.services():
        executor.remove_service(service.id)
    deadline = time.monotonic() + STOP_SECONDS
    while executor.services() and time.monotonic() < deadline:
        time.sleep(0.05)


def read_announcement(home: Path) -> dict[str, str] | None:
    try:
        return json.loads(announcement(home).read_bytes())
    except (OSError, ValueError):
        return None


def shut_down(home: Path | None = None) -> None:
    """Stop the platform over `home` and wait until it has gone. Raises: NotFound when none runs, Unavailable."""
    settings = Settings() if home is None else Settings(home=home)
    known = read_announcement(settings.home)
    if known is None:
        raise NotFound(f"no platform runs over {settings.home}")
    pid = int(known["pid"])
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS + 20
    # the lock goes with the process, also where nobody has reaped it yet
    while time.monotonic() < deadline:
        try:
            with _only_one(settings.home):
                return
        except AlreadyRunning:
            time.sleep(0.05)
    raise Unavailable(f"process {pid} has not stopped; look at its log, or kill it")
