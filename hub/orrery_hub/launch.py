"""What a notebook server is started with: asked of the platform at each start, never taken from whoever asks for it.

The platform keeps the notebooks; a spawner that believed the options of a request would give any image, size and mount
to anybody who writes one by hand.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest

TIMEOUT_SECONDS: Final = 20.0


class NoLaunch(RuntimeError):
    """The server may not be started, or the platform cannot be asked; in words for whoever wanted it."""

    @property
    def jupyterhub_message(self) -> str:
        return str(self)


@dataclass(frozen=True)
class RegistryLogin:
    """What a private image is pulled with."""

    registry: str
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Image:
    name: str
    #: as a container engine knows it: `registry/repository:tag`; empty where the machine itself is the image
    address: str = ""
    #: CPU or GPU
    core_type: str = "CPU"
    framework: str = ""
    framework_version: str = ""
    python_version: str = ""
    login: RegistryLogin | None = None


@dataclass(frozen=True)
class InstanceType:
    name: str
    cores: float
    memory_bytes: int
    gpus: int = 0
    shared_memory_bytes: int = 0
    gpu_resource: str = "nvidia.com/gpu"
    node_selector: Mapping[str, str] = field(default_factory=dict[str, str])
    tolerations: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Mount:
    """Shared storage at `$ORRERY_DATA_DIR/<directory>`."""

    directory: str
    #: `nas://ID:/path`
    uri: str
    read_only: bool = False


@dataclass(frozen=True)
class Launch:
    notebook_id: str
    image: Image
    instance_type: InstanceType
    #: sizes as asked; None: whatever the site gives
    data_bytes: int | None = None
    boot_bytes: int | None = None
    mounts: tuple[Mount, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Launch:
        image = dict(document["image"])
        login = image.pop("login", None)
        size = dict(document["instance_type"])
        size["tolerations"] = tuple(size.get("tolerations") or ())
        return cls(
            notebook_id=document["notebook_id"],
            image=Image(**image, login=RegistryLogin(**login) if login else None),
            instance_type=InstanceType(**size),
            data_bytes=document.get("data_bytes"),
            boot_bytes=document.get("boot_bytes"),
            mounts=tuple(Mount(**mount) for mount in document.get("mounts") or ()),
            environment=dict(document.get("environment") or {}),
        )


async def fetch_launch(platform_url: str, key: str, user: str, server: str) -> Launch:
    """Ask the platform (`GET /api/v1/hub/servers/{user}/{server}`).

    Raises: NoLaunch.
    """
    url = f"{platform_url}/api/v1/hub/servers/{quote(user, safe='')}/{quote(server, safe='')}"
    request = HTTPRequest(url, headers={"Authorization": f"Bearer {key}"}, request_timeout=TIMEOUT_SECONDS)
    try:
        answer = await AsyncHTTPClient().fetch(request)
    except HTTPClientError as error:
        raise NoLaunch(_message(error)) from error
    except OSError as error:
        raise NoLaunch(f"the platform cannot be reached ({error}); try again in a moment") from error
    return Launch.from_json(json.loads(answer.body))


def _message(error: HTTPClientError) -> str:
    try:
        return str(json.loads(error.response.body)["error"]["message"])  # pyright: ignore[reportOptionalMemberAccess]
    except (AttributeError, TypeError, ValueError, KeyError):
        return f"the platform answered {error.code}; try again in a moment"
