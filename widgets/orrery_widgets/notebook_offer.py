"""A button that writes a notebook beside the current one, and the link to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from orrery.errors import OrreryError
from orrery_widgets import parts
from orrery_widgets.notebooks import Notebook, notebook_link, write_notebook

#: does a panel's work beside the main thread, as `Panel.run`
Run = Callable[[Callable[[], None]], None]


class NotebookOffer:
    """`button` and `said` are placed where the panel wants them.

    `make` answers the notebook and its name, or None where there is none yet. `explain` is HTML to stand below the
    link, of the file that was written.
    """

    def __init__(
        self,
        label: str,
        make: Callable[[], tuple[Notebook, str] | None],
        *,
        tooltip: str,
        run: Run | None = None,
        explain: Callable[[Path], str] | None = None,
    ) -> None:
        self._make, self._explain = make, explain
        self._run: Run = run or self._guarded
        self.button = parts.button(label, self.write, tooltip=tooltip)
        self.said = parts.html()

    def write(self) -> None:
        """Write the notebook, and link it."""
        self._run(self._write)

    def clear(self) -> None:
        self.said.value = ""

    def _write(self) -> None:
        made = self._make()
        if made is None:
            return
        path = write_notebook(*made)
        link = parts.escape(notebook_link(path), quote=True)
        below = self._explain(path) if self._explain is not None else ""
        self.said.value = (
            f"<span role='status'>Written: <a href='{link}' target='_blank'>{parts.escape(path.name)}</a></span>{below}"
        )

    def _guarded(self, work: Callable[[], None]) -> None:
        """For a panel without a worker of its own: the reason stands where the link would."""
        try:
            work()
        except OrreryError as error:
            self.said.value = parts.alert(error.message)
        except OSError as error:
            self.said.value = parts.alert(f"The notebook could not be written: {error}")
