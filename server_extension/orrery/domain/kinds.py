"""What a kind declares; everything generic is made from it: routes, OpenAPI, SDK and CLI verbs, lists and forms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from orrery.domain.machine import Machine
from orrery.domain.records import Json, Target


class Spec(BaseModel):
    """Base of all specs: unknown fields are refused, so that a misspelt one is not silently lost."""

    model_config = ConfigDict(extra="forbid", validate_default=True, allow_inf_nan=False)

    #: fields that only the platform itself fills in
    made_by_platform: ClassVar[frozenset[str]] = frozenset()


class ColumnType(StrEnum):
    TEXT = "text"
    PHASE = "phase"
    DATE = "date"
    DURATION = "duration"
    PROGRESS = "progress"
    NUMBER = "number"
    BYTES = "bytes"
    REFERENCE = "ref"
    TAGS = "tags"
    #: how many trials of a tuning are done, and how the others stand
    TRIALS = "trials"
    #: the trial of a tuning that did best: its training's name and what it reached
    BEST_TRIAL = "best-trial"


@dataclass(frozen=True)
class Column:
    """A column of the kind's list: `key` is a dotted path into the resource's JSON."""

    key: str
    title: str
    type: ColumnType = ColumnType.TEXT


@dataclass(frozen=True)
class Action:
    """Something a user may do to a resource besides editing and deleting it.

    With `event` it is a step of the machine; without, a controller handles it (it makes other resources, say).
    """

    name: str
    title: str
    event: str | None = None
    #: what becomes wanted
    target: Target | None = None
    #: asked before it is done; None: nothing is lost by it
    confirm: str | None = None
    destructive: bool = False
    #: offered in these phases; empty: in those where `event` is possible
    phases: frozenset[str] = frozenset()
    body: type[BaseModel] | None = None
    #: whether a form asks for the body; False: it is done at once, and only programs give one
    asks: bool = True


@dataclass(frozen=True)
class App:
    """The web application that each resource of the kind has; a controller's host runs it."""

    #: what the link to it says
    title: str
    #: what a visit by program is called: `POST /api/v1/<kinds>/{id}/<visit>`
    visit: str
    #: whether it is what the kind is for
    is_main: bool = False
    #: what follows the resource's id in its address; empty for the kind's first
    suffix: str = ""


@dataclass(frozen=True)
class Parts:
    """Some resources of the kind are parts of something larger, as trials are of a tuning; lists may leave them out."""

    #: where their spec refers to what they are a part of
    path: str
    #: what they are called in lists
    title: str


@dataclass(frozen=True)
class Kind:
    """The declaration of a kind."""

    name: str
    plural: str
    prefix: str
    title: str
    title_plural: str
    #: which section of the side bar it is listed in, and where there
    section: str
    order: int
    spec: type[Spec]
    machine: Machine
    #: resources of one name are numbered 1, 2, ...; a reference without a version means the latest
    versioned: bool = False
    #: whether users create it directly
    creatable: bool = True
    #: fields of the spec that PATCH may change
    mutable: frozenset[str] = frozenset()
    #: the event that a change of the spec causes, if any
    changed_event: str | None = None
    actions: tuple[Action, ...] = ()
    columns: tuple[Column, ...] = ()
    tabs: tuple[str, ...] = ("overview", "lineage")
    #: phases in which a delete is refused, and what to do first
    undeletable: Mapping[str, str] = field(default_factory=dict[str, str])
    #: phases from which a delete must first wind something up (DELETE_IN_PROGRESS); empty: it goes at once
    delete_event: str | None = None
    #: what a delete takes with it, said before it is confirmed; empty: the resource alone
    deleting: str = ""
    #: phases in which one holds an instance; of a kind that runs and ends, those that are Running do
    holding: frozenset[str] = frozenset()
    #: nobody but its owner (a group's members, where a group owns it) may see one
    is_private: bool = False
    #: fields of the spec that are taken but never stored in it nor answered
    concealed: frozenset[str] = frozenset()
    app: App | None = None
    parts: Parts | None = None
    #: whether the times that one of them ran add up: it goes on when it is started again
    sums_runs: bool = False
    #: beside that one, each with a suffix of its own
    more_apps: tuple[App, ...] = ()
    #: its resources live at JupyterHub: without one it is not offered
    needs_hub: bool = False
    description: str = ""

    @property
    def apps(self) -> tuple[App, ...]:
        return (*([self.app] if self.app else []), *self.more_apps)

    def action(self, name: str) -> Action | None:
        return next((action for action in self.actions if action.name == name), None)

    def offered_in(self, action: Action) -> frozenset[str]:
        """The phases in which `action` is offered."""
        if action.phases:
            return action.phases
        return self.machine.phases_with(action.event) if action.event else frozenset(self.machine.phases)


COMMON_COLUMNS = (Column("name", "Name"), Column("status.phase", "Status", ColumnType.PHASE))
AGE_COLUMNS = (
    Column("owner", "Owner"),
    Column("created_at", "Created", ColumnType.DATE),
    Column("updated_at", "Updated", ColumnType.DATE),
)


def describe(kind: Kind) -> Json:
    """The declaration as clients read it (`GET /api/v1/kinds`)."""
    return {
        "kind": kind.name,
        "plural": kind.plural,
        "prefix": kind.prefix,
        "title": kind.title,
        "title_plural": kind.title_plural,
        "description": kind.description,
        "section": kind.section,
        "order": kind.order,
        "versioned": kind.versioned,
        "creatable": kind.creatable,
        "columns": [{"key": c.key, "title": c.title, "type": c.type.value} for c in kind.columns],
        "spec_schema": spec_schema(kind.spec),
        "mutable": [
            "name",
            "description",
            "tags",
            "visibility",
            "group",
            *(f"spec.{name}" for name in sorted(kind.mutable)),
        ],
        "actions": [
            {
                "name": action.name,
                "title": action.title,
                "confirm": action.confirm,
                "destructive": action.destructive,
                "phases": sorted(kind.offered_in(action)),
                "schema": spec_schema(action.body) if action.body and action.asks else None,
            }
            for action in kind.actions
        ],
        "phases": [
            {"name": phase.name, "title": phase.title, "state": phase.state, "settled": phase.settled}
            for phase in kind.machine.phases.values()
        ],
        "tabs": list(kind.tabs),
        "deleting": kind.deleting,
        "app": asdict(kind.app) if kind.app else None,
        "parts": asdict(kind.parts) if kind.parts else None,
        "more_apps": [asdict(app) for app in kind.more_apps],
    }


def spec_schema(spec: type[BaseModel]) -> Json:
    return spec.model_json_schema(mode="validation")


class Registry:
    """The kinds served, by name and by plural."""

    def __init__(self, kinds: tuple[Kind, ...]) -> None:
        self._by_name: dict[str, Kind] = {kind.name: kind for kind in kinds}
        self._by_plural: dict[str, Kind] = {kind.plural: kind for kind in kinds}
        prefixes = [kind.prefix for kind in kinds]
        if len(set(prefixes)) != len(prefixes):
            raise ValueError(f"two kinds share an id prefix: {prefixes}")

    def __iter__(self) -> Any:
        return iter(self._by_name.values())

    def named(self, name: str) -> Kind:
        return self._by_name[name]

    def plural(self, plural: str) -> Kind | None:
        return self._by_plural.get(plural)

    def __contains__(self, name: str) -> bool:
        return name in self._by_name
