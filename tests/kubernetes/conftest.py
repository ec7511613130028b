"""A namespace of a real cluster: the one that `$KUBECONFIG` names, under the Pod Security Standard `baseline`."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from kubernetes_asyncio import client, config
from kubernetes_asyncio.client.rest import ApiException
from kubernetes_asyncio.stream import WsApiClient

IMAGE = "ORRERY_KUBERNETES_IMAGE"
DEADLINE_SECONDS = 300.0


@dataclass(frozen=True)
class Namespace:
    name: str
    #: a notebook's image that the cluster can pull
    image: str
    api: client.CoreV1Api

    async def run(self, pod: str, *command: str) -> str:
        """What a command prints in a pod's container, as root."""
        words: Any = list(command)
        async with WsApiClient() as stream:
            return await client.CoreV1Api(stream).connect_get_namespaced_pod_exec(
                pod, self.name, command=words, stderr=True, stdin=False, stdout=True, tty=False
            )

    async def is_there(self, kind: str, name: str) -> bool:
        try:
            found: Any = await getattr(self.api, f"read_namespaced_{kind}")(name=name, namespace=self.name)
        except ApiException as error:
            if error.status == 404:
                return False
            raise
        return found.metadata.deletion_timestamp is None

    async def wait_until(self, what: str, condition: Callable[[], Any]) -> None:
        """`condition` is an async function. Raises: AssertionError after the deadline."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + DEADLINE_SECONDS
        while not await condition():
            assert loop.time() < deadline, f"{what}: not within {DEADLINE_SECONDS:g} s"
            await asyncio.sleep(0.5)


@pytest.fixture
async def namespace() -> AsyncIterator[Namespace]:
    if not os.environ.get("KUBECONFIG"):
        pytest.skip("KUBECONFIG is not set; it names the cluster that these tests may use")
    if not os.environ.get(IMAGE):
        pytest.skip(f"{IMAGE} is not set; it names an image of notebooks that the cluster can pull")
    await config.load_kube_config()
    name = f"orrery-test-{secrets.token_hex(4)}"
    labels = {"pod-security.kubernetes.io/enforce": "baseline"}
    async with client.ApiClient() as connection:
        api = client.CoreV1Api(connection)
        await api.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=name, labels=labels)))
        try:
            yield Namespace(name, os.environ[IMAGE], api)
        finally:
            await api.delete_namespace(name)
