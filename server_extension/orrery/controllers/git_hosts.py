"""Which hosts Git may ask: those that archives may be fetched from, at the address that was judged.

Git resolves names and follows redirects by itself. Here the name is looked up and judged first, and Git is given that
one address for it; a redirect is not followed by Git but read here, and what it leads to is judged like the first.
Where the administrator has set a proxy for a host, the proxy decides what may be reached: names are its own to resolve.
"""

from __future__ import annotations

import urllib.request
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin

import httpx

from orrery.controllers.bounded_http import REDIRECTS, BoundedHttp
from orrery.controllers.hosts import Hosts, host_of
from orrery.controllers.settings import SourceSettings

#: what Git asks first of a repository, under its address
_ASKED: Final = "/info/refs?service=git-upload-pack"


@dataclass(frozen=True)
class JudgedUrl:
    """An address that Git may ask; `resolve` is its `http.curloptResolve`, empty where nothing is to be resolved."""

    url: str
    resolve: str = ""


class GitHosts:
    """The hosts of one platform, by its settings; plain http is a matter of the protocols that are allowed."""

    def __init__(self, settings: SourceSettings) -> None:
        self._settings = settings

    def judge(self, url: str) -> JudgedUrl:
        """Raises: HostRefused; OSError where the name is not known; httpx.InvalidURL."""
        parsed = httpx.URL(url)
        if parsed.scheme not in ("http", "https") or _goes_through_a_proxy(parsed):
            return JudgedUrl(url)
        way = self._hosts(parsed).way_to(parsed)
        if way.url.host == parsed.host:
            return JudgedUrl(url)
        address = f"[{way.url.host}]" if ":" in way.url.host else way.url.host
        return JudgedUrl(url, f"{parsed.host}:{way.url.port}:{address}")

    def redirected(self, url: str, seconds: float) -> str | None:
        """Where the repository at `url` is said to lie instead; None where that is not told.

        Raises: HostRefused, TimeIsUp, OSError, httpx.TransportError, httpx.InvalidURL.
        """
        asked = httpx.URL(url + _ASKED)
        with BoundedHttp(self._hosts(asked), seconds) as http, http.get(asked, {}) as answer:
            leads = urljoin(str(asked), answer.headers.get("location", ""))
            if answer.status_code not in REDIRECTS or not leads.endswith(_ASKED):
                return None
        return leads.removesuffix(_ASKED)

    def _hosts(self, url: httpx.URL) -> Hosts:
        insecure = [host_of(url)] if url.scheme == "http" else []
        return Hosts(self._settings.private_hosts, insecure, "ORRERY_SOURCES__PRIVATE_HOSTS")


def _goes_through_a_proxy(url: httpx.URL) -> bool:
    return url.scheme in urllib.request.getproxies_environment() and not urllib.request.proxy_bypass(url.host)
