"""TensorBoard for a training or an experiment: an app whose state is its service, and a folder of logs.

The logs are what the jobs wrote to `EM_TENSORBOARD_LOG_DIR`, joined by the metrics that they reported, copied on and on
while somebody looks. So TensorBoard reads one folder, wherever the jobs run, and a job need not know of it at all.

One TensorBoard serves all who may see an experiment; it shows the trainings that every one of them may see.
"""

from __future__ import annotations

import logging
import shutil
import sys
from pathlib import Path
from typing import Final
from urllib.parse import quote

from orrery.controllers import jobs
from orrery.controllers.boards import Boards
from orrery.controllers.event_file import append_points
from orrery.domain.access import Act, User, Visibility, is_allowed
from orrery.domain.records import Record
from orrery.errors import NotFound
from orrery.executors.contract import iter_chunks

log = logging.getLogger(__name__)

#: where a job finds its `EM_TENSORBOARD_LOG_DIR`, below its work folder
LOGS: Final = "tensorboard"
#: sorts behind what a job may write, so that it is read last
_OWN_FILE: Final = "events.out.tfevents.9999999999.orrery"


class TensorBoards(Boards):
    title = "TensorBoard"
    service_suffix = "-tensorboard"

    def program(self, record: Record) -> tuple[str, ...]:
        title = f"{record.name} · TensorBoard"
        return (sys.executable, "-m", "orrery.apps.tensorboard", str(self._folder(record.id)), title)

    def refresh(self, record: Record) -> None:
        self._copy_logs(record)

    def clear(self, resource_id: str) -> None:
        shutil.rmtree(self._folder(resource_id), ignore_errors=True)

    def clear_all(self) -> None:
        if not self._root.is_dir():
            return
        for folder in self._root.iterdir():
            with self.lock:
                if not self.apps.is_known(self.service_id(folder.name)):
                    shutil.rmtree(folder, ignore_errors=True)

    # its logs

    @property
    def _root(self) -> Path:
        return self.platform.settings.home / "apps"

    def _folder(self, resource_id: str) -> Path:
        return self._root / resource_id

    def _copy_logs(self, record: Record) -> None:
        folder = self._folder(record.id)
        folder.mkdir(parents=True, exist_ok=True)
        shown: set[str] = set()
        for training in self._trainings(record):
            attempt = int(training.internal.get("attempt", 0))
            if attempt:
                name = run_name(record, training, attempt)
                shown.add(name)
                self._copy_run(training, attempt, folder / name)
        for gone in folder.iterdir():
            # renamed, or not for everybody to see any more
            if gone.name not in shown:
                shutil.rmtree(gone, ignore_errors=True)

    def _trainings(self, record: Record) -> list[Record]:
        if record.kind == "training":
            return [record]
        weakest = weakest_reader(record)
        found = self.platform.store.dependents(record.id)
        return [other for other in found if other.kind == "training" and is_allowed(weakest, Act.READ, other)]

    def _copy_run(self, training: Record, attempt: int, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        job_id = jobs.make_job_id(training, attempt)
        try:
            written = [file for file in self.platform.executor.files(job_id) if file.path.startswith(f"{LOGS}/")]
            for file in written:
                self._copy_rest(job_id, file.path, file.size, folder / file.path.removeprefix(f"{LOGS}/"))
        except NotFound:
            log.debug("%s has no folder (any more)", job_id)
        append_points(folder / _OWN_FILE, self.platform.metrics.history(training.id, attempt))

    def _copy_rest(self, job_id: str, path: str, size: int, target: Path) -> None:
        """What a log has grown by. Event files only ever grow; one that has shrunk is taken anew."""
        have = target.stat().st_size if target.exists() else 0
        if have == size:
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        mode = "ab" if have < size else "wb"
        with self.platform.executor.open_file(job_id, path) as source, target.open(mode) as file:
            source.seek(file.tell())
            for chunk in iter_chunks(source):
                file.write(chunk)


def weakest_reader(record: Record) -> User:
    """Somebody who may read the record, and nothing else that is not as open."""
    match record.visibility:
        case Visibility.PUBLIC:
            return User("")
        case Visibility.GROUP:
            return User("", frozenset({record.group or ""}))
        case Visibility.PRIVATE:
            return User(record.owner, frozenset({record.owner}))


def run_name(record: Record, training: Record, attempt: int) -> str:
    """What TensorBoard calls it: the training's name, with its owner's where that is somebody else."""
    owner = "" if training.owner == record.owner else f" ({quote(training.owner, safe='@')})"
    again = f" (attempt {attempt})" if attempt > 1 else ""
    return f"{training.name}{owner}{again}"
