"""Resources as YAML in Lab: the rules are the client's, which `orrery export` and `orrery apply` use as well.

Below `{base_url}orrery-extension/manifests/`, as whoever is logged in to this server:

    POST export   {"items": [{"kind", "id"}]}                       -> {"text"}
    POST draft    {"kind", "name", "spec", "description"? ...}      -> {"text"}
    POST plan     {"text", "name"?}                                 -> {"plan", "steps": [...]}
    POST apply    {"text", "name"?, "plan"}                         -> a line of JSON for each step that is done

`plan` names what was shown; where something else would be done by now, applying is refused.
"""

# Jupyter's decorator carries no types
# pyright: reportUntypedFunctionDecorator=false

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from tornado import web
from tornado.iostream import StreamClosedError

from orrery.errors import Invalid, OrreryError, Stale
from orrery.extension.proxy import Platform
from orrery.http_status import status_of

if TYPE_CHECKING:
    from orrery.client import Client
    from orrery.client.applying import Step
    from orrery.client.resources import Resource

Json = dict[str, Any]
ADDRESS: Final = "/orrery-extension/manifests"
#: resources in one exported file
MAX_EXPORTED: Final = 200


class _Left(OrreryError):
    """The page was closed; what had not been begun was not done."""

    code = "left"


def make_plan_view(steps: list[Step]) -> Json:
    """What would be done, in order, and a name for exactly that."""
    views = [
        {
            "label": step.label,
            "kind": step.manifest.kind,
            "does": step.does,
            "line": step.manifest.line_of(),
            "differences": [str(difference) for difference in step.differences],
        }
        for step in steps
    ]
    # the line is where it is written, not what is done
    said = [{**view, "line": None, "body": step.manifest.body} for view, step in zip(views, steps, strict=True)]
    name = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
    return {"plan": name, "steps": views}


class ManifestsBase(APIHandler):
    auth_resource: ClassVar[str] = "orrery"

    def initialize(self, platform: Platform) -> None:
        self.platform = platform

    def read_body(self) -> Json:
        body: Any = self.get_json_body()
        if not isinstance(body, dict):
            raise Invalid("the request has no JSON object as its body")
        return cast("Json", body)

    async def as_user(self, do: Callable[[Client], Any]) -> Any:
        """Run `do` in a thread, with a client of the platform. Raises: OrreryError."""
        from orrery.client import Client

        upstream = await self.platform.upstream()

        def work() -> Any:
            with Client(upstream.url, upstream.token) as client:
                return do(client)

        return await asyncio.to_thread(work)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None))[1]
        if not isinstance(error, OrreryError):
            super().write_error(status_code, **kwargs)
            return
        self.set_status(status_of(error))
        self.finish(json.dumps(_error_view(error)))  # pyright: ignore[reportUnknownMemberType]

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        if isinstance(value, OrreryError):
            self.log.info("%s %s: %s", self.request.method, self.request.path, value)
        else:
            super().log_exception(typ, value, tb)


def _error_view(error: OrreryError) -> Json:
    return {"error": {"code": error.code, "message": error.message, "details": error.details}}


class ExportHandler(ManifestsBase):
    @web.authenticated
    @authorized("read")
    async def post(self) -> None:
        items: Any = self.read_body().get("items")
        if not isinstance(items, list) or not 0 < len(cast("list[Any]", items)) <= MAX_EXPORTED:
            raise Invalid(f"items is no list of 1 to {MAX_EXPORTED} resources; give [{{'kind': ..., 'id': ...}}]")
        self.finish({"text": await self.as_user(lambda client: _export(client, cast("list[Json]", items)))})


def _export(client: Client, items: list[Json]) -> str:
    from orrery.client.manifest_files import with_files
    from orrery.client.manifests import export, write_manifests

    documents: list[Json] = []
    for item in items:
        declaration = client.declaration(str(item.get("kind")))
        if not declaration.creatable:
            raise Invalid(f"a {declaration.title.lower()} is made by the platform and cannot be applied from a file")
        resource = client.kind(declaration.name).get(str(item.get("id")))
        documents.append(with_files(resource, export(resource), None))
    return write_manifests(documents)


class DraftHandler(ManifestsBase):
    @web.authenticated
    @authorized("read")
    async def post(self) -> None:
        self.finish({"text": await self.as_user(lambda client: _write_draft(client, self.read_body()))})


def _write_draft(client: Client, draft: Json) -> str:
    from orrery.client.manifests import make_document, write_manifests

    spec: Any = draft.get("spec") or {}
    if not isinstance(spec, dict):
        raise Invalid(f"spec is {spec!r}; it is a mapping")
    declaration = client.declaration(str(draft.get("kind")))
    name = str(draft.get("name") or f"new-{declaration.name}")
    return write_manifests([make_document(declaration, name, draft, cast("Json", spec))])


class PlanHandler(ManifestsBase):
    @web.authenticated
    @authorized("read")
    async def post(self) -> None:
        body = self.read_body()
        self.finish(await self.as_user(lambda client: make_plan_view(_plan(client, body))))


def _plan(client: Client, body: Json) -> list[Step]:
    from orrery.client.applying import make_plan
    from orrery.client.manifest_files import send_files
    from orrery.client.manifests import read_manifests

    text = str(body.get("text", "")).encode("utf-8", "surrogatepass")
    manifests = read_manifests(text, str(body.get("name") or "the file"))
    # what it holds is sent to be looked at as well: what nothing holds afterwards is removed by and by
    return make_plan(client, send_files(client, manifests, None))


class ApplyHandler(ManifestsBase):
    """Answers with 200 once the first step is done; what fails afterwards is the last line, as `{"error": ...}`."""

    @web.authenticated
    @authorized("write")
    async def post(self) -> None:
        body = self.read_body()
        loop = asyncio.get_running_loop()
        done: asyncio.Queue[Json | None] = asyncio.Queue()
        self._left = threading.Event()

        def tell(step: Step, made: Resource | None) -> None:
            resource = made or step.existing
            view = {"label": step.label, "kind": step.manifest.kind, "does": step.does}
            loop.call_soon_threadsafe(done.put_nowait, {**view, "id": resource.id if resource else None})
            if self._left.is_set():
                raise _Left

        working = asyncio.create_task(self.as_user(lambda client: _apply(client, body, tell)), name="apply manifests")
        working.add_done_callback(lambda _: done.put_nowait(None))
        self.set_header("Content-Type", "application/x-ndjson")
        has_begun = False
        while (line := await done.get()) is not None:
            has_begun = True
            await self._send(line)
        error = working.exception()
        if isinstance(error, OrreryError) and has_begun:
            await self._send(_error_view(error))
        elif error is not None:
            raise error

    async def _send(self, line: Json) -> None:
        self.write(json.dumps(line) + "\n")  # pyright: ignore[reportUnknownMemberType]
        try:
            await self.flush()
        except StreamClosedError:
            self.log.debug("the browser went away during %s", self.request.path)

    def on_connection_close(self) -> None:
        super().on_connection_close()
        if hasattr(self, "_left"):
            self._left.set()


def _apply(client: Client, body: Json, tell: Callable[[Step, Resource | None], None]) -> None:
    from orrery.client.applying import carry_out

    steps = _plan(client, body)
    if make_plan_view(steps)["plan"] != body.get("plan"):
        raise Stale("something was changed since it was looked at, and other things would be done; look at it again")
    carry_out(client, steps, tell)


def make_handlers(platform: Platform) -> list[tuple[str, Any, Json]]:
    """Routes below the server's base URL."""
    options = {"platform": platform}
    return [
        (rf"{ADDRESS}/export", ExportHandler, options),
        (rf"{ADDRESS}/draft", DraftHandler, options),
        (rf"{ADDRESS}/plan", PlanHandler, options),
        (rf"{ADDRESS}/apply", ApplyHandler, options),
    ]
