"""The routes that every kind has, made from its declaration.

Annotations are values here, not strings: FastAPI reads those that are made for each kind inside `make_router`.
"""

# pyright: reportInvalidTypeForm=false, reportUnusedFunction=false, reportUnknownParameterType=false
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false, reportUnknownVariableType=false

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Depends, Header, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field, create_model

from orrery.api.views import Orjson, view, views
from orrery.controllers.commands import Changes, Commands
from orrery.controllers.contract import NewResource
from orrery.domain.access import User, Visibility
from orrery.domain.kinds import Action, Kind
from orrery.domain.records import Json, Record
from orrery.errors import Invalid
from orrery.store import rows
from orrery.store.resources import summary

Authenticate = Callable[..., Any]


class ResourceStatus(BaseModel):
    phase: str
    state: str
    settled: bool
    reason: str
    message: str
    progress: dict[str, Any] | None
    started_at: str | None
    ended_at: str | None
    #: how long it ran, of a training or a tuning that was started again all times together
    duration_seconds: float | None
    #: that part of it that lies before `started_at`
    earlier_seconds: float
    outputs: dict[str, Any]


class ReferenceView(BaseModel):
    path: str
    kind: str
    id: str
    owner: str
    name: str
    version: int | None
    deleted: bool


class ResourceView(BaseModel):
    """A resource as it is answered; `spec` is the kind's own."""

    id: str
    kind: str
    name: str
    version: int | None
    owner: str
    visibility: Visibility
    group: str | None
    description: str
    tags: list[str]
    spec: dict[str, Any]
    target: Literal["running", "stopped", "deleted"]
    status: ResourceStatus
    references: list[ReferenceView]
    created_at: str
    updated_at: str
    deleted_at: str | None
    etag: str


class ResourcePage(BaseModel):
    items: list[ResourceView]
    next: str | None
    total: int | None


class Envelope(BaseModel):
    """What every create request has around its spec."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="1 to 63 letters, digits, '.', '_' or '-'; unique per owner and kind.")
    description: str = Field("", max_length=10_000)
    owner: str | None = Field(None, description="You, or a group of yours; empty: you.")
    visibility: Visibility = Visibility.PRIVATE
    group: str | None = Field(None, description="Whose members may see and use it, where visibility is 'group'.")
    tags: list[str] = Field(default_factory=list[str], max_length=50)


class PatchBody(BaseModel):
    """What is left out stays as it is. `spec` is merged field by field."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = None
    description: str | None = Field(None, max_length=10_000)
    visibility: Visibility | None = None
    group: str | None = None
    tags: list[str] | None = Field(None, max_length=50)
    spec: dict[str, Any] = Field(default_factory=dict)


class CopyBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    spec: dict[str, Any] = Field(default_factory=dict, description="Fields of the spec that differ.")


def title_of(kind: Kind) -> str:
    return kind.title.title().replace(" ", "")


def make_router(kind: Kind, commands: Commands, current_user: Authenticate) -> APIRouter:
    """The routes of one kind, below `/api/v1`."""
    router = APIRouter(prefix=f"/api/v1/{kind.plural}", tags=[kind.title_plural])
    routes = KindRoutes(kind, commands)
    caller = Annotated[User, Depends(current_user)]
    create_body = create_model(
        f"{title_of(kind)}Create", __base__=Envelope, spec=(kind.spec, ... if _has_required(kind) else kind.spec())
    )
    identifier = Annotated[str, Path(description="Its id, or `name`, or `name@version`.")]
    dry = Annotated[bool, Query(description="Only check it: nothing is written.")]
    one: dict[int | str, dict[str, Any]] = {200: {"model": ResourceView}}

    if kind.creatable:

        @router.post(
            "", status_code=201, responses={201: {"model": ResourceView}}, summary=f"Create a {kind.title.lower()}"
        )
        def create(
            user: caller,
            body: Annotated[create_body, Body()],
            idempotency_key: Annotated[str | None, Header(max_length=255)] = None,
            dry_run: dry = False,
        ) -> Response:
            return routes.create(user, body, idempotency_key, dry_run=dry_run)

    @router.get("", responses={200: {"model": ResourcePage}}, summary=f"List {kind.title_plural.lower()}")
    def list_(
        user: caller,
        owner: str | None = None,
        phase: Annotated[list[str] | None, Query()] = None,
        state: Annotated[list[str] | None, Query()] = None,
        tag: str | None = None,
        name: str | None = None,
        q: Annotated[str | None, Query(description="A part of the name or description.")] = None,
        order: Annotated[
            str,
            Query(description="A field, metric.NAME or parameter.NAME, with '-' before it for descending."),
        ] = "-created_at",
        limit: Annotated[int, Query(ge=1, le=rows.MAX_PAGE)] = 50,
        cursor: str | None = None,
        trashed: bool = False,
        total: Annotated[bool, Query(description="Count all that match as well.")] = False,
        parts: Annotated[
            bool,
            Query(
                description=f"0 leaves out {kind.parts.title.lower()}." if kind.parts else "",
                include_in_schema=kind.parts is not None,
            ),
        ] = True,
        refers_to: Annotated[
            str | None, Query(description="The id of a resource, say an experiment's: only what refers to it.")
        ] = None,
    ) -> Response:
        query = rows.Query(
            kind=kind.name,
            viewer=user,
            owner=owner,
            phases=routes.phases(phase, state),
            tag=tag,
            name=name,
            text=q,
            order=order,
            limit=limit,
            cursor=cursor,
            trashed=trashed,
            without=kind.parts.path if kind.parts and not parts else None,
            refers_to=refers_to,
        )
        return routes.list_page(query, total=total)

    @router.get("/by-name/{owner}/{name}", responses=one, summary=f"Get a {kind.title.lower()} by its name")
    def by_name(user: caller, owner: str, name: str, version: int | None = None) -> Response:
        reference = f"{owner}/{name}@{version}" if version else f"{owner}/{name}"
        return routes.answer(commands.resolve(user, kind, reference))

    @router.get("/{id}", responses=one, summary=f"Get a {kind.title.lower()}")
    def get(user: caller, id: identifier) -> Response:
        return routes.answer(commands.resolve(user, kind, id, trashed=True))

    @router.patch("/{id}", responses=one, summary=f"Change a {kind.title.lower()}")
    def patch(
        user: caller,
        id: identifier,
        body: PatchBody,
        if_match: Annotated[str | None, Header()] = None,
        dry_run: dry = False,
    ) -> Response:
        return routes.patch(user, id, body, if_match, dry_run=dry_run)

    @router.delete("/{id}", status_code=200, summary=f"Move a {kind.title.lower()} to the trash")
    def delete(
        user: caller,
        id: identifier,
        cascade: Annotated[bool, Query(description="Remove everything that depends on it, too.")] = False,
        preview: Annotated[str | None, Query(description="The digest that `dependents?deep=1` answered.")] = None,
    ) -> Response:
        record = commands.resolve(user, kind, id)
        moved = commands.delete(user, record, cascade=cascade, digest=preview)
        return Orjson({"items": [summary(gone) for gone in moved]})

    @router.get("/{id}/dependents", summary="What refers to it")
    def dependents(user: caller, id: identifier, deep: bool = False) -> Response:
        record = commands.resolve(user, kind, id, trashed=True)
        found, digest = commands.visible_dependents(user, record, deep=deep)
        return Orjson({"items": [summary(dependent) for dependent in found], "digest": digest})

    @router.get("/{id}/references", summary="What it refers to, and what it came from without needing it")
    def references(user: caller, id: identifier) -> Response:
        record = commands.resolve(user, kind, id, trashed=True)
        edges = [(edge.path, target) for edge, target in commands.store.references_of([record.id])[record.id]]
        origins = commands.controllers[record.kind].came_from(record)
        found = commands.store.find_many(origins.values())
        edges += [(path, found[origin]) for path, origin in origins.items() if origin in found]
        return Orjson({"items": [{"path": path, **summary(target)} for path, target in edges]})

    @router.post("/{id}/restore", responses=one, summary="Take it out of the trash")
    def restore(user: caller, id: identifier) -> Response:
        return routes.answer(commands.restore(user, commands.resolve(user, kind, id, trashed=True)))

    if kind.creatable:

        @router.post("/{id}/copy", status_code=201, responses={201: {"model": ResourceView}}, summary="Copy it as new")
        def copy(
            user: caller,
            id: identifier,
            body: CopyBody,
            idempotency_key: Annotated[str | None, Header(max_length=255)] = None,
        ) -> Response:
            record = commands.resolve(user, kind, id, trashed=True)
            made = commands.copy(user, record, body.name, body.spec, idempotency_key=idempotency_key)
            return routes.answer(made, 201)

    for action in kind.actions:
        _add_action(router, routes, action, caller)
    return router


def _add_action(router: APIRouter, routes: "KindRoutes", action: Action, caller: Any) -> None:
    """`POST /{id}/<action>`; a body only where the action has one."""
    body_type = action.body or BaseModel

    def act(user: caller, id: str) -> Response:
        return routes.act(user, id, action.name, None)

    def act_with_body(user: caller, id: str, body: Annotated[body_type | None, Body()] = None) -> Response:
        return routes.act(user, id, action.name, body.model_dump(mode="json") if body is not None else None)

    name = f"{action.name.replace('-', '_')}_{routes.kind.name.replace('-', '_')}"
    router.add_api_route(
        f"/{{id}}/{action.name}",
        act if action.body is None else act_with_body,
        methods=["POST"],
        name=name,
        operation_id=name,
        summary=action.title,
        responses={200: {"model": ResourceView}},
    )


def _has_required(kind: Kind) -> bool:
    return any(info.is_required() for info in kind.spec.model_fields.values())


class KindRoutes:
    """The work behind the routes of one kind."""

    def __init__(self, kind: Kind, commands: Commands) -> None:
        self.kind = kind
        self.commands = commands
        self.store = commands.store

    def answer(self, record: Record, status: int = 200) -> Response:
        references = self.store.references_of([record.id])[record.id]
        kind = self.store.kinds.named(record.kind)
        live: Json = self.commands.controllers[record.kind].view(record)
        content = view(record, kind, references, now=self.store.clock(), live=live)
        headers = {"ETag": f'"{record.etag}"'}
        if status == 201:
            headers["Location"] = f"/api/v1/{kind.plural}/{record.id}"
        return Orjson(content, status, headers)

    def create(self, user: User, body: Any, idempotency_key: str | None, *, dry_run: bool = False) -> Response:
        new = NewResource(
            name=body.name,
            spec=body.spec.model_dump(mode="json", exclude_unset=True),
            owner=body.owner,
            description=body.description,
            visibility=body.visibility,
            group=body.group,
            tags=tuple(body.tags),
        )
        if dry_run:
            return Orjson({"spec": self.commands.check(user, self.kind, new)})
        return self.answer(self.commands.create(user, self.kind, new, idempotency_key=idempotency_key), 201)

    def list_page(self, query: rows.Query, *, total: bool) -> Response:
        page = self.store.list(query)
        counted = sum(self.store.count_by_phase(query).values()) if total else None
        return Orjson({"items": views(self.store, self.store.kinds, page.items), "next": page.next, "total": counted})

    def phases(self, phases: list[str] | None, states: list[str] | None) -> frozenset[str] | None:
        """The phases meant by `?phase=` and `?state=`. Raises: Invalid listing what there is."""
        known = self.kind.machine.phases
        if not phases and not states:
            return None
        wanted = [name for given in phases or [] for name in given.split(",")]
        unknown = [name for name in wanted if name not in known]
        if unknown:
            raise Invalid(f"phase {unknown[0]!r} is unknown; a {self.kind.title.lower()} has {', '.join(known)}")
        states = [name for given in states or [] for name in given.split(",")]
        all_states = sorted({phase.state for phase in known.values()})
        strange = [name for name in states if name not in all_states]
        if strange:
            raise Invalid(f"state {strange[0]!r} is unknown; a {self.kind.title.lower()} has {', '.join(all_states)}")
        return frozenset(wanted) | {name for name, phase in known.items() if phase.state in states}

    def patch(
        self, user: User, reference: str, body: PatchBody, if_match: str | None, *, dry_run: bool = False
    ) -> Response:
        record = self.commands.resolve(user, self.kind, reference)
        changes = Changes(
            name=body.name,
            description=body.description,
            visibility=body.visibility,
            group=body.group,
            tags=tuple(body.tags) if body.tags is not None else None,
            spec=body.spec,
        )
        etag = None
        if if_match is not None and if_match != "*":
            text = if_match.strip().removeprefix("W/").strip('"')
            if not text.isdecimal():
                raise Invalid(
                    f"If-Match {if_match!r} is no etag of ours; send the one that the resource was answered with"
                )
            etag = int(text)
        return self.answer(self.commands.patch(user, record, changes, etag=etag, dry_run=dry_run))

    def act(self, user: User, reference: str, action: str, body: Json | None) -> Response:
        record = self.commands.resolve(user, self.kind, reference)
        result = self.commands.act(user, record, action, body)
        return self.answer(result, 200 if result.id == record.id else 201)
