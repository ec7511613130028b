"""Where an algorithm's code is taken from, where it was not uploaded: Git, an archive, a dataset's files, a storage."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Any, Final, Literal, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from orrery.domain.locations import LocationUri
from orrery.domain.references import DatasetVersionRef, SecretName

#: of the files taken, together
MAX_FILES: Final = 10_000


def _stays_inside(path: Any) -> Any:
    if not isinstance(path, str):
        return path
    parts = PurePosixPath(path.strip("/")).parts
    if ".." in parts or any(ord(letter) < 32 for letter in path):
        raise ValueError(f"{path!r} must be a folder inside it, without '..' or control characters")
    return "/".join(parts)


_Folder = Annotated[str, StringConstraints(max_length=500), BeforeValidator(_stays_inside)]
_SecretName = Annotated[SecretName, StringConstraints(max_length=63)]


class GitSource(BaseModel):
    """A folder of a Git repository at one revision."""

    model_config = ConfigDict(extra="forbid", title="Git repository")

    type: Literal["git"] = "git"
    url: str = Field(
        title="Repository",
        min_length=1,
        max_length=500,
        pattern=r"^[a-z][a-z0-9+.-]*://[^\s@?#]+$",
        description="Address of the repository, https://host/path.git, without user name or token.",
    )
    revision: str = Field(
        "",
        max_length=250,
        pattern=r"^([A-Za-z0-9_][A-Za-z0-9._/-]*)?$",
        description="A branch, a tag or a commit's full id. Empty: the repository's default branch.",
    )
    path: _Folder = Field("", title="Folder", description="The folder in it. Empty: all of it.")
    secret: _SecretName = Field(
        "", description="Of a private repository: the secret of yours that holds a token for it."
    )


class ArchiveSource(BaseModel):
    """A folder of a .zip or .tar.gz at an address."""

    model_config = ConfigDict(extra="forbid", title="Archive")

    type: Literal["archive"]
    url: str = Field(
        title="Address",
        min_length=1,
        max_length=500,
        pattern=r"^https?://[^\s@#]+$",
        description="Address of a .zip or .tar.gz, https://host/code.zip, without user name or password.",
    )
    sha256: Annotated[str, StringConstraints(pattern=r"^([0-9a-fA-F]{64})?$", to_lower=True, strip_whitespace=True)] = (
        Field(
            "",
            title="SHA-256",
            description="Of the archive, 64 hexadecimal digits: any other is refused then. Empty: whatever is there.",
        )
    )
    path: _Folder = Field(
        "",
        title="Folder",
        description="The folder in it. Empty: all of it, without the one folder around everything.",
    )
    secret: _SecretName = Field(
        "", description="Of a private archive: the secret of yours that holds a token for it (a bearer token)."
    )


class DatasetSource(BaseModel):
    """A folder of a published dataset."""

    model_config = ConfigDict(extra="forbid", title="Dataset")

    type: Literal["dataset"]
    dataset: DatasetVersionRef = Field(
        title="Dataset", min_length=1, max_length=250, description="A published dataset whose files are the code."
    )
    path: _Folder = Field("", title="Folder", description="The folder in it. Empty: all of it.")


class StorageSource(BaseModel):
    """A folder in object storage or on a NAS."""

    model_config = ConfigDict(extra="forbid", title="Storage")

    type: Literal["storage"]
    uri: LocationUri = Field(
        title="Address",
        min_length=1,
        description="The folder, obs://bucket/folder or nas://ID:/folder, in a storage that an administrator set up.",
    )


def with_type(source: Any) -> Any:
    """A source as it was written before there were several: Git. None for one that was left empty."""
    if not isinstance(source, dict):
        return source
    given = cast("dict[str, Any]", source)
    if "type" not in given:
        named = "dataset" if "dataset" in given else "storage" if "uri" in given else "git"
        given = {"type": named, **given}
    is_empty = not any(value for name, value in given.items() if name != "type")
    return None if is_empty and given["type"] == "git" else given


Source = GitSource | ArchiveSource | DatasetSource | StorageSource
AnySource = Annotated[Source, Field(discriminator="type")]
