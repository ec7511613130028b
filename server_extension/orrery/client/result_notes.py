"""Where the result notebooks of runs belong: notes left by whoever began them, fulfilled by JupyterLab's server.

`$ORRERY_HOME/result-notebooks/` holds a file for each run, and one for each server of that user that brings results
(`server-*.json`, locked for as long as the server lives). A note stays when its run has ended and its result is
there: a run that is resumed has another result, for the same file. Of those the newest `MOST_BROUGHT` are kept, for
`BROUGHT_SECONDS`. Standard library only.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

from orrery.client.discovery import orrery_home

FOLDER: Final = "result-notebooks"
#: a note that nobody has fulfilled for so long is taken away
KEPT_SECONDS: Final = 90 * 24 * 3600.0
#: of notes whose results are there: how many are kept, and for how long
MOST_BROUGHT: Final = 200
BROUGHT_SECONDS: Final = 30 * 24 * 3600.0
#: so much of a notebook's name stands before the moment in the name of a run that nobody has named
STEM_LENGTH: Final = 47
#: what a file's name may hold and a run's may not
_UNNAMED: Final = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Note:
    """One run, and the file that its result is to be written to."""

    #: its id
    run: str
    #: `owner/name`
    name: str
    #: an absolute path on this machine
    target: str
    #: address of its platform; None: the one that runs in `$ORRERY_HOME`
    platform: str | None
    #: `status.ended_at` of the run whose result is there; None: it is still to be brought
    brought: str | None = None


@dataclass(frozen=True)
class Server:
    """A Jupyter server that brings the results of its platform's runs to files below `root`."""

    root: str
    platform: str | None

    def brings(self, note: Note) -> bool:
        return note.platform == self.platform and Path(note.target).resolve().is_relative_to(Path(self.root).resolve())


def result_name(source: str, run: str) -> str:
    """The file of a run's result, beside the notebook `source`: the one rule, of every face.

    `report.ipynb`: run `report-7` has `report-7.ipynb`, run `nightly` has `report-nightly.ipynb`; a run called like the
    notebook has `report-result.ipynb`, for the notebook itself is never written over.
    """
    stem = source.removesuffix(".ipynb")
    plain = _UNNAMED.sub("-", stem).strip("._-")[:STEM_LENGTH]
    if run in (stem, plain):
        return f"{stem}-result.ipynb"
    says_it = plain and run.startswith(plain) and run[len(plain)] in "._-"
    return f"{run}.ipynb" if says_it else f"{stem}-{run}.ipynb"


def notes_folder(home: str | os.PathLike[str] | None = None) -> Path:
    return orrery_home(home) / FOLDER


def leave(folder: Path, note: Note) -> None:
    """Raises: OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / f"{note.run}.json", asdict(note))
    _clean(folder)


def mark_brought(folder: Path, note: Note, run: Mapping[str, Any]) -> None:
    """The result is there as `run`, a settled run as the platform answers it, left it. Raises: OSError."""
    leave(folder, replace(note, brought=_ended_at(run)))


def is_due(note: Note, run: Mapping[str, Any]) -> bool:
    """Whether what is there is not the result of `run`: it goes on, or has ended anew since."""
    return note.brought is None or not run["status"]["settled"] or note.brought != _ended_at(run)


def _ended_at(run: Mapping[str, Any]) -> str:
    return run["status"].get("ended_at") or ""


def _clean(folder: Path) -> None:
    ages = sorted((time.time() - path.stat().st_mtime, path) for path in _files(folder))
    brought = 0
    for age, path in ages:
        is_brought = (_read(path) or {}).get("brought") is not None
        brought += is_brought
        if age > (BROUGHT_SECONDS if is_brought else KEPT_SECONDS) or (is_brought and brought > MOST_BROUGHT):
            path.unlink(missing_ok=True)


def remove(folder: Path, run: str) -> None:
    (folder / f"{run}.json").unlink(missing_ok=True)


def find(folder: Path, run: str) -> Note | None:
    return next((note for note in read_notes(folder) if note.run == run), None)


def read_notes(folder: Path) -> list[Note]:
    """Those that can be read; what else lies in the folder is left alone."""
    found: list[Note] = []
    for path in _files(folder):
        document = _read(path)
        if document is not None and document.keys() >= {"run", "name", "target"}:
            run, name, target = (str(document[key]) for key in ("run", "name", "target"))
            found.append(Note(run, name, target, document.get("platform"), document.get("brought")))
    return found


class Announced:
    """A server's own file: there, and locked, until `withdraw` or the process's end."""

    def __init__(self, folder: Path, server: Server) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"server-{secrets.token_hex(4)}.json"
        # locked before it has its name: who finds it unlocked may take it for one that is left over
        hidden = folder / f".{self.path.name}"
        self._descriptor = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        os.write(self._descriptor, json.dumps(asdict(server)).encode())
        hidden.replace(self.path)

    def withdraw(self) -> None:
        self.path.unlink(missing_ok=True)
        os.close(self._descriptor)


def servers(folder: Path) -> Iterator[Server]:
    """Those that live."""
    for path in sorted(folder.glob("server-*.json")):
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)  # its holder has ended without
        except BlockingIOError:
            document = _read(path)
            if document is not None:
                yield Server(str(document["root"]), document.get("platform"))
        finally:
            os.close(descriptor)


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.glob("*.json")) if not path.name.startswith((".", "server-"))]


def _read(path: Path) -> dict[str, Any] | None:
    """None: it was taken away meanwhile, or is none of ours."""
    try:
        document: Any = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return cast("dict[str, Any]", document) if isinstance(document, dict) else None


def _write(path: Path, document: dict[str, Any]) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(document), "utf-8")
    temporary.replace(path)
