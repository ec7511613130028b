"""Runs a notebook with Papermill inside this process, and keeps its record while it runs.

The executed notebook is saved after every cell by a rename, so that a reader never meets half of one and a crash leaves
what was done. What the cells print goes to the job's log as it comes. A notebook that does not report its own progress
gets it from its cells; a cell's exception becomes the job's error unless the notebook has told a better one.
"""

# papermill and nbclient carry no types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportIncompatibleMethodOverride=false, reportPrivateImportUsage=false

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any, Final

import nbformat
from nbclient.exceptions import CellExecutionError, DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, NotebookExecutionManager, papermill_engines
from papermill.exceptions import PapermillExecutionError
from papermill.execute import prepare_notebook_metadata, raise_for_execution_errors, remove_error_markers
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

from orrery.errors import Invalid
from orrery.executors.masking import mask_json, secret_values
from orrery.jobs import report
from orrery.jobs.kernel import Kernel
from orrery.jobs.kernel_saving import KernelError, KernelSaving
from orrery.jobs.state import ADDED, INJECTED, MARKER, STATE_FOLDER, CellNumbers, has_tag, is_added

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_STOPPED = 128 + signal.SIGTERM
#: of what a rank said before it failed
_LAST_LINES = 8
_LAST_CHARACTERS = 8 << 10

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_OWN_PROGRESS = re.compile(r"\breport\.progress\(|\bprogress=report\b")


class Record(NotebookExecutionManager):
    """Papermill's execution record, saved by a rename, that also tells progress by cells."""

    def __init__(self, nb: nbformat.NotebookNode, path: Path, *, counts_cells: bool) -> None:
        super().__init__(nb, output_path=str(path), progress_bar=False)
        self.path = path
        self.numbers = CellNumbers(nb.cells)
        self._added = [index for index, cell in enumerate(nb.cells) if is_added(cell)]
        #: the end of what its cells have printed
        self.said = ""
        self.counts_cells = counts_cells

    def save(self, **kwargs: Any) -> None:
        if kwargs.get("nb"):
            self.nb = kwargs["nb"]
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        temporary.write_text(nbformat.v4.writes(self.nb), "utf-8")
        temporary.replace(self.path)
        self.last_save_time = self.now()

    def mark_added(self) -> None:
        """Once Papermill has begun, which forgets it."""
        for index in self._added:
            self.nb.cells[index].metadata.papermill[ADDED] = True

    def say(self, text: str) -> None:
        _log(text)
        self.said = (self.said + text)[-_LAST_CHARACTERS:]

    @property
    def last_lines(self) -> list[str]:
        lines = (line.rstrip("\r").rpartition("\r")[2].rstrip() for line in self.said.split("\n"))
        return [line for line in lines if line][-_LAST_LINES:]

    @property
    def cut_off_in(self) -> int | None:
        """The index of the cell that failed or was running."""
        ended_badly = (self.FAILED, self.RUNNING)
        cells = enumerate(self.nb.cells)
        return next((index for index, cell in cells if cell.metadata.papermill["status"] in ended_badly), None)

    def cell_complete(self, cell: Any, cell_index: int | None = None, **kwargs: Any) -> None:
        super().cell_complete(cell, cell_index=cell_index, **kwargs)
        if not self.counts_cells or cell_index is None or cell_index in self._added:
            return
        if cell.metadata.papermill["status"] != self.FAILED:
            done, cells = self.numbers[cell_index], self.numbers.count
            report.progress(done / cells, step=done, steps=cells, message=f"cell {done} of {cells}")


class Client(PapermillNotebookClient):
    """Papermill's client, with the cells' output in the log and an orderly stop."""

    def __init__(
        self, record: Record, kernel: Kernel, stop: Stop, saving: KernelSaving, begin: int, **options: Any
    ) -> None:
        super().__init__(record, km=kernel.manager(), coalesce_streams=True, **options)
        self.kernel = kernel
        self.stop = stop
        self.saving = saving
        self.first = begin
        #: masked in all that the cells give out
        self.secrets = secret_values()

    def papermill_execute_cells(self) -> None:
        self.saving.begin(self.ask)
        for index, cell in enumerate(self.nb.cells):
            if self.stop.asked:
                break
            if index < self.first:
                continue
            began = time.monotonic()
            self.nb_man.cell_start(cell, index)
            try:
                self.execute_cell(cell, index)
            except (CellExecutionError, DeadKernelError) as error:
                self.nb_man.cell_exception(self.nb.cells[index], cell_index=index, exception=error)
                if isinstance(error, DeadKernelError):
                    raise
                break
            finally:
                self.nb_man.cell_complete(self.nb.cells[index], cell_index=index)
            if not self.stop.asked:
                self.saving.after(self.ask, self.nb, index, time.monotonic() - began, self.nb_man.path)

    def ask(self, code: str, expression: str) -> str:
        """Run `code` unseen by the notebook; the repr of `expression` after it. Raises: KernelError."""
        assert self.kc is not None
        asked = self.kc.execute(
            code, silent=True, store_history=False, user_expressions={"answer": expression}, stop_on_error=False
        )
        reply: dict[str, Any] | None = self.wait_for_reply(asked)
        assert reply is not None  # there is no time limit
        content: dict[str, Any] = reply["content"]
        answer: dict[str, Any] = content["user_expressions"]["answer"] if content["status"] == "ok" else content
        if answer["status"] != "ok":
            raise KernelError(str(answer.get("ename")), str(answer.get("evalue")))
        return answer["data"]["text/plain"]

    def leave_kernel(self) -> None:
        """Ask the kernel to end, and keep the socket until it has: closing would drop the request."""
        if self.kc is not None:
            self.kc.shutdown()
            self.kernel.close()
            self.kc.stop_channels()
            self.kc = None

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        if self.secrets:
            msg = {**msg, "content": mask_json(msg["content"], self.secrets)}
        content = msg["content"]
        match msg["msg_type"]:
            case "stream":
                self.nb_man.say(content["text"])
            case "error":
                _log(_ANSI.sub("", "\n".join(content["traceback"])) + "\n")
            case _:
                pass
        return super().process_message(msg, cell, cell_index)


class Engine(NBClientEngine):
    """Runs the cells of a prepared `Record` in a kernel that is there already."""

    @classmethod
    def execute_notebook(
        cls,
        nb: Any,
        kernel_name: str,
        *,
        record: Record,
        kernel: Kernel,
        stop: Stop,
        saving: KernelSaving,
        begin: int,
        **_: Any,
    ) -> Any:
        record.notebook_start()
        saving.mark_done(record.nb, begin)
        record.mark_added()
        try:
            options: dict[str, Any] = {"timeout": None, "startup_timeout": 60, "kernel_name": kernel_name}
            client = Client(record, kernel, stop, saving, begin, **options)
            try:
                client.execute()
            finally:
                client.leave_kernel()
        finally:
            _mark_what_never_ran(record)
            record.notebook_complete()
        return record.nb


APART_SECONDS: Final = 0.1


class Stop:
    """SIGTERM: interrupt the running cell, kill the kernel when it takes more than half of the grace."""

    def __init__(self, kernel: Kernel, grace_seconds: float) -> None:
        self.asked = False
        self._is_interrupted = False
        self._kernel = kernel
        self._patience_seconds = max(0.5, grace_seconds / 2)

    def install(self) -> None:
        signal.signal(signal.SIGTERM, self._on_term)
        signal.signal(signal.SIGALRM, self._on_alarm)

    def remove(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def _on_term(self, signum: int, frame: FrameType | None) -> None:
        if not self.asked:
            self.asked = True
            # where the whole group was asked, the kernel has a SIGTERM too: an interrupt at the same moment may be lost
            signal.setitimer(signal.ITIMER_REAL, APART_SECONDS)

    def _on_alarm(self, signum: int, frame: FrameType | None) -> None:
        if not self._is_interrupted:
            self._is_interrupted = True
            self._kernel.signal(signal.SIGINT)
            signal.setitimer(signal.ITIMER_REAL, self._patience_seconds)
        else:
            self._kernel.signal(signal.SIGKILL)


def run(
    input_path: Path,
    output_path: Path,
    parameters: Mapping[str, Any],
    kernel_name: str = "python3",
    grace_seconds: float = 10.0,
    state_folder: Path | None = None,
) -> int:
    """Execute `input_path` with `parameters`, leaving `output_path`; returns the job's exit status.

    The kernel works in the present folder. A SIGTERM ends it in time and leaves the notebook as far as it came.
    Where `state_folder` (beside the output unless given) holds the state of an earlier kernel, it goes on from there.
    """
    try:
        kernel = Kernel(kernel_name)
    except Invalid as invalid:
        report.error(invalid.code, invalid.message, **invalid.details)
        _log(invalid.message + "\n")
        return EXIT_FAILED
    stop = Stop(kernel, grace_seconds)
    saving = KernelSaving.from_environment(state_folder or output_path.with_name(STATE_FOLDER))
    mark = _reports_size()
    try:
        if kernel.can_fork:
            kernel.fork()
        stop.install()
        nb = _load(input_path, output_path, parameters, kernel_name)
        begin = saving.place(nb)
        record = Record(nb, output_path, counts_cells=not _reports_own_progress(nb))
        papermill_engines.register("orrery", Engine)
        return _execute(record, kernel, stop, saving, begin, mark)
    except Invalid as invalid:
        kernel.signal(signal.SIGKILL)  # it has run nothing yet
        report.error(invalid.code, invalid.message, **invalid.details)
        _log(invalid.message + "\n")
        return EXIT_FAILED
    finally:
        kernel.close()
        stop.remove()


def _execute(record: Record, kernel: Kernel, stop: Stop, saving: KernelSaving, begin: int, mark: int) -> int:
    try:
        papermill_engines.execute_notebook_with_engine(
            "orrery", record.nb, kernel.name, record=record, kernel=kernel, stop=stop, saving=saving, begin=begin
        )
        if stop.asked:
            _note(record, saving)
            return EXIT_STOPPED
        raise_for_execution_errors(record.nb, None)
    except PapermillExecutionError as error:
        _note(record, saving)
        message = f"{error.ename}: {error.evalue}{saving.explain(error.ename, error.evalue)}"
        place = error.cell_index
        _report_once(mark, "cell_failed", _place(message, place, record), cell=record.numbers[place])
        return EXIT_FAILED
    except (DeadKernelError, RuntimeError) as error:
        place = record.cut_off_in
        _note(record, saving)
        if stop.asked:
            return EXIT_STOPPED
        status = kernel.exit_code()
        message = _place(_death(status, error), place, record)
        _report_once(mark, "kernel_died", message, status=status)
        return EXIT_FAILED
    saving.discard()
    return EXIT_OK


def _place(message: str, index: int | None, record: Record) -> str:
    """In which cell it failed; where there are other ranks also in which one, with its last words."""
    rank = report.this_rank()
    cell = "" if index is None else record.numbers.say(index)
    where = ", ".join(filter(None, ("" if rank is None else f"rank {rank}", cell)))
    said = [] if rank is None else record.last_lines
    return "\n".join([f"{where}: {message}" if where else message, *said])


def _note(record: Record, saving: KernelSaving) -> None:
    """Say at the notebook's top where a resume goes on; the next run takes it out like Papermill's own markers."""
    if text := saving.note():
        record.nb.cells.insert(0, nbformat.v4.new_markdown_cell(text, metadata={"tags": [MARKER]}))
    record.save()


def _load(
    input_path: Path, output_path: Path, parameters: Mapping[str, Any], kernel_name: str
) -> nbformat.NotebookNode:
    try:
        nb = load_notebook_node(str(input_path))
    except FileNotFoundError:
        raise Invalid(f"notebook {input_path.name!r} is not among the job's files") from None
    except (nbformat.reader.NotJSONError, nbformat.ValidationError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise Invalid(
            f"{input_path.name!r} is not a Jupyter notebook ({reason}); save it again in JupyterLab"
        ) from None
    if parameters:
        # one that a run before has added is replaced; one of the author's own stays the author's
        is_known = any(has_tag(cell, INJECTED) and not is_added(cell) for cell in nb.cells)
        nb = parameterize_notebook(nb, dict(parameters), kernel_name=kernel_name, language="python")
        injected = next(cell for cell in nb.cells if has_tag(cell, INJECTED))
        injected.metadata["papermill"] = {ADDED: not is_known}
    nb = prepare_notebook_metadata(nb, input_path.name, output_path.name)
    return remove_error_markers(nb)


def _reports_own_progress(nb: nbformat.NotebookNode) -> bool:
    """An algorithm (its notebook says so in its metadata) reports its own; others do when they call the library."""
    if nb.metadata.get("orrery"):
        return True
    return any(cell.cell_type == "code" and _OWN_PROGRESS.search(cell.source) for cell in nb.cells)


def _mark_what_never_ran(record: Record) -> None:
    """Papermill calls every pending cell completed at the end; one that was not reached stays pending."""
    pending = [cell for cell in record.nb.cells if cell.metadata.papermill["status"] == record.PENDING]
    if pending:
        record.nb.metadata.papermill["incomplete"] = True
        for cell in pending:
            cell.metadata.papermill["status"] = "skipped"


def _reports_size() -> int:
    path = os.environ.get(report.REPORTS_VARIABLE)
    return os.path.getsize(path) if path and os.path.exists(path) else 0


def _report_once(mark: int, code: str, message: str, **details: object) -> None:
    """Report the error unless the notebook has reported one itself, on this rank, since byte `mark`."""
    path = os.environ.get(report.REPORTS_VARIABLE)
    if path and os.path.exists(path):
        with open(path, "rb") as file:
            file.seek(mark)
            if any(b'"type": "error"' in line and _is_error(line) for line in file):
                return
    report.error(code, message, **details)


def _is_error(line: bytes) -> bool:
    try:
        told = json.loads(line)
    except ValueError:
        return False
    return told.get("type") == "error" and told.get("details", {}).get("rank") == report.this_rank()


def _death(status: int | None, error: Exception) -> str:
    if status == -signal.SIGKILL:
        return "the kernel was killed"
    if status is not None and status < 0:
        return f"the kernel crashed with signal {signal.Signals(-status).name}; the log's end may tell why"
    return f"the kernel ended by itself ({error}); the log's end may tell why"


def _log(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
