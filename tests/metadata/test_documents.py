"""What the documents say: networks in full, devices with tags, vendor data, the whole config drive."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.metadata.conftest import KEY, USER_DATA, facts
from tuinova.core.guest_facts import GuestAddress, GuestDisk, GuestPort, guest_port
from tuinova.core.instance_metadata import OPENSTACK_VERSIONS, config_drive_files
from tuinova.core.network_data import network_document
from tuinova.core.vendor_data import DYNAMIC, STATIC, VendorData, VendorDataFailed, VendorOptions
from tuinova.virt.model import HostNetwork, Nic
from tuinova.virt.networks import FixedIp, NetworkMode, NetworkSpec, SubnetSpec

MAC = "fa:16:3e:00:00:02"


# network_data.json ---------------------------------------------------------------------------------------------------
def port(*addresses: GuestAddress, **fields: Any) -> GuestPort:
    return GuestPort("11111111-2222-3333", MAC, "net-id", addresses, **fields)


V4 = GuestAddress("10.0.0.5", "10.0.0.0/24", "10.0.0.1", ("10.0.0.1", "9.9.9.9"))
V6 = GuestAddress("fd00::5", "fd00::/64", "fd00::1", ("fd00::1",))


def test_a_port_of_both_versions_by_dhcp() -> None:
    document = network_document([port(V4, V6, mtu=1450)])
    assert document["links"] == [
        {
            "id": "tap11111111-22",
            "vif_id": "11111111-2222-3333",
            "type": "bridge",
            "mtu": 1450,
            "ethernet_mac_address": MAC,
        }
    ]
    assert document["networks"] == [
        {"id": "network0", "type": "ipv4_dhcp", "link": "tap11111111-22", "network_id": "net-id"},
        {"id": "network1", "type": "ipv6_dhcp", "link": "tap11111111-22", "network_id": "net-id"},
    ]
    assert [service["address"] for service in document["services"]] == ["10.0.0.1", "9.9.9.9", "fd00::1"]


def test_a_static_subnet_is_told_with_its_routes_and_name_servers() -> None:
    routes = (("10.9.0.0/16", "10.0.0.9"), ("fd01::/64", "fd00::9"))
    static = GuestAddress("10.0.0.5", "10.0.0.0/24", "10.0.0.1", ("9.9.9.9",), routes, dhcp=False)
    (network,) = network_document([port(static)])["networks"]
    assert network == {
        "id": "network0",
        "type": "ipv4",
        "link": "tap11111111-22",
        "network_id": "net-id",
        "ip_address": "10.0.0.5",
        "netmask": "255.255.255.0",
        "routes": [
            {"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "10.0.0.1"},
            {"network": "10.9.0.0", "netmask": "255.255.0.0", "gateway": "10.0.0.9"},
        ],
        "services": [{"type": "dns", "address": "9.9.9.9"}],
    }


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("slaac", "ipv6_slaac"),
        ("dhcpv6-stateful", "ipv6_dhcpv6-stateful"),
        ("dhcpv6-stateless", "ipv6_dhcpv6-stateless"),
    ],
)
def test_how_ipv6_addresses_are_made(mode: str, kind: str) -> None:
    address = GuestAddress("fd00::5", "fd00::/64", "fd00::1", ipv6_mode=mode)
    (network,) = network_document([port(address)])["networks"]
    assert (network["type"], network["ip_address"], network["netmask"]) == (kind, "fd00::5", "ffff:ffff:ffff:ffff::")
    assert network["routes"] == [{"network": "::", "netmask": "::", "gateway": "fd00::1"}]


def test_a_second_address_of_one_version_is_not_left_to_dhcp() -> None:
    second = GuestAddress("10.0.0.6", "10.0.0.0/24", "10.0.0.1")
    networks = network_document([port(V4, second)])["networks"]
    assert [network["type"] for network in networks] == ["ipv4_dhcp", "ipv4"]
    assert networks[1]["ip_address"] == "10.0.0.6"


def test_several_ports_are_numbered_through() -> None:
    other = GuestPort("99999999-2222", "fa:16:3e:00:00:03", "other", [V4])
    document = network_document([port(V4, V6), other])
    assert [network["id"] for network in document["networks"]] == ["network0", "network1", "network2"]
    assert document["networks"][2]["link"] == "tap99999999-22"
    assert len(document["links"]) == 2


def test_a_port_without_addresses_is_a_link_only() -> None:
    document = network_document([port()])
    assert (len(document["links"]), document["networks"]) == (1, [])


def test_a_port_of_our_own_network_is_told_by_its_subnets() -> None:
    spec = NetworkSpec(
        "net-id",
        "lan",
        NetworkMode.ISOLATED,
        (
            SubnetSpec("s4", "10.0.0.0/24", None, "10.0.0.2", (), dhcp=False, routes=(("10.9.0.0/16", "10.0.0.9"),)),
            SubnetSpec("s6", "fd00::/64", "fd00::1", "fd00::1", (), dns=("fd00::53",), ipv6_mode="slaac"),
        ),
        mtu=1400,
    )
    nic = Nic(
        "p", MAC, "lan", None, fixed_ips=(FixedIp("10.0.0.5", 24, "s4"), FixedIp("fd00::5", 64)), spec=spec, tag="t"
    )
    made = guest_port(nic, None)
    assert (made.network_id, made.mtu, made.tag) == ("net-id", 1400, "t")
    # Nothing but this route leads to the metadata service where there is neither DHCP nor a gateway.
    assert made.addresses[0].routes == (("10.9.0.0/16", "10.0.0.9"), ("169.254.169.254/32", "10.0.0.2"))
    assert (made.addresses[1].ipv6_mode, made.addresses[1].dns) == ("slaac", ("fd00::53",))
    assert [entry["type"] for entry in network_document([made])["networks"]] == ["ipv4", "ipv6_slaac"]


def test_a_port_of_the_hypervisors_network_is_told_by_what_it_says() -> None:
    known = HostNetwork("default", "nat", "192.168.122.0/24", "192.168.122.1", "", "", ("192.168.122.1",), 1500)
    made = guest_port(Nic("p", MAC, "default", "192.168.122.7"), known)
    assert made.addresses == [GuestAddress("192.168.122.7", "192.168.122.0/24", "192.168.122.1", ("192.168.122.1",))]


# devices -------------------------------------------------------------------------------------------------------------
def test_devices_with_tags() -> None:
    tagged = facts(ports=[port(V4, tag="uplink"), port(V4)], disks=[GuestDisk("db", serial="vol-1", path="/dev/vdb")])
    files = config_drive_files(tagged)
    newest = json.loads(files["openstack/latest/meta_data.json"])["devices"]
    nic = {"type": "nic", "mac": MAC, "bus": "pci", "address": "none", "tags": ["uplink"]}
    disk = {"type": "disk", "serial": "vol-1", "path": "/dev/vdb", "bus": "pci", "address": "none", "tags": ["db"]}
    assert newest == [{**nic, "vf_trusted": False}, disk]
    assert json.loads(files["openstack/2016-06-30/meta_data.json"])["devices"] == [nic, disk]
    assert "devices" not in json.loads(files["openstack/2015-10-15/meta_data.json"])


def test_devices_say_where_they_are_on_their_buses() -> None:
    places = {MAC: ("pci", "0000:01:00.0"), "vol-1": ("scsi", "none")}
    told = facts(ports=[port(V4, tag="uplink")], disks=[GuestDisk("db", serial="VOL-1")], places=places)
    devices = json.loads(config_drive_files(told)["openstack/latest/meta_data.json"])["devices"]
    assert [(one["type"], one["bus"], one["address"]) for one in devices] == [
        ("nic", "pci", "0000:01:00.0"),
        ("disk", "scsi", "none"),
    ]


# the drive -----------------------------------------------------------------------------------------------------------
def test_the_drive_has_the_files_of_each_version() -> None:
    files = config_drive_files(facts())
    since = {
        "meta_data.json": "2012-08-10",
        "user_data": "2012-08-10",
        "vendor_data.json": "2013-10-17",
        "network_data.json": "2015-10-15",
        "vendor_data2.json": "2016-10-06",
    }
    wanted = {f"openstack/{v}/{name}" for v in OPENSTACK_VERSIONS for name, first in since.items() if v >= first}
    wanted |= {f"ec2/{v}/{name}" for v in ("2009-04-04", "latest") for name in ("meta-data.json", "user-data")}
    assert set(files) == wanted
    assert files["openstack/2012-08-10/user_data"] == files["ec2/latest/user-data"] == USER_DATA
    assert json.loads(files["ec2/latest/meta-data.json"])["public-keys"] == {"0": {"openssh-key": KEY}}


def test_versions_that_are_not_skipped_are_there() -> None:
    files = config_drive_files(facts(), skip_versions=("1.0",))
    assert "ec2/1.0/meta-data.json" not in files
    assert "instance-type" not in json.loads(files["ec2/2007-01-19/meta-data.json"])
    assert "instance-type" in json.loads(files["ec2/2007-08-29/meta-data.json"])


def test_injected_files_are_on_the_drive_and_listed() -> None:
    given = facts(files=[("/etc/motd", b"hello"), ("/root/x", b"\x00\xff")], admin_password="pw")
    files = config_drive_files(given)
    assert (files["openstack/content/0000"], files["openstack/content/0001"]) == (b"hello", b"\x00\xff")
    for version in ("2012-08-10", "latest"):
        document = json.loads(files[f"openstack/{version}/meta_data.json"])
        assert document["files"] == [
            {"path": "/etc/motd", "content_path": "/content/0000"},
            {"path": "/root/x", "content_path": "/content/0001"},
        ]
        assert document["admin_pass"] == "pw"


def test_an_x509_key_says_its_type() -> None:
    files = config_drive_files(facts(public_key="-----BEGIN CERTIFICATE-----", key_type="x509"))
    document = json.loads(files["openstack/latest/meta_data.json"])
    assert document["keys"] == [{"name": "mine", "type": "x509", "data": "-----BEGIN CERTIFICATE-----"}]
    assert document["public_keys"] == {"mine": "-----BEGIN CERTIFICATE-----"}


# vendor data ---------------------------------------------------------------------------------------------------------
def test_the_operators_file_is_told_and_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "vendor.json"
    path.write_text('{"ntp": "10.0.0.1"}')
    vendor = VendorData(VendorOptions(jsonfile_path=str(path)))
    files = config_drive_files(facts(), vendor)
    assert json.loads(files["openstack/latest/vendor_data.json"]) == {"ntp": "10.0.0.1"}
    assert json.loads(files["openstack/latest/vendor_data2.json"]) == {"static": {"ntp": "10.0.0.1"}}
    path.write_text('{"ntp": "10.0.0.22"}')
    assert vendor.static() == {"ntp": "10.0.0.22"}


@pytest.mark.parametrize("content", [None, "{", '{"a": ' * 100_000])
def test_a_file_that_can_not_be_read_counts_as_empty(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "vendor.json"
    if content is not None:
        path.write_text(content)
    assert VendorData(VendorOptions(jsonfile_path=str(path))).static() == {}


class Service(http.server.BaseHTTPRequestHandler):
    """A vendor data service that does as its path says."""

    asked: list[Any]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append((self.path, dict(self.headers), body))
        if self.path == "/slow":
            self.send_response(200)
            self.end_headers()
            for _ in range(100):
                time.sleep(0.1)
                try:
                    self.wfile.write(b" ")
                except OSError:
                    return
        answers = {"/good": (200, b'{"a": 1}'), "/empty": (200, b""), "/bad": (200, b"<html>"), "/fail": (500, b"{}")}
        status, data = answers.get(self.path, (200, b'"' + b"x" * (2 << 20) + b'"'))
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def service() -> Iterator[tuple[str, list[Any]]]:
    asked: list[Any] = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("One", (Service,), {"asked": asked}))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def dynamic(*targets: str, **fields: Any) -> VendorData:
    return VendorData(VendorOptions((STATIC, DYNAMIC), dynamic_targets=targets, dynamic_read_timeout=1, **fields))


def test_services_are_told_of_the_server_and_asked_for_its_data(service: tuple[str, list[Any]]) -> None:
    url, asked = service
    vendor = dynamic(f"one@{url}/good", f"two@{url}/empty", f"{url}/nameless", f"one@{url}/again")
    assert vendor.version_2(facts(boot_roles="admin,member")) == {"one": {"a": 1}, "two": {}}
    assert [path for path, _, _ in asked] == ["/good", "/empty"]
    body = asked[0][2]
    assert (body["project-id"], body["instance-id"], body["boot-roles"]) == ("p" * 32, facts().uuid, "admin,member")
    assert set(body) == {"project-id", "instance-id", "image-id", "user-data", "hostname", "metadata", "boot-roles"}


@pytest.mark.parametrize("path", ["/bad", "/fail", "/large", "/slow"])
def test_a_service_that_fails_costs_its_own_data_only(service: tuple[str, list[Any]], path: str) -> None:
    url, _asked = service
    started = time.monotonic()
    assert dynamic(f"bad@{url}{path}", f"good@{url}/good").version_2(facts()) == {"bad": {}, "good": {"a": 1}}
    assert time.monotonic() - started < 5
    with pytest.raises(VendorDataFailed):
        dynamic(f"bad@{url}{path}", dynamic_failure_fatal=True).version_2(facts())


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://127.0.0.1/", "http://", "http://127.0.0.1:1/", "nonsense"]
)
def test_what_is_no_service_is_not_asked(url: str) -> None:
    assert dynamic(f"bad@{url}").version_2(facts()) == {"bad": {}}
