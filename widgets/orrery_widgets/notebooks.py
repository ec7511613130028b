"""What a panel stands for as a notebook: what will run, what ran to run again, or its SDK call."""

from __future__ import annotations

import copy
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

from orrery_widgets import code

Notebook = dict[str, Any]
#: where a fork's metadata says what it was run with
FORK: Final = "orrery_fork"
#: what running leaves in the metadata of a notebook and of its cells
_OF_A_RUN: Final = frozenset({"papermill", "execution", "widgets"})


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


def fork_of(notebook: Mapping[str, Any], run: Mapping[str, Any]) -> Notebook:
    """An executed notebook to change and run again: its cells with the run's values, without outputs.

    `run` (`of`, `datasets`, `parameters`, `register_model`) is kept in the metadata: JupyterLab's *Run as job* opens
    its form with it.
    """
    made: Notebook = copy.deepcopy(dict(notebook))
    for cell in cast("list[dict[str, Any]]", made.get("cells") or []):
        cell["metadata"] = {key: value for key, value in cell.get("metadata", {}).items() if key not in _OF_A_RUN}
        if cell.get("cell_type") == "code":
            cell |= {"outputs": [], "execution_count": None}
    metadata = {key: value for key, value in made.get("metadata", {}).items() if key not in _OF_A_RUN}
    made["metadata"] = metadata | {FORK: dict(run)}
    return made


def call_notebook(title: str, *sources: str) -> Notebook:
    """A panel's SDK call as a small notebook: a heading, the lines that make `client`, and a cell for each source."""
    cells: list[dict[str, Any]] = [_cell("markdown", 0, f"# {title}"), _cell("code", 1, code.program())]
    cells += [_cell("code", place, code.without_head(source)) for place, source in enumerate(sources, start=2)]
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def _cell(kind: str, place: int, source: str) -> dict[str, Any]:
    cell: dict[str, Any] = {"id": f"cell-{place}", "cell_type": kind, "metadata": {}, "source": source.strip()}
    return cell if kind == "markdown" else cell | {"execution_count": None, "outputs": []}


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
