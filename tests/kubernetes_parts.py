"""What tests of manifests share: a real spawner without a cluster, and files of whole objects."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jupyterhub.objects import Hub

from orrery.testing.kubernetes_schemas import VARIABLE, find_faults, find_schemas
from orrery_hub.kubernetes.site import Site
from orrery_hub.kubernetes.spawner import OrreryKubeSpawner

#: set to 1, the files are written anew from what the code makes; read the difference before you commit it
UPDATE = "ORRERY_UPDATE_EXPECTED"
VERSIONS = ("hub.jupyter.org/kubespawner-version", "hub.jupyter.org/jupyterhub-version")


def point_at_cluster(monkeypatch: pytest.MonkeyPatch, folder: Path, server: str = "http://127.0.0.1:1") -> None:
    """Spawners made from here on talk to `server`; by default nobody is there.

    The client reads `$KUBECONFIG` at its import, so that is not the way to say it.
    """
    path = folder / "kubeconfig"
    path.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "c", "cluster": {"server": server}}],
                "users": [{"name": "u", "user": {}}],
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                "current-context": "c",
            }
        )
    )
    monkeypatch.setattr("kubernetes_asyncio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path))


@asynccontextmanager
async def kube_spawner(user: str, server: str, site: Site, **traits: Any) -> AsyncIterator[OrreryKubeSpawner]:
    """The real one, with the hub's objects that it reads."""
    groups = [SimpleNamespace(name=name) for name in traits.pop("groups", ())]
    spawner = OrreryKubeSpawner(
        user=SimpleNamespace(name=user, id=1, url=f"/user/{user}/", groups=groups),
        hub=Hub(ip="hub", port=8081),
        orm_spawner=SimpleNamespace(name=server, server=None, state=None),
        api_token="token-of-the-server",
        oauth_client_id="jupyterhub-user",
        namespace="lab",
        site=site,
        **traits,
    )
    try:
        yield spawner
    finally:
        await spawner.api.api_client.close()


def plain(spawner: OrreryKubeSpawner, manifest: Any) -> Any:
    """As it goes over the wire, save the versions of what made it."""
    written = spawner.api.api_client.sanitize_for_serialization(manifest)
    for name in VERSIONS:
        written["metadata"]["annotations"].pop(name, None)
    return written


def assert_is_as_written(manifest: Any, path: Path) -> None:
    if os.environ.get(UPDATE) == "1":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
    assert manifest == json.loads(path.read_text()), f"{path.name} differs; {UPDATE}=1 writes it anew"


def assert_kubernetes_takes_it(manifest: Any) -> None:
    """Skips the test where Kubernetes' definitions are absent."""
    schemas = find_schemas()
    if schemas is None:
        pytest.skip(f"Kubernetes' OpenAPI definitions are not here; {VARIABLE} names their file")
    assert find_faults(manifest, schemas) == []
