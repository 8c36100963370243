"""A guest that moves takes its port along: network, reservation and firewall are at the destination before it."""

from __future__ import annotations

import uuid

import pytest

from tests.lab import LibvirtHosts
from tests.lab.guests import blank_image, guest_spec
from tests.lab.wires import lab_run
from tests.virt_libvirt.test_live_migration import Pair, pair, pass_by, root_only
from tests.virt_libvirt.test_network_guard import OUT, network
from tuinova.virt.driver import Nic
from tuinova.virt.libvirt.guest_xml import tap_name
from tuinova.virt.networks import FixedIp, NetworkMode, PortSecurity

__all__ = ["pair"]


@pytest.mark.integration
@root_only
def test_a_port_is_guarded_where_its_guest_comes_to_and_forgotten_where_it_was(
    libvirt_hosts: LibvirtHosts, pair: Pair
) -> None:
    spec = network(NetworkMode.NAT, 60)
    fixed = (FixedIp("10.60.60.9", 24),)
    nic = Nic(str(uuid.uuid4()), "fa:16:3e:05:00:01", "n", "10.60.60.9", 24, fixed, spec, PortSecurity(OUT))
    here, there = pair.drivers
    image = blank_image(here.instances / "blank.qcow2")
    guest = guest_spec(image, nics=(nic,), root_gb=0)
    here.spawn(guest)
    tap = tap_name(nic.port_id)

    def guarded(number: int) -> tuple[bool, bool, bool]:
        driver, host = pair.drivers[number], libvirt_hosts[number]
        rules = lab_run(host, "nft", "list", "ruleset")
        bridge = driver._networks.state.device(spec)
        joined = f"master {bridge} " in lab_run(host, "ip", "-o", "link", "show", check=False)
        xml = host.virsh("net-dumpxml", f"tuinova-{spec.id}", check=False).stdout
        return tap in rules, joined, nic.mac in xml

    assert guarded(0) == (True, True, True)
    data = pair.prepare(guest)
    assert guarded(1) == (True, False, True)  # before there is anything to guard
    here.live_migration(guest, data, pass_by)
    pair.finish(guest, data)
    assert pair.where(guest) == ["", "RUNNING"]
    assert guarded(1) == (True, True, True)
    assert guarded(0) == (False, False, False)
    there.destroy(guest)
    assert guarded(1) == (False, False, False)
    for driver in pair.drivers:
        driver.remove_network(spec.id)
        assert driver.leftovers() == {}
