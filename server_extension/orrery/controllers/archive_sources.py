"""Code from an archive at an address: fetched within limits, checked, unpacked into the object store."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import IO

import httpx

from orrery.controllers.archives import refused, unpack
from orrery.controllers.bounded_http import MAX_REDIRECTS, REDIRECTS, BoundedHttp, TimeIsUp
from orrery.controllers.fetches import Fetched, Progress
from orrery.controllers.hosts import HostRefused, Hosts, host_of
from orrery.controllers.settings import SourceSettings
from orrery.domain.sources import ArchiveSource
from orrery.executors.words import human_bytes
from orrery.store.objects import ObjectStore


def hosts_of(settings: SourceSettings) -> Hosts:
    return Hosts(settings.private_hosts, settings.insecure_hosts, "ORRERY_SOURCES__PRIVATE_HOSTS")


def check_address(source: ArchiveSource, settings: SourceSettings) -> None:
    """What can be told without asking anybody. Raises: Invalid."""
    try:
        hosts_of(settings).check_scheme(httpx.URL(source.url))
    except HostRefused as error:
        raise refused(f"{error}") from error
    except httpx.InvalidURL as error:
        raise refused(f"{source.url!r} is no address ({error}); write https://host/code.zip") from error


def fetch(
    objects: ObjectStore, source: ArchiveSource, token: str | None, settings: SourceSettings, progress: Progress
) -> Fetched:
    """Raises: Invalid with what to do about it; Dropped."""
    with tempfile.TemporaryDirectory(prefix="orrery-archive-") as folder:
        packed = Path(folder) / "archive"
        with packed.open("wb") as stream:
            digest = _Download(source, token, settings, progress).save(stream)
        if source.sha256 and digest != source.sha256:
            raise refused(
                f"{source.url} has the SHA-256 {digest}, not {source.sha256}: it is not the archive that was meant; "
                "check where it comes from before you change what is asked"
            )
        files = unpack(packed, source.path, objects, settings.max_unpacked_bytes, progress.tell)
    return Fetched(files, digest)


class _Download:
    def __init__(self, source: ArchiveSource, token: str | None, settings: SourceSettings, progress: Progress) -> None:
        self._source = source
        self._token = token
        self._settings = settings
        self._progress = progress

    def save(self, to: IO[bytes]) -> str:
        """The sha256 of what was written. Raises: Invalid, Dropped."""
        source, settings = self._source, self._settings
        try:
            with BoundedHttp(hosts_of(settings), settings.timeout_seconds) as http:
                self._progress.on_drop(http.hang_up)
                try:
                    return self._follow(http, httpx.URL(source.url), to)
                except (httpx.TransportError, OSError):
                    # cut because there was no time left?
                    http.left()
                    raise
        except HostRefused as error:
            raise refused(f"{error}") from error
        except (httpx.TimeoutException, TimeIsUp) as error:
            self._progress.check()
            raise refused(
                f"{source.url} did not come within {settings.timeout_seconds:g} seconds; "
                "try again later, or choose a smaller archive"
            ) from error
        except (httpx.TransportError, httpx.InvalidURL, OSError, ValueError) as error:
            self._progress.check()
            raise refused(f"{source.url} cannot be reached ({error}); check the address, or try again later") from error

    def _follow(self, http: BoundedHttp, url: httpx.URL, to: IO[bytes]) -> str:
        first = (url.scheme, host_of(url))
        for _ in range(MAX_REDIRECTS + 1):
            headers: dict[str, str] = {}
            if self._token and (url.scheme, host_of(url)) == first:
                headers["Authorization"] = f"Bearer {self._token}"
            self._progress.tell(f"asks {host_of(url)}")
            with http.get(url, headers) as answer:
                if answer.status_code in REDIRECTS and answer.headers.get("location"):
                    url = url.join(answer.headers["location"])
                    continue
                self._check(answer, url)
                return self._copy(http, answer, to)
        raise refused(f"{self._source.url} leads on more than {MAX_REDIRECTS} times; give the address of the archive")

    def _check(self, answer: httpx.Response, url: httpx.URL) -> None:
        status = answer.status_code
        if status in (401, 403):
            remedy = (
                "check the token in that secret" if self._token else "give the name of a secret with a token for it"
            )
            raise refused(f"{self._source.url} asks for a log-in ({status}): {remedy}")
        if status == 404:
            raise refused(f"there is nothing at {self._source.url} (404); check the address")
        if status != 200:
            raise refused(f"{host_of(url)} answered {status} for {self._source.url}; try again later")
        told = answer.headers.get("content-length", "")
        if told.isdecimal() and int(told) > self._settings.max_bytes:
            raise self._too_large()

    def _copy(self, http: BoundedHttp, answer: httpx.Response, to: IO[bytes]) -> str:
        digest, count = hashlib.sha256(), 0
        told = answer.headers.get("content-length", "")
        whole = int(told) if told.isdecimal() and int(told) else None
        for piece in answer.iter_raw():
            count += len(piece)
            if count > self._settings.max_bytes:
                raise self._too_large()
            digest.update(piece)
            to.write(piece)
            http.left()
            self._progress.tell(f"fetched {human_bytes(count)}", count / whole if whole and count <= whole else None)
        return digest.hexdigest()

    def _too_large(self) -> Exception:
        return refused(
            f"{self._source.url} is larger than {human_bytes(self._settings.max_bytes)}; keep data out of it, "
            "or have an administrator allow more (ORRERY_SOURCES__MAX_BYTES)"
        )
