"""What an image is, read from its manifest and its configuration (OCI image specification v1.1).

https://github.com/opencontainers/image-spec. Every digest is computed from what came: of a tag the registry's answer is
what is pinned, of everything below it must be what was named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from orrery.controllers.registries import (
    MAX_CONFIG_BYTES,
    MAX_MANIFEST_BYTES,
    Answer,
    Json,
    Registry,
    RegistryProblem,
    digest_of,
    parse_json,
)
from orrery.domain.image_addresses import ImageAddress

_INDEXES: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_MANIFESTS: Final = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_CONFIGS: Final = (
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
)
_ACCEPT: Final = ", ".join((*_INDEXES, *_MANIFESTS))
MAX_LAYERS: Final = 1000


@dataclass(frozen=True)
class ImageContents:
    #: of what the address names: an index, or the manifest itself
    digest: str
    #: of all layers, packed
    size_bytes: int
    labels: Mapping[str, str]
    #: when it was built, as it says
    created: str | None


def read_image(registry: Registry, address: ImageAddress, platform: str, max_bytes: int) -> ImageContents:
    """Ask the registry what the image is. Raises: RegistryProblem."""
    answer = registry.get(address.repository, f"manifests/{address.reference}", _ACCEPT, MAX_MANIFEST_BYTES)
    digest = digest_of(answer.content)
    told = answer.headers.get("docker-content-digest")
    if told is not None and told.startswith("sha256:") and told != digest:
        raise _forged(f"the manifest of {address}", told, digest)
    if address.digest is not None and address.digest != digest:
        raise _forged(f"the manifest of {address}", address.digest, digest)
    manifest, is_index = _manifest(answer, address)
    if is_index:
        chosen = _of_platform(manifest, platform, address)
        answer = _named(registry, address, chosen, "manifests", _ACCEPT, MAX_MANIFEST_BYTES)
        manifest, is_index = _manifest(answer, address)
        if is_index:
            raise _odd(address, "an index within an index")
    size = _size_of_layers(manifest, address)
    if size > max_bytes:
        raise RegistryProblem(
            "too_large", f"{address} has {size / 1e9:.1f} GB; at most {max_bytes / 1e9:.1f} GB are taken here"
        )
    named = _mapping(manifest.get("config"))
    if named.get("mediaType") not in _CONFIGS:
        raise _odd(address, "no configuration of a container")
    read = _named(registry, address, named, "blobs", ", ".join(_CONFIGS), MAX_CONFIG_BYTES)
    return _contents(parse_json(read.content, f"the configuration of {address}"), digest, size, platform, address)


def _manifest(answer: Answer, address: ImageAddress) -> tuple[Json, bool]:
    """The document, and whether it is an index. Raises: RegistryProblem for what is neither."""
    document = parse_json(answer.content, f"the manifest of {address}")
    sent = answer.headers.get("content-type", "").partition(";")[0].strip()
    media_type = document.get("mediaType") or sent
    if document.get("schemaVersion") != 2 or media_type not in (*_INDEXES, *_MANIFESTS):
        raise _odd(address, f"a manifest of type {media_type!r}")
    is_index = media_type in _INDEXES
    if is_index != ("manifests" in document) or is_index == ("config" in document):
        raise _odd(address, "a manifest that may be read in two ways")
    return document, is_index


def _of_platform(index: Json, platform: str, address: ImageAddress) -> Json:
    system, _, architecture = platform.partition("/")
    there: list[str] = []
    for entry in map(_mapping, _list(index.get("manifests"))):
        made_for = _mapping(entry.get("platform"))
        if (made_for.get("os"), made_for.get("architecture")) == (system, architecture):
            return entry
        there.append(f"{made_for.get('os')}/{made_for.get('architecture')}")
    known = ", ".join(sorted(set(there) - {"unknown/unknown"})[:8]) or "nothing"
    raise RegistryProblem("wrong_platform", f"{address} is made for {known}; build it for {platform} and push it again")


def _named(registry: Registry, address: ImageAddress, entry: Json, kind: str, accept: str, limit: int) -> Answer:
    """What a descriptor names, if it is what it names."""
    digest, size = entry.get("digest"), entry.get("size")
    if not isinstance(digest, str) or not isinstance(size, int) or not digest.startswith("sha256:"):
        raise _odd(address, "a part without its digest and size")
    if len(digest) != 71 or not digest[7:].isalnum():
        raise _odd(address, f"a part with the digest {digest[:80]!r}")
    if size > limit:
        raise RegistryProblem("too_large", f"{address} describes itself in {size:,} bytes; at most {limit:,} are read")
    answer = registry.get(address.repository, f"{kind}/{digest}", accept, limit)
    found = digest_of(answer.content)
    if found != digest:
        raise _forged(f"a part of {address}", digest, found)
    return answer


def _size_of_layers(manifest: Json, address: ImageAddress) -> int:
    layers = _list(manifest.get("layers"))
    sizes = [size for layer in layers if isinstance(size := _mapping(layer).get("size"), int) and size >= 0]
    if not layers or len(layers) > MAX_LAYERS:
        raise _odd(address, f"{len(layers)} layers")
    if len(sizes) != len(layers):
        raise _odd(address, "a layer without its size")
    return sum(sizes)


def _contents(config: Json, digest: str, size: int, platform: str, address: ImageAddress) -> ImageContents:
    made_for = f"{config.get('os')}/{config.get('architecture')}"
    if made_for != platform:
        raise RegistryProblem("wrong_platform", f"{address} is made for {made_for}; build it for {platform}")
    labels = _mapping(_mapping(config.get("config")).get("Labels"))
    created = config.get("created")
    return ImageContents(
        digest=digest,
        size_bytes=size,
        labels={name: str(value)[:200] for name, value in labels.items()},
        created=created if isinstance(created, str) and len(created) < 64 else None,
    )


def _mapping(value: Any) -> Json:
    return value if isinstance(value, dict) else {}  # pyright: ignore[reportUnknownVariableType]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []  # pyright: ignore[reportUnknownVariableType]


def _odd(address: ImageAddress, what: str) -> RegistryProblem:
    return RegistryProblem("no_image", f"{address} is no container image that can be used: it has {what}")


def _forged(what: str, named: str, found: str) -> RegistryProblem:
    return RegistryProblem(
        "digest_mismatch",
        f"{what} is not what it should be: its digest is {found}, not {named}; "
        "it was damaged or changed on its way: push the image again",
    )
