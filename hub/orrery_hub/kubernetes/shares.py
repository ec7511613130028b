"""Shared storage: `nas://ID:/path` as a volume of a pod.

A site lists its shares by ID; whoever mounts one names a folder below what the site gave. That folder becomes the
mount's `subPath`, which the kubelet resolves without following a link out of the volume.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from orrery_hub.launch import Mount, NoLaunch
from orrery_hub.settings import InvalidSetting

URI: Final = re.compile(r"nas://(?P<id>[^/:]+):(?P<path>/.*)", re.DOTALL)
SOURCES: Final = ("server", "csi", "claim")
MAX_PATH: Final = 1024


@dataclass(frozen=True)
class Share:
    """One share of a site: a volume source, and who may mount it."""

    #: as a pod's volume names it: `{"nfs": ...}`, `{"csi": ...}` or `{"persistentVolumeClaim": ...}`
    source: Mapping[str, Any]
    #: None: everybody
    users: frozenset[str] | None = None
    groups: frozenset[str] = field(default_factory=frozenset[str])
    read_only: bool = False

    def is_open_to(self, user: str, groups: Iterable[str]) -> bool:
        return self.users is None or user in self.users or not self.groups.isdisjoint(groups)


def read_shares(document: Mapping[str, Any]) -> dict[str, Share]:
    """From `{ID: {"server", "path"} | {"csi": {...}} | {"claim": NAME}}`, each with `users`, `groups`, `read_only`.

    Raises: InvalidSetting.
    """
    return {name: _read_share(name, given) for name, given in document.items()}


def _read_share(name: str, given: Any) -> Share:
    where = f"ORRERY_NAS: share {name!r}"
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise InvalidSetting(f"{where} has a name that no address can hold; use letters, digits, '.', '_' and '-'")
    if not isinstance(given, dict):
        raise InvalidSetting(f"{where} is {given!r}; use an object with server and path, csi, or claim")
    share: dict[str, Any] = {**given}
    kinds = [source for source in SOURCES if source in share]
    if len(kinds) != 1:
        raise InvalidSetting(f"{where} has {' and '.join(kinds) or 'no source'}; give one of {', '.join(SOURCES)}")
    unknown = sorted(
        set(share) - {kinds[0], "users", "groups", "read_only", *(["path"] if kinds[0] == "server" else [])}
    )
    if unknown:
        raise InvalidSetting(f"{where} has {unknown[0]!r}, which means nothing there; remove it")
    restricted = "users" in share or "groups" in share
    return Share(
        source=_read_source(where, kinds[0], share),
        users=frozenset(_read_names(where, share, "users")) if restricted else None,
        groups=frozenset(_read_names(where, share, "groups")),
        read_only=bool(share.get("read_only", False)),
    )


def _read_source(where: str, kind: str, share: Mapping[str, Any]) -> dict[str, Any]:
    given = share[kind]
    if kind == "csi":
        if not isinstance(given, dict) or not isinstance(given.get("driver"), str):  # pyright: ignore[reportUnknownMemberType]
            raise InvalidSetting(f"{where}: csi is {given!r}; use an object with driver and volumeAttributes")
        return {"csi": given}
    if not isinstance(given, str) or not given:
        raise InvalidSetting(f"{where}: {kind} is {given!r}; use a name")
    if kind == "claim":
        return {"persistentVolumeClaim": {"claimName": given}}
    path = share.get("path", "/")
    if not isinstance(path, str) or not path.startswith("/") or ".." in path.split("/"):
        raise InvalidSetting(f"{where}: path is {path!r}; use the exported path, beginning with '/'")
    return {"nfs": {"server": given, "path": path}}


def _read_names(where: str, share: Mapping[str, Any], key: str) -> list[str]:
    names: Any = share.get(key, [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):  # pyright: ignore[reportUnknownVariableType]
        raise InvalidSetting(f"{where}: {key} is {names!r}; use a list of names")
    return names  # pyright: ignore[reportUnknownVariableType]


@dataclass(frozen=True)
class Volumes:
    """A pod's `volumes` and its container's `volumeMounts`."""

    volumes: list[dict[str, Any]]
    mounts: list[dict[str, Any]]


def make_volumes(
    mounts: Iterable[Mount], shares: Mapping[str, Share], data_directory: str, user: str, groups: Iterable[str]
) -> Volumes:
    """One volume for each share that is used, however many folders of it are mounted.

    Raises: NoLaunch naming the mount and the remedy.
    """
    made = Volumes([], [])
    names: dict[str, str] = {}
    taken: set[str] = set()
    memberships = list(groups)
    for mount in mounts:
        directory = check_directory(mount.directory)
        if directory in taken:
            raise NoLaunch(f"two mounts have the directory {directory!r}; give each its own")
        taken.add(directory)
        share_id, path = parse_uri(mount.uri)
        share = shares.get(share_id)
        if share is None or not share.is_open_to(user, memberships):
            open_ones = sorted(name for name, each in shares.items() if each.is_open_to(user, memberships))
            known = f"choose one of {', '.join(open_ones)}" if open_ones else "this site offers you none"
            raise NoLaunch(f"shared storage {share_id!r} is unknown here; {known}")
        if share_id not in names:
            names[share_id] = f"nas-{len(names)}"
            made.volumes.append({"name": names[share_id], **share.source})
        made.mounts.append(
            {
                "name": names[share_id],
                "mountPath": f"{data_directory}/{directory}",
                **({"subPath": path} if path else {}),
                "readOnly": mount.read_only or share.read_only,
            }
        )
    return made


def parse_uri(uri: str) -> tuple[str, str]:
    """The share's ID and the folder within it, relative and without `.` or `..`; empty: all of it.

    Raises: NoLaunch.
    """
    found = URI.fullmatch(uri)
    if found is None:
        raise NoLaunch(f"{uri!r} is no shared storage; write nas://ID:/path")
    path = found["path"]
    parts = [part for part in path.split("/") if part]
    if any(part in (".", "..") for part in parts) or not path.isprintable() or len(path) > MAX_PATH:
        raise NoLaunch(f"{uri!r} leads out of its share or has a path that no volume takes; write it without '..'")
    return found["id"], "/".join(parts)


def check_directory(directory: str) -> str:
    """The mount's directory below the data volume, normalised. Raises: NoLaunch."""
    parts = directory.strip("/").split("/")
    if any(part in ("", ".", "..") for part in parts) or not directory.isprintable() or ":" in directory:
        raise NoLaunch(f"a mount's directory is {directory!r}; use a name such as 'shared', without '..' and ':'")
    return "/".join(parts)
