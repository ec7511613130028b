"""Addresses of folders in storage outside the platform: obs://bucket/folder, nas://ID:/folder, s3://, gs://, hf://."""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import AfterValidator, StringConstraints

_URI: Final = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<rest>[^/].*|/.+)", re.DOTALL)


def check_location(uri: str) -> str:
    """Without the slash at its end. Raises: ValueError."""
    found = _URI.fullmatch(uri)
    if found is None:
        raise ValueError(f"{uri!r} is no folder in a storage; it looks like obs://bucket/folder or nas://ID:/folder")
    if not uri.isprintable() or any(letter in uri for letter in "\\?#*[]"):
        raise ValueError(f"{uri!r} holds a letter that no folder here may have: \\ ? # * [ ], or one not printed")
    if "::" in uri or any(part in (".", "..") for part in found["rest"].split("/")):
        raise ValueError(f"{uri!r} leads out of its storage; leave '.', '..' and '::' out")
    head, _, userinfo = found["rest"].split("/", 1)[0].rpartition("@")
    if head:
        raise ValueError(f"{uri!r} seems to hold a log-in before {userinfo!r}: an administrator sets those up")
    return uri if uri.endswith(":/") else uri.rstrip("/")


#: a folder in a storage that an administrator has set up
LocationUri = Annotated[str, StringConstraints(max_length=500, strip_whitespace=True), AfterValidator(check_location)]
