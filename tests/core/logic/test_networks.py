"""Networks of ours under servers that move, crash and come back: nothing is lost, and nothing stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tuinova.core.errors.network import PortForwardInUse
from tuinova.core.errors.server_networks import NovaPortInUse
from tuinova.core.quota_table import NETWORK
from tuinova.core.records import Network, SecurityGroupRule, Subnet
from tuinova.virt.driver import HostNetwork

from .conftest import House
from .test_moves import AUTO, other
from .test_outage import blink


@pytest.fixture
def pair(make_house: Callable[..., House]) -> House:
    """Two hosts."""
    return make_house("node1", "node2")


def network(house: House, cidr: str = "10.44.0.0/24", **fields: Any) -> tuple[Network, Subnet]:
    ctx, api = house.ctx(), house.engine.network_api
    made = api.networks.create(ctx, {"name": "blue", **fields})
    subnet = api.subnets.create(ctx, {"network_id": made.id, "cidr": cidr})
    house.settle()
    return made, subnet


def given(house: House, net: Network, **fields: Any) -> str:
    return house.engine.network_api.ports.create(house.ctx(), {"network_id": net.id, **fields}).id


def open_port(house: House, group: str, number: int) -> SecurityGroupRule:
    body = {"security_group_id": group, "direction": "ingress", "protocol": "tcp"}
    ports = {"port_range_min": number, "port_range_max": number}
    (rule,) = house.engine.network_api.groups.create_rules(house.ctx(), [{**body, **ports}])
    return rule


def opened(house: House, uuid: str) -> list[int]:
    host = house.server(uuid).host
    assert host is not None
    rules = [rule for nic in house.drivers[host].ports_of(uuid) for rule in nic["security"]["rules"]]
    return sorted(rule["port_min"] for rule in rules if rule["protocol"] == "tcp")


def group_of(house: House, uuid: str) -> str:
    return house.conductor.all_ports(device_id=uuid)[0].security_groups[0]


# moves ---------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("how", ["migrate", "os-migrateLive"])
def test_a_move_keeps_the_addresses_and_the_firewall(pair: House, how: str) -> None:
    net, _ = network(pair)
    server = pair.create(networks=[{"uuid": net.id}, {"port": given(pair, net)}])
    there = other(pair, server)
    moved = pair.act(server.uuid, how, AUTO if how == "os-migrateLive" else None)
    if how == "migrate":
        moved = pair.act(server.uuid, "confirmResize")
    assert (moved.host, moved.addresses) == (there, server.addresses)
    assert {port.host for port in pair.conductor.ports(server.uuid)} == {there}
    group = group_of(pair, server.uuid)
    rule = open_port(pair, group, 22)
    pair.settle()
    assert opened(pair, server.uuid) == [22, 22]
    pair.engine.network_api.groups.delete_rule(pair.ctx(), rule.id)
    pair.settle()
    assert opened(pair, server.uuid) == []


def test_a_shelved_server_keeps_its_address_which_nobody_gets_meanwhile(house: House) -> None:
    net, _ = network(house)
    server = house.create(networks=[{"uuid": net.id}])
    house.act(server.uuid, "shelve")
    house.act(server.uuid, "shelveOffload") if house.server(server.uuid).host else None
    assert {port.host for port in house.conductor.ports(server.uuid)} == {""}
    second = house.create(name="vm2", networks=[{"uuid": net.id}])
    assert second.addresses[0]["address"] != server.addresses[0]["address"]
    back = house.act(server.uuid, "unshelve")
    assert (back.vm_state, back.addresses) == ("active", server.addresses)


# what changes meanwhile ----------------------------------------------------------------------------------------------
def rule_while_another_is_made(house: House) -> tuple[str, str]:
    """Two servers of one group, whose rule for port 443 came while the second one's guest was made."""
    net, _ = network(house)
    first = house.create(networks=[{"uuid": net.id}])
    group = group_of(house, first.uuid)
    house.driver.faults.order("spawn", {"kind": "slow", "delay": 0.5})
    second = house.create(name="vm2", networks=[{"uuid": net.id}], settle=False)
    while house.server(second.uuid).task_state != "spawning":
        pass
    open_port(house, group, 443)
    return first.uuid, second.uuid


def test_a_rule_that_comes_while_a_guest_is_made_reaches_it(house: House) -> None:
    first, second = rule_while_another_is_made(house)
    house.settle()
    assert (opened(house, first), opened(house, second)) == ([443], [443])


def test_two_servers_can_not_have_one_port(house: House) -> None:
    net, _ = network(house)
    port = given(house, net)
    server = house.create(networks=[{"port": port}], settle=False)
    with pytest.raises(NovaPortInUse):
        house.create(name="vm2", networks=[{"port": port}], settle=False)
    house.settle()
    assert house.server(server.uuid).vm_state == "active"
    house.act(server.uuid, "delete")
    assert house.conductor.port(port).device_id == ""
    assert house.nothing_left(server.uuid)


def test_a_port_made_before_on_the_hosts_own_network_has_an_address_while_a_server_has_it(house: House) -> None:
    (fake,) = [one for one in house.conductor.networks() if one.name == "fake"]
    port = given(house, fake)
    assert house.conductor.port(port).fixed_ips == ()
    server = house.create(networks=[{"port": port}])
    (held,) = house.conductor.ports(server.uuid)
    assert (held.id, held.address, held.host) == (port, server.addresses[0]["address"], "node1")
    house.act(server.uuid, "delete")
    left = house.conductor.port(port)
    assert (left.device_id, left.fixed_ips, left.host) == ("", (), "")


def test_of_two_that_are_accepted_at_once_only_one_gets_the_last_port_of_the_quota(house: House) -> None:
    net, _ = network(house)
    project = house.ctx().project_id or ""
    has = house.conductor.quota_usage(project, NETWORK)["port"]
    house.conductor.set_quota(project, {"port": has + 1})
    wish = [{"uuid": net.id}]
    servers = [house.create(name=name, networks=wish, settle=False).uuid for name in ("vm1", "vm2")]
    house.settle()
    assert sorted(house.server(uuid).vm_state for uuid in servers) == ["active", "error"]
    (lost,) = [uuid for uuid in servers if house.server(uuid).vm_state == "error"]
    fault = house.conductor.newest_fault(lost)
    assert fault is not None
    assert "Maximum number of ports exceeded" in fault.message
    assert house.conductor.quota_usage(project, NETWORK)["port"] == has + 1
    assert house.conductor.ports(lost) == []


def test_a_server_says_the_groups_that_its_ports_are_in(house: House) -> None:
    net, _ = network(house)
    groups = house.engine.network_api.groups
    web, db = (groups.create(house.ctx(), {"name": name}).id for name in ("web", "db"))
    port = given(house, net)
    house.conductor.update_port(port, {}, security_groups=[web])
    server = house.create(networks=[{"port": port}], security_groups=["db"])
    assert house.server(server.uuid).security_groups == ["web"]
    house.conductor.update_port(port, {}, security_groups=[web, db])
    assert sorted(house.server(server.uuid).security_groups) == ["db", "web"]
    house.conductor.update_security_group(db, {"name": "data"})
    assert sorted(house.server(server.uuid).security_groups) == ["data", "web"]
    house.conductor.update_port(port, {}, security_groups=[])
    assert house.server(server.uuid).security_groups == []


# crashes and outages -------------------------------------------------------------------------------------------------
def test_what_was_accepted_before_a_crash_is_there_after_it(house: House) -> None:
    house.hang("ensure_network")
    ctx, api = house.ctx(), house.engine.network_api
    net = api.networks.create(ctx, {"name": "late"})
    api.subnets.create(ctx, {"network_id": net.id, "cidr": "10.45.0.0/24"})
    house.crash()
    house.restart()
    assert house.conductor.open_orders() == []
    made = house.driver.made_network(net.id)
    assert made is not None
    assert [one["cidr"] for one in made["subnets"]] == ["10.45.0.0/24"]


def test_a_network_that_the_database_does_not_have_goes_with_the_next_start(house: House) -> None:
    net, _ = network(house)
    house.hang("remove_network")
    house.engine.network_api.networks.delete(house.ctx(), net.id)
    house.crash()
    assert net.id in house.driver.networks_made()
    house.restart()
    assert list(house.driver.networks_made()) == []
    assert house.conductor.open_orders() == []


def test_a_start_brings_everything_of_a_host_up_to_date(house: House) -> None:
    """Whatever was done to the host while nobody looked."""
    net, _ = network(house)
    server = house.create(networks=[{"uuid": net.id}])
    open_port(house, group_of(house, server.uuid), 22)
    house.settle()
    house.crash()
    house.driver.faults.closed.clear()
    house.driver.update_ports({server.uuid: []})
    (house.driver.directory / "networks" / f"{net.id}.json").unlink()
    house.restart()
    assert house.driver.made_network(net.id) is not None
    assert opened(house, server.uuid) == [22]


def test_a_rule_waits_for_a_hypervisor_that_is_away(house: House) -> None:
    net, _ = network(house)
    server = house.create(networks=[{"uuid": net.id}])
    house.driver.faults.order("connection", {"kind": "lost"})
    open_port(house, group_of(house, server.uuid), 22)
    house.settle()
    assert [order.method for order in house.conductor.open_orders()] == ["apply_networks"]
    house.driver.faults.order("connection", None)
    blink(house)
    house.settle()
    assert opened(house, server.uuid) == [22]
    assert house.conductor.open_orders() == []


@pytest.mark.parametrize("when", ["before", "middle"])
def test_an_attach_that_a_crash_cut_off_is_finished(house: House, when: str) -> None:
    net, _ = network(house)
    server = house.create(networks="none")
    reached = house.hang("attach_interface", when)
    house.act(server.uuid, "attach_interface", {"net_id": net.id}, settle=False)
    assert reached.wait(10)
    house.crash()
    house.restart()
    (port,) = house.conductor.ports(server.uuid)
    assert [nic["port_id"] for nic in house.driver.ports_of(server.uuid)] == [port.id]
    assert [one["address"] for one in house.server(server.uuid).addresses] == [port.address]
    assert house.conductor.open_orders() == []


@pytest.mark.parametrize("when", ["before", "middle", "after"])
def test_a_detach_that_a_crash_cut_off_is_finished(house: House, when: str) -> None:
    net, _ = network(house)
    port = given(house, net)
    server = house.create(networks=[{"uuid": net.id}, {"port": port}])
    reached = house.hang("detach_interface", when)
    house.act(server.uuid, "detach_interface", {"port_id": port}, settle=False)
    assert reached.wait(10)
    house.crash()
    house.restart()
    (left,) = house.conductor.ports(server.uuid)
    assert left.id != port
    assert [nic["port_id"] for nic in house.driver.ports_of(server.uuid)] == [left.id]
    assert house.conductor.port(port).device_id == ""
    assert house.conductor.open_orders() == []


def test_a_delete_takes_a_half_attached_port_along(house: House) -> None:
    net, _ = network(house)
    server = house.create(networks="none")
    house.driver.faults.order("attach_interface", {"kind": "slow", "delay": 0.5})
    house.act(server.uuid, "attach_interface", {"net_id": net.id}, settle=False)
    house.act(server.uuid, "delete")
    assert house.server(server.uuid).deleted
    assert house.nothing_left(server.uuid)
    assert house.conductor.all_ports(network_id=net.id) == []
    assert house.conductor.open_orders() == []
    house.engine.network_api.networks.delete(house.ctx(), net.id)
    house.settle()
    assert list(house.driver.networks_made()) == []


def test_many_changes_at_once_are_few_orders(house: House) -> None:
    """What waits already is not written again, and nothing is left out."""
    net, _ = network(house)
    server = house.create(networks=[{"uuid": net.id}])
    group = group_of(house, server.uuid)
    reached = house.hang("update_ports")
    open_port(house, group, 1000)
    assert reached.wait(10)
    for number in range(1001, 1011):
        open_port(house, group, number)
    assert len(house.conductor.open_orders()) == 2  # the one that hangs, and one for all that came since
    house.driver.faults.order("update_ports", None)
    house.settle()
    assert opened(house, server.uuid) == list(range(1000, 1011))


def test_what_a_host_fails_to_do_is_tried_again(house: House) -> None:
    net, _ = network(house)
    server = house.create(networks=[{"uuid": net.id}])
    house.driver.faults.order("update_ports", {"error": "nft: busy", "times": 1})
    open_port(house, group_of(house, server.uuid), 22)
    house.settle()
    assert (opened(house, server.uuid), len(house.conductor.open_orders())) == ([], 1)
    house.pass_time(61)
    house.pass_time(61)
    assert (opened(house, server.uuid), house.conductor.open_orders()) == ([22], [])
    house.act(server.uuid, "delete")
    house.driver.faults.order("remove_network", {"error": "Device or resource busy", "times": 1})
    house.engine.network_api.networks.delete(house.ctx(), net.id)
    house.settle()
    assert list(house.driver.networks_made()) == [net.id]
    house.pass_time(61)
    house.pass_time(61)
    assert (list(house.driver.networks_made()), house.conductor.open_orders()) == ([], [])


def test_a_change_that_passed_a_guest_by_is_tried_again_when_catching_up_fails(house: House) -> None:
    first, second = rule_while_another_is_made(house)
    while house.conductor.open_orders(uuid=""):
        pass
    house.driver.faults.order("update_ports", {"error": "nft: busy", "times": 2})
    house.settle()
    assert (opened(house, first), opened(house, second)) == ([443], [])
    house.pass_time(61)
    house.pass_time(61)
    assert (opened(house, second), house.conductor.open_orders()) == ([443], [])


@pytest.mark.parametrize("call", ["update_ports", "apply_routing"])
def test_what_could_not_be_brought_up_to_date_when_the_hypervisor_came_back_is_tried_again(
    house: House, call: str
) -> None:
    net, _ = network(house)
    server = house.create(networks=[{"uuid": net.id}])
    open_port(house, group_of(house, server.uuid), 22)
    house.settle()
    house.driver.update_ports({server.uuid: []})
    (house.driver.directory / "routing.json").unlink(missing_ok=True)
    house.driver.faults.order(call, {"error": "nft: busy", "times": 2})
    blink(house)
    house.settle()
    assert (opened(house, server.uuid) == [22]) is (call != "update_ports")
    house.pass_time(61)
    house.pass_time(61)
    assert opened(house, server.uuid) == [22]
    assert (house.driver.directory / "routing.json").exists()
    assert house.conductor.open_orders() == []


def test_an_order_that_ends_in_a_defect_is_not_lost(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    net, _ = network(house)
    server = house.create(networks=[{"uuid": net.id}])

    def broken(guests: Any) -> None:
        raise OSError("nft: not found")

    with monkeypatch.context() as patched:
        patched.setattr(house.driver, "update_ports", broken)
        open_port(house, group_of(house, server.uuid), 22)
        house.settle()
    house.pass_time(61)
    house.pass_time(61)
    assert (opened(house, server.uuid), house.conductor.open_orders()) == ([22], [])


def test_a_network_that_a_host_could_not_make_is_made_when_it_can(house: House) -> None:
    house.driver.faults.order("ensure_network", {"error": "the bridge is not there"})
    net, _ = network(house)
    assert house.conductor.network(net.id).faults
    assert house.driver.made_network(net.id) is None
    house.driver.faults.order("ensure_network", None)
    house.pass_time(31)
    house.pass_time(31)
    assert house.driver.made_network(net.id) is not None
    assert house.conductor.network(net.id).faults == {}


def test_who_has_an_address_on_a_network_of_a_host(house: House) -> None:
    net, _ = network(house)
    server = house.create(networks=[{"uuid": net.id}])
    plain = house.create(name="vm2", networks=[{"uuid": "fake"}])
    find = house.conductor.guest_at
    assert (find("node1", net.id, server.addresses[0]["address"]) or ("",))[0] == server.uuid
    assert (find("node1", "fake", plain.addresses[0]["address"]) or ("",))[0] == plain.uuid
    assert find("node1", net.id, "10.44.0.200") is None
    assert find("node2", net.id, server.addresses[0]["address"]) is None


# user-mode networking ------------------------------------------------------------------------------------------------
USER = HostNetwork("user", "user", "10.0.2.0/24", "10.0.2.2", "10.0.2.15", "10.0.2.15")


def test_a_port_of_the_host_leads_to_a_guest_in_user_mode_networking(
    make_house: Callable[..., House], monkeypatch: pytest.MonkeyPatch
) -> None:
    house = make_house(start=False)
    monkeypatch.setattr(house.driver, "list_networks", lambda: [USER])
    house.engine.start()
    server, other = house.create(), house.create(name="vm2")
    assert server.addresses[0]["address"] == other.addresses[0]["address"] == "10.0.2.15"
    (port,) = house.conductor.ports(server.uuid)
    forward = {"protocol": "tcp", "host_port": 2222, "guest_port": 22}
    house.engine.network_api.ports.update(house.ctx(), port.id, {"tuinova:forwards": [forward]})
    house.settle()
    (nic,) = house.driver.ports_of(server.uuid)
    assert nic["forwards"] == [{**forward, "host_address": "127.0.0.1"}]
    assert nic["spec"] is None
    taken = pytest.raises(PortForwardInUse)
    with taken:
        (second,) = house.conductor.ports(other.uuid)
        house.engine.network_api.ports.update(house.ctx(), second.id, {"tuinova:forwards": [forward]})
    house.act(server.uuid, "reboot-hard")
    assert house.driver.ports_of(server.uuid)[0]["forwards"]
    house.engine.network_api.ports.update(house.ctx(), port.id, {"tuinova:forwards": []})
    house.settle()
    assert house.driver.ports_of(server.uuid) == []


# what else keeps a server's ports ------------------------------------------------------------------------------------
def test_an_evacuation_and_a_rebuild_keep_addresses_and_groups(pair: House) -> None:
    net, _ = network(pair)
    server = pair.create(networks=[{"uuid": net.id}])
    assert server.host is not None
    open_port(pair, group_of(pair, server.uuid), 22)
    rebuilt = pair.act(server.uuid, "rebuild", {"imageRef": server.image_ref})
    assert (rebuilt.vm_state, rebuilt.addresses, opened(pair, server.uuid)) == ("active", server.addresses, [22])
    pair.conductor.set_service(server.host, "nova-compute", forced_down=True)
    moved = pair.act(server.uuid, "evacuate", {"host": None})
    assert (moved.host, moved.addresses) == (other(pair, server), server.addresses)
    assert opened(pair, server.uuid) == [22]
