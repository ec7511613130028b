"""Registry accounts: sealed, tried at their registry, and left alone while what needs them is moving."""

from __future__ import annotations

import hashlib
from typing import Final

from orrery.controllers.contract import Controller, Draft, Outcome, Platform
from orrery.controllers.registries import Login, Registry, RegistryProblem
from orrery.domain.records import Json, Record
from orrery.domain.registry_accounts import REGISTRY_ACCOUNT, RegistryAccountSpec
from orrery.errors import InUse, Invalid
from orrery.store.resources import ResourceStore, summary

_SEALED: Final = "sealed"
#: what is started with an image
_USERS: Final = ("notebook", "training", "tuning")
_AT_REST: Final = ("Completed", "Failed", "Cancelled", "Stopped")
#: a registry that did not answer is asked again after so many seconds each
PAUSES_SECONDS: Final = (1.0, 4.0)


class RegistryAccountController(Controller):
    kind = REGISTRY_ACCOUNT

    def admit(self, draft: Draft) -> Json:
        spec = draft.spec
        assert isinstance(spec, RegistryAccountSpec)
        if draft.before is None and spec.password is None:
            message = "a registry account needs a password or token"
            raise Invalid(message, fields=[{"path": "spec.password", "message": message}])
        if draft.before is not None:
            check_is_idle(self.platform.store, draft.before)
        stored = spec.model_dump(mode="json")
        del stored["password"]
        return stored

    def conceal(self, draft: Draft) -> Json:
        spec = draft.spec
        assert isinstance(spec, RegistryAccountSpec)
        return {} if spec.password is None else {_SEALED: self.platform.vault.seal(spec.password)}

    def reconcile(self, record: Record) -> Outcome:
        tried = _fingerprint(record)
        if record.phase != "CHECK_IN_PROGRESS":
            # changed while the old one was tried
            return Outcome(event="check" if record.internal.get("tried") != tried else None)
        try:
            with Registry(
                record.spec["registry"], login_of(self.platform, record), self.platform.settings.images
            ) as at:
                message = at.log_in()
        except RegistryProblem as problem:
            return after_problem(record, problem, {"tried": tried})
        now = self.platform.store.clock().isoformat().replace("+00:00", "Z")
        return Outcome(
            event="checked", message=message, outputs={"logged_in_at": now}, internal={"tried": tried, "tries": 0}
        )


def after_problem(record: Record, problem: RegistryProblem, internal: Json) -> Outcome:
    """Once more, where that may help; else it has failed."""
    tries = int(record.internal.get("tries") or 0)
    if problem.is_passing and tries < len(PAUSES_SECONDS):
        message = f"{problem.message} (asking again)"
        return Outcome(message=message, internal={"tries": tries + 1}, again_in_seconds=PAUSES_SECONDS[tries])
    return Outcome(event="refused", reason=problem.reason, message=problem.message, internal={**internal, "tries": 0})


def login_of(platform: Platform, account: Record) -> Login:
    """Raises: Conflict where its key is lost."""
    return Login(account.spec["username"], platform.vault.unseal(account.internal[_SEALED]))


def check_is_idle(store: ResourceStore, record: Record) -> None:
    """Nothing that is being created or runs has its image from an image or an account about to change.

    Raises: InUse with those that do.
    """
    images = store.dependents(record.id) if record.kind == REGISTRY_ACCOUNT.name else [record]
    users = {user.id: user for image in images for user in store.dependents(image.id)}
    busy = [user for user in users.values() if _is_busy(store, user)]
    if busy:
        names = ", ".join(user.label for user in busy[:5]) + (f" and {len(busy) - 5} more" if len(busy) > 5 else "")
        raise InUse(
            f"{record.label} cannot be changed while {names} {'is' if len(busy) == 1 else 'are'} being created or "
            "running; stop them first, or wait until they have ended",
            dependents=[summary(user) for user in busy],
        )


def _is_busy(store: ResourceStore, user: Record) -> bool:
    if user.kind not in _USERS:
        return False
    state = store.kinds.named(user.kind).machine.phases[user.phase].state
    return user.phase.startswith("ACTIVE") or state not in _AT_REST


def _fingerprint(record: Record) -> str:
    told = f"{record.spec['registry']}\n{record.spec['username']}\n{record.internal.get(_SEALED)}"
    return hashlib.sha256(told.encode()).hexdigest()[:16]
