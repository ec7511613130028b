"""What a run's executed notebook is good for: to read, and to change and run again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ipywidgets as widgets  # pyright: ignore[reportMissingTypeStubs]

from orrery.client import Resource
from orrery_widgets import code, parts
from orrery_widgets.notebook_offer import NotebookOffer
from orrery_widgets.notebooks import Notebook, fork_of


class RunNotebook(widgets.VBox):
    """Two buttons, shown once the run has left an executed notebook."""

    def __init__(self) -> None:
        self._run: Resource | None = None
        self.executed = NotebookOffer(
            "Open the executed notebook", self._read, tooltip="Write the notebook as this run left it, with its outputs"
        )
        self.fork = NotebookOffer(
            "Fork this notebook",
            self._make_fork,
            tooltip="Write this run's notebook with its values, to change and run again",
            explain=self._explain,
        )
        buttons = parts.row([self.executed.button, self.fork.button], margin="6px 0 0 0")
        super().__init__([buttons, self.executed.said, self.fork.said])  # pyright: ignore[reportUnknownMemberType]
        self.add_class("orrw")  # pyright: ignore[reportUnknownMemberType]
        parts.show(self, False)

    def show(self, run: Resource) -> None:
        """Follow the run: offer its notebook as soon as it is kept."""
        self._run = run
        parts.show(self, bool(run.status.outputs.get("notebook")))

    def _read(self) -> tuple[Notebook, str] | None:
        return None if self._run is None else (self._run.notebook(), self._run.name)

    def _make_fork(self) -> tuple[Notebook, str] | None:
        run = self._run
        if run is None:
            return None
        return fork_of(run.notebook(), {"of": run.qualified_name, **run_options(run)}), f"{run.name}-fork"

    def _explain(self, path: Path) -> str:
        """How the fork is run again: the same data, the same values."""
        if self._run is None:
            return ""
        options = {name: value for name, value in run_options(self._run).items() if value}
        call = code.program(code.call("client.run_notebook", path.name, **options))
        return (
            parts.STYLE
            + parts.soft("Change it, then run it as a job:")
            + parts.code_block(call, "The SDK call for the fork")
        )


def run_options(run: Resource) -> dict[str, Any]:
    """What `run_notebook` takes to run it again: datasets by name and version, parameters, whether a model is kept."""
    references: Sequence[Mapping[str, Any]] = run.document.get("references") or ()
    datasets = {
        entry["path"].partition(".")[2]: f"{entry['owner']}/{entry['name']}@{entry['version']}"
        for entry in references
        if entry["path"].startswith("datasets.")
    }
    parameters: Mapping[str, Any] = run.spec.get("parameters") or {}
    return {
        "datasets": datasets,
        "parameters": dict(parameters),
        "register_model": bool(run.spec.get("register_model")),
    }
