"""Notebooks that have to be restarted for a new version: who is told, when the platform does it, what is reported."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from orrery.api.assembly import Assembly, assemble
from orrery.api.notebook_use import NotebookUses, UseReport
from orrery.controllers.notebook_upgrades import UpgradeBook
from orrery.controllers.settings import Settings, UpgradeSettings
from orrery.domain.access import User
from orrery.domain.ids import make_id
from orrery.domain.records import Record
from orrery.domain.upgrades import Upgrade

NOW = datetime(2026, 1, 10, 12, tzinfo=UTC)
DAY = timedelta(days=1)
UPGRADE = Upgrade("Python 3.13", NOW, NOW + DAY, "boss")
QUIET = 600.0
SILENT = "its server reports nothing: whether something runs in it is not known; restart it yourself"


@pytest.mark.parametrize(
    ("hours", "idle_for", "kept_for", "restarts"),
    [
        (23, 7200, None, False),  # not yet
        (24, 7200, None, True),
        (24, None, None, False),  # it works
        (24, 599, None, False),  # it has only just become idle
        (24, 600, None, True),
        (24, 7200, 1, False),  # its owner keeps it
        (24, 7200, 0, True),
    ],
)
def test_it_is_restarted_after_the_notice_and_only_while_nothing_runs(
    hours: int, idle_for: float | None, kept_for: float | None, restarts: bool
) -> None:
    now = NOW + timedelta(hours=hours)
    idle_since = None if idle_for is None else now.timestamp() - idle_for
    kept_until = None if kept_for is None else now.timestamp() + kept_for
    assert UPGRADE.restarts_now(now, idle_since, kept_until, QUIET) is restarts


def test_only_a_server_that_was_started_before_is_concerned() -> None:
    assert UPGRADE.concerns((NOW - timedelta(seconds=1)).isoformat())
    assert not UPGRADE.concerns(NOW.isoformat()) and not UPGRADE.concerns(None)


def test_what_was_said_outlives_the_platform_and_goes_over_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "notebook-upgrade.json"
    configured = UpgradeSettings(message="from the file", since=NOW, expires_at=NOW + DAY).upgrade
    assert configured is not None and UpgradeBook(path, configured).current == configured
    UpgradeBook(path, configured).change(UPGRADE)
    assert UpgradeBook(path, configured).current == UPGRADE
    UpgradeBook(path, configured).change(None)
    assert UpgradeBook(path, configured).current is None
    with pytest.raises(ValidationError, match="say all of message, since and expires_at"):
        UpgradeSettings(message="x", since=NOW)


class Place:
    """A platform at a moment of its own, with notebooks that run."""

    def __init__(self, assembly: Assembly) -> None:
        self.assembly = assembly
        self.now = NOW
        assembly.platform.store.clock = lambda: self.now
        self.uses = NotebookUses(assembly.commands, assembly.uses, assembly.notebooks.upgrades)

    def notebook(self, name: str, started: datetime = NOW - DAY) -> Record:
        record = Record(
            id=make_id("nbk"),
            kind="notebook",
            owner="alice",
            name=name,
            version=0,
            spec={"instance_type": "cpu-small"},
            phase="ACTIVE_HEALTHY",
            outputs={"server": name, "started_at": started.isoformat()},
            created_at=NOW,
            updated_at=NOW,
        )
        return self.assembly.platform.store.create(record, ())

    def fresh(self, record: Record) -> Record:
        return self.assembly.platform.store.get(record.id)

    def report(self, record: Record, idle_for: float | None, *, ready: bool = True) -> Any:
        at = self.now.timestamp()
        since = None if idle_for is None else at - idle_for
        use = {"idle_since": since, "because": "a cell of fit.ipynb runs", "since": at}
        report = UseReport.model_validate({"at": at, "use": use, "is_ready_to_stop": ready})
        return self.uses.report(User("alice"), self.fresh(record), report)

    def ask(self, method: str, user: User, body: Any = None) -> httpx.Response:
        token, _ = self.assembly.signer.sign(user, 3600)

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.assembly.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://platform") as client:
                headers = {"Authorization": f"Bearer {token}"}
                return await client.request(method, "/api/v1/notebook-upgrade", json=body, headers=headers)

        return asyncio.run(send())


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    assembly = assemble(Settings(home=tmp_path), mode="hub")
    yield Place(assembly)
    assembly.platform.store.database.close()


def announce(place: Place) -> None:
    place.assembly.notebooks.upgrades.change(UPGRADE)


def test_a_server_is_restarted_on_a_report_that_says_that_nothing_runs(place: Place) -> None:
    record = place.notebook("lab")
    announce(place)
    assert not place.report(record, 7200)["stop"]
    place.now = NOW + DAY
    assert not place.report(record, None)["stop"]
    assert place.fresh(record).phase == "ACTIVE_HEALTHY"
    # what can be saved is saved first
    assert place.report(record, 7200, ready=False) | {"limits": None, "data_bytes": None} == {
        "warnings": [],
        "free": [],
        "stop": True,
        "kept_until": None,
        "is_stopping": False,
        "limits": None,
        "data_bytes": None,
    }
    assert place.fresh(record).phase == "ACTIVE_HEALTHY"
    assert place.report(record, 7200)["is_stopping"]
    assert place.fresh(record).phase == "REBOOT_IN_PROGRESS"
    newer = place.notebook("newer", NOW + timedelta(hours=1))
    assert not place.report(newer, 7200)["stop"] and place.fresh(newer).phase == "ACTIVE_HEALTHY"


def test_one_that_is_kept_goes_on_for_that_hour(place: Place) -> None:
    record = place.notebook("lab")
    announce(place)
    place.now = NOW + DAY
    place.uses.keep(User("alice"), record)
    assert not place.report(record, 7200)["stop"]
    place.now += timedelta(hours=1)
    assert place.report(record, 7200)["is_stopping"]
    assert place.fresh(record).phase == "REBOOT_IN_PROGRESS"


def test_a_notebook_says_what_its_owner_does_about_it(place: Place) -> None:
    record = place.notebook("lab")
    book = place.assembly.notebooks.upgrades
    assert book.notice(record) is None
    announce(place)
    assert book.notice(record) == {
        "action": "reboot",
        "title": "Restart",
        "message": "Python 3.13",
        "until": "2026-01-11T12:00:00Z",
    }
    assert book.notice(place.notebook("newer", NOW + timedelta(hours=1))) is None


def test_administrators_say_it_and_see_what_was_not_restarted_and_why(place: Place) -> None:
    boss, body = User("boss", admin=True), {"message": "Python 3.13", "expires_at": (NOW + DAY).isoformat()}
    silent, works, failed = (place.notebook(name) for name in ("silent", "works", "failed"))
    refused = place.ask("PUT", User("alice"), body)
    assert refused.status_code == 403 and "alice is none" in refused.text
    past = place.ask("PUT", boss, {**body, "expires_at": NOW.isoformat()})
    assert past.status_code == 422 and "is past" in past.text
    said = place.ask("PUT", boss, body).json()
    assert said["upgrade"] == {
        "message": "Python 3.13",
        "since": "2026-01-10T12:00:00Z",
        "expires_at": "2026-01-11T12:00:00Z",
        "by": "boss",
    }
    assert {(item["name"], item["state"], item["message"]) for item in said["items"]} == {
        (name, "waits", "its owner has not restarted it") for name in ("silent", "works", "failed")
    }
    place.now = NOW + DAY
    place.report(works, None)
    place.assembly.commands.act(User("alice"), failed, "reboot", None)
    place.assembly.platform.store.update(
        failed.id, lambda fresh: replace(fresh, phase="REBOOT_FAILED", message="no room for it")
    )
    items = place.ask("GET", boss).json()["items"]
    assert [(item["name"], item["state"], item["message"]) for item in items] == [
        ("failed", "failed", "no room for it"),
        (
            "silent",
            "waits",
            "its server reports nothing: whether something runs in it is not known; restart it yourself",
        ),
        ("works", "waits", "it is in use: a cell of fit.ipynb runs"),
    ]
    assert place.ask("GET", User("bob")).json()["items"] == []
    assert len(place.ask("GET", User("alice")).json()["items"]) == 3
    assert place.fresh(silent).phase == "ACTIVE_HEALTHY"
    assert place.ask("DELETE", boss).json() == {"upgrade": None, "items": []}
