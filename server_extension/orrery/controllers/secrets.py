"""Secrets: sealed when they are set, opened only for the run that asked for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from orrery.controllers.contract import Controller, Draft, Platform
from orrery.domain.records import Json
from orrery.domain.secrets import SECRET, SecretSpec
from orrery.domain.trainings import RunSpec
from orrery.domain.variables import check_parameters, size_of
from orrery.errors import Invalid, NotFound
from orrery.store.resources import ResourceStore
from orrery.store.vault import Vault

_SEALED: Final = "sealed"
#: what it takes in an environment, without its variable's name
_BYTES: Final = "bytes"


class SecretController(Controller):
    kind = SECRET

    def admit(self, draft: Draft) -> Json:
        spec = draft.spec
        assert isinstance(spec, SecretSpec)
        if spec.value is None and draft.before is None:
            message = "a secret needs a value"
            raise Invalid(message, fields=[{"path": "spec.value", "message": message}])
        return {}

    def conceal(self, draft: Draft) -> Json:
        spec = draft.spec
        assert isinstance(spec, SecretSpec)
        if spec.value is None:
            return {}
        return {_SEALED: self.platform.vault.seal(spec.value), _BYTES: size_of("", spec.value)}


class Secrets:
    """What the executor asks for a secret's value, at the start of a run. A reference is `owner/name`."""

    def __init__(self, store: ResourceStore, vault: Vault) -> None:
        self._store = store
        self._vault = vault

    def reveal(self, reference: str) -> str:
        """Raises: NotFound, Conflict where its key is lost."""
        owner, _, name = reference.rpartition("/")
        found = self._store.find_named(SECRET.name, [owner], name)
        if found is None:
            raise NotFound(
                f"secret {reference} is not there any more; set it (`orrery secret set {name}`) and try again"
            )
        return self._vault.unseal(found.internal[_SEALED])


def check_secrets(store: ResourceStore, owner: str, wanted: Mapping[str, str], path: str = "spec.secrets") -> None:
    """Raises: Invalid naming the first that `owner` does not have."""
    for variable, name in wanted.items():
        if store.find_named(SECRET.name, [owner], name) is None:
            message = f"{owner} has no secret {name!r}; make it under Secrets, or by `orrery secret set {name}`"
            raise Invalid(message, fields=[{"path": f"{path}.{variable}", "message": message}])


def check_room(platform: Platform, owner: str, spec: RunSpec) -> None:
    """Raises: Invalid where variables, secrets and hyperparameters are more than a program can be given together.

    Without secrets the spec itself has been checked for that. Those that are not there count nothing.
    """
    if not spec.secrets:
        return
    taken = sum(size_of(variable, value) for variable, value in spec.environment.items())
    for variable, name in spec.secrets.items():
        found = platform.store.find_named(SECRET.name, [owner], name)
        if found is not None:
            known: int | None = found.internal.get(_BYTES)
            size = size_of("", platform.vault.unseal(found.internal[_SEALED])) if known is None else known
            taken += len(variable) + size
    try:
        check_parameters(spec.parameters, taken, beside="variables, secrets")
    except ValueError as error:
        raise Invalid(str(error), fields=[{"path": "spec.secrets", "message": str(error)}]) from error
