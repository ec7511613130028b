"""What users ask for: each command checks who asks, writes a spec or a target, and wakes the reconciler."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from orrery.controllers.contract import Changes, Controller, Draft, NewResource, Platform
from orrery.domain.access import SYSTEM_OWNER, Act, User, Visibility, require
from orrery.domain.ids import check_name, make_id
from orrery.domain.kinds import Action, Kind, Spec
from orrery.domain.problems import names_beside, place_of, say, tell
from orrery.domain.records import Json, Record, Target, object_ids
from orrery.domain.references import named_references, parse_reference, replace_references
from orrery.errors import Invalid, NameTaken, NotFound, OrreryError, Stale, WrongPhase
from orrery.store.resources import make_in_use, summary
from orrery.store.rows import Query

MAX_TAGS = 50
#: how often a change is laid over a spec that was changed meanwhile
MOST_READINGS = 5
T = TypeVar("T", bound=BaseModel)


class _SpecMoved(Exception):
    """The spec has changed since the changes to it were checked."""


class Commands:
    """The one way in for every face: REST, batch, and the controllers that make resources for users."""

    def __init__(self, platform: Platform, controllers: Mapping[str, Controller], wake: Callable[[], None]) -> None:
        self.platform = platform
        self.store = platform.store
        self.controllers = controllers
        #: tells the engine that something is due
        self.wake = wake

    # reading

    def resolve(self, user: User, kind: Kind, reference: str, *, trashed: bool = False) -> Record:
        """The resource that `reference` means to `user`: an id, or [owner/]name[@version], one's own first.

        Raises: NotFound for what is not there or not theirs to see.
        """
        locator = parse_reference(reference)
        if locator.id is not None:
            record = self.store.find(locator.id)
            if record is not None and (record.kind != kind.name or (record.deleted_at is not None and not trashed)):
                record = None
        else:
            owners = [locator.owner] if locator.owner else [user.name, *sorted(user.groups), SYSTEM_OWNER]
            record = self.store.find_named(kind.name, owners, locator.name, locator.version)
            if record is None and trashed:
                record = self._find_trashed(user, kind, locator.name, locator.version, owners)
        missing = NotFound(f"{kind.title.lower()} {reference!r} does not exist, or you may not see it")
        if record is None:
            raise missing
        try:
            require(user, Act.READ, record)
        except NotFound:
            raise missing from None
        return record

    def _find_trashed(self, user: User, kind: Kind, name: str, version: int | None, owners: list[str]) -> Record | None:
        query = Query(kind=kind.name, viewer=user, name=name, trashed=True, order="-updated_at", limit=50)
        return next(
            (r for r in self.store.list(query).items if r.owner in owners and version in (None, r.version)),
            None,
        )

    def visible_dependents(self, user: User, record: Record, *, deep: bool) -> tuple[list[Record], str]:
        """What depends on it, and a digest of the list. Raises: NotFound."""
        require(user, Act.READ, record)
        found = self.store.dependents(record.id, deep=deep)
        return found, make_digest([record, *found])

    # writing

    def create(
        self,
        user: User,
        kind: Kind,
        new: NewResource,
        *,
        idempotency_key: str | None = None,
        by_platform: bool = False,
    ) -> Record:
        """Raises: Invalid, NotFound, NameTaken, Forbidden.

        `by_platform`: the platform itself asks, for the user: it made the objects named, so that they need not be the
        user's uploads, and fills in fields that are its own.
        """
        self._remember_groups(user)
        draft, stored = self._draft(user, kind, new, by_platform=by_platform)
        owner, now = draft.owner, self.store.clock()
        record = Record(
            id=make_id(kind.prefix),
            kind=kind.name,
            owner=owner,
            name=new.name,
            version=0,
            spec=stored,
            phase=kind.machine.initial,
            created_at=now,
            updated_at=now,
            visibility=new.visibility,
            group=new.group,
            description=new.description,
            tags=check_tags(new.tags),
            internal=self.controllers[kind.name].conceal(draft),
        )
        event = self.controllers[kind.name].event_of(stored, None)
        if event is not None:
            record = kind.machine.step(record, event, now)
        told = {name: value for name, value in new.spec.items() if name not in kind.concealed}
        fingerprint = hashlib.sha256(
            json.dumps([kind.name, owner, new.name, told, new.description], sort_keys=True, default=str).encode()
        ).hexdigest()
        key = (user.name, idempotency_key, fingerprint) if idempotency_key else None
        created = self.store.create(record, draft.edges(), idempotency=key)
        self.wake()
        return created

    def check(self, user: User, kind: Kind, new: NewResource, *, is_new: bool = True) -> Json:
        """All that `create` checks, and nothing is written; the spec as it would be stored.

        `is_new`: the name must be free. Raises: as `create` does.
        """
        draft, stored = self._draft(user, kind, new)
        if is_new and not kind.versioned and self.store.find_named(kind.name, [draft.owner], new.name, None):
            raise NameTaken(f"{kind.title.lower()} {draft.owner}/{new.name} exists already; choose another name")
        return stored

    def _draft(self, user: User, kind: Kind, new: NewResource, *, by_platform: bool = False) -> tuple[Draft, Json]:
        """A create request, checked, and its spec as it is stored."""
        owner = new.owner or user.name
        if not user.may_own_as(owner):
            raise Invalid(
                f"owner {owner!r} is neither you ({user.name}) nor a group of yours",
                fields=[_field("owner", "not yours")],
            )
        check_name(new.name)
        check_group(user, new.visibility, new.group)
        check_privacy(kind, new.visibility)
        check_tags(new.tags)
        spec = parse_spec(kind.spec, self.controllers[kind.name].complete(new.spec))
        if not by_platform:
            check_made_by_platform(kind, spec)
        # before anything is read of them
        self.claim_objects(user, spec, by_platform=by_platform)
        draft = Draft(user, owner, new.name, spec, self.resolve_references(user, owner, spec))
        stored = replace_references(
            self.controllers[kind.name].admit(draft), {path: record.id for path, record in draft.references.items()}
        )
        return draft, stored

    def _remember_groups(self, user: User) -> None:
        """The queue counts what a group's members hold. A job's token says nothing of its owner's groups."""
        groups, executor = tuple(sorted(user.groups)), self.platform.executor
        if groups and executor.rules().members.get(user.name) != groups:
            executor.change_rules(lambda rules: replace(rules, members={**rules.members, user.name: groups}))

    def resolve_references(self, user: User, owner: str, spec: BaseModel) -> dict[str, Record]:
        """Every reference in the spec, resolved for `user`. Raises: Invalid naming the field."""
        found: dict[str, Record] = {}
        for named in named_references(spec):
            kind = self.store.kinds.named(named.kind)
            try:
                record = self.resolve(replace(user, groups=user.groups | {owner}), kind, named.value)
                require(user, Act.USE, record)
            except OrreryError as error:
                message = self._missing_message(user, kind, named.path, named.value, error.message)
                raise Invalid(message, fields=[_field(f"spec.{named.path}", message)]) from error
            found[named.path] = record
        return found

    def _missing_message(self, user: User, kind: Kind, path: str, value: str, message: str) -> str:
        if kind.name == "dataset-version" and "@" not in value:
            datasets = self.store.kinds.named("dataset")
            try:
                dataset = self.resolve(user, datasets, value)
            except OrreryError as error:
                return error.message + self._nearest(user, datasets, value)
            return (
                f"dataset {dataset.qualified_name} has no published version; publish it first "
                f"(`orrery dataset publish {dataset.name}`): trainings are pinned to versions"
            )
        return message + (self._namesake(user, path, value) or self._nearest(user, kind, value))

    def _namesake(self, user: User, path: str, value: str) -> str:
        """A hint at the tuning that is called so, where an earlier training is looked for."""
        if not path.startswith("earlier_trainings."):
            return ""
        try:
            self.resolve(user, self.store.kinds.named("tuning"), value)
        except OrreryError:
            return ""
        return f"; a tuning is called so: name it as an earlier tuning ('tuning/{value}' in Python, --after {value})"

    def _nearest(self, user: User, kind: Kind, value: str) -> str:
        """A hint at the name that was likely meant, among the newest that the user may see."""
        page = self.store.list(Query(kind=kind.name, viewer=user, limit=200))
        names = {
            record.name if record.owner in (user.name, SYSTEM_OWNER) else f"{record.owner}/{record.name}"
            for record in page.items
        }
        near = difflib.get_close_matches(value.partition("@")[0], sorted(names), n=1)
        return f"; did you mean {near[0]!r}?" if near else ""

    def patch(
        self, user: User, record: Record, changes: Changes, *, etag: int | None = None, dry_run: bool = False
    ) -> Record:
        """`dry_run`: only check; the record as it is. Raises: Forbidden, Invalid, NameTaken, Stale, WrongPhase."""
        for _ in range(MOST_READINGS):
            try:
                return self._patch(user, record, changes, etag=etag, dry_run=dry_run)
            except _SpecMoved:
                # its reconciler, or somebody else, was quicker: the changes are laid over what is there now
                record = self.store.get(record.id)
        raise Stale(f"{record.label} keeps changing; try again in a moment")

    def _patch(self, user: User, record: Record, changes: Changes, *, etag: int | None, dry_run: bool) -> Record:
        require(user, Act.WRITE, record)
        kind = self.store.kinds.named(record.kind)
        fixed = sorted(changes.spec.keys() - kind.mutable)
        if fixed:
            can = f"only {', '.join(sorted(kind.mutable))} can" if kind.mutable else "nothing in it can"
            raise Invalid(
                f"spec.{fixed[0]} of a {kind.title.lower()} cannot be changed ({can}); make a copy instead",
                fields=[_field(f"spec.{name}", "cannot be changed") for name in fixed],
            )
        if changes.name is not None:
            check_name(changes.name)
            if kind.versioned and changes.name != record.name:
                raise Invalid(f"a {kind.title.lower()} keeps its name: its versions are numbered under it")
        visibility = changes.visibility or record.visibility
        group = changes.group if changes.group is not None else record.group
        check_group(user, visibility, group)
        check_privacy(kind, visibility)
        draft = stored = None
        concealed: Json = {}
        if changes.spec:
            completed = self.controllers[kind.name].complete({**record.spec, **changes.spec})
            spec = parse_spec(kind.spec, completed)
            self.claim_objects(user, spec)
            draft = Draft(
                user, record.owner, record.name, spec, self.resolve_references(user, record.owner, spec), record
            )
            stored = replace_references(
                self.controllers[kind.name].admit(draft), {path: found.id for path, found in draft.references.items()}
            )
            concealed = self.controllers[kind.name].conceal(draft)

        if dry_run:
            return record

        def change(fresh: Record) -> Record:
            changed = replace(
                fresh,
                name=changes.name or fresh.name,
                description=fresh.description if changes.description is None else changes.description,
                visibility=visibility,
                group=group,
                tags=fresh.tags if changes.tags is None else check_tags(changes.tags),
            )
            if stored is None:
                return changed
            if fresh.spec != record.spec:
                raise _SpecMoved
            changed = replace(changed, spec=stored, internal={**fresh.internal, **concealed})
            event = self.controllers[kind.name].event_of(stored, fresh)
            if event is not None and (concealed or stored != fresh.spec):
                changed = kind.machine.step(changed, event, self.store.clock())
            return changed

        changed = self.store.update(record.id, change, references=draft.edges() if draft else None, etag=etag)
        self.wake()
        return changed

    def act(self, user: User, record: Record, action_name: str, body: Json | None) -> Record:
        """Raises: Forbidden, Invalid, WrongPhase."""
        kind = self.store.kinds.named(record.kind)
        action = kind.action(action_name)
        if action is None:
            known = ", ".join(action.name for action in kind.actions) or "none"
            raise NotFound(f"a {kind.title.lower()} has no action {action_name!r} (it has: {known}, copy, restore)")
        require(user, Act.WRITE, record)
        if record.phase not in kind.offered_in(action):
            phases = ", ".join(sorted(kind.offered_in(action)))
            title = action.title[0].lower() + action.title[1:]
            raise WrongPhase(
                f"{record.label} is {record.phase}; {title} is possible in {phases}",
                phase=record.phase,
            )
        parsed = parse_spec(action.body, body or {}) if action.body else None
        if parsed is not None:
            self.claim_objects(user, parsed)
        if action.event is None:
            result = self.controllers[kind.name].act(action_name, record, parsed, user)
        else:
            notes = self.controllers[kind.name].prepare(action_name, record, parsed)
            result = self.store.update(record.id, lambda fresh: self._stepped(kind, action, fresh, notes))
        self.wake()
        return result

    def _stepped(self, kind: Kind, action: Action, fresh: Record, notes: Json) -> Record:
        assert action.event is not None
        stepped = kind.machine.step(fresh, action.event, self.store.clock())
        internal = {**stepped.internal, **notes}
        return replace(stepped, target=action.target or fresh.target, attempts=0, internal=internal)

    def copy(
        self, user: User, record: Record, name: str, overrides: Json, *, idempotency_key: str | None = None
    ) -> Record:
        """A new resource with the same spec, `overrides` laid over it field by field."""
        require(user, Act.READ, record)
        kind = self.store.kinds.named(record.kind)
        if not kind.creatable:
            raise Invalid(f"a {kind.title.lower()} cannot be copied; it is made by the platform")
        new = NewResource(
            name=name,
            spec={**{k: v for k, v in record.spec.items() if k not in kind.spec.made_by_platform}, **overrides},
            description=record.description,
            visibility=record.visibility if record.owner == user.name else Visibility.PRIVATE,
            group=record.group if record.owner == user.name else None,
            tags=record.tags,
        )
        return self.create(user, kind, new, idempotency_key=idempotency_key)

    def delete(self, user: User, record: Record, *, cascade: bool = False, digest: str | None = None) -> list[Record]:
        """Move to the trash, with everything that depends on it where `cascade` says so.

        `digest` is of the list shown before (`visible_dependents`): what was not on it is not removed.
        Raises: InUse with the dependents; WrongPhase for what must be stopped first; Stale for a list that has changed.
        """
        require(user, Act.WRITE, record)
        dependents = self.store.dependents(record.id, deep=cascade)
        if dependents and not cascade:
            raise make_in_use(record, dependents)
        doomed = [record, *dependents]
        if cascade and digest is not None and digest != make_digest(doomed):
            raise Stale(
                f"what depends on {record.label} has changed since it was listed; look at the list again",
                dependents=[summary(dependent) for dependent in dependents],
                digest=make_digest(doomed),
            )
        for doomed_record in doomed:
            require(user, Act.WRITE, doomed_record)
            kind = self.store.kinds.named(doomed_record.kind)
            remedy = kind.undeletable.get(doomed_record.phase)
            if remedy is not None:
                raise WrongPhase(f"{doomed_record.label} is {doomed_record.phase}; {remedy}", phase=doomed_record.phase)
        moved = self.store.trash([doomed_record.id for doomed_record in doomed], self._wound_up)
        self.wake()
        return moved

    def _wound_up(self, fresh: Record) -> Record:
        """The record as it enters the trash: what listens is stopped first, from there."""
        kind = self.store.kinds.named(fresh.kind)
        if kind.undeletable.get(fresh.phase) is not None:
            raise WrongPhase(
                f"{fresh.label} has become {fresh.phase}; {kind.undeletable[fresh.phase]}", phase=fresh.phase
            )
        now = self.store.clock()
        event = kind.delete_event
        if event is not None and fresh.phase in kind.machine.phases_with(event):
            fresh = kind.machine.step(fresh, event, now)
        return replace(fresh, target=Target.DELETED, deleted_at=now)

    def restore(self, user: User, record: Record) -> Record:
        """Take it out of the trash. Raises: WrongPhase, NameTaken, NotFound when what it refers to is gone."""
        require(user, Act.WRITE, record)
        if record.deleted_at is None:
            raise WrongPhase(f"{record.label} is not in the trash")
        kind = self.store.kinds.named(record.kind)
        if record.phase == "DELETE_IN_PROGRESS":
            raise WrongPhase(f"{record.label} is still being wound up; restore it in a moment", phase=record.phase)
        edges = self.store.references_of([record.id])[record.id]
        gone = [target for _, target in edges if target.deleted_at is not None]
        if gone:
            raise WrongPhase(
                f"{record.label} needs {', '.join(target.label for target in gone)}, in the trash; restore it first",
                dependents=[summary(target) for target in gone],
            )
        target = (
            Target.STOPPED if kind.machine.phases[record.phase].state in ("Stopped", "Cancelled") else Target.RUNNING
        )
        try:
            restored = self.store.update(
                record.id,
                lambda fresh: replace(fresh, deleted_at=None, target=target),
                references=[reference for reference, _ in edges],
                event="restored",
            )
        except NameTaken as error:
            raise NameTaken(
                f"{record.label} cannot be restored: its name is another's by now; rename or delete that one first"
            ) from error
        self.wake()
        return restored

    def claim_objects(self, user: User, spec: BaseModel, *, by_platform: bool = False) -> None:
        """Keep the collector from objects about to be referred to.

        Raises: Invalid for one that is not there, or that this user neither uploaded nor may read: a hash is no key.
        """
        for oid in sorted(object_ids(spec.model_dump(mode="json"))):
            try:
                if not by_platform and not self._may_hold(user, oid):
                    raise NotFound
                self.platform.objects.claim(oid)
            except NotFound as error:
                raise Invalid(
                    f"object {oid} was never uploaded (or has been collected since); upload the file again"
                ) from error

    def _may_hold(self, user: User, oid: str) -> bool:
        return self.platform.uploads.brought(user.name, oid) or self.store.is_held_visibly(user, oid)


def parse_spec(model: type[T], document: Json) -> T:
    """Raises: Invalid with one entry a field, in the words of the field's own rule."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        prefix = "spec" if issubclass(model, Spec) else ""
        fields: list[Json] = []
        for problem in error.errors(include_url=False):
            place = place_of(document, problem["loc"])
            path = ".".join(str(part) for part in (prefix, *place) if part != "")
            fields.append({"path": path, "message": say(problem, names_beside(model, place))})
        raise Invalid(tell(fields), fields=fields) from error


def check_made_by_platform(kind: Kind, spec: Spec) -> None:
    """Raises: Invalid for a field that only the platform fills in."""
    for name in sorted(kind.spec.made_by_platform):
        if getattr(spec, name) is not None:
            message = f"{name} of a {kind.title.lower()} is filled in by the platform; leave it out"
            raise Invalid(message, fields=[_field(f"spec.{name}", message)])


def check_tags(tags: tuple[str, ...]) -> tuple[str, ...]:
    for tag in tags:
        if not tag or len(tag) > 64 or "|" in tag or not tag.isprintable():
            raise Invalid(
                f"tag {tag!r} must be 1 to 64 printable characters without '|'", fields=[_field("tags", f"{tag!r}")]
            )
    if len(tags) > MAX_TAGS:
        raise Invalid(f"{len(tags)} tags were given; at most {MAX_TAGS} are possible")
    return tuple(dict.fromkeys(tags))


def check_group(user: User, visibility: Visibility, group: str | None) -> None:
    if visibility is Visibility.GROUP and not group:
        raise Invalid("visibility 'group' needs a group: say which", fields=[_field("group", "is needed")])
    if group is not None and not user.admin and group not in user.groups:
        known = ", ".join(sorted(user.groups)) or "none"
        raise Invalid(f"you are not in group {group!r} (yours: {known})", fields=[_field("group", "not yours")])


def check_privacy(kind: Kind, visibility: Visibility) -> None:
    if kind.is_private and visibility is not Visibility.PRIVATE:
        raise Invalid(
            f"a {kind.title.lower()} is private; for several people, let a group own it",
            fields=[_field("visibility", "must be 'private'")],
        )


def make_digest(records: list[Record]) -> str:
    return hashlib.sha256("\n".join(sorted(record.id for record in records)).encode()).hexdigest()[:16]


def _field(path: str, message: str) -> Json:
    return {"path": path, "message": message}
