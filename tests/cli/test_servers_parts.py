"""What a server is made of, typed at a whole service: networks, ports, groups, addresses and volumes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.cli.conftest import Typed
from tuinova.client import Client, WaitFailed
from tuinova.client.waiters import wait_for_volume

Type = Callable[..., Typed]
BOOT = ("server", "create", "--flavor", "m1.nano", "--image", "img", "--wait")
pytestmark = pytest.mark.usefixtures("image")


@pytest.fixture
def image(running: Any) -> str:
    """The name of the image that there is."""
    return str(running.image["name"])


@pytest.fixture
def private(typed: Type) -> Iterator[str]:
    """A network with a subnet."""
    assert typed("network", "create", "private").code == 0
    assert typed("subnet", "create", "--network", "private", "--subnet-range", "10.1.0.0/24", "private-v4").code == 0
    yield "private"
    done = typed("network", "delete", "private")
    assert done.code == 0, done.err


@pytest.fixture
def remove(typed: Type) -> Iterator[list[str]]:
    """Names of servers to be removed at the end, whatever came of them."""
    names: list[str] = []
    yield names
    typed("server", "delete", "--wait", *names)


def ports_of(typed: Type, server: str) -> list[dict[str, Any]]:
    return list(typed("port", "list", "--server", server, "--long", "-f", "json").json)


def test_a_server_gets_the_port_the_address_and_the_groups_that_it_asks_for(
    typed: Type, private: str, remove: list[str]
) -> None:
    remove += ["by-port", "by-address", "bare"]
    assert typed("security", "group", "create", "web").code == 0
    words = ("--fixed-ip", "ip-address=10.1.0.50", "--security-group", "web", "web-port")
    assert typed("port", "create", "--network", "private", *words).code == 0
    made = typed(*BOOT, "--port", "web-port", "by-port", "-f", "json").json
    assert made["addresses"] == {"private": ["10.1.0.50"]}
    nic = "net-id=private,v4-fixed-ip=10.1.0.51"
    made = typed(*BOOT, "--nic", nic, "--security-group", "web", "by-address", "-f", "json").json
    assert (made["addresses"], made["security_groups"]) == ({"private": ["10.1.0.51"]}, [{"name": "web"}])
    assert typed(*BOOT, "--network", "private", "--no-security-group", "bare").code == 0
    assert [port["Security Groups"] for port in ports_of(typed, "bare")] == [[]]
    done = typed(*BOOT, "--nic", nic, "late")
    assert (done.code, done.out) == (1, "")
    assert "Fixed IP address 10.1.0.51 is already in use. (HTTP 400)" in done.err
    done = typed("security", "group", "delete", "web")
    assert "in use" in done.err
    assert typed("server", "delete", "--wait", "by-port", "by-address", "bare").code == 0
    assert typed("port", "show", "web-port", "-f", "value", "-c", "device_id").out == "\n"
    assert typed("port", "delete", "web-port").code == 0
    assert typed("security", "group", "delete", "web").code == 0


def test_a_volume_is_attached_kept_and_taken_away(typed: Type, admin: Client, remove: list[str]) -> None:
    remove.append("host-of-disks")
    assert typed(*BOOT, "host-of-disks").code == 0
    ident = typed("volume", "create", "--size", "1", "disk", "-f", "json").json["id"]
    wait_for_volume(admin, ident, timeout=10)
    shown = typed("server", "add", "volume", "--tag", "data", "host-of-disks", "disk", "-f", "json").json
    assert (shown["Volume ID"], shown["Device"], shown["Tag"]) == (ident, "/dev/vdb", "data")
    wait_for_volume(admin, ident, ("in-use",), timeout=10)
    assert "Attached to host-of-disks on /dev/vdb" in typed("volume", "list").out
    done = typed("volume", "delete", "disk")
    assert (done.code, done.err.splitlines()[-1]) == (1, "1 of 1 volumes failed to delete.")
    assert typed("server", "volume", "set", "--delete-on-termination", "host-of-disks", "disk").code == 0
    [row] = typed("server", "volume", "list", "host-of-disks", "-f", "json").json
    assert row["Delete On Termination?"] is True
    done = typed("server", "add", "volume", "host-of-disks", "disk")
    assert f"volume {ident} is already attached to instances" in done.err
    assert typed("server", "remove", "volume", "host-of-disks", "disk") == Typed(0, "", "")
    wait_for_volume(admin, ident, timeout=10)
    assert typed("volume", "delete", "disk").code == 0


def test_interfaces_and_groups_come_and_go(typed: Type, private: str, remove: list[str], running: Any) -> None:
    remove.append("connected")
    assert typed(*BOOT, "--no-network", "connected").code == 0
    assert typed("port", "create", "--network", "private", "spare").code == 0
    assert typed("server", "add", "network", "connected", "private") == Typed(0, "", "")
    words = ("--fixed-ip-address", "10.1.0.99", "connected", "private", "-f", "json")
    [fixed] = typed("server", "add", "fixed", "ip", *words).json["Fixed IPs"]
    assert fixed["ip_address"] == "10.1.0.99"
    assert typed("server", "add", "port", "connected", "spare") == Typed(0, "", "")
    assert len(ports_of(typed, "connected")) == 3
    done = typed("server", "add", "port", "connected", "spare")
    assert "is still in use. (HTTP 409)" in done.err
    assert typed("security", "group", "create", "open").code == 0
    assert typed("server", "add", "security", "group", "connected", "open") == Typed(0, "", "")
    shown = typed("server", "show", "connected", "-f", "json").json["security_groups"]
    assert {"name": "open"} in shown
    assert typed("server", "remove", "security", "group", "connected", "open") == Typed(0, "", "")
    assert typed("server", "remove", "fixed", "ip", "connected", "10.1.0.99") == Typed(0, "", "")
    assert typed("server", "remove", "port", "connected", "spare") == Typed(0, "", "")
    done = typed("server", "remove", "network", "connected", "private")
    assert done.code == 0, done.err
    running.engine.settle(10)
    assert ports_of(typed, "connected") == []
    assert typed("server", "delete", "--wait", "connected").code == 0
    assert typed("port", "delete", "spare").code == 0
    assert typed("security", "group", "delete", "open").code == 0


def test_a_server_boots_from_a_volume_that_outlives_it_or_not(typed: Type, admin: Client, remove: list[str]) -> None:
    remove += ["keeps", "takes"]
    name = ("-f", "value", "-c", "Name", "-c", "Image")
    booted = ("server", "create", "--flavor", "m1.nano", "--image", "img", "--boot-from-volume", "1", "--wait")
    kept = typed(*booted, "keeps", "-f", "json").json
    taken = typed(*booted, "--delete-on-termination", "takes", "-f", "json").json
    assert typed("server", "list", *name).out == "takes N/A (booted from volume)\nkeeps N/A (booted from volume)\n"
    assert [volume["delete_on_termination"] for made in (kept, taken) for volume in made["volumes_attached"]] == [
        *(False, True),
    ]
    root = kept["volumes_attached"][0]["id"]
    done = typed("server", "remove", "volume", "keeps", root)
    assert (done.code, done.out) == (1, "")
    assert "Cannot detach a root device volume (HTTP 400)" in done.err
    for words, said in (
        ([], "The --image option is required when rebuilding a volume-backed server\n"),
        (["--image", "img"], "--reimage-boot-volume is required to rebuild a volume-backed server\n"),
    ):
        assert typed("server", "rebuild", *words, "keeps") == Typed(1, "", said)
    assert typed("server", "delete", "--wait", "keeps", "takes").code == 0
    with pytest.raises(WaitFailed, match=r"was deleted\.$"):
        wait_for_volume(admin, taken["volumes_attached"][0]["id"], timeout=10)
    left = typed("volume", "list", "-f", "value", "-c", "ID", "-c", "Status").out
    assert left == f"{root} available\n"
    again = ("server", "create", "--flavor", "m1.nano", "--volume", root, "--wait", "keeps")
    assert typed(*again).code == 0
    assert typed("server", "delete", "--wait", "keeps").code == 0
    assert typed("volume", "delete", root).code == 0


def test_disks_of_a_server_that_are_no_volumes(typed: Type, remove: list[str]) -> None:
    remove.append("with-disks")
    sizes = ("--ram", "64", "--disk", "0", "--vcpus", "1", "--ephemeral", "2", "--swap", "10")
    assert typed("flavor", "create", *sizes, "--id", "disks", "disks").code == 0
    words = ("server", "create", "--flavor", "disks", "--image", "img", "--wait", "with-disks")
    assert typed(*words, "--swap", "4", "--ephemeral", "size=1,format=ext4").code == 0
    done = typed(*words, "--ephemeral", "size=3")
    assert "Ephemeral disks requested are larger than the instance type allows. (HTTP 400)" in done.err
    assert typed("flavor", "delete", "disks").code == 0


def test_a_floating_ip_leads_to_a_server_through_a_router(
    typed: Type, private: str, remove: list[str], running: Any
) -> None:
    remove.append("reached")
    assert typed("network", "create", "--external", "--mode", "routed", "--tag", "edge", "public").code == 0
    assert typed("network", "list", "--tags", "edge", "-f", "value", "-c", "Name").out == "public\n"
    assert typed("subnet", "create", "--network", "public", "--subnet-range", "192.0.2.0/24", "public-v4").code == 0
    assert typed("router", "create", "--external-gateway", "public", "edge").code == 0
    assert typed(*BOOT, "--network", "private", "reached").code == 0
    address = typed("floating", "ip", "create", "public", "-f", "json").json["floating_ip_address"]
    assert typed("router", "add", "subnet", "edge", "private-v4").code == 0
    assert typed("server", "add", "floating", "ip", "reached", address) == Typed(0, "", "")
    assert address in typed("server", "show", "reached", "-f", "json").json["addresses"]["private"]
    [row] = typed("floating", "ip", "list", "--long", "-f", "json").json
    assert (row["Floating IP Address"], row["Status"]) == (address, "ACTIVE")
    [router] = typed("router", "list", "--long", "-f", "json").json
    assert (router["Name"], router["External gateway info"]["enable_snat"], router["Tags"]) == ("edge", True, [])
    done = typed("router", "delete", "edge")
    assert "still has ports: " in done.err
    assert typed("server", "remove", "floating", "ip", "reached", address) == Typed(0, "", "")
    assert typed("floating", "ip", "delete", address).code == 0
    assert typed("router", "remove", "subnet", "edge", "private-v4").code == 0
    assert typed("router", "unset", "--external-gateway", "edge").code == 0
    assert typed("router", "delete", "edge").code == 0
    assert typed("server", "delete", "--wait", "reached").code == 0
    running.engine.settle(10)
    assert typed("network", "delete", "public").code == 0


# every option --------------------------------------------------------------------------------------------------------
@pytest.fixture
def parts(typed: Type, admin: Client, private: str, tmp_path: Any) -> Iterator[dict[str, str]]:
    """One of each thing that a server can be made of."""
    sizes = ("--ram", "64", "--disk", "0", "--vcpus", "1", "--ephemeral", "2", "--swap", "10")
    assert typed("flavor", "create", *sizes, "--id", "whole", "whole").code == 0
    assert typed("security", "group", "create", "guarded").code == 0
    assert typed("port", "create", "--network", "private", "own-port").code == 0
    assert typed("server", "group", "create", "--policy", "soft-affinity", "together").code == 0
    assert typed("keypair", "create", "--private-key", str(tmp_path / "key"), "whole-key").code == 0
    ident = typed("volume", "create", "--size", "1", "given", "-f", "json").json["id"]
    wait_for_volume(admin, ident, timeout=10)
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n")
    yield {"script": str(script), "volume": ident}
    for words in (
        ("port", "delete", "own-port"),
        ("security", "group", "delete", "guarded"),
        ("server", "group", "delete", "together"),
        ("keypair", "delete", "whole-key"),
        ("volume", "delete", "given"),
        ("flavor", "delete", "whole"),
    ):
        done = typed(*words)
        assert done.code == 0, done.err


def test_every_option_in_as_few_commands_as_they_allow(
    typed: Type, parts: dict[str, str], remove: list[str], running: Any, admin: Client
) -> None:
    remove += ["whole", "placed", "filed"]
    device = "source_type=blank,destination_type=volume,volume_size=1,delete_on_termination=true,tag=data"
    done = typed(
        *(
            "server",
            "create",
            "--flavor",
            "whole",
            "--image",
            "img",
            "--swap",
            "4",
            "--ephemeral",
            "size=1,format=ext4",
        ),
        *("--block-device", device, "--block-device-mapping", "vdf=given:volume::false"),
        *("--nic", "net-id=private,v4-fixed-ip=10.1.0.60,tag=first", "--port", "own-port"),
        *("--security-group", "guarded", "--password", "secret", "--key-name", "whole-key", "--property", "a=1"),
        *("--user-data", parts["script"], "--description", "all of it", "--availability-zone", "nova"),
        *("--server-group", "together", "--hint", "mine=1", "--use-config-drive", "--tag", "t1", "--tag", "t2"),
        *("--hostname", "whole-host", "--trusted-image-cert", "c1", "--min", "1", "--max", "1", "--wait"),
        *("whole", "-f", "json"),
    )
    assert done.code == 0, done.err
    made = done.json
    assert made["addresses"]["private"][0] == "10.1.0.60"
    assert len(made["addresses"]["private"]) == 2
    shown = {
        "adminPass": "secret",
        "key_name": "whole-key",
        "properties": {"a": "1"},
        "OS-EXT-SRV-ATTR:user_data": "IyEvYmluL3NoCg==",
        "description": "all of it",
        "OS-EXT-AZ:availability_zone": "nova",
        "config_drive": "True",
        "tags": ["t1", "t2"],
        "OS-EXT-SRV-ATTR:hostname": "whole-host",
        "trusted_image_certificates": ["c1"],
        "status": "ACTIVE",
    }
    assert {key: made[key] for key in shown} == shown
    assert {"name": "guarded"} in made["security_groups"]
    assert len(made["server_groups"]) == 1
    volumes = typed("server", "volume", "list", "whole", "-f", "json").json
    assert {(row["Tag"], row["Delete On Termination?"]) for row in volumes} == {("data", True), (None, False)}
    host = made["OS-EXT-SRV-ATTR:host"]
    placed = typed(
        *("server", "create", "--flavor", "m1.nano", "--image-property", "disk_format=" + running.image["disk_format"]),
        *("--network", "private", "--no-security-group", "--host", host, "--hypervisor-hostname", host),
        *("--no-config-drive", "--wait", "placed", "-f", "json"),
    )
    assert placed.code == 0, placed.err
    assert (placed.json["OS-EXT-SRV-ATTR:host"], placed.json["config_drive"]) == (host, "")
    assert "security_groups" not in placed.json
    filed = typed(
        *("--os-compute-api-version", "2.56", "server", "create", "--flavor", "m1.nano", "--image", "img"),
        *("--auto-network", "--file", f"/etc/motd={parts['script']}", "--wait", "filed", "-f", "json"),
    )
    assert filed.code == 0, filed.err
    assert filed.json["config_drive"] == "True"
    assert typed("server", "delete", "--wait", "whole", "placed", "filed").code == 0
    running.engine.settle(10)
    wait_for_volume(admin, parts["volume"], timeout=10)


def test_certificates_are_not_for_volumes(typed: Type) -> None:
    words = ("--boot-from-volume", "1", "--trusted-image-cert", "c", "x")
    done = typed("server", "create", "--flavor", "m1.nano", "--image", "img", *words)
    assert (done.code, done.out) == (1, "")
    assert "Image certificate validation is not supported when booting from volume (HTTP 400)" in done.err
