"""The host's ends of the ports."""

from __future__ import annotations

from collections.abc import Iterable

from tuinova.virt.driver import Nic
from tuinova.virt.libvirt.guest_xml import tap_name
from tuinova.virt.libvirt.net.commands import HostCommands


def plug_again(commands: HostCommands, bridge: str, nics: Iterable[Nic]) -> None:
    """Join the taps of running guests to a bridge that was made anew; those that are on it stay as they are."""
    wanted = {tap_name(nic.port_id) for nic in nics}
    if not wanted or not commands.allowed:
        return
    for link in commands.json("ip", "-j", "link", "show", "type", "tun"):
        if link.get("ifname") in wanted and link.get("master") != bridge:
            commands.run("ip", "link", "set", "dev", str(link["ifname"]), "master", bridge, "up")
