"""The upgrade that notebooks' servers are restarted for, kept on the disk, and how far that has come."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from orrery.domain.notebooks import NOTEBOOK
from orrery.domain.records import Json, Record
from orrery.domain.upgrades import Upgrade
from orrery.store.disk import replace_file
from orrery.store.notebook_use import NotebookUse, NotebookUseStore
from orrery.store.resources import ResourceStore
from orrery.store.rows import Query

#: in `internal`: the upgrade that the last restart was for
RESTARTED_FOR: Final = "restarted_for"
_UP: Final = ("ACTIVE_HEALTHY", "ACTIVE_UNHEALTHY")
#: a report that is older tells nothing of now
_REPORT_SECONDS: Final = 180.0


class UpgradeBook:
    """What administrators said, over the configuration; it lasts longer than the platform's process. Thread-safe."""

    def __init__(self, path: Path, configured: Upgrade | None = None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._current = _from_json(json.loads(path.read_text())) if path.exists() else configured

    @property
    def current(self) -> Upgrade | None:
        return self._current

    def change(self, upgrade: Upgrade | None) -> None:
        """It is on the disk when this returns. Raises: OutOfSpace."""
        with self._lock:
            replace_file(self._path, json.dumps(_to_json(upgrade)).encode())
            self._current = upgrade

    def concerning(self, record: Record) -> Upgrade | None:
        """The upgrade that this notebook's server, if it runs, has to be restarted for."""
        upgrade = self._current
        return upgrade if upgrade is not None and upgrade.concerns(record.outputs.get("started_at")) else None

    def notice(self, record: Record) -> Json | None:
        """What a notebook says of it: `action` is what its owner does about it."""
        upgrade = self.concerning(record) if record.phase in _UP else None
        if upgrade is None:
            return None
        return {
            "action": "reboot",
            "title": "Restart",
            "message": upgrade.message,
            "until": iso_text(upgrade.expires_at),
        }


@dataclass(frozen=True)
class Restart:
    """A notebook that has not come over: how its restart stands, and why."""

    notebook: Record
    #: waits, restarting, failed
    state: str
    message: str


def restarts(store: ResourceStore, uses: NotebookUseStore, upgrade: Upgrade) -> Iterator[Restart]:
    """Of all users; the failed ones first."""
    found = [_restart(record, uses, upgrade, store.clock()) for record in store.every(Query(kind=NOTEBOOK.name))]
    known = [restart for restart in found if restart is not None]
    order = ("failed", "waits", "restarting")
    yield from sorted(known, key=lambda restart: (order.index(restart.state), restart.notebook.qualified_name))


def _restart(record: Record, uses: NotebookUseStore, upgrade: Upgrade, now: datetime) -> Restart | None:
    if record.internal.get(RESTARTED_FOR) == upgrade.id:
        if record.phase.endswith("_FAILED"):
            return Restart(record, "failed", record.message)
        if record.phase.endswith("_IN_PROGRESS"):
            return Restart(record, "restarting", record.message)
    if record.phase not in _UP or not upgrade.concerns(record.outputs.get("started_at")):
        return None
    if now < upgrade.expires_at:
        return Restart(record, "waits", "its owner has not restarted it")
    return Restart(record, "waits", _why_it_waits(uses.find(record.id), now))


def _why_it_waits(use: NotebookUse, now: datetime) -> str:
    report: dict[str, Any] = use.report
    if not report or use.reported_at is None or (now - use.reported_at).total_seconds() > _REPORT_SECONDS:
        return "its server reports nothing: whether something runs in it is not known; restart it yourself"
    if use.kept_until is not None and use.kept_until > now.timestamp():
        return f"its owner keeps it until {datetime.fromtimestamp(use.kept_until, UTC):%H:%M} UTC"
    if report["use"]["idle_since"] is None:
        return f"it is in use: {report['use']['because']}"
    return "it has only just become idle"


def iso_text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _to_json(upgrade: Upgrade | None) -> Json | None:
    if upgrade is None:
        return None
    return {
        "message": upgrade.message,
        "since": upgrade.since.isoformat(),
        "expires_at": upgrade.expires_at.isoformat(),
        "by": upgrade.by,
    }


def _from_json(document: Json | None) -> Upgrade | None:
    if document is None:
        return None
    since, expires_at = (datetime.fromisoformat(document[name]) for name in ("since", "expires_at"))
    return Upgrade(document["message"], since, expires_at, document["by"])
