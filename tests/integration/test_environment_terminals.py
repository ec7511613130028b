"""Terminals of a real server: its environments are known there, and the default one is active."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.sync.client import connect

from orrery.testing.jupyter import Jupyter, jupyter_lab
from orrery_hub.start.environment import make_variables


@pytest.fixture(scope="module", params=["bash", "sh"])
def terminal(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Jupyter, Path]]:
    """A server whose terminals are of one shell, and its data volume."""
    home, data = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("data")
    (data / "custom-conda-envs").mkdir()
    (data / ".profile").write_text("PATH=/account/bin:$PATH\n")
    idle = [sys.executable, "-c", "import time; time.sleep(1000)"]
    variables = {"ORRERY_DATA_DIR": str(data), "SHELL": shutil.which(request.param) or "", "HOME": str(data)}
    # this may run in an environment itself
    variables |= {"VIRTUAL_ENV": "", "CONDA_PREFIX": ""}
    variables |= make_variables(data, variables)
    with jupyter_lab(home, data, command=idle, environment=variables) as server:
        yield server, data


def type_into(jupyter: Jupyter, line: str) -> str:
    """What a fresh terminal shows of a line's output: all that is printed between two marks."""
    browser = jupyter.browser()
    forgery = browser.cookies["_xsrf"]
    made = browser.post("/api/terminals", headers={"X-XSRFToken": forgery})
    name = made.raise_for_status().json()["name"]
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.cookies.jar)
    url = f"{jupyter.url}/terminals/websocket/{name}".replace("http", "ws", 1)
    shown = ""
    with connect(url, additional_headers={"Cookie": cookies}, proxy=None) as channel:
        channel.send(json.dumps(["set_size", 50, 500, 0, 0]))
        channel.send(json.dumps(["stdin", f"echo be''gin; {line}; echo e''nd\r"]))
        while not (found := re.search(r"begin\r\n(.*)end\r\n", shown, re.DOTALL)):
            kind, *content = json.loads(channel.recv(timeout=30))
            shown += content[0] if kind == "stdout" else ""
    browser.delete(f"/api/terminals/{name}", headers={"X-XSRFToken": forgery})
    browser.close()
    return found[1].replace("\r\n", "\n").strip()


def test_a_terminal_keeps_what_it_makes_on_the_volume(terminal: tuple[Jupyter, Path]) -> None:
    jupyter, data = terminal
    names = ("CONDA_ENVS_PATH", "CONDA_PKGS_DIRS", "PIP_CACHE_DIR", "UV_CACHE_DIR", "JUPYTER_DATA_DIR")
    shown = type_into(jupyter, "; ".join(f'echo "${name}"' for name in names))
    assert shown.splitlines()[0] == str(data / "custom-conda-envs")
    assert all(path.startswith(f"{data}/") for path in shown.splitlines())


def test_a_terminal_has_the_accounts_own_path_and_the_servers(terminal: tuple[Jupyter, Path]) -> None:
    jupyter, _ = terminal
    path = type_into(jupyter, 'echo "$PATH"; echo "[$ENV]"').splitlines()
    assert path[0].startswith("/account/bin:")
    assert str(Path(sys.executable).parent) in path[0].split(":")
    assert path[1] == "[]"


def test_the_default_environment_is_active_in_new_terminals(terminal: tuple[Jupyter, Path]) -> None:
    jupyter, data = terminal
    folder = data / "custom-conda-envs"
    default = folder / ".default"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "my env"], check=True)
    default.write_text("my env\n")
    assert type_into(jupyter, 'command -v python; echo "$VIRTUAL_ENV"').splitlines() == [
        f"{folder}/my env/bin/python",
        f"{folder}/my env",
    ]
    conda = folder / "like-conda"
    (conda / "conda-meta").mkdir(parents=True)
    (conda / "bin").mkdir()
    (conda / "etc" / "conda" / "activate.d").mkdir(parents=True)
    (conda / "etc" / "conda" / "activate.d" / "x.sh").write_text("export ACTIVE=yes\n")
    default.write_text("like-conda")
    assert type_into(jupyter, 'echo "$CONDA_PREFIX $ACTIVE ${PATH%%:*}"') == f"{conda} yes {conda}/bin"
    default.write_text("../../etc\n")
    assert type_into(jupyter, 'echo "$VIRTUAL_ENV$CONDA_PREFIX"') == ""
    default.unlink()
    assert type_into(jupyter, 'echo "$VIRTUAL_ENV$CONDA_PREFIX"') == ""
