"""Ports of the host that lead into guests with user-mode networking: QEMU's own forwards, changed while it runs.

libvirt's XML has a word for them only with passt; QEMU's monitor has one in every version. They live as long as the
QEMU process, so they are made again at each start.
"""

from __future__ import annotations

import ipaddress
import logging
import re
from collections.abc import Iterable
from xml.etree import ElementTree as ET

import libvirt
import libvirt_qemu

from tuinova.virt.driver import DriverError, Nic
from tuinova.virt.networks import PortForward

LOG = logging.getLogger(__name__)

# TCP[HOST_FORWARD]  14       127.0.0.1  2222       10.0.2.15    22     0     0
_LINE = re.compile(r"(TCP|UDP)\[HOST_FORWARD\]\s+\d+\s+(\S+)\s+(\d+)\s+\S+\s+(\d+)\s")
# Hub -1 (hostnet0):, or without the hub
_STACK = re.compile(r"\(?(hostnet\d+)\)?:\s*$")


def sync(domain: libvirt.virDomain, nics: Iterable[Nic]) -> None:
    """Bring the forwards of a guest that runs to those of its ports; raises DriverError with those that can't be."""
    stacks = _stacks(domain)
    wanted = {stacks[nic.mac.lower()]: set(nic.forwards) for nic in nics if nic.mac.lower() in stacks}
    present = parse(_monitor(domain, "info usernet")) if wanted else {}
    failed = []
    for stack, forwards in wanted.items():
        there = present.get(stack, set())
        for forward in sorted(there - forwards, key=repr):
            _monitor(domain, f"hostfwd_remove {stack} {_outer(forward)}")
        for forward in sorted(forwards - there, key=repr):
            said = _monitor(domain, f"hostfwd_add {stack} {_outer(forward)}-:{int(forward.guest_port)}")
            if said:
                LOG.info("%s: %s", domain.name(), said)
                failed.append(f"{forward.protocol} port {forward.host_port} of {forward.host_address}")
    if failed:
        raise DriverError(reason=f"the host gives these away no more: {', '.join(failed)} (taken, or not allowed)")


def parse(text: str) -> dict[str, set[PortForward]]:
    """What `info usernet` shows, by network stack."""
    found: dict[str, set[PortForward]] = {}
    stack = ""
    for line in text.splitlines():
        if head := _STACK.search(line):
            stack = head[1]
        elif match := _LINE.search(line):
            address = "0.0.0.0" if match[2] == "*" else match[2]  # noqa: S104 - as QEMU shows it
            found.setdefault(stack, set()).add(PortForward(match[1].lower(), int(match[3]), int(match[4]), address))
    return found


def _outer(forward: PortForward) -> str:
    """The host's side; each part checked, since it goes into a line of commands."""
    if forward.protocol not in ("tcp", "udp"):
        raise DriverError(reason=f"{forward.protocol!r} can't be forwarded: tcp or udp")
    address = ipaddress.IPv4Address(forward.host_address)
    return f"{forward.protocol}:{address}:{int(forward.host_port)}"


def _stacks(domain: libvirt.virDomain) -> dict[str, str]:
    """MAC to QEMU's name of the network stack, of the interfaces in user mode."""
    found = {}
    for device in ET.fromstring(domain.XMLDesc(0)).findall("./devices/interface[@type='user']"):  # noqa: S314
        mac, alias = device.find("mac"), device.find("alias")
        if mac is not None and alias is not None:
            found[mac.get("address", "").lower()] = f"host{alias.get('name')}"
    return found


def _monitor(domain: libvirt.virDomain, command: str) -> str:
    flags = libvirt_qemu.VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP
    return str(libvirt_qemu.qemuMonitorCommand(domain, command, flags) or "").strip()
