"""Which hosts the platform may ask in a user's name, and by which address.

Whoever registers an image has the platform send requests. It asks public addresses only, unless an administrator has
named the host: not itself, not its neighbours, no cloud's metadata. A name is looked up once and the address that was
judged is the one connected to, so that a second look-up cannot answer otherwise (DNS rebinding).
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from typing import Final

import httpx

from orrery.controllers.settings import ImageSettings

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
    """The rules of one platform."""

    def __init__(self, settings: ImageSettings) -> None:
        self._private = frozenset(settings.private_registries)
        self._insecure = frozenset(settings.insecure_registries)

    def base_url(self, registry: str) -> str:
        host = "registry-1.docker.io" if registry == "docker.io" else registry
        return f"{'http' if registry in self._insecure else 'https'}://{host}"

    def way_to(self, url: httpx.URL) -> Way:
        """Raises: HostRefused; OSError where the name is not known."""
        host = host_of(url)
        if url.scheme != "https" and not (url.scheme == "http" and host in self._insecure):
            raise HostRefused(f"{url.scheme}://{host} is not asked: only https is, unless an administrator allows it")
        port = url.port or (443 if url.scheme == "https" else 80)
        found = [str(entry[4][0]) for entry in socket.getaddrinfo(url.host, port, type=socket.SOCK_STREAM)]
        if host not in self._private and not all(is_public(address) for address in found):
            raise HostRefused(
                f"{host} is at an address that is not public ({found[0]}); "
                "an administrator can allow it (ORRERY_IMAGES__PRIVATE_REGISTRIES)"
            )
        return Way(
            url=url.copy_with(host=found[0].partition("%")[0], port=port),
            headers={"Host": host},
            extensions={"sni_hostname": url.host},
        )
