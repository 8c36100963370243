"""Sockets on the bridges of this machine: one for each network, deaf to everything that comes in elsewhere."""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import dataclass
from pathlib import Path

from tuinova.core.guest_facts import METADATA_ADDRESS
from tuinova.metadata.ways import NoWay

PORT = 80
_IP_TRANSPARENT = 19
_RTMGRP_LINK = 1
_NEIGHBOURS = Path("/proc/net/arp")
_COMPLETE = 0x2


@dataclass(frozen=True, slots=True)
class Link:
    """The network of a host, and the interface on which its guests ask; a new interface of the name is another link."""

    host: str
    network: str
    interface: str
    index: int


def links_of(host: str, interfaces: dict[str, str]) -> set[Link]:
    """The links of a host whose interface is on this machine now."""
    found = set()
    for network, interface in interfaces.items():
        try:
            found.add(Link(host, network, interface, socket.if_nametoindex(interface)))
        except OSError:
            continue  # the interface of a network that just went, or of another machine
    return found


def listen(interface: str, address: str = METADATA_ADDRESS, port: int = PORT) -> socket.socket:
    """A socket that hears only what comes in on the interface; raises OSError where that is not allowed.

    The address is not one of this machine (see `ways`), so it takes a transparent socket to answer from it.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if address == METADATA_ADDRESS:
            listener.setsockopt(socket.IPPROTO_IP, _IP_TRANSPARENT, 1)
        listener.bind((address, port))
        listener.listen(128)
    except BaseException:
        listener.close()
        raise
    return listener


def watch_links() -> socket.socket:
    """A socket on which the kernel says that an interface came, went or changed; what it says is not read."""
    watch = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, 0)
    try:
        watch.bind((0, _RTMGRP_LINK))
    except BaseException:
        watch.close()
        raise
    return watch


def drain(watch: socket.socket) -> None:
    """Read what has come, also where there was more than the kernel could keep."""
    while True:
        try:
            if not watch.recv(65536):
                return
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise


def neighbour(interface: str, address: str, table: Path = _NEIGHBOURS) -> str | None:
    """The MAC address that answers for an address on an interface, as the kernel knows it; None: it does not say."""
    try:
        lines = table.read_text().splitlines()[1:]
    except OSError:
        return None
    for line in lines:
        fields = line.split()
        if len(fields) >= 6 and fields[0] == address and fields[5] == interface and int(fields[2], 16) & _COMPLETE:
            return fields[3].lower()
    return None


def why_not(error: OSError) -> str:
    """A sentence about why a socket can't be had."""
    if error.errno in (errno.EPERM, errno.EACCES):
        return "only root, or a service with CAP_NET_ADMIN, CAP_NET_RAW and CAP_NET_BIND_SERVICE, may listen there"
    if isinstance(error, NoWay):
        return str(error)
    return os.strerror(error.errno or 0)
