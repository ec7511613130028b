"""Writes many trainings straight into a platform's database: what a year of work leaves."""

from __future__ import annotations

import getpass
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import insert

from orrery.domain.ids import make_id
from orrery.domain.records import Record
from orrery.store import tables
from orrery.store.database import open_database
from orrery.store.rows import to_values


def fill(home: Path, count: int) -> None:
    """`count` complete trainings of the account that will run the platform."""
    home.mkdir(parents=True, exist_ok=True)
    database = open_database(f"sqlite:///{home / 'orrery.db'}")
    start = datetime.now(UTC) - timedelta(days=30)
    spec = {"algorithm": "alg_x", "datasets": {"train": "dsv_x"}, "parameters": {"rounds": 100}}
    outputs = {"metrics": {"roc_auc": 0.987654, "log_loss": 0.1234}, "artifacts": [], "attempt": 1}
    template = Record("", "training", getpass.getuser(), "", 0, spec, "COMPLETE", start, start, outputs=outputs)
    rows = []
    for number in range(count):
        moment = start + timedelta(seconds=number)
        stamps = {"created_at": moment, "updated_at": moment, "started_at": moment, "ended_at": moment}
        rows.append(to_values(replace(template, id=make_id("trn"), name=f"run-{number:06}", **stamps)))
    with database.write() as connection:
        connection.execute(insert(tables.resources), rows)
    database.close()
