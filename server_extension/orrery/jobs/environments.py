"""Environments of a job's requirements: made once for the same content, used by every job that asks for the same.

An environment is a virtual environment that sees everything the platform's own has, and holds what `requirements.txt`
asks for besides. It lies below `ORRERY_ENVIRONMENTS` under the hash of what it was made from.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import site
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

from orrery.jobs import report

FOLDER_VARIABLE = "ORRERY_ENVIRONMENTS"
_READY = ".ready"
#: lines that take in another file, or code of the source folder itself
_INCLUDES = re.compile(r"^\s*(?:-r|--requirement|-c|--constraint)[ =]?\s*(?P<path>\S+)")
_LOCAL = re.compile(r"^\s*(?:-e\b|--editable\b|\.{1,2}/|\.$|file:)")
_LAST_LINES = 15


def python_for(requirements: Path) -> Path:
    """The interpreter of the environment that fulfils `requirements`, made now unless it is there.

    Jobs that need the same one wait for the first to make it. Raises: JobFailed, with the installer's last lines.
    """
    folder = Path(os.environ.get(FOLDER_VARIABLE) or Path.cwd() / ".environments")
    folder.mkdir(parents=True, exist_ok=True)
    home = folder / content_hash(requirements)
    python = home / "bin" / "python"
    with (folder / f"{home.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / _READY).exists():
            shutil.rmtree(home, ignore_errors=True)
            _make(home, python, requirements)
            (home / _READY).touch()
    return python


def site_packages(python: Path) -> Path:
    """Where that environment's packages lie."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return python.parent.parent / "lib" / version / "site-packages"


def content_hash(requirements: Path) -> str:
    """Of the requirements, of every file they take in, and of the Python that they are installed beside."""
    digest = hashlib.sha256(f"{sys.version}\n{sys.prefix}\n".encode())
    for path in _files(requirements, set()):
        digest.update(f"{path.name}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:32]


def _files(requirements: Path, seen: set[Path]) -> Iterator[Path]:
    """The file, those it includes, and all of the source folder where it installs from there."""
    requirements = requirements.resolve()
    if requirements in seen or not requirements.is_file():
        return
    seen.add(requirements)
    yield requirements
    for line in requirements.read_text("utf-8", "replace").splitlines():
        if included := _INCLUDES.match(line):
            yield from _files(requirements.parent / included["path"], seen)
        elif _LOCAL.match(line):
            yield from sorted(path for path in requirements.parent.rglob("*") if path.is_file())


def _make(home: Path, python: Path, requirements: Path) -> None:
    print(f"Installing {requirements.name} (once for this content)", flush=True)
    report.progress(0.0, message=f"installing {requirements.name}")
    venv.create(home, with_pip=False, symlinks=True)
    parents = [path for path in site.getsitepackages() if Path(path).is_dir()]
    # found after the environment's own, so that what it installs wins
    (site_packages(python) / "orrery_parent.pth").write_text("\n".join(parents) + "\n")
    command = [sys.executable, "-m", "pip", "--python", str(python), "install"]
    quiet = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off", "--root-user-action", "ignore"]
    installing = subprocess.Popen(
        [*command, *quiet, "-r", requirements.name],
        cwd=requirements.parent,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    lines: list[str] = []
    assert installing.stdout is not None
    for line in installing.stdout:
        sys.stdout.write(line)
        sys.stdout.flush()
        lines = [*lines[1 - _LAST_LINES :], line.rstrip()]
    if installing.wait() != 0:
        told = next((line for line in reversed(lines) if "ERROR" in line), lines[-1] if lines else "no output")
        report.fail(
            "requirements",
            f"{requirements.name} could not be installed: {told}; the log has the rest. "
            "Check the names and versions, and whether a package index can be reached from here",
        )
