"""Which hosts the platform may ask in a user's name, and by which address.

Whoever registers an image, or takes code from an archive, has the platform send requests. It asks public addresses
only, unless an administrator has named the host: not itself, not its neighbours, no cloud's metadata. A name is looked
up once and the address that was judged is the one connected to, so that a second look-up cannot answer otherwise (DNS
rebinding).
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import httpx

_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")


class HostRefused(Exception):
    """Why a host is not asked, in words for whoever named it."""


@dataclass(frozen=True)
class Way:
    """How a URL is asked: at a judged address, under its own name."""

    url: httpx.URL
    headers: dict[str, str]
    extensions: dict[str, str]


def is_public(address: str) -> bool:
    """Whether anybody on the internet could reach it; an address inside another counts as what it leads to."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if found in _NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return found.is_global and not found.is_multicast


def host_of(url: httpx.URL) -> str:
    """`host`, or `host:port` where the port is not the protocol's own."""
    name = f"[{url.host}]" if ":" in url.host else url.host
    return f"{name}:{url.port}" if url.port is not None else name


class Hosts:
    """The rules of one platform.

    `private`: hosts that may be asked although their addresses are not public; `insecure`: those asked by plain http.
    `setting` is how an administrator allows a private one.
    """

    def __init__(self, private: Iterable[str], insecure: Iterable[str], setting: str) -> None:
        self._private = frozenset(private)
        self._insecure = frozenset(insecure)
        self._setting = setting

    def is_insecure(self, host: str) -> bool:
        return host in self._insecure

    def check_scheme(self, url: httpx.URL) -> None:
        """What can be told without asking anybody. Raises: HostRefused."""
        host = host_of(url)
        if url.scheme != "https" and not (url.scheme == "http" and host in self._insecure):
            raise HostRefused(f"{url.scheme}://{host} is not asked: only https is, unless an administrator allows it")

    def way_to(self, url: httpx.URL) -> Way:
        """Raises: HostRefused; OSError where the name is not known."""
        self.check_scheme(url)
        host = host_of(url)
        port = url.port or (443 if url.scheme == "https" else 80)
        found = [str(entry[4][0]) for entry in socket.getaddrinfo(url.host, port, type=socket.SOCK_STREAM)]
        if host not in self._private and not all(is_public(address) for address in found):
            raise HostRefused(
                f"{host} is at an address that is not public ({found[0]}); "
                f"an administrator can allow it ({self._setting})"
            )
        return Way(
            url=url.copy_with(host=found[0].partition("%")[0], port=port),
            headers={"Host": host},
            extensions={"sni_hostname": url.host},
        )
