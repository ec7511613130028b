"""What is documented is what is there."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from orrery.controllers.settings import Settings

ROOT = Path(__file__).parents[2]


def test_the_state_diagrams_are_the_transition_tables() -> None:
    script = ROOT / "scripts" / "make_state_diagrams.py"
    spec = importlib.util.spec_from_file_location("make_state_diagrams", script)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.TARGET.read_text() == module.page(), "run scripts/make_state_diagrams.py"


def test_every_setting_is_documented() -> None:
    text = (ROOT / "docs" / "reference" / "configuration.md").read_text()
    missing = [name for name in Settings.model_fields if f"ORRERY_{name.upper()}" not in text]
    assert missing == []


def test_every_page_is_linked_from_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    pages = [
        path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md") if path.name != "README.md"
    ]
    assert [page for page in pages if f"({page})" not in index] == []
