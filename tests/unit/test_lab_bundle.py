"""The JupyterLab extension stays small: its bundle is measured, and all that Lab has already stays out of it."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

BUILT = Path(__file__).parents[2] / "server_extension" / "orrery" / "labextension" / "static"
MOST_BYTES = 250_000


@pytest.fixture(scope="module")
def scripts() -> list[Path]:
    found = sorted(BUILT.glob("*.js"))
    assert found, f"{BUILT} holds no bundle; `make install` builds it"
    return found


def test_the_bundle_is_below_250_kB_gzipped(scripts: list[Path]) -> None:
    sizes = {script.name: len(gzip.compress(script.read_bytes())) for script in scripts}
    assert sum(sizes.values()) < MOST_BYTES, sizes


def test_what_jupyterlab_shares_is_not_bundled_again(scripts: list[Path]) -> None:
    bundled = b"".join(script.read_bytes() for script in scripts)
    # the name of React's renderer and of Lumino's dock panel, as their own code writes them
    assert [name for name in (b"__reactFiber$", b"lm-DockPanel-overlay") if name in bundled] == []
