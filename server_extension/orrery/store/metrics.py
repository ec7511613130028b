"""Metric histories. NaN and infinities are kept as what they are."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import func, insert, select

from orrery.store import tables
from orrery.store.database import Database

_SPECIAL: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


@dataclass(frozen=True)
class Point:
    """One value of a metric; `position`, its place among the reports, makes writing it twice harmless."""

    key: str
    position: int
    step: int | None
    value: float
    at: datetime


def special_name(value: float) -> str | None:
    """How JSON writes a value that it has no number for."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return None


def parse_value(value: object) -> float | None:
    """A reported value; None for what is no number."""
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, int | float):
        return float(value)
    return _SPECIAL.get(value) if isinstance(value, str) else None


class MetricStore:
    def __init__(self, database: Database) -> None:
        self.database = database

    def add(self, resource_id: str, run: int, points: Iterable[Point]) -> None:
        """Add points of the resource's `run`-th attempt. Points already there are left as they are."""
        rows = [
            {
                "resource_id": resource_id,
                "run": run,
                "key": point.key[:255],
                "position": point.position,
                "step": point.step,
                "value": None if special_name(point.value) else point.value,
                "special": special_name(point.value),
                "at": point.at,
            }
            for point in points
        ]
        if not rows:
            return
        m = tables.metrics.c
        with self.database.write(durable=False) as connection:
            last = connection.execute(
                select(func.max(m.position)).where(m.resource_id == resource_id, m.run == run)
            ).scalar()
            fresh = [row for row in rows if last is None or row["position"] > last]
            if fresh:
                connection.execute(insert(tables.metrics), fresh)

    def history(self, resource_id: str, run: int, key: str | None = None) -> list[Point]:
        """All points of a run in the order reported."""
        m = tables.metrics.c
        statement = select(tables.metrics).where(m.resource_id == resource_id, m.run == run)
        if key is not None:
            statement = statement.where(m.key == key)
        with self.database.read() as connection:
            rows = connection.execute(statement.order_by(m.position, m.key)).all()
        return [
            Point(row.key, row.position, row.step, row.value if row.special is None else _SPECIAL[row.special], row.at)
            for row in rows
        ]
