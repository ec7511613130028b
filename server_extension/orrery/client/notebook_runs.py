"""A notebook of one's own, run as a job: sent with the modules beside it, its result saved beside it while it runs."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orrery.client import result_notes
from orrery.client.discovery import platform_file, read_platform_file
from orrery.client.failures import NoPlatform
from orrery.client.resources import Json
from orrery.client.uploads import plan, upload_files
from orrery.client.waiting import Display, wait_until_settled
from orrery.errors import Invalid, NotFound

if TYPE_CHECKING:
    from orrery.client.builtin import Dataset, DatasetVersion, Training
    from orrery.client.client import Client
    from orrery.client.resources import Resource

#: beside the notebook, besides modules and packages
_COMPANIONS = ("requirements.txt", "parameters.schema.json")
_MOST_BYTES = 64 << 20


def run_notebook(
    client: Client,
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    datasets: Mapping[str, str | Dataset | DatasetVersion] | None = None,
    files: Sequence[str | os.PathLike[str]] = (),
    nodes: int | None = None,
    processes_per_node: int | None = None,
    save_to: str | os.PathLike[str] | None = None,
    wait: bool = True,
    progress: bool = True,
    **options: Any,
) -> Training:
    """Run the notebook as a job, as it lies on the disk.

    Modules and packages beside it, a `requirements.txt` and `files` go with it. The result grows cell by cell in
    `save_to`: with `wait` by itself, else where a JupyterLab of yours runs over that folder (`result_place` says so;
    `follow_result` fetches it). Without `save_to` that is `NAME.ipynb` beside the notebook, or `NOTEBOOK-NAME.ipynb`
    for a name that does not begin with the notebook's. On several
    `nodes` each runs the notebook and finds the others by MASTER_ADDR, RANK and the like: the result is that of the
    first; a notebook is one process on each, so that `processes_per_node` can only be 1. `options` are those of
    `trainings.create`.
    Raises: Invalid for what is no notebook; with `wait`, RunFailed; the result is saved all the same.
    """
    source = Path(path).expanduser()
    if source.suffix != ".ipynb" or not source.is_file():
        raise Invalid(f"{str(source)!r} is no notebook; give the path of an .ipynb (now in {Path.cwd()})")
    if (processes_per_node or 1) > 1:
        raise Invalid(
            f"processes_per_node is {processes_per_node}, and a notebook is one process on each node, in its kernel: "
            "leave it at 1 and raise nodes, or run a script with torchrun"
        )
    stem = as_name(source.stem)
    run = name or f"{stem[: result_notes.STEM_LENGTH]}-{datetime.now():%Y%m%d-%H%M%S}"
    sent = companions(source) | {Path(file).name: Path(file) for file in files} | {source.name: source}
    settings: dict[str, Any] = {"register_model": False, **options}
    training = client.train(
        stem,
        name=run,
        script=sent,
        entry_point=source.name,
        datasets=datasets,
        parameters=parameters,
        nodes=nodes,
        progress=progress,
        **settings,
    )
    beside = source.with_name(result_notes.result_name(source.name, run))
    target = Path(save_to).expanduser() if save_to is not None else beside
    note = result_notes.Note(training.id, training.qualified_name, str(target.absolute()), _platform_of(client))
    # also where it is waited for: whoever waits may be interrupted
    with contextlib.suppress(OSError):  # the run has begun: without a note `result_place` knows of none
        result_notes.leave(result_notes.notes_folder(), note)
    if wait:
        _save_to_the_end(training, target, progress)
    return training


def follow_result(training: Training, save_to: str | os.PathLike[str] | None = None, *, progress: bool = True) -> Path:
    """Wait for a run of a notebook, and have its result grow in `save_to`, which is returned.

    Default: where it was to go when it was begun; else `NAME.ipynb` here. Raises: RunFailed; the result is saved all
    the same.
    """
    note = result_notes.find(result_notes.notes_folder(), training.id)
    if save_to is not None:
        target = Path(save_to).expanduser()
    else:
        target = Path(note.target) if note is not None else Path.cwd() / f"{training.name}.ipynb"
    _save_to_the_end(training, target, progress)
    return target


def result_place(training: Training) -> tuple[Path, bool] | None:
    """Where the result of a run that was begun here is to go, and whether a JupyterLab brings it there just now.

    None where that is not known (it was begun elsewhere), or its result is there already. A run that goes on again has
    a new one.
    """
    folder = result_notes.notes_folder()
    note = result_notes.find(folder, training.id)
    if note is None or not result_notes.is_due(note, training.document):
        return None
    return Path(note.target), any(server.brings(note) for server in result_notes.servers(folder))


def _save_to_the_end(training: Training, target: Path, progress: bool) -> None:
    from orrery.client.displays import make_display

    display = _Saving(make_display(training, progress), target)
    try:
        wait_until_settled(training, timeout_seconds=None, display=display)
    finally:
        folder = result_notes.notes_folder()
        note = result_notes.find(folder, training.id)
        if note is not None and training.has_settled():
            # a later result, of the run resumed, goes to where this one was wanted
            result_notes.mark_brought(folder, replace(note, target=str(target.absolute())), training.document)


def _platform_of(client: Client) -> str | None:
    """Its address; None where it is the one that runs in `$ORRERY_HOME`, whose address may change."""
    platform = client.transport.platform
    if platform.source is not None:
        return None
    try:
        return None if read_platform_file(platform_file()).url == platform.url else platform.url
    except NoPlatform:
        return platform.url


def upload_changed(client: Client, path: str | os.PathLike[str]) -> Json:
    """A notebook as an object, without its outputs: `{"oid", "size"}`. Raises: Invalid for what is no notebook."""
    source = Path(path).expanduser()
    try:
        document: Json = json.loads(source.read_text("utf-8"))
        for cell in document["cells"]:
            if cell["cell_type"] == "code":
                cell.update(outputs=[], execution_count=None)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Invalid(f"{str(source)!r} is no notebook ({error}); give the path of an .ipynb") from None
    (sent,) = upload_files(client.transport, plan({source.name: json.dumps(document).encode()}), progress=False)
    return {"oid": sent["oid"], "size": sent["size"]}


def companions(notebook: Path) -> dict[str, Path]:
    """By the path inside the source folder: modules, packages and requirements beside the notebook.

    Raises: Invalid where they are too much to be code.
    """
    folder = notebook.parent
    found = {file.name: file for file in sorted(folder.glob("*.py")) if file.is_file()}
    found |= {name: folder / name for name in _COMPANIONS if (folder / name).is_file()}
    for package in sorted(folder.iterdir()):
        if package.is_dir() and (package / "__init__.py").is_file():
            for file in sorted(package.rglob("*")):
                if file.is_file() and "__pycache__" not in file.parts:
                    found[file.relative_to(folder).as_posix()] = file
    size = sum(file.stat().st_size for file in found.values())
    if size > _MOST_BYTES:
        raise Invalid(
            f"the code beside {notebook.name!r} has {size >> 20} MiB; move the notebook into a folder of its own, "
            "or bring data as a dataset"
        )
    return found


def as_name(stem: str) -> str:
    """A resource's name made of a file's: what may not be in one becomes '-'."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("._-")[:63].rstrip("._-") or "notebook"


class _Saving:
    """A display that also keeps the result notebook up to date."""

    def __init__(self, inner: Display, target: Path) -> None:
        self.inner = inner
        self.target = target

    def __enter__(self) -> object:
        return self.inner.__enter__()

    def __exit__(self, *details: object) -> None:
        self.inner.__exit__(*details)

    def update(self, resource: Resource) -> None:
        self.inner.update(resource)
        try:
            resource.notebook(self.target)
        except NotFound:
            return  # it has not begun
