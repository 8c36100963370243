"""Addresses: free, unique, not given again at once, all or none."""

from __future__ import annotations

import threading

import pytest

from tuinova.core.conductor import UnexpectedTaskState
from tuinova.core.errors import NoMoreFixedIps


def place(conductor, server, host):
    return conductor.step(server.uuid, updates={"host": host})


def test_a_port_gets_a_free_address_that_is_neither_gateway_nor_reserved(conductor, make, net):
    server = place(conductor, make(), "h1")
    (port,) = conductor.allocate_ports(server.uuid, [net()])
    assert (port.address, port.fixed_ips[0].prefix, port.network, port.host) == ("192.0.2.3", 29, "default", "h1")
    assert port.mac.startswith("fa:16:3e:")
    assert len(port.mac) == 17
    assert conductor.ports(server.uuid) == [port]
    assert conductor.instance(server.uuid).addresses == [
        {
            "port_id": port.id,
            "network": "default",
            "net_id": port.network_id,
            "mac": port.mac,
            "plain": True,
            "address": "192.0.2.3",
            "prefix": 29,
            "version": 4,
            "type": "fixed",
            "subnet_id": "",
        }
    ]
    view = conductor.changes(conductor.last_change() - 1)[0].view
    assert (view["addresses"], view["networks"]) == (["192.0.2.3"], {"default": ["192.0.2.3"]})


def test_many_at_once_get_different_addresses_and_the_rest_an_error(conductor, make, net):
    servers = [place(conductor, make(f"vm{n}"), "h1") for n in range(6)]
    start = threading.Barrier(6)
    outcomes: list[object] = []

    def allocate(uuid: str) -> None:
        start.wait()
        try:
            outcomes.append(conductor.allocate_ports(uuid, [net()])[0].address)
        except NoMoreFixedIps as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=allocate, args=(server.uuid,)) for server in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refusal = "No fixed IP addresses available for network: default"
    assert sorted(map(str, outcomes)) == [f"192.0.2.{n}" for n in (3, 4, 5, 6)] + [refusal] * 2


def test_a_freed_address_is_given_again_only_after_the_others(conductor, make, net):
    first = make("a")
    assert conductor.allocate_ports(first.uuid, [net()])[0].address == "192.0.2.3"
    conductor.release_ports(first.uuid)
    assert conductor.instance(first.uuid).addresses == []
    given = [conductor.allocate_ports(make().uuid, [net()])[0].address for _ in range(4)]
    assert given == ["192.0.2.4", "192.0.2.5", "192.0.2.6", "192.0.2.3"]


def test_when_one_network_is_full_no_port_is_taken(conductor, make, net):
    full = net(name="full", first="192.0.2.1", last="192.0.2.2")
    server = make()
    with pytest.raises(NoMoreFixedIps, match="network: full"):
        conductor.allocate_ports(server.uuid, [net(), full])
    assert conductor.ports() == []
    assert conductor.instance(server.uuid).addresses == []


def test_a_repeated_order_finds_its_ports_again(conductor, make, net):
    server = make()
    ports = conductor.allocate_ports(server.uuid, [net()])
    assert conductor.allocate_ports(server.uuid, [net()]) == ports


def test_a_task_may_go_on_with_the_ports_or_not_at_all(conductor, make, net):
    conductor.save_networks("h1", [net()])
    server = make()
    with pytest.raises(UnexpectedTaskState):
        conductor.allocate_ports(server.uuid, [net()], updates={"task_state": "spawning"}, expect_task="networking")
    assert conductor.ports() == []
    last = conductor.last_change()
    for _ in range(2):
        conductor.allocate_ports(server.uuid, [net()], updates={"task_state": "spawning"})
    assert conductor.instance(server.uuid).task_state == "spawning"
    assert len(conductor.instance(server.uuid).addresses) == 1
    assert conductor.last_change() == last + 2


def test_on_another_host_the_ports_are_made_anew(conductor, make, net):
    server = place(conductor, make(), "h1")
    (old,) = conductor.allocate_ports(server.uuid, [net()])
    place(conductor, server, "h2")
    (new,) = conductor.allocate_ports(server.uuid, [net()])
    assert (new.host, len(conductor.ports())) == ("h2", 1)
    assert new.id != old.id


def test_hosts_go_round_together_and_have_all_addresses_each(conductor, make, net):
    addresses = []
    for host in ("h1", "h2", "h2", "h2", "h2", "h1"):
        server = place(conductor, make(), host)
        addresses.append(conductor.allocate_ports(server.uuid, [net()])[0].address)
    assert addresses == [f"192.0.2.{number}" for number in (3, 4, 5, 6, 3, 4)]


def test_in_user_mode_every_guest_has_the_same_address(conductor, make, net):
    user = net(name="user", mode="user", cidr="10.0.2.0/24", gateway="10.0.2.2", first="10.0.2.15", last="10.0.2.15")
    assert [conductor.allocate_ports(make().uuid, [user])[0].address for _ in range(2)] == ["10.0.2.15"] * 2


def test_networks_are_kept_by_host_in_the_drivers_order_with_stable_ids(conductor, net):
    conductor.save_networks("h1", [net(name="b"), net(name="a")])
    ids = {network.name: network.id for network in conductor.host_networks("h1")}
    conductor.save_networks("h1", [net(name="b", reserved=frozenset({"192.0.2.5"})), net(name="c")])
    conductor.save_networks("h2", [net()])
    networks = conductor.host_networks("h1")
    assert [network.name for network in networks] == ["b", "c"]
    assert networks[0].id == ids["b"]
    assert networks[0].reserved == frozenset({"192.0.2.5"})
    assert len(conductor.host_networks()) == 3
