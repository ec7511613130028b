"""Secrets: sealed when they are set, opened only for the run that asked for them."""

from __future__ import annotations

from collections.abc import Mapping

from orrery.controllers.contract import Controller, Draft
from orrery.domain.records import Json
from orrery.domain.secrets import SECRET, SecretSpec
from orrery.errors import Invalid, NotFound
from orrery.store.resources import ResourceStore
from orrery.store.vault import Vault

_SEALED = "sealed"


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
        return {} if spec.value is None else {_SEALED: self.platform.vault.seal(spec.value)}


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
