"""What notebooks use: the last report of each, and seven days of samples that grow coarser with age."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import and_, delete, insert, or_, select, update

from orrery.domain.records import Json
from orrery.store import tables
from orrery.store.database import Database

#: seconds between two samples as they are reported
WIDTH_SECONDS: Final = 15
#: (older than so many seconds, one sample for so many seconds)
THINNED: Final = ((3600, 60), (24 * 3600, 600))
KEPT_SECONDS: Final = 7 * 24 * 3600

_u: Final = tables.notebook_use.c
_s: Final = tables.notebook_samples.c


@dataclass(frozen=True)
class Figures:
    """One sample: means of cores and of the GPUs' share in use, the most of memory and disk."""

    at: int
    cores: float | None
    memory_bytes: int
    disk_bytes: int | None
    #: (share in use, bytes) of each GPU
    gpus: tuple[tuple[float | None, int], ...] = ()


@dataclass(frozen=True)
class NotebookUse:
    """`report` as it came, without its samples; `warned` is the idle policy's memory."""

    notebook_id: str
    reported_at: datetime | None = None
    kept_until: float | None = None
    warned: Json = field(default_factory=dict[str, Any])
    report: Json = field(default_factory=dict[str, Any])


class NotebookUseStore:
    """Thread-safe."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def find(self, notebook_id: str) -> NotebookUse:
        with self.database.read() as connection:
            row = connection.execute(select(tables.notebook_use).where(_u.notebook_id == notebook_id)).first()
        if row is None:
            return NotebookUse(notebook_id)
        return NotebookUse(notebook_id, row.reported_at, row.kept_until, row.warned, row.report)

    def save(self, use: NotebookUse) -> None:
        """All but `kept_until`, which only `keep` changes."""
        values = {"reported_at": use.reported_at, "warned": use.warned, "report": use.report}
        self._upsert(use.notebook_id, values, durable=False)

    def keep(self, notebook_id: str, until: float) -> None:
        self._upsert(notebook_id, {"kept_until": until}, durable=True)

    def _upsert(self, notebook_id: str, values: Mapping[str, Any], *, durable: bool) -> None:
        with self.database.write(durable=durable) as connection:
            there = connection.execute(
                update(tables.notebook_use).where(_u.notebook_id == notebook_id).values(**values)
            )
            if there.rowcount == 0:
                fresh: Json = {"notebook_id": notebook_id, "warned": {}, "report": {}, **values}
                connection.execute(insert(tables.notebook_use).values(**fresh))

    def add(self, notebook_id: str, samples: Iterable[Figures]) -> None:
        """Samples that are there already are left as they are."""
        fresh = {sample.at: sample for sample in samples}
        if not fresh:
            return
        with self.database.write(durable=False) as connection:
            known = select(_s.at).where(
                _s.notebook_id == notebook_id, _s.width == WIDTH_SECONDS, _s.at.in_(list(fresh))
            )
            for row in connection.execute(known):
                del fresh[row.at]
            if fresh:
                rows = [_row(notebook_id, WIDTH_SECONDS, sample) for sample in fresh.values()]
                connection.execute(insert(tables.notebook_samples), rows)

    def history(self, notebook_id: str, since: int) -> list[Figures]:
        """Oldest first."""
        statement = select(tables.notebook_samples).where(_s.notebook_id == notebook_id, _s.at >= since)
        with self.database.read() as connection:
            return [_to_figures(row.at, row.figures) for row in connection.execute(statement.order_by(_s.at))]

    def thin(self, now: int) -> int:
        """Make old samples coarser and drop the oldest; how many rows went. Running it again changes nothing."""
        gone = 0
        with self.database.write(durable=False) as connection:
            gone += connection.execute(delete(tables.notebook_samples).where(_s.at < now - KEPT_SECONDS)).rowcount
        finer = or_(*(and_(_s.at < _edge(now, age, width), _s.width < width) for age, width in THINNED))
        with self.database.read() as connection:
            notebooks = connection.execute(select(_s.notebook_id).where(finer).distinct()).scalars().all()
        for notebook_id in notebooks:
            for age, width in THINNED:
                gone += self._thin_one(notebook_id, _edge(now, age, width), width)
        return gone

    def _thin_one(self, notebook_id: str, before: int, width: int) -> int:
        old = and_(_s.notebook_id == notebook_id, _s.at < before, _s.width < width)
        with self.database.write(durable=False) as connection:
            rows = connection.execute(select(tables.notebook_samples).where(old).order_by(_s.at)).all()
            if not rows:
                return 0
            merged = merge([_to_figures(row.at, row.figures) for row in rows], width)
            connection.execute(delete(tables.notebook_samples).where(old))
            there = select(_s.at).where(_s.notebook_id == notebook_id, _s.width == width)
            known = set(connection.execute(there.where(_s.at >= merged[0].at, _s.at < before)).scalars())
            fresh = [_row(notebook_id, width, sample) for sample in merged if sample.at not in known]
            if fresh:
                connection.execute(insert(tables.notebook_samples), fresh)
        return len(rows) - len(fresh)


def merge(samples: Sequence[Figures], width: int) -> list[Figures]:
    """One for each stretch of `width` seconds that has any."""
    stretches: dict[int, list[Figures]] = {}
    for sample in samples:
        stretches.setdefault(sample.at // width * width, []).append(sample)
    return [_merged(at, found) for at, found in sorted(stretches.items())]


def _merged(at: int, samples: list[Figures]) -> Figures:
    gpus = max(len(sample.gpus) for sample in samples)
    disks = [sample.disk_bytes for sample in samples if sample.disk_bytes is not None]
    places = [[sample.gpus[place] for sample in samples if place < len(sample.gpus)] for place in range(gpus)]
    return Figures(
        at=at,
        cores=_mean([sample.cores for sample in samples]),
        memory_bytes=max(sample.memory_bytes for sample in samples),
        disk_bytes=max(disks, default=None),
        gpus=tuple((_mean([used for used, _ in read]), max(size for _, size in read)) for read in places),
    )


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), 3) if known else None


def _edge(now: int, age: int, width: int) -> int:
    """Only whole stretches are merged, so that none is merged twice."""
    return (now - age) // width * width


def _row(notebook_id: str, width: int, sample: Figures) -> Json:
    figures = [sample.cores, sample.memory_bytes, sample.disk_bytes, [list(gpu) for gpu in sample.gpus]]
    return {"notebook_id": notebook_id, "at": sample.at, "width": width, "figures": figures}


def _to_figures(at: int, figures: list[Any]) -> Figures:
    cores, memory, disk, gpus = figures
    return Figures(at, cores, memory, disk, tuple((used, size) for used, size in gpus))
