"""The Insight panel over a real platform: found by name, drawn anew, with its errors inside; and the dashboard."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

import orrery
from orrery.testing.platform import RunningPlatform
from orrery_widgets import Insight

DASHBOARD = Path(__file__).parents[2] / "notebooks" / "dashboards" / "data-insight.ipynb"
#: Matplotlib's own, about the parser that it uses
pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")
ROWS = 6000
CSV = b"size,day,kind\n" + b"".join(
    b"%d.5,2026-01-%02d,%s\n" % (i % 97, i % 28 + 1, b"ab"[i % 2 : i % 2 + 1]) for i in range(ROWS)
)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    import shutil
    import tempfile

    home = Path(tempfile.mkdtemp(prefix="orr-"))
    with RunningPlatform(home) as running:
        yield running
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module")
def client(platform: RunningPlatform) -> Iterator[orrery.Client]:
    with orrery.Client(platform.url, platform.announcement["token"]) as client:
        client.datasets.create("shapes", {"data.csv": CSV}, publish=True, progress=False)
        yield client


def parts(panel: Insight) -> dict[str, Any]:
    """What a person finds in the panel, by its label."""
    found: dict[str, Any] = {}
    pending: list[Any] = [panel]
    while pending:
        widget = pending.pop()
        pending += getattr(widget, "children", ())
        if getattr(widget, "description", ""):
            found[widget.description] = widget
    return found


def text_of(panel: Insight) -> str:
    pending: list[Any] = [panel]
    texts: list[str] = []
    while pending:
        widget = pending.pop()
        pending += getattr(widget, "children", ())
        if isinstance(getattr(widget, "value", None), str):
            texts.append(widget.value)
    return "\n".join(texts)


def test_what_the_panel_shows_is_a_notebook_too(
    platform: RunningPlatform, client: orrery.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORRERY_URL", platform.url)
    monkeypatch.setenv("ORRERY_TOKEN", platform.announcement["token"])
    panel = Insight("shapes", client=client)
    panel.write_notebook()
    panel.close()
    notebook: Any = nbformat.read(tmp_path / "insight-shapes.ipynb", as_version=4)
    executed = str(NotebookClient(notebook, timeout=120).execute())
    assert "6,000" in executed and "size" in executed and "Traceback" not in executed


def test_a_dataset_is_found_by_name_version_or_id_and_drawn(client: orrery.Client) -> None:
    version = client.dataset_versions.get("shapes@1")
    for reference in ("shapes", "shapes@1", version.id, version):
        panel = Insight(reference, client=client)
        assert panel.profile["rows"] == ROWS
        panel.close()
    panel = Insight("shapes", client=client)
    assert "A random sample: 5,000 of 6,000 rows" in text_of(panel)
    assert "client.datasets.profile(" in text_of(panel)
    shown = parts(panel)
    shown["Chart"].value, shown["X axis"].value, shown["Y axis"].value = "box", "kind", "size"
    assert "aria-label='box of size by kind, 5,000 rows'" in text_of(panel)
    shown["Y axis"].value = "kind"
    assert "choose numbers for Y" in text_of(panel)
    shown["Y axis"].value = "size"
    shown["Load all rows"].click()
    assert "All 6,000 rows." in text_of(panel)
    assert "aria-label='box of size by kind, 6,000 rows'" in text_of(panel)
    panel.close()


def test_what_goes_wrong_is_said_in_the_panel(client: orrery.Client) -> None:
    for reference, said in (("shapez", "does not exist"), ("trn_00000000000000000x", "is a training; give a dataset")):
        panel = Insight(reference, client=client)
        assert panel.profile == {}
        assert said in text_of(panel)
        panel.close()


def run_dashboard(platform: RunningPlatform, query: str, monkeypatch: pytest.MonkeyPatch) -> nbformat.NotebookNode:
    monkeypatch.setenv("ORRERY_URL", platform.url)
    monkeypatch.setenv("ORRERY_TOKEN", platform.announcement["token"])
    monkeypatch.setenv("QUERY_STRING", query)
    notebook = nbformat.read(DASHBOARD, as_version=4)
    return NotebookClient(notebook, timeout=120, kernel_name="python3").execute(env=dict(os.environ))


@pytest.mark.parametrize("query", ["", "id={version}&theme=dark"])
def test_the_dashboard_runs_with_and_without_a_dataset(
    query: str, platform: RunningPlatform, client: orrery.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = client.dataset_versions.get("shapes@1")
    done = run_dashboard(platform, query.format(version=version.id), monkeypatch)
    state = str(done.metadata.get("widgets", ""))
    assert (version.qualified_name in state) is True
    assert ("Data overview" in state) is bool(query)
    assert ("Dataset" in state) is True
    described = done.metadata["orrery"]["dashboard"]
    assert described["for"] == "dataset-version" and described["title"] == "Data insight"
