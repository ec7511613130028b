"""Where the notebooks that ship with the platform lie."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

#: a folder looked into before all others: a checkout's `notebooks/` while they are being written
OVERRIDE: Final = "ORRERY_NOTEBOOKS"


def notebook_folders() -> list[Path]:
    """The existing folders, most specific first: the override, a checkout beside this file, then Jupyter's data paths.

    An editable install copies shared data, so that a checkout's own folder comes before it.
    """
    from jupyter_core.paths import jupyter_path

    candidates = [Path(os.environ[OVERRIDE])] if os.environ.get(OVERRIDE) else []
    checkout = Path(__file__).resolve().parents[2] / "notebooks"
    if (checkout.parent / "pyproject.toml").is_file():
        candidates.append(checkout)
    candidates.extend(Path(path) for path in jupyter_path("orrery", "notebooks"))
    return [folder for folder in candidates if folder.is_dir()]
