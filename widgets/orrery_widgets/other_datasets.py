"""The datasets that an algorithm reads besides the one it trains on: a choice for each, in a form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from orrery.client import Algorithm
from orrery_widgets import parts
from orrery_widgets.sources import Sources


class OtherDatasets:
    """`box` is what stands in the form, `inputs` its choices by the names that the algorithm knows the data by."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self.box = parts.box()
        self.inputs: dict[str, Any] = {}
        self._changed = changed

    @property
    def value(self) -> dict[str, str]:
        """Those that were chosen."""
        return {name: control.value for name, control in self.inputs.items() if control.value}

    def offer(self, algorithm: Algorithm, sources: Sources, given: Mapping[str, Any]) -> None:
        """The choices of another algorithm: what was chosen of the same name stays, and `given` goes over it."""
        chosen: dict[str, str | None] = dict(self.value)
        chosen |= {name: sources.find_dataset(value) for name, value in given.items()}
        none: list[parts.Choice] = [("(none)", "")]
        declarations: Sequence[Mapping[str, Any]] = algorithm.spec.get("datasets") or ()
        self.inputs = {
            declared["name"]: parts.dropdown(
                declared.get("title") or declared["name"],
                [*none, *sources.datasets],
                chosen.get(declared["name"]) or "",
            )
            for declared in declarations
            if declared["name"] != "train"
        }
        for control in self.inputs.values():
            parts.observe(control, self._changed)
        self.box.children = list(self.inputs.values())
