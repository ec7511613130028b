"""How fast a run goes: its steps, or where it tells none its epochs, over the last minute. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from orrery.domain.records import Json

_SECONDS: Final = 60.0
#: below it a rate would be noise
_SHORTEST_SECONDS: Final = 0.2
_MOST_MARKS: Final = 32


class Rate:
    """`marks`: what was seen before, as a record keeps it: [seconds since 1970, unit, count] each, the oldest first."""

    def __init__(self, marks: Sequence[Sequence[Any]]) -> None:
        self.marks: list[list[Any]] = [list(mark) for mark in marks]

    def saw(self, progress: Mapping[str, Any], at: datetime) -> None:
        unit = next((unit for unit in ("step", "epoch") if isinstance(progress.get(unit), int)), None)
        if unit is None:
            return
        now, count = at.timestamp(), int(progress[unit])
        if self.marks and (self.marks[-1][1] != unit or count < self.marks[-1][2]):
            self.marks = []
        if self.marks and count == self.marks[-1][2]:
            return
        recent = [mark for mark in self.marks if now - mark[0] <= _SECONDS]
        # one older than that, where there is none younger: slow runs have a rate, too
        self.marks = [*(recent or self.marks[-1:]), [now, unit, count]]
        if len(self.marks) > _MOST_MARKS:
            self.marks = [*self.marks[:-1:2], self.marks[-1]]

    @property
    def told(self) -> Json:
        """`rate`, a second, with its `rate_unit`, step or epoch; None where it cannot be told yet."""
        if len(self.marks) >= 2:
            (begin, _, first), (end, unit, last) = self.marks[0], self.marks[-1]
            if end - begin >= _SHORTEST_SECONDS:
                return {"rate": float(f"{(last - first) / (end - begin):.3g}"), "rate_unit": unit}
        return {"rate": None, "rate_unit": None}
