"""What the platform tells an app's process. Shared by both, and light."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Final

#: answers 200 as soon as visitors can be served
HEALTH_PATH: Final = "/healthz"
DASHBOARD_VARIABLE: Final = "ORRERY_DASHBOARD"
#: beside the notebook: what its kernels need besides what the platform has
REQUIREMENTS_FILE: Final = "requirements.txt"


@dataclass(frozen=True)
class DashboardSettings:
    """JSON in `ORRERY_DASHBOARD`."""

    #: of the work folder, where the published files lie
    FOLDER: ClassVar[str] = "dashboard"

    #: relative to that folder
    notebook: str
    title: str = ""
    show_code: bool = False
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)
