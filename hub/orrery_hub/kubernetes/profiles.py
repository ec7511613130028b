"""KubeSpawner's profile list from instance types and images, for a hub that runs without the platform.

c.JupyterHub.spawner_class = "orrery-kubernetes"
c.KubeSpawner.profile_list = make_profile_list([Image("python", "reg/notebook:1")], [InstanceType("small", 2, 8 << 30)])
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from orrery_hub.kubernetes.pod import SiteDefaults, make_image, make_size, shared_memory
from orrery_hub.launch import Image, InstanceType, Launch


def make_profile_list(images: Iterable[Image], instance_types: Iterable[InstanceType]) -> list[dict[str, Any]]:
    """Every image on every size of its core type; the first is the default."""
    sizes = list(instance_types)
    profiles = [
        make_profile(image, size) for image in images for size in sizes if (image.core_type == "GPU") == bool(size.gpus)
    ]
    return [profile | {"default": position == 0} for position, profile in enumerate(profiles)]


def make_profile(image: Image, size: InstanceType) -> dict[str, Any]:
    launch = Launch(notebook_id="", image=image, instance_type=size)
    memory = shared_memory(size)
    software = " ".join(part for part in (image.framework, image.framework_version) if part)
    python = f"Python {image.python_version}" if image.python_version else ""
    gpus = f", {size.gpus} GPU" if size.gpus else ""
    return {
        "slug": f"{image.name}--{size.name}",
        "display_name": f"{image.name} on {size.name}",
        "description": ", ".join(
            part
            for part in (software, python, f"{size.cores:g} cores, {size.memory_bytes / 2**30:g} GiB{gpus}")
            if part
        ),
        "kubespawner_override": {
            **make_image(launch, SiteDefaults(), ""),
            **make_size(launch, size, SiteDefaults()),
            "volumes": memory.volumes,
            "volume_mounts": memory.mounts,
        },
    }
