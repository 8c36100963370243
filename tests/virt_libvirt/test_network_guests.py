"""Networks with real guests: addresses by DHCP, the security proof, ports that come and go while the guest runs."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.lab import PrivateLibvirt
from tests.lab.guests import demo_image, guest_spec
from tests.lab.wires import lab_run
from tests.virt_libvirt.conftest import wait_until
from tests.virt_libvirt.guest_shell import GuestShell
from tests.virt_libvirt.test_network_guard import IN_FORCE, OUT, network, tcp
from tuinova.virt.driver import GuestSpec, Nic
from tuinova.virt.libvirt.driver import LibvirtDriver
from tuinova.virt.networks import FirewallRule, FixedIp, NetworkMode, NetworkSpec, PortSecurity

pytestmark = pytest.mark.integration


def port(spec: NetworkSpec, last: int, *rules: FirewallRule) -> Nic:
    number = spec.subnets[0].cidr.split(".")[2]
    address = f"10.60.{number}.{last}"
    fixed = (FixedIp(address, 24),)
    mac = f"fa:16:3e:01:{int(number):02x}:{last:02x}"
    return Nic(str(uuid.uuid4()), mac, spec.name, address, 24, fixed, spec, PortSecurity(OUT + rules))


@pytest.fixture
def driver(libvirt_driver: LibvirtDriver) -> Iterator[LibvirtDriver]:
    yield libvirt_driver
    for guest in libvirt_driver.list_guests():
        libvirt_driver.cleanup(guest.uuid)
    for network_id in list(libvirt_driver.networks_made()):
        libvirt_driver.remove_network(network_id)


def booted(driver: LibvirtDriver, *nics: Nic) -> GuestSpec:
    guest = guest_spec(demo_image(), nics=nics)
    driver.spawn(guest)
    return guest


@pytest.mark.long
def test_two_guests_reach_each_other_and_a_rule_opens_and_closes_a_port(
    private_libvirt: PrivateLibvirt, driver: LibvirtDriver
) -> None:
    spec = network(NetworkMode.NAT, 20)
    driver.ensure_network(spec)
    members = FirewallRule("ingress", "IPv4", None, None, None, ("10.60.20.10/32",))
    ping = FirewallRule("ingress", "IPv4", "icmp")
    one, two = booted(driver, port(spec, 10, ping)), booted(driver, port(spec, 11, ping))
    first, second = GuestShell(driver, one.uuid), GuestShell(driver, two.uuid)
    assert "10.60.20.10/24" in first.run("ip addr show dev eth0")
    assert "10.60.20.11/24" in second.run("ip addr show dev eth0")
    assert first.succeeds("ping -c 1 -w 5 10.60.20.11")
    assert second.succeeds("ping -c 1 -w 5 10.60.20.10")
    assert first.succeeds("ping -c 1 -w 5 10.60.20.1")
    second.run("(while true; do echo served | nc -l -p 8080; done) >/dev/null 2>&1 &")
    ask = "echo | nc -w 1 10.60.20.11 8080 | grep served"
    assert not first.succeeds(ask)

    def allow(*rules: FirewallRule) -> float:
        began = time.monotonic()
        driver.update_ports({two.uuid: [replace(two.nics[0], security=PortSecurity(OUT + rules))]})
        return time.monotonic() - began

    for rules in ((ping, tcp(8080)), (ping, members)):
        assert allow(*rules) < IN_FORCE
        assert first.succeeds(ask)
        assert allow(ping) < IN_FORCE
        assert not first.succeeds(ask)
    # What was dropped is counted where a rule would have let it in.
    table = lab_run(private_libvirt, "nft", "list", "table", "inet", driver._networks.state.table)
    assert any("drop" in line and "packets 0 " not in line for line in table.splitlines())
    # The guest gives itself another address, and MAC: nothing passes. Then its own again.
    first.run("ip addr add 10.60.20.99/24 dev eth0")
    assert not first.succeeds("ping -c 1 -w 2 -I 10.60.20.99 10.60.20.11")
    first.run("ip addr del 10.60.20.99/24 dev eth0; ip link set eth0 address fa:16:3e:01:20:77")
    assert not first.succeeds("ping -c 1 -w 2 10.60.20.11")
    first.run("ip link set eth0 address fa:16:3e:01:14:0a")
    assert first.succeeds("ping -c 1 -w 5 10.60.20.11")
    first.close()
    second.close()
    for guest in (one, two):
        driver.destroy(guest)
    assert driver.leftovers() == {}
    driver.remove_network(spec.id)
    assert driver._networks.state.table not in lab_run(private_libvirt, "nft", "list", "tables")


def test_a_port_comes_and_goes_while_the_guest_runs_is_paused_or_off(
    private_libvirt: PrivateLibvirt, driver: LibvirtDriver
) -> None:
    spec, other = network(NetworkMode.ISOLATED, 21), network(NetworkMode.NAT, 22)
    for one in (spec, other):
        driver.ensure_network(one)
    guest = booted(driver, port(spec, 10))
    shell = GuestShell(driver, guest.uuid)
    # An isolated network has no way out, but one to the metadata.
    extra = port(other, 10, FirewallRule("ingress", "IPv4"))
    both = replace(guest, nics=(*guest.nics, extra))
    for _ in range(2):
        driver.attach_interface(both, extra)
    wait_until(lambda: "eth1" in shell.run("ls /sys/class/net"), 20)
    assert extra.mac in shell.run("cat /sys/class/net/eth1/address")
    shell.run("ip link set eth1 up; udhcpc -n -q -i eth1 -s /usr/lib/tuinova/udhcpc")
    assert "10.60.22.10/24" in shell.run("ip addr show dev eth1")
    assert shell.succeeds("ping -c 1 -w 5 10.60.22.1")
    inactive = private_libvirt.virsh("dumpxml", "--inactive", guest.uuid).stdout
    assert extra.mac in inactive
    # A change of subnets takes the network off and on: the guest stays joined.
    driver.ensure_network(replace(other, mtu=1400))
    assert shell.succeeds("ping -c 1 -w 5 10.60.22.1")
    for _ in range(2):
        driver.detach_interface(guest, extra)
    wait_until(lambda: "eth1" not in shell.run("ls /sys/class/net"), 20)
    live, inactive = (private_libvirt.virsh("dumpxml", *words, guest.uuid).stdout for words in ((), ("--inactive",)))
    assert extra.mac not in live + inactive
    assert {record.mac for record in driver._networks.records.all()} == {guest.nics[0].mac}
    driver.pause(guest.uuid)
    driver.attach_interface(both, extra)
    driver.unpause(guest.uuid)
    wait_until(lambda: "eth1" in shell.run("ls /sys/class/net"), 20)
    shell.close()
    driver.power_off(guest.uuid, 0, 0)
    driver.detach_interface(guest, extra)
    assert extra.mac not in private_libvirt.virsh("dumpxml", guest.uuid).stdout
    driver.attach_interface(both, extra)
    assert extra.mac in private_libvirt.virsh("dumpxml", guest.uuid).stdout
    with pytest.raises(Exception, match="is used by"):
        driver.remove_network(other.id)
