"""Orrery: a machine-learning platform that lives inside Jupyter."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from orrery._version import __version__

if TYPE_CHECKING:
    from orrery.client import Client, RunFailed
    from orrery.client.builtin import Training

__all__ = ["Client", "RunFailed", "__version__", "run_notebook"]


def run_notebook(path: str | os.PathLike[str], **options: Any) -> Training:
    """Run a notebook as a job of the platform that `Client()` finds: `Client.run_notebook`, with its options.

    Raises: Invalid for what is no notebook; with `wait`, RunFailed; the result is saved all the same.
    """
    from orrery.client import Client

    return Client().run_notebook(path, **options)


def load_ipython_extension(ipython: Any) -> None:
    """`%load_ext orrery`: the magics `%%job` and `%job`. What they need is imported when they are used."""

    def job(line: str, cell: str | None = None) -> None:
        """Run this cell as a job: %%job [--instance TYPE] [--name NAME] [-p NAME=VALUE] [--no-wait]"""
        from orrery.client.cell_jobs import run_magic

        run_magic(line, cell, ipython.user_ns)

    ipython.register_magic_function(job, magic_kind="line_cell", magic_name="job")


def __getattr__(name: str) -> Any:
    """The SDK is imported when it is used: the platform and its jobs never need it."""
    if name in ("Client", "RunFailed"):
        import orrery.client

        return getattr(orrery.client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
