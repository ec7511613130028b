"""Result notebooks, brought beside their sources while their runs go on, whichever face began them.

`orrery run`, `orrery.run_notebook` and *Run as job* leave a note for each run (`orrery.client.result_notes`). This
server fulfils those whose file lies below its root folder; notes outlive it, so that a result of a run that ended while
no server ran is brought by the next one. A run that was resumed, by whichever face, is followed again.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol

import httpx
from jupyter_server.base.handlers import APIHandler
from tornado import web

from orrery.client.downloads import write_json
from orrery.client.result_notes import (
    Announced,
    Note,
    Server,
    is_due,
    leave,
    mark_brought,
    read_notes,
    remove,
    result_name,
)
from orrery.errors import OrreryError
from orrery.extension.forwarding import Upstream
from orrery.extension.proxy import Platform

CHECK_SECONDS: Final = 1.0
#: between two looks at a run in which nothing changes
LONGEST_PAUSE_SECONDS: Final = 10.0
#: between two looks whether a run whose result is there goes on again, and at how many of those changed last
RESUMED_SECONDS: Final = 3.0
CHANGED_LAST: Final = 50


class Log(Protocol):
    def info(self, msg: str, *args: object) -> None: ...
    def warning(self, msg: str, *args: object) -> None: ...


@dataclass
class _Followed:
    #: by `time.monotonic`
    next_at: float = 0.0
    pause: float = CHECK_SECONDS
    updated_at: str = ""
    problem: str = ""

    def wait(self, *, longer: bool) -> None:
        self.pause = min(LONGEST_PAUSE_SECONDS, self.pause * 1.5) if longer else CHECK_SECONDS
        self.next_at = time.monotonic() + self.pause


class ResultNotebooks:
    """Usage: `run()` as a task. `server` says below which folder, and of which platform."""

    def __init__(self, platform: Platform, folder: Path, server: Server, log: Log) -> None:
        self.platform = platform
        self.folder = folder
        self.server = server
        self.log = log
        self._followed: dict[str, _Followed] = {}
        #: ids of runs whose results are there, as far as they have been looked at since this server began
        self._rested: set[str] = set()
        self._look_for_resumed_at = 0.0
        self._http = httpx.AsyncClient(timeout=30.0, trust_env=False)

    async def run(self) -> None:
        """Until cancelled."""
        announced: Announced | None = None
        try:
            while True:
                try:
                    announced = announced or Announced(self.folder, self.server)
                    await self.check()
                except OSError as error:
                    self.log.warning("result notebooks are not brought: %s", error)
                await asyncio.sleep(CHECK_SECONDS)
        finally:
            if announced is not None:
                announced.withdraw()
            await self._http.aclose()

    async def check(self) -> None:
        """One turn: every note of ours that is due."""
        notes = [note for note in read_notes(self.folder) if self.server.brings(note)]
        for run in self._followed.keys() - {note.run for note in notes}:
            del self._followed[run]
        await self._find_resumed(notes)
        for note in notes:
            if note.brought is not None and note.run in self._rested:
                continue
            followed = self._followed.setdefault(note.run, _Followed())
            if time.monotonic() < followed.next_at:
                continue
            try:
                await self._look(note, followed)
            except (OrreryError, httpx.HTTPError, OSError, ValueError, KeyError) as error:
                # tried again: the platform is away, or the disk is full
                followed.wait(longer=True)
                if followed.problem != str(error):
                    followed.problem = str(error)
                    self.log.warning("the result of %s is not brought just now: %s", note.name, error)

    async def _find_resumed(self, notes: list[Note]) -> None:
        """Of the runs that rest, those that go on again or have ended anew rest no longer."""
        resting = {note.run: note for note in notes if note.brought is not None}
        self._rested &= resting.keys()
        if not self._rested or time.monotonic() < self._look_for_resumed_at:
            return
        self._look_for_resumed_at = time.monotonic() + RESUMED_SECONDS
        try:
            path = f"trainings?order=-updated_at&parts=0&limit={CHANGED_LAST}"
            page = await self._get(await self.platform.upstream(), path)
        except (OrreryError, httpx.HTTPError):
            return  # the platform is away: it is asked again
        for run in (page or {"items": []})["items"]:
            if run["id"] in self._rested and is_due(resting[run["id"]], run):
                self._rested.discard(run["id"])

    async def _look(self, note: Note, followed: _Followed) -> None:
        upstream = await self.platform.upstream()
        # read before the notebook: what it says of the end is then true of the notebook as well
        run = await self._get(upstream, f"trainings/{note.run}")
        if run is None:
            self._end(note, "it is not there any more, or not for you")
            return
        if not is_due(note, run):
            self._rested.add(note.run)
            return
        if run["updated_at"] == followed.updated_at and not run["status"]["settled"]:
            followed.wait(longer=True)
            return
        notebook = await self._get(upstream, f"trainings/{note.run}/notebook")
        target = Path(note.target)
        if notebook is not None:
            if not target.parent.is_dir():
                self._end(note, f"the folder {target.parent} is gone")
                return
            await asyncio.to_thread(_write, target, notebook)
        followed.updated_at, followed.problem = run["updated_at"], ""
        followed.wait(longer=False)
        if run["status"]["settled"]:
            self.log.info("the result of %s is there: it has ended", note.name)
            mark_brought(self.folder, note, run)
            self._rested.add(note.run)

    def _end(self, note: Note, why: str) -> None:
        self.log.info("the result of %s is followed no longer: %s", note.name, why)
        remove(self.folder, note.run)

    async def _get(self, upstream: Upstream, path: str) -> dict[str, Any] | None:
        """None where there is none."""
        headers = {"Authorization": f"Bearer {upstream.token}"}
        answer = await self._http.get(f"{upstream.url}/api/v1/{path}", headers=headers)
        if answer.status_code == 404:
            return None
        answer.raise_for_status()
        return answer.json()


def _write(target: Path, notebook: dict[str, Any]) -> None:
    """Where it is another: whoever has the file open is told of no change that is none."""
    try:
        if json.loads(target.read_text("utf-8")) == notebook:
            return
    except (FileNotFoundError, ValueError):
        pass  # it is written for the first time, or has been spoilt
    write_json(target, notebook)


class ResultNotebookHandler(APIHandler):
    """`POST {base_url}orrery-extension/results` with `{"run", "name", "source"}`: a run of that notebook was begun.

    Its result belongs beside it, under the name that `result_name` gives it, or at `path` where that is said instead.
    Answers `{"followed", "path"}`: where, and whether it will be brought, which it is not where the files of this
    server are no files of its disk.
    """

    auth_resource: ClassVar[str] = "orrery"

    def initialize(self, results: ResultNotebooks) -> None:
        self.results = results

    @web.authenticated
    def post(self) -> None:
        body: dict[str, Any] = self.get_json_body() or {}
        run, name, path, source = (str(body.get(key) or "") for key in ("run", "name", "path", "source"))
        if not run.replace("_", "").isalnum():
            raise web.HTTPError(400, f"run is {run!r}, which is no id of a run")
        if not path:
            folder, _, notebook = source.rpartition("/")
            if not notebook.endswith(".ipynb"):
                raise web.HTTPError(400, f"source is {source!r}, which is no notebook: give the path of an .ipynb")
            result = result_name(notebook, name.rpartition("/")[2])
            path = f"{folder}/{result}" if folder else result
        server = self.results.server
        note = Note(run, name, str(Path(server.root) / path.lstrip("/")), server.platform)
        is_file = ":" not in path and server.brings(note) and Path(note.target).parent.is_dir()
        if is_file:
            leave(self.results.folder, note)
        self.finish({"followed": is_file, "path": path})
