"""Code from a published dataset: a folder of its files, which are in the object store already."""

from __future__ import annotations

from orrery.controllers.archives import refused
from orrery.controllers.fetches import Fetched
from orrery.controllers.settings import SourceSettings
from orrery.domain.datasets import DatasetFile
from orrery.domain.records import Record
from orrery.domain.sources import MAX_FILES, DatasetSource
from orrery.executors.words import human_bytes
from orrery.store.objects import ObjectStore


def fetch(objects: ObjectStore, source: DatasetSource, version: Record, settings: SourceSettings) -> Fetched:
    """Raises: Invalid with what to do about it; NotFound for an object that is lost."""
    prefix = f"{source.path}/" if source.path else ""
    files = [
        DatasetFile(path=file["path"].removeprefix(prefix), oid=file["oid"], size=file["size"], purpose=None)
        for file in version.spec["files"]
        if file["path"].startswith(prefix)
    ]
    if not files:
        raise refused(f"there is no folder {source.path!r} in {version.label}")
    if len(files) > MAX_FILES:
        raise refused(f"{len(files):,} files are more than {MAX_FILES:,}; choose a folder of it with `path`")
    if sum(file.size for file in files) > settings.max_unpacked_bytes:
        most = human_bytes(settings.max_unpacked_bytes)
        raise refused(f"it has more than {most}; keep data out of it, or choose a folder of it with `path`")
    return Fetched([file for file in files if objects.claim(file.oid)])
