"""What Lab's page *Start-up* shows and does: the last starts, the scripts as they are now, and their output.

The scripts are those of `$ORRERY_DATA_DIR/cont-init.d`; the program that runs them before this server
(`orrery_hub.start`) leaves the record that is read here.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Final, cast

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from tornado import web

ADDRESS: Final = "orrery-extension/start"
SCRIPTS: Final = "cont-init.d"
RECORD: Final = ".orrery/start.json"
#: results of runs are no scripts
RESULTS: Final = (".exitcode", ".output")
TAIL_BYTES: Final = 32 << 10
ALL_BYTES: Final = 16 << 20
NO_VOLUME: Final = "This server has no data volume (ORRERY_DATA_DIR), so nothing runs before it starts."
FIRST_SCRIPT: Final = """#!/bin/bash
# Runs at every start of this notebook, before JupyterLab: what it needs beyond its image.
set -e

# apt-get update && apt-get install --yes graphviz
# pip install --upgrade some-package
"""


class NoScript(ValueError):
    """The name is none of a script in the folder; in words."""


def read_starts(data_folder: Path) -> list[Any]:
    try:
        document: Any = json.loads((data_folder / RECORD).read_bytes())
        starts = document["starts"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return cast("list[Any]", starts) if isinstance(starts, list) else []


def list_scripts(folder: Path) -> list[dict[str, Any]]:
    """The files that could be scripts, in the order in which they run."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: os.fsencode(entry.name))
    except OSError:
        return []
    return [
        {"name": entry.name, "is_executable": is_executable(Path(entry.path))}
        for entry in entries
        if not entry.name.startswith(".") and not entry.name.endswith(RESULTS) and is_file(entry)
    ]


def is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False


def is_executable(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & 0o111)
    except OSError:
        return False


def find_script(folder: Path, name: str) -> Path:
    """Raises: NoScript."""
    if not name or "/" in name or "\0" in name or name.startswith(".") or name.endswith(RESULTS):
        raise NoScript(f"{name!r} is no name of a script; use letters and digits, as in 10-setup.sh")
    return folder / name


def make_executable(path: Path) -> None:
    """Raises: NoScript, OSError. A link is left alone: what it leads to may be anybody's."""
    if not path.is_file() or path.is_symlink():
        raise NoScript(f"there is no file {path.name!r} in {SCRIPTS}")
    path.chmod(stat.S_IMODE(path.stat().st_mode) | 0o111)


def make_script(path: Path) -> None:
    """An executable script to begin with. Raises: NoScript where the name is taken, OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x") as file:
            file.write(FIRST_SCRIPT)
    except FileExistsError:
        raise NoScript(f"there is a {path.name!r} in {SCRIPTS} already; open it, or take another name") from None
    path.chmod(0o755)


def read_output(path: Path, *, is_whole: bool) -> dict[str, Any]:
    """The end of a script's output, or (nearly) all of it. Raises: OSError."""
    limit = ALL_BYTES if is_whole else TAIL_BYTES
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - limit))
        text = file.read(limit).decode(errors="replace")
    return {"text": text, "size": size, "left_out": max(0, size - limit)}


class StartHandlerBase(APIHandler):
    auth_resource: ClassVar[str] = "orrery"

    @property
    def data_folder(self) -> Path | None:
        named = os.environ.get("ORRERY_DATA_DIR")
        return Path(named).absolute() if named else None

    def find_folder(self) -> Path:
        """Raises: HTTPError."""
        if self.data_folder is None:
            raise web.HTTPError(404, NO_VOLUME)
        return self.data_folder / SCRIPTS

    def contents_path(self, folder: Path) -> str | None:
        """The folder as Jupyter's file browser names it; None where it lies outside."""
        root = Path(str(self.settings["server_root_dir"])).expanduser().resolve()
        try:
            return folder.resolve().relative_to(root).as_posix()
        except ValueError:
            return None

    def refuse(self, status: int, message: str) -> None:
        self.set_status(status)
        self.finish({"error": {"code": "refused", "message": message, "details": {}}})


class StartHandler(StartHandlerBase):
    """`GET {base_url}orrery-extension/start`: starts and scripts. `POST` with `{name}`: a new script."""

    @web.authenticated
    @authorized
    def get(self) -> None:
        if self.data_folder is None:
            self.finish({"message": NO_VOLUME, "folder": None, "path": None, "starts": [], "scripts": []})
            return
        folder = self.find_folder()
        self.finish(
            {
                "message": "",
                "folder": str(folder),
                "path": self.contents_path(folder),
                "starts": read_starts(self.data_folder),
                "scripts": list_scripts(folder),
            }
        )

    @web.authenticated
    @authorized
    def post(self) -> None:
        folder = self.find_folder()
        body: dict[str, Any] = self.get_json_body() or {}
        try:
            make_script(find_script(folder, str(body.get("name", ""))))
        except NoScript as error:
            self.refuse(409, str(error))
        except OSError as error:
            self.refuse(507, f"nothing can be written to {folder}: {error.strerror}")
        else:
            self.set_status(201)
            self.finish({"path": self.contents_path(folder)})


class ExecutableHandler(StartHandlerBase):
    """`POST {base_url}orrery-extension/start/executable` with `{name}`: give a script its run bit."""

    @web.authenticated
    @authorized
    def post(self) -> None:
        folder = self.find_folder()
        body: dict[str, Any] = self.get_json_body() or {}
        try:
            make_executable(find_script(folder, str(body.get("name", ""))))
        except NoScript as error:
            self.refuse(409, str(error))
        except OSError as error:
            self.refuse(403, f"it cannot be made executable: {error.strerror}; do it as its owner: chmod +x")
        else:
            self.set_status(204)
            self.finish()


class OutputHandler(StartHandlerBase):
    """`GET {base_url}orrery-extension/start/output?name=...[&all=1]`: what the script printed last."""

    @web.authenticated
    @authorized
    def get(self) -> None:
        folder = self.find_folder()
        try:
            script = find_script(folder, self.get_query_argument("name", ""))
            output = script.with_name(f"{script.name}.output")
            if output.is_symlink() or not output.is_file():
                raise NoScript(f"there is no output of {script.name!r}: it has not run at the last start")
            self.finish(read_output(output, is_whole=self.get_query_argument("all", "") == "1"))
        except NoScript as error:
            self.refuse(404, str(error))
        except OSError as error:
            self.refuse(404, f"its output cannot be read: {error.strerror}")


def make_handlers() -> Iterator[tuple[str, type[Any]]]:
    """Routes below the server's base URL."""
    yield rf"/{ADDRESS}", StartHandler
    yield rf"/{ADDRESS}/executable", ExecutableHandler
    yield rf"/{ADDRESS}/output", OutputHandler
