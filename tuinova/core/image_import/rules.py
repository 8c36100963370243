"""What a download may reach: schemes, addresses, sizes; as data and pure functions.

Whoever may make images could otherwise make the service read what only it can reach: a metadata service, the web face
of a router, a database on the loopback. So a name is resolved once, each address is looked at, and the connection goes
to the address that was looked at.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from tuinova.core.errors import DownloadRefused

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_PORTS: Final = {"http": 80, "https": 443}
_MAX_URL: Final = 2048
_PRINTABLE: Final = re.compile(r"[!-~]+")
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class DownloadRules:
    """The options of `[image]`; times in seconds.

    `private_hosts`: names, addresses and networks that may be reached though they are not public. `attempts`:
    connections one after another that may bring next to nothing before a download is given up.
    """

    allow_private_addresses: bool = False
    private_hosts: tuple[str, ...] = ()
    max_bytes: int = 256 << 30
    timeout: float = 60.0
    attempts: int = 5
    redirects: int = 5
    at_once: int = 3

    def permits(self, host: str, address: str) -> bool:
        """Whether a host may be reached at one of its addresses."""
        try:
            parsed = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        if parsed.is_multicast or parsed.is_unspecified:
            return False
        return self.allow_private_addresses or is_public(parsed) or self._is_listed(host, parsed)

    def _is_listed(self, host: str, address: Address) -> bool:
        for entry in self.private_hosts:
            if entry.lower() == host.lower():
                return True
            try:
                if address in ipaddress.ip_network(entry, strict=False):
                    return True
            except ValueError:
                continue  # a name
        return False


def is_public(address: Address) -> bool:
    """Whether an address is of the internet; one that carries another one inside is what that one is."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        carried = [address.sixtofour, *(address.teredo or ())]
        if address.is_site_local or any(one is not None and not is_public(one) for one in carried):
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


@dataclass(frozen=True, slots=True)
class Target:
    """A URL taken apart; `path` has the query with it."""

    url: str
    scheme: str
    host: str
    port: int
    path: str


def parse_url(text: str) -> Target:
    """A URL that may be fetched, as far as its text tells; raises DownloadRefused with the reason."""
    if len(text) > _MAX_URL:
        raise DownloadRefused(reason=f"a URL has at most {_MAX_URL} characters")
    if not _PRINTABLE.fullmatch(text):
        raise DownloadRefused(reason="a URL has only printable ASCII characters and no spaces")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise DownloadRefused(reason=str(error)) from error
    if parts.scheme not in _PORTS:
        raise DownloadRefused(reason=f"scheme {parts.scheme or 'none'!r} is none of http, https")
    if not host or "%" in host:
        raise DownloadRefused(reason="it names no host")
    if parts.username is not None or parts.password is not None:
        raise DownloadRefused(reason="it has a user or a password in it, which would be kept and shown")
    if port == 0:
        raise DownloadRefused(reason="port 0 is none")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts._replace(fragment="").geturl(), parts.scheme, host, port or _PORTS[parts.scheme], path)


def check_literal(rules: DownloadRules, target: Target) -> None:
    """Refuse an address that is written out in a URL and may not be reached; names are looked up by whoever fetches."""
    try:
        address = str(ipaddress.ip_address(target.host))
    except ValueError:
        if target.host != "localhost":
            return
        address = "127.0.0.1"
    if not rules.permits(target.host, address):
        raise forbidden_address(target.host, [address])


def forbidden_address(host: str, addresses: list[str]) -> DownloadRefused:
    """The refusal of a host none of whose addresses may be reached."""
    where = host if host in addresses else f"{host} ({', '.join(addresses[:4])})"
    return DownloadRefused(reason=f"{where} is no public address: [image] allow_private_addresses, private_hosts")
