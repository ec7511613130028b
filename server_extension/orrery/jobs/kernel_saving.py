"""Between the cells of a notebook job: the kernel's variables are saved, so that a resume goes on where they are.

Saving may take a second in all, and a tenth of what the cells take: a cheap notebook is not slowed, and an expensive
one loses little. Where a state was left out for that, the next one covers more cells. A save that fails leaves the one
before.
"""

# papermill and nbclient carry no types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import cloudpickle

from orrery.errors import Invalid
from orrery.jobs import report
from orrery.jobs.names import cell_names
from orrery.jobs.state import (
    LIMIT_BYTES_VARIABLE,
    LIMIT_SECONDS_VARIABLE,
    NOTEBOOK_FILE,
    STATE_FILE,
    CellNumbers,
    State,
    Unsaved,
    cell_hash,
    is_code,
    place_to_go_on,
    read_state,
    source_of,
)

ALLOWANCE_SECONDS: Final = 1.0
SHARE: Final = 0.1
_MODULE: Final = "_orrery_kernel_state"
#: once in each kernel; a kernel without cloudpickle borrows the platform's, which is plain Python
_BOOTSTRAP: Final = """
def begin(files):
    import importlib.util, sys
    for name, path in files:
        if name in sys.modules or (name == "cloudpickle" and importlib.util.find_spec(name)):
            continue
        places = [path.rpartition("/")[0]] if path.endswith("/__init__.py") else None
        spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=places)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
begin({files!r})
"""
_UNDEFINED = re.compile(r"name '(\w+)' is not defined")

#: runs an expression in the kernel, silently; answers with its repr. Raises: KernelError
Ask = Callable[[str, str], str]


class KernelError(Exception):
    """The kernel did not do what it was asked: `kind` names its exception."""

    def __init__(self, kind: str, message: str) -> None:
        self.kind = kind
        super().__init__(message)


class KernelSaving:
    """The states of one job. Use: `place` once the notebook is there, `begin` with the kernel, `after` each cell."""

    def __init__(self, folder: Path, *, limit_bytes: int, limit_seconds: float) -> None:
        self.folder = folder
        self.limit_bytes = limit_bytes
        self.limit_seconds = limit_seconds
        #: what this job goes on from
        self.resumed: State | None = None
        #: the newest state, of this job or the one before
        self.state: State | None = None
        self._cells_seconds = 0.0
        self._spent_seconds = 0.0
        self._expected_seconds = 0.0
        self._numbers = CellNumbers(())
        self._told: tuple[Unsaved, ...] | None = None
        self._is_begun = False

    @classmethod
    def from_environment(cls, folder: Path) -> KernelSaving:
        return cls(
            folder,
            limit_bytes=int(os.environ.get(LIMIT_BYTES_VARIABLE) or 0),
            limit_seconds=float(os.environ.get(LIMIT_SECONDS_VARIABLE) or 60),
        )

    # going on

    def place(self, nb: Any) -> int:
        """The index of the cell to begin with, 0 without a state. Raises: Invalid where the notebook does not fit."""
        self._numbers = CellNumbers(nb.cells)
        path = self.folder / STATE_FILE
        if not path.is_file():
            return 0
        try:
            self.resumed = self.state = read_state(json.loads(path.read_text("utf-8")))
        except ValueError as error:
            raise Invalid(f"the kernel's saved state cannot be read: {error}; begin again with `retry`") from None
        begin, changed = place_to_go_on(nb.cells, self.resumed.done)
        if changed is not None:
            number = self._numbers[changed]
            raise Invalid(f"cell {number} is not the one that was run before; put it back, or begin again with `retry`")
        self._refuse_what_is_missing(nb, begin)
        return begin

    def _refuse_what_is_missing(self, nb: Any, begin: int) -> None:
        """A cell that needs what could not be saved is found now, not hours later."""
        assert self.resumed is not None
        missing = {unsaved.name: unsaved for unsaved in self.resumed.unsaved}
        assigned: set[str] = set()
        for index, cell in enumerate(nb.cells[begin:], begin):
            if not missing or not is_code(cell):
                continue
            try:
                names = cell_names(source_of(cell))
            except SyntaxError:
                return  # the cell itself will tell
            for name in names.reads:
                if name in missing and name not in assigned:
                    number = self._numbers[index]
                    raise Invalid(
                        f"cell {number} needs the variable {missing[name]}. It could not be saved: make it again in "
                        f"cell {self._numbers[begin]} and resume with the changed notebook, or begin again by `retry`",
                        variable=name,
                        cell=number,
                    )
            assigned.update(names.assigns)

    def mark_done(self, nb: Any, begin: int) -> None:
        """Give the cells that are done the outputs that they had."""
        path = self.folder / NOTEBOOK_FILE
        if not begin or not path.is_file():
            return
        earlier = json.loads(path.read_text("utf-8"))["cells"]
        done = [cell for cell in earlier if cell["cell_type"] == "code" and source_of(cell).strip()]
        for cell in nb.cells[:begin]:
            if cell.cell_type != "code" or not cell.source.strip():
                cell.metadata.papermill["status"] = "completed"
                continue
            before = done.pop(0)
            import nbformat

            cell.outputs = [nbformat.from_dict(output) for output in before["outputs"]]
            cell.execution_count = before["execution_count"]
            cell.metadata.papermill = nbformat.from_dict(before["metadata"].get("papermill") or {})

    def begin(self, ask: Ask) -> None:
        """Prepare the kernel, and put the variables back that were saved. Raises: Invalid."""
        if not self.limit_bytes and self.resumed is None:
            return
        try:
            ask(make_bootstrap(), "None")
            if self.resumed is not None:
                description = {key: value for key, value in self.resumed.to_json().items() if key != "unsaved"}
                ask("", make_call("load", str(self.folder), self.resumed.namespace, description))
        except KernelError as error:
            if self.resumed is None:
                self.limit_bytes = 0  # this kernel cannot be saved: the notebook runs all the same
                return
            raise Invalid(
                f"the job cannot go on from its saved variables: {error}; begin again with `retry`"
            ) from error
        self._is_begun = True

    # saving

    def after(self, ask: Ask, nb: Any, index: int, cell_seconds: float, output: Path) -> None:
        """A cell is done: save the kernel where that is worth its time. Never raises for what cannot be saved."""
        self._cells_seconds += cell_seconds
        rest = [place for place in range(index + 1, len(nb.cells)) if nb.cells[place].cell_type == "code"]
        if not (self._is_begun and self.limit_bytes and rest and nb.cells[index].cell_type == "code"):
            return
        if self._spent_seconds + self._expected_seconds > ALLOWANCE_SECONDS + SHARE * self._cells_seconds:
            return
        began = time.monotonic()
        try:
            told = ask("", make_call("save", str(self.folder), self.limit_bytes, self.limit_seconds))
            self._commit(json.loads(ast.literal_eval(told)), nb, rest[0], output)
        except (KernelError, OSError) as error:
            # the state before is still there; not tried again until it is affordable at this price
            report.state(None, str(error))
        taken = time.monotonic() - began
        self._spent_seconds += taken
        self._expected_seconds = taken

    def _commit(self, saved: dict[str, Any], nb: Any, following: int, output: Path) -> None:
        """Make what the kernel has written the state, at once; then remove what only the one before needed."""
        unsaved = tuple(Unsaved(**item) for item in saved["unsaved"])
        namespace = f"namespace-{following}.pickle"
        (self.folder / "namespace.new").replace(self.folder / namespace)
        _link(output, self.folder / NOTEBOOK_FILE)
        self.state = State(
            cell=self._numbers[following],
            cells=self._numbers.count,
            done=tuple(cell_hash(cell) for cell in nb.cells[:following] if is_code(cell)),
            saved_at=datetime.now(UTC).isoformat(),
            bytes=saved["bytes"],
            seconds=saved["seconds"],
            python=saved["python"],
            execution_count=saved["execution_count"],
            namespace=namespace,
            buffers=tuple(saved["buffers"]),
            variables=tuple(saved["variables"]),
            unsaved=unsaved,
        )
        temporary = self.folder / f"{STATE_FILE}.new"
        temporary.write_text(json.dumps(self.state.to_json()), "utf-8")
        temporary.replace(self.folder / STATE_FILE)
        kept = {self.folder / file for file in self.state.files}
        for file in self.folder.rglob("*"):
            if file.is_file() and file not in kept:
                file.unlink()
        if unsaved != self._told:
            self._told = unsaved
            report.state(
                self._numbers[following], "", [{"name": u.name, "type": u.type, "reason": u.reason} for u in unsaved]
            )

    # its end

    def explain(self, error_name: str, message: str) -> str:
        """What to add to a cell's error: that a name is missing because it could not be saved."""
        found = _UNDEFINED.search(message) if error_name == "NameError" else None
        for unsaved in self.resumed.unsaved if self.resumed is not None and found is not None else ():
            if found is not None and unsaved.name == found[1]:
                return f"; the resumed kernel lacks {unsaved}"
        return ""

    def note(self) -> str:
        """For the executed notebook: where a resume goes on, and what it will lack. Empty without a state."""
        if self.state is None:
            return ""
        lines = [
            f"A resume goes on at cell {self.state.cell} of {self.state.cells} with the variables saved before it."
        ]
        lines += [f"- Not saved: {unsaved}" for unsaved in self.state.unsaved]
        return "\n".join(lines)

    def discard(self) -> None:
        """The notebook has come to its end: nothing is left to go on from."""
        shutil.rmtree(self.folder, ignore_errors=True)


def make_bootstrap() -> str:
    """What a kernel runs once, so that `make_call` works there."""
    here = Path(__file__).parent
    files = [("cloudpickle", str(Path(cloudpickle.__file__))), (_MODULE, str(here / "kernel_state.py"))]
    return f"exec({_BOOTSTRAP.replace('{files!r}', repr(files))!r}, {{}})"


def make_call(function: str, *arguments: object) -> str:
    """An expression that calls a function of `kernel_state` in the kernel.

    As JSON: IPython shortens what it shows of long lists, but not of a text.
    """
    return f"__import__('json').dumps(__import__('sys').modules[{_MODULE!r}].{function}(*{arguments!r}))"


def _link(source: Path, target: Path) -> None:
    """The notebook as it is now: it is replaced after each cell and never written to, so that a link keeps it."""
    temporary = target.with_name(f"{target.name}.new")
    temporary.unlink(missing_ok=True)
    os.link(source, temporary)
    temporary.replace(target)
