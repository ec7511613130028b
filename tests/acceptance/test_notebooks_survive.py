"""What people build in a notebook outlives whatever dies: its scripts, environments and files, under kill -9."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from orrery.testing.hub import Account, Hub
from orrery.testing.kernels import run_in_kernel
from orrery.testing.processes import free_port
from orrery.testing.waiting import wait_until

KILLS = 10
AT_ONCE = 30
DOWN = {"STOPPED", "CREATE_FAILED", "START_FAILED", "REBOOT_FAILED", "STOP_FAILED"}


class Site:
    """A hub that is killed and started again over the same home and port, and one user of it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = home / "hub.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = {
            **os.environ,
            "ORRERY_HOME": str(self.home),
            "ORRERY_ADMIN": "boss",
            "PORT": str(self.port),
            "HOST": "127.0.0.1",
        }
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "orrery_hub"],
                env=environment,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(self.answers, what="hub and platform answer", process=self._process, seconds=120)

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/services/orrery/healthz", trust_env=False, timeout=60).is_success
        except httpx.HTTPError:
            return False

    def kill(self, words: str) -> None:
        """`kill -9` of the hub, its proxy, or a single-user server, told by its command line; then all is up again."""
        for process in self.processes():
            if words in " ".join(process.cmdline()):
                process.send_signal(signal.SIGKILL)
                break
        assert self._process is not None
        if words == HUB:
            self._process.wait(30)
            self.start()

    def servers(self) -> list[psutil.Process]:
        return [process for process in self.processes() if SERVER in " ".join(process.cmdline())]

    def processes(self) -> list[psutil.Process]:
        """Everything that runs over this home, the hub first."""
        found: list[psutil.Process] = []
        for process in psutil.process_iter():
            try:
                environment = process.environ()
                is_ours = environment.get("ORRERY_HOME") == str(self.home) or str(self.home) in environment.get(
                    "ORRERY_DATA_DIR", ""
                )
                if is_ours and process.status() != psutil.STATUS_ZOMBIE and process.cmdline():
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(60)
        for process in self.processes():
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue


HUB = "-m orrery_hub.hub --config"
PROXY = "configurable-http-proxy"
SERVER = "jupyterhub-singleuser"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    # short: sockets have paths of at most 107 bytes
    site = Site(Path(tempfile.mkdtemp(prefix="orrery-n-")))
    site.start()
    yield site
    site.close()


@pytest.fixture(scope="module")
def ann(site: Site) -> Iterator[Account]:
    with contextlib.ExitStack() as browsers:
        yield Hub(site.url, site.home, process=None, open_browsers=browsers).sign_up("ann")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def platform(site: Site, ann: Account) -> Iterator[Patient]:
    patient = Patient(f"{site.url}/services/orrery/api/v1/", ann.make_token())
    yield patient
    patient.close()


class Patient:
    """The platform's API for a caller who asks again while it is away."""

    def __init__(self, url: str, token: str) -> None:
        self._http = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30, trust_env=False
        )

    def close(self) -> None:
        self._http.close()

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        def answer() -> httpx.Response | None:
            try:
                response = self._http.request(method, path, **options)
            except httpx.HTTPError:
                return None
            # without a route to the platform the hub answers in its place, with its own pages
            is_platforms = response.headers.get("Content-Type", "").startswith("application/json")
            return response if is_platforms and response.status_code < 500 and response.status_code != 401 else None

        return wait_until(answer, what=f"{method} {path} is answered", seconds=120)

    def phase(self, notebook: Any) -> str:
        return self.ask("GET", f"notebooks/{notebook['id']}").json()["status"]["phase"]

    def is_up(self, notebook: Any) -> bool:
        """Whether it is ACTIVE_HEALTHY; started again where it fell, as somebody would who wants to work."""
        phase = self.phase(notebook)
        if phase in DOWN:
            self.ask("POST", f"notebooks/{notebook['id']}/start")
        return phase == "ACTIVE_HEALTHY"

    def bring_up(self, notebook: Any) -> None:
        wait_until(lambda: self.is_up(notebook), what=f"{notebook['name']} is up", seconds=300)


def script(folder: Path, name: str, text: str) -> None:
    path = folder / "cont-init.d" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def kernel_of_environment(ann: Account, path: str) -> str:
    """The kernel of the environment `mine`, as Lab's launcher is told of it."""

    ann.browser.get(f"{path}lab")  # logs in there

    def found() -> str | None:
        answer = ann.browser.get(f"{path}api/kernelspecs")
        specs = answer.json()["kernelspecs"] if answer.is_success else {}
        return next((name for name, spec in specs.items() if "(mine)" in spec["spec"]["display_name"]), None)

    return wait_until(found, what="the environment is a kernel", seconds=60)


@pytest.mark.timeout(1200)
def test_scripts_and_environments_outlive_ten_kills(site: Site, ann: Account, platform: Patient) -> None:
    notebook = platform.ask("POST", "notebooks", json={"name": "work", "spec": {}}).json()
    platform.bring_up(notebook)
    folder = site.home / "users" / ann.name / "servers" / "work"
    script(folder, "10-a.sh", "#!/bin/sh\necho a >> ran.txt\necho first\n")
    script(folder, "20-b.sh", "#!/bin/sh\necho b >> ran.txt\necho told >&2\nexit 7\n")
    environment = folder / "custom-conda-envs" / "mine"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    packages = next(environment.glob("lib/python*/site-packages"))
    (packages / "of_mine.py").write_text("ANSWER = 42\n")

    chance = random.Random(5)
    victims = [HUB, PROXY, SERVER] * 3 + [HUB]
    assert len(victims) == KILLS
    for victim in victims:
        if chance.random() < 0.5:  # while it starts, instead of while it runs
            platform.ask("POST", f"notebooks/{notebook['id']}/reboot")
        time.sleep(chance.random() * 3)  # the moment is the point: nothing is waited for
        site.kill(victim)
        # what is killed is noticed some seconds later; meanwhile it still counts as healthy
        wait_until(lambda: platform.is_up(notebook) and site.servers(), what=f"it is up after {victim}", seconds=300)
        assert len(site.servers()) == 1, [process.cmdline() for process in site.servers()]

    (folder / "ran.txt").unlink(missing_ok=True)
    platform.ask("POST", f"notebooks/{notebook['id']}/stop")
    wait_until(lambda: platform.phase(notebook) == "STOPPED", what="it is stopped", seconds=60)
    platform.bring_up(notebook)
    scripts = folder / "cont-init.d"
    assert (folder / "ran.txt").read_text().split() == ["a", "b"]
    assert (scripts / "10-a.sh.exitcode").read_text().strip() == "0"
    assert (scripts / "20-b.sh.exitcode").read_text().strip() == "7"
    assert (scripts / "10-a.sh.output").read_text() == "first\n"
    assert "told" in (scripts / "20-b.sh.output").read_text()
    assert "first" in (folder / "cont-init.output").read_text()
    path = f"/user/{ann.name}/work/"
    kernel = kernel_of_environment(ann, path)
    printed = run_in_kernel(ann.browser, path, "import of_mine, sys; print(of_mine.ANSWER, sys.prefix)", kernel=kernel)
    assert printed.split() == ["42", str(environment)]
    platform.ask("POST", f"notebooks/{notebook['id']}/stop")


@pytest.mark.timeout(1200)
def test_thirty_notebooks_started_at_once_all_become_healthy(platform: Patient) -> None:
    made = [
        platform.ask("POST", "notebooks", json={"name": f"many-{number}", "spec": {}}).json()
        for number in range(AT_ONCE)
    ]

    def are_all_up() -> bool:
        phases = [platform.phase(notebook) for notebook in made]
        assert not {"CREATE_FAILED", "START_FAILED"} & set(phases), phases
        return set(phases) == {"ACTIVE_HEALTHY"}

    wait_until(are_all_up, what="all thirty answer", seconds=600)
    for notebook in made:
        platform.ask("POST", f"notebooks/{notebook['id']}/stop")
    wait_until(
        lambda: {platform.phase(notebook) for notebook in made} == {"STOPPED"}, what="all are stopped", seconds=300
    )
