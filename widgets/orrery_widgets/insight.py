"""A panel that looks into a dataset: its profile, and plots of any two columns over the sample or all rows."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets as widgets  # pyright: ignore[reportMissingTypeStubs]

from orrery.client import Client, Resource
from orrery.errors import Invalid, OrreryError
from orrery_widgets import code
from orrery_widgets.insight_html import alert, overview
from orrery_widgets.notebook_offer import NotebookOffer
from orrery_widgets.notebooks import Notebook, call_notebook

#: "Load all rows" reads no more than this into the kernel's memory
MOST_BYTES = 1 << 30


#: the labels of tabs that are not chosen and of folded parts are too pale to read
_STYLE = """<style>.orrw-insight .lm-TabBar-tabLabel, .orrw-insight .jupyter-widget-Collapse-header {
  color: var(--jp-ui-font-color1, #222); }</style>"""


class Insight(widgets.VBox):
    """Shows what a dataset holds and what may be wrong with it, and draws its columns.

    `dataset` is one from the client, a version of one, an id, or a name (`breast`, `alice/breast`, `breast@2`). Plots
    are drawn from the profile's random sample until all rows are asked for. What goes wrong is shown in the panel.
    """

    def __init__(self, dataset: Resource | str, *, client: Client | None = None) -> None:
        self._own_client = client is None and isinstance(dataset, str)
        self._client = client
        self._resource: Resource | None = None
        self._profile: Mapping[str, Any] = {}
        self._values: dict[str, Sequence[Any]] = {}
        self._title = widgets.HTML()
        self._overview = widgets.HTML()
        self._plot = widgets.HTML()
        self._status = widgets.HTML()
        self._message = widgets.HTML()
        self._call = widgets.HTML()
        wide = widgets.Layout(width="260px")
        self._chart: Any = widgets.Dropdown(description="Chart", layout=wide)
        self._x: Any = widgets.Dropdown(description="X axis", layout=wide)
        self._y: Any = widgets.Dropdown(description="Y axis", layout=wide)
        self._colour: Any = widgets.Dropdown(description="Colour", layout=wide)
        self._all: Any = widgets.Button(description="Load all rows", tooltip="Download the files and draw every row")
        self._all.on_click(self._on_all)
        choices = [self._chart, self._x, self._y, self._colour, self._all]
        row = widgets.HBox(choices, layout=widgets.Layout(flex_flow="row wrap"))
        self._tabs: Any = widgets.Tab(
            children=[self._overview, widgets.VBox([row, self._plot, self._status])],
            titles=("Data overview", "Visualize"),
        )
        self._sdk: Any = widgets.Accordion(children=[self._call], titles=("Show the SDK call",), selected_index=None)
        tooltip = "Write the profile's SDK calls as a notebook"
        self._notebook = NotebookOffer("Open as notebook", self._make_notebook, tooltip=tooltip)
        self._links: Any = widgets.VBox([self._notebook.button, self._notebook.said])
        super().__init__([self._title, self._message, self._tabs, self._sdk, self._links])  # pyright: ignore[reportUnknownMemberType]
        self.add_class("orrw-insight")  # pyright: ignore[reportUnknownMemberType]
        reference = dataset if isinstance(dataset, str) else dataset.qualified_name
        self._title.value = f"<b>{escape(reference)}</b>"
        self._load(dataset)
        for choice in (self._chart, self._x, self._y, self._colour):
            choice.observe(self._on_choice, names="value")

    @property
    def profile(self) -> Mapping[str, Any]:
        """What the panel shows; empty where it could not be read."""
        return self._profile

    def close(self) -> None:
        """Take the panel off the page."""
        if self._own_client and self._client is not None:
            self._client.close()
        super().close()

    def load_all_rows(self) -> None:
        """Download the dataset's files and draw from every row instead of the sample."""
        if self._resource is None:
            return
        self._status.value = "Loading all rows …"
        try:
            self._values = read_all_rows(self._resource)
        except OrreryError as error:
            self._status.value = alert(error.message)
            return
        self._draw()
        self._all.disabled = True

    def write_notebook(self) -> None:
        """Write the profile's SDK calls as a notebook beside the current one, and link it."""
        self._notebook.write()

    def _make_notebook(self) -> tuple[Notebook, str] | None:
        if self._resource is None:
            return None
        name = self._resource.qualified_name
        sources = (
            code.call("client.datasets.profile", name, result="profile"),
            'import pandas as pd\n\ncolumns = pd.DataFrame(profile["columns"])\n'
            'columns.drop(columns=["histogram", "top"], errors="ignore")',
            'for finding in profile["findings"]:\n    print(finding["message"], finding["remedy"], sep="\\n    ")',
            f"from orrery_widgets import Insight\n\n{code.call('Insight', name)}",
        )
        return call_notebook(f"Data insight: {name}", *sources), f"insight-{self._resource.name}"

    def _on_all(self, _: Any) -> None:
        self.load_all_rows()

    def _on_choice(self, _: Any) -> None:
        self._draw()

    def _load(self, dataset: Resource | str) -> None:
        try:
            self._resource = resource = self._find(dataset) if isinstance(dataset, str) else dataset
            kind = resource.client.declaration(resource.kind)
            if kind.plural not in ("datasets", "dataset-versions"):
                raise Invalid(
                    f"{resource.qualified_name} is a {kind.title.lower()}; give a dataset or a version of one"
                )
            self._profile = resource.client.transport.json("GET", f"{resource.path}/profile")
        except OrreryError as error:
            self._message.value = alert(error.message)
            self._tabs.layout.display = self._sdk.layout.display = self._links.layout.display = "none"
            return
        self._title.value = f"{_STYLE}<b>{escape(kind.title)} {escape(resource.qualified_name)}</b>"
        call = code.program(code.call("client.datasets.profile", resource.qualified_name, result="profile"))
        self._call.value = f"<pre>{escape(call, quote=False)}</pre>"
        self._overview.value = overview(self._profile)
        columns: list[dict[str, Any]] = self._profile["columns"]
        names = [column["name"] for column in columns]
        self._values = dict(zip(names, self._profile["sample"]["values"], strict=True))
        self._offer(columns, names)
        self._draw()

    def _find(self, reference: str) -> Resource:
        if self._client is None:
            self._client = Client()
        kinds = ("dataset-version", "dataset") if "@" in reference else ("dataset", "dataset-version")
        return self._client.find(reference, *kinds)

    def _offer(self, columns: Sequence[Mapping[str, Any]], names: Sequence[str]) -> None:
        """Fill the choices with something worth looking at first."""
        target = self._profile["target"]
        numbers = [
            column["name"]
            for column in columns
            if column["kind"] in ("number", "datetime") and column["distinct"] > 1 and column["name"] != target
        ]
        identifiers = {finding["column"] for finding in self._profile["findings"] if finding["code"] == "identifier"}
        numbers.sort(key=lambda name: name in identifiers)
        first = [*numbers, *names]
        self._chart.options = _charts()
        self._chart.value = "scatter" if len(numbers) > 1 else "histogram"
        self._x.options = self._y.options = names
        self._colour.options = [("one colour", ""), *((name, name) for name in names)]
        self._x.value, self._y.value = first[0], first[min(1, len(first) - 1)]
        self._colour.value = target or ""

    def _draw(self) -> None:
        if not self._profile:
            return
        self._y.disabled = self._chart.value in ("count", "histogram")
        self._colour.disabled = self._chart.value == "box"
        try:
            from orrery_widgets.insight_plot import CannotDraw, draw
        except ImportError as error:
            self._plot.value = alert(f"Plots need Matplotlib ({error}); install it: pip install matplotlib")
            return
        try:
            self._plot.value = draw(
                self._profile["columns"],
                self._values,
                chart=str(self._chart.value),
                x=str(self._x.value),
                y=str(self._y.value),
                colour=str(self._colour.value),
            )
        except CannotDraw as error:
            self._plot.value = f"<p role='status'>{escape(str(error))}.</p>"
        rows, of = len(self._values[self._x.value]), self._profile["rows"]
        self._status.value = f"All {of:,} rows." if rows >= of else f"A random sample: {rows:,} of {of:,} rows."
        self._all.disabled = self._all.disabled or rows >= of


def _charts() -> list[tuple[str, str]]:
    return [
        ("Scatter", "scatter"),
        ("Line", "line"),
        ("Bars: count", "count"),
        ("Bars: mean", "mean"),
        ("Histogram", "histogram"),
        ("Box", "box"),
    ]


def read_all_rows(resource: Resource) -> dict[str, Sequence[Any]]:
    """Every row of the dataset by column, as the profile's sample has them.

    Raises: Invalid for a dataset too large for a notebook, or one whose files cannot be read here.
    """
    try:
        from orrery.jobs.tabular.problems import BadData
        from orrery.jobs.tabular.rows import read_values
    except ImportError as error:
        raise Invalid(f"reading all rows needs more ({error}); install it: pip install 'orrery[tabular]'") from error
    size = sum(file.size for file in resource.files())
    if size > MOST_BYTES:
        raise Invalid(f"{resource.qualified_name} has {size / (1 << 30):.1f} GiB of files, too many to draw here")
    with tempfile.TemporaryDirectory(prefix="orrery-insight-") as scratch:
        folder = Path(scratch)
        for file in resource.files():
            target = folder / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            resource.download(file.path, to=target)
        listed = {"format": resource.spec.get("format"), "files": [{"path": file.path} for file in resource.files()]}
        (folder / "dataset.json").write_text(json.dumps(listed), "utf-8")
        try:
            return read_values(folder)
        except BadData as bad:
            raise Invalid(bad.message) from bad
