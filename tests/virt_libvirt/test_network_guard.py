"""What the firewall of ports lets pass and what not, each frame sent for real; and the ways between networks."""

from __future__ import annotations

import socket
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.lab import PrivateLibvirt
from tests.lab.wires import Wire, lab_run, within
from tests.virt_libvirt import frames
from tuinova.virt.driver import DriverError, Nic
from tuinova.virt.libvirt.driver import LibvirtDriver
from tuinova.virt.libvirt.guest_xml import tap_name
from tuinova.virt.libvirt.net.rules_text import link_local
from tuinova.virt.networks import (
    FirewallRule,
    FixedIp,
    FloatingAddress,
    NetworkMode,
    NetworkSpec,
    PortSecurity,
    RouterSpec,
    Routing,
    SubnetSpec,
)

pytestmark = pytest.mark.integration

OUT = (FirewallRule("egress", "IPv4"), FirewallRule("egress", "IPv6"))
IN_FORCE = 2.0  # seconds that a change of a rule may take


def network(mode: NetworkMode, number: int, bridge: str | None = None) -> NetworkSpec:
    four, six = f"10.60.{number}", f"fd60:{number}:"
    subnets = (
        SubnetSpec(str(uuid.uuid4()), f"{four}.0/24", f"{four}.1", f"{four}.1", ((f"{four}.2", f"{four}.254"),)),
        SubnetSpec(str(uuid.uuid4()), f"{six}:/64", f"{six}:1", f"{six}:1", (), ipv6_mode="slaac"),
    )
    return NetworkSpec(str(uuid.uuid4()), f"net{number}", mode, subnets, bridge)


class Guest:
    """A wire that is a port of a network."""

    def __init__(self, lab: PrivateLibvirt, driver: LibvirtDriver, spec: NetworkSpec, last: int, *rules: FirewallRule):
        number = int(spec.subnets[0].cidr.split(".")[2])
        self.uuid = str(uuid.uuid4())
        self.address = f"10.60.{number}.{last}"
        self.mac = f"fa:16:3e:00:{number:02x}:{last:02x}"
        self.local = link_local(self.mac)
        fixed = (FixedIp(self.address, 24), FixedIp(f"fd60:{number}::{last:x}", 64))
        self.nic = Nic(str(uuid.uuid4()), self.mac, spec.name, self.address, 24, fixed, spec, PortSecurity(OUT + rules))
        self.driver = driver
        driver._networks.plug(self.uuid, [self.nic])
        bridge = driver._networks.state.device(spec)
        self.wire = Wire(lab, tap_name(self.nic.port_id), bridge, self.mac)
        self.wire.run("ip", "addr", "add", f"{self.address}/24", "dev", "eth0")
        self.wire.run("ip", "-6", "addr", "add", f"{fixed[1].address}/64", "dev", "eth0", "nodad")
        self.wire.run("ip", "route", "add", "default", "via", f"10.60.{number}.1")

    def allow(self, *rules: FirewallRule) -> None:
        self.nic = replace(self.nic, security=PortSecurity(OUT + rules))
        self.driver._networks.update({self.uuid: [self.nic]})

    def close(self) -> None:
        self.wire.close()
        self.driver._networks.unplug_all(self.uuid)


class Place:
    """A driver on the lab, with guests that go at the end."""

    def __init__(self, lab: PrivateLibvirt, driver: LibvirtDriver) -> None:
        self.lab, self.driver = lab, driver
        self._ends: list[Guest | Wire] = []

    def network(self, mode: NetworkMode, number: int, bridge: str | None = None) -> NetworkSpec:
        spec = network(mode, number, bridge)
        self.driver.ensure_network(spec)
        return spec

    def guest(self, spec: NetworkSpec, last: int, *rules: FirewallRule) -> Guest:
        found = Guest(self.lab, self.driver, spec, last, *rules)
        self._ends.append(found)
        return found

    def wire(self, name: str, bridge: str | None = None) -> Wire:
        found = Wire(self.lab, name, bridge)
        self._ends.append(found)
        return found

    def ruleset(self) -> str:
        return lab_run(self.lab, "nft", "list", "ruleset")

    def close(self) -> None:
        self.driver.apply_routing(Routing())
        for end in self._ends:
            end.close()
        for network_id in list(self.driver.networks_made()):
            self.driver.remove_network(network_id)


@pytest.fixture
def place(private_libvirt: PrivateLibvirt, libvirt_driver: LibvirtDriver) -> Iterator[Place]:
    found = Place(private_libvirt, libvirt_driver)
    yield found
    found.close()


def tcp(port: int, *remote: str) -> FirewallRule:
    return FirewallRule("ingress", "IPv4", "tcp", port, port, remote or None)


def until(wanted: bool, guest: Wire, address: str, port: int) -> float:
    """Seconds until a port is (not) reached any more."""
    began = time.monotonic()
    while guest.reaches(address, port, 0.3) is not wanted:
        assert time.monotonic() < began + IN_FORCE, f"port {port} of {address} is still {'shut' if wanted else 'open'}"
    return time.monotonic() - began


def test_members_come_in_strangers_do_not_and_a_rule_opens_and_shuts_a_port_at_once(place: Place) -> None:
    spec = place.network(NetworkMode.NAT, 1)
    members = FirewallRule("ingress", "IPv4", None, None, None, ("10.60.1.2/32", "10.60.1.3/32"))
    first, second = place.guest(spec, 2, members), place.guest(spec, 3, members)
    stranger = place.guest(spec, 4)
    server = second.wire.listen(8080)
    assert first.wire.reaches(second.address, 8080)
    assert not stranger.wire.reaches(second.address, 8080)
    began = time.monotonic()
    second.allow(members, tcp(8080))
    until(True, stranger.wire, second.address, 8080)
    assert time.monotonic() - began < IN_FORCE
    # A connection that is there when the rule goes is cut, not only the next one.
    client = stranger.wire.socket()
    client.connect((second.address, 8080))
    while True:
        accepted, peer = server.accept()
        if peer == client.getsockname():
            break
    accepted.settimeout(0.5)
    client.send(b"before")
    assert accepted.recv(6) == b"before"
    began = time.monotonic()
    second.allow(members)
    until(False, stranger.wire, second.address, 8080)
    assert time.monotonic() - began < IN_FORCE
    client.send(b"after")
    with pytest.raises(TimeoutError):
        accepted.recv(5)
    assert first.wire.reaches(second.address, 8080)
    for one in (client, accepted, server):
        one.close()


def test_no_forged_frame_leaves_a_port(place: Place) -> None:
    spec = place.network(NetworkMode.NAT, 2)
    everything = (FirewallRule("ingress", "IPv4"), FirewallRule("ingress", "IPv6"))
    victim, evil = place.guest(spec, 2, *everything), place.guest(spec, 3, *everything)
    seen, out = victim.wire.raw(), evil.wire.raw()
    me, you, other = evil.mac, victim.mac, "fa:16:3e:00:02:63"
    forged = {
        "another's MAC": frames.udp4(other, you, (evil.address, victim.address), (9, 9), b"evil-mac"),
        "another's address": frames.udp4(me, you, ("10.60.2.99", victim.address), (9, 9), b"evil-ip"),
        "the gateway's address": frames.udp4(me, you, ("10.60.2.1", victim.address), (9, 9), b"evil-gw"),
        "ARP for the gateway": frames.arp_reply(me, you, "10.60.2.1"),
        "ARP with another's MAC": frames.arp_reply(me, you, evil.address, claimed=other),
        "a DHCP server": frames.udp4(me, frames.BROADCAST, (evil.address, "255.255.255.255"), (67, 68), b"evil-dhcp"),
        "a router": frames.router_advertisement(me, evil.local),
        "another's IPv6 address": frames.icmp6(me, you, ("fd60:2::63", "fd60:2::2"), 128, b"evil"),
        "a neighbour's answer": frames.neighbour_advertisement(me, evil.local, "fd60:2::1", you),
        "a VLAN": frames.tagged(me, you),
        "another's addresses for a guest": frames.udp4(me, you, (evil.address, "10.60.2.77"), (9, 9), b"evil-dst"),
    }
    honest = frames.udp4(me, you, (evil.address, victim.address), (9, 9), b"honest")
    for what, frame in forged.items():
        _drain(seen)
        out.send(frame)
        out.send(honest)
        arrived = _until(seen, b"honest")
        assert any(b"honest" in item for item in arrived), f"after {what} nothing passes"
        from_evil = [item for item in arrived if item[6:12] in (frame[6:12], bytes.fromhex(me.replace(":", "")))]
        assert [item for item in from_evil if b"honest" not in item and not _is_own(item)] == [], what
    # Counted where they were dropped, too.
    rules = lab_run(place.lab, "nft", "list", "table", "bridge", place.driver._networks.state.table)
    dropped = sum(int(line.split("packets ")[1].split()[0]) for line in rules.splitlines() if "drop" in line)
    assert dropped >= len(forged)
    seen.close()
    out.close()


def _drain(seen: socket.socket) -> None:
    seen.setblocking(False)
    try:
        while seen.recv(2048):
            pass
    except BlockingIOError:
        seen.settimeout(1)


def _until(seen: socket.socket, text: bytes) -> list[bytes]:
    found = []
    try:
        while not found or text not in found[-1]:
            found.append(seen.recv(2048))
    except TimeoutError:
        pass
    return found


def _is_own(frame: bytes) -> bool:
    """What a kernel says by itself on a new interface: ARP and neighbours of its own, MLD."""
    kind = frame[12:14]
    return kind == b"\x08\x06" or (kind == b"\x86\xdd" and frame[54:55] in (b"\x85", b"\x87", b"\x8f"))


def test_neither_link_local_addresses_nor_multicast_go_round_the_rules(place: Place) -> None:
    spec = place.network(NetworkMode.ISOLATED, 3)
    victim, evil = place.guest(spec, 2), place.guest(spec, 3)
    seen, out = victim.wire.raw(), evil.wire.raw()
    local = frames.icmp6(evil.mac, victim.mac, (evil.local, victim.local), 128, b"evil-local")
    flooded = frames.udp4(evil.mac, "01:00:5e:00:00:fb", (evil.address, "224.0.0.251"), (5353, 5353), b"evil-mdns")
    _drain(seen)
    for frame in (local, flooded):
        out.send(frame)
    assert not any(b"evil" in item for item in _until(seen, b"never"))
    victim.allow(FirewallRule("ingress", "IPv4", "udp", 5353, 5353), FirewallRule("ingress", "IPv6", "icmpv6", 128))
    for frame in (local, flooded):
        out.send(frame)
    arrived = b"".join(_until(seen, b"never"))
    assert b"evil-local" in arrived
    assert b"evil-mdns" in arrived
    seen.close()
    out.close()


def test_a_rule_of_a_hundred_ports_is_in_force_at_once(place: Place) -> None:
    spec = place.network(NetworkMode.NAT, 4)
    last, asker = place.guest(spec, 2), place.guest(spec, 3)
    server = last.wire.listen(80)
    many = {last.uuid: [last.nic]}
    for number in range(10, 109):
        nic = replace(
            last.nic, port_id=str(uuid.uuid4()), mac=f"fa:16:3e:00:aa:{number:02x}", address=f"10.60.4.{number}"
        )
        many[str(uuid.uuid4())] = [replace(nic, fixed_ips=(FixedIp(nic.address or "", 24),))]
    place.driver._networks.update(many)
    assert not asker.wire.reaches(last.address, 80)
    members = tuple(f"{nics[0].address}/32" for nics in many.values())
    rules = (*OUT, tcp(80), FirewallRule("ingress", "IPv4", None, None, None, members))
    opened = {uuid: [replace(nics[0], security=PortSecurity(rules))] for uuid, nics in many.items()}
    began = time.monotonic()
    place.driver._networks.update(opened)
    until(True, asker.wire, last.address, 80)
    assert time.monotonic() - began < IN_FORCE
    server.close()
    networks = place.driver._networks
    networks.unplug([record for record in networks.records.all() if record.uuid in many and record.uuid != last.uuid])


def test_networks_reach_each_other_and_the_outside_only_as_they_are_made(place: Place) -> None:
    outside = place.wire("out0")
    lab_run(place.lab, "ip", "addr", "add", "198.51.100.1/24", "dev", "out0")
    outside.run("ip", "addr", "add", "198.51.100.2/24", "dev", "eth0")
    outside.run("ip", "route", "add", "10.60.0.0/16", "via", "198.51.100.1")
    everybody = FirewallRule("ingress", "IPv4")
    nat = place.guest(place.network(NetworkMode.NAT, 5), 2, everybody)
    routed = place.guest(place.network(NetworkMode.ROUTED, 6, "out0"), 2, everybody)
    alone = place.guest(place.network(NetworkMode.ISOLATED, 7), 2, everybody)
    servers = [guest.wire.listen(80) for guest in (nat, routed, alone)]
    server = outside.listen(80)
    names = {"nat": nat, "routed": routed, "isolated": alone}
    assert {name: guest.wire.reaches("198.51.100.2", 80) for name, guest in names.items()} == {
        "nat": True,
        "routed": True,
        "isolated": False,
    }
    peers = {server.accept()[1][0] for _ in range(2)}
    assert peers == {"198.51.100.1", routed.address}  # one of them in the host's name
    assert {name: outside.reaches(guest.address, 80) for name, guest in names.items()} == {
        "nat": False,
        "routed": True,
        "isolated": False,
    }
    assert not nat.wire.reaches(alone.address, 80)
    assert not nat.wire.reaches(routed.address, 80)
    assert not alone.wire.reaches(nat.address, 80)
    # From an isolated network the host itself is shut, but for what serves the guests.
    servers.append(within(place.lab.pids["holder"], lambda: socket.create_server(("", 8099))))
    assert nat.wire.reaches("10.60.5.1", 8099)
    assert not alone.wire.reaches("10.60.7.1", 8099)
    for one in (*servers, server):
        one.close()


def test_a_port_that_dhcp_can_not_be_told_of_does_not_stop_the_rest(place: Place) -> None:
    spec = place.network(NetworkMode.NAT, 14)
    first, asker = place.guest(spec, 2), place.guest(spec, 3)
    server = first.wire.listen(80)
    default = {"network": "default", "spec": None, "mac": "fa:16:3e:00:0e:50", "address": "10.99.0.1", "fixed_ips": ()}
    strange = replace(first.nic, port_id=str(uuid.uuid4()), **default)
    opened = replace(first.nic, security=PortSecurity((*OUT, tcp(80))))
    owner = str(uuid.uuid4())
    with pytest.raises(DriverError, match=r"address 10\.99\.0\.1 is not of network default"):
        place.driver._networks.update({owner: [strange], first.uuid: [opened]})
    assert asker.wire.reaches(first.address, 80)
    # A firewall that throws everything away is noticed, and the ports are guarded again.
    lab_run(place.lab, "nft", "delete", "table", "inet", place.driver._networks.state.table)
    assert any("removed by another program" in warning for warning in place.driver.warnings())
    assert not asker.wire.reaches(first.address, 81)
    assert place.driver._networks.state.table in place.ruleset()
    place.driver._networks.unplug_all(owner)
    server.close()


def test_a_host_that_drops_by_default_lets_our_networks_through(place: Place) -> None:
    outside = place.wire("out3")
    lab_run(place.lab, "ip", "addr", "add", "198.51.100.1/24", "dev", "out3")
    outside.run("ip", "addr", "add", "198.51.100.2/24", "dev", "eth0")
    server = outside.listen(80)
    lab_run(place.lab, "iptables", "-P", "FORWARD", "DROP")
    try:
        spec = place.network(NetworkMode.NAT, 13)
        one, two = (place.guest(spec, last, FirewallRule("ingress", "IPv4")) for last in (2, 3))
        inside = two.wire.listen(80)
        assert one.wire.reaches("198.51.100.2", 80)
        assert one.wire.reaches(two.address, 80)
        assert any("chain FORWARD" in warning for warning in place.driver.warnings())
        place.close()
        place._ends.clear()
        assert "tuinova" not in lab_run(place.lab, "iptables", "-S")
    finally:
        lab_run(place.lab, "iptables", "-P", "FORWARD", "ACCEPT")
    for one_socket in (server, inside):
        one_socket.close()


def test_a_routed_network_is_the_outside_of_others(place: Place) -> None:
    far = place.wire("out2")
    lab_run(place.lab, "ip", "addr", "add", "198.51.100.1/24", "dev", "out2")
    far.run("ip", "addr", "add", "198.51.100.2/24", "dev", "eth0")
    far.run("ip", "route", "add", "10.60.0.0/16", "via", "198.51.100.1")
    public, private = place.network(NetworkMode.ROUTED, 11), place.network(NetworkMode.ISOLATED, 12)
    everybody = FirewallRule("ingress", "IPv4")
    named, plain = place.guest(private, 2, everybody), place.guest(private, 3, everybody)
    neighbour = place.guest(public, 2, everybody)
    router = RouterSpec(str(uuid.uuid4()), ((private.id, "10.60.12.1", 24),), public, "10.60.11.50")
    floating = FloatingAddress("10.60.11.60", named.address, private.id, public)
    place.driver.apply_routing(Routing((floating,), (router,)))
    server, inside, beside = far.listen(80), named.wire.listen(80), neighbour.wire.listen(80)
    for guest, seen_as in ((plain, "10.60.11.50"), (named, "10.60.11.60")):
        for address, there in (("198.51.100.2", server), (neighbour.address, beside)):
            assert guest.wire.reaches(address, 80)
            assert there.accept()[1][0] == seen_as
    assert far.reaches("10.60.11.60", 80)
    assert neighbour.wire.reaches("10.60.11.60", 80)
    assert not far.reaches(named.address, 80)
    assert not neighbour.wire.reaches(plain.address, 22)
    for one in (server, inside, beside):
        one.close()


def test_floating_addresses_and_routers_open_a_way_and_leave_nothing(place: Place) -> None:
    lab_run(place.lab, "ip", "link", "add", "br-out", "type", "bridge")
    try:
        _floating_and_routers(place)
    finally:
        place.driver.apply_routing(Routing())
        lab_run(place.lab, "ip", "link", "del", "br-out")


def _floating_and_routers(place: Place) -> None:
    lab_run(place.lab, "ip", "link", "set", "br-out", "up")
    lab_run(place.lab, "ip", "addr", "add", "198.51.100.1/24", "dev", "br-out")
    outside = place.wire("out1", "br-out")
    outside.run("ip", "addr", "add", "198.51.100.2/24", "dev", "eth0")
    everybody = FirewallRule("ingress", "IPv4")
    left, right = place.network(NetworkMode.ISOLATED, 8), place.network(NetworkMode.ISOLATED, 9)
    one, two = place.guest(left, 2, everybody), place.guest(right, 2, everybody)
    external = replace(network(NetworkMode.PROVIDER, 10, "br-out"), subnets=())
    servers = [one.wire.listen(80), two.wire.listen(80), outside.listen(80)]
    assert not one.wire.reaches(two.address, 80)
    router = RouterSpec(
        str(uuid.uuid4()), ((left.id, "10.60.8.1", 24), (right.id, "10.60.9.1", 24)), external, "198.51.100.10"
    )
    floating = FloatingAddress("198.51.100.20", one.address, left.id, external)
    place.driver.apply_routing(Routing((floating,), (router,)))
    first = place.ruleset()
    place.driver.apply_routing(Routing((floating,), (router,)))
    assert len(place.ruleset().splitlines()) == len(first.splitlines())
    assert one.wire.reaches(two.address, 80)
    assert outside.reaches("198.51.100.20", 80)
    assert two.wire.reaches("198.51.100.2", 80)
    assert servers[2].accept()[1][0] == "198.51.100.10"  # by the router's address
    assert one.wire.reaches("198.51.100.2", 80)
    assert servers[2].accept()[1][0] == "198.51.100.20"  # by its own
    assert two.wire.reaches("198.51.100.20", 80)  # by the outside's name, from another network
    addresses = lab_run(place.lab, "ip", "addr", "show", "br-out")
    assert "198.51.100.20/32" in addresses
    # A connection by the floating address is cut when that goes.
    client = outside.socket()
    client.connect(("198.51.100.20", 80))
    place.driver.apply_routing(Routing((), (router,)))
    assert not outside.reaches("198.51.100.20", 80)
    assert one.wire.reaches(two.address, 80)
    place.driver.apply_routing(Routing())
    assert not one.wire.reaches(two.address, 80)
    assert not two.wire.reaches("198.51.100.2", 80)
    addresses = lab_run(place.lab, "ip", "addr", "show", "br-out")
    assert "198.51.100.20" not in addresses
    assert "198.51.100.10" not in addresses
    assert "198.51.100.1/24" in addresses  # the host's own
    assert "198.51.100" not in place.ruleset()
    for server in (*servers, client):
        server.close()
