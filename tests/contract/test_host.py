"""What a driver says of its host is whole and sane."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any


def test_every_node_has_sane_numbers(env: Any) -> None:
    nodes = env.driver.node_resources()
    assert nodes
    for node in nodes:
        assert node.node
        assert node.vcpus >= 1
        assert node.memory_mb >= 256
        assert node.local_gb >= 1
        assert node.disk_available_least <= node.local_gb
        assert node.hypervisor_version > 0
        ip_address(node.host_ip)
        assert {"arch", "model", "topology", "features"} <= set(node.cpu_info)
        assert node.supported_instances
        assert all(len(instance) == 3 and all(instance) for instance in node.supported_instances)


def test_the_driver_says_what_it_is(env: Any) -> None:
    assert env.driver.host == "cmp1"
    assert env.driver.connection_name
    assert env.driver.virt_type in ("kvm", "qemu", "fake")
    assert len(env.driver.virt_type_reason) > 10
    assert all(isinstance(sentence, str) and sentence for sentence in env.driver.warnings())


def test_the_first_network_can_give_addresses(env: Any) -> None:
    network = env.network()
    assert network.mode in ("nat", "user", "fake")
    cidr = ip_network(network.cidr)
    assert ip_address(network.first) in cidr
    assert ip_address(network.last) in cidr
    assert ip_address(network.first) <= ip_address(network.last)
    assert network.gateway not in {network.first, network.last}
    assert network.mtu >= 576


def test_a_foreign_guest_counts_and_is_not_ours(env: Any) -> None:
    uuid = env.plant_foreign("contract-stranger")
    assert uuid not in {info.uuid for info in env.driver.list_guests()}
    assert uuid not in env.driver.leftovers()
    (foreign,) = [guest for node in env.driver.node_resources() for guest in node.foreign if guest.uuid == uuid]
    assert foreign.name == "contract-stranger"
    assert foreign.memory_mb >= 64
    assert foreign.vcpus == 1
    env.driver.cleanup(uuid)
    assert [guest for node in env.driver.node_resources() for guest in node.foreign if guest.uuid == uuid]


def test_graphics_are_an_address_on_this_host_or_nothing(env: Any) -> None:
    guest = env.spawn()
    address = env.driver.graphics_address(guest.uuid)
    if env.real:
        host, _, port = address.rpartition(":")
        assert host == "127.0.0.1"
        assert 5900 <= int(port) < 65536
    else:
        assert address is None
