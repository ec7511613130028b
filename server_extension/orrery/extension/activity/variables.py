"""The variables of a notebook's kernel on its owner's volume: saved before the kernel is freed, loaded back on a click.

`.orrery/kernels/<hash of the notebook's path>/` holds `state.json` and what `kernel_state` writes. All of it is its
owner's own pickled data: it is loaded in a kernel only, on the person's click only, and only where every file belongs
to this account and is nobody else's to write or read.
"""

# jupyter_client carries few types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import ast
import asyncio
import hashlib
import json
import os
import shutil
import stat
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, cast

from orrery.errors import Invalid, NotFound
from orrery.jobs.kernel_saving import make_bootstrap, make_call
from orrery.jobs.state import STATE_FILE, Unsaved

FOLDER: Final = Path(".orrery", "kernels")
NAMESPACE: Final = "namespace.pickle"
#: what is added to the time that saving may take, for the kernel to answer
ANSWER_SECONDS: Final = 10.0
LOAD_SECONDS: Final = 300.0


@dataclass(frozen=True)
class SavedVariables:
    """The content of `state.json`. `kernel_id`: the kernel that they were, which needs them no more."""

    path: str
    kernel_id: str
    kernel_name: str
    saved_at: str
    python: str
    execution_count: int
    bytes: int
    buffers: tuple[str, ...]
    variables: tuple[str, ...]
    unsaved: tuple[Unsaved, ...]

    @classmethod
    def from_json(cls, document: Any) -> SavedVariables:
        """Raises: ValueError where it is something else."""
        try:
            return cls(
                path=str(document["path"]),
                kernel_id=str(document["kernel_id"]),
                kernel_name=str(document["kernel_name"]),
                saved_at=str(document["saved_at"]),
                python=str(document["python"]),
                execution_count=int(document["execution_count"]),
                bytes=int(document["bytes"]),
                buffers=tuple(_file_name(name) for name in document["buffers"]),
                variables=tuple(str(name) for name in document["variables"]),
                unsaved=tuple(Unsaved(**item) for item in document["unsaved"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"it lacks what it should hold: {error!r}") from error


class KernelFailed(Exception):
    """The kernel did not do what it was asked."""


class VariableStore:
    """Below the data volume `folder`. At most `limit_bytes` a notebook, and `limit_seconds` to save it."""

    def __init__(self, folder: Path, *, limit_bytes: int, limit_seconds: float) -> None:
        self.folder = folder / FOLDER
        self.limit_bytes = limit_bytes
        self.limit_seconds = limit_seconds

    def place(self, path: str) -> Path:
        return self.folder / hashlib.sha256(path.encode()).hexdigest()[:16]

    def find(self, path: str) -> SavedVariables | None:
        """What was saved of a notebook's kernel. None where there is nothing, or nothing that may be loaded."""
        place = self.place(path)
        try:
            check_own(place, [STATE_FILE])
            saved = SavedVariables.from_json(json.loads((place / STATE_FILE).read_bytes()))
        except (OSError, ValueError, Invalid):
            return None
        return saved if saved.path == path else None

    async def save(self, kernel: Any, kernel_id: str, path: str) -> SavedVariables:
        """Of an idle Python kernel. Raises: KernelFailed, OSError; what was saved before is then gone."""
        place = self.place(path)
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(mode=0o700, parents=True)
        call = make_call("save", str(place), self.limit_bytes, self.limit_seconds)
        try:
            answer = await ask(kernel, make_bootstrap(), call, self.limit_seconds + ANSWER_SECONDS)
            told: dict[str, Any] = json.loads(answer)
            (place / "namespace.new").replace(place / NAMESPACE)
            saved = SavedVariables(
                path=path,
                kernel_id=kernel_id,
                kernel_name=str(kernel.kernel_name),
                saved_at=datetime.now(UTC).isoformat(),
                python=told["python"],
                execution_count=told["execution_count"],
                bytes=told["bytes"],
                buffers=tuple(dict.fromkeys(told["buffers"])),
                variables=tuple(told["variables"]),
                unsaved=tuple(Unsaved(**item) for item in told["unsaved"]),
            )
            temporary = place / f"{STATE_FILE}.new"
            document = {**asdict(saved), "buffers": told["buffers"]}
            temporary.write_text(json.dumps(document), "utf-8")
            for found in (place / "buffers", *place.rglob("*")):
                found.chmod(0o700 if found.is_dir() else 0o600)
            temporary.replace(place / STATE_FILE)
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise
        return saved

    async def load(self, kernel: Any, path: str) -> list[str]:
        """Into another kernel of the same notebook; the names. Raises: NotFound, Invalid, KernelFailed."""
        saved = self.find(path)
        if saved is None:
            raise NotFound(f"no variables of {path} were saved; run its cells again")
        place = self.place(path)
        check_own(place, [NAMESPACE, *(f"buffers/{name}" for name in saved.buffers)])
        description = {
            "python": saved.python,
            "variables": list(saved.variables),
            "buffers": json.loads((place / STATE_FILE).read_bytes())["buffers"],
            "execution_count": saved.execution_count,
        }
        call = make_call("load", str(place), NAMESPACE, description)
        return cast("list[str]", json.loads(await ask(kernel, make_bootstrap(), call, LOAD_SECONDS)))

    def forget(self, path: str) -> None:
        shutil.rmtree(self.place(path), ignore_errors=True)


def check_own(place: Path, names: list[str]) -> None:
    """Raises: Invalid where a file is another account's, a link, or open to others; OSError where one is missing."""
    for found in (place, *(place / name for name in names)):
        status = os.lstat(found)
        is_plain = stat.S_ISREG(status.st_mode) or (found == place and stat.S_ISDIR(status.st_mode))
        if not is_plain or status.st_uid != os.geteuid() or status.st_mode & 0o077:
            raise Invalid(
                f"{found} is not this account's alone, so nothing is loaded from it; "
                f"look at it, and remove {place} if you do not know it"
            )


async def ask(kernel: Any, statement: str, expression: str, seconds: float) -> str:
    """Run it silently in a kernel; the expression's text. Raises: KernelFailed."""
    client = kernel.client()
    client.start_channels(shell=True, iopub=False, stdin=False, hb=False, control=False)
    try:
        asked = client.execute(
            statement, silent=True, store_history=False, user_expressions={"told": expression}, allow_stdin=False
        )
        async with asyncio.timeout(seconds):
            while True:
                reply = await client.get_shell_msg(timeout=None)
                if reply["parent_header"].get("msg_id") == asked:
                    break
    except TimeoutError:
        raise KernelFailed(f"the kernel did not answer within {seconds:.0f} seconds") from None
    finally:
        client.stop_channels()
    content = reply["content"]
    told = content if content["status"] != "ok" else content["user_expressions"]["told"]
    if told["status"] != "ok":
        raise KernelFailed(f"{told.get('ename', 'error')}: {told.get('evalue', '')}")
    return str(ast.literal_eval(told["data"]["text/plain"]))


def _file_name(name: Any) -> str:
    text = str(name)
    if not text.isalnum():
        raise ValueError(f"{text!r} is no name of a buffer")
    return text
