"""`python -m orrery.gateway`: the process on the public port. SIGTERM drains it."""

from __future__ import annotations

import argparse
import errno
import gc
import logging
import resource
import sys
from dataclasses import replace
from pathlib import Path

import uvloop

from orrery.gateway.access_log import AccessLog
from orrery.gateway.app import Control, Gateway
from orrery.gateway.routes import write_atomically
from orrery.gateway.settings import Settings
from orrery.serving.http import Limits, Server

log = logging.getLogger("orrery.gateway")


def make_parser() -> argparse.ArgumentParser:
    defaults = Settings
    parser = argparse.ArgumentParser(
        prog="python -m orrery.gateway", description="Serve endpoints, and pass the rest to the platform."
    )
    parser.add_argument(
        "--home", type=Path, required=True, help="ORRERY_HOME: holds gateway/routes.json and secrets/jwt.key"
    )
    parser.add_argument("--host", default=defaults.host, help="address to listen on (127.0.0.1)")
    parser.add_argument(
        "--port", type=int, default=defaults.port, help="port to listen on; 0 takes a free one, see --port-file"
    )
    parser.add_argument("--port-file", type=Path, help="write the port taken here")
    parser.add_argument("--base-path", default="", help="prefix of every path behind a hub, e.g. /services/orrery")
    parser.add_argument("--routes", type=Path, help="the routes document (HOME/gateway/routes.json)")
    parser.add_argument(
        "--instance", default="", help="name of this gateway among several: control-NAME.sock, stats-NAME.json"
    )
    parser.add_argument("--reuse-port", action="store_true", help="let several gateways share the port")
    parser.add_argument("--trust-proxy", action="store_true", help="believe X-Forwarded-* of peers on other machines")
    parser.add_argument(
        "--wait-seconds", type=float, default=defaults.wait_seconds, help="how long a request waits for a replica (5)"
    )
    parser.add_argument(
        "--drain-seconds",
        type=float,
        default=defaults.drain_seconds,
        help="after SIGTERM, time for what has begun (25)",
    )
    parser.add_argument(
        "--body-budget-bytes",
        type=int,
        default=defaults.body_budget_bytes,
        help="request bodies held at once (256 MiB)",
    )
    parser.add_argument(
        "--access-log", metavar="PATH", help="write one JSON line for each request; - is standard output"
    )
    return parser


async def serve(settings: Settings, access_log: AccessLog | None, port_file: Path | None) -> None:
    """Listen and answer until SIGTERM, then drain."""
    gateway = Gateway(settings, access_log)
    server = Server(gateway, replace(Limits(), drain_seconds=settings.drain_seconds))
    control = Server(Control(gateway), replace(Limits(), drain_seconds=1))
    server.stop_on_signals()
    gateway.port = await server.listen_tcp(settings.host, settings.port, reuse_port=settings.reuse_port)
    await control.listen_unix(settings.control_socket)
    if port_file is not None:
        write_atomically(port_file, str(gateway.port).encode())
    gc.collect()
    gc.freeze()  # what lives as long as the process need not be looked at again
    log.info("listening on %s:%d", settings.host, gateway.port, extra={"action": "listen"})
    await server.run()
    await control.drain()
    gateway.close()
    log.info("stopped", extra={"action": "stop"})


def main(argv: list[str] | None = None) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    parser = make_parser()
    arguments = parser.parse_args(argv)
    base_path = arguments.base_path.rstrip("/")
    if base_path and not base_path.startswith("/"):
        parser.error(f"--base-path {arguments.base_path!r} must begin with a slash")
    settings = Settings(
        home=arguments.home,
        host=arguments.host,
        port=arguments.port,
        base_path=base_path,
        routes_file=arguments.routes,
        instance=arguments.instance,
        reuse_port=arguments.reuse_port,
        trust_proxy=arguments.trust_proxy,
        wait_seconds=arguments.wait_seconds,
        drain_seconds=arguments.drain_seconds,
        body_budget_bytes=arguments.body_budget_bytes,
    )
    access_log = None
    if arguments.access_log is not None:
        access_log = AccessLog(None if arguments.access_log == "-" else Path(arguments.access_log))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard != resource.RLIM_INFINITY else max(soft, 65536), hard))
    try:
        uvloop.run(serve(settings, access_log, port_file=arguments.port_file))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        parser.error(
            f"port {settings.port} on {settings.host} is in use; choose another with --port, or stop what uses it"
        )


if __name__ == "__main__":
    main()
