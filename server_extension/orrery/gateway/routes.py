"""The routes document: written by the platform, followed by the gateway. This module is all that the two share.

write_routes(home / "gateway" / "routes.json", Routes(revision=1, platform=Platform(...), routes=(...)))
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, cast

import orjson

VISIBILITIES: Final = ("private", "group", "public")


class BadRoutes(Exception):
    """The routes document cannot be used; the message says which field, and why."""


@dataclass(frozen=True)
class Replica:
    id: str
    #: `unix:/path`, `http://host:port` or `host:port`
    address: str


@dataclass(frozen=True)
class Deployment:
    """One model version behind an endpoint, with the replicas that are ready."""

    id: str
    model: str
    model_version: int | None
    #: percent of the traffic; 0: reached only with the header `X-Orrery-Deployment: <id>`
    weight: float
    replicas: tuple[Replica, ...] = ()


@dataclass(frozen=True)
class RouteLimits:
    max_body_bytes: int = 32 << 20
    #: from the whole request to the first byte of the answer, and between two pieces of it
    timeout_seconds: float = 60.0


@dataclass(frozen=True)
class Route:
    endpoint_id: str
    owner: str
    name: str
    visibility: str = "private"
    group: str | None = None
    stopped: bool = False
    limits: RouteLimits = RouteLimits()
    deployments: tuple[Deployment, ...] = ()


@dataclass(frozen=True)
class App:
    """A web application that is awake, and who may visit it. `id` is its resource's."""

    id: str
    owner: str
    address: str
    visibility: str = "private"
    group: str | None = None


@dataclass(frozen=True)
class Platform:
    address: str


@dataclass(frozen=True)
class Routes:
    revision: int
    platform: Platform | None = None
    routes: tuple[Route, ...] = ()
    apps: tuple[App, ...] = ()


def write_routes(path: Path, document: Routes) -> None:
    """Replace the document atomically and durably."""
    write_atomically(path, orjson.dumps(asdict(document), option=orjson.OPT_INDENT_2))


def write_atomically(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def parse_routes(data: bytes) -> Routes:
    """Raises `BadRoutes`."""
    try:
        document = _Fields(cast("object", orjson.loads(data)), "routes")
    except orjson.JSONDecodeError as error:
        raise BadRoutes(f"the routes document is not JSON: {error}") from None
    platform = document.value.get("platform")
    routes = tuple(_route(_Fields(item, f"routes[{i}]")) for i, item in enumerate(document.items("routes")))
    seen: set[tuple[str, str]] = set()
    for route in routes:
        if (route.owner, route.name) in seen:
            raise BadRoutes(f"endpoint {route.owner}/{route.name} is given twice")
        seen.add((route.owner, route.name))
    return Routes(
        revision=document.integer("revision", 0),
        platform=None if platform is None else Platform(_Fields(platform, "platform").text("address")),
        routes=routes,
        apps=tuple(_app(_Fields(item, f"apps[{i}]")) for i, item in enumerate(document.items("apps"))),
    )


def _app(item: _Fields) -> App:
    visibility, group = _visibility(item)
    return App(item.text("id"), item.text("owner"), item.text("address"), visibility, group)


def _visibility(item: _Fields) -> tuple[str, str | None]:
    visibility = item.text("visibility", "private")
    if visibility not in VISIBILITIES:
        raise BadRoutes(f"{item.where}.visibility is {visibility!r}; use one of {', '.join(VISIBILITIES)}")
    return visibility, None if item.value.get("group") is None else item.text("group")


def _route(item: _Fields) -> Route:
    visibility, group = _visibility(item)
    limits = _Fields(item.value.get("limits") or {}, f"{item.where}.limits")
    return Route(
        endpoint_id=item.text("endpoint_id"),
        owner=item.text("owner"),
        name=item.text("name"),
        visibility=visibility,
        group=group,
        stopped=item.value.get("stopped") is True,
        limits=RouteLimits(
            max_body_bytes=limits.integer("max_body_bytes", RouteLimits.max_body_bytes),
            timeout_seconds=limits.number("timeout_seconds", RouteLimits.timeout_seconds),
        ),
        deployments=tuple(
            _deployment(_Fields(part, f"{item.where}.deployments[{i}]"))
            for i, part in enumerate(item.items("deployments"))
        ),
    )


def _deployment(item: _Fields) -> Deployment:
    version = item.value.get("model_version")
    weight = item.number("weight", 100)
    if weight < 0:
        raise BadRoutes(f"{item.where}.weight is {weight}; it must be 0 or more")
    replicas = [_Fields(part, f"{item.where}.replicas[{i}]") for i, part in enumerate(item.items("replicas"))]
    return Deployment(
        id=item.text("id"),
        model=item.text("model", ""),
        model_version=None if version is None else item.integer("model_version"),
        weight=weight,
        replicas=tuple(Replica(part.text("id"), part.text("address")) for part in replicas),
    )


class _Fields:
    """Typed reading of one object; errors name the place."""

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, dict):
            raise BadRoutes(f"{where} is {value!r}; it must be an object")
        self.value: Mapping[str, object] = cast("dict[str, object]", value)
        self.where = where

    def text(self, key: str, default: str | None = None) -> str:
        value = self.value.get(key, default)
        if not isinstance(value, str):
            raise BadRoutes(f"{self.where}.{key} is {value!r}; it must be a string")
        return value

    def integer(self, key: str, default: int | None = None) -> int:
        value = self.value.get(key, default)
        if type(value) is not int:
            raise BadRoutes(f"{self.where}.{key} is {value!r}; it must be an integer")
        return value

    def number(self, key: str, default: float) -> float:
        value = self.value.get(key, default)
        if type(value) is not int and type(value) is not float:
            raise BadRoutes(f"{self.where}.{key} is {value!r}; it must be a number")
        return value

    def items(self, key: str) -> list[object]:
        value = self.value.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise BadRoutes(f"{self.where}.{key} is {value!r}; it must be a list")
        return cast("list[object]", value)
