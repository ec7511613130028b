"""What is exported, lazily, and what is said where ipywidgets is missing."""

from __future__ import annotations

import subprocess
import sys

import pytest

import orrery
import orrery.client


def python(program: str) -> str:
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    return result.stdout.strip()


def test_the_sdk_is_loaded_when_it_is_used() -> None:
    loaded = python("import sys, orrery, orrery_widgets; print(*({'httpx', 'ipywidgets'} & set(sys.modules)))")
    assert loaded == ""
    assert orrery.Client is orrery.client.Client
    with pytest.raises(AttributeError, match="no attribute 'Klient'"):
        _ = orrery.Klient  # pyright: ignore[reportAttributeAccessIssue]


def test_a_panel_without_ipywidgets_says_what_to_install() -> None:
    told = python(
        "import sys; sys.modules['ipywidgets'] = None\n"
        "import orrery_widgets\n"
        "print(orrery_widgets.is_available())\n"
        "try:\n    orrery_widgets.Progress\n"
        "except ImportError as error:\n    print(error)\n"
    )
    assert told.splitlines() == [
        "False",
        "orrery_widgets.Progress needs ipywidgets; install it: pip install 'orrery[widgets]'",
    ]


def test_everything_exported_is_there() -> None:
    for name in orrery.client.__all__:
        assert getattr(orrery.client, name).__name__ == name
