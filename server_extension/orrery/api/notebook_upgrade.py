"""The upgrade that notebooks' servers are restarted for: administrators say it and see what became of it."""

# pyright: reportInvalidTypeForm=false, reportUnknownParameterType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.responses import Response

from orrery.api.views import Orjson
from orrery.controllers.commands import Commands
from orrery.controllers.notebook_upgrades import UpgradeBook, iso_text, restarts
from orrery.domain.access import User
from orrery.domain.notebooks import NOTEBOOK
from orrery.domain.records import Json
from orrery.domain.upgrades import Upgrade
from orrery.errors import Forbidden, Invalid
from orrery.store.notebook_use import NotebookUseStore
from orrery.store.rows import Query


class UpgradeBody(BaseModel):
    model_config = ConfigDict(extra="forbid")
    message: str = Field(min_length=1, max_length=500, description="What changes; shown at every notebook concerned.")
    expires_at: AwareDatetime = Field(
        description="Until when people restart their notebooks themselves; from then on the platform does, each as "
        "soon as nothing runs in it."
    )


def make_router(commands: Commands, book: UpgradeBook, uses: NotebookUseStore, current_user: Any) -> APIRouter:
    router = APIRouter(prefix="/api/v1/notebook-upgrade", tags=["Notebooks"])
    caller = Annotated[User, Depends(current_user)]
    store = commands.store

    def administrator(user: caller) -> User:
        if not user.admin:
            raise Forbidden(f"only administrators may have notebooks restarted, and {user.name} is none; ask one")
        return user

    admin = Annotated[User, Depends(administrator)]

    def document(user: User) -> Json:
        upgrade = book.current
        if upgrade is None:
            return {"upgrade": None, "items": []}
        items = [
            {
                "notebook": restart.notebook.id,
                "owner": restart.notebook.owner,
                "name": restart.notebook.name,
                "phase": restart.notebook.phase,
                "state": restart.state,
                "message": restart.message,
            }
            for restart in restarts(store, uses, upgrade)
            if user.admin or restart.notebook.owner == user.name
        ]
        told = {
            "message": upgrade.message,
            "since": iso_text(upgrade.since),
            "expires_at": iso_text(upgrade.expires_at),
            "by": upgrade.by,
        }
        return {"upgrade": told, "items": items}

    def change(user: User, upgrade: Upgrade | None) -> Response:
        book.change(upgrade)
        for record in store.every(Query(kind=NOTEBOOK.name)):
            if record.phase.startswith("ACTIVE"):
                store.leases.wake(record.id)
        commands.wake()
        return Orjson(document(user))

    @router.get("", summary="What notebooks are restarted for, and those that were not yet, or failed to be")
    def read(user: caller) -> Response:  # pyright: ignore[reportUnusedFunction]
        return Orjson(document(user))

    @router.put("", summary="Have the notebooks that run now restarted by a date (administrators)")
    def announce(user: admin, body: UpgradeBody) -> Response:  # pyright: ignore[reportUnusedFunction]
        now = store.clock()
        if body.expires_at <= now:
            message = f"expires_at {iso_text(body.expires_at)} is past; name a moment that people can still act before"
            raise Invalid(message, fields=[{"path": "expires_at", "message": message}])
        return change(user, Upgrade(body.message, now, body.expires_at, user.name))

    @router.delete("", summary="Have no more notebooks restarted (administrators)")
    def cancel(user: admin) -> Response:  # pyright: ignore[reportUnusedFunction]
        return change(user, None)

    return router
