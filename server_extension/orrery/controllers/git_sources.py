"""Code from a Git repository: one revision of it, fetched within limits and put into the object store.

Nothing of the repository is run or laid out as files: no hook, no filter, no submodule, no LFS. What lies in the chosen
folder is read from Git's own object database, after its sizes are known. A token goes to Git through its environment,
for this one address only, so that it is in no command line and follows no redirect; `git_hosts` says which addresses
may be asked.
"""

from __future__ import annotations

import base64
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import httpx

from orrery.controllers.bounded_http import MAX_REDIRECTS, TimeIsUp
from orrery.controllers.fetches import Fetched, Progress
from orrery.controllers.git_hosts import GitHosts, JudgedUrl
from orrery.controllers.hosts import HostRefused
from orrery.controllers.settings import SourceSettings
from orrery.domain.datasets import DatasetFile
from orrery.domain.sources import MAX_FILES, GitSource
from orrery.errors import Invalid, OrreryError
from orrery.executors.words import human_bytes
from orrery.store.objects import ObjectStore

_FIELD: Final = "spec.source"
#: between two looks at whether it is still wanted
_LOOK_SECONDS: Final = 0.25


@dataclass(frozen=True)
class _Entry:
    path: str
    oid: str
    size: int


class _Redirected(Exception):
    """The server says that the repository lies elsewhere."""


def check_protocol(url: str, protocols: list[str]) -> None:
    """Raises: Invalid for an address that is not asked here."""
    scheme = url.partition("://")[0]
    if scheme not in protocols:
        raise _refused(f"{scheme}:// is not allowed for sources; use {' or '.join(f'{name}://' for name in protocols)}")


def fetch(
    objects: ObjectStore,
    source: GitSource,
    token: str | None,
    protocols: list[str],
    limits: SourceSettings,
    progress: Progress,
) -> Fetched:
    """Raises: Invalid with what to do about it; nothing is kept then but objects that the collector takes. Dropped."""
    if shutil.which("git") is None:
        raise _refused("Git is not installed where the platform runs; install it, or upload the files")
    hosts = GitHosts(limits)
    url = source.url
    for _ in range(MAX_REDIRECTS + 1):
        check_protocol(url, protocols)
        try:
            asked = hosts.judge(url)
            with tempfile.TemporaryDirectory(prefix="orrery-git-") as folder:
                repository = _Repository(Path(folder), source, asked, token, protocols, limits, progress)
                progress.tell("fetches")
                commit = repository.fetch()
                entries = list(repository.entries())
                return Fetched(list(repository.read(entries, objects)), commit)
        except _Redirected:
            url = _elsewhere(hosts, url, token, limits)
        except HostRefused as error:
            raise _refused(f"{error}") from error
        except (OSError, httpx.InvalidURL) as error:
            raise _refused(f"{url} could not be asked: {error}") from error
    raise _refused(f"{source.url} leads from one address to the next; give the one where the repository lies")


def _elsewhere(hosts: GitHosts, url: str, token: str | None, limits: SourceSettings) -> str:
    """The address that a server names instead. Raises: Invalid, also where a token would go along; HostRefused."""
    try:
        found = hosts.redirected(url, limits.timeout_seconds)
    except (TimeIsUp, httpx.TransportError, OSError) as error:
        raise _refused(f"{url} leads elsewhere, and it was not told where: {error}") from error
    if found is None:
        raise _refused(f"{url} leads to something that is no Git repository; check the address")
    if token:
        raise _refused(f"{url} leads to {found}; a token is not sent along: give that address, if you trust it")
    return found


class _Repository:
    """A bare repository of one commit, in a folder of its own."""

    def __init__(
        self,
        folder: Path,
        source: GitSource,
        asked: JudgedUrl,
        token: str | None,
        protocols: list[str],
        limits: SourceSettings,
        progress: Progress,
    ) -> None:
        self._folder = folder
        self._source = source
        self._url = asked.url
        self._limits = limits
        self._progress = progress
        self._environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(folder),
            "GIT_DIR": str(folder / "repository"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "true",
            "GIT_ALLOW_PROTOCOL": ":".join(protocols),
            "GIT_NO_REPLACE_OBJECTS": "1",
            "LC_ALL": "C.UTF-8",
            **{name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")},
            **_configuration(asked, token),
        }

    def fetch(self) -> str:
        self._run("init", "--quiet", "--bare", "--template=", str(self._folder / "repository"))
        revision = self._source.revision or "HEAD"
        self._run("fetch", "--quiet", "--depth=1", "--no-tags", "--", self._url, revision)
        return self._run("rev-parse", "FETCH_HEAD^{commit}").decode().strip()

    def entries(self) -> Iterator[_Entry]:
        """The files of the chosen folder. Raises: Invalid for what is no plain file, and beyond the limits."""
        path = self._source.path
        tree = f"FETCH_HEAD:{path}" if path else "FETCH_HEAD^{tree}"
        try:
            listing = self._run("ls-tree", "-r", "-l", "-z", "--full-tree", tree)
        except Invalid as error:
            if path:
                raise _refused(f"there is no folder {path!r} in {self._source.url} at that revision") from error
            raise
        total = 0
        lines = [line for line in listing.split(b"\0") if line]
        if len(lines) > MAX_FILES:
            raise _refused(f"{len(lines):,} files are more than {MAX_FILES:,}; choose a folder of it with `path`")
        for line in lines:
            described, _, name = line.partition(b"\t")
            mode, kind, oid, size = described.decode().split()
            shown = name.decode("utf-8", "replace")
            if mode == "120000":
                raise _refused(f"{shown!r} is a symbolic link; only plain files are taken: choose a folder without it")
            if kind != "blob":
                raise _refused(f"{shown!r} is a submodule, which is not followed; choose a folder without it")
            total += int(size)
            if total > self._limits.max_unpacked_bytes:
                most = human_bytes(self._limits.max_unpacked_bytes)
                raise _refused(f"it has more than {most}; keep data out of it, or choose a folder of it")
            yield _Entry(shown, oid, int(size))
        if not lines:
            raise _refused(f"{path or self._source.url!r} holds no files at that revision")

    def read(self, entries: list[_Entry], objects: ObjectStore) -> Iterator[DatasetFile]:
        with subprocess.Popen(
            ["git", "cat-file", "--batch"],
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as reading:
            assert reading.stdin is not None and reading.stdout is not None
            for number, entry in enumerate(entries):
                self._progress.tell(f"reads {len(entries):,} files", number / len(entries))
                reading.stdin.write(f"{entry.oid}\n".encode())
                reading.stdin.flush()
                reading.stdout.readline()
                stored = objects.put(_Part(reading.stdout, entry.size))
                reading.stdout.read(1)
                try:
                    yield DatasetFile(path=entry.path, oid=stored.oid, size=stored.size, purpose=None)
                except ValueError as error:
                    raise _refused(f"{entry.path!r} cannot be the name of a file here; rename it") from error
            reading.stdin.close()

    def _run(self, *arguments: str) -> bytes:
        """Within the time and with no file larger than the limit; the whole family of processes is ended with it."""
        limited = f'ulimit -f {max(1, self._limits.max_bytes >> 9)}; exec git "$@"'
        deadline = time.monotonic() + self._limits.timeout_seconds
        with subprocess.Popen(
            ["sh", "-c", limited, "git", *arguments],
            env=self._environment,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as process:
            try:
                output, errors = self._communicate(process, deadline)
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        if process.returncode != 0:
            if b"The requested URL returned error: 30" in errors:
                raise _Redirected
            raise _refused(self._explain(errors.decode("utf-8", "replace")))
        return output

    def _communicate(self, process: subprocess.Popen[bytes], deadline: float) -> tuple[bytes, bytes]:
        while True:
            self._progress.check()
            try:
                return process.communicate(timeout=max(0.0, min(_LOOK_SECONDS, deadline - time.monotonic())))
            except subprocess.TimeoutExpired:
                if time.monotonic() >= deadline:
                    raise _refused(
                        f"{self._source.url} was not fetched within {self._limits.timeout_seconds:g} seconds; "
                        "try again, or choose a smaller repository"
                    ) from None

    def _explain(self, errors: str) -> str:
        told = [line for line in errors.splitlines() if line.strip()]
        word = next((line for line in reversed(told) if line.startswith(("fatal:", "error:", "remote:"))), "")
        if "Authentication failed" in errors or "could not read Username" in errors or "terminal prompts" in errors:
            return f"{self._source.url} asks for a log-in: give the name of a secret that holds a token for it"
        if "File size limit" in errors or "index-pack" in errors or "early EOF" in errors:
            most = human_bytes(self._limits.max_bytes)
            return f"{self._source.url} could not be taken ({word}); at most {most} are, packed"
        if "couldn't find remote ref" in errors:
            revision = self._source.revision
            return f"{self._source.url} has no revision {revision!r}; give a branch, a tag or a full commit id"
        return f"{self._source.url} could not be fetched: {word or 'git said nothing'}"


class _Part:
    """The next `size` bytes of a stream, as a stream."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self._stream = stream
        self._left = size

    def read(self, size: int = -1, /) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        piece = self._stream.read(wanted) if wanted else b""
        self._left -= len(piece)
        if wanted and not piece:
            raise _refused("the repository is damaged: Git ended while a file was read")
        return piece


def _configuration(asked: JudgedUrl, token: str | None) -> Mapping[str, str]:
    settings = {
        "http.followRedirects": "false",
        "core.hooksPath": "/dev/null",
        "fetch.fsckObjects": "true",
        "submodule.recurse": "false",
        "gc.auto": "0",
        # where nobody is left to end it
        "http.lowSpeedLimit": "1",
        "http.lowSpeedTime": "120",
    }
    if asked.resolve:
        settings["http.curloptResolve"] = asked.resolve
    if token:
        credentials = base64.b64encode(f"x-access-token:{token}".encode()).decode()
        settings[f"http.{asked.url}.extraHeader"] = f"Authorization: Basic {credentials}"
    environment = {"GIT_CONFIG_COUNT": str(len(settings))}
    for index, (key, value) in enumerate(settings.items()):
        environment |= {f"GIT_CONFIG_KEY_{index}": key, f"GIT_CONFIG_VALUE_{index}": value}
    return environment


def _refused(message: str) -> OrreryError:
    return Invalid(message, fields=[{"path": _FIELD, "message": message}])
