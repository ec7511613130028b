"""What all panels share: the client, work off the main thread, problems said in the panel, and the footer.

A panel keeps nothing that the platform does not know: made again with the same id or key, after the kernel was
restarted or the page reloaded, it shows the same thing.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import Any

import ipywidgets as widgets  # pyright: ignore[reportMissingTypeStubs]

from orrery.client import Client
from orrery.client.failures import field_messages
from orrery.errors import OrreryError, Unavailable
from orrery_widgets import parts
from orrery_widgets.notebook_offer import NotebookOffer
from orrery_widgets.notebooks import Notebook
from orrery_widgets.progress import Progress
from orrery_widgets.work import Listener, Worker

log = logging.getLogger(__name__)
#: a resource that a panel made for a `key` carries this tag, by which the panel finds it again
KEY_TAG = "panel:"

_shared_lock = threading.Lock()
_shared: list[Client] = []
#: the panels that each cell made: when it runs again, they stop listening
_of_cell: dict[str, tuple[str, list[weakref.ref[Panel]]]] = {}


def shared_client() -> Client:
    """One connection for all panels of a kernel that were given none. Raises: NoPlatform."""
    with _shared_lock:
        if not _shared:
            _shared.append(Client())
        return _shared[0]


def key_tag(key: str | None) -> tuple[str, ...]:
    return (f"{KEY_TAG}{key}",) if key else ()


class Panel(widgets.VBox):
    """A panel with a title, its own parts (`body`), a place for problems and a footer.

    Subclasses fill `body`, begin their work with `run`, and say in `code` which Python they stand for.
    """

    def __init__(self, title: str, *, client: Client | None = None) -> None:
        self._client = client
        self._listeners: list[Listener] = []
        self._failed: Callable[[], None] | None = None
        self._title = parts.html(parts.STYLE + parts.title(title))
        self.body: Any = parts.box()
        self._problem = parts.html()
        self.again_button: Any = parts.button("Try again", self._try_again)
        parts.show(self.again_button, False)
        self._status = parts.html()
        self._code = parts.html()
        self._below = parts.box()
        self._code_toggle = parts.toggle("Show the SDK call", lambda _: self._show_code())
        self._footer = parts.row([self._code_toggle, self._status], margin="6px 0 0 0")
        super().__init__(  # pyright: ignore[reportUnknownMemberType]
            [self._title, self.body, self._problem, self.again_button, self._footer, self._below, self._code],
            layout=widgets.Layout(width="100%", max_width="980px"),
        )
        self.add_class("orrw")  # pyright: ignore[reportUnknownMemberType]
        self._worker = Worker(f"orrery-{type(self).__name__}", self._idle_changed)
        _take_the_place_of_earlier(self)

    # for whoever uses it

    @property
    def client(self) -> Client:
        return self._client or shared_client()

    @property
    def problem(self) -> str:
        """What the panel says went wrong, as HTML; empty when nothing did."""
        return str(self._problem.value)

    @property
    def status(self) -> str:
        """What it says was done, or that it works, as HTML."""
        return str(self._status.value)

    def code(self) -> str:
        """The Python that does the same."""
        raise NotImplementedError

    def settle(self, seconds: float = 60.0) -> None:
        """Block until what it has begun is done. Raises: TimeoutError."""
        if not self._worker.wait_idle(seconds):
            raise TimeoutError(f"{type(self).__name__} is still at work after {seconds:g} s; wait longer")

    def stop(self) -> None:
        """No longer follow the platform; what is shown stays."""
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        self._worker.stop()

    def close(self) -> None:
        """Stop, and take the panel and those within it off the page."""
        self.stop()
        for inner in _inner_panels(self.body):
            inner.close()
        super().close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    # for subclasses

    def run(self, work: Callable[[], None], *, is_quiet: bool = False) -> None:
        """Do `work` beside the main thread, after what was begun before; what goes wrong is shown in the panel.

        What is done while somebody types `is_quiet`: no "Working…" is shown and read out.
        """

        def guarded() -> None:
            try:
                work()
            except OrreryError as error:
                self._failed = work
                self.show_error(error)
            except Exception as error:  # a defect of ours: said in the panel, told in full in the log
                log.exception("panel %s", type(self).__name__)
                self._problem.value = parts.alert(
                    f"This panel has a defect: {type(error).__name__}: {error}. Run the cell again; "
                    "the kernel's log has the details."
                )

        self._worker.submit(guarded, is_quiet=is_quiet)

    def listen(self, kinds: Sequence[str], changed: Callable[[], None], *, every_seconds: float = 0.3) -> None:
        """Do `changed`, as by `run`, when something happened to resources of these kinds (none: of any).

        Events that come faster than `every_seconds` are answered by one reading: a running training sends several a
        second, and a panel that reads long lists takes more time for each.
        """
        self._listeners.append(
            Listener(
                self.client.transport,
                kinds,
                lambda: self.run(changed),
                self.show_error,
                every_seconds=every_seconds,
            )
        )

    def show_error(self, error: OrreryError) -> None:
        """The platform's words, with the fields that it names."""
        named = "".join(f"\n{path}: {message}" for path, message in field_messages(error) if message != error.message)
        self._problem.value = parts.alert(error.message + named)
        parts.show(self.again_button, isinstance(error, Unavailable))

    def clear_error(self) -> None:
        self._problem.value = ""
        parts.show(self.again_button, False)

    def set_title(self, title: str) -> None:
        self._title.value = parts.STYLE + parts.title(title)

    def set_body(self, children: Iterable[Any]) -> None:
        self.body.children = list(children)

    def add_to_footer(self, control: Any) -> None:
        self._footer.children = [*self._footer.children[:-1], control, self._status]

    def offer_notebook(self, make: Callable[[], tuple[Notebook, str] | None]) -> NotebookOffer:
        """Add *Open as notebook* to the footer: it writes the notebook that `make` answers with its name."""
        tooltip = "Write these SDK calls as a notebook"
        offer = NotebookOffer("Open as notebook", make, tooltip=tooltip, run=self.run)
        self.add_to_footer(offer.button)
        self._below.children = [*self._below.children, offer.said]
        return offer

    def say(self, words: str) -> None:
        """A word on what was done, read out by a screen reader."""
        self._status.value = f"<span role='status'>{escape(words)}</span>"

    def refresh_code(self) -> None:
        """Show the call as it is now, where it is shown."""
        if self._code_toggle.value:
            self._code.value = parts.code_block(self.code(), "The SDK call")

    # within

    def _show_code(self) -> None:
        is_shown = bool(self._code_toggle.value)
        self._code_toggle.description = "Hide the SDK call" if is_shown else "Show the SDK call"
        self._code.value = ""
        self.refresh_code()

    def _try_again(self) -> None:
        work, self._failed = self._failed, None
        self.clear_error()
        if work is not None:
            self.run(work)

    def _idle_changed(self, is_idle: bool) -> None:
        if is_idle and self._status.value == _WORKING:
            self._status.value = ""
        elif not is_idle and not self._status.value:
            self._status.value = _WORKING


def _inner_panels(box: Any) -> list[Any]:
    """The panels that lie in a box, not those within them."""
    found: list[Any] = []
    for child in getattr(box, "children", ()):
        found.extend([child] if isinstance(child, Panel | Progress) else _inner_panels(child))
    return found


_WORKING = "<span class='orrw-soft' role='status'>Working…</span>"


def _take_the_place_of_earlier(panel: Panel) -> None:
    """A cell that is run again makes its panels anew: those of its last run stop listening."""
    cell, message = _running_cell()
    if not cell:
        return
    known, panels = _of_cell.get(cell, ("", []))
    if known != message:
        for reference in panels:
            earlier = reference()
            if earlier is not None:
                earlier.stop()
                earlier.say("No longer live: the cell that made this panel was run again.")
        panels = []
    _of_cell[cell] = (message, [*panels, weakref.ref(panel)])


def _running_cell() -> tuple[str, str]:
    """The notebook cell that is running and the request that runs it; empty outside of notebooks."""
    from orrery.client.displays import in_notebook

    if not in_notebook():
        return "", ""
    import IPython

    shell: Any = IPython.get_ipython()  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType, reportPrivateImportUsage]
    parent: dict[str, Any] = shell.get_parent() or {}
    metadata: dict[str, Any] = parent.get("metadata") or {}
    header: dict[str, Any] = parent.get("header") or {}
    return str(metadata.get("cellId") or ""), str(header.get("msg_id") or "")
