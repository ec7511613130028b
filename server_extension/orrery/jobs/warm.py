"""What a process that starts jobs by forking loads beforehand.

Importing is most of the time that Papermill takes to begin; forked from here a notebook's first cell runs in a
fraction of it. Kept out on purpose: everything that starts threads when imported (a fork would lose them), and what
Papermill probes for but jobs do not use: cloud file systems, pyarrow, a debugger, and the IRI grammar of
`rfc3987_syntax`, which alone takes a second.
"""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import gc
import importlib
import os
import sys

#: optional imports of papermill, ipykernel and jsonschema, each of which they do without
NOT_NEEDED = (
    "rfc3987_syntax",
    "boto3",
    "azure",
    "gcsfs",
    "pyarrow",
    "github",
    "pandas",
    "matplotlib",
    "numpy",
    "debugpy",
)

MODULES = (
    "zmq",
    "zmq.asyncio",
    "tornado.ioloop",
    "nbformat.v4",
    "nbclient",
    "jupyter_client.asynchronous",
    "jupyter_client.provisioning",
    "papermill.execute",
    "ipykernel.kernelapp",
    "ipykernel.ipkernel",
    "ipykernel.iostream",
    "ipykernel.displayhook",
    "ipykernel.debugger",
    "IPython.core.magics",
    "IPython.core.completer",
    "IPython.core.pylabtools",
    "stack_data",
    "cloudpickle",
    "orrery.jobs.kernel",
    "orrery.jobs.kernel_saving",
    "orrery.jobs.notebook",
    "orrery.jobs.report",
    "orrery.jobs.run",
)


def warm() -> None:
    """Import what notebook jobs need, starting no thread. Idempotent; about one second at first."""
    hidden = [name for name in NOT_NEEDED if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # pyright: ignore[reportArgumentType]  # makes `import name` an ImportError
    try:
        for name in MODULES:
            _import_if_there(name)
        _build_notebook_validator()
    finally:
        for name in hidden:
            del sys.modules[name]
    # Children share these pages as long as the collector does not write into them.
    gc.collect()
    gc.freeze()


def thread_count() -> int:
    """Threads of this process as the kernel counts them, native ones included."""
    return len(os.listdir("/proc/self/task"))


def _import_if_there(name: str) -> None:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as missing:
        # A submodule that another release of its package has not: forking works without it, only a little slower.
        if missing.name is None or name.split(".")[0] != missing.name.split(".")[0]:
            if missing.name not in NOT_NEEDED and (missing.name or "").split(".")[0] not in NOT_NEEDED:
                raise


def _build_notebook_validator() -> None:
    from nbformat import v4, validate

    validate(v4.new_notebook(cells=[v4.new_code_cell("1")]))
