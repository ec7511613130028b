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
    from orrery_widgets.deploy import Deploy
    from orrery_widgets.insight import Insight
    from orrery_widgets.model_factory import ModelFactory
    from orrery_widgets.playground import Playground
    from orrery_widgets.progress import Progress
    from orrery_widgets.queue import Queue
    from orrery_widgets.run_table import RunTable
    from orrery_widgets.training_form import TrainingForm
    from orrery_widgets.tuning_form import TuningForm
    from orrery_widgets.tuning_view import TuningView

#: panel -> the module that it is in
_HOMES = {
    "Deploy": "deploy",
    "Insight": "insight",
    "ModelFactory": "model_factory",
    "Playground": "playground",
    "Progress": "progress",
    "Queue": "queue",
    "RunTable": "run_table",
    "TrainingForm": "training_form",
    "TuningForm": "tuning_form",
    "TuningView": "tuning_view",
}

__all__ = [
    "Deploy",
    "Insight",
    "ModelFactory",
    "Playground",
    "Progress",
    "Queue",
    "RunTable",
    "TrainingForm",
    "TuningForm",
    "TuningView",
    "is_available",
]


def is_available() -> bool:
    """Whether panels can be shown here: ipywidgets is installed."""
    return importlib.util.find_spec("ipywidgets") is not None


def __getattr__(name: str) -> Any:
    """ipywidgets is loaded with the first panel."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if not is_available():
        raise ImportError(f"orrery_widgets.{name} needs ipywidgets; install it: pip install 'orrery[widgets]'")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
