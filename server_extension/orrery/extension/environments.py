"""The environments of a notebook: what lies under `custom-conda-envs`, told from files alone; nothing in them is run.

An environment is a folder with a `bin/python` and either a `pyvenv.cfg` (venv, uv, virtualenv) or a `conda-meta`
(conda, mamba), or a `conda-meta` with kernels of its own (R). It lies directly in the folder, or one level below in a
folder of somebody's own, where it may also be called `.venv`. What is half made is not listed yet.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

FOLDER: Final = "custom-conda-envs"
#: beyond these the list is cut off: it is read whenever somebody looks at the launcher
LARGEST_FOLDER: Final = 2000
MOST_ENVIRONMENTS: Final = 200
SPEC_BYTES: Final = 64 << 10


@dataclass(frozen=True)
class Environment:
    #: as a person says it: `myenv`, `project/env`
    name: str
    path: Path
    #: conda, venv or uv
    tool: str
    #: `3.11`; None where there is no Python, or it cannot be told
    python_version: str | None
    #: the kernel that Python needs is installed in it
    has_ipykernel: bool

    @property
    def python(self) -> Path:
        return self.path / "bin" / "python"


@dataclass(frozen=True)
class OwnKernel:
    """A kernel that an environment brings: `share/jupyter/kernels/ir`."""

    name: str
    folder: Path
    spec: dict[str, Any]


def find_environments(folder: Path) -> list[Environment]:
    """By name; empty where there is no such folder."""
    found: list[Environment] = []
    for name, path in _candidates(folder):
        environment = read_environment(name, path)
        if environment is not None:
            found.append(environment)
            if len(found) >= MOST_ENVIRONMENTS:
                break
    return sorted(found, key=lambda environment: environment.name)


def _candidates(folder: Path) -> Iterator[tuple[str, Path]]:
    left = LARGEST_FOLDER
    for entry in list_folders(folder):
        left -= 1
        if left < 0:
            return
        path = folder / entry
        if is_environment(path):
            yield entry, path
        elif not entry.startswith(".") and not path.is_symlink():
            for below in list_folders(path):
                left -= 1
                if left < 0:
                    return
                if below == ".venv":
                    yield entry, path / below
                elif not below.startswith("."):
                    yield f"{entry}/{below}", path / below


def list_folders(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if leads_to_folder(entry))[:LARGEST_FOLDER]
    except OSError:
        return []


def leads_to_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a circle of links


def is_environment(path: Path) -> bool:
    return (path / "pyvenv.cfg").is_file() or (path / "conda-meta").is_dir()


def read_environment(name: str, path: Path) -> Environment | None:
    """None for what is no environment, or is still being made."""
    try:
        if not is_environment(path):
            return None
        is_conda = (path / "conda-meta").is_dir()
        settings = {} if is_conda else read_settings(path / "pyvenv.cfg")
        has_python = os.access(path / "bin" / "python", os.X_OK)
        if not has_python and not (is_conda and (path / "share" / "jupyter" / "kernels").is_dir()):
            return None
        version = python_version(path, settings) if has_python else None
        return Environment(
            name=name,
            path=path,
            tool="conda" if is_conda else "uv" if "uv" in settings else "venv",
            python_version=version,
            has_ipykernel=has_python and has_package(path, version, settings, "ipykernel"),
        )
    except OSError:
        return None


def read_settings(path: Path) -> dict[str, str]:
    """`pyvenv.cfg`: `name = value`, line by line. Raises: OSError."""
    with path.open("rb") as file:
        text = file.read(SPEC_BYTES).decode(errors="replace")
    pairs = (line.partition("=") for line in text.splitlines())
    return {name.strip().lower(): value.strip() for name, _, value in pairs if value}


def python_version(path: Path, settings: dict[str, str]) -> str | None:
    told = settings.get("version") or settings.get("version_info") or ""
    if match := re.match(r"(\d+\.\d+)", told):
        return match[1]
    versions = sorted(
        (int(match[1]), int(match[2]))
        for name in list_folders(path / "lib")
        if (match := re.fullmatch(r"python(\d+)\.(\d+)", name))
    )
    return "{}.{}".format(*versions[-1]) if versions else None


def has_package(path: Path, version: str | None, settings: dict[str, str], package: str) -> bool:
    if version is None:
        return False
    homes = [path]
    if settings.get("include-system-site-packages", "").lower() == "true" and "home" in settings:
        homes.append(Path(settings["home"]).parent)
    return any(
        (home / lib / f"python{version}" / "site-packages" / package / "__init__.py").is_file()
        for home in homes
        for lib in ("lib", "lib64")
    )


def is_like_ours(environment: Environment) -> bool:
    """Whether what is compiled for this server's Python fits the environment's."""
    return environment.python_version == f"{sys.version_info.major}.{sys.version_info.minor}"


def find_own_kernels(environment: Environment) -> list[OwnKernel]:
    """Those that are not Python's own, which is offered anyway. One that cannot be read is left out."""
    folder = environment.path / "share" / "jupyter" / "kernels"
    found: list[OwnKernel] = []
    for name in list_folders(folder):
        path = folder / name / "kernel.json"
        try:
            with path.open("rb") as file:
                spec: Any = json.loads(file.read(SPEC_BYTES))
        except (OSError, ValueError):
            continue
        if is_spec(spec) and not any("ipykernel" in word for word in spec["argv"]):
            found.append(OwnKernel(name, folder / name, spec))
    return found


def is_spec(spec: Any) -> bool:
    """Whether it names a command, and everything else is of the shape that a kernel spec has."""
    if not isinstance(spec, dict):
        return False
    found = cast("dict[str, Any]", spec)
    argv: Any = found.get("argv")
    if not isinstance(argv, list) or not argv:
        return False
    if not all(isinstance(found.get(name) or {}, dict) for name in ("env", "metadata")):
        return False
    return all(isinstance(word, str) for word in cast("list[Any]", argv))


def kernel_name(*parts: str) -> str:
    """A name that Jupyter takes, the same at every start: `env-myenv`; distinct where letters had to be replaced."""
    text = "/".join(parts)
    plain = re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-") or "environment"
    if plain == text:
        return f"env-{plain}"
    return f"env-{plain[:60]}-{hashlib.sha256(text.encode(errors='surrogateescape')).hexdigest()[:6]}"
