"""Notebooks: servers of the hub, made, started, stopped and opened from a program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from orrery.client.apps import open_app
from orrery.client.collection import Collection
from orrery.client.resources import Json, Resource


class Notebook(Resource):
    """A JupyterLab of its own, with a data volume that keeps what is built in it."""

    def open(self, *, timeout: float = 600.0) -> str:
        """Start it where it is stopped; the address of its JupyterLab, for whoever is logged in to the hub.

        Raises: RunFailed with the hub's reason, WaitTimeout.
        """
        return open_app(self, timeout=timeout)


class Notebooks(Collection[Notebook]):
    def upgrade(self) -> Json:
        """`upgrade`, what notebooks are restarted for (None: nothing); `items`, those that were not yet, or failed."""
        return self.client.transport.json("GET", "/notebook-upgrade")

    def announce_upgrade(self, message: str, expires_at: datetime) -> Json:
        """Have the notebooks that run now restarted by then: by their owners, later by the platform. Administrators."""
        body = {"message": message, "expires_at": expires_at.astimezone().isoformat()}
        return self.client.transport.json("PUT", "/notebook-upgrade", body=body)

    def cancel_upgrade(self) -> Json:
        """Have no more notebooks restarted. Administrators."""
        return self.client.transport.json("DELETE", "/notebook-upgrade")

    def create(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        name: str,
        *,
        instance_type: str | None = None,
        image: str | Resource | None = None,
        data_gib: float | None = None,
        boot_gib: float | None = None,
        mounts: Sequence[Mapping[str, Any]] = (),
        environment: Mapping[str, str] | None = None,
        idle_minutes: float | None = None,
        description: str = "",
        tags: Sequence[str] = (),
    ) -> Notebook:
        """Make one, and start it.

        `mounts`: shared storage, each `{"directory": "shared", "uri": "nas://ID:/path", "read_only": False}`.
        `idle_minutes`: stopped after so long in which nothing ran. Raises: NameTaken, Invalid naming the field.
        """
        spec = {
            "instance_type": instance_type,
            "image": image,
            "data_gib": data_gib,
            "boot_gib": boot_gib,
            "mounts": list(mounts) or None,
            "environment": dict(environment) if environment else None,
            "idle_minutes": idle_minutes,
        }
        given = {key: value for key, value in spec.items() if value is not None}
        return self.create_from({"name": name, "spec": given, "description": description, "tags": list(tags) or None})
