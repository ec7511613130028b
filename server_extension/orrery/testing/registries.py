"""Container registries for tests: Docker's own where Debian's `docker-registry` is installed, and one that misbehaves.

Images are made in code: an index or a manifest, a configuration with labels, and one small layer.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import io
import json
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import httpx

from orrery.testing.processes import free_port
from orrery.testing.waiting import wait_until

MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX: Final = "application/vnd.oci.image.index.v1+json"
CONFIG: Final = "application/vnd.oci.image.config.v1+json"
LAYER: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
#: what an image built on one of the catalogue's says of itself
GOOD_LABELS: Final = {
    "orrery.image.base": "notebook-pytorch-cpu:0.1.0",
    "orrery.image.type": "NOTEBOOK",
    "orrery.image.core-type": "CPU",
    "orrery.image.framework": "PYTORCH",
    "orrery.image.framework-version": "2.13.0",
    "orrery.image.python-version": "3.11.7",
}


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass(frozen=True)
class SmallImage:
    """What a registry keeps of an image, by digest; `manifest` is what its tag names."""

    manifest: bytes
    media_type: str
    blobs: Mapping[str, bytes]
    #: of an index, the manifests that it names
    manifests: Mapping[str, bytes] = field(default_factory=dict[str, bytes])

    @property
    def digest(self) -> str:
        return digest_of(self.manifest)


def make_image(
    labels: Mapping[str, str] = GOOD_LABELS, *, platform: str = "linux/amd64", indexed: bool = False
) -> SmallImage:
    """An image whose one layer holds one file."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo("hello.txt")
        entry.size = 5
        archive.addfile(entry, io.BytesIO(b"hello"))
    layer = gzip.compress(packed.getvalue(), mtime=0)
    system, _, architecture = platform.partition("/")
    config = _json(
        {
            "created": "2026-11-24T12:00:00Z",
            "os": system,
            "architecture": architecture,
            "config": {"Labels": dict(labels)},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(packed.getvalue())]},
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": _descriptor(CONFIG, config),
            "layers": [_descriptor(LAYER, layer)],
        }
    )
    blobs = {digest_of(layer): layer, digest_of(config): config}
    if not indexed:
        return SmallImage(manifest, MANIFEST, blobs)
    named = {**_descriptor(MANIFEST, manifest), "platform": {"os": system, "architecture": architecture}}
    index = _json({"schemaVersion": 2, "mediaType": INDEX, "manifests": [named]})
    return SmallImage(index, INDEX, blobs, {digest_of(manifest): manifest})


def push(base_url: str, repository: str, tag: str, image: SmallImage, auth: tuple[str, str] | None = None) -> str:
    """Push by the distribution API; the digest of what the tag names."""
    with httpx.Client(base_url=base_url, auth=auth) as client:
        for digest, content in image.blobs.items():
            begun = client.post(f"/v2/{repository}/blobs/uploads/")
            assert begun.status_code == 202, begun.text
            place = httpx.URL(begun.headers["location"]).copy_merge_params({"digest": digest})
            done = client.put(place, content=content, headers={"Content-Type": "application/octet-stream"})
            assert done.status_code == 201, done.text
        for reference, content, media_type in (
            *((digest, manifest, MANIFEST) for digest, manifest in image.manifests.items()),
            (tag, image.manifest, image.media_type),
        ):
            put = client.put(
                f"/v2/{repository}/manifests/{reference}", content=content, headers={"Content-Type": media_type}
            )
            assert put.status_code == 201, put.text
    return image.digest


@dataclass(frozen=True)
class DockerRegistry:
    """A real registry of Docker's, with accounts."""

    host: str
    htpasswd: Path

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def set_password(self, username: str, password: str) -> None:
        """Its only account from now on."""
        import bcrypt

        hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
        self.htpasswd.write_text(f"{username}:{hashed}\n")


def docker_registry_program() -> str | None:
    return shutil.which("docker-registry")


@contextlib.contextmanager
def docker_registry(folder: Path, username: str, password: str, *, port: int = 0) -> Generator[DockerRegistry]:
    """Docker's registry over `folder`, on a free port, where `username` may do everything and others nothing."""
    program = docker_registry_program()
    assert program is not None, "install docker-registry (apt-get install docker-registry)"
    folder.mkdir(parents=True, exist_ok=True)
    host = f"127.0.0.1:{port or free_port()}"
    registry = DockerRegistry(host, folder / "htpasswd")
    registry.set_password(username, password)
    configuration: dict[str, Any] = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": host},
        "auth": {"htpasswd": {"realm": "test", "path": str(registry.htpasswd)}},
    }
    # JSON is YAML
    (folder / "config.yml").write_text(json.dumps(configuration))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "serve", str(folder / "config.yml")], stdout=log, stderr=log)
    try:
        wait_until(lambda: _answers(registry.url), what="the registry's start")
        yield registry
    finally:
        process.terminate()
        process.wait(30)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/v2/").status_code in (200, 401)
    except httpx.TransportError:
        return False


@dataclass
class Asked:
    path: str
    headers: Mapping[str, str]


#: answers to one request: a status, headers, a body; or writes to the connection by itself
Reply = tuple[int, Mapping[str, str], bytes] | Callable[[BaseHTTPRequestHandler], None]


class ScriptedRegistry:
    """A registry that answers as it is told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.replies: dict[str, Reply] = {}
        self.asked: list[Asked] = []
        #: user and password that its token service wants; None: everything is open
        self.account: tuple[str, str] | None = None
        script = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                script.answer(self)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> ScriptedRegistry:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def hold(self, repository: str, tag: str, image: SmallImage) -> None:
        """Serve the image under that tag."""
        named = {tag: image.manifest, image.digest: image.manifest}
        for reference, content in named.items():
            self.replies[f"/v2/{repository}/manifests/{reference}"] = (
                200,
                {"Content-Type": image.media_type, "Docker-Content-Digest": digest_of(content)},
                content,
            )
        for digest, content in image.manifests.items():
            self.replies[f"/v2/{repository}/manifests/{digest}"] = (200, {"Content-Type": MANIFEST}, content)
        for digest, content in image.blobs.items():
            self.replies[f"/v2/{repository}/blobs/{digest}"] = (200, {}, content)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = request.path.partition("?")[0]
        self.asked.append(Asked(request.path, {name.lower(): value for name, value in request.headers.items()}))
        reply = self._challenge(request, path) or self.replies.get(path, (404, {}, b'{"errors": [{"code": "NOT"}]}'))
        if callable(reply):
            reply(request)
            return
        status, headers, body = reply
        request.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)

    def _challenge(self, request: BaseHTTPRequestHandler, path: str) -> Reply | None:
        given = request.headers.get("Authorization", "")
        if path == "/token":
            basic = "Basic " + base64.b64encode(":".join(self.account or ()).encode()).decode()
            return (200, {}, _json({"token": "of-the-service"})) if given == basic else (401, {}, b"")
        if path == "/v2/" and (self.account is None or given == "Bearer of-the-service"):
            return 200, {}, b"{}"
        if path.startswith("/v2/") and self.account is not None and given != "Bearer of-the-service":
            realm = f'Bearer realm="http://{self.host}/token",service="scripted"'
            return 401, {"WWW-Authenticate": realm}, b""
        return None


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


def _json(document: Any) -> bytes:
    return json.dumps(document).encode()
