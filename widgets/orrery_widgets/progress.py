"""A panel that follows one run: bar, phase, epoch, estimate, metrics, and the reason when it fails."""

from __future__ import annotations

import threading
from html import escape
from typing import Any

import ipywidgets as widgets  # pyright: ignore[reportMissingTypeStubs]

from orrery.client import Client, Resource
from orrery.client.displays import duration_text, explain, rate_text
from orrery.client.events import ResourceEvents
from orrery.errors import OrreryError
from orrery_widgets import parts
from orrery_widgets.run_notebook import RunNotebook

_STYLES = {
    "Completed": "success",
    "Active": "success",
    "Failed": "danger",
    "Cancelled": "warning",
    "Stopped": "warning",
}
_GONE = frozenset({"deleted", "purged"})


class Progress(widgets.VBox):
    """Follows a resource until it has settled, or until `close()`.

    `resource` is one from the client, or what `client.find` takes: an id, `NAME` (a training's before others'),
    `OWNER/NAME`, `training/NAME`. By these a panel is found again after the kernel was restarted or the page was
    reloaded. What goes wrong is shown in the panel. With `follow=False` whoever made it calls `show`.
    """

    def __init__(self, resource: Resource | str, *, client: Client | None = None, follow: bool = True) -> None:
        self._title = widgets.HTML()
        self._bar = widgets.FloatProgress(min=0.0, max=1.0, layout=widgets.Layout(width="100%"))
        self._detail = widgets.HTML()
        self._message = widgets.HTML()
        self._notebook = RunNotebook()
        shown = [self._title, self._bar, self._detail, self._message, self._notebook]
        super().__init__(shown, layout=widgets.Layout(width="100%", max_width="720px"))  # pyright: ignore[reportUnknownMemberType]
        self._closed = threading.Event()
        self._events: ResourceEvents | None = None
        self._reference = resource if isinstance(resource, str) else resource.id
        if isinstance(resource, Resource):
            self.show(resource)
        else:
            self._title.value = f"<b>{escape(resource)}</b>"
        self._thread: threading.Thread | None = None
        if follow:
            self._thread = threading.Thread(
                target=self._follow, args=(resource, client), name=f"orrery-progress-{self._reference}", daemon=True
            )
            self._thread.start()

    def show(self, resource: Resource) -> None:
        """Show the resource as it is now."""
        status = resource.status
        fraction = status.progress.fraction if status.progress else None
        if status.state in ("Completed", "Active"):
            fraction = 1.0
        self._bar.value = fraction or 0.0
        self._bar.bar_style = _STYLES.get(status.state, "info")
        percent = f" · {fraction:.0%}" if fraction is not None else ""
        self._title.value = (
            f"<b>{escape(resource.kind)} {escape(resource.qualified_name)}</b> · "
            f"<span title='{escape(status.phase, quote=True)}'>{escape(status.phase)}</span>{percent}"
        )
        failed = status.state in ("Failed", "Cancelled")
        self._detail.value = escape(" · ".join(_facts(resource, with_explanation=not failed)))
        self._message.value = _alert(status.message) if failed and status.message else ""
        self._notebook.show(resource)

    def write_notebook(self) -> None:
        """Write the executed notebook beside the current one, and link it."""
        self._notebook.executed.write()

    def fork(self) -> None:
        """Write the executed notebook to change and run again, and link it."""
        self._notebook.fork.write()

    def join(self, timeout: float | None = None) -> None:
        """Block until it has stopped following."""
        if self._thread is not None:
            self._thread.join(timeout)

    def close(self) -> None:
        """Stop following and take the panel off the page."""
        self._closed.set()
        if self._events is not None:
            self._events.close()
        super().close()

    def _follow(self, resource: Resource | str, client: Client | None) -> None:
        try:
            if isinstance(resource, Resource):
                self._follow_events(resource)
            elif client is not None:
                self._follow_events(client.find(resource))
            else:
                with Client() as own:
                    self._follow_events(own.find(resource))
        except OrreryError as error:
            self._message.value = _alert(error.message)

    def _follow_events(self, resource: Resource) -> None:
        self.show(resource)
        with ResourceEvents(resource.client.transport, [resource.kind]) as events:
            self._events = events
            if self._closed.is_set() or resource.has_settled():
                return
            for event in events:
                if self._closed.is_set():
                    return
                if event.resource is None:
                    resource.refresh()
                elif event.resource.get("id") != resource.id:
                    continue
                elif event.type in _GONE:
                    self._message.value = _alert(f"{resource.qualified_name} was deleted")
                    return
                else:
                    resource.replace(event.resource)
                self.show(resource)
                if resource.has_settled():
                    return


def _facts(resource: Resource, *, with_explanation: bool) -> list[str]:
    status = resource.status
    progress = status.progress
    facts: list[str] = []
    if progress is not None and progress.epochs:
        facts.append(f"epoch {progress.epoch} of {progress.epochs}")
    if progress is not None and progress.steps:
        facts.append(f"step {progress.step} of {progress.steps}")
    if progress is not None and progress.rate:
        facts.append(rate_text(progress))
    if with_explanation and (explanation := explain(resource)):
        facts.append(explanation)
    if status.started_at is not None and status.duration_seconds is not None:
        took = duration_text(status.duration_seconds)
        facts.append(f"took {took}" if status.ended_at is not None else f"{took} so far")
    metrics: dict[str, Any] = status.outputs.get("metrics") or {}
    for name, value in metrics.items():
        facts.append(f"{name} {parts.shown(value)}")
    return facts


def _alert(message: str) -> str:
    style = "color: var(--jp-error-color1, #b00020); white-space: pre-wrap"
    return f"<div role='alert' style='{style}'>{escape(message)}</div>"
