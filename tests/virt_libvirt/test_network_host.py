"""What the host itself gets for the networks' sake, on a host that is only played."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tuinova.virt.libvirt.net.addresses import HostAddresses
from tuinova.virt.libvirt.net.commands import HostCommands
from tuinova.virt.libvirt.net.host_firewall import HostFirewall

METADATA = ("br0", "169.254.169.254/32")


class Killed(BaseException):
    """The process ends."""


class PlayedHost(HostCommands):
    """Interfaces with addresses, and iptables' rules as text."""

    def __init__(self) -> None:
        super().__init__("qemu:///system")
        self.addresses = {"br0": {"192.0.2.1/24"}}
        self.rules = {name: ["-P INPUT ACCEPT", "-P FORWARD ACCEPT", "-P OUTPUT ACCEPT"] for name in _IPTABLES}
        self.changes: list[tuple[str, ...]] = []
        self.dies = False

    @staticmethod
    def missing(*programs: str) -> list[str]:
        return []

    def json(self, *words: str) -> list[dict[str, Any]]:
        return [
            {
                "ifname": name,
                "addr_info": [dict(zip(("local", "prefixlen"), item.split("/"), strict=True)) for item in sorted(held)],
            }
            for name, held in self.addresses.items()
        ]

    def run(self, *words: str, text: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        if words[-1] == "-S":
            return subprocess.CompletedProcess(words, 0, "\n".join(self.rules[words[0]]), "")
        self.changes.append(words)
        if words[:2] == ("ip", "addr"):
            held = self.addresses[words[5]]
            held.discard(words[3]) if words[2] == "del" else held.add(words[3])
        elif words[0] in _IPTABLES:
            chain, *rest = words[3:]
            # As iptables shows it: its own words in between, the comment in quotes.
            line = " ".join(f'"{word}"' if word.startswith("tuinova:") else word for word in ("-A", chain, *rest))
            line = line.replace("-p udp", "-p udp -m udp").replace("-p tcp", "-p tcp -m tcp")
            self.rules[words[0]].append(line) if words[2] == "-I" else self.rules[words[0]].remove(line)
        if self.dies:
            raise Killed()
        return subprocess.CompletedProcess(words, 0, "", "")


_IPTABLES = ("iptables", "ip6tables")


def test_an_address_comes_once_and_goes_and_the_hosts_own_stays(tmp_path: Path) -> None:
    host = PlayedHost()
    addresses = HostAddresses(host, tmp_path / "networks" / "addresses.json", "tn")
    wanted = [METADATA, ("br0", "192.0.2.1/24"), ("gone0", "192.0.2.7/32")]
    for _ in range(2):
        addresses.sync(wanted, [])
    assert host.addresses["br0"] == {"192.0.2.1/24", METADATA[1]}
    assert len(host.changes) == 1
    addresses.sync([], [])
    assert host.addresses["br0"] == {"192.0.2.1/24"}
    assert not addresses.has_any()


def test_an_address_of_a_killed_service_goes_with_the_next(tmp_path: Path) -> None:
    host = PlayedHost()
    host.dies = True
    with pytest.raises(Killed):
        HostAddresses(host, tmp_path / "addresses.json", "tn").sync([METADATA], [])
    assert METADATA[1] in host.addresses["br0"]
    host.dies = False
    HostAddresses(host, tmp_path / "addresses.json", "tn").sync([], [])
    assert host.addresses["br0"] == {"192.0.2.1/24"}


def test_only_a_host_that_drops_gets_rules_and_each_of_them_once() -> None:
    host = PlayedHost()
    firewall = HostFirewall(host, "tnabcd")
    firewall.sync(wanted=True)
    assert host.changes == []
    assert firewall.problems() == []
    host.rules["iptables"][:2] = ["-P INPUT DROP", "-P FORWARD DROP"]
    for _ in range(2):
        firewall.sync(wanted=True)
    rules = [line for line in host.rules["iptables"] if "tuinova:tnabcd" in line]
    assert len(rules) == len(set(rules)) == 7
    assert all("tnabcd+" in line for line in rules)
    assert not any("tuinova" in line for line in host.rules["ip6tables"])
    assert len(firewall.problems()) == 1
    HostFirewall(host, "tnffff").sync(wanted=False)  # another service's are not touched
    assert [line for line in host.rules["iptables"] if "tuinova:tnabcd" in line] == rules
    firewall.sync(wanted=False)
    assert not any("tuinova" in line for line in host.rules["iptables"])
