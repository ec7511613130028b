"""Whole objects: what a notebook is in a cluster, for launches of every sort and for hostile names."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.kubernetes_parts import (
    assert_is_as_written,
    assert_kubernetes_takes_it,
    kube_spawner,
    plain,
    point_at_cluster,
)

from orrery_hub.kubernetes.pod import make_pull_secret
from orrery_hub.kubernetes.shares import read_shares
from orrery_hub.kubernetes.site import Site
from orrery_hub.launch import Image, InstanceType, Launch, Mount, RegistryLogin

pytestmark = pytest.mark.anyio
EXPECTED = Path(__file__).with_name("kubernetes")
GIB = 1 << 30
SITE = Site(
    platform_url="http://orrery:8080/services/orrery",
    hub_key="key",
    storage_class="fast",
    shares=read_shares(
        {
            "home": {"server": "nfs.example.org", "path": "/export/home"},
            "bulk": {"claim": "bulk-data", "read_only": True},
            "object": {"csi": {"driver": "nfs.csi.k8s.io", "volumeAttributes": {"server": "nas", "share": "/"}}},
            "closed": {"claim": "closed-data", "groups": ["vision"]},
        }
    ),
)
CPU = InstanceType("cpu-small", cores=0.5, memory_bytes=2 * GIB)
GPU = InstanceType(
    "gpu-a100",
    cores=8,
    memory_bytes=64 * GIB,
    gpus=2,
    shared_memory_bytes=16 * GIB,
    node_selector={"accelerator": "a100"},
    tolerations=({"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},),
)
LOGIN = RegistryLogin("registry.example.org", "robot", 'pa$$ "word"')
PYTHON = Image("python", "registry.example.org/orrery/notebook:0.1.0-python-cpu")

LAUNCHES: dict[str, tuple[str, str, Launch | None, Sequence[str]]] = {
    "cpu": ("ann", "first", Launch("nb-1", PYTHON, CPU, data_bytes=20 * GIB), ()),
    "gpu": (
        "ann",
        "second",
        Launch(
            "nb-2",
            Image("own", "registry.example.org/ann/torch@sha256:" + "a" * 64, "GPU", "PYTORCH", login=LOGIN),
            GPU,
            data_bytes=100 * GIB,
            boot_bytes=50 * GIB,
            environment={"HF_HOME": "/root/orrery/hf", "TEXT": "$(JUPYTERHUB_API_TOKEN) {pvc_name}"},
        ),
        (),
    ),
    "mounts": (
        "ann",
        "third",
        Launch(
            "nb-3",
            PYTHON,
            CPU,
            mounts=(
                Mount("shared", "nas://home:/team/data"),
                Mount("models/{unescaped_username}", "nas://home:/{username}/models", read_only=True),
                Mount("bulk", "nas://bulk:/"),
                Mount("object", "nas://object:/a b"),
                Mount("vision", "nas://closed:/x"),
            ),
        ),
        ("vision",),
    ),
    "hostile-names": ("Ann.Ünïcode@example.org" + "x" * 60, "Über.Work-" + "y" * 70, Launch("nb-4", PYTHON, CPU), ()),
    "own-server": ("bob", "", None, ()),
}


@pytest.mark.parametrize("name", LAUNCHES)
async def test_a_notebook_is_this_pod_and_this_volume(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    point_at_cluster(monkeypatch, tmp_path)
    user, server, launch, groups = LAUNCHES[name]
    async with kube_spawner(user, server, SITE, groups=groups, image="registry.example.org/site:1") as spawner:
        spawner.apply(launch)
        pod = plain(spawner, await spawner.get_pod_manifest())
        claim = plain(spawner, spawner.get_pvc_manifest())
    assert_is_as_written(pod, EXPECTED / f"{name}-pod.json")
    assert_is_as_written(claim, EXPECTED / f"{name}-claim.json")
    assert_kubernetes_takes_it(pod)
    assert_kubernetes_takes_it(claim)


async def test_a_private_images_login_is_in_its_secret_and_nowhere_in_the_pod(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    point_at_cluster(monkeypatch, tmp_path)
    user, server, launch, _ = LAUNCHES["gpu"]
    async with kube_spawner(user, server, SITE) as spawner:
        spawner.apply(launch)
        claim = spawner.get_pvc_manifest()
        claim.metadata.uid = "uid-of-the-claim"
        secret = plain(spawner, spawner.get_pull_secret_manifest(claim))
        pod = json.dumps(plain(spawner, await spawner.get_pod_manifest()))
        spawner.apply(LAUNCHES["cpu"][2])
        assert spawner.get_pull_secret_manifest(claim) is None
        assert spawner.image_pull_secrets == []
    assert_is_as_written(secret, EXPECTED / "gpu-pull-secret.json")
    assert_kubernetes_takes_it(secret)
    assert LOGIN.username not in pod and "word" not in pod
    assert (
        json.loads(base64.b64decode(make_pull_secret(LOGIN)))["auths"]["registry.example.org"]["password"]
        == LOGIN.password
    )


async def test_names_that_differ_in_what_kubernetes_cannot_write_stay_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    point_at_cluster(monkeypatch, tmp_path)
    names: set[tuple[str, str]] = set()
    pairs = [("a.b", "c"), ("a-b", "c"), ("A.b", "c"), ("a", "b--c"), ("a--b", "c"), ("a", ""), ("é", "x"), ("è", "x")]
    for user, server in pairs:
        async with kube_spawner(user, server, SITE) as spawner:
            names.add((spawner.pod_name, spawner.pvc_name))
    assert len({pod for pod, _ in names}) == len({claim for _, claim in names}) == len(pairs)


async def test_where_nothing_starts_as_root_a_pod_is_restricted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    point_at_cluster(monkeypatch, tmp_path)
    site = Site(platform_url="http://orrery:8080", starts_as_root=False, uses_user_namespaces=True)
    async with kube_spawner("ann", "first", site) as spawner:
        spawner.apply(LAUNCHES["cpu"][2])
        pod = plain(spawner, await spawner.get_pod_manifest())
    assert pod["spec"]["hostUsers"] is False
    container: dict[str, Any] = pod["spec"]["containers"][0]
    assert container["args"] == ["python", "-m", "orrery_hub.start", "--", "jupyterhub-singleuser"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "privileged": False,
        "runAsGroup": 1000,
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


async def test_what_a_site_configured_itself_stays_and_is_not_doubled_by_another_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    point_at_cluster(monkeypatch, tmp_path)
    theirs: dict[str, Any] = {
        "node_selector": {"pool": "notebooks"},
        "volumes": [{"name": "certificates", "configMap": {"name": "ca"}}],
        "volume_mounts": [{"name": "certificates", "mountPath": "/etc/ca"}],
        "tolerations": [{"key": "hub", "operator": "Exists"}],
        "image_pull_secrets": ["site"],
        "privileged": True,
    }
    async with kube_spawner("ann", "second", SITE, **theirs) as spawner:
        for _ in range(2):
            spawner.apply(LAUNCHES["gpu"][2])
        pod = plain(spawner, await spawner.get_pod_manifest())
    assert pod["spec"]["nodeSelector"] == {"pool": "notebooks", "accelerator": "a100"}
    assert [volume["name"] for volume in pod["spec"]["volumes"]] == ["certificates", "data", "shared-memory"]
    assert [each["key"] for each in pod["spec"]["tolerations"]] == ["hub", "nvidia.com/gpu"]
    assert [each["name"] for each in pod["spec"]["imagePullSecrets"]] == ["site", "jupyter-ann--second-pull"]
    assert pod["spec"]["containers"][0]["securityContext"]["privileged"] is False
