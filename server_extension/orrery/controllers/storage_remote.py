"""Object storage, or any other fsspec file system, as storage."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Generator, Iterator, Mapping
from typing import Any, BinaryIO, Self, cast

import fsspec  # pyright: ignore[reportMissingTypeStubs]

from orrery.errors import Invalid


@contextlib.contextmanager
def _as_os_error() -> Generator[None]:
    """Every driver has errors of its own (botocore's are no OSError): here they all are."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise OSError(f"{type(error).__name__}: {error}") from error


class RemoteFolder:
    def __init__(self, files: Any, root: str, below: str) -> None:
        """`files` is an fsspec `AbstractFileSystem` (fsspec ships no types); `root` must be there already."""
        self._files = files
        self._path = "/".join(filter(None, (root.rstrip("/"), below.rstrip("/"))))
        self._made = {root.rstrip("/")}

    @classmethod
    def at(cls, base: str, below: str, options: Mapping[str, Any]) -> Self:
        """`below` is never read as a URL: fsspec's go to other file systems by `::`.

        Raises: Invalid where the driver for the scheme is not installed, or the base is no URL.
        """
        try:
            files, root = cast("tuple[Any, str]", fsspec.url_to_fs(base, **options))  # pyright: ignore
        except (ImportError, ValueError) as error:
            raise Invalid(f"the storage behind {base!r} cannot be used: {error}; tell an administrator") from error
        return cls(files, root, below)

    def files(self) -> Iterator[tuple[str, int]]:
        with _as_os_error():
            self._files.invalidate_cache()
            try:
                found: dict[str, dict[str, Any]] = self._files.find(self._path, detail=True)
            except FileNotFoundError:
                return
        for path, info in found.items():
            # some file systems answer with a slash before it
            inside = path.lstrip("/").removeprefix(self._path.lstrip("/")).lstrip("/")
            # not the folder itself where it is a file, nor a name that no folder of ours can have
            if inside and not {"", ".", ".."}.intersection(inside.split("/")) and info.get("type") == "file":
                yield inside, int(info.get("size") or 0)

    def open(self, path: str) -> BinaryIO:
        with _as_os_error():
            return self._files.open(f"{self._path}/{path}", "rb")

    def write(self, path: str, source: BinaryIO) -> None:
        where = f"{self._path}/{path}"
        with _as_os_error():
            self._make(where.rpartition("/")[0])
            with self._files.transaction, self._files.open(where, "wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)

    def _make(self, folder: str) -> None:
        """Each folder below the root; never the root, which for object storage would be a new bucket."""
        if folder in self._made:
            return
        self._make(folder.rpartition("/")[0])
        with contextlib.suppress(FileExistsError):
            self._files.mkdir(folder, create_parents=False)
        self._made.add(folder)
