"""The saved kernel of a notebook job: kept when the job is cut off, and put beside the one that goes on.

The platform reads what the state says of itself, never the variables in it. Files that the done cells have written go
with it, so that later cells find them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final, cast

from orrery.controllers.training_jobs import CHECKPOINT_INPUT, CHECKPOINTS, OUTPUT_NOTEBOOK
from orrery.domain.algorithms import is_notebook
from orrery.domain.records import Json, Record
from orrery.domain.trainings import ResumeBody
from orrery.errors import Invalid, NotFound
from orrery.executors.contract import Executor, FileInfo
from orrery.jobs.state import MARKER, STATE_FILE, STATE_FOLDER, CellNumbers, State, has_tag, place_to_go_on, read_state
from orrery.store.objects import ObjectStore

#: files of the done cells that go with a state
MAX_FILES: Final = 1000
MAX_NOTEBOOK_BYTES: Final = 64 << 20
_MAX_DESCRIPTION_BYTES: Final = 4 << 20
#: not the done cells' work, or kept otherwise
_APART: Final = (f"{STATE_FOLDER}/", f"{CHECKPOINTS}/", f"{CHECKPOINT_INPUT}/", "datasets/", "tensorboard/")

#: keeps a file of the job's work folder as an object: its `{"path", "oid", "size"}`
Keep = Callable[[str], Json]


def keep_state(executor: Executor, record: Record, job_id: str, limit_bytes: int, keep: Keep) -> tuple[Json, Json]:
    """What the attempt that was cut off left to go on from: changes of `outputs` and of `internal`."""
    infos = list(executor.files(job_id))
    state = _read(executor, job_id, infos)
    begun_from: Json | None = record.internal.get("state_begun_from")
    if state is None or (begun_from and begun_from["saved_at"] == state.saved_at):
        # nothing new was saved: what it began from is still the newest
        return ({}, {}) if begun_from else ({"kernel_state": None}, {"state": None})
    present = {info.path for info in infos}
    files = [f"{STATE_FOLDER}/{path}" for path in state.files]
    if not present.issuperset(files):
        return {"kernel_state": None}, {"state": None}
    written, left_out = _written(record, infos, state, limit_bytes)
    shown = {
        "cell": state.cell,
        "cells": state.cells,
        "saved_at": state.saved_at,
        "bytes": state.bytes,
        "unsaved": [asdict(unsaved) for unsaved in state.unsaved],
        "files_left_out": left_out[:50],
    }
    kept = [keep(path) for path in [*files, *written]]
    return {"kernel_state": shown}, {"state": {"saved_at": state.saved_at, "done": list(state.done), "files": kept}}


def _read(executor: Executor, job_id: str, infos: Iterable[FileInfo]) -> State | None:
    """The state as the job describes it: None where there is none that can be used."""
    path = f"{STATE_FOLDER}/{STATE_FILE}"
    if not any(info.path == path and info.size <= _MAX_DESCRIPTION_BYTES for info in infos):
        return None
    try:
        with executor.open_file(job_id, path) as stream:
            return read_state(json.load(stream))
    except (ValueError, NotFound):
        return None


def _written(record: Record, infos: Iterable[FileInfo], state: State, limit: int) -> tuple[list[str], list[str]]:
    """Files that the done cells wrote, and those left out: changed after the state, or too much."""
    source: Json = record.internal["source"]
    given = {f"{source['folder']}/{file['path']}" for file in source["files"]} | {OUTPUT_NOTEBOOK, "config.json"}
    saved_at = datetime.fromisoformat(state.saved_at)
    taken: list[str] = []
    left_out: list[str] = []
    size = 0
    for info in infos:
        if info.path in given or info.path.startswith(_APART) or "__pycache__" in info.path.split("/"):
            continue
        if info.modified_at > saved_at or size + info.size > limit or len(taken) >= MAX_FILES:
            left_out.append(info.path)
        else:
            size += info.size
            taken.append(info.path)
    return taken, left_out


def check_resume(record: Record, body: ResumeBody, objects: ObjectStore) -> Json:
    """What is noted for a resume. Raises: Invalid where nothing was kept, or a cell that is done has been changed."""
    state: Json | None = record.internal.get("state")
    if body.start_over and body.notebook is None:
        raise Invalid("`start_over` begins again with a changed notebook; give the notebook, or use `retry`")
    if not state and not record.outputs.get("checkpoint_files") and not body.start_over:
        if int(record.spec.get("nodes") or 1) > 1 and is_notebook(str(record.internal["source"]["entry_point"])):
            raise Invalid(
                f"{record.label} runs on several nodes, each of which was cut off at a cell of its own: it cannot go "
                "on there, and it kept no checkpoint in EM_CHECKPOINT_DIR; `retry` begins from the beginning"
            )
        raise Invalid(
            f"{record.label} kept no checkpoint in EM_CHECKPOINT_DIR, and no state of a notebook's kernel; "
            "`retry` or `start` begins from the beginning"
        )
    notes: Json = {"resume": not body.start_over}
    if body.notebook is not None:
        source: Json = record.internal["source"]
        entry = str(source["entry_point"])
        if not entry.endswith(".ipynb"):
            raise Invalid(f"{record.label} runs {entry}, which is no notebook; change its code with a new training")
        if state and not body.start_over:
            _check_done_cells(_cells(objects, body.notebook.oid), state["done"])
        else:
            _cells(objects, body.notebook.oid)
        changed = {"path": entry, "oid": body.notebook.oid, "size": body.notebook.size}
        others = [file for file in source["files"] if file["path"] != entry]
        notes["source"] = {**source, "files": [*others, changed]}
    return notes


def _check_done_cells(cells: list[Json], done: list[str]) -> None:
    _, changed = place_to_go_on(cells, done)
    if changed is not None:
        number = CellNumbers(cells)[changed]
        raise Invalid(
            f"cell {number} was changed or removed, and it has been run already; put it back as it was, "
            "or start over with the changed notebook",
            changed_cell=number,
        )


def _cells(objects: ObjectStore, oid: str) -> list[Json]:
    """The notebook's cells, without the markers of an earlier failure. Raises: Invalid."""
    with objects.open(oid) as stream:
        content = stream.read(MAX_NOTEBOOK_BYTES + 1)
    if len(content) > MAX_NOTEBOOK_BYTES:
        raise Invalid(f"the notebook has more than {MAX_NOTEBOOK_BYTES >> 20} MiB; clear its outputs")
    try:
        document: Any = json.loads(content)
    except (ValueError, RecursionError):
        raise Invalid("the file is not a Jupyter notebook; save it again in JupyterLab") from None
    cells: Any = document.get("cells") if isinstance(document, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):  # pyright: ignore[reportUnknownVariableType]
        raise Invalid("the file is not a Jupyter notebook: it has no cells; save it again in JupyterLab")
    found = cast("list[Json]", cells)
    return [cell for cell in found if not has_tag(cell, MARKER)]
