"""The profile of a dataset or of one of its versions: what its rows hold, as it was measured when they were read."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.responses import Response

from orrery.api.details import FileView, stream_file
from orrery.controllers.commands import Commands
from orrery.domain.access import User
from orrery.domain.datasets import DATASET, DATASET_VERSION
from orrery.domain.records import Json, Record
from orrery.errors import NotFound


def make_router(commands: Commands, current_user: Callable[..., Any]) -> APIRouter:
    api = APIRouter(prefix="/api/v1")
    caller = Depends(current_user)

    @api.get(
        f"/{DATASET.plural}/{{id}}/profile",
        tags=[DATASET.title_plural],
        summary="What its rows hold: statistics, correlations, findings, a random sample",
        response_model=dict[str, Any],
    )
    def of_dataset(id: str, user: Annotated[User, caller]) -> Response:  # pyright: ignore[reportUnusedFunction]
        record = commands.resolve(user, DATASET, id, trashed=True)
        kept = _profile_of(record.outputs.get("content"))
        if kept is None:
            raise NotFound(_why_none(record))
        return _answer(commands, kept)

    @api.get(
        f"/{DATASET_VERSION.plural}/{{id}}/profile",
        tags=[DATASET_VERSION.title_plural],
        summary="What its rows hold: statistics, correlations, findings, a random sample",
        response_model=dict[str, Any],
    )
    def of_version(id: str, user: Annotated[User, caller]) -> Response:  # pyright: ignore[reportUnusedFunction]
        record = commands.resolve(user, DATASET_VERSION, id, trashed=True)
        kept = _profile_of(record.spec.get("content")) or _of_same_files(commands, record)
        if kept is None:
            raise NotFound(
                f"{record.label} has no profile: it was published before there were any. Read its dataset again "
                "(`Read again` on its page) while that has the same files, or publish a new version"
            )
        return _answer(commands, kept)

    return api


def _profile_of(content: Json | None) -> Json | None:
    """Where the profile lies: `{"oid", "size"}`."""
    return (content or {}).get("profile")


def _of_same_files(commands: Commands, version: Record) -> Json | None:
    """The profile that a later reading of the very same files made."""
    dataset = commands.store.find(str(version.spec["dataset"]))
    if dataset is None or dataset.spec["files"] != version.spec["files"] or dataset.phase != "READY":
        return None
    return _profile_of(dataset.outputs.get("content"))


def _why_none(dataset: Record) -> str:
    if dataset.spec.get("type") != "tabular":
        return f"{dataset.label} has no profile: it holds {dataset.spec.get('type')}, and only tables have one so far"
    match dataset.phase:
        case "PROCESSING":
            return f"{dataset.label} has no profile yet: its files are being read; ask again in a moment"
        case "FAILED":
            return f"{dataset.label} has no profile: its files could not be read ({dataset.message})"
        case _:
            return (
                f"{dataset.label} has no profile: it was read before there were any. Read it again: "
                f"`Read again` on its page, or `orrery retry dataset {dataset.name}`"
            )


def _answer(commands: Commands, kept: Json) -> Response:
    objects = commands.platform.objects
    answer = stream_file(FileView("profile.json", kept["size"], lambda: objects.open(kept["oid"])))
    answer.headers["ETag"] = f'"{kept["oid"]}"'
    return answer
