"""The platform's kinds as it declares them (`GET /kinds`): collections, the CLI's KIND and waits are made from it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from orrery.errors import NotFound

#: an id, as the platform makes them; anything else that names a resource is [owner/]name[@version]
ID: Final = re.compile(r"[a-z]{2,4}_[0-9a-hjkmnp-tv-z]{18}")

#: short forms of the built-in kinds, besides each kind's id prefix
_SHORT: Final[Mapping[str, str]] = {
    "ds": "datasets",
    "dv": "dataset-versions",
    "version": "dataset-versions",
    "versions": "dataset-versions",
    "algo": "algorithms",
    "train": "trainings",
    "run": "trainings",
    "runs": "trainings",
    "ep": "endpoints",
}


@dataclass(frozen=True)
class Action:
    """Something a user may do to a resource; `phases` are those in which it is offered."""

    name: str
    title: str
    confirm: str | None = None
    destructive: bool = False
    phases: frozenset[str] = frozenset()
    schema: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Column:
    """A column of the kind's list; `key` is a dotted path into the resource."""

    key: str
    title: str
    type: str = "text"


@dataclass(frozen=True)
class Kind:
    """The declaration of one kind."""

    name: str
    plural: str
    title: str
    title_plural: str
    prefix: str = ""
    description: str = ""
    versioned: bool = False
    creatable: bool = True
    columns: tuple[Column, ...] = ()
    actions: tuple[Action, ...] = ()
    #: phase -> its state: Pending, Running, Completed, Failed, Cancelled, Active, Stopped
    states: Mapping[str, str] = field(default_factory=dict[str, str])
    #: phases that nothing but a user's act will change
    settled: frozenset[str] = frozenset()
    mutable: tuple[str, ...] = ()
    spec_schema: Mapping[str, Any] = field(default_factory=dict[str, Any])
    #: what a visit to its web application is called; None where it has none
    visit: str | None = None
    #: and to its further ones
    more_visits: tuple[str, ...] = ()

    def action(self, name: str) -> Action | None:
        return next((action for action in self.actions if action.name == name), None)


def read_kind(document: Mapping[str, Any]) -> Kind:
    """Unknown fields are passed over: a newer platform may declare more."""
    app: Mapping[str, Any] = document.get("app") or {}
    return Kind(
        name=document["kind"],
        plural=document["plural"],
        title=document["title"],
        title_plural=document["title_plural"],
        prefix=document.get("prefix", ""),
        description=document.get("description", ""),
        versioned=document.get("versioned", False),
        creatable=document.get("creatable", True),
        columns=tuple(Column(c["key"], c["title"], c.get("type", "text")) for c in document.get("columns", ())),
        actions=tuple(
            Action(
                a["name"],
                a["title"],
                a.get("confirm"),
                a.get("destructive", False),
                frozenset(a.get("phases", ())),
                a.get("schema"),
            )
            for a in document.get("actions", ())
        ),
        states={phase["name"]: phase["state"] for phase in document.get("phases", ())},
        settled=frozenset(phase["name"] for phase in document.get("phases", ()) if phase.get("settled")),
        mutable=tuple(document.get("mutable", ())),
        spec_schema=document.get("spec_schema", {}),
        visit=app.get("visit"),
        more_visits=tuple(more["visit"] for more in document.get("more_apps", ())),
    )


class Kinds:
    """All kinds of one platform."""

    def __init__(self, kinds: tuple[Kind, ...], goals: Mapping[str, str] | None = None) -> None:
        self._kinds = kinds
        #: "minimize" and "maximize": what a metric's name has where that is its goal, as a regular expression
        self.goals: Mapping[str, str] = goals or {}

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._kinds)

    def find(self, text: str) -> Kind:
        """The kind called `text`: its singular, its plural, its id prefix or a short form.

        Raises: NotFound with the nearest names.
        """
        wanted = text.lower().replace("_", "-")
        for kind in self._kinds:
            if wanted in (kind.name, kind.plural, kind.prefix) or _SHORT.get(wanted) == kind.plural:
                return kind
        names = [name for kind in self._kinds for name in (kind.name, kind.plural)]
        near = difflib.get_close_matches(wanted, [*names, *_SHORT], n=1, cutoff=0.6)
        guess = f"; did you mean {_SHORT.get(near[0], near[0])!r}?" if near else "."
        known = ", ".join(kind.plural for kind in self._kinds)
        raise NotFound(f"there is no kind {text!r}{guess} The kinds here are: {known}", kind=text)


def read_kinds(document: Mapping[str, Any]) -> Kinds:
    return Kinds(tuple(read_kind(entry) for entry in document["items"]), document.get("goals"))
