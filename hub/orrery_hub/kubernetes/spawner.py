"""Notebooks as pods: KubeSpawner, told by the platform what each is started with."""

# JupyterHub and KubeSpawner are not typed.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false

from __future__ import annotations

import asyncio
from typing import Any, Final

from jupyterhub.utils import exponential_backoff
from kubernetes_asyncio.client import (
    V1ObjectMeta,
    V1OwnerReference,
    V1PersistentVolumeClaim,
    V1Pod,
    V1Secret,
)
from kubernetes_asyncio.client.rest import ApiException
from kubespawner import KubeSpawner
from kubespawner.slugs import is_valid_label, safe_slug
from traitlets import Instance

from orrery_hub.kubernetes.pod import (
    NOTEBOOK_LABEL,
    OWNER_LABEL,
    Person,
    SiteDefaults,
    make_environment,
    make_pull_secret,
    make_traits,
    write_cores,
)
from orrery_hub.kubernetes.site import Site
from orrery_hub.launch import Launch, NoLaunch, fetch_launch

NOT_FOUND: Final = 404
CONFLICT: Final = 409


class OrreryKubeSpawner(KubeSpawner):
    """Usage: `c.JupyterHub.spawner_class = "orrery-kubernetes"`; a hub without the platform sets a `profile_list`."""

    site = Instance(Site, args=(), help="What the cluster is like: orrery_hub.kubernetes.site.Site.").tag(config=True)

    #: what the platform said at the last start; None: nothing, this is a person's own server
    launch: Launch | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._defaults = SiteDefaults(
            image=self.image or "",
            node_selector=dict(self.node_selector),
            tolerations=_values(self.tolerations),
            volumes=_values(self.volumes),
            volume_mounts=_values(self.volume_mounts),
            image_pull_secrets=tuple(self.image_pull_secrets or ()),
            extra_pod_config=dict(self.extra_pod_config),
        )

    @property
    def person(self) -> Person:
        user: Any = self.user
        return Person(user.name, tuple(group.name for group in user.groups))

    @property
    def pull_secret_name(self) -> str:
        return f"{self.pod_name}-pull"

    @property
    def own_labels(self) -> dict[str, str]:
        labels = {OWNER_LABEL: safe_slug(self.person.name, is_valid=is_valid_label)}
        return labels | ({NOTEBOOK_LABEL: self.launch.notebook_id} if self.launch else {})

    async def load_user_options(self) -> None:
        """What a person wrote into the request is believed only where no platform says what they may have."""
        if not self.site.platform_url:
            await super().load_user_options()
            return
        launch = None
        if self.name:
            launch = await fetch_launch(self.site.platform_url, self.site.hub_key, self.person.name, self.name)
        self.apply(launch)

    def apply(self, launch: Launch | None) -> None:
        """Raises: NoLaunch."""
        traits = make_traits(launch, self.site, self.person, self._defaults, self.pull_secret_name)
        make_environment(launch, self.site)
        self.launch = launch
        for name, value in traits.items():
            setattr(self, name, value)

    def get_env(self) -> dict[str, Any]:
        theirs, ours = make_environment(self.launch, self.site)
        return {**theirs, **super().get_env(), **ours}

    def _build_common_labels(self, extra_labels: dict[str, str]) -> dict[str, str]:
        return {**super()._build_common_labels(extra_labels), **self.own_labels}

    async def get_pod_manifest(self) -> V1Pod:
        pod = await super().get_pod_manifest()
        # quantities as Kubernetes' own schema has them; numbers are only what its parser forgives
        for container in pod.spec.containers:
            for amounts in (container.resources.requests, container.resources.limits) if container.resources else ():
                for name, value in (amounts or {}).items():
                    amounts[name] = write_cores(value) if name == "cpu" and not isinstance(value, str) else str(value)
        return pod

    def get_pull_secret_manifest(self, claim: V1PersistentVolumeClaim) -> V1Secret | None:
        """Owned by the data volume's claim, so that it is gone with it at the latest. None: the image is public."""
        if self.launch is None or self.launch.image.login is None:
            return None
        owner = V1OwnerReference(
            api_version="v1", kind="PersistentVolumeClaim", name=claim.metadata.name, uid=claim.metadata.uid
        )
        return V1Secret(
            api_version="v1",
            kind="Secret",
            type="kubernetes.io/dockerconfigjson",
            metadata=V1ObjectMeta(
                name=self.pull_secret_name,
                labels=self._build_common_labels({}),
                annotations=self._build_common_annotations({}),
                owner_references=[owner],
            ),
            data={".dockerconfigjson": make_pull_secret(self.launch.image.login)},
        )

    async def _make_create_pvc_request(self, pvc: V1PersistentVolumeClaim, request_timeout: float) -> bool:
        """A claim that is going away is waited for, and one of another notebook is never taken over."""
        if not await super()._make_create_pvc_request(pvc, request_timeout):
            return False
        found = await self._read_claim(request_timeout)
        return found is not None and self._is_own(found)

    async def _read_claim(self, request_timeout: float) -> V1PersistentVolumeClaim | None:
        """None: it is not there yet, or going away."""
        request = self.api.read_namespaced_persistent_volume_claim(name=self.pvc_name, namespace=self.namespace)
        try:
            claim = await asyncio.wait_for(request, request_timeout)
        except TimeoutError:
            return None
        except ApiException as error:
            if error.status == NOT_FOUND:
                return None
            raise
        return None if claim.metadata.deletion_timestamp else claim

    def _is_own(self, claim: V1PersistentVolumeClaim) -> bool:
        """True, or Raises: NoLaunch."""
        holder = (claim.metadata.labels or {}).get(NOTEBOOK_LABEL)
        own = self.launch.notebook_id if self.launch else None
        if holder != own:
            raise NoLaunch(
                f"the volume {self.pvc_name} holds the data of {holder or 'another server'}; an administrator has to "
                f"delete it first: kubectl -n {self.namespace} delete pvc {self.pvc_name}"
            )
        return True

    async def _make_create_pod_request(self, pod: V1Pod, request_timeout: float) -> bool:
        """The secret is there before the pod that pulls with it."""
        if self.launch is not None and self.launch.image.login is not None:
            claim = await self._read_claim(request_timeout)
            if claim is None or not await self._put_pull_secret(claim, request_timeout):
                return False
        try:
            return await super()._make_create_pod_request(pod, request_timeout)
        except Exception:
            await self._delete_pull_secret(request_timeout)
            raise

    async def _put_pull_secret(self, claim: V1PersistentVolumeClaim, request_timeout: float) -> bool:
        """Deleted and made anew, which asks for no more rights than KubeSpawner has."""
        await self._delete_pull_secret(request_timeout)
        request = self.api.create_namespaced_secret(self.namespace, self.get_pull_secret_manifest(claim))
        try:
            await asyncio.wait_for(request, request_timeout)
        except TimeoutError:
            return False
        except ApiException as error:
            if error.status == CONFLICT:
                return False
            raise
        return True

    async def _delete_pull_secret(self, request_timeout: float) -> bool:
        request = self.api.delete_namespaced_secret(name=self.pull_secret_name, namespace=self.namespace)
        try:
            await asyncio.wait_for(request, request_timeout)
        except TimeoutError:
            return False
        except ApiException as error:
            if error.status != NOT_FOUND:
                raise
        return True

    async def stop(self, now: bool = False) -> None:
        await super().stop(now)
        await self._forget_pull_secret()

    async def delete_forever(self) -> None:
        """The notebook is deleted: its data volume goes with it, shared storage stays."""
        await self._forget_pull_secret()
        await super().delete_forever()

    async def _forget_pull_secret(self) -> None:
        await exponential_backoff(
            lambda: self._delete_pull_secret(self.k8s_api_request_timeout),
            f"could not delete secret {self.pull_secret_name}",
            timeout=self.k8s_api_request_retry_timeout,
        )


def _values(trait: Any) -> tuple[Any, ...]:
    """KubeSpawner takes lists, and mappings in the order of their keys."""
    return tuple(trait[key] for key in sorted(trait)) if isinstance(trait, dict) else tuple(trait)
