"""The rules of the queue on the disk: what administrators said lasts longer than the platform's process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from orrery.executors import folders
from orrery.executors.policy import Limits, Rules, rules_from_json, rules_to_json


class RuleBook:
    """Not thread-safe. `limits`: those of the configuration, beneath what was said."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self._path = path
        self._limits = limits
        self._said = Rules()

    @property
    def rules(self) -> Rules:
        """Those that hold."""
        return replace(self._said, limits=self._said.limits.over(self._limits))

    def read(self) -> None:
        """Raises: `ValueError` for a file that is damaged: better not to start than to forget a pause."""
        content = folders.read_json(self._path)
        if content is not None:
            self._said = rules_from_json(content)

    def change(self, change: Callable[[Rules], Rules]) -> None:
        """It is on the disk when this returns. Raises: `OutOfSpace`."""
        said = change(self._said)
        if said != self._said:
            with folders.refusing_full_disk():
                folders.write_atomically(self._path, rules_to_json(said))
            self._said = said
