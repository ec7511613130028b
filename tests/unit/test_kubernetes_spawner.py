"""The spawner's own acts, against a stand-in for the API server: no cluster can run where these tests do."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.kubernetes_parts import kube_spawner, point_at_cluster

from orrery_hub.kubernetes.site import Site
from orrery_hub.launch import Image, InstanceType, Launch, NoLaunch, RegistryLogin

pytestmark = pytest.mark.anyio
SIZE = InstanceType("small", 1, 1 << 30)
PRIVATE = Launch("nb-1", Image("own", "reg/own:1", login=RegistryLogin("reg", "robot", "secret")), SIZE)


class Cluster:
    """Objects by path, and what was asked, in order."""

    def __init__(self) -> None:
        self.objects: dict[str, Any] = {}
        self.asked: list[str] = []
        self.refused: dict[str, int] = {}
        cluster = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                path = self.path.partition("?")[0].removeprefix("/api/v1/namespaces/lab/")
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                cluster.asked.append(f"{self.command} {path}")
                status, document = cluster.act(self.command, path, json.loads(body) if body else None)
                content = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_DELETE = answer

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def act(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if status := self.refused.get(f"{method} {path}"):
            return status, {"kind": "Status", "code": status}
        if method == "POST":
            name = f"{path}/{body['metadata']['name']}"
            if name in self.objects:
                return 409, {"kind": "Status", "code": 409}
            body["metadata"]["uid"] = f"uid-of-{name}"
            self.objects[name] = body
            return 201, body
        if path not in self.objects:
            return 404, {"kind": "Status", "code": 404}
        return 200, self.objects.pop(path) if method == "DELETE" else self.objects[path]


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    cluster = Cluster()
    point_at_cluster(monkeypatch, tmp_path, cluster.url)
    thread = threading.Thread(target=cluster.server.serve_forever, args=(0.01,))
    thread.start()
    yield cluster
    cluster.server.shutdown()
    cluster.server.server_close()
    thread.join()


SITE = Site(platform_url="http://orrery:8080", hub_key="key")
CLAIM = "persistentvolumeclaims/claim-ann--work"
SECRET = "secrets/jupyter-ann--work-pull"
POD = "pods/jupyter-ann--work"


async def test_the_secret_is_there_before_the_pod_belongs_to_the_volume_and_goes_with_the_notebook(
    cluster: Cluster,
) -> None:
    async with kube_spawner("ann", "work", SITE) as spawner:
        spawner.apply(PRIVATE)
        assert await spawner._make_create_pvc_request(spawner.get_pvc_manifest(), 5)
        assert await spawner._make_create_pod_request(await spawner.get_pod_manifest(), 5)
        made = [line for line in cluster.asked if line.startswith("POST")]
        assert made == ["POST persistentvolumeclaims", "POST secrets", "POST pods"]
        (owner,) = cluster.objects[SECRET]["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["uid"]) == ("PersistentVolumeClaim", f"uid-of-{CLAIM}")
        del cluster.objects[POD]
        # a second start has the secret of its own time
        assert await spawner._make_create_pod_request(await spawner.get_pod_manifest(), 5)
        assert SECRET in cluster.objects
        await spawner.delete_forever()
    assert set(cluster.objects) == {POD}


async def test_where_no_pod_can_be_made_no_secret_is_left(cluster: Cluster) -> None:
    from kubernetes_asyncio.client.rest import ApiException

    cluster.refused["POST pods"] = 403
    async with kube_spawner("ann", "work", SITE) as spawner:
        spawner.apply(PRIVATE)
        await spawner._make_create_pvc_request(spawner.get_pvc_manifest(), 5)
        with pytest.raises(ApiException):
            await spawner._make_create_pod_request(await spawner.get_pod_manifest(), 5)
    assert set(cluster.objects) == {CLAIM}


async def test_another_notebooks_volume_of_the_same_name_is_not_taken_over(cluster: Cluster) -> None:
    async with kube_spawner("ann", "work", SITE) as spawner:
        spawner.apply(PRIVATE)
        claim = spawner.get_pvc_manifest()
        assert await spawner._make_create_pvc_request(claim, 5)
        assert await spawner._make_create_pvc_request(claim, 5)
        spawner.apply(Launch("nb-2", Image("python", "reg/python:1"), SIZE))
        with pytest.raises(NoLaunch, match="holds the data of nb-1; an administrator has to delete it"):
            await spawner._make_create_pvc_request(spawner.get_pvc_manifest(), 5)


async def test_a_volume_that_is_going_away_is_waited_for(cluster: Cluster) -> None:
    async with kube_spawner("ann", "work", SITE) as spawner:
        spawner.apply(PRIVATE)
        await spawner._make_create_pvc_request(spawner.get_pvc_manifest(), 5)
        cluster.objects[CLAIM]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        assert not await spawner._make_create_pvc_request(spawner.get_pvc_manifest(), 5)
        del cluster.objects[CLAIM]
        assert await spawner._make_create_pvc_request(spawner.get_pvc_manifest(), 5)


async def test_a_request_chooses_nothing_where_a_platform_says_what_one_has(cluster: Cluster) -> None:
    options = {"profile": "huge", "image": "evil"}
    async with kube_spawner("ann", "", SITE, user_options=options, image="reg/site:1") as spawner:
        await spawner.load_user_options()
        assert (spawner.image, spawner.launch) == ("reg/site:1", None)
    assert cluster.asked == []


async def test_a_notebook_of_which_the_platform_cannot_be_asked_is_not_started(cluster: Cluster) -> None:
    site = Site(platform_url=f"{cluster.url}/services/orrery", hub_key="key")
    async with kube_spawner("ann", "work", site) as spawner:
        with pytest.raises(NoLaunch, match="answered 404"):
            await spawner.load_user_options()
        assert spawner.launch is None


async def test_a_hub_without_a_platform_has_kubespawners_profiles(cluster: Cluster) -> None:
    from orrery_hub.kubernetes.profiles import make_profile_list

    profiles = make_profile_list([Image("a", "reg/a:1"), Image("b", "reg/b:1")], [SIZE])
    async with kube_spawner("ann", "w", Site(), profile_list=profiles, user_options={"profile": "b--small"}) as spawner:
        await spawner.load_user_options()
        assert (spawner.image, spawner.cpu_limit, spawner.mem_limit) == ("reg/b:1", 1, 1 << 30)
