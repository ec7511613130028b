"""What a site says of its cluster, read once from the environment of the hub's pod."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from orrery_hub.kubernetes.shares import Share, read_shares
from orrery_hub.settings import InvalidSetting

GIB: Final = 1 << 30
ACCESS_MODES: Final = ("ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany")
YES: Final = frozenset({"1", "true", "yes", "on"})
NO: Final = frozenset({"0", "false", "no", "off"})


@dataclass(frozen=True)
class Site:
    #: the platform as pods reach it, with its prefix and no trailing slash; empty: this hub has no platform
    platform_url: str = ""
    #: what the hub shows to ask the platform how a notebook is started
    hub_key: str = field(default="", repr=False)
    #: where the data volume is mounted: `$ORRERY_DATA_DIR`
    data_directory: str = "/root/orrery"
    #: size of a data volume where nobody asked for one
    data_bytes: int = 10 * GIB
    #: None: the cluster's default
    storage_class: str | None = None
    access_mode: str = "ReadWriteOnce"
    #: the account of the images that the server runs as
    user: str = "orrery"
    uid: int = 1000
    gid: int = 1000
    #: cont-init.d runs as root in the container, and the server as `user`; without it all of it runs as `user`
    starts_as_root: bool = True
    #: the container's root is nobody on the node (`hostUsers: false`); NFS volumes cannot be mapped so
    uses_user_namespaces: bool = False
    #: `nas://ID:/...` by its ID
    shares: Mapping[str, Share] = field(default_factory=dict[str, Share])

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], platform_url: str = "") -> Site:
        """Raises: InvalidSetting."""
        return cls(
            platform_url=platform_url,
            hub_key=environment.get("ORRERY_HUB_KEY") or "",
            data_directory=_read_directory(environment),
            data_bytes=round(_read_number(environment, "ORRERY_NOTEBOOK_DATA_GIB", 10) * GIB),
            storage_class=environment.get("ORRERY_STORAGE_CLASS") or None,
            access_mode=_read_access_mode(environment),
            user=environment.get("ORRERY_NOTEBOOK_USER") or "orrery",
            uid=_read_id(environment, "ORRERY_NOTEBOOK_UID"),
            gid=_read_id(environment, "ORRERY_NOTEBOOK_GID"),
            starts_as_root=_read_switch(environment, "ORRERY_NOTEBOOK_ROOT_START", True),
            uses_user_namespaces=_read_switch(environment, "ORRERY_NOTEBOOK_USER_NAMESPACES", False),
            shares=read_shares(_read_object(environment, "ORRERY_NAS")),
        )


def _read_directory(environment: Mapping[str, str]) -> str:
    text = environment.get("ORRERY_NOTEBOOK_DATA_DIR") or "/root/orrery"
    if not re.fullmatch(r"(/[\w.@-]+)+", text) or ".." in text.split("/"):
        raise InvalidSetting(f"ORRERY_NOTEBOOK_DATA_DIR is {text!r}; use an absolute path such as /root/orrery")
    return text


def _read_access_mode(environment: Mapping[str, str]) -> str:
    text = environment.get("ORRERY_STORAGE_ACCESS_MODE") or ACCESS_MODES[0]
    if text not in ACCESS_MODES:
        raise InvalidSetting(f"ORRERY_STORAGE_ACCESS_MODE is {text!r}; use one of {', '.join(ACCESS_MODES)}")
    return text


def _read_number(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name) or str(default)
    if not re.fullmatch(r"\d+(\.\d+)?", text) or not float(text):
        raise InvalidSetting(f"{name} is {text!r}; use a number above 0")
    return float(text)


def _read_id(environment: Mapping[str, str], name: str) -> int:
    text = environment.get(name) or "1000"
    if not text.isdecimal() or not 0 < int(text) < 1 << 31:
        raise InvalidSetting(f"{name} is {text!r}; use a number above 0: notebooks never run as root")
    return int(text)


def _read_switch(environment: Mapping[str, str], name: str, default: bool) -> bool:
    text = (environment.get(name) or "").lower()
    if text and text not in YES | NO:
        raise InvalidSetting(f"{name} is {text!r}; use true or false")
    return text in YES if text else default


def _read_object(environment: Mapping[str, str], name: str) -> dict[str, Any]:
    text = environment.get(name) or "{}"
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InvalidSetting(f"{name} is no JSON ({error})") from error
    if not isinstance(value, dict):
        raise InvalidSetting(f"{name} is {text!r}; use a JSON object")
    return value  # pyright: ignore[reportUnknownVariableType]
