"""Where the server, its kernels and its terminals keep what has to outlast them: on the notebook's data volume.

`CONDA_ENVS_PATH`: `custom-conda-envs`, which `conda env list` and `conda create --name` use.
`CONDA_PKGS_DIRS`, `PIP_CACHE_DIR`, `UV_CACHE_DIR`: what was downloaded, on the same volume so that it can be linked.
`JUPYTER_DATA_DIR`: kernels that somebody installs with `--user`.

What is set already is kept.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ENVIRONMENTS_FOLDER: Final = "custom-conda-envs"


def make_variables(data_folder: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """What is to be added to `environment`."""
    jupyter = Path(environment.get("HOME") or "/", ".local/share/jupyter")
    wanted = {
        "CONDA_ENVS_PATH": str(data_folder / ENVIRONMENTS_FOLDER),
        "CONDA_PKGS_DIRS": str(data_folder / ".cache/conda/pkgs"),
        "PIP_CACHE_DIR": str(data_folder / ".cache/pip"),
        "UV_CACHE_DIR": str(data_folder / ".cache/uv"),
        "JUPYTER_DATA_DIR": str(data_folder / ".local/share/jupyter"),
    }
    if "CONDA_ENVS_DIRS" in environment:
        del wanted["CONDA_ENVS_PATH"]
    if "JUPYTER_DATA_DIR" not in environment:
        # sockets and process files have no business on a volume, and kernels of the account stay known
        wanted["JUPYTER_RUNTIME_DIR"] = str(jupyter / "runtime")
    added = {name: value for name, value in wanted.items() if not environment.get(name)}
    if "JUPYTER_DATA_DIR" in added and added["JUPYTER_DATA_DIR"] != str(jupyter):
        former = [path for path in environment.get("JUPYTER_PATH", "").split(os.pathsep) if path]
        added["JUPYTER_PATH"] = os.pathsep.join([*former, str(jupyter)])
    return added
