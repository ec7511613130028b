"""Who may do what: one table, consulted in one place.

A caller stands in one *relation* to a resource, the strongest that holds. `ALLOWED` says which acts each relation may
do. Whoever may not read a thing is told that it does not exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from orrery.errors import Forbidden, NotFound

#: owner of what ships with the platform (built-in algorithms); nobody logs in as it
SYSTEM_OWNER: Final = "orrery"


class Visibility(StrEnum):
    PRIVATE = "private"
    GROUP = "group"
    PUBLIC = "public"


class Act(StrEnum):
    READ = "read"
    #: name it in a spec of one's own; call it, where it is an endpoint
    USE = "use"
    #: change, start, stop, delete, restore
    WRITE = "write"


class Relation(StrEnum):
    ADMIN = "admin"
    OWNER = "owner"
    GROUP_MEMBER = "group member"
    ANYONE = "anyone"
    STRANGER = "stranger"


ALLOWED: Final[Mapping[Relation, frozenset[Act]]] = {
    Relation.ADMIN: frozenset(Act),
    Relation.OWNER: frozenset(Act),
    Relation.GROUP_MEMBER: frozenset({Act.READ, Act.USE}),
    Relation.ANYONE: frozenset({Act.READ, Act.USE}),
    Relation.STRANGER: frozenset(),
}


@dataclass(frozen=True)
class User:
    """A caller, as the log-in says. `groups` are the hub's; `run`: the job whose own token it is that calls."""

    name: str
    groups: frozenset[str] = frozenset()
    admin: bool = False
    run: str = ""

    def may_own_as(self, owner: str) -> bool:
        """Whether a new resource of this user's may belong to `owner`: the user, or a group of theirs."""
        return owner == self.name or owner in self.groups or self.admin


class Guarded(Protocol):
    """What access needs to know of a resource."""

    @property
    def owner(self) -> str: ...
    @property
    def visibility(self) -> Visibility: ...
    @property
    def group(self) -> str | None: ...
    @property
    def label(self) -> str: ...


def relation(user: User, resource: Guarded) -> Relation:
    if user.admin:
        return Relation.ADMIN
    if resource.owner == user.name or resource.owner in user.groups:
        return Relation.OWNER
    if resource.visibility is Visibility.GROUP and resource.group in user.groups:
        return Relation.GROUP_MEMBER
    if resource.visibility is Visibility.PUBLIC:
        return Relation.ANYONE
    return Relation.STRANGER


def is_allowed(user: User, act: Act, resource: Guarded) -> bool:
    return act in ALLOWED[relation(user, resource)]


def require(user: User, act: Act, resource: Guarded) -> None:
    """Raises: NotFound when the user may not even read it, Forbidden when they may read but not do this."""
    if is_allowed(user, act, resource):
        return
    if not is_allowed(user, Act.READ, resource):
        raise NotFound(f"{resource.label} does not exist, or you may not see it")
    raise Forbidden(f"{resource.label} belongs to {resource.owner}; you may {Act.READ} it but not {act} it")
