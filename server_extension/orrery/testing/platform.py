"""A real platform for tests: its own process over a home of its own, started, killed and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx

from orrery.api.auth import Signer
from orrery.api.up import read_announcement
from orrery.domain.access import User
from orrery.testing.waiting import wait_until

START_SECONDS: Final = 60.0
T = TypeVar("T")


def all_processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]


def cpu_seconds(pid: int) -> float:
    """Processor time of a process so far, in user and kernel mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def descendants(root: int) -> list[int]:
    """A process and everything that it started: of a platform its gateway, its zygote, its shims."""
    found = [root]
    for pid in found:
        found.extend(child for child in all_processes() if parent(child) == pid)
    return found


def parent(pid: int) -> int:
    """0 for one that has ended."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def belongs_to(pid: int, home: Path) -> bool:
    """Whether a live process has to do with `home`. False for one that ends meanwhile, and for a zombie."""
    needle = str(home)
    process = Path(f"/proc/{pid}")
    try:
        if (process / "stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return False
        text = (process / "cmdline").read_bytes() + b"\0" + (process / "environ").read_bytes()
        links = [os.readlink(process / "cwd"), *(os.readlink(link) for link in (process / "fd").iterdir())]
    except OSError:
        return False
    return needle.encode() in text or any(link.startswith(f"{needle}/") for link in links)


class RunningPlatform:
    """`orrery up` over `home`. Use as a context manager; afterwards nothing of it runs."""

    #: how wide the terminal of `cli` is
    columns = "200"

    def __init__(self, home: Path, *, environment: Mapping[str, str] | None = None, port: int = 0) -> None:
        self.home = home
        self.port = port
        self._environment = {**os.environ, **(environment or {}), "ORRERY_HOME": str(home)}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> RunningPlatform:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.end_jobs()

    @property
    def log(self) -> str:
        return (self.home / "platform-test.log").read_text(errors="replace")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def url(self) -> str:
        return str(self.announcement["url"])

    @property
    def announcement(self) -> dict[str, str]:
        found = read_announcement(self.home)
        assert found is not None, "the platform has not announced itself"
        return found

    def start(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        code = f"from orrery.api.up import serve; serve(port={self.port})"
        with (self.home / "platform-test.log").open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-c", code], env=self._environment, stdout=output, stderr=output
            )
        self.wait_ready()

    def wait_ready(self) -> None:
        """Until this process, not a predecessor, has announced itself and answers."""
        process = self._process
        assert process is not None

        def is_ready() -> bool:
            if process.poll() is not None:
                raise RuntimeError(f"the platform ended with {process.returncode}:\n{self.log[-3000:]}")
            found = read_announcement(self.home)
            if found is None or int(found["pid"]) != process.pid:
                return False
            try:
                return httpx.get(f"{found['url']}/healthz").status_code == 200
            except httpx.TransportError:
                return False

        wait_until(is_ready, seconds=START_SECONDS, what="the platform's start")

    def kill(self) -> None:
        """`kill -9` of the platform alone: its gateway, jobs and replicas are left to themselves."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """SIGTERM, and wait until it has gone."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise

    def end_jobs(self) -> None:
        """Kill whatever still runs below this home."""
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def processes(self) -> list[int]:
        """Every process of this home but the platform itself.

        Told by its command line, its environment, its current folder or its open files: a job forked from a warm
        process has that one's command line, but its log is open.
        """
        own = self._process.pid if self._process is not None and self._process.poll() is None else -1
        return [pid for pid in all_processes() if pid not in (own, os.getpid()) and belongs_to(pid, self.home)]

    def client(self, user: str | None = None, *, groups: tuple[str, ...] = (), admin: bool = False) -> httpx.Client:
        """An HTTP client of `/api/v1`: as the account that runs it (an administrator), or as any user."""
        token = self.announcement["token"]
        if user is not None:
            signer = Signer.open(self.home / "secrets" / "jwt.key")
            token, _ = signer.sign(User(user, frozenset(groups), admin), 3600)
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.Client(base_url=f"{self.url}/api/v1/", headers=headers, timeout=30)

    def cli(
        self,
        *arguments: str,
        user: str | None = None,
        stdin: str = "",
        timeout: float = 240,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """`orrery ARGUMENTS...`, as the account that runs it finds it in its home, or as any user by a token."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("ORRERY_")}
        found = {"ORRERY_HOME": str(self.home)}
        if user is not None:
            token, _ = Signer.open(self.home / "secrets" / "jwt.key").sign(User(user), 3600)
            found = {"ORRERY_URL": self.url, "ORRERY_TOKEN": token}
        return subprocess.run(
            [sys.executable, "-m", "orrery.client.cli", *arguments],
            env={**own, **found, "NO_COLOR": "1", "COLUMNS": self.columns, **(environment or {})},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )


def put_object(client: httpx.Client, content: bytes) -> dict[str, Any]:
    answer = client.put("objects", content=content)
    answer.raise_for_status()
    return answer.json()


def create_dataset(
    client: httpx.Client, name: str, content: bytes, *, path: str = "data.csv", publish: bool = True
) -> Any:
    """Create a tabular dataset of one file and wait until it has been read."""
    stored = put_object(client, content)
    files = [{"path": path, "oid": stored["oid"], "size": stored["size"]}]
    answer = client.post("datasets", json={"name": name, "spec": {"files": files, "publish": publish}})
    assert answer.status_code == 201, answer.text
    dataset = wait_settled(client, "datasets", answer.json()["id"])
    if publish and dataset["status"]["phase"] == "READY":
        wait_until(lambda: client.get(f"dataset-versions/{name}").status_code == 200, what=f"version 1 of {name}")
    return dataset


def wait_settled(client: httpx.Client, kinds: str, reference: str, *, seconds: float = 120.0) -> Any:
    """The resource once nothing more happens to it by itself."""

    def settled() -> Any:
        answer = client.get(f"{kinds}/{reference}")
        if answer.status_code == 503:
            return None
        assert answer.status_code == 200, answer.text
        resource = answer.json()
        return resource if resource["status"]["settled"] else None

    return wait_until(settled, seconds=seconds, what=f"the end of {kinds}/{reference}")
