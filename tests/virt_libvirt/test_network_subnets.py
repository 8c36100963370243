"""Whatever Neutron lets a network's addresses be, libvirt and its dnsmasq take it, and the host is in each range."""

from __future__ import annotations

import os
import uuid

import pytest

from tests.lab import PrivateLibvirt
from tests.lab.wires import lab_run
from tuinova.virt.libvirt.driver import LibvirtDriver
from tuinova.virt.libvirt.guest_xml import network_name
from tuinova.virt.networks import NetworkMode, NetworkSpec, SubnetSpec

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="a session has no networks of libvirt's own"),
]


def four(number: int, *, dhcp: bool = True) -> SubnetSpec:
    base = f"10.62.{number}"
    pools = ((f"{base}.2", f"{base}.254"),)
    return SubnetSpec(str(uuid.uuid4()), f"{base}.0/24", f"{base}.1", f"{base}.1", pools, dhcp=dhcp)


def six(number: int, mode: str | None) -> SubnetSpec:
    base = f"fd62:{number}:"
    pools = ((f"{base}:2", f"{base}:ffff:ffff:ffff:ffff"),)
    dhcp = mode is not None
    return SubnetSpec(str(uuid.uuid4()), f"{base}:/64", f"{base}:1", f"{base}:1", pools, dhcp=dhcp, ipv6_mode=mode)


WIDE = SubnetSpec(str(uuid.uuid4()), "10.0.0.0/8", "10.0.0.1", "10.0.0.1", (("10.0.0.2", "10.255.255.254"),))
ALONE = SubnetSpec(str(uuid.uuid4()), "10.63.0.0/24", None, None, (("10.63.0.2", "10.63.0.254"),), dhcp=False)
CASES = {
    "none": (),
    "IPv4": (four(1),),
    "IPv4 twice": (four(2), four(3)),
    "IPv4 without DHCP": (four(4, dhcp=False),),
    "IPv4 without the host": (ALONE,),
    "IPv4, wide": (WIDE,),
    "IPv6 without a mode": (six(5, None),),
    "IPv6 without a mode beside IPv4": (four(6), six(6, None)),
    "slaac": (six(7, "slaac"),),
    "stateless": (six(8, "dhcpv6-stateless"),),
    "stateful": (six(9, "dhcpv6-stateful"),),
    "stateful twice": (six(10, "dhcpv6-stateful"), six(11, "dhcpv6-stateful")),
    "all, IPv4 last": (six(12, "slaac"), six(13, "dhcpv6-stateful"), six(14, "dhcpv6-stateless"), four(14)),
}


@pytest.mark.parametrize("mode", [NetworkMode.NAT, NetworkMode.ISOLATED], ids=str)
@pytest.mark.parametrize("name", CASES)
def test_a_network_with_these_subnets_is_made(
    private_libvirt: PrivateLibvirt, libvirt_driver: LibvirtDriver, name: str, mode: NetworkMode
) -> None:
    spec = NetworkSpec(str(uuid.uuid4()), name, mode, CASES[name])
    libvirt_driver.ensure_network(spec)
    try:
        assert network_name(spec.id) in private_libvirt.virsh("net-list", "--name").stdout
        addresses = lab_run(private_libvirt, "ip", "-o", "addr")
        for subnet in spec.subnets:
            if subnet.host_address is not None:
                assert f" {subnet.host_address}/" in addresses
    finally:
        libvirt_driver.remove_network(spec.id)
    assert network_name(spec.id) not in private_libvirt.virsh("net-list", "--all", "--name").stdout
