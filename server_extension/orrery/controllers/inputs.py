"""Dataset versions as the files that a job or an app finds beside it."""

from __future__ import annotations

import io
import json

from orrery.domain.records import Record
from orrery.executors.contract import InputFile
from orrery.store.objects import ObjectStore


def dataset_files(objects: ObjectStore, name: str, version: Record) -> list[InputFile]:
    """The version's files below `datasets/NAME`, and `dataset.json` that lists them with their format and purposes."""
    listing = {
        "format": version.spec["format"],
        "files": [{"path": file["path"], "purpose": file["purpose"]} for file in version.spec["files"]],
    }
    described = objects.put(io.BytesIO(json.dumps(listing).encode()))
    files = [InputFile(f"datasets/{name}/{file['path']}", file["oid"]) for file in version.spec["files"]]
    return [*files, InputFile(f"datasets/{name}/dataset.json", described.oid)]
