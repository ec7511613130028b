"""The command line, `orrery`: one module for each family of commands. Nothing heavy is imported before it is needed."""

from __future__ import annotations

from orrery.client.cli.app import app


def main() -> None:
    """Run the command line; ends the process with the exit code."""
    from orrery.client.cli import (
        activity,
        dashboards,
        images,
        platform,
        queue,
        resources,
        runs,
        secrets,
        train,
        transfer,
        tune,
    )

    for family in (platform, queue, train, tune, runs, dashboards, secrets, images, resources, transfer, activity):
        family.register(app)
    app(prog_name="orrery")


__all__ = ["app", "main"]
