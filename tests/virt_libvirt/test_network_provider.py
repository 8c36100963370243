"""Networks on a bridge that is the host's own, and addresses as guests ask for them."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.lab import PrivateLibvirt
from tests.lab.wires import Wire, lab_run
from tests.virt_libvirt.conftest import wait_until
from tests.virt_libvirt.test_network_guard import Place, network, place
from tuinova.core.errors import Invalid
from tuinova.virt.driver import DriverError
from tuinova.virt.libvirt.driver import LibvirtDriver
from tuinova.virt.networks import FirewallRule, NetworkMode, NetworkSpec, SubnetSpec

pytestmark = pytest.mark.integration
__all__ = ["place"]

LAN = SubnetSpec(
    "lan", "10.60.30.0/24", "10.60.30.254", "10.60.30.9", (("10.60.30.100", "10.60.30.199"),), dns=("9.9.9.9",)
)


@pytest.fixture
def lan(private_libvirt: PrivateLibvirt) -> Iterator[str]:
    """A bridge of the host, with an address of its own."""
    lab_run(private_libvirt, "ip", "link", "add", "br-lan", "type", "bridge")
    lab_run(private_libvirt, "ip", "link", "set", "br-lan", "up")
    lab_run(private_libvirt, "ip", "addr", "add", "10.60.30.1/24", "dev", "br-lan")
    yield "br-lan"
    lab_run(private_libvirt, "ip", "link", "del", "br-lan")


def lease(wire: Wire, tmp_path: Path) -> dict[str, str]:
    """What DHCP says to a wire within two seconds; empty when nobody answers."""
    script = tmp_path / "lease"
    script.write_text('#!/bin/sh\n[ "$1" = bound ] && env\nexit 0\n')
    script.chmod(0o755)
    words = ("busybox", "udhcpc", "-n", "-q", "-f", "-t", "3", "-T", "1", "-i", "eth0", "-s", str(script))
    text = wire.run(*words, "-O", "staticroutes", check=False)
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def provider(bridge: str) -> NetworkSpec:
    return NetworkSpec(str(uuid.uuid4()), "lan", NetworkMode.PROVIDER, (LAN,), bridge)


def dnsmasq(driver: LibvirtDriver, spec: NetworkSpec) -> int:
    with suppress(OSError, ValueError):
        pid = int((driver.instances / "networks" / spec.id / "dnsmasq.pid").read_text())
        if b"dnsmasq" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    return 0


def test_a_provider_network_serves_its_ports_and_nobody_else(place: Place, lan: str, tmp_path: Path) -> None:
    spec = provider(lan)
    place.driver.check_network(spec)
    place.driver.ensure_network(spec)
    guest = place.guest(spec, 100, FirewallRule("ingress", "IPv4", "icmp"))
    stranger = place.wire("lan0", lan)
    found = lease(guest.wire, tmp_path)
    assert found["ip"] == guest.address
    assert found["dns"] == "9.9.9.9"
    assert "169.254.169.254/32 10.60.30.9" in found["staticroutes"]
    assert "0.0.0.0/0 10.60.30.254" in found["staticroutes"]
    assert lease(stranger, tmp_path) == {}
    # Neither NAT nor router: the bridge's own neighbours see the guest as it is, by its rules.
    stranger.run("ip", "addr", "add", "10.60.30.50/24", "dev", "eth0")
    stranger.run("busybox", "ping", "-c", "1", "-W", "2", guest.address)
    server = guest.wire.listen(80)
    assert not stranger.reaches(guest.address, 80)
    server.close()
    assert place.driver._networks.state.links()[spec.id] == lan  # where the guest asks for metadata
    pid = dnsmasq(place.driver, spec)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: dnsmasq(place.driver, spec) == 0, 5)
    place.driver._networks.recover()
    assert dnsmasq(place.driver, spec) not in (0, pid)
    guest.close()
    place._ends.remove(guest)
    place.driver.remove_network(spec.id)
    wait_until(lambda: dnsmasq(place.driver, spec) == 0, 5)
    addresses = lab_run(place.lab, "ip", "addr", "show", lan)
    assert "10.60.30.1/24" in addresses
    assert "10.60.30.9" not in addresses


def test_what_can_not_be_made_is_refused_with_a_sentence(place: Place, lan: str) -> None:
    check = place.driver.check_network
    with pytest.raises(Invalid, match="Bridge br-none is not there on this host"):
        check(provider("br-none"))
    six = replace(LAN, cidr="fd60:30::/64", ipv6_mode="dhcpv6-stateful")
    with pytest.raises(Invalid, match="no DHCPv6 is served on a provider network"):
        check(replace(provider(lan), subnets=(LAN, six)))
    check(replace(provider(lan), subnets=(LAN, replace(six, ipv6_mode="slaac"))))
    taken = place.network(NetworkMode.NAT, 31)
    with pytest.raises(Invalid, match=r"10\.60\.31\.0/24 overlaps 10\.60\.31\.0/24, which network net31 uses"):
        check(network(NetworkMode.ISOLATED, 31))
    check(taken)
    with pytest.raises(Invalid, match="a route of this host by br-lan"):
        check(replace(network(NetworkMode.NAT, 30), subnets=(replace(LAN, cidr="10.60.30.128/25"),)))
    with pytest.raises(Invalid, match="libvirt's network default uses"):
        check(replace(taken, id="other", subnets=(replace(LAN, cidr="192.168.0.0/16"),)))
    with pytest.raises(Invalid, match="Interface eth77 is not there"):
        check(network(NetworkMode.ROUTED, 32, "eth77"))
    with pytest.raises(Invalid, match="MTU of 1000"):
        check(replace(network(NetworkMode.NAT, 33), mtu=1000))
    with pytest.raises(DriverError, match="is no id of a network"):
        place.driver.remove_network("../x")


def test_each_subnet_of_a_network_hands_out_its_own(place: Place, tmp_path: Path) -> None:
    more = SubnetSpec(
        "more", "10.60.41.0/24", None, "10.60.41.1", (), dns=("9.9.9.9",), routes=(("10.99.0.0/16", "10.60.41.7"),)
    )
    spec = network(NetworkMode.NAT, 40)
    spec = replace(spec, subnets=(*spec.subnets, more))
    place.driver.ensure_network(spec)
    first = place.guest(spec, 10)
    assert lease(first.wire, tmp_path)["ip"] == "10.60.40.10"
    assert lease(first.wire, tmp_path)["router"] == "10.60.40.1"
    # The IPv6 prefix is announced, and the guest makes its address of it.
    own = first.local.replace("fe80::", "fd60:40::")
    wait_until(lambda: f"{own}/64" in first.wire.run("ip", "-6", "addr", "show", "dev", "eth0"), 20)
    second = place.guest(spec, 11)
    moved = replace(
        second.nic, address="10.60.41.11", fixed_ips=(replace(second.nic.fixed_ips[0], address="10.60.41.11"),)
    )
    place.driver._networks.update({second.uuid: [moved]})
    found = lease(second.wire, tmp_path)
    assert found["ip"] == "10.60.41.11"
    assert found["dns"] == "9.9.9.9"
    assert "router" not in found
    assert "10.99.0.0/16 10.60.41.7" in found["staticroutes"]
    assert lease(place.wire("nobody0", place.driver._networks.state.device(spec)), tmp_path) == {}
    # Other options are told without the network going off.
    place.driver.ensure_network(replace(spec, subnets=(*spec.subnets[:2], replace(more, dns=("8.8.4.4",)))))
    assert lease(second.wire, tmp_path)["dns"] == "8.8.4.4"
