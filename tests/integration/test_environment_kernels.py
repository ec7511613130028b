"""Environments under `custom-conda-envs` are kernels of a real server as soon as they are made, with what they hold."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from orrery.testing.jupyter import Jupyter, jupyter_lab
from orrery.testing.kernels import run_in_kernel

OURS = f"{sys.version_info.major}.{sys.version_info.minor}"


@dataclass(frozen=True)
class Notebook:
    """A server with a data volume."""

    jupyter: Jupyter
    environments: Path

    def specs(self) -> dict[str, Any]:
        with self.jupyter.client() as client:
            return client.get("/api/kernelspecs").json()["kernelspecs"]

    def run(self, code: str, kernel: str) -> str:
        browser = self.jupyter.browser()
        try:
            return run_in_kernel(browser, "/", code, kernel=kernel)
        finally:
            browser.close()


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notebook]:
    home, data = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("data")
    environments = data / "custom-conda-envs"
    environments.mkdir()
    idle = [sys.executable, "-c", "import time; time.sleep(1000)"]
    with jupyter_lab(home, data, command=idle, environment={"ORRERY_DATA_DIR": str(data)}) as server:
        yield Notebook(server, environments)


def make_wheel(folder: Path, name: str, text: str) -> Path:
    """A wheel of one module, as pip installs it without asking anybody."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}.py", text)
        wheel.writestr(f"{name}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(
            f"{name}-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        wheel.writestr(f"{name}-1.0.dist-info/RECORD", "")
    return path


def make_venv(path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", path], check=True)


def make_conda(path: Path) -> None:
    """A folder laid out as conda lays it out; there is no conda to make one here."""
    make_venv(path)
    (path / "pyvenv.cfg").rename(path / "kept.cfg")
    (path / "conda-meta").mkdir()
    (path / "conda-meta" / "history").write_text("")
    # without pyvenv.cfg the linked Python would be the base one
    (path / "bin" / "python").unlink()
    (path / "bin" / "python").write_text(
        f'#!/bin/sh\nexport PYTHONPATH="{path}/lib/python{OURS}/site-packages"\nexec "{sys.executable}" "$@"\n'
    )
    (path / "bin" / "python").chmod(0o755)


def test_a_venv_is_a_kernel_as_soon_as_it_is_made_and_imports_its_own_packages(
    notebook: Notebook, tmp_path: Path
) -> None:
    assert "env-mine" not in notebook.specs()
    path = notebook.environments / "mine"
    make_venv(path)
    spec = notebook.specs()["env-mine"]
    assert spec["spec"]["display_name"] == f"Python {OURS} (mine)"
    assert spec["spec"]["metadata"]["orrery"]["ipykernel"] == "lent"
    assert "logo-64x64" in spec["resources"]
    wheel = make_wheel(tmp_path, "made_here", "answer = 42\n")
    subprocess.run([path / "bin" / "python", "-m", "pip", "install", "--no-index", "--no-deps", wheel], check=True)
    code = (
        "import made_here, sys, os, shutil, subprocess\n"
        "print(made_here.answer, sys.prefix, os.environ['VIRTUAL_ENV'], shutil.which('pip'))\n"
        "print(subprocess.run(['python', '-c', 'import made_here; print(made_here.answer)'],"
        " capture_output=True, text=True).stdout)\n"
    )
    assert notebook.run(code, "env-mine").split() == ["42", str(path), str(path), f"{path}/bin/pip", "42"]


def test_the_lent_kernel_brings_nothing_of_the_server_but_itself(notebook: Notebook) -> None:
    make_venv(notebook.environments / "bare")
    code = (
        "import importlib.util\n"
        "names = ('orrery', 'jupyter_server', 'pandas', 'ipykernel')\n"
        "print([name for name in names if importlib.util.find_spec(name)])"
    )
    assert notebook.run(code, "env-bare").strip() == "['ipykernel']"


def test_an_environment_of_uv_is_a_kernel(notebook: Notebook) -> None:
    uv = Path(sys.executable).with_name("uv")
    project = notebook.environments / "project"
    subprocess.run([uv, "venv", "--offline", "--python", sys.executable, project / ".venv"], check=True)
    spec = notebook.specs()["env-project"]["spec"]
    assert (spec["display_name"], spec["metadata"]["orrery"]["tool"]) == (f"Python {OURS} (project)", "uv")
    assert notebook.run("import sys; print(sys.prefix)", "env-project").strip() == str(project / ".venv")


def test_an_environment_of_conda_is_activated(notebook: Notebook) -> None:
    path = notebook.environments / "conda one"
    make_conda(path)
    scripts = path / "etc" / "conda" / "activate.d"
    scripts.mkdir(parents=True)
    (scripts / "a broken; one.sh").write_text("no_such_command; export FIRST=1\n")
    (scripts / "b.sh").write_text('export SECOND="$CONDA_PREFIX/x"\n')
    name = next(name for name in notebook.specs() if name.startswith("env-conda-one-"))
    assert notebook.specs()[name]["spec"]["display_name"] == f"Python {OURS} (conda one)"
    code = (
        "import os; print([os.environ.get(name) for name in ('FIRST', 'SECOND', 'CONDA_PREFIX', 'CONDA_DEFAULT_ENV')])"
    )
    assert notebook.run(code, name).strip() == str(["1", f"{path}/x", str(path), str(path)])


def test_a_kernel_of_another_language_starts_in_its_environment(notebook: Notebook) -> None:
    path = notebook.environments / "stats"
    (path / "conda-meta").mkdir(parents=True)
    (path / "bin").mkdir()
    # stands for R, with a kernel that prints which R it is
    (path / "bin" / "R").write_text(
        f'#!/bin/sh\nexport R_HOME=here\nexec "{sys.executable}" -m ipykernel_launcher "$@"\n'
    )
    (path / "bin" / "R").chmod(0o755)
    kernel = path / "share" / "jupyter" / "kernels" / "ir"
    kernel.mkdir(parents=True)
    spec = {"argv": ["R", "-f", "{connection_file}"], "display_name": "R 4.4", "language": "R", "env": {"LEVEL": "3"}}
    (kernel / "kernel.json").write_text(json.dumps(spec))
    found, shown = next(item for item in notebook.specs().items() if item[0].startswith("env-stats-ir-"))
    assert (shown["spec"]["display_name"], shown["spec"]["language"]) == ("R 4.4 (stats)", "R")
    code = "import os; print([os.environ[name] for name in ('R_HOME', 'LEVEL', 'CONDA_PREFIX')])"
    assert notebook.run(code, found).strip() == str(["here", "3", str(path)])


def test_an_environment_of_another_python_says_what_to_install(notebook: Notebook) -> None:
    path = notebook.environments / "old"
    (path / "bin").mkdir(parents=True)
    (path / "bin" / "python").symlink_to("/bin/true")
    (path / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.8.1\n")
    spec = notebook.specs()["env-old"]["spec"]
    assert spec["display_name"] == "Python 3.8 (old) – needs ipykernel"
    with pytest.raises(AssertionError, match="old/bin/python -m pip install ipykernel"):
        notebook.run("1 + 1", "env-old")


def test_what_is_broken_or_half_made_spoils_nothing(notebook: Notebook) -> None:
    folder = notebook.environments
    (folder / "broken-link").symlink_to("nowhere")
    (folder / "circle").symlink_to("circle")
    (folder / "itself").symlink_to(".")
    (folder / "half").mkdir()
    (folder / "half" / "pyvenv.cfg").write_text("")
    (folder / "dead" / "bin").mkdir(parents=True)
    (folder / "dead" / "pyvenv.cfg").write_text("version = 3.11\n")
    (folder / "dead" / "bin" / "python").symlink_to("/no/such/python")
    (folder / "a file").write_text("")
    kernel = folder / "odd" / "share" / "jupyter" / "kernels"
    (folder / "odd" / "conda-meta").mkdir(parents=True)
    for number, text in enumerate(("{", "[]", '{"argv": []}', '{"argv": ["R"], "env": 3}', '{"argv": "R"}')):
        (kernel / f"k{number}").mkdir(parents=True)
        (kernel / f"k{number}" / "kernel.json").write_text(text)
    for number in range(3000):
        (folder / "zz-many" / str(number)).mkdir(parents=True)
    make_venv(folder / "fine")
    specs = notebook.specs()
    assert {"env-fine", "python3"} <= specs.keys()
    assert not [name for name in specs if any(word in name for word in ("half", "dead", "odd", "broken", "circle"))]
