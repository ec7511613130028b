"""Which platform a client talks to: the one asked for, the environment's, or the one running in `$ORRERY_HOME`."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from orrery.client.failures import NoPlatform
from orrery.errors import Invalid


@dataclass(frozen=True)
class Platform:
    """Where the platform is, and what opens it."""

    #: without a trailing slash; behind a hub with the prefix, such as `https://hub.example/services/orrery`
    url: str
    token: str | None = field(default=None, repr=False)
    #: the file that says so, read again when the platform moves; None: given by hand or by the environment
    source: Path | None = None
    #: the token is the caller's own choice, and stays when the file is read again
    is_token_given: bool = False

    @property
    def api(self) -> str:
        return f"{self.url}/api/v1"


def public_url(url: str) -> str:
    """Where a browser reaches the platform at `url`: inside a notebook's server that is the hub's public address."""
    public = os.environ.get("ORRERY_PUBLIC_URL", "").rstrip("/")
    is_own = url == os.environ.get("ORRERY_URL", "").rstrip("/").removesuffix("/api/v1")
    return public if public and is_own else url


def orrery_home(home: str | os.PathLike[str] | None = None) -> Path:
    return Path(home or os.environ.get("ORRERY_HOME") or "~/.orrery").expanduser()


def platform_file(home: str | os.PathLike[str] | None = None) -> Path:
    """Written by a running platform, readable by its user alone."""
    return orrery_home(home) / "run" / "platform.json"


def find_platform(url: str | None = None, token: str | None = None) -> Platform:
    """Raises: NoPlatform when none is known, Invalid for a URL that is none."""
    url = url or os.environ.get("ORRERY_URL") or None
    token = token or os.environ.get("ORRERY_TOKEN") or None
    if url is None:
        running = read_platform_file(platform_file())
        return running if token is None else replace(running, token=token, is_token_given=True)
    if not url.startswith(("http://", "https://")):
        raise Invalid(f"{url!r} is no address of a platform; it begins with http:// or https://")
    url = url.rstrip("/").removesuffix("/api/v1")
    return Platform(url, token or _token_of(url))


def read_platform_file(path: Path) -> Platform:
    """Raises: NoPlatform."""
    try:
        document: dict[str, Any] = json.loads(path.read_text())
        return Platform(str(document["url"]).rstrip("/"), document.get("token"), path)
    except FileNotFoundError:
        raise NoPlatform(
            f"no platform is running in {path.parent.parent}; start one with `orrery up`, "
            "or set ORRERY_URL and ORRERY_TOKEN to use another"
        ) from None
    except PermissionError:
        raise NoPlatform(f"{path} may not be read by you; set ORRERY_URL and ORRERY_TOKEN instead") from None
    except (ValueError, KeyError, TypeError) as error:
        raise NoPlatform(f"{path} is damaged ({error}); start the platform again with `orrery up`") from error


def _token_of(url: str) -> str | None:
    """The token of the platform that runs here, when that is the one at `url`."""
    try:
        running = read_platform_file(platform_file())
    except NoPlatform:
        return None
    return running.token if running.url == url else None
