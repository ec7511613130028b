"""`%%job`: a cell of a notebook, run as a job on an instance type, as if it had run in the kernel.

The variables that the cell reads go with it, found in its syntax tree; those that it assigns come back. Its output
shows as it comes, a traceback included; its plots and its result when it ends. An interrupt stops the job; where it
fails, so does the cell. On several nodes it runs on each; what comes back is the first one's.
"""

# IPython carries few types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import argparse
import json
import secrets
import shlex
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import nbformat

from orrery.client.cli.values import parse_datasets, parse_pairs
from orrery.client.client import Client
from orrery.client.failures import RunFailed
from orrery.client.notebook_runs import companions
from orrery.client.times import parse_duration
from orrery.client.waiting import wait_until_phase
from orrery.errors import Invalid, NotFound, OrreryError, WrongPhase
from orrery.jobs import cell_job
from orrery.jobs.names import cell_names
from orrery.jobs.state import ADDED

if TYPE_CHECKING:
    from orrery.client.builtin import Training
    from orrery.client.uploads import Source

#: the algorithm that cells are sent as, where they have no name
ALGORITHM: Final = "cell"
NOTEBOOK: Final = "cell.ipynb"
#: the place of the cell among those of the notebook that is run
CELL: Final = 1


_INSTEAD: Final = (
    "make of it in the cell what can be saved: a list of a generator, a file in EM_OUTPUT_DIR of a large array"
)


class CellFailed(Exception):
    """The job of a cell failed. The job's own traceback stands above, with its output."""

    def _render_traceback_(self) -> list[str]:  # IPython's hook
        return [str(self)]


class CellRefused(CellFailed):
    """The cell was not run, or what came of it cannot be had: one sentence says why, and our own code is no help."""


def run_magic(line: str, cell: str | None, namespace: Mapping[str, Any]) -> None:
    """`%%job` with a cell, `%job NAME` without one. Raises: CellFailed, shown without a traceback."""
    try:
        if cell is None:
            collect_named(line)
        else:
            run_cell(line, cell, namespace)
    except OrreryError as error:
        raise CellRefused(error.message) from error


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Invalid(f"%%job: {message}; write for instance %%job --instance cpu-medium -p rate=0.1")


def make_parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="%%job", add_help=False, allow_abbrev=False)
    parser.add_argument("--instance", metavar="TYPE", help="its size: cpu-small ...")
    parser.add_argument("--name", help="the run's name")
    parser.add_argument("-p", "--parameter", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--dataset", action="append", default=[], metavar="[KEY=]DATASET")
    parser.add_argument("--nodes", type=int, metavar="N", help="run it on so many nodes at once")
    parser.add_argument("--max-time", metavar="TIME")
    parser.add_argument("--start-after", metavar="WHEN", help="22:00, 2h ...")
    parser.add_argument("--priority", choices=["high", "normal", "low"], type=str.lower)
    parser.add_argument("--no-wait", action="store_true")
    return parser


def run_cell(line: str, cell: str, namespace: Mapping[str, Any]) -> None:
    """Run the cell as a job; with `--no-wait` it is only begun. Raises: Invalid, CellFailed."""
    try:
        asked = make_parser().parse_args(shlex.split(line))
    except ValueError as error:
        raise Invalid(f"%%job {line.strip()}: {str(error).lower()}; close it, or put a backslash before it") from error
    try:
        names = cell_names(cell)
    except SyntaxError as error:
        # the magic's own line is the cell's first
        raise Invalid(f"the cell is not Python: {error.msg} in its line {(error.lineno or 0) + 1}") from error
    parameters = parse_pairs(asked.parameter, "-p")
    with Client() as client, tempfile.TemporaryDirectory(prefix="orrery-cell-") as folder:
        needed = [name for name in names.needed if name in namespace]
        sent = _pack(Path(folder), cell, needed, parameters, names.assigns)
        # several cells may be sent within one second
        name = asked.name or f"{ALGORITHM}-{datetime.now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        try:
            training = client.train(
                asked.name or ALGORITHM,
                name=name,
                script=sent,
                entry_point=NOTEBOOK,
                datasets=parse_datasets(asked.dataset),
                instance_type=asked.instance,
                nodes=asked.nodes,
                max_seconds=parse_duration(asked.max_time) if asked.max_time else None,
                start_after=asked.start_after,
                priority=asked.priority,
                register_model=False,
                progress=False,
            )
        except KeyboardInterrupt:
            _stop_if_begun(client, name)
            raise
        if asked.no_wait:
            # its code is pinned once it has been accepted: the next cell may be sent under the same name
            wait_until_phase(training, lambda phase: phase != "CREATE_REQUESTED")
            print(f"job {training.qualified_name} runs; take its variables with: %job {training.name}")
            return
        _show_log(training)
        collect(training)


def collect_named(line: str) -> None:
    """`%job NAME`: wait for a job that was sent with `--no-wait`, show its output, take its variables."""
    with Client() as client:
        training = client.trainings.get(line.strip())
        _show_log(training)
        collect(training)


def _pack(
    folder: Path, cell: str, needed: Sequence[str], parameters: Mapping[str, Any], assigned: Sequence[str]
) -> dict[str, Source]:
    """What is sent: the notebook, the variables, and the modules beside the notebook that asks."""
    variables = folder / cell_job.SENT
    saved = cell_job.write(variables, [name for name in needed if name not in parameters], with_globals=True)
    if saved["unsaved"]:
        first = saved["unsaved"][0]
        raise Invalid(
            f"the cell reads {first['name']!r} ({first['type']}), which cannot be sent: {first['reason']}; "
            "make it inside the cell",
            unsaved=saved["unsaved"],
        )
    begin = ["from orrery.jobs import cell_job", "cell_job.receive()"]
    begin += [f"{name} = {value!r}" for name, value in parameters.items()]
    sources = ["\n".join(begin), cell, f"cell_job.send_back({list(assigned)!r})"]
    # the one in the middle is all that there is, for who wrote it
    notes: list[dict[str, Any]] = [{"papermill": {ADDED: True}}, {}, {"papermill": {ADDED: True}}]
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source, metadata=added) for source, added in zip(sources, notes, strict=True)],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    files: dict[str, Source] = dict(companions(Path.cwd() / NOTEBOOK))
    for file in sorted(variables.rglob("*")):
        if file.is_file():
            files[file.relative_to(folder).as_posix()] = file
    files[NOTEBOOK] = nbformat.writes(notebook).encode()
    return files


def _show_log(training: Training) -> None:
    """Its log as it comes, to its end. An interrupt stops the job."""
    print(f"job {training.qualified_name} on {training.spec['instance_type']}", file=sys.stderr)
    try:
        for text in training.logs(follow=True):
            print(text)
        training.wait(progress=False)
    except KeyboardInterrupt:
        stop_and_say(training)
        raise
    except RunFailed as failed:
        message = f"job {training.qualified_name} failed: {training.status.message or failed.message}"
        raise CellFailed(message) from None


def stop_and_say(training: Training) -> None:
    """Stop it and say so; where it cannot be seen to have stopped, say how it is stopped."""
    name = training.qualified_name
    try:
        training.stop().wait(progress=False)
    except WrongPhase:
        print(f"job {name} had ended already; take its variables with: %job {training.name}", file=sys.stderr)
    except (KeyboardInterrupt, OrreryError) as error:
        reason = f" ({error.message})" if isinstance(error, OrreryError) else ""
        print(f"whether job {name} has stopped is not known{reason}; see to it with: {_how(training)}", file=sys.stderr)
    else:
        print(f"job {name} was stopped", file=sys.stderr)


def _how(training: Training) -> str:
    return f"orrery stop training {training.name}"


def _stop_if_begun(client: Client, name: str) -> None:
    """The interrupt came while it was sent: whether the platform had it already is not known."""
    try:
        training = client.trainings.get(name)
    except NotFound:
        print("no job was begun", file=sys.stderr)
    else:
        stop_and_say(training)


def collect(training: Training) -> None:
    """Show what the cell displayed, and put the variables that it assigned into this kernel."""
    try:
        _collect(training)
    except KeyboardInterrupt:
        name = training.qualified_name
        print(f"job {name} is complete; take its variables with: %job {training.name}", file=sys.stderr)
        raise


def _collect(training: Training) -> None:
    from IPython.core.getipython import get_ipython
    from IPython.display import display

    cells = [cell for cell in training.notebook()["cells"] if cell["cell_type"] == "code"]
    for output in cells[CELL]["outputs"]:
        if output["output_type"] in ("display_data", "execute_result"):
            data = {kind: "".join(text) if isinstance(text, list) else text for kind, text in output["data"].items()}
            display(data, raw=True, metadata=output.get("metadata") or {})
    place = f"output/{cell_job.RETURNED}/"
    with tempfile.TemporaryDirectory(prefix="orrery-cell-") as folder:
        for file in training.files():
            if file.path.startswith(place):
                target = Path(folder) / file.path.removeprefix(place)
                target.parent.mkdir(parents=True, exist_ok=True)
                training.download(file.path, to=target)
        description = json.loads((Path(folder) / cell_job.DESCRIPTION).read_text("utf-8"))
        cell_job.read(Path(folder))
    here: Mapping[str, Any] = getattr(get_ipython(), "user_ns", {})
    for unsaved in description["unsaved"]:
        name = unsaved["name"]
        what = f"{name} ({unsaved['type']}) stays in the job: {unsaved['reason']}"
        instead = f"{name} here is what it was before" if name in here else _INSTEAD
        print(f"{what}; {instead}", file=sys.stderr)
