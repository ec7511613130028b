"""The door to apps: who is there, may they visit, and is it awake? Then a ticket, and the gateway takes over.

`/apps/{id}/...` is asked again and again by the page that waits, until it answers with a redirect to the same place
below a ticket, which the gateway exchanges for a cookie (`orrery.gateway.visits`). A visit wakes; nothing else about
it changes anything.
"""

# pyright: reportInvalidTypeForm=false, reportUnknownParameterType=false, reportUnknownArgumentType=false

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, Field
from starlette.responses import Response

from orrery.api.auth import Signer
from orrery.api.hub_oauth import is_page
from orrery.api.views import Orjson
from orrery.api.waiting_page import REFRESH_SECONDS, render, render_missing
from orrery.controllers.apps import AppHost, AppState, Look
from orrery.controllers.commands import Commands
from orrery.domain.access import Act, User, is_allowed
from orrery.domain.ids import is_id
from orrery.domain.kinds import App, Kind
from orrery.domain.records import Record
from orrery.errors import NotFound

TICKET_SECONDS: Final = 60
_PREFIX: Final = re.compile(r"(/[A-Za-z0-9._~%@+-]+)*/orrery")


class AppView(BaseModel):
    """An app that has been visited."""

    url: str = Field(description="Where a browser opens it, below the platform's address.")
    state: str = Field(description="waking, awake, failed or stopped.")
    message: str = Field("", description="What is being done, or what went wrong.")
    log: str = Field("", description="The last lines of its log, where it could not start.")
    entrance: str | None = Field(
        None,
        description="Once it is awake: where it opens without a log-in, as you: once, and within a minute. The browser "
        "that opens it may come back for twelve hours.",
    )


Hosts = Mapping[tuple[str, str], AppHost]


def make_api(commands: Commands, hosts: Hosts, signer: Signer, current_user: Any) -> APIRouter:
    """A visit by program: `POST /api/v1/dashboards/{id}/visit`, `POST /api/v1/trainings/{id}/tensorboard`."""
    api = APIRouter(prefix="/api/v1")

    def add(kind: Kind, app: App, host: AppHost) -> None:
        @api.post(
            f"/{kind.plural}/{{id}}/{app.visit}",
            tags=[kind.title_plural],
            responses={200: {"model": AppView}},
            summary=f"Wake the app of a {kind.title.lower()} as a visit does; how far that is",
        )
        def visit(user: Annotated[User, Depends(current_user)], id: str, again: bool = False) -> Response:  # pyright: ignore[reportUnusedFunction]
            """`again`: also where it could not start before. Ask until it is awake."""
            record = commands.resolve(user, kind, id)
            look = host.visit(record, again=again)
            commands.wake()
            is_awake = look.state is AppState.AWAKE
            app_id = record.id + app.suffix
            entrance = f"/apps/{app_id}/~{_ticket(signer, user, app, record)}/" if is_awake else None
            if look.address:
                entrance = look.address
            answer = {"state": look.state.value, "message": look.message, "log": look.log, "entrance": entrance}
            return Orjson({"url": f"/apps/{app_id}/", **answer})

    for kind in commands.store.kinds:
        for app in kind.apps:
            add(kind, app, hosts[kind.name, app.visit])
    return api


def make_router(commands: Commands, hosts: Hosts, signer: Signer, current_user: Any, base_path: str) -> APIRouter:
    """`hosts`: who runs the apps, by the kind of their resource and what a visit is called."""
    router = APIRouter(include_in_schema=False)
    caller = Annotated[User, Depends(current_user)]

    def find(user: User, app_id: str) -> tuple[Record, App]:
        prefix, _, rest = app_id.partition("_")
        resource_id = f"{prefix}_{rest.partition('_')[0]}"
        record = commands.store.find(resource_id) if is_id(resource_id) else None
        if record is not None and record.deleted_at is None and is_allowed(user, Act.USE, record):
            for app in commands.store.kinds.named(record.kind).apps:
                if app_id == record.id + app.suffix:
                    return record, app
        raise NotFound(f"there is no app {app_id!r}, or you may not see it")

    @router.get("/apps/{app_id}")
    def add_slash(app_id: str, _: caller) -> Response:  # pyright: ignore[reportUnusedFunction]
        return RedirectResponse(f"{base_path}/apps/{app_id}/", 307)

    @router.get("/apps/{app_id}/{rest:path}")
    def visit(  # pyright: ignore[reportUnusedFunction]
        request: Request, user: caller, app_id: str, rest: str, again: Annotated[bool, Query()] = False
    ) -> Response:
        back = way_back(request, base_path)
        try:
            record, app = find(user, app_id)
        except NotFound as error:
            if not is_page(request):
                raise
            return HTMLResponse(render_missing(error.message, back=back), 404)
        look = hosts[record.kind, app.visit].visit(record, again=again)
        commands.wake()
        if again:
            # the page that waits asks again and again; this was asked for once
            return RedirectResponse(f"{base_path}/apps/{app_id}/{quote(rest)}", 303)
        if look.state is AppState.AWAKE and look.address:
            return RedirectResponse(look.address, 302, {"Cache-Control": "no-store"})
        if look.state is AppState.AWAKE:
            target = f"{base_path}/apps/{app_id}/~{_ticket(signer, user, app, record)}/{quote(rest)}"
            query = f"?{request.url.query}" if request.url.query else ""
            return RedirectResponse(target + query, 302, {"Cache-Control": "no-store"})
        return _waiting(request, record, look, back, is_owner=is_allowed(user, Act.WRITE, record))

    return router


def _waiting(request: Request, record: Record, look: Look, back: tuple[str, str], *, is_owner: bool) -> Response:
    headers = {"Cache-Control": "no-store", "Retry-After": str(REFRESH_SECONDS)}
    if not is_page(request):
        answer = {"state": look.state.value, "message": look.message, "log": look.log}
        return Orjson(answer, 503, headers=headers)
    # to a browser the page is the answer, and no failure for the servers between to log
    status = 202 if look.state is AppState.WAKING else 503
    return HTMLResponse(render(record.name, look, back=back, is_owner=is_owner), status, headers)


def _ticket(signer: Signer, user: User, app: App, record: Record) -> str:
    """With no more of the user than lets them in: an administrator who is let in as anybody is, is anybody there."""
    plain = User(user.name, user.groups & {record.owner, record.group or ""})
    visitor = plain if is_allowed(plain, Act.USE, record) else replace(plain, admin=user.admin)
    title = record.name if app.is_main else f"{record.name} · {app.title}"
    return signer.sign_ticket(visitor, record.id + app.suffix, title, TICKET_SECONDS)


def way_back(request: Request, base_path: str) -> tuple[str, str]:
    """A link out of an app's page: to JupyterLab where that was the way in, else to the hub or the API's page."""
    given = request.headers.get("x-forwarded-prefix", "")
    if _PREFIX.fullmatch(given):
        return f"{given.removesuffix('orrery')}lab", "Back to JupyterLab"
    if base_path:
        return f"{base_path.partition('/services/')[0]}/hub/home", "Back to the hub"
    return "/docs", "Back to Orrery"
