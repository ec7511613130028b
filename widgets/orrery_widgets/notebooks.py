"""A panel's run as the notebook that it will be: the algorithm's own, with the form's values after its parameters."""

from __future__ import annotations

import copy
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from orrery_widgets import code

Notebook = dict[str, Any]


def with_parameters(notebook: Mapping[str, Any], parameters: Mapping[str, Any]) -> Notebook:
    """The notebook with these values set after its parameters cell, as a run does; at its top where it has none."""
    made: Notebook = copy.deepcopy(dict(notebook))
    cells = cast("list[dict[str, Any]]", made.get("cells") or [])
    cells = [cell for cell in cells if "injected-parameters" not in _tags(cell)]
    if parameters:
        place = next((index + 1 for index, cell in enumerate(cells) if "parameters" in _tags(cell)), 0)
        lines = ["# Parameters", *(f"{name} = {code.literal(value)}" for name, value in parameters.items())]
        cells.insert(
            place,
            {
                "id": "injected-parameters",
                "cell_type": "code",
                "metadata": {"tags": ["injected-parameters"]},
                "execution_count": None,
                "outputs": [],
                "source": "\n".join(lines),
            },
        )
    made["cells"] = cells
    return made


def _tags(cell: Mapping[str, Any]) -> list[str]:
    metadata: Mapping[str, Any] = cell.get("metadata") or {}
    return list(metadata.get("tags") or [])


def write_notebook(notebook: Mapping[str, Any], name: str, folder: Path | None = None) -> Path:
    """Save it as `name.ipynb` in `folder` (default: where the kernel runs, beside its notebook).

    Another notebook of that name is never written over: the new one gets a number.
    """
    folder = folder or Path.cwd()
    stem = re.sub(r"[^\w.-]+", "-", name).strip("-.") or "notebook"
    content = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
    for number in range(1, 1000):
        path = folder / (f"{stem}.ipynb" if number == 1 else f"{stem}-{number}.ipynb")
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(content)
            return path
        except FileExistsError:
            if path.read_text(encoding="utf-8") == content:
                return path
    raise FileExistsError(f"{folder} holds a thousand notebooks called {stem}; give the training another name")


def notebook_link(path: Path) -> str:
    """Where the notebook opens: in the browser under Voila, else relative to the notebook that shows it."""
    base = os.environ.get("VOILA_BASE_URL")
    if base:
        return f"{base.rstrip('/')}/lab/tree/{path.name}"
    return path.name
