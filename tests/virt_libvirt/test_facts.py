"""What is read out of libvirt's answers: networks, capabilities, events, errors, keys, KVM."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any

import libvirt
import pytest

from tuinova.core.errors import HypervisorUnavailable
from tuinova.virt.driver import DriverError, GuestNotFound, LifecycleEvent, Nic
from tuinova.virt.libvirt import errors, kvm
from tuinova.virt.libvirt.events import translate_event
from tuinova.virt.libvirt.keys import key_codes
from tuinova.virt.libvirt.net import host_networks as network
from tuinova.virt.libvirt.net.records import PortRecords
from tuinova.virt.libvirt.resources import Capabilities

NETWORK = """
<network><name>default</name><forward mode='nat'/><mtu size='1400'/>
  <ip family='ipv6' address='fd00::1' prefix='64'/>
  <ip address='192.168.122.1' netmask='255.255.255.0'><dhcp>
    <range start='192.168.122.2' end='192.168.122.254'/>
    <host mac='52:54:00:00:00:01' ip='192.168.122.10'/>
    <host mac='fa:16:3e:00:00:01' ip='192.168.122.11'/>
  </dhcp></ip>
</network>"""
CAPABILITIES = """
<capabilities>
  <host>
    <cpu><arch>x86_64</arch><model>EPYC</model><vendor>AMD</vendor>
      <topology sockets='1' dies='1' cores='2' threads='1'/><feature name='aes'/></cpu>
    <secmodel><model>apparmor</model></secmodel>
    <secmodel><model>dac</model><baselabel type='kvm'>+64055:+106</baselabel></secmodel>
  </host>
  <guest><os_type>hvm</os_type><arch name='x86_64'><domain type='qemu'/><domain type='kvm'/></arch></guest>
</capabilities>"""


def test_a_network_is_offered_with_what_others_hold() -> None:
    leases = [
        {"mac": "52:54:00:AA:00:01", "ipaddr": "192.168.122.20"},
        {"mac": "FA:16:3E:00:00:01", "ipaddr": "192.168.122.11"},
    ]
    found = network.parse_network(NETWORK, {"fa:16:3e:00:00:01"}, leases)
    assert found is not None
    assert (found.name, found.mode, found.cidr, found.mtu) == ("default", "nat", "192.168.122.0/24", 1400)
    assert (found.gateway, found.first, found.last) == ("192.168.122.1", "192.168.122.2", "192.168.122.254")
    assert found.reserved == {"192.168.122.1", "192.168.122.10", "192.168.122.20"}


def test_a_network_without_dhcp_is_not_offered() -> None:
    assert (
        network.parse_network("<network><name>x</name><ip address='10.0.0.1' prefix='8'/></network>", set(), []) is None
    )


def test_the_network_that_is_made_reads_back() -> None:
    xml = network.network_xml("default", ipaddress.IPv4Network("192.168.130.0/24"))
    found = network.parse_network(xml, set(), [])
    assert found is not None
    assert (found.cidr, found.first, found.last) == ("192.168.130.0/24", "192.168.130.2", "192.168.130.254")


def test_routes_of_the_host_are_read(tmp_path: Path) -> None:
    table = tmp_path / "route"
    table.write_text(
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "eth0\t007AA8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
    )
    assert network._routes(table) == [ipaddress.IPv4Network("192.168.122.0/24")]


def test_records_of_ports_survive_and_go(tmp_path: Path) -> None:
    records = PortRecords(tmp_path)
    records.prepare()
    item = records.add("u", Nic("p", "FA:16:3E:00:00:01", "default", "192.168.122.5"))
    (records.directory / "broken.json").write_text("{")
    again = PortRecords(tmp_path)
    assert again.of("u") == [item]
    again.remove(item.mac)
    again.remove(item.mac)
    assert PortRecords(tmp_path).all() == []


def test_capabilities_tell_user_cpu_and_kinds() -> None:
    capabilities = Capabilities(CAPABILITIES)
    user = capabilities.qemu_user()
    assert user is not None
    assert (user.uid, user.gid) == (64055, 106)
    assert capabilities.offers_kvm()
    assert capabilities.supported(kvm_works=False) == [("x86_64", "qemu", "hvm")]
    assert ("x86_64", "kvm", "hvm") in capabilities.supported(kvm_works=True)
    info = capabilities.cpu_info()
    assert (info["model"], info["vendor"], info["topology"]["cores"], info["features"]) == ("EPYC", "AMD", 2, ["aes"])


def test_a_session_has_no_user_of_its_own() -> None:
    assert Capabilities("<capabilities/>").qemu_user() is None


@pytest.mark.parametrize(
    ("event", "detail", "expected"),
    [
        (libvirt.VIR_DOMAIN_EVENT_STARTED, libvirt.VIR_DOMAIN_EVENT_STARTED_BOOTED, LifecycleEvent.STARTED),
        (libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_CRASHED, LifecycleEvent.STOPPED),
        (libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_SAVED, LifecycleEvent.STOPPED),
        (libvirt.VIR_DOMAIN_EVENT_SUSPENDED, libvirt.VIR_DOMAIN_EVENT_SUSPENDED_PAUSED, LifecycleEvent.PAUSED),
        (libvirt.VIR_DOMAIN_EVENT_SUSPENDED, libvirt.VIR_DOMAIN_EVENT_SUSPENDED_MIGRATED, None),
        (libvirt.VIR_DOMAIN_EVENT_SUSPENDED, libvirt.VIR_DOMAIN_EVENT_SUSPENDED_POSTCOPY, None),
        (libvirt.VIR_DOMAIN_EVENT_RESUMED, libvirt.VIR_DOMAIN_EVENT_RESUMED_UNPAUSED, LifecycleEvent.RESUMED),
        (libvirt.VIR_DOMAIN_EVENT_DEFINED, 0, None),
        (libvirt.VIR_DOMAIN_EVENT_SHUTDOWN, 0, None),
    ],
)
def test_events_are_novas(event: int, detail: int, expected: LifecycleEvent | None) -> None:
    assert translate_event(event, detail) is expected


class Failure(libvirt.libvirtError):
    def __init__(self, message: str, code: int, domain: int) -> None:
        self.err: Any = (code, domain, message, 2, None, None, None, -1, -1)


GONE = "Failed to connect socket to '/run/libvirt/virtlogd-sock': No such file or directory"


@pytest.mark.parametrize(
    ("message", "code", "domain", "expected"),
    [
        ("Cannot write data: Broken pipe", libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_FROM_RPC, HypervisorUnavailable),
        ("client socket is closed", libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_FROM_RPC, HypervisorUnavailable),
        (
            "closed due to keepalive timeout",
            libvirt.VIR_ERR_INTERNAL_ERROR,
            libvirt.VIR_FROM_RPC,
            HypervisorUnavailable,
        ),
        ("invalid connection", libvirt.VIR_ERR_INVALID_CONN, libvirt.VIR_FROM_NONE, HypervisorUnavailable),
        ("Domain not found", libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_FROM_QEMU, GuestNotFound),
        ("out of luck", libvirt.VIR_ERR_INTERNAL_ERROR, libvirt.VIR_FROM_QEMU, DriverError),
        (GONE, libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_FROM_RPC, DriverError),
    ],
)
def test_libvirts_errors_become_the_contracts(message: str, code: int, domain: int, expected: type) -> None:
    error = errors.translate(Failure(message, code, domain), host="host1", uuid="u")
    assert type(error) is expected
    if message == GONE:
        assert "virtlogd" in error.message
        assert "sock" not in error.message.replace("virtlogd.socket", "")
    elif expected is DriverError:
        assert error.message == message


def test_keys_are_named_as_linux_names_them() -> None:
    assert key_codes(["ctrl", "alt", "delete"]) == [29, 56, 111]
    assert key_codes(["ctrl", "alt", "f1"]) == [29, 56, 59]
    assert key_codes(["a", "z", "1", "enter", "space"]) == [30, 44, 2, 28, 57]
    with pytest.raises(DriverError, match="'any'"):
        key_codes(["any"])
    with pytest.raises(DriverError):
        key_codes([])


def test_kvm_is_decided_by_trying(tmp_path: Path) -> None:
    absent = kvm.probe_kvm(tmp_path / "kvm")
    assert (absent.works, absent.exists) == (False, False)
    assert "does not exist" in absent.reason
    dead = kvm.probe_kvm(Path("/dev/null"))
    assert (dead.works, dead.exists) == (False, True)
    assert "can't create" in dead.reason


def test_the_processors_flags_are_read(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("flags : fpu svm sse\n")
    assert kvm.cpu_has_virtualisation(cpuinfo)
    if kvm.platform.machine() == "x86_64":
        cpuinfo.write_text("flags : fpu hypervisor\n")
        assert not kvm.cpu_has_virtualisation(cpuinfo)


def test_an_operating_systems_error_is_the_contracts() -> None:
    with pytest.raises(DriverError, match=r"^/i/disk: No space left on device$"), errors.translated("host1"):
        raise OSError(28, "No space left on device", "/i/disk")
