"""Algorithms from Git, taken from a real server over HTTP: revisions, folders, private repositories, hostile ones."""

from __future__ import annotations

import base64
import http.server
import json
import os
import secrets
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from orrery import Client
from orrery.client.failures import RunFailed
from orrery.controllers import git_sources
from orrery.controllers.fetches import Progress
from orrery.controllers.settings import SourceSettings
from orrery.domain.sources import GitSource
from orrery.errors import Invalid
from orrery.store.objects import ObjectStore
from orrery.testing.platform import RunningPlatform

TOKEN = "ghp_only-for-this-host"
TRAIN = "import helper\nprint('score=' + str(helper.SCORE))\n"


class Handler(http.server.BaseHTTPRequestHandler):
    """Git's own server program, as a web server runs it; `private` repositories need the token."""

    root: Path

    def log_message(self, format: str, *args: object) -> None:
        return

    def do_GET(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer()

    def answer(self) -> None:
        path, _, query = self.path.partition("?")
        if path.startswith("/moved-"):
            # `/moved-/x` is at `/x`; `/moved-HOST/x` at another host
            host, _, rest = self.path.removeprefix("/moved-").partition("/")
            self.send_response(301)
            self.send_header("Location", f"http://{host}/{rest}" if host else f"/{rest}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        expected = "Basic " + base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
        if path.startswith("/private") and self.headers.get("Authorization") != expected:
            self.send_response(401)
            self.send_header("WWW-Authenticate", "Basic")
            self.end_headers()
            return
        environment = {
            **os.environ,
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        done = subprocess.run(["git", "http-backend"], env=environment, input=body, capture_output=True, check=True)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self.send_response(int(headers.pop("Status", "200 OK").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Alice", "-c", "user.email=alice@example.org", "-c", "init.defaultBranch=main")
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def make_repository(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet")
    git(folder, "config", "uploadpack.allowAnySHA1InWant", "true")
    commit(folder, files)
    return folder


def commit(folder: Path, files: dict[str, str]) -> str:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "more")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Its address, and the folder of its repositories."""
    root = tmp_path_factory.mktemp("repositories")
    handler = type("OfRoot", (Handler,), {"root": root})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{listening.server_address[1]}", root
        listening.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, server: tuple[str, Path]) -> Iterator[RunningPlatform]:
    host = server[0].removeprefix("http://")
    environment = {
        "ORRERY_GIT_PROTOCOLS": '["https", "http"]',
        # `localhost` is the same server under a name, and is not allowed
        "ORRERY_SOURCES__PRIVATE_HOSTS": json.dumps([host]),
    }
    with RunningPlatform(tmp_path_factory.mktemp("home"), environment=environment) as running:
        yield running


@pytest.fixture
def client(platform: RunningPlatform) -> Iterator[Client]:
    found = platform.announcement
    with Client(found["url"], found["token"]) as client:
        yield client


def test_code_of_a_folder_at_a_revision_is_trained_and_fetched_again(client: Client, server: tuple[str, Path]) -> None:
    url, root = server
    repository = make_repository(
        root / "forest", {"README.md": "x", "code/train.py": TRAIN, "code/helper.py": "SCORE = 1\n"}
    )
    first = git(repository, "rev-parse", "HEAD")
    git(repository, "tag", "v1")
    source = {"url": f"{url}/forest/.git", "path": "code"}
    algorithm = client.algorithms.create(
        "forest", git=source, entry_point="train.py", metrics={"score": r"score=(\d+)"}
    )
    assert algorithm.spec["commit"] == first
    assert [file["path"] for file in algorithm.spec["files"]] == ["helper.py", "train.py"]

    second = commit(repository, {"code/helper.py": "SCORE = 2\n"})
    assert client.train(algorithm, name="before", wait=True, progress=False).metrics == {"score": 1}
    algorithm = client.algorithms.get("forest")
    assert algorithm.fetch().spec["commit"] == second
    assert client.train(algorithm, name="after", wait=True, progress=False).metrics == {"score": 2}

    for revision in ("v1", first):
        algorithm.update(source={**source, "revision": revision})
        assert algorithm.status.phase == "FETCH_IN_PROGRESS"
        assert algorithm.wait().status.phase == "ACTIVE"
        assert algorithm.spec["commit"] == first
    algorithm.update(title="Forest")
    assert (algorithm.spec["commit"], algorithm.spec["title"]) == (first, "Forest")


def test_a_private_repository_needs_the_secret(
    platform: RunningPlatform, client: Client, server: tuple[str, Path]
) -> None:
    url, root = server
    make_repository(root / "private", {"train.py": "print('private')"})
    source = {"url": f"{url}/private/.git"}
    with pytest.raises(RunFailed, match="asks for a log-in: give the name of a secret"):
        client.algorithms.create("private", git=source)
    with pytest.raises(Invalid, match="has no secret 'git-token'"):
        client.algorithms.get("private").update(source={**source, "secret": "git-token"})
    client.secrets.set("git-token", TOKEN)
    made = client.algorithms.get("private").update(source={**source, "secret": "git-token"}).wait()
    assert made.spec["source"] == {"type": "git", **source, "revision": "", "path": "", "secret": "git-token"}
    assert TOKEN not in platform.log


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("file:///etc/repository", "file:// is not allowed for sources; use https:// or http://"),
        ("ext::sh -c touch% /tmp/x", "must be of the form"),
        ("https://alice:token@example.org/x.git", "must be of the form"),
        ("SERVER/absent/.git", "could not be fetched"),
        ("http://localhost:1/x.git", "localhost:1 is at an address that is not public"),
        ("http://169.254.169.254/latest/x.git", "169.254.169.254 is at an address that is not public"),
        ("SERVER/moved-localhost:1/forest/.git", "localhost:1 is at an address that is not public"),
        ("SERVER/moved-/moved-/moved-/moved-/moved-/moved-/moved-/forest/.git", "leads from one address to the next"),
        ("SERVER/forest/.git --upload-pack=x", "must be of the form"),
    ],
)
def test_addresses_that_are_refused(client: Client, server: tuple[str, Path], address: str, message: str) -> None:
    with pytest.raises((Invalid, RunFailed), match=message):
        client.algorithms.create(f"refused-{secrets.token_hex(4)}", git=address.replace("SERVER", server[0]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"revision": "absent"}, "has no revision 'absent'"),
        ({"revision": "--upload-pack=x"}, "must be of the form"),
        ({"path": "absent"}, "there is no folder 'absent'"),
        ({"path": "../.."}, "without '..'"),
        ({"path": "links"}, "'etc' is a symbolic link"),
        ({"path": "docs"}, "neither a .py nor an .ipynb"),
    ],
)
def test_what_a_repository_may_not_hold(
    client: Client, server: tuple[str, Path], changes: dict[str, str], message: str
) -> None:
    url, root = server
    if not (root / "odd").exists():
        folder = make_repository(root / "odd", {"train.py": "print(1)", "docs/a.md": "a", "links/train.py": "print(1)"})
        (folder / "links" / "etc").symlink_to("/etc/passwd")
        commit(folder, {})
    name = f"odd-{secrets.token_hex(4)}"
    with pytest.raises((Invalid, RunFailed), match=message):
        client.algorithms.create(name, git={"url": f"{url}/odd/.git", **changes})


def test_a_repository_that_moved_is_followed_but_not_with_a_token(client: Client, server: tuple[str, Path]) -> None:
    url, root = server
    make_repository(root / "tulips", {"train.py": "print('score=1')"})
    moved = {"url": f"{url}/moved-/moved-/tulips/.git"}
    assert client.algorithms.create("moved", git=moved).status.phase == "ACTIVE"
    client.secrets.set("moved-token", TOKEN)
    with pytest.raises(RunFailed, match=r"tulips/\.git; a token is not sent along: give that address, if you trust it"):
        client.algorithms.create("moved-with-token", git={**moved, "secret": "moved-token"})


def test_git_asks_the_address_that_was_judged(tmp_path: Path, server: tuple[str, Path]) -> None:
    """A name that the resolver would answer otherwise a second time."""
    url, root = server
    port = int(url.rpartition(":")[2])
    make_repository(root / "pinned", {"train.py": "print(1)"})
    looked_up: list[str] = []

    def look_up(host: str, *arguments: object, **named: object) -> list[tuple[object, ...]]:
        looked_up.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    name = "code.example.invalid"
    source = GitSource(url=f"http://{name}:{port}/pinned/.git", revision="", path="", secret="")
    settings = SourceSettings.model_validate({"private_hosts": [f"{name}:{port}"]})
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(socket, "getaddrinfo", look_up)
        objects = ObjectStore.from_url(tmp_path / "objects")
        fetched = git_sources.fetch(objects, source, None, ["http"], settings, Progress())
    assert [file.path for file in fetched.files] == ["train.py"]
    # Git did not look it up: it would have found nothing
    assert looked_up == [name]


def test_limits_are_kept(tmp_path: Path, server: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    url, root = server
    make_repository(root / "large", {"train.py": "print(1)", "zeros.bin": "0" * 400_000})
    objects = ObjectStore.from_url(tmp_path / "objects")
    source = GitSource(url=f"{url}/large/.git", revision="", path="", secret="")

    def fetch(**limits: float) -> None:
        settings = SourceSettings.model_validate({"private_hosts": [url.removeprefix("http://")], **limits})
        git_sources.fetch(objects, source, None, ["http"], settings, Progress())

    with pytest.raises(Invalid, match="it has more than 293 KiB; keep data out"):
        fetch(max_unpacked_bytes=300_000)
    with pytest.raises(Invalid, match="was not fetched within"):
        fetch(timeout_seconds=0.001)
    monkeypatch.setattr(git_sources, "MAX_FILES", 1)
    with pytest.raises(Invalid, match="2 files are more than 1"):
        fetch()
