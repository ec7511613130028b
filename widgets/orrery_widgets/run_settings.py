"""Where, when and with what a run runs: the fields of its spec beside algorithm, data and parameters, folded away."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import ipywidgets as widgets  # pyright: ignore[reportMissingTypeStubs]

from orrery.errors import Invalid
from orrery_widgets import parts
from orrery_widgets.fields import FieldKind, FormField, read_fields
from orrery_widgets.inputs import Input
from orrery_widgets.pairs_input import PairsInput

_SPEC: Final = "spec."
#: heading -> the fields of the spec below it, which are arguments of `client.train` as well
_GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "When": ("priority", "start_after", "max_seconds"),
    "Where": ("image", "nodes", "processes_per_node", "torchrun", "data_gib"),
    "Begins from": ("checkpoint_from", "input_checkpoint"),
    "Copied to a storage": ("output", "output_checkpoint"),
    "Variables": ("environment", "secrets"),
    "Model": ("register_model", "model_name"),
}
NAMES: Final = frozenset(name for names in _GROUPS.values() for name in names)
_TITLES: Final = {
    "max_seconds": "Longest time",
    "start_after": "Start after",
    "checkpoint_from": "Checkpoints of",
    "data_gib": "Data storage size (GiB)",
    "environment": "Environment",
    "secrets": "Secrets",
}
_HELP: Final = {
    "max_seconds": "Longest time it may run: 90s, 15m, 2h or 1d; it is ended when that is exceeded. Empty: no limit.",
    "start_after": "Earliest moment to start: 22:00, or date and time; without a zone, the kernel's.",
}
_KINDS: Final[Mapping[str, FieldKind]] = {
    "max_seconds": "duration",
    "start_after": "moment",
    "environment": "pairs",
    "secrets": "pairs",
}


class RunSettings(widgets.VBox):
    """Folded behind a toggle that says what differs from the defaults. `given`: by the names in `NAMES`.

    Raises: TypeError for a name that is none of them.
    """

    def __init__(self, given: Mapping[str, Any], *, changed: Callable[[], None]) -> None:
        if unknown := sorted(given.keys() - NAMES):
            raise TypeError(f"there is no setting {unknown[0]!r}; there are: {', '.join(sorted(NAMES))}")
        self._given = {name: _plain(value) for name, value in given.items() if value is not None}
        self._tell = changed
        #: an `Input` by each setting's name; of variables a `PairsInput`
        self.inputs: dict[str, Any] = {}
        #: settings that only a script has
        self._of_scripts: tuple[str, ...] = ()
        self._box = parts.box()
        parts.show(self._box, False)
        self.toggle: Any = parts.toggle("More settings", lambda value: parts.show(self._box, value))
        super().__init__([self.toggle, self._box])  # pyright: ignore[reportUnknownMemberType]

    @property
    def is_made(self) -> bool:
        return bool(self.inputs)

    def make(self, schema: Mapping[str, Any], choices: Mapping[str, Sequence[str]]) -> None:
        """The fields that the platform declares; `choices`: what is offered for an image, a secret and the like."""
        declared = {field.name: field for field in read_fields(schema) if field.name in NAMES}
        properties: Mapping[str, Mapping[str, Any]] = schema.get("properties") or {}
        self._of_scripts = tuple(name for name in declared if properties[name].get("x-orrery-script"))
        self.inputs = {}
        laid_out: list[Any] = []
        for heading, names in _GROUPS.items():
            members = [declared[name] for name in names if name in declared]
            if members:
                laid_out.append(parts.html(parts.group(heading)))
            for field in members:
                made = self._make(field, choices)
                self.inputs[field.name] = made
                laid_out.append(made)
        self._box.children = laid_out
        if self.value:
            self.toggle.value = True
        self._changed()

    def offer(self, choices: Mapping[str, Sequence[str]]) -> None:
        """What can be chosen now; what was chosen stays."""
        for name, offered in choices.items():
            entry = self.inputs.get(name)
            if isinstance(entry, PairsInput):
                entry.offer(offered)
            elif entry is not None:
                chosen = entry.value
                entry.set_choices([None, *offered, *([chosen] if chosen and chosen not in offered else [])])

    def fit(self, *, is_notebook: bool) -> None:
        """Offer what the chosen code can do: a notebook has no torchrun. What was set stays in sight."""
        for name in self._of_scripts:
            entry = self.inputs[name]
            parts.show(entry, not is_notebook or not entry.field.is_default(entry.value))

    @property
    def value(self) -> dict[str, Any]:
        """What differs from the defaults, as arguments of `client.train`. Raises: Invalid."""
        found = {name: entry.value for name, entry in self.inputs.items()}
        return {
            name: value
            for name, value in found.items()
            if not self.inputs[name].field.is_default(value) and value is not None and value != {}
        }

    def set_values(self, values: Mapping[str, Any]) -> None:
        """These, and the defaults of all others."""
        for name, entry in self.inputs.items():
            value = values.get(name)
            if isinstance(entry, PairsInput):
                entry.value = value or {}
                continue
            if entry.field.kind == "choice" and value is not None and value not in entry.field.choices:
                entry.set_choices([*entry.field.choices, value])
            entry.value = entry.field.default if value is None else value
        if self.value:
            self.toggle.value = True
        self._changed()

    def set_fault(self, path: str, message: str) -> bool:
        """Say it at the field that the platform names; whether it is one of these. A folded fault is unfolded."""
        name = path.removeprefix(_SPEC).partition(".")[0]
        entry = self.inputs.get(name) if path.startswith(_SPEC) else None
        if entry is None:
            return False
        rest = path.removeprefix(f"{_SPEC}{name}").removeprefix(".")
        entry.set_fault(f"{rest}: {message}" if rest and rest not in message else message)
        self.toggle.value = True
        return True

    def clear_faults(self) -> None:
        for entry in self.inputs.values():
            entry.set_fault("")

    def _make(self, field: FormField, choices: Mapping[str, Sequence[str]]) -> Input | PairsInput:
        name = field.name
        field = replace(
            field,
            title=_TITLES.get(name, field.title),
            kind=_KINDS.get(name, field.kind),
            help=_HELP.get(name, field.help),
            bounds="" if name in _HELP else field.bounds,
        )
        given = self._given.get(name)
        if field.kind == "pairs":
            offered = list(choices.get(name, ())) if name == "secrets" else None
            called = "Secret" if name == "secrets" else "Value"
            return PairsInput(field, given, choices=offered, called=called, changed=self._changed, prefix=_SPEC)
        if name in choices:
            offered = [None, *choices[name], *([given] if given and given not in choices[name] else [])]
            field = replace(field, kind="choice", choices=tuple(offered))
        return Input(field, given, changed=self._changed, prefix=_SPEC)

    def _changed(self) -> None:
        try:
            said = ", ".join(self.inputs[name].field.title.lower() for name in self.value)
        except Invalid:
            said = ""  # half-written: the field says it when the form is sent
        self.toggle.description = f"More settings ({said})" if said else "More settings"
        self._tell()


def _plain(value: Any) -> Any:
    """A resource by its name; what is no resource stays."""
    return getattr(value, "qualified_name", value)
