"""A single cell as a job: the variables that it reads come with it, those that it assigns go back.

The notebook that is run has three cells: `receive()`, the cell itself, `send_back([...])`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from orrery.jobs import kernel_state

#: beside the notebook: what it is given
SENT: Final = "sent"
#: inside the job's outputs: what it gives back
RETURNED: Final = "returned"
DESCRIPTION: Final = "description.json"
#: the file that `kernel_state.save` writes
VARIABLES: Final = "namespace.new"
LIMIT_BYTES: Final = 1 << 30
LIMIT_SECONDS: Final = 600.0


def write(folder: Path, names: Sequence[str], *, with_globals: bool) -> dict[str, Any]:
    """Save variables of this kernel in `folder`, with their description, which is returned."""
    folder.mkdir(parents=True, exist_ok=True)
    saved = kernel_state.save(str(folder), LIMIT_BYTES, LIMIT_SECONDS, names, with_globals=with_globals)
    saved.pop("execution_count")
    (folder / DESCRIPTION).write_text(json.dumps(saved), "utf-8")
    return saved


def read(folder: Path) -> dict[str, Any]:
    """Put what `write` left in `folder` into this kernel. Raises: kernel_state.NotRestored."""
    description: dict[str, Any] = json.loads((folder / DESCRIPTION).read_text("utf-8"))
    kernel_state.load(str(folder), VARIABLES, description)
    return description


def receive() -> None:
    read(Path(SENT))


def send_back(names: Sequence[str]) -> None:
    """Of several nodes, which share the folder, the first one's."""
    if os.environ.get("NODE_RANK", "0") != "0":
        return
    write(Path(os.environ["EM_OUTPUT_DIR"]) / RETURNED, names, with_globals=False)
