"""The monitoring of a notebook: what it used over an hour and seven days, and since when it is idle."""

from __future__ import annotations

import time
from pathlib import Path

from playwright.sync_api import Page, expect
from tests.browser.lab import LONG_MILLISECONDS, execute, look, open_lab, use_theme, violations

from orrery.api.up import account_name
from orrery.domain.catalogue import KINDS
from orrery.domain.ids import make_id
from orrery.domain.records import Record, utc_now
from orrery.store.database import open_database
from orrery.store.notebook_use import Figures, NotebookUse, NotebookUseStore
from orrery.store.resources import ResourceStore
from orrery.testing.jupyter import jupyter_lab
from orrery.testing.waiting import wait_until

GIB = 1 << 30


def fill(home: Path) -> str:
    """A notebook of the one who runs the platform, with an hour of samples."""
    home.mkdir(mode=0o700)
    database = open_database(f"sqlite:///{home / 'orrery.db'}")
    kind = KINDS.named("notebook")
    record = Record(
        id=make_id(kind.prefix),
        kind=kind.name,
        owner=account_name(),
        name="planets",
        version=0,
        phase="ACTIVE_HEALTHY",
        spec={"image": "local", "instance_type": "cpu-small"},
        created_at=utc_now(),
        updated_at=utc_now(),
    )
    ResourceStore(database, KINDS).create(record, [], due=False)
    uses, now = NotebookUseStore(database), int(time.time())
    wave = [(turn % 40) / 40 for turn in range(220)]
    uses.add(
        record.id,
        (
            Figures(now - 15 * (220 - turn), 2 * part, int((1 + part) * GIB), turn * 20_000_000, ((part, GIB),))
            for turn, part in enumerate(wave)
        ),
    )
    kernel = {"id": "k", "title": "train.ipynb", "because": "", "memory_bytes": GIB, "holds_gpu": True}
    report = {
        "at": now,
        "use": {"idle_since": now - 900, "because": "kernel train.ipynb ran a cell", "since": now - 900},
        "kernels": [{**kernel, "idle_since": now - 900}],
        "figures": {"memory_total_bytes": 4 * GIB},
    }
    uses.save(NotebookUse(record.id, utc_now(), report=report))
    database.close()
    return record.id


def test_a_notebooks_page_shows_what_it_used_and_since_when_it_is_idle(page: Page, tmp_path: Path) -> None:
    notebook = fill(tmp_path / "home")
    idle = {"ORRERY_IDLE": '{"server_minutes": 120}'}
    with jupyter_lab(tmp_path / "home", tmp_path / "work", environment=idle) as lab:
        with lab.client() as asking:
            wait_until(lambda: asking.get("/orrery/readyz").is_success, seconds=120, what="the platform")
        open_lab(page, lab)
        execute(page, "orrery:open", {"kind": "notebook", "ref": notebook, "tab": "monitoring"})
        monitoring = page.get_by_test_id("orrery-monitoring")
        expect(monitoring.get_by_test_id("orrery-use")).to_contain_text("Idle since", timeout=LONG_MILLISECONDS)
        expect(monitoring).to_contain_text("It is stopped after 2")
        expect(monitoring.locator(".uplot")).to_have_count(4)
        expect(monitoring.get_by_role("cell", name="train.ipynb")).to_be_visible()
        for theme in ("light", "dark"):
            use_theme(page, theme)
            look(page, f"notebook-monitoring-{theme}")
            assert violations(page, '[data-testid="orrery-monitoring"]') == []
        week = monitoring.get_by_test_id("orrery-range-7d")
        week.click()
        expect(week).to_have_attribute("aria-pressed", "true")
        expect(monitoring.locator(".uplot")).to_have_count(4)
