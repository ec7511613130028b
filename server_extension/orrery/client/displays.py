"""How a wait shows: a bar in a terminal, a panel or a bar in a notebook, lines in a log, or nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from orrery.client.waiting import Display

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from orrery.client.resources import Progress, Resource


def make_display(resource: Resource, wanted: bool) -> Display:
    """What suits the place the code runs in."""
    if not wanted:
        return Silent()
    if in_notebook():
        return Panel() if has_panels() else RichBar()
    return RichBar() if sys.stderr.isatty() else Silent()


def in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell: Any = ipython.get_ipython() if ipython is not None else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType, reportAttributeAccessIssue]
    return shell is not None and type(shell).__name__ == "ZMQInteractiveShell"


def has_panels() -> bool:
    try:
        import orrery_widgets
    except ImportError:
        return False
    return orrery_widgets.is_available()


class Silent:
    """Shows nothing."""

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, *_: object) -> None: ...

    def update(self, resource: Resource) -> None: ...


class Lines(Silent):
    """One line for each new phase, and for each tenth of the way: for logs and pipes."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._last: tuple[str, int] | None = None

    def update(self, resource: Resource) -> None:
        status = resource.status
        fraction = status.progress.fraction if status.progress else None
        now = (status.phase, int(fraction * 10) if fraction is not None else -1)
        if now == self._last:
            return
        self._last = now
        percent = f" {fraction:.0%}" if fraction is not None else ""
        # why it failed is the error that the wait ends with
        why = "" if status.state in ("Failed", "Cancelled") else explain(resource, " - ")
        self._write(f"{resource.kind} {resource.qualified_name}: {status.phase}{percent}{why}")


class RichBar:
    """rich's progress bar, on stderr in a terminal and as an output in a notebook."""

    def __init__(self) -> None:
        self._bar: Bar | None = None
        self._task: Any = None

    def __enter__(self) -> RichBar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, resource: Resource) -> None:
        if self._bar is None:
            self._bar = _make_bar()
            self._task = self._bar.add_task(resource.qualified_name, total=None, phase="", detail="")
            self._bar.start()
        status = resource.status
        fraction = status.progress.fraction if status.progress else None
        if status.state == "Completed":
            fraction = 1.0
        self._bar.update(
            self._task,
            total=1.0 if fraction is not None else None,
            completed=fraction or 0.0,
            phase=status.phase,
            detail=explain(resource),
        )


def _make_bar() -> Bar:
    from rich.console import Console
    from rich.progress import BarColumn, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    return Bar(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TaskProgressColumn(),
        TextColumn("[bold]{task.fields[phase]}[/bold]"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[detail]}", style="dim", markup=False),
        console=Console(stderr=not in_notebook()),
        refresh_per_second=5,
    )


def explain(resource: Resource, before: str = "") -> str:
    """What is going on, in a few words: the failure, the place in the queue, the epoch, the estimate."""
    status = resource.status
    queue: dict[str, Any] = status.outputs.get("queue") or {}
    if status.state in ("Failed", "Cancelled") and status.message:
        text = status.message.partition("\n")[0]
    elif status.state == "Pending" and queue.get("place"):
        text = f"number {queue['place']} in the queue{_reason(queue)}"
    elif status.state in ("Running", "Pending", "Active") and status.progress is not None:
        text = progress_text(resource)
    else:
        text = status.message
    return f"{before}{text}" if text else ""


def _reason(queue: dict[str, Any]) -> str:
    return f": {queue['reason']}" if queue.get("reason") else ""


def progress_text(resource: Resource) -> str:
    progress = resource.status.progress
    if progress is None:
        return ""
    parts = [progress.message]
    if not progress.message and progress.epochs:
        parts.append(f"epoch {progress.epoch} of {progress.epochs}")
    if not progress.message and progress.steps:
        parts.append(f"step {progress.step} of {progress.steps}")
    parts.append(rate_text(progress))
    if progress.eta_seconds is not None:
        parts.append(f"{duration_text(progress.eta_seconds)} left")
    return ", ".join(part for part in parts if part)


def rate_text(progress: Progress) -> str:
    """`3.2 steps/s`, or for what takes longer `40 s an epoch`; empty where it is not known."""
    if not progress.rate or not progress.rate_unit:
        return ""
    if 0.95 <= progress.rate < 1.05:  # one a second is told in one way
        return f"1 {progress.rate_unit}/s"
    if progress.rate >= 1:
        amount = f"{progress.rate:.3g}" if progress.rate < 100 else f"{progress.rate:,.0f}"
        return f"{amount} {progress.rate_unit}s/s"
    return f"{duration_text(1 / progress.rate)} {'an' if progress.rate_unit == 'epoch' else 'a'} {progress.rate_unit}"


def duration_text(seconds: float) -> str:
    """`45 s`, `3 min 20 s`, `2 h 5 min`, `4 d 3 h`."""
    whole = max(0, round(seconds))
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    for index, (unit, size) in enumerate(units):
        if whole >= size or unit == "s":
            count, rest = divmod(whole, size)
            smaller = rest // units[index + 1][1] if index + 1 < len(units) else 0
            return f"{count} {unit}" + (f" {smaller} {units[index + 1][0]}" if smaller else "")
    return "0 s"


def start_text(seconds: float | None) -> str:
    """`in a moment`, `in about 12 min`; empty where it is not known."""
    if seconds is None:
        return ""
    if seconds < 10:
        return "in a moment"
    if seconds < 60:
        return f"in about {duration_text(seconds)}"
    return f"in about {duration_text(round(seconds, -1)).split(' s')[0]}"


class Panel:
    """`orrery_widgets.Progress`, fed by the wait itself."""

    def __init__(self) -> None:
        self._panel: Any = None

    def __enter__(self) -> Panel:
        return self

    def __exit__(self, *_: object) -> None: ...

    def update(self, resource: Resource) -> None:
        if self._panel is None:
            from IPython.display import display  # pyright: ignore[reportUnknownVariableType]

            from orrery_widgets import Progress

            self._panel = Progress(resource, follow=False)
            display(self._panel)
        else:
            self._panel.show(resource)
