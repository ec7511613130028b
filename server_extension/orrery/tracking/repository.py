"""MLflow's side of the artifacts: an artifact repository over the platform's object store. Runs in MLflow's process."""

from __future__ import annotations

import posixpath
from collections.abc import AsyncIterable
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import unquote, urlsplit

from anyio import to_thread
from mlflow.entities import FileInfo
from mlflow.store.artifact import artifact_repository_registry as registry
from mlflow.store.artifact.artifact_repo import ArtifactRepository, StreamUploadMixin

from orrery.store.objects import Object, ObjectStore
from orrery.tracking.artifacts import ArtifactTree

SCHEME = "orrery-artifacts"


class ObjectArtifactRepository(ArtifactRepository, StreamUploadMixin):
    """`orrery-artifacts:///tree`: paths are those of the tree, bytes are the store's."""

    objects: ObjectStore

    def __init__(self, artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None) -> None:
        super().__init__(artifact_uri, tracking_uri, registry_uri)
        self._tree = ArtifactTree(Path(unquote(urlsplit(artifact_uri).path)))

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
        self._name(self.objects.put(Path(local_file)), posixpath.basename(local_file), artifact_path)

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
        root = Path(local_dir)
        for path in root.rglob("*"):
            if path.is_file():
                self._name(self.objects.put(path), path.relative_to(root).as_posix(), artifact_path)

    def log_artifact_from_stream(
        self, stream: BinaryIO, artifact_file_name: str, artifact_path: str | None = None
    ) -> None:
        self._name(self.objects.put(stream), artifact_file_name, artifact_path)

    async def log_artifact_from_async_stream(
        self, chunks: AsyncIterable[bytes], artifact_file_name: str, artifact_path: str | None = None
    ) -> None:
        writer = await to_thread.run_sync(self.objects.writer)
        with writer:
            async for chunk in chunks:
                await to_thread.run_sync(writer.write, chunk)
            stored = await to_thread.run_sync(writer.commit)
        await to_thread.run_sync(self._name, stored, artifact_file_name, artifact_path)

    def list_artifacts(self, path: str | None = None) -> list[FileInfo]:
        return [
            FileInfo(posixpath.join(path or "", found.name), found.stored is None, found.stored and found.stored.size)
            for found in self._tree.list(path or "")
        ]

    def delete_artifacts(self, artifact_path: str | None = None) -> None:
        self._tree.remove(artifact_path or "")

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        self.objects.fetch(self._tree.get(remote_file_path).oid, Path(local_path))

    def _name(self, stored: Object, name: str, folder: str | None) -> None:
        self._tree.put(posixpath.join(folder or "", name), stored)


def install(objects: ObjectStore) -> None:
    """Make this the only repository that MLflow's server can open.

    A client may name any location for its artifacts; were MLflow's own repositories there, `file:///` would show the
    server's files, `s3://` would use its credentials and `http://` its network.
    """
    ObjectArtifactRepository.objects = objects
    registered = cast("dict[str, Any]", registry.get_registered_artifact_repositories())
    registered.clear()
    registered[SCHEME] = ObjectArtifactRepository
