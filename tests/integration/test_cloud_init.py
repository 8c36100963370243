"""A Debian guest with its distribution's own cloud-init is told all it needs, by the network or by its drive alone."""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import House
from tests.lab import PrivateLibvirt
from tests.lab.guests import debian_image

pytestmark = pytest.mark.integration

_BLOB = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(range(32))
KEY = f"ssh-ed25519 {base64.b64encode(_BLOB).decode()} test@tuinova"
# The last line comes when all is done; each fact has a line of its own on the serial console.
USER_DATA = """#cloud-config
write_files:
- {path: /root/marker, content: written}
runcmd:
- |
  {
    facts=/run/cloud-init/instance-data.json
    echo; echo "TN-HOST=$(hostname -f)"
    echo "TN-KEY=$(cat /home/debian/.ssh/authorized_keys)"
    echo "TN-MARK=$(cat /root/marker)"
    echo "TN-ADDRESS=$(ip -4 -o addr show scope global | sed 's/.*inet //; s/ .*//')"
    echo "TN-ROUTE=$(ip route show default | cut -d' ' -f3)"
    echo "TN-SOURCE=$(grep -o 'DataSource[A-Za-z]*' /run/cloud-init/status.json | head -n 1)"
    echo "TN-DRIVE=$(blkid -t LABEL=config-2 -o device)"
    echo "TN-PROPERTY=$(grep -o '"role": "[a-z]*"' $facts | head -n 1)"
    echo "TN-TAG=$(grep -o '"uplink"' $facts | head -n 1)"
    echo "TN-TOLD=$(grep -o '"address": "0000:[0-9a-f:.]*"' $facts | head -n 1 | cut -d'"' -f4)"
    echo "TN-PCI=$(basename "$(dirname "$(readlink -f /sys/class/net/eth0/device)")")"
    echo "TN-UPTIME=$(cut -d' ' -f1 /proc/uptime)"; echo TN-END
  } >/dev/ttyS0
"""
# Addresses of IPv6 come after the boot's own end: announced, asked for, tried for doubles.
SIX = """#cloud-config
runcmd:
- |
  {
    for _ in $(seq 60); do
      [ $(ip -6 -o addr show scope global | grep -v tentative | grep -c fd00) = 3 ] && break
      sleep 1
    done
    echo
    for nic in eth0 eth1; do
      echo "TN-$nic=$(ip -6 -o addr show dev $nic scope global | sed 's/.*inet6 //; s/ .*//' | sort | tr '\\n' ' ')"
    done
    echo "TN-VIA=$(ip -6 route show default | grep -c via)"; echo TN-END
  } >/dev/ttyS0
"""
SECONDS = 400  # a guest takes forty on two cores of its own, and the cores are not its own


@pytest.fixture(scope="module")
def house(private_libvirt: PrivateLibvirt, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A service where the bridges of its libvirt are, with the Debian image, a flavor for it and a key pair."""
    image = debian_image()
    one = House(private_libvirt)
    if private_libvirt.root:
        one.within = ["nsenter", "--target", str(private_libvirt.pids["holder"]), "--net", "--"]
    key: Path = tmp_path_factory.mktemp("key") / "key.pub"
    key.write_text(f"{KEY}\n")
    try:
        one.start()
        one.ok("image", "create", "--disk-format", "qcow2", "--min-ram", "256", "--file", str(image), "debian")
        one.ok("flavor", "create", "--ram", "512", "--disk", "1", "--vcpus", "1", "cloud")
        one.ok("keypair", "create", "--public-key", str(key), "mine")
        yield one
    finally:
        if one.service is not None and one.service.poll() is None:
            one.run("server", "delete", "--wait", "--all-projects", "told")
            one.client.close()
        one.stop()
        shutil.rmtree(one.state, ignore_errors=True)


def _boot(house: House, tmp_path: Path, *words: str) -> tuple[dict[str, str], dict[str, Any]]:
    """What a new guest says of itself, and what the API says of it."""
    (tmp_path / "user-data").write_text(USER_DATA)
    house.ok(
        *("server", "create", "--image", "debian", "--flavor", "cloud", "--key-name", "mine", *words),
        *("--user-data", str(tmp_path / "user-data"), "--property", "role=db", "--hostname", "given-name"),
        *("--nic", "net-id=default,tag=uplink", "told"),
    )
    house.settled("told", "ACTIVE")
    log = house.until_log("told", "TN-END", SECONDS)
    server = house.show("told")
    house.ok("server", "delete", "--wait", "told")
    return dict(re.findall(r"^TN-([A-Z]+)=(.*?)\r?$", log, re.MULTILINE)), server


def _address(server: dict[str, Any]) -> str:
    ((only,),) = server["addresses"].values()
    return str(only["addr"])


def _check(said: dict[str, str], server: dict[str, Any]) -> None:
    assert said["HOST"] == "given-name.novalocal"
    assert said["KEY"] == KEY
    assert said["MARK"] == "written"
    assert said["PROPERTY"] == '"role": "db"'
    assert said["ADDRESS"] == f"{_address(server)}/24"
    assert said["ROUTE"] == "192.168.122.1"
    # A tagged device, and where the guest itself sees it.
    assert (said["TAG"], said["TOLD"]) == ('"uplink"', said["PCI"])


def test_a_guest_is_told_by_the_metadata_service_alone(house: House, tmp_path: Path, record_property: Any) -> None:
    if not house.lab.root:
        pytest.skip("user-mode networking has no metadata service")
    said, server = _boot(house, tmp_path, "--no-config-drive")
    record_property("uptime", said["UPTIME"])
    assert (said["SOURCE"].startswith("DataSourceOpenStack"), said["DRIVE"]) == (True, "")
    assert server["config_drive"] == ""
    _check(said, server)


def test_a_guest_is_told_by_its_config_drive_alone(
    house: House, tmp_path: Path, request: pytest.FixtureRequest, record_property: Any
) -> None:
    if not request.config.getoption("--all"):
        pytest.skip("a second boot of a minute: only with --all")
    with house.options(METADATA_ENABLED="false"):
        said, server = _boot(house, tmp_path, "--use-config-drive")
    record_property("uptime", said["UPTIME"])
    assert (said["SOURCE"], said["DRIVE"] != "") == ("DataSourceConfigDrive", True)
    _check(said, server)


def test_a_guest_has_the_addresses_of_ipv6_that_are_shown(
    house: House, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if not house.lab.root:
        pytest.skip("user-mode networking has no networks of ours")
    if not request.config.getoption("--all"):
        pytest.skip("a boot of a minute: only with --all")
    for name in ("mixed", "formed"):
        house.ok("network", "create", "--mode", "nat", name)
    for name, mode, number in (("mixed", "dhcpv6-stateful", 1), ("mixed", "slaac", 2), ("formed", "slaac", 3)):
        words = ("--ip-version", "6", "--subnet-range", f"fd00:44:{number}::/64")
        house.ok("subnet", "create", "--network", name, *words, *_modes(mode), f"{name}-{number}")
    house.ok("subnet", "create", "--network", "mixed", "--subnet-range", "10.44.1.0/24", "four")
    (tmp_path / "user-data").write_text(SIX)
    house.ok(
        *("server", "create", "--image", "debian", "--flavor", "cloud", "--user-data", str(tmp_path / "user-data")),
        *("--network", "mixed", "--network", "formed", "told"),
    )
    house.settled("told", "ACTIVE")
    said = dict(re.findall(r"^TN-(\w+)=(.*?)\r?$", house.until_log("told", "TN-END", SECONDS), re.MULTILINE))
    shown = house.show("told")["addresses"]
    house.ok("server", "delete", "--wait", "told")
    for name in ("mixed", "formed"):
        house.ok("network", "delete", name)
    # A lease is one address; one that is formed has the length of its prefix.
    mixed = [item["addr"] for item in shown["mixed"] if item["version"] == 6]
    lengths = {one: "/128" if one.startswith("fd00:44:1:") else "/64" for one in mixed}
    assert said["eth0"].split() == sorted(f"{one}{length}" for one, length in lengths.items())
    assert len(mixed) == 2
    assert said["eth1"].split() == [f"{shown['formed'][0]['addr']}/64"]
    assert int(said["VIA"]) >= 1


def _modes(mode: str) -> tuple[str, ...]:
    return "--ipv6-ra-mode", mode, "--ipv6-address-mode", mode
