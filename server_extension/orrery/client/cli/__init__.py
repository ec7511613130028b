"""The command line, `orrery`: one module for each family of commands. Nothing heavy is imported before it is needed."""

from __future__ import annotations

from orrery.client.cli.app import app


def main() -> None:
    """Run the command line; ends the process with the exit code."""
    from orrery.client.cli import (
        activity,
        compare,
        dashboards,
        images,
        notebooks,
        platform,
        queue,
        resources,
        runs,
        secrets,
        train,
        transfer,
        tune,
        workflows,
    )

    families = (
        platform,
        queue,
        train,
        tune,
        workflows,
        runs,
        notebooks,
        dashboards,
        secrets,
        images,
        resources,
        transfer,
        activity,
        compare,
    )
    for family in families:
        family.register(app)
    app(prog_name="orrery")


__all__ = ["app", "main"]
