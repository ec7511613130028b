"""A notebook's whole life in a real cluster.

The server is replaced by a file server, because no hub is there to let one in; all before it is what really runs:
the spawner, the pod, the volume, cont-init.d and the leaving of root.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from kubernetes_asyncio import client
from tests.kubernetes.conftest import Namespace
from tests.kubernetes_parts import kube_spawner

from orrery_hub.kubernetes.pod import make_command
from orrery_hub.kubernetes.site import Site
from orrery_hub.kubernetes.spawner import OrreryKubeSpawner
from orrery_hub.launch import Image, InstanceType, Launch

pytestmark = [pytest.mark.kubernetes, pytest.mark.anyio, pytest.mark.timeout(1800)]
EXPECTED = Path(__file__).parents[1] / "unit" / "kubernetes"
SITE = Site(data_bytes=1 << 30)
SMALL = InstanceType("small", cores=0.25, memory_bytes=512 << 20, shared_memory_bytes=64 << 20)
LARGE = InstanceType("large", cores=0.5, memory_bytes=1 << 30)
SCRIPT = "#!/bin/sh\nid -u\ntouch /etc/made-by-root\n"
FILE_SERVER = ["python", "-m", "http.server", "8888", "--directory", "/root/orrery"]


async def start(spawner: OrreryKubeSpawner, launch: Launch) -> None:
    """As the hub does it, with what the platform would have said."""
    spawner.apply(launch)
    command = make_command(SITE)
    spawner.cmd = [*command[: command.index("--") + 1], *FILE_SERVER]
    await spawner.start()


async def test_a_notebook_starts_initialises_persists_stops_and_changes_its_size(namespace: Namespace) -> None:
    image = Image("python", namespace.image)
    async with kube_spawner("ann", "work", SITE, namespace=namespace.name) as spawner:
        try:
            await live(namespace, spawner, image)
        finally:
            await OrreryKubeSpawner._stop_all_reflectors()


async def live(namespace: Namespace, spawner: OrreryKubeSpawner, image: Image) -> None:
    pod = spawner.pod_name
    await start(spawner, Launch("nb-1", image, SMALL))
    write = 'mkdir -p cont-init.d && printf %s "$0" > cont-init.d/10-setup.sh && chmod +x cont-init.d/10-setup.sh'
    await namespace.run(pod, "sh", "-c", write, SCRIPT)
    await namespace.run(pod, "sh", "-c", "echo kept > /root/orrery/kept; echo lost > /home/orrery/lost")

    await spawner.stop()
    assert not await namespace.is_there("pod", pod)
    assert await namespace.is_there("persistent_volume_claim", spawner.pvc_name)

    await start(spawner, Launch("nb-1", image, LARGE))

    async def has_run() -> bool:
        return "10-setup.sh.exitcode" in await namespace.run(pod, "ls", "/root/orrery/cont-init.d")

    await namespace.wait_until("cont-init.d has run", has_run)
    # what is on the volume is kept, the rest is as the image made it, and the script ran as root
    assert (await namespace.run(pod, "cat", "/root/orrery/kept")).strip() == "kept"
    assert "lost" not in await namespace.run(pod, "ls", "/home/orrery")
    assert (await namespace.run(pod, "cat", "/root/orrery/cont-init.d/10-setup.sh.exitcode")).strip() == "0"
    assert (await namespace.run(pod, "cat", "/root/orrery/cont-init.d/10-setup.sh.output")).strip() == "0"
    assert "made-by-root" in await namespace.run(pod, "ls", "/etc")
    await assert_server_has_left_root(namespace, pod)
    # the size is the new one, and shared memory went with the old
    running = await namespace.api.read_namespaced_pod(name=pod, namespace=namespace.name)
    (container,) = running.spec.containers
    assert container.resources.limits == {"cpu": "500m", "memory": "1Gi"}
    assert [volume.name for volume in running.spec.volumes] == ["data"]

    await spawner.stop()
    await spawner.delete_forever()

    async def is_gone() -> bool:
        return not await namespace.is_there("persistent_volume_claim", spawner.pvc_name)

    await namespace.wait_until("the data volume is deleted", is_gone)


async def assert_server_has_left_root(namespace: Namespace, pod: str) -> None:
    async def serves() -> bool:
        return bool((await namespace.run(pod, "pgrep", "-f", "http[.]server")).strip())

    await namespace.wait_until("the server runs", serves)
    status = await namespace.run(pod, "sh", "-c", "cat /proc/$(pgrep -f 'http[.]server' | tail -1)/status")
    read = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert set(read["Uid"].split()) == {"1000"}
    assert int(read["CapEff"], 16) == int(read["CapPrm"], 16) == 0
    assert read["NoNewPrivs"].strip() == "1"
    assert "token" not in await namespace.run(pod, "sh", "-c", "ls /var/run/secrets/kubernetes.io/serviceaccount 2>&1")


MANIFESTS: dict[str, Any] = {
    path.stem: json.loads(path.read_text())
    for kind in ("pod", "claim")
    for path in sorted(EXPECTED.glob(f"*-{kind}.json"))
    # inline NFS and CSI volumes need drivers that a cluster may not have
    if path.stem != "mounts-pod"
}


@pytest.mark.parametrize("name", MANIFESTS)
async def test_the_cluster_itself_takes_what_is_made(name: str, namespace: Namespace) -> None:
    """Admission and Pod Security too; nothing is kept."""
    manifest = MANIFESTS[name]
    if manifest["kind"] == "Pod":
        await wait_for_service_account(namespace)
        made = await namespace.api.create_namespaced_pod(namespace.name, manifest, dry_run="All")
    else:
        create = namespace.api.create_namespaced_persistent_volume_claim
        made = await create(namespace.name, manifest, dry_run="All")
    assert made.metadata.name == manifest["metadata"]["name"]


async def wait_for_service_account(namespace: Namespace) -> None:
    async def is_there() -> bool:
        accounts: list[client.V1ServiceAccount] = (
            await namespace.api.list_namespaced_service_account(namespace.name)
        ).items
        return any(account.metadata.name == "default" for account in accounts)

    await namespace.wait_until("the namespace has its service account", is_there)
