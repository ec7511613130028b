"""Files from the platform to the disk: streamed, and whole or not there at all."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from orrery.client.transport import Transport


@contextmanager
def replacing(path: Path) -> Generator[IO[bytes]]:
    """A file that takes `path`'s place when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def download(transport: Transport, address: str, file_name: str, to: Path) -> Path:
    """Save `address` as `to`, or under `file_name` in the folder `to`."""
    target = to / file_name if to.is_dir() else to
    with transport.stream("GET", address) as response, replacing(target) as file:
        for chunk in response.iter_bytes():
            file.write(chunk)
    return target


def write_json(path: Path, document: Any) -> None:
    with replacing(path) as file:
        file.write(json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n")
