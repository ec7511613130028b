"""Dashboards: found in the notebook folders, listed, and rendered by Voila in a real Jupyter server."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from orrery.extension.dashboard_files import find_dashboards, read_dashboard
from orrery.testing.jupyter import Jupyter, jupyter_lab

ADDRESS = "/orrery-extension/dashboards"
SHIPPED = {
    "endpoint-playground": "endpoint",
    "model-card": "model",
    "run-comparison": "training",
    "training": "training",
    "tuning": "tuning",
}


def write(path: Path, metadata: dict[str, Any], source: str = "") -> Path:
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "source": source, "outputs": [], "execution_count": None}
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    document = {"cells": [cell], "metadata": {**kernel, **metadata}, "nbformat": 4, "nbformat_minor": 5}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def test_the_shipped_dashboards_say_what_they_show() -> None:
    found = {dashboard.name: dashboard for dashboard in find_dashboards()}
    assert {name: found[name].subject for name in SHIPPED} == SHIPPED
    assert all(dashboard.title and dashboard.description for dashboard in found.values())


def test_a_folder_of_ones_own_adds_dashboards_and_replaces_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("ORRERY_NOTEBOOKS", str(tmp_path))
    write(tmp_path / "dashboards" / "model-card.ipynb", {"orrery": {"dashboard": {"title": "Ours"}}})
    write(tmp_path / "dashboards" / "notes.ipynb", {})
    broken = tmp_path / "dashboards" / "broken.ipynb"
    broken.write_text("{")
    found = {dashboard.name: dashboard for dashboard in find_dashboards()}
    assert found["model-card"].title == "Ours" and found["model-card"].subject is None
    assert "run-comparison" in found and "notes" not in found
    assert read_dashboard(broken) is None and "broken.ipynb is no notebook" in caplog.text


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    folder = tmp_path_factory.mktemp("notebooks")
    write(
        folder / "dashboards" / "environment.ipynb",
        {"orrery": {"dashboard": {"title": "Environment"}}},
        "import os\nprint('asked', os.environ['QUERY_STRING'], 'in', os.getcwd(), 'secret' + ' source')",
    )
    home, lab = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("lab")
    # no platform is needed: the command ends at once
    with jupyter_lab(home, lab, environment={"ORRERY_NOTEBOOKS": str(folder)}, command=["true"]) as server:
        yield server


def test_the_list_says_where_each_opens(jupyter: Jupyter) -> None:
    with jupyter.client() as client:
        items = client.get(ADDRESS).json()["items"]
    assert {item["name"]: item["for"] for item in items}.items() >= {**SHIPPED, "environment": None}.items()
    assert {item["name"]: item["url"] for item in items}["model-card"] == f"{ADDRESS}/model-card"
    assert all(set(item) == {"name", "title", "description", "for", "url"} for item in items)


def test_a_page_holds_what_the_cells_show_and_not_the_cells(jupyter: Jupyter) -> None:
    with jupyter.client(timeout=120) as client:
        page = client.get(f"{ADDRESS}/environment", params={"id": "trn_1", "theme": "dark"})
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    assert "asked id=trn_1&amp;theme=dark in " in page.text
    assert "secret source" in page.text and "os.getcwd" not in page.text
    assert "JupyterLab Dark" in page.text
    assert re.findall(r"<(?:link|script)[^>]*(?:src|href)=[\"']https?://[^>]*>", page.text) == []


def test_only_who_may_use_the_server_sees_dashboards(jupyter: Jupyter) -> None:
    with jupyter.client() as client:
        missing = client.get(f"{ADDRESS}/nothing")
    assert missing.status_code == 404
    for path in (ADDRESS, f"{ADDRESS}/model-card"):
        answer = httpx.get(f"{jupyter.url}{path}", trust_env=False, timeout=60)
        assert answer.status_code in (302, 403) and "Model card" not in answer.text


def test_without_voila_the_list_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['voila'] = None\n")
    environment = {"PYTHONPATH": str(tmp_path)}
    with jupyter_lab(tmp_path / "home", tmp_path / "lab", environment=environment, command=["true"]) as server:
        with server.client() as client:
            listed = client.get(ADDRESS).json()
            page = client.get(f"{ADDRESS}/model-card")
    assert listed["items"] == [] and "pip install 'orrery[lab]'" in listed["message"]
    assert page.status_code == 404 and "pip install 'orrery[lab]'" in page.json()["message"]
