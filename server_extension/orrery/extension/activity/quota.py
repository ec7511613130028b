"""When to say that memory or the data volume fill up: at 80, 90 and 95 %, once each. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LEVELS: Final = (0.80, 0.90, 0.95)
#: it is told again only after it has fallen so far below
REARM: Final = 0.05


@dataclass
class QuotaWatch:
    """The highest level that was passed; None below all of them."""

    level: float | None = None

    def check(self, fraction: float | None) -> float | None:
        """The level that was passed just now, or None where there is nothing new to tell."""
        if fraction is None:
            return None
        passed = max((level for level in LEVELS if fraction >= level), default=None)
        before = self.level
        if passed is not None and (before is None or passed > before):
            self.level = passed
            return passed
        if before is not None and fraction < before - REARM:
            self.level = passed
        return None
