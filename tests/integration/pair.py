"""A service whose compute hosts are the lab's libvirts."""

from __future__ import annotations

from tests.integration.conftest import House
from tests.lab import LibvirtHosts


class Hosts(House):
    """One state directory, one service, several hosts: `pair-1`, `pair-2`."""

    def __init__(self, hosts: LibvirtHosts) -> None:
        super().__init__(hosts[0])
        self.hosts = hosts
        del self.env["TUINOVA_LIBVIRT_CONNECTION_URI"]
        self.env["TUINOVA_LIBVIRT_CONNECTION_URIS"] = ",".join(host.uri for host in hosts.hosts)
        self.env["TUINOVA_DEFAULT_HOST"] = "pair"

    def virsh(self) -> dict[str, str]:
        """Domain: its state and host, on every host that knows it."""
        found: dict[str, list[str]] = {}
        for host in self.hosts.hosts:
            for line in host.virsh("list", "--all").stdout.splitlines():
                _, name, state = line.split(None, 2)
                found.setdefault(name, []).append(f"{state.strip()} on pair-{host.number}")
        return {name: ", ".join(states) for name, states in found.items()}

    def domains(self) -> dict[str, list[str]]:
        """Compute host: the domains that run on it."""
        return {f"pair-{host.number}": host.guests() for host in self.hosts.hosts}


def host_of(pair: Hosts, uuid: str) -> str:
    """The compute host that has the server."""
    return str(pair.show(uuid)["OS-EXT-SRV-ATTR:host"])


def other(host: str) -> str:
    """The other one of the two."""
    return {"pair-1": "pair-2", "pair-2": "pair-1"}[host]
