"""A hypervisor on another machine: its networks are guarded there, and nothing of this machine's is touched."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import pytest

from tests.lab.guests import guest_spec
from tuinova.virt.driver import DriverError, Nic
from tuinova.virt.libvirt.driver import LibvirtDriver
from tuinova.virt.networks import FirewallRule, FixedIp, NetworkMode, NetworkSpec, PortSecurity, Routing

NIC = Nic(
    "11111111-2222",
    "fa:16:3e:00:00:02",
    "default",
    "192.168.122.5",
    24,
    (FixedIp("192.168.122.5", 24),),
    security=PortSecurity((FirewallRule("egress", "IPv4"),)),
)


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LibvirtDriver:
    """Root's driver of another machine, on which the network of guests has the bridge that it has here too."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    def refuse(*words: object, **more: object) -> NoReturn:
        raise AssertionError(f"something was done on this machine: {words}")

    monkeypatch.setattr(subprocess, "run", refuse)
    monkeypatch.setattr(socket, "socket", refuse)
    driver = LibvirtDriver(host="h", uri="qemu+ssh://root@elsewhere/system", instances_path=tmp_path)
    network = SimpleNamespace(isActive=lambda: 1, bridgeName=lambda: "virbr0")
    connection = SimpleNamespace(
        networkLookupByName=lambda _name: network, getDomainCapabilities=lambda *_: "<domainCapabilities/>"
    )
    monkeypatch.setattr(driver._networks._connection, "get", lambda: connection)
    return driver


def test_a_port_there_gets_no_rules_here(far: LibvirtDriver) -> None:
    networks = far._networks
    networks.commands.learn()
    networks.records.prepare()
    networks.records.add("u1", NIC)
    networks.state.apply()
    assert networks.links() == {}
    assert list(networks.warnings()) == []


def test_it_is_guarded_there_by_libvirts_filters(far: LibvirtDriver) -> None:
    assert far._host.facts(guest_spec(None)).has_filters


def test_networks_are_refused_with_the_reason(far: LibvirtDriver) -> None:
    assert "another" in far.network_modes()[NetworkMode.NAT]
    assert far.network_modes()[NetworkMode.HOST] == ""
    with pytest.raises(DriverError, match="on the hypervisor's own machine"):
        far.ensure_network(NetworkSpec("n1", "net", NetworkMode.NAT))
    far.apply_routing(Routing())
