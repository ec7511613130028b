"""The door to MLflow: the platform's log-in before it, each caller in their own workspace behind it.

`/mlflow/` serves the UI and every REST call that `rules` lets pass, for browsers and for MLflow clients with
`MLFLOW_TRACKING_URI={platform}/mlflow` and `MLFLOW_TRACKING_TOKEN`. Bodies stream both ways. The caller's token and
cookies stay here.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any, Final
from urllib.parse import quote

import httpx
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, StreamingResponse

from orrery.api.errors import error_body
from orrery.domain.access import User
from orrery.errors import TooLarge, Unavailable
from orrery.tracking import rules
from orrery.tracking.calls import TrackingError, WorkspaceCalls
from orrery.tracking.service import Tracking
from orrery.tracking.workspaces import HEADER, choose_workspace, workspaces_of

log = logging.getLogger(__name__)

_HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_KEPT_HERE: Final = _HOP_BY_HOP | {"host", "authorization", "cookie", "origin", "referer", "forwarded", HEADER.lower()}
#: instead of what its UI shows first: an assistant that is not served, a notice about telemetry that is off, and the
#: view of language-model traces. A choice that somebody has made stays
_PREFERENCES: Final = b"""<script>for (const [key, value] of Object.entries({
"mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": "true", "mlflow.telemetry.info.alert.dismissed_v1": "true",
"mlflow.workflowType_v1": '"machine_learning"'}))
localStorage.getItem(key) ?? localStorage.setItem(key, value)</script>"""
_STARTING: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="2"><title>MLflow is starting…</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; display: grid; place-content: center; min-height: 90vh }
main { text-align: center }
:root { color-scheme: light dark }
progress { width: 16em }
</style></head>
<body><main><h1>MLflow is starting…</h1><p>It sleeps when nobody uses it. This takes about ten seconds.</p>
<progress aria-label="MLflow is starting"></progress></main></body></html>
"""


def make_router(tracking: Tracking, current_user: Callable[..., Any], path: str = "/mlflow") -> APIRouter:
    """`current_user` is the FastAPI dependency that names the caller; `path` is where MLflow lies in the platform."""
    router = APIRouter(include_in_schema=False)
    the_caller = Depends(current_user)

    @router.get(path)
    def add_slash(request: Request) -> Response:
        """The UI's own links are relative to the folder."""
        return RedirectResponse(f"{request.url.path.rsplit('/', 1)[-1]}/", 307)

    @router.api_route(path + "/{rest:path}", methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
    async def pass_on(request: Request, rest: str, caller: User = the_caller) -> Response:
        refusal = _check_request(request, rest)
        if refusal is not None:
            return refusal
        workspace = choose_workspace(caller, request.headers.get(HEADER))
        if workspace is None:
            asked = request.headers.get(HEADER, "")[:80]
            choice = ", ".join(workspaces_of(caller))
            return _refuse(403, "PERMISSION_DENIED", f"the workspace {asked!r} is not yours; yours are: {choice}")
        answered = _answer_here(rest, caller)
        if answered is not None:
            return answered
        if not tracking.server.is_running() and _wants_page(request, rest):
            tracking.wake()
            return HTMLResponse(_STARTING, 503, {"Retry-After": "2", "Cache-Control": "no-store"})
        return await _forward(tracking, request, rest, workspace, workspace in workspaces_of(caller))

    return router


async def _forward(tracking: Tracking, request: Request, path: str, workspace: str, is_own: bool) -> Response:
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(tracking.use())
        try:
            default_experiment = await tracking.enter_workspace(WorkspaceCalls(client, workspace), is_own)
        except TrackingError as error:
            return _refuse(404, error.error_code, error.message)
        headers = [(name, value) for name, value in request.headers.items() if name not in _KEPT_HERE]
        headers += [("host", "localhost"), (HEADER, workspace)]
        query = _replace_in_query(request, path, default_experiment)
        body: bytes | AsyncIterator[bytes] = request.stream()
        if request.method == "POST" and rules.names_experiment(path):
            body = rules.replace_default_experiment(await _read(request), default_experiment)
            headers = [(name, value) for name, value in headers if name != "content-length"]
        elif not _has_body(request):
            body = b""
        # encoded anew from what was checked, so that the server beyond decodes exactly that
        target = quote(path, safe="/-._~").encode()
        url = client.base_url.copy_with(raw_path=b"/" + target + (b"?" + query if query else b""))
        try:
            upstream = client.build_request(request.method, url, headers=headers, content=body)
            answer = await client.send(upstream, stream=True)
        except httpx.TransportError as error:
            raise Unavailable(f"MLflow's server went away during the request ({error!r}); try again") from error
        stack.push_async_callback(answer.aclose)
        if path == "" and request.method == "GET" and answer.status_code == 200:
            page = (await answer.aread()).replace(b"<head>", b"<head>" + _PREFERENCES, 1)
            return HTMLResponse(page, headers={"Cache-Control": "no-cache", "X-Frame-Options": "SAMEORIGIN"})
        return _relay(answer, stack.pop_all())


def _relay(answer: httpx.Response, resources: AsyncExitStack) -> StreamingResponse:
    async def body() -> AsyncIterator[bytes]:
        async with resources:
            async for chunk in answer.aiter_raw():
                yield chunk

    response = _OwningResponse(body(), answer.status_code, resources)
    response.raw_headers = [
        (name.lower(), value)
        for name, value in answer.headers.raw
        if name.lower().decode() not in _HOP_BY_HOP and name.lower() not in (b"set-cookie", b"server", b"date")
    ]
    return response


class _OwningResponse(StreamingResponse):
    """Gives its resources back also when the client leaves before the body begins."""

    def __init__(self, content: AsyncIterator[bytes], status: int, resources: AsyncExitStack) -> None:
        super().__init__(content, status)
        self._resources = resources

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._resources.aclose()


def _check_request(request: Request, path: str) -> Response | None:
    if not rules.is_open(path):
        return _refuse(
            404, "ENDPOINT_NOT_FOUND", f"MLflow's /{path[:200]} is not served here; see the platform's page on MLflow"
        )
    if request.method not in ("GET", "HEAD") and request.headers.get("sec-fetch-site") == "cross-site":
        return _refuse(403, "PERMISSION_DENIED", "another site may not act for you; open MLflow from the platform")
    return None


def _answer_here(path: str, caller: User) -> Response | None:
    """What the UI asks about workspaces: it offers the choice only to who has one."""
    own = workspaces_of(caller)
    endpoint = rules.endpoint_of(path)
    if path == "ajax-api/3.0/mlflow/server-info":
        return JSONResponse(
            {
                "store_type": "SqlStore",
                "workspaces_enabled": len(own) > 1,
                "trace_archival_enabled": False,
                "multipart_uploads_enabled": False,
                "multipart_downloads_enabled": False,
                "features_enabled": {"gateway": False},
            }
        )
    if endpoint == "ui-telemetry":
        return JSONResponse({"disable_ui_telemetry": True, "disable_ui_events": [], "ui_rollout_percentage": 0})
    if endpoint == "workspaces":
        return JSONResponse({"workspaces": [{"name": name} for name in own]})
    if endpoint is not None and endpoint.startswith("workspaces/"):
        name = endpoint.removeprefix("workspaces/")
        known = name in own or caller.admin
        return JSONResponse({"workspace": {"name": name}}) if known else _refuse(404, "RESOURCE_DOES_NOT_EXIST", name)
    return None


def _refuse(status: int, error_code: str, message: str) -> JSONResponse:
    """In the platform's shape and in MLflow's, whose clients read their own."""
    body = error_body(error_code.lower(), message)
    return JSONResponse({**body, "error_code": error_code, "message": message}, status)


def _wants_page(request: Request, path: str) -> bool:
    return request.method == "GET" and path == "" and "text/html" in request.headers.get("accept", "")


def _has_body(request: Request) -> bool:
    return "content-length" in request.headers or "transfer-encoding" in request.headers


async def _read(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > rules.REWRITTEN_BYTES:
            raise TooLarge(f"the request is larger than {rules.REWRITTEN_BYTES:,} bytes", limit=rules.REWRITTEN_BYTES)
    return bytes(body)


def _replace_in_query(request: Request, path: str, default_experiment: str) -> bytes:
    query = request.url.query
    if rules.endpoint_of(path) == "experiments/get" and request.query_params.get("experiment_id") == "0":
        query = f"experiment_id={default_experiment}"
    return query.encode()
