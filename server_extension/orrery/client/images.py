"""Images and the accounts that they are pulled with."""

from __future__ import annotations

from typing import Literal

from orrery.client.collection import Collection
from orrery.client.resources import Resource
from orrery.errors import NotFound


class Image(Resource):
    """The software that notebooks and trainings are started with."""

    def check(self, *, wait: bool = True, progress: bool = True) -> Image:
        """Read it at its registry again. Raises: RunFailed with the reason, where `wait` is left on."""
        self.act("check")
        return self.wait(progress=progress) if wait else self

    @property
    def pinned(self) -> str | None:
        """The address by digest that containers are started with; None before it was checked."""
        return self.status.outputs.get("pinned")


class RegistryAccount(Resource):
    """A log-in at a registry; its password is never answered."""

    def check(self, *, wait: bool = True, progress: bool = True) -> RegistryAccount:
        """Log in at the registry to see whether it goes well. Raises: RunFailed with the reason."""
        self.act("check")
        return self.wait(progress=progress) if wait else self


class Images(Collection[Image]):
    def add(
        self,
        name: str,
        address: str,
        *,
        type: Literal["NOTEBOOK", "TRAINING"] = "NOTEBOOK",
        registry_account: str | RegistryAccount | None = None,
        description: str = "",
        visibility: str | None = None,
        wait: bool = True,
        progress: bool = True,
    ) -> Image:
        """Register an image; with `wait`, until it has been checked. Raises: Invalid, NameTaken, RunFailed."""
        account = registry_account.id if isinstance(registry_account, RegistryAccount) else registry_account
        made = self.create(
            name,
            address=address,
            type=type,
            registry_account=account,
            description=description,
            visibility=visibility,
        )
        return made.wait(progress=progress) if wait else made


class RegistryAccounts(Collection[RegistryAccount]):
    def set(
        self,
        name: str,
        username: str,
        password: str,
        *,
        registry: str | None = None,
        category: str | None = None,
        owner: str | None = None,
    ) -> RegistryAccount:
        """Keep a log-in under that name, in place of the one kept there. `owner`: a group of one's own.

        Raises: InUse while a notebook or a run with one of its images is being created or running.
        """
        try:
            known = self.get(f"{owner or self.client.user}/{name}")
        except NotFound:
            return self.create(
                name, username=username, password=password, registry=registry, category=category, owner=owner
            )
        known.update(username=username, password=password)
        return known
