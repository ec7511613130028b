"""`python -m orrery.serving`: one model server process.

Without arguments it reads what the executor gives a replica: `ORRERY_SOCKET`, and the model package in
`$ORRERY_WORK_DIR/model`. `ORRERY_MODEL_NAME` and `ORRERY_MODEL_VERSION` override the name in the package and the
version, 1.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import gc
import logging
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import uvloop

from orrery.serving import runtimes
from orrery.serving.app import MAX_BODY_BYTES, ModelServer, ServedModel
from orrery.serving.http import HttpError, Limits, Server
from orrery.serving.package import BadPackage, read_metadata
from orrery.serving.runtimes import Runtime
from orrery.serving.schema import InputSchema

log = logging.getLogger("orrery.serving")


@dataclass(frozen=True)
class Settings:
    """Which models to serve, and where."""

    #: name -> folder
    models: dict[str, Path]
    #: alias -> name
    aliases: dict[str, str]
    version: str = "1"
    socket: Path | None = None
    host: str = "127.0.0.1"
    port: int = 0
    port_file: Path | None = None
    max_body_bytes: int = MAX_BODY_BYTES
    drain_seconds: float = Limits.drain_seconds


def parse_settings(argv: list[str] | None = None) -> Settings:
    """Raises `SystemExit` with a message for wrong arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m orrery.serving", description="Serve models over KServe V1 and OIP V2."
    )
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="NAME=FOLDER[,NAME=FOLDER]",
        help="a model package and the name to serve it by",
    )
    parser.add_argument("--alias", action="append", default=[], metavar="NAME=OTHER", help="another name for a model")
    parser.add_argument(
        "--model-version", default=os.environ.get("ORRERY_MODEL_VERSION", "1"), help="the version shown to clients (1)"
    )
    parser.add_argument("--socket", type=Path, help="unix socket to listen on (ORRERY_SOCKET)")
    parser.add_argument("--host", default="127.0.0.1", help="address for --port (127.0.0.1)")
    parser.add_argument("--port", type=int, help="TCP port; 0 takes a free one, see --port-file")
    parser.add_argument("--port-file", type=Path, help="write the port taken here")
    parser.add_argument("--max-body-bytes", type=int, default=MAX_BODY_BYTES, help="largest request body (64 MiB)")
    parser.add_argument(
        "--drain-seconds", type=float, default=Limits.drain_seconds, help="after SIGTERM, time for what has begun (25)"
    )
    arguments = parser.parse_args(argv)
    models = {name: Path(folder) for name, folder in _pairs(parser, arguments.model, "NAME=FOLDER")}
    if not models:
        work = os.environ.get("ORRERY_WORK_DIR")
        if work is None:
            parser.error("no model: give --model NAME=FOLDER, or set ORRERY_WORK_DIR to a folder that holds model/")
        folder = Path(work) / "model"
        try:
            name = os.environ.get("ORRERY_MODEL_NAME") or read_metadata(folder).name
        except BadPackage as error:
            parser.error(str(error))
        models = {name: folder}
    aliases = dict(_pairs(parser, arguments.alias, "NAME=OTHER"))
    for alias, name in aliases.items():
        if name not in models:
            parser.error(f"--alias {alias}={name}: there is no model {name!r}; there is {', '.join(models)}")
    path = arguments.socket
    if path is None and arguments.port is None:
        if "ORRERY_SOCKET" not in os.environ:
            parser.error("nowhere to listen: give --socket PATH or --port N, or set ORRERY_SOCKET")
        path = Path(os.environ["ORRERY_SOCKET"])
    return Settings(
        models=models,
        aliases=aliases,
        version=arguments.model_version,
        socket=path,
        host=arguments.host,
        port=arguments.port or 0,
        port_file=arguments.port_file,
        max_body_bytes=arguments.max_body_bytes,
        drain_seconds=arguments.drain_seconds,
    )


def _pairs(parser: argparse.ArgumentParser, values: list[str], form: str) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for item in (part for value in values for part in value.split(",")):
        name, separator, other = item.partition("=")
        if not (name and separator and other):
            parser.error(f"{item!r} is not of the form {form}")
        pairs.append((name, other))
    return pairs


def load(folder: Path) -> Runtime:
    """Load a package and predict its example, so that a package that cannot predict never becomes ready.

    Raises: `BadPackage`.
    """
    try:
        runtime = runtimes.load(folder)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise BadPackage(f"{folder} cannot be loaded: {type(error).__name__}: {error}") from error
    example = runtime.metadata.example
    if example is not None and "instances" in example:
        schema = InputSchema(runtime.metadata)
        try:
            runtime.predict(schema.to_columns(schema.read_instances(example["instances"])))
        except (HttpError, ValueError, KeyError, TypeError) as error:
            raise BadPackage(f"the model in {folder} cannot predict its own example: {error}") from error
    return runtime


async def serve(settings: Settings) -> None:
    """Listen, load, answer until SIGTERM, drain. Raises `BadPackage`."""
    application = ModelServer(max_body_bytes=settings.max_body_bytes)
    server = Server(application, replace(Limits(), drain_seconds=settings.drain_seconds))
    server.stop_on_signals()
    if settings.socket is not None:
        await server.listen_unix(settings.socket)
        where = str(settings.socket)
    else:
        port = await server.listen_tcp(settings.host, settings.port)
        where = f"http://{settings.host}:{port}"
        if settings.port_file is not None:
            settings.port_file.write_text(str(port))
    loop = asyncio.get_running_loop()
    models: dict[str, ServedModel] = {}
    for name, folder in settings.models.items():
        runtime = await loop.run_in_executor(None, functools.partial(load, folder))
        models[name] = ServedModel.of(name, settings.version, runtime, application.metrics)
    application.serve(models | {alias: models[name] for alias, name in settings.aliases.items()})
    gc.collect()
    gc.freeze()  # what lives as long as the process need not be looked at again
    log.info("ready: %s on %s", ", ".join(models), where, extra={"action": "ready"})
    await server.run()


def main(argv: list[str] | None = None) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    settings = parse_settings(argv)
    try:
        uvloop.run(serve(settings))
    except BadPackage as error:
        raise SystemExit(f"orrery.serving: {error}") from None


if __name__ == "__main__":
    main()
