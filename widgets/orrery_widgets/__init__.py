"""Panels for notebooks: ipywidgets that show a resource live and are found again by its id.

from orrery_widgets import Insight, Progress
Progress("trn_01jd8q3c9k4t7v2x5z")
Insight("breast")
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orrery_widgets.insight import Insight
    from orrery_widgets.progress import Progress

__all__ = ["Insight", "Progress", "is_available"]

_MODULES = {
    "Insight": "orrery_widgets.insight",
    "Progress": "orrery_widgets.progress",
}


def is_available() -> bool:
    """Whether panels can be shown here: ipywidgets is installed."""
    return importlib.util.find_spec("ipywidgets") is not None


def __getattr__(name: str) -> Any:
    """ipywidgets is loaded with the first panel."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if not is_available():
        raise ImportError(f"orrery_widgets.{name} needs ipywidgets; install it: pip install 'orrery[widgets]'")
    return getattr(importlib.import_module(_MODULES[name]), name)
