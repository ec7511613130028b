"""The dashboards that lie in the notebook folders, as they declare themselves."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from orrery.notebooks import notebook_folders

log = logging.getLogger(__name__)
#: below the server's base URL: their list, and each by its name
ADDRESS: Final = "orrery-extension/dashboards"


@dataclass(frozen=True)
class Dashboard:
    """`subject` is the kind of the resource that it shows (`?id=...`), as `training`; None: it needs none."""

    name: str
    title: str
    description: str
    subject: str | None
    path: Path


def find_dashboards() -> list[Dashboard]:
    """By title; of two with one name the first folder's wins. A notebook that declares none is passed over."""
    found: dict[str, Dashboard] = {}
    for folder in notebook_folders():
        for path in sorted(folder.glob("dashboards/*.ipynb")):
            dashboard = read_dashboard(path)
            if dashboard is not None:
                found.setdefault(dashboard.name, dashboard)
    return sorted(found.values(), key=lambda dashboard: dashboard.title)


def read_dashboard(path: Path) -> Dashboard | None:
    """What the notebook declares; None where it declares nothing, or cannot be read, which is logged."""
    try:
        document: Any = json.loads(path.read_text("utf-8"))
        declared: dict[str, Any] | None = document["metadata"].get("orrery", {}).get("dashboard")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("%s is no notebook: %s", path, error, extra={"action": "dashboard_unreadable"})
        return None
    if declared is None:
        return None
    subject = declared.get("for")
    return Dashboard(
        name=path.stem,
        title=str(declared.get("title") or path.stem),
        description=str(declared.get("description") or ""),
        subject=str(subject) if subject else None,
        path=path,
    )
