"""How far a script is, from the lines that it prints: `Epoch 3/10`, `step 40 of 300`, or both. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

#: an environment variable: the last steps of metrics by name, of attempts that this one goes on from, as JSON
LAST_STEPS: Final = "ORRERY_LAST_STEPS"
_COUNT: Final = re.compile(
    r"\b(?P<unit>epoch|step|iteration|iter|round)\s*:?\s*\[?\s*(?P<done>\d+)\s*(?:/|of)\s*(?P<all>\d+)", re.I
)


@dataclass(frozen=True)
class Place:
    """Where a script is; what it has not told is None."""

    #: of the whole, from 0 to 1
    fraction: float
    epoch: int | None = None
    epochs: int | None = None
    step: int | None = None
    steps: int | None = None


def read_epoch(line: str) -> int | None:
    """The epoch that a line tells and nothing finer; None for any other line."""
    counts = [(found["unit"].lower(), int(found["done"])) for found in _COUNT.finditer(line)]
    return counts[0][1] if len(counts) == 1 and counts[0][0] == "epoch" else None


class LogProgress:
    """Steps are counted through the whole run or anew in each epoch: which of them, their numbers tell."""

    def __init__(self) -> None:
        self._epoch: tuple[int, int] | None = None
        self._step: tuple[int, int] | None = None
        self._is_within_epoch = False

    def read(self, line: str) -> Place | None:
        """Where it is by this line; None where the line tells nothing new."""
        is_new = False
        for found in _COUNT.finditer(line):
            count = int(found["done"]), int(found["all"])
            if not 0 < count[1] or count[0] > count[1]:
                continue
            if found["unit"].lower() == "epoch":
                is_new |= count != self._epoch
                self._take_epoch(count)
            else:
                is_new |= count != self._step
                self._take_step(count)
        return self._place() if is_new else None

    def _take_epoch(self, count: tuple[int, int]) -> None:
        if self._is_within_epoch and self._epoch is not None and count[0] > self._epoch[0]:
            self._step = None
        self._epoch = count

    def _take_step(self, count: tuple[int, int]) -> None:
        if self._epoch is not None:
            begins_anew = self._step is not None and count[0] < self._step[0]
            epoch, epochs = self._epoch
            is_ahead = count[0] / count[1] > min(1.0, (epoch + 1) / epochs) and epochs > 1
            self._is_within_epoch = self._is_within_epoch or begins_anew or is_ahead
        self._step = count

    def _place(self) -> Place:
        if self._epoch is None:
            assert self._step is not None
            return Place(self._step[0] / self._step[1], step=self._step[0], steps=self._step[1])
        epoch, epochs = self._epoch
        if self._step is None:
            return Place(epoch / epochs, epoch, epochs)
        part = self._step[0] / self._step[1]
        fraction = (max(0, epoch - 1) + part) / epochs if self._is_within_epoch else part
        return Place(min(1.0, fraction), epoch, epochs, *self._step)
