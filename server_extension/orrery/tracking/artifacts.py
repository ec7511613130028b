"""MLflow's artifacts as names for objects: a tree of small files, each holding the oid and size of one artifact.

The bytes lie in the object store, so that a model's files, a training's artifacts and what MLflow shows are one copy.
`oids()` belongs into what the collector of the object store must spare.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orrery.errors import Invalid, NotFound
from orrery.store.disk import replace_file
from orrery.store.objects import Object


@dataclass(frozen=True)
class Listed:
    name: str
    #: None for a folder
    stored: Object | None


class ArtifactTree:
    """Blocking; safe among threads and processes: an artifact is replaced atomically."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute() / "tree"
        self._staging = root.absolute() / "staging"
        for folder in (self.root, self._staging):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def put(self, path: str, stored: Object) -> None:
        """Name an object that is in the store. Raises: `Invalid` for a path that leaves the tree."""
        target = self._path(path)
        if target == self.root:
            raise Invalid("an artifact needs a file name")
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(target, json.dumps({"oid": stored.oid, "size": stored.size}).encode(), self._staging)

    def get(self, path: str) -> Object:
        """Raises: `NotFound` for what is absent or a folder."""
        try:
            return _read(self._path(path))
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise NotFound(f"there is no artifact {path!r}") from error

    def list(self, path: str = "") -> list[Listed]:
        """What lies directly in a folder, by name; nothing for a file or what is absent."""
        folder = self._path(path)
        if not folder.is_dir():
            return []
        found = sorted(folder.iterdir())
        return [Listed(entry.name, None if entry.is_dir() else _read(entry)) for entry in found]

    def remove(self, path: str) -> None:
        """Forget an artifact or a folder of them. Idempotent; the collector removes the bytes."""
        target = self._path(path)
        if target.is_dir():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)

    def oids(self) -> set[str]:
        """All objects named here."""
        return {_read(path).oid for path in self._files()}

    def _files(self) -> Iterator[Path]:
        return (path for path in self.root.rglob("*") if path.is_file())

    def _path(self, path: str) -> Path:
        parts = [part for part in path.split("/") if part not in ("", ".")]
        if any(part == ".." or "\0" in part for part in parts):
            raise Invalid(f"the artifact path {path[:200]!r} is not allowed; use plain names between slashes")
        return self.root.joinpath(*parts)


def _read(path: Path) -> Object:
    content = json.loads(path.read_bytes())
    return Object(content["oid"], content["size"])
