"""The files of resources in YAML: what `orrery export` writes instead of object ids, and `orrery apply` sends.

    spec:
      files:
      - {path: train.py, content: "print('hello')"}      # a text, in the document itself
      - {path: weights.bin, from: files/forest/weights.bin}   # relative to the document's folder

An id means something on the platform alone that has the object. A document is not to be trusted: `from` never leads out
of its folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final, cast

from orrery.client.manifests import Manifest
from orrery.client.resources import Json, Resource
from orrery.client.transport import segment
from orrery.client.uploads import Planned, upload_files
from orrery.errors import Invalid

if TYPE_CHECKING:
    from orrery.client.client import Client

#: of one resource, so much text is written into the document itself
INLINE_BYTES: Final = 256 << 10


def with_files(resource: Resource, document: Json, folder: Path | None) -> Json:
    """The exported document with its files' contents, or with where they were saved below `folder`.

    What the platform fetches from a source by itself is left out. Raises: Invalid for what needs a folder.
    """
    spec: Json = document["spec"]
    if spec.get("source"):
        spec = {name: value for name, value in spec.items() if name not in ("files", "commit")}
        return {**document, "spec": spec}
    files = _entries(spec.get("files"))
    if not files:
        return document
    if folder is not None:
        saved = [{"path": file["path"], "from": _save(resource, file["path"], folder)} for file in files]
        return {**document, "spec": {**spec, "files": saved}}
    size = sum(int(file.get("size", 0)) for file in files)
    if size > INLINE_BYTES:
        raise _needs_folder(resource, f"{size:,} bytes of files, more than the {INLINE_BYTES:,} that go into YAML")
    texts = [{"path": file["path"], "content": _read_text(resource, file["path"])} for file in files]
    return {**document, "spec": {**spec, "files": texts}}


def send_files(client: Client, manifests: Sequence[Manifest], folder: Path | None) -> list[Manifest]:
    """The documents with object ids: what they hold or name is uploaded. `folder`: theirs; None: they lie in none.

    Raises: Invalid for a file that is not there or leads out of the folder.
    """
    sent: list[Manifest] = []
    for manifest in manifests:
        files = _entries(manifest.spec.get("files"))
        planned = [_plan(manifest, file, folder) for file in files]
        new = iter(upload_files(client.transport, [one for one in planned if one is not None]))
        known = [file if one is None else next(new) for file, one in zip(files, planned, strict=True)]
        sent.append(replace(manifest, spec={**manifest.spec, "files": known}) if files else manifest)
    return sent


def _entries(files: Any) -> list[Json]:
    """The list, where it is one of files; what is no such list is the platform's to refuse."""
    entries = cast("list[Any]", files) if isinstance(files, list) else []
    is_whole = all(isinstance(entry, dict) and isinstance(cast("Json", entry).get("path"), str) for entry in entries)
    return entries if is_whole else []


def _plan(manifest: Manifest, file: Json, folder: Path | None) -> Planned | None:
    """What is uploaded for an entry; None: it has an object's id already."""
    path = file["path"]
    ways = [way for way in ("oid", "content", "from") if file.get(way) is not None]
    if len(ways) != 1:
        raise Invalid(f"{manifest.label}: file {path!r} needs one of content, from and oid, and has {len(ways)}")
    given = file[ways[0]]
    if not isinstance(given, str):
        raise Invalid(f"{manifest.label}: {ways[0]} of file {path!r} is {given!r}; it is a text")
    if ways == ["oid"]:
        return None
    if ways == ["content"]:
        return Planned(path, given.encode())
    if folder is None:
        message = f"{manifest.label}: file {path!r} is from {given!r}, beside the document"
        raise Invalid(f"{message}: apply it with `orrery apply -f FILE`")
    source = (folder / given).resolve()
    if not source.is_relative_to(folder.resolve()):
        raise Invalid(f"{manifest.label}: file {path!r} is from {given!r}, which leads out of the document's folder")
    if not source.is_file():
        raise Invalid(f"{manifest.label}: there is no file {given!r} beside the document, for {path!r}")
    return Planned(path, source)


def _save(resource: Resource, path: str, folder: Path) -> str:
    place = PurePosixPath(resource.kind, resource.name, path)
    if ".." in place.parts or place.is_absolute():
        raise Invalid(f"{resource.qualified_name} has a file {path!r}, which leads out of a folder; it is not saved")
    target = folder / place
    target.parent.mkdir(parents=True, exist_ok=True)
    resource.download(path, target)
    return target.as_posix()


def _read_text(resource: Resource, path: str) -> str:
    quoted = "/".join(segment(part) for part in path.split("/"))
    content = resource.client.transport.request("GET", f"{resource.path}/files/{quoted}").content
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise _needs_folder(resource, f"a file {path!r} that is no text") from None


def _needs_folder(resource: Resource, what: str) -> Invalid:
    return Invalid(
        f"{resource.kind} {resource.qualified_name} has {what}; save them in a folder beside the YAML: "
        f"orrery export {resource.kind} {resource.name} --files files"
    )
