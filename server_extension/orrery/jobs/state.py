"""What a notebook job tells of the saved state of its kernel: read by the job that goes on, and by the platform.

`kernel_state/` in the work folder holds `state.json`, the executed notebook as it was then, and the variables, which
are pickled: they are loaded in a job of the same owner alone, never by the platform.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, cast

#: inside the work folder
STATE_FOLDER: Final = "kernel_state"
STATE_FILE: Final = "state.json"
NOTEBOOK_FILE: Final = "notebook.ipynb"
#: environment of the job: how large a state may be (0: none is saved), and how long saving it may take
LIMIT_BYTES_VARIABLE: Final = "ORRERY_STATE_BYTES"
LIMIT_SECONDS_VARIABLE: Final = "ORRERY_STATE_SECONDS"
FORMAT: Final = 1
INJECTED: Final = "injected-parameters"
#: Papermill's tag on what it adds to a notebook that has failed
MARKER: Final = "papermill-error-cell-tag"
#: in the `papermill` metadata of a cell: a run has put it there
ADDED: Final = "added"


@dataclass(frozen=True)
class Unsaved:
    """A variable that could not be saved."""

    name: str
    type: str
    reason: str

    def __str__(self) -> str:
        return f"`{self.name}` ({self.type}): {self.reason}"


@dataclass(frozen=True)
class State:
    """The content of `state.json`."""

    #: the cell to go on with, as its author counts them (`CellNumbers`)
    cell: int
    cells: int
    #: hashes of the code cells that are done, the injected parameters left out
    done: tuple[str, ...]
    saved_at: str
    bytes: int
    seconds: float
    python: str
    execution_count: int
    #: file with the pickled variables
    namespace: str
    #: their large arrays, by the sha256 of their content
    buffers: tuple[str, ...]
    variables: tuple[str, ...]
    unsaved: tuple[Unsaved, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        return {"format": FORMAT, **asdict(self)}

    @property
    def files(self) -> list[str]:
        """Everything that belongs to it, inside `STATE_FOLDER`."""
        return [STATE_FILE, NOTEBOOK_FILE, self.namespace, *(f"buffers/{name}" for name in dict.fromkeys(self.buffers))]


def read_state(document: Any) -> State:
    """Raises: ValueError where a job has written something else."""
    try:
        if document["format"] != FORMAT:
            raise ValueError(f"the kernel's state has format {document['format']!r}, not {FORMAT}")
        unsaved = tuple(
            Unsaved(str(item["name"]), str(item["type"]), str(item["reason"])) for item in document["unsaved"]
        )
        return State(
            cell=int(document["cell"]),
            cells=int(document["cells"]),
            done=_texts(document["done"]),
            saved_at=str(document["saved_at"]),
            bytes=int(document["bytes"]),
            seconds=float(document["seconds"]),
            python=str(document["python"]),
            execution_count=int(document["execution_count"]),
            namespace=str(document["namespace"]),
            buffers=_texts(document["buffers"]),
            variables=_texts(document["variables"]),
            unsaved=unsaved,
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"the kernel's state lacks what it should hold: {error!r}") from error


def _texts(values: Iterable[Any]) -> tuple[str, ...]:
    return tuple(str(value) for value in values)


def source_of(cell: Mapping[str, Any]) -> str:
    source = cell.get("source") or ""
    return source if isinstance(source, str) else "".join(cast("list[str]", source))


def is_code(cell: Mapping[str, Any]) -> bool:
    """Whether it is a cell of the notebook's own that does something."""
    return cell.get("cell_type") == "code" and not has_tag(cell, INJECTED) and bool(source_of(cell).strip())


def has_tag(cell: Mapping[str, Any], tag: str) -> bool:
    metadata: Mapping[str, Any] = cell.get("metadata") or {}
    return tag in (metadata.get("tags") or ())


def is_added(cell: Mapping[str, Any]) -> bool:
    """Whether a run has added it: its parameters, or a note where it was cut off."""
    metadata: Mapping[str, Any] = cell.get("metadata") or {}
    told = cast("Mapping[str, Any]", metadata.get("papermill") or {})
    return has_tag(cell, MARKER) or bool(told.get(ADDED))


class CellNumbers:
    """The cells of a notebook as its author sees and counts them: from 1, text too, without what runs have added.

    `numbers[index]` is the number of the cell at `index`; that of an added one is its predecessor's, or 1; beyond the
    end it goes on.
    """

    def __init__(self, cells: Iterable[Mapping[str, Any]]) -> None:
        self._numbers: list[int] = []
        self.count = 0
        for cell in cells:
            self.count += not is_added(cell)
            self._numbers.append(max(1, self.count))

    def __getitem__(self, index: int) -> int:
        beyond = index - len(self._numbers)
        return self._numbers[index] if beyond < 0 else self.count + beyond + 1

    def say(self, index: int) -> str:
        """`cell 3 of 9`; of a cell that is sent alone, nothing."""
        return f"cell {self[index]} of {self.count}" if self.count > 1 else ""


def cell_hash(cell: Mapping[str, Any]) -> str:
    return hashlib.sha256(source_of(cell).strip().encode()).hexdigest()[:16]


def place_to_go_on(cells: Iterable[Mapping[str, Any]], done: Iterable[str]) -> tuple[int, int | None]:
    """The index to go on with in `cells`, and None; or that of a cell that is not the one that was run there.

    Text may change anywhere; code may change where it has not been run.
    """
    rest = list(done)
    end = 0
    for index, cell in enumerate(cells):
        end = index + 1
        if not rest:
            return index, None
        if not is_code(cell):
            continue
        if cell_hash(cell) != rest.pop(0):
            return index, index
    return end, end if rest else None
