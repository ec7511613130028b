"""Beside the button that begins a run: whether it will fit into memory, and what would make it fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import ipywidgets as widgets  # pyright: ignore[reportMissingTypeStubs]

from orrery.client.memory_fit import MemoryEstimate
from orrery.errors import OrreryError
from orrery_widgets import parts

#: the arguments of a run that memory depends on
_DEPENDS_ON: Final = (
    *("algorithm", "dataset", "target", "validation", "test", "datasets", "parameters", "space"),
    *("instance_type", "nodes"),
)
#: verdict -> its sign and what it is called; colours alone say nothing to some
_WORDS: Final = {"fits": ("✓", "Fits"), "tight": ("!", "Tight"), "exceeds": ("✗", "Does not fit")}


class MemoryNote(widgets.VBox):
    """`take` is called with the change of the spec that a remedy is: `{"instance_type": "cpu-medium"}`."""

    def __init__(self, take: Callable[[Mapping[str, Any]], None]) -> None:
        self._take = take
        self.estimate: MemoryEstimate | None = None
        self._asked = ""
        self._words = parts.html()
        self._remedies = parts.row()
        super().__init__([self._words, self._remedies])  # pyright: ignore[reportUnknownMemberType]

    @property
    def words(self) -> str:
        """The verdict, as HTML."""
        return str(self._words.value)

    @property
    def remedies(self) -> tuple[Any, ...]:
        """A button for each change that makes it fit."""
        return tuple(self._remedies.children)

    def ask(self, named: Mapping[str, Any], estimate: Callable[[Mapping[str, Any]], MemoryEstimate]) -> None:
        """Show what `estimate` answers to the arguments `named`, where what memory depends on has changed."""
        key = repr([named.get(name) for name in _DEPENDS_ON])
        if key == self._asked:
            return
        try:
            self.show(estimate(named))
        except OrreryError as error:
            self.clear(f"Whether it fits into memory is not known: {error.message}")
        self._asked = key

    def show(self, estimate: MemoryEstimate) -> None:
        self.estimate = estimate
        sign, called = _WORDS.get(estimate.verdict, ("", ""))
        said = f"<b>{sign} {called}:</b> " if called else ""
        message = estimate.message[:1].upper() + estimate.message[1:] if not called else estimate.message
        self._words.value = (
            f"<div role='status' class='orrw-fit orrw-fit-{estimate.verdict}'>{said}{parts.escape(message)}.</div>"
        )
        self._remedies.children = [
            parts.button(remedy.title, lambda spec=remedy.spec: self._take(spec), tooltip=remedy.message)
            for remedy in estimate.remedies
        ]

    def clear(self, words: str = "") -> None:
        """There is no verdict; why, where it is known."""
        self.estimate = None
        self._asked = ""
        self._words.value = f"<div class='orrw-soft'>{parts.escape(words)}</div>" if words else ""
        self._remedies.children = []
