"""Garbage collection of the object store: mark and sweep that never removes what is referenced.

An object goes when three things hold: it is referenced neither before nor after the candidates are listed; nobody has
put or claimed it for `grace`; and the second is still so at the instant of its removal, with every writer shut out
(the backend's `discard`). Since whoever refers to an object puts or claims it first, a reference committed late finds
the object there, or its claim is refused; it never finds it gone afterwards.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from orrery.store.objects import ObjectStore

log = logging.getLogger(__name__)

GRACE = timedelta(hours=24)


@dataclass(frozen=True)
class Report:
    #: False: another collector is at work, nothing was done
    ran: bool
    kept: int = 0
    #: unreferenced, but put or claimed within the grace
    young: int = 0
    deleted: int = 0
    freed_bytes: int = 0
    #: files that crashed writers had left
    swept: int = 0


def collect(
    store: ObjectStore, referenced: Callable[[], set[str]], grace: timedelta = GRACE, now: datetime | None = None
) -> Report:
    """Delete what nothing refers to. `referenced` is read twice; `now` is an aware time (None: the clock's).

    An error of `referenced` stops everything before anything is removed.
    """
    older_than = (now or datetime.now().astimezone()) - grace
    backend = store.backend
    with backend.collecting() as alone:
        if not alone:
            return Report(ran=False)
        before = referenced()
        kept = young = 0
        candidates: list[tuple[str, int]] = []
        for found in store.iterate():
            if found.oid in before:
                kept += 1
                continue
            touched_at = backend.touched_at(found.oid)
            if touched_at is not None and touched_at < older_than:
                candidates.append((found.oid, found.size))
            else:
                young += 1
        after = referenced() if candidates else set[str]()
        deleted = freed_bytes = 0
        for oid, size in candidates:
            if oid in after:
                kept += 1
            elif backend.discard(oid, older_than):
                deleted += 1
                freed_bytes += size
            else:
                young += 1
        report = Report(True, kept, young, deleted, freed_bytes, backend.sweep(older_than))
    log.info("object store collected: %s", report, extra={"action": "objects_collected"})
    return report
