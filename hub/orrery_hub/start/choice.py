"""Which of the files in `cont-init.d` run, in which order, and why the others do not."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

#: what a run leaves beside its script; never run themselves
RECORDS: Final = (".exitcode", ".output")


@dataclass(frozen=True)
class Candidate:
    name: str
    path: Path
    #: why it does not run; empty where it runs
    skipped: str = ""


def find_candidates(folder: Path) -> list[Candidate]:
    """All that could be meant as scripts, in the order of their names' bytes (`10-a` before `9-b`).

    Folders, hidden files and the records of former runs are nobody's scripts and are left out.
    """
    try:
        names = sorted(os.listdir(folder), key=os.fsencode)
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = (make_candidate(folder, name) for name in names if not is_passed_over(name))
    return [candidate for candidate in found if candidate is not None]


def is_passed_over(name: str) -> bool:
    return name.startswith(".") or name.endswith(RECORDS)


def make_candidate(folder: Path, name: str) -> Candidate | None:
    """None for a folder."""
    path = folder / name
    try:
        skipped = _reason_to_skip(folder, path)
    except IsADirectoryError:
        return None
    except OSError as error:
        skipped = f"it cannot be read: {error.strerror}"
    return Candidate(name, path, skipped)


def _reason_to_skip(folder: Path, path: Path) -> str:
    """Raises: IsADirectoryError, OSError."""
    if path.is_symlink():
        try:
            target = path.resolve(strict=True)
        except (FileNotFoundError, RuntimeError):
            return "it is a link that leads nowhere"
        if not target.is_relative_to(folder.resolve()):
            return "it is a link that leads out of cont-init.d; put the script itself there"
    found = path.stat()
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(path)
    if not stat.S_ISREG(found.st_mode):
        return "it is no regular file"
    if not found.st_mode & 0o111:
        return "it is not executable; make it so: chmod +x"
    with path.open("rb") as file:
        if file.read(2) != b"#!":
            return "its first line does not begin with #!, as in #!/bin/bash"
    return ""
