"""One training below the form that began it: its progress, and what can be done with it now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as widgets  # pyright: ignore[reportMissingTypeStubs]

from orrery.client import Training
from orrery_widgets import parts
from orrery_widgets.deploy import Deploy
from orrery_widgets.panel import Panel
from orrery_widgets.progress import Progress


class RunView(widgets.VBox):
    """Part of a panel, whose worker does its work; `follow` is called when trainings have changed."""

    def __init__(self, panel: Panel, training: Training, new_run: Callable[[], None]) -> None:
        self.training = training
        self.progress = Progress(training, client=panel.client)
        self.deployment: Deploy | None = None
        self._panel = panel
        self._new_run = new_run
        self._actions = parts.row(margin="6px 0 0 0")
        self._offered: tuple[bool, bool] | None = None
        self._deploy_box = parts.box()
        super().__init__([self.progress, self._actions, self._deploy_box])  # pyright: ignore[reportUnknownMemberType]
        self._offer()

    def follow(self) -> None:
        """Read the run again, and offer what is possible now."""
        self.training.refresh()
        self._offer()

    def stop_run(self) -> None:
        """Stop the training, where it still runs."""
        self._panel.run(self._stop)

    def deploy(self) -> None:
        """The form that puts the run's model behind an endpoint."""
        if self.deployment is None:
            self.deployment = Deploy(self.training, client=self._panel.client)
            self._deploy_box.children = [self.deployment]

    def close(self) -> None:
        """Stop following, and leave the page."""
        self.progress.close()
        if self.deployment is not None:
            self.deployment.close()
        super().close()

    def _offer(self) -> None:
        offered = (not self.training.has_settled(), bool(self.training.status.outputs.get("model")))
        if offered == self._offered:
            return
        self._offered = offered
        controls: list[Any] = [parts.button("New run", self._new_run)]
        if offered[0]:
            controls.append(parts.confirmed("Stop", "Stop this training?", self.stop_run))
        if offered[1]:
            controls.append(parts.button("Deploy", self.deploy, style="primary"))
        self._actions.children = controls

    def _stop(self) -> None:
        if not self.training.refresh().has_settled():
            self.training.stop()
