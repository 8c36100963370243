"""Addresses and routes that the host has for our sake, kept apart from those it has by itself.

What we add is noted before it is added and until it is gone, so that a crash leaves nothing that nobody takes away.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from pathlib import Path

from tuinova.virt.libvirt.net.commands import HostCommands

LOG = logging.getLogger(__name__)

Item = tuple[str, str]  # (interface, address/prefix) or (destination, next hop)


class HostAddresses:
    """Brings them to what is wanted."""

    def __init__(self, commands: HostCommands, notes: Path, bridges: str) -> None:
        """`bridges`: what the names of ours begin with."""
        self._commands = commands
        self._notes = notes
        self._bridges = bridges

    def sync(self, addresses: Iterable[Item], routes: Iterable[Item]) -> None:
        """These and no others of ours; interfaces that are not there are passed over."""
        noted_addresses, noted_routes = self._read()
        wanted, wanted_routes = set(addresses), set(routes)
        if not (wanted or wanted_routes or noted_addresses or noted_routes):
            return
        present = self._present()
        interfaces = {interface for interface, _ in present}
        # One that the host had before is not ours to take away.
        own = {item for item in wanted if item in noted_addresses or item not in present}
        self._write(noted_addresses | own, noted_routes | wanted_routes)
        for interface, address in sorted(noted_addresses - wanted):
            if (interface, address) in present:
                self._commands.run("ip", "addr", "del", address, "dev", interface, check=False)
        for destination, hop in sorted(noted_routes - wanted_routes):
            self._commands.run("ip", "route", "del", destination, "via", hop, check=False)
        for interface, address in sorted(own - present):
            if interface in interfaces:
                options = ["nodad"] if ":" in address else []
                if ":" in address and interface.startswith(self._bridges):
                    self._switch_six_on(interface)
                self._commands.run("ip", "addr", "replace", address, "dev", interface, *options)
        for destination, hop in sorted(wanted_routes):
            done = self._commands.run("ip", "route", "replace", destination, "via", hop, check=False)
            if done.returncode:
                LOG.warning("route to %s by %s: %s", destination, hop, done.stderr.strip())
        self._write(own, wanted_routes)

    def _switch_six_on(self, bridge: str) -> None:
        """libvirt switches IPv6 off on a bridge that it gives no address of it; no guest shall be a router to us."""
        for name, value in (("accept_ra", "0"), ("autoconf", "0"), ("disable_ipv6", "0")):
            self._commands.set_switch(f"net/ipv6/conf/{bridge}/{name}", value)

    def has_any(self) -> bool:
        """Whether anything may be there for our sake."""
        return any(self._read())

    def _present(self) -> set[Item]:
        """All addresses; each interface is there with an empty one too."""
        found: set[Item] = set()
        for link in self._commands.json("ip", "-j", "addr", "show"):
            name = str(link.get("ifname"))
            found.add((name, ""))
            for info in link.get("addr_info", ()):
                found.add((name, f"{info.get('local')}/{info.get('prefixlen')}"))
        return found

    def _read(self) -> tuple[set[Item], set[Item]]:
        try:
            value = json.loads(self._notes.read_text())
            return (
                {(str(one), str(two)) for one, two in value["addresses"]},
                {(str(one), str(two)) for one, two in value["routes"]},
            )
        except FileNotFoundError:
            return set(), set()
        except (OSError, ValueError, KeyError, TypeError) as error:
            LOG.warning("%s can't be read: %s", self._notes, error)
            return set(), set()

    def _write(self, addresses: set[Item], routes: set[Item]) -> None:
        value = {"addresses": sorted(addresses), "routes": sorted(routes)}
        text = json.dumps(value)
        if self._notes.exists() and self._notes.read_text() == text:
            return
        self._notes.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        part = self._notes.with_suffix(".part")
        part.write_text(text)
        part.rename(self._notes)
