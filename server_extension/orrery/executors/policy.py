"""What administrators say about the queue: limits of users and groups, their shares, and whether anything may start.

Pure. What was said while the platform ran lies in `queue.json` of the executor's home; what the platform's
configuration says is laid beneath it at each start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Self, cast

from orrery.errors import Invalid, Unschedulable
from orrery.executors.resources import Resources
from orrery.executors.words import human_bytes


@dataclass(frozen=True)
class Limit:
    """At most so much held at a time; None: no limit of its own."""

    cores: float | None = None
    memory_bytes: int | None = None
    gpus: int | None = None
    #: jobs that run at a time; replicas are not counted
    jobs: int | None = None
    #: how much counts as one's due beside the others: with 2, twice as much as with 1; None: 1
    share: float | None = None

    def over(self, other: Limit) -> Limit:
        """This limit, with the other's where it says nothing."""
        return replace(other, **said(self))

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        return cls(**{name.name: content.get(name.name) for name in fields(cls)})


@dataclass(frozen=True)
class Limits:
    #: of each user who has none by name, field by field
    everyone: Limit = Limit()
    users: Mapping[str, Limit] = field(default_factory=dict[str, Limit])
    #: what all members hold together, with what belongs to the group itself
    groups: Mapping[str, Limit] = field(default_factory=dict[str, Limit])

    def over(self, other: Limits) -> Limits:
        return Limits(
            self.everyone.over(other.everyone), _over(self.users, other.users), _over(self.groups, other.groups)
        )

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        def named(part: str) -> dict[str, Limit]:
            return {name: Limit.from_json(limit) for name, limit in _mapping(content.get(part)).items()}

        return cls(Limit.from_json(_mapping(content.get("everyone"))), named("users"), named("groups"))


def _over(upper: Mapping[str, Limit], lower: Mapping[str, Limit]) -> dict[str, Limit]:
    names = {**lower, **upper}
    return {name: upper.get(name, Limit()).over(lower.get(name, Limit())) for name in names}


@dataclass(frozen=True)
class Pause:
    """No job starts; what runs goes on, replicas of services start, and what is submitted waits."""

    by: str
    #: seconds since 1970
    since: float
    reason: str = ""
    #: the machine is being emptied: people are told when nothing runs any more
    is_draining: bool = False

    def __str__(self) -> str:
        done = "is being drained" if self.is_draining else "is paused"
        return f"the queue {done} by {self.by}{f': {self.reason}' if self.reason else ''}"


@dataclass(frozen=True)
class Bound:
    """One limit that somebody is under."""

    #: "user alice", "group students"
    whose: str
    limit: Limit

    def words(self) -> str:
        kind, _, name = self.whose.partition(" ")
        return f"{name}'s limit" if kind == "user" else f"the limit of {self.whose}"


@dataclass(frozen=True)
class Rules:
    #: what the configuration says, with what administrators said over it
    limits: Limits = Limits()
    #: user -> their groups, as the log-in last said
    members: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    pause: Pause | None = None

    def bounds(self, owner: str) -> tuple[Bound, ...]:
        """The limits that what `owner` holds counts against; an owner is a user or a group."""
        groups = {owner, *self.members.get(owner, ())}
        bounds = [
            Bound(f"group {name}", self.limits.groups[name]) for name in sorted(groups & self.limits.groups.keys())
        ]
        if owner not in self.limits.groups:
            bounds.insert(0, Bound(f"user {owner}", self.limits.users.get(owner, Limit()).over(self.limits.everyone)))
        return tuple(bounds)

    def share(self, owner: str) -> float:
        """The weight of an owner's turn."""
        limits = self.limits
        named = limits.groups.get(owner) or limits.users.get(owner)
        return (named.share if named is not None else None) or limits.everyone.share or 1.0

    def check(self, owner: str, wanted: Resources) -> None:
        """Raises: `Unschedulable` for what no wait could bring under a limit."""
        for bound in self.bounds(owner):
            for name, amount in amounts(wanted, jobs=1).items():
                allowed: float | None = getattr(bound.limit, name)
                if allowed is not None and amount > allowed:
                    told = f"{bound.words()} is {words(name, allowed)}: "
                    # of jobs one is the least that can be asked for
                    asked = "" if name == "jobs" else f"{words(name, amount)} asked for; "
                    smaller = "" if name == "jobs" else "choose a smaller instance type, or "
                    raise Unschedulable(
                        f"{asked}{told}{smaller}ask an administrator to raise the limit",
                        resource=name,
                        asked=amount,
                        available=allowed,
                    )


@dataclass
class Tally:
    """What each bound's people hold, and which are full for those who come later."""

    rules: Rules
    held: dict[str, dict[str, float]] = field(default_factory=dict[str, dict[str, float]])
    #: (whose, amount) that somebody earlier in line waits for
    kept: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    _bounds: dict[str, tuple[Bound, ...]] = field(default_factory=dict[str, tuple[Bound, ...]])

    def bounds(self, owner: str) -> tuple[Bound, ...]:
        if owner not in self._bounds:
            self._bounds[owner] = self.rules.bounds(owner)
        return self._bounds[owner]

    def add(self, owner: str, taken: Mapping[str, float]) -> None:
        for bound in self.bounds(owner):
            held = self.held.setdefault(bound.whose, {})
            for name, amount in taken.items():
                held[name] = held.get(name, 0) + amount

    def over(self, owner: str, wanted: Mapping[str, float]) -> tuple[Bound, str] | None:
        """The first limit that `wanted` would exceed, and which amount; None where there is none."""
        for bound in self.bounds(owner):
            held = self.held.get(bound.whose, {})
            for name, amount in wanted.items():
                allowed: float | None = getattr(bound.limit, name)
                if allowed is None or amount <= 0:
                    continue
                if (bound.whose, name) in self.kept or held.get(name, 0) + amount > allowed + 1e-6:
                    return bound, name
        return None

    def keep(self, bound: Bound, name: str) -> None:
        """What becomes free of it is for whoever was just turned away: one's own small jobs never starve a big one."""
        self.kept.add((bound.whose, name))


def amounts(resources: Resources, *, jobs: int) -> dict[str, float]:
    return {"cores": resources.cores, "memory_bytes": resources.memory_bytes, "gpus": resources.gpus, "jobs": jobs}


def words(name: str, amount: float) -> str:
    """`2 running jobs`, `1 core`, `2 GiB of memory`."""
    if name == "memory_bytes":
        return f"{human_bytes(amount)} of memory"
    unit = {"cores": "core", "gpus": "GPU", "jobs": "running job"}[name]
    return f"{amount:g} {unit}{'' if amount == 1 else 's'}"


# --- as JSON ---


def _mapping(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value or {})


def said(limit: Limit) -> dict[str, Any]:
    """The amounts that it limits."""
    return {name: value for name, value in vars(limit).items() if value is not None}


def limits_to_json(limits: Limits) -> dict[str, Any]:
    """Only what is said: a limit of None is left out."""

    def named(part: Mapping[str, Limit]) -> dict[str, Any]:
        return {name: said(limit) for name, limit in sorted(part.items())}

    return {"everyone": said(limits.everyone), "users": named(limits.users), "groups": named(limits.groups)}


def changed(limits: Limits, changes: Mapping[str, Any]) -> Limits:
    """The limits with changes over them: `{"users": {"alice": {"cores": 4, "jobs": None}, "bob": None}}`.

    None takes away what was said: of one amount, or of everything about one name. Raises: `Invalid`.
    """
    everyone = _patched(limits.everyone, _mapping(changes.get("everyone")), "everyone")
    if "everyone" in changes and changes["everyone"] is None:
        everyone = Limit()
    parts: dict[str, dict[str, Limit]] = {}
    for part, before in (("users", limits.users), ("groups", limits.groups)):
        named = dict(before)
        for name, limit in _mapping(changes.get(part)).items():
            if limit is None:
                named.pop(name, None)
            else:
                named[name] = _patched(named.get(name, Limit()), limit, f"{part}.{name}")
        parts[part] = {name: limit for name, limit in named.items() if limit != Limit()}
    return Limits(everyone, parts["users"], parts["groups"])


def _patched(before: Limit, changes: Mapping[str, Any], path: str) -> Limit:
    for name, value in changes.items():
        if value is not None and (value < 0 or (name == "share" and not value > 0)):
            least = "above 0" if name == "share" else "0 or more"
            message = f"{path}.{name} is {value!r}; it must be {least}, or null for none"
            raise Invalid(message, fields=[{"path": f"{path}.{name}", "message": message}])
    return replace(before, **changes)


def rules_to_json(rules: Rules) -> dict[str, Any]:
    return {
        "limits": limits_to_json(rules.limits),
        "members": {name: list(groups) for name, groups in sorted(rules.members.items())},
        "pause": None if rules.pause is None else asdict(rules.pause),
    }


def rules_from_json(content: Mapping[str, Any]) -> Rules:
    pause = content.get("pause")
    return Rules(
        Limits.from_json(_mapping(content.get("limits"))),
        {name: tuple(groups) for name, groups in _mapping(content.get("members")).items()},
        None if pause is None else Pause(**pause),
    )
