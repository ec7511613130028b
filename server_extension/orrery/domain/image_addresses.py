"""Addresses of container images, read strictly by the grammar of the OCI distribution and of Docker's references.

https://github.com/distribution/reference/blob/main/reference.go: `[host[:port]/]path[:tag][@digest]`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

#: what a name without a host means to every container engine
DOCKER_HUB: Final = "docker.io"
MAX_NAME: Final = 255

_LABEL = r"(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9])"
_HOST: Final = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{{1,5}})?")
_PART: Final = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_TAG: Final = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class ImageAddress:
    """Where an image is. A digest, where there is one, counts; the tag beside it is for people."""

    #: `host` or `host:port`, in lower case
    registry: str
    repository: str
    tag: str | None = None
    digest: str | None = None

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.registry}/{self.repository}{tag}{digest}"

    @property
    def reference(self) -> str:
        """What a manifest is asked by."""
        return self.digest or self.tag or ""

    def pinned(self, digest: str) -> str:
        """The same image for good, whatever its tag comes to mean."""
        return f"{self.registry}/{self.repository}@{digest}"


def check_registry(text: str) -> str:
    """The host of a registry in lower case. Raises: ValueError."""
    host = text.strip().lower()
    if _HOST.fullmatch(host) is None or not _is_port(host):
        remedy = "write its host, with a port where it needs one, and no https:// or path: ghcr.io, localhost:5000"
        raise ValueError(f"{text!r} is no registry; {remedy}")
    return DOCKER_HUB if host in ("index.docker.io", "registry-1.docker.io") else host


def parse_image_address(text: str) -> ImageAddress:
    """A short name such as `ubuntu:22.04` is Docker Hub's. Raises: ValueError with the part that is wrong."""
    given = text.strip()
    if "://" in given:
        raise ValueError(f"{text!r} begins with a protocol; leave it away: registry/repository:tag")
    rest, at, digest = given.partition("@")
    if at and _DIGEST.fullmatch(digest) is None:
        raise ValueError(f"{digest!r} is no digest; after '@' comes sha256: and 64 digits of 0-9 and a-f")
    name, colon, tag = rest.rpartition(":")
    if not colon or "/" in tag:
        name, tag = rest, ""
    elif _TAG.fullmatch(tag) is None:
        raise ValueError(
            f"{tag!r} is no tag: use up to 128 letters, digits, '_', '.' or '-', and begin with none of .-"
        )
    first, slash, others = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost" or first != first.lower()):
        registry, repository = check_registry(first), others
    else:
        registry, repository = DOCKER_HUB, name if slash else f"library/{name}"
    for part in repository.split("/"):
        if _PART.fullmatch(part) is None:
            raise ValueError(
                f"{part!r} in {text!r} is no part of a repository's name: use lower-case letters and digits, "
                "with '.', '_' or '-' between them; an address is registry/repository:tag"
            )
    if len(f"{registry}/{repository}") > MAX_NAME:
        raise ValueError(f"the name has more than {MAX_NAME} characters, which no registry takes")
    if not tag and not digest:
        raise ValueError(f"{text!r} says neither tag nor digest; write which one: {given}:1.0, or {given}@sha256:...")
    return ImageAddress(registry, repository, tag or None, digest or None)


def _is_port(host: str) -> bool:
    _, colon, port = host.rpartition(":")
    return not colon or not port.isdecimal() or 0 < int(port) < 65_536
