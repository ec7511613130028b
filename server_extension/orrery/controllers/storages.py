"""Storage outside the platform, by the addresses that an administrator has set up: object storage, a mounted NAS.

`ORRERY_STORAGES` maps what addresses begin with onto fsspec file systems, so that no user names a server, a folder of
this machine or a log-in: `{"nas://projects:/": {"url": "file:///mnt/projects"}, "obs://": {"url": "s3://", ...}}`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

from pydantic import BaseModel, ConfigDict, Field, field_validator

from orrery.controllers.storage_local import LocalFolder
from orrery.domain.access import User
from orrery.errors import Invalid
from orrery.store.objects import ObjectStore

#: in a storage's URL: the name of whoever owns the run
OWNER: Final = "{owner}"


class StorageSettings(BaseModel):
    """One storage: where it is, and who may use it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    url: str = Field(
        min_length=1,
        description="fsspec URL of what stands behind it; {owner} in it is the name of the run's owner.",
    )
    options: dict[str, Any] = Field(
        default_factory=dict, repr=False, description="Of the file system, as fsspec takes them: key, endpoint_url."
    )
    read_only: bool = Field(default=False, description="Whether runs may only read from it.")
    users: list[str] | None = Field(default=None, description="Who may use it, with the groups; null: everybody.")
    groups: list[str] | None = Field(default=None, description="Groups whose members may use it.")

    @field_validator("url")
    @classmethod
    def with_a_scheme(cls, url: str) -> str:
        if "://" not in url:
            raise ValueError(f"{url!r} has no scheme; a folder of this machine is file:///mnt/projects")
        return url

    def is_for(self, user: User) -> bool:
        if self.users is None and self.groups is None:
            return True
        return user.admin or user.name in (self.users or ()) or not user.groups.isdisjoint(self.groups or ())


class Folder(Protocol):
    """A folder in a storage. Raises: OSError, as the file system tells it."""

    def files(self) -> Iterator[tuple[str, int]]:
        """Every file below it, by its path from there, with its bytes; none where the folder is not there."""
        ...

    def open(self, path: str) -> BinaryIO: ...

    def write(self, path: str, source: BinaryIO) -> None:
        """Whole or not at all; what is there is replaced."""
        ...


class Storages:
    def __init__(self, settings: Mapping[str, StorageSettings]) -> None:
        # the longest first: nas://projects:/secret before nas://projects:/
        self._storages = dict(sorted(settings.items(), key=lambda item: len(item[0]), reverse=True))

    def check(self, uri: str, user: User, path: str, *, write: bool = False) -> None:
        """Whether `user` may take or put files there. Raises: Invalid for the field at `path`."""
        try:
            prefix, storage = self._find(uri)
            if not storage.is_for(user):
                raise Invalid(f"{prefix} is not yours to use; ask an administrator for it")
            if write and storage.read_only:
                raise Invalid(f"{prefix} can only be read from; choose another folder to write to")
        except Invalid as error:
            raise Invalid(error.message, fields=[{"path": path, "message": error.message}]) from error

    def folder(self, uri: str, owner: str) -> Folder:
        """Raises: Invalid where it is not, or no longer, set up."""
        prefix, storage = self._find(uri)
        below = uri.removeprefix(prefix.rstrip("/")).strip("/")
        base = storage.url
        if OWNER in base:
            if not owner or owner in (".", "..") or "/" in owner or ":" in owner or not owner.isprintable():
                raise Invalid(f"{prefix} has a folder for each user, and {owner!r} cannot be the name of one")
            base = base.replace(OWNER, owner)
        scheme, _, root = base.partition("://")
        if scheme in ("file", "local"):
            return LocalFolder(Path(root), below)
        from orrery.controllers.storage_remote import RemoteFolder  # fsspec loads only where it is used

        return RemoteFolder.at(base, below, storage.options)

    def _find(self, uri: str) -> tuple[str, StorageSettings]:
        for prefix, storage in self._storages.items():
            inside = prefix if prefix.endswith("://") else prefix.rstrip("/") + "/"
            if uri == prefix.rstrip("/") or uri.startswith(inside):
                return prefix, storage
        known = ", ".join(sorted(self._storages)) or "none"
        raise Invalid(
            f"{uri!r} is in no storage that is set up here (those are: {known}); "
            "an administrator can add one (ORRERY_STORAGES)"
        )


def copy_in(
    folder: Folder,
    uri: str,
    objects: ObjectStore,
    *,
    most_files: int,
    most_bytes: int | None,
    tell: Callable[[str, float | None], None],
) -> list[dict[str, Any]]:
    """Every file of the folder as an object: `{path, oid, size}`. `tell` may raise to end it.

    Raises: Invalid for a folder that is empty, too large, or cannot be read.
    """
    try:
        found = sorted(_bounded(folder, uri, most_files, most_bytes))
        whole = sum(size for _, size in found) or 1
        kept: list[dict[str, Any]] = []
        done = 0
        for path, _ in found:
            tell(f"takes {path}", done / whole)
            with folder.open(path) as stream:
                stored = objects.put(stream)
            done += stored.size
            if most_bytes is not None and done > most_bytes:
                raise _too_large(uri, most_bytes)
            kept.append({"path": path, "oid": stored.oid, "size": stored.size})
    except OSError as error:
        raise Invalid(f"{uri} cannot be read ({error}); check that it is there, or try again later") from error
    if not kept:
        raise Invalid(f"there are no files in {uri}; check the address")
    return kept


def _bounded(folder: Folder, uri: str, most_files: int, most_bytes: int | None) -> Iterator[tuple[str, int]]:
    total = 0
    for count, (path, size) in enumerate(folder.files(), start=1):
        total += size
        if count > most_files:
            raise Invalid(f"{uri} has more than {most_files:,} files; choose a folder in it")
        if most_bytes is not None and total > most_bytes:
            raise _too_large(uri, most_bytes)
        yield path, size


def _too_large(uri: str, most_bytes: int) -> Invalid:
    return Invalid(f"{uri} holds more than {most_bytes / (1 << 20):,.0f} MiB; choose a folder in it, or allow more")


def copy_out(
    folder: Folder,
    uri: str,
    files: list[dict[str, Any]],
    objects: ObjectStore,
    tell: Callable[[str, float | None], None],
) -> int:
    """Write `files` (`{path, oid, size}`) into the folder; the bytes written. Safe to repeat.

    Raises: Invalid with what the storage said.
    """
    whole = sum(file["size"] for file in files) or 1
    done = 0
    for file in files:
        tell(f"copies {file['path']} to {uri}", done / whole)
        try:
            with objects.open(file["oid"]) as stream:
                folder.write(file["path"], stream)
        except OSError as error:
            raise Invalid(f"{file['path']} cannot be written to {uri} ({error})") from error
        done += file["size"]
    return done
