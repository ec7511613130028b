"""Routes about the platform itself: health, kinds, who one is, tokens, sizes, metrics."""

# pyright: reportInvalidTypeForm=false, reportUnknownParameterType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import PlainTextResponse, Response

from orrery._version import __version__
from orrery.api.auth import Signer, check_lifetime
from orrery.api.views import Orjson, iso
from orrery.controllers.commands import Commands
from orrery.domain.access import User
from orrery.domain.goals import WORDS
from orrery.domain.kinds import Kind, describe
from orrery.domain.records import Json
from orrery.executors.contract import Resources
from orrery.store.rows import Query


class TokenBody(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    expires_seconds: float | None = Field(None, description="Lifetime; empty: 12 hours.")


def make_router(commands: Commands, signer: Signer, current_user: Any, mode: str) -> APIRouter:
    router = APIRouter(tags=["Platform"])
    caller = Annotated[User, Depends(current_user)]
    platform, store = commands.platform, commands.store

    def offered(kind: Kind) -> Json:
        described = describe(kind)
        return {**described, "spec_schema": commands.controllers[kind.name].offer(described["spec_schema"])}

    @router.get("/healthz", summary="Whether the process answers")
    async def healthz() -> Response:  # pyright: ignore[reportUnusedFunction]
        return Orjson({"status": "ok", "version": __version__})

    @router.get("/readyz", summary="Whether it can do its work: database and object store")
    def readyz() -> Response:  # pyright: ignore[reportUnusedFunction]
        store.leases.next_due()
        return Orjson({"status": "ready", "version": __version__})

    @router.get(
        "/api/v1/kinds",
        summary="The kinds, with everything that forms and lists are made from",
        description="`goals`: by which words a metric's name says that it is to be small or large, as regular "
        "expressions without regard to case; first those of `minimize`. What an algorithm declares goes before them.",
    )
    def kinds(_: caller) -> Response:  # pyright: ignore[reportUnusedFunction]
        served = [kind for kind in store.kinds if mode == "hub" or not kind.needs_hub]
        return Orjson({"items": [offered(kind) for kind in served], "goals": WORDS})

    @router.get("/api/v1/auth/whoami", summary="Who the token belongs to")
    def whoami(user: caller) -> Response:  # pyright: ignore[reportUnusedFunction]
        return Orjson(
            {
                "name": user.name,
                "groups": sorted(user.groups),
                "admin": user.admin,
                "mode": mode,
                "version": __version__,
            }
        )

    @router.post("/api/v1/auth/token", summary="A signed token (JWT) for scripts")
    def token(user: caller, body: TokenBody | None = None) -> Response:  # pyright: ignore[reportUnusedFunction]
        made, ends = signer.sign(user, check_lifetime(body.expires_seconds if body else None))
        return Orjson({"token": made, "expires_at": iso(datetime.fromtimestamp(ends, UTC))})

    @router.get("/api/v1/instance-types", summary="The named sizes, and which of them fit here")
    def instance_types(_: caller) -> Response:  # pyright: ignore[reportUnusedFunction]
        total = platform.executor.capacity().total
        items = [
            {
                "name": name,
                **size.model_dump(),
                "fits": _fits(size.resources, total),
                "for_kernels": platform.settings.is_for_kernels(name),
            }
            for name, size in platform.settings.instance_types.items()
        ]
        return Orjson({"items": items})

    @router.get("/metrics", summary="Prometheus metrics")
    def metrics(user: caller) -> Response:  # pyright: ignore[reportUnusedFunction]
        return PlainTextResponse(prometheus(commands, user), media_type="text/plain; version=0.0.4")

    return router


def prometheus(commands: Commands, user: User) -> str:
    """`orrery_resources{kind,phase}`, the queue's length and what is handed out."""
    lines = ["# HELP orrery_resources Resources by kind and phase.", "# TYPE orrery_resources gauge"]
    for (kind, phase), count in sorted(commands.store.count_by_phase(Query(viewer=user)).items()):
        lines.append(f'orrery_resources{{kind="{kind}",phase="{phase}"}} {count}')
    capacity = commands.platform.executor.capacity()
    lines += ["# HELP orrery_queue_jobs Jobs and replicas that wait.", "# TYPE orrery_queue_jobs gauge"]
    lines.append(f"orrery_queue_jobs {capacity.waiting}")
    lines += ["# HELP orrery_held_cores Cores handed out.", "# TYPE orrery_held_cores gauge"]
    lines.append(f"orrery_held_cores {capacity.held.cores:g}")
    lines += ["# HELP orrery_held_memory_bytes Memory handed out.", "# TYPE orrery_held_memory_bytes gauge"]
    lines.append(f"orrery_held_memory_bytes {capacity.held.memory_bytes}")
    return "\n".join(lines) + "\n"


def _fits(asked: Resources, total: Resources) -> bool:
    return asked.cores <= total.cores and asked.memory_bytes <= total.memory_bytes and asked.gpus <= total.gpus
