"""Secrets: set, listed and deleted, but never read."""

from __future__ import annotations

from orrery.client.collection import Collection
from orrery.client.resources import Resource
from orrery.errors import NotFound


class Secret(Resource):
    """The name of a value that only runs get to see."""


class Secrets(Collection[Secret]):
    def set(self, name: str, value: str, *, owner: str | None = None) -> Secret:
        """Keep `value` under that name, in place of what was kept there. `owner`: a group of one's own."""
        try:
            known = self.get(f"{owner or self.client.user}/{name}")
        except NotFound:
            return self.create_from({"name": name, "owner": owner, "spec": {"value": value}})
        known.update(value=value)
        return known
