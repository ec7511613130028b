"""From what the platform wants (`Launch`) and what the site is like (`Site`) to what KubeSpawner is told. Pure.

The values are KubeSpawner's own traits, so that whatever a site configured there and that is not ours stays.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from orrery_hub.kubernetes.shares import Volumes, make_volumes
from orrery_hub.kubernetes.site import Site
from orrery_hub.launch import InstanceType, Launch, NoLaunch, RegistryLogin

#: what the start as root needs: to own files and leave root for the user, and to end a script that hangs
ROOT_CAPABILITIES: Final = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID")
OWNER_LABEL: Final = "orrery/owner"
NOTEBOOK_LABEL: Final = "orrery/notebook"
VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class Person:
    name: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class SiteDefaults:
    """What a site configured on KubeSpawner itself and ours is laid over."""

    image: str = ""
    node_selector: Mapping[str, str] = field(default_factory=dict[str, str])
    tolerations: tuple[Mapping[str, Any], ...] = ()
    volumes: tuple[Mapping[str, Any], ...] = ()
    volume_mounts: tuple[Mapping[str, Any], ...] = ()
    image_pull_secrets: tuple[Any, ...] = ()
    extra_pod_config: Mapping[str, Any] = field(default_factory=dict[str, Any])


def make_traits(
    launch: Launch | None, site: Site, person: Person, defaults: SiteDefaults, pull_secret_name: str
) -> dict[str, Any]:
    """KubeSpawner's traits for one start. None: somebody's own server, which is no notebook of the platform.

    Raises: NoLaunch.
    """
    mounts = launch.mounts if launch else ()
    shared = make_volumes(mounts, site.shares, site.data_directory, person.name, person.groups)
    size = launch.instance_type if launch else None
    memory = shared_memory(size)
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "{pvc_name}"}}, *escape(shared.volumes)]
    volume_mounts = [{"name": "data", "mountPath": site.data_directory}, *escape(shared.mounts)]
    traits: dict[str, Any] = {
        "cmd": make_command(site),
        "notebook_dir": site.data_directory,
        "working_dir": site.data_directory,
        "storage_pvc_ensure": True,
        "storage_capacity": str((launch.data_bytes if launch else None) or site.data_bytes),
        "storage_class": site.storage_class,
        "storage_access_modes": [site.access_mode],
        "volumes": [*defaults.volumes, *volumes, *memory.volumes],
        "volume_mounts": [*defaults.volume_mounts, *volume_mounts, *memory.mounts],
        **make_security(site, defaults.extra_pod_config),
    }
    if launch is not None and size is not None:
        traits |= make_image(launch, defaults, pull_secret_name) | make_size(launch, size, defaults)
    return traits


def make_command(site: Site) -> list[str]:
    """The program of the images that runs cont-init.d, leaves root, and becomes the server."""
    user = ["--user", site.user] if site.starts_as_root else []
    return ["python", "-m", "orrery_hub.start", *user, "--", "jupyterhub-singleuser"]


def make_security(site: Site, extra_pod_config: Mapping[str, Any]) -> dict[str, Any]:
    """Within the Pod Security Standard `baseline`, or `restricted` where nothing starts as root.

    No process gains a privilege that it was not started with, so who has left root never comes back to it.
    """
    container: dict[str, Any] = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "privileged": False,
        "runAsGroup": 0 if site.starts_as_root else site.gid,
        "runAsNonRoot": not site.starts_as_root,
        "runAsUser": 0 if site.starts_as_root else site.uid,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    if site.starts_as_root:
        container["capabilities"]["add"] = list(ROOT_CAPABILITIES)
    pod = {
        "fsGroup": site.gid,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    config = {**extra_pod_config, "enable_service_links": False}
    return {
        "privileged": False,
        "allow_privilege_escalation": False,
        "uid": None,
        "gid": None,
        "fs_gid": None,
        "container_security_context": container,
        "pod_security_context": pod,
        "automount_service_account_token": False,
        "extra_pod_config": config | ({"host_users": False} if site.uses_user_namespaces else {}),
    }


def make_image(launch: Launch, defaults: SiteDefaults, pull_secret_name: str) -> dict[str, Any]:
    address = launch.image.address or defaults.image
    if not address:
        raise NoLaunch(f"image {launch.image.name!r} has no address, and the hub has no image of its own")
    secrets = [*defaults.image_pull_secrets, *([pull_secret_name] if launch.image.login else [])]
    # A private image that is on the node already must not start for somebody whose account cannot pull it.
    policy = "Always" if launch.image.login else "IfNotPresent"
    return {"image": address, "image_pull_policy": policy, "image_pull_secrets": secrets}


def make_size(launch: Launch, size: InstanceType, defaults: SiteDefaults) -> dict[str, Any]:
    """Requests equal limits: what an instance type promises is there."""
    extra = {size.gpu_resource: str(size.gpus)} if size.gpus else {}
    if launch.boot_bytes:
        extra["ephemeral-storage"] = str(launch.boot_bytes)
    return {
        "cpu_limit": size.cores,
        "cpu_guarantee": size.cores,
        "mem_limit": size.memory_bytes,
        "mem_guarantee": size.memory_bytes,
        "extra_resource_limits": extra,
        "extra_resource_guarantees": dict(extra),
        "node_selector": {**defaults.node_selector, **size.node_selector},
        "tolerations": [*(dict(each) for each in defaults.tolerations), *(dict(each) for each in size.tolerations)],
    }


def shared_memory(size: InstanceType | None) -> Volumes:
    """A container has 64 MiB of it otherwise, which PyTorch's data loaders soon fill; it counts as the pod's memory."""
    if size is None or not size.shared_memory_bytes:
        return Volumes([], [])
    volume = {"medium": "Memory", "sizeLimit": str(size.shared_memory_bytes)}
    return Volumes(
        [{"name": "shared-memory", "emptyDir": volume}], [{"name": "shared-memory", "mountPath": "/dev/shm"}]
    )


def make_environment(launch: Launch | None, site: Site) -> tuple[dict[str, str], dict[str, str]]:
    """What the notebook's owner set, and what the platform sets over it and over the hub's own.

    Raises: NoLaunch.
    """
    ours = {"ORRERY_DATA_DIR": site.data_directory}
    if site.platform_url:
        ours["ORRERY_URL"] = site.platform_url
    if launch is None:
        return {}, ours
    for name in launch.environment:
        if not VARIABLE.fullmatch(name):
            raise NoLaunch(f"environment variable {name!r} is no name that a pod takes; use letters, digits and '_'")
    # Kubernetes puts other variables' values in place of `$(NAME)`, and reads `$$` as `$`
    theirs = {name: value.replace("$", "$$") for name, value in launch.environment.items()}
    return theirs, ours | {"ORRERY_NOTEBOOK_ID": launch.notebook_id}


def make_pull_secret(login: RegistryLogin) -> str:
    """The content of a `kubernetes.io/dockerconfigjson` secret, in base64."""
    auth = base64.b64encode(f"{login.username}:{login.password}".encode()).decode()
    entry = {"username": login.username, "password": login.password, "auth": auth}
    return base64.b64encode(json.dumps({"auths": {login.registry: entry}}).encode()).decode()


def escape(value: Any) -> Any:
    """Braces doubled, wherever they stand: KubeSpawner formats what it is told, and a user's words are no template."""
    if isinstance(value, str):
        return value.replace("{", "{{").replace("}", "}}")
    if isinstance(value, Mapping):
        return {key: escape(each) for key, each in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, Iterable):
        return [escape(each) for each in value]  # pyright: ignore[reportUnknownVariableType]
    return value


def write_cores(cores: float) -> str:
    """As Kubernetes writes it: `2`, `500m`."""
    return str(int(cores)) if cores == int(cores) else f"{round(cores * 1000)}m"
