"""Ports that go while others come and go: nobody makes anew what one of them has just given back."""

from __future__ import annotations

import subprocess
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event
from types import SimpleNamespace
from typing import Any

import libvirt
import pytest

from tuinova.core.errors import HypervisorUnavailable, InstancePowerOffFailure
from tuinova.virt.driver import Nic
from tuinova.virt.libvirt import power
from tuinova.virt.libvirt.driver import LibvirtDriver
from tuinova.virt.libvirt.guest_xml import tap_name
from tuinova.virt.libvirt.net import made
from tuinova.virt.libvirt.net.commands import HostCommands
from tuinova.virt.networks import FirewallRule, FixedIp, NetworkMode, NetworkSpec, PortSecurity, SubnetSpec

SECURITY = PortSecurity((FirewallRule("egress", "IPv4"),))
SUBNET = SubnetSpec("s", "10.0.0.0/24", "10.0.0.1", "10.0.0.1", (("10.0.0.2", "10.0.0.99"),))
GUEST, OTHER = str(uuid.uuid4()), str(uuid.uuid4())
NET = NetworkSpec("n1", "net", NetworkMode.NAT, (SUBNET,))


def nic(number: int, spec: NetworkSpec | None = NET) -> Nic:
    address = f"10.0.0.{number}"
    mac = f"fa:16:3e:00:00:{number:02x}"
    return Nic(f"{number:08x}-1111", mac, "default", address, 24, (FixedIp(address, 24),), spec=spec, security=SECURITY)


class Played:
    """A driver whose nft says what it was told, and whose libvirt has networks with bridges."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tables = ""
        self.reserved: dict[str, str] = {}
        self.looked_up: list[str] = []
        self.is_away = False

        def run(
            _self: HostCommands, *words: str, text: str | None = None, check: bool = True
        ) -> subprocess.CompletedProcess[str]:
            if words[0] == "nft" and text is not None:
                self.tables = text
            return subprocess.CompletedProcess(words, 0, "", "")

        monkeypatch.setattr(HostCommands, "run", run)
        monkeypatch.setattr(HostCommands, "allowed", property(lambda _self: True))
        monkeypatch.setattr(HostCommands, "switch", lambda _self, _name: "1")
        monkeypatch.setattr(made, "_bring", self._bring)
        self.driver = LibvirtDriver(host="h", uri="qemu:///system?socket=/nowhere", instances_path=tmp_path)
        self.networks = self.driver._networks
        self.networks.records.prepare()
        self.networks._made._known[NET.id] = NET
        self.networks._made._files(NET.id).mkdir(parents=True)
        monkeypatch.setattr(self.networks._connection, "get", lambda: SimpleNamespace(networkLookupByName=self._lookup))

    def _bring(self, _network: Any, wanted: dict[str, str], *_: Any) -> None:
        self.reserved = dict(wanted)

    def _lookup(self, name: str) -> Any:
        self.looked_up.append(name)
        if self.is_away:
            error = libvirt.libvirtError("gone")
            error.err = (libvirt.VIR_ERR_INVALID_CONN, 0, "the connection is gone", 2, "", "", "", 0, 0)
            raise error
        return SimpleNamespace(isActive=lambda: 1, bridgeName=lambda: "virbr0", XMLDesc=lambda _flags: "<network/>")

    def guards(self, port: Nic) -> bool:
        return tap_name(port.port_id) in self.tables


@pytest.fixture
def played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Played:
    return Played(tmp_path, monkeypatch)


def test_of_two_that_go_at_once_none_is_made_anew_by_the_other(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    networks, ports = played.networks, [nic(2), nic(3)]
    for guest, port in zip((GUEST, OTHER), ports, strict=True):
        networks.plug(guest, [port])
    assert (len(played.reserved), all(map(played.guards, ports))) == (2, True)
    # Each has given back all of its own before any of them is forgotten.
    remove, both = networks.records.remove, Barrier(2, timeout=5)

    def late(mac: str) -> None:
        both.wait()
        remove(mac)

    monkeypatch.setattr(networks.records, "remove", late)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(networks.unplug_all, [GUEST, OTHER]))
    assert (played.reserved, [port for port in ports if played.guards(port)]) == ({}, [])
    assert networks.records.all() == []


def test_what_could_not_be_taken_back_is_kept_and_guarded_again(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks, port = played.networks, nic(2)
    networks.plug(GUEST, [port])

    def refuse() -> None:
        raise InstancePowerOffFailure(reason="it does not end")

    with pytest.raises(InstancePowerOffFailure):
        networks.unplug_all(GUEST, refuse)
    assert (len(networks.records.all()), played.guards(port), len(played.reserved)) == (1, True, 1)


def test_a_guest_is_guarded_until_it_is_off(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    networks, port = played.networks, nic(2, None)
    monkeypatch.setattr(networks._host_networks, "reserve", lambda _nic: None)
    released = Event()
    monkeypatch.setattr(networks._host_networks, "release", lambda _record: released.set())
    networks.plug(GUEST, [port])
    guarded: list[bool] = []

    def off(_domain: object, _uuid: str) -> None:
        assert released.wait(5)
        Event().wait(0.1)
        guarded.append(played.guards(port))

    monkeypatch.setattr(power, "force_off", off)
    monkeypatch.setattr(power, "undefine", lambda _domain: None)
    monkeypatch.setattr(played.driver._host, "find_or_none", lambda _uuid: object())
    played.driver._guests.remove(GUEST)
    assert (guarded, played.guards(port)) == ([True], False)


def test_a_guest_that_can_not_be_ended_stays_guarded(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    networks, port = played.networks, nic(2)
    networks.plug(GUEST, [port])

    def stays(_domain: object, _uuid: str) -> None:
        raise InstancePowerOffFailure(reason="it does not end")

    monkeypatch.setattr(power, "force_off", stays)
    monkeypatch.setattr(played.driver._host, "find_or_none", lambda _uuid: object())
    with pytest.raises(InstancePowerOffFailure):
        played.driver._guests.remove(GUEST)
    networks.state.apply()
    assert played.guards(port)


def test_a_libvirt_that_does_not_answer_takes_no_ports_firewall_away(played: Played) -> None:
    networks, port = played.networks, nic(2, None)
    networks.records.add(GUEST, port)
    networks.state.apply()
    assert played.guards(port)
    played.is_away = True
    with pytest.raises((HypervisorUnavailable, libvirt.libvirtError)):
        networks.state.apply()
    assert played.guards(port)
    # Said where an operator looks, and no end of what else is to be said there.
    networks.state._families = {"inet"}
    (warning,) = networks.warnings()
    assert "is not back" in warning


def test_libvirt_is_asked_for_a_network_once_however_many_ports_are_on_it(played: Played) -> None:
    for number in range(2, 12):
        played.networks.records.add(GUEST, nic(number, None))
    played.looked_up.clear()
    played.networks.state.apply()
    assert played.looked_up == ["default"]
