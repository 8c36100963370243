"""Every option of `server create` on real guests: what each one does is seen in the guest, in virsh or in the API."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import House
from tests.integration.watching import Shell

pytestmark = [pytest.mark.integration, pytest.mark.long]

KEY = "ssh-ed25519 " + base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(range(32))).decode() + " whole"
SCRIPT = "#!/bin/sh\n"
SWAP_MB = 16
NAMES = ("whole", "placed", "filed", "carried", "copied", "made", "auto")


@pytest.fixture(scope="module")
def parts(house: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A network with a port, a key, a group of each kind, a flavor with all disks, volumes; by their names."""
    if not house.lab.root:
        pytest.skip("user-mode networking has no networks of one's own")
    base: Path = tmp_path_factory.mktemp("parts")
    (base / "key.pub").write_text(f"{KEY}\n")
    (base / "script").write_text(SCRIPT)
    house.ok("network", "create", "--mode", "isolated", "wired")
    house.ok("subnet", "create", "--network", "wired", "--subnet-range", "10.67.0.0/24", "wired")
    house.ok("port", "create", "--network", "wired", "--fixed-ip", "ip-address=10.67.0.77", "own-port")
    house.ok("security", "group", "create", "guarded")
    house.ok("keypair", "create", "--public-key", str(base / "key.pub"), "whole-key")
    house.ok("server", "group", "create", "--policy", "affinity", "together")
    house.ok(
        *("flavor", "create", "--ram", "144", "--disk", "1", "--ephemeral", "1", "--swap", str(SWAP_MB)),
        *("--vcpus", "1", "whole"),
    )
    house.ok("image", "set", "--property", "role=demo", "tuinova-demo")
    house.ok("volume", "create", "--size", "1", "given")
    house.ok("volume", "create", "--size", "1", "--image", "tuinova-demo", "--bootable", "root")
    volume_is(house, "root", "available")
    house.ok("volume", "snapshot", "create", "--volume", "root", "kept")
    yield {"script": str(base / "script")}
    house.run("server", "delete", "--wait", *NAMES)
    house.run("volume", "snapshot", "delete", "kept")
    deadline = time.monotonic() + 60
    while house.client.volume_snapshots.list() and time.monotonic() < deadline:
        time.sleep(0.3)
    house.run("volume", "delete", *(one["id"] for one in house.client.volumes.list()))
    for words in (("server", "group", "delete", "together"), ("keypair", "delete", "whole-key")):
        house.run(*words)
    for words in (("port", "delete", "own-port"), ("security", "group", "delete", "guarded")):
        house.run(*words)
    house.run("network", "delete", "wired")
    house.run("flavor", "delete", "whole")


def volume_is(house: House, name: str, status: str) -> None:
    deadline = time.monotonic() + 120
    while (now := house.client.volumes.find(name)["status"]) != status:
        assert now != "error", house.log()[-3000:]
        assert time.monotonic() < deadline, (now, house.log()[-3000:])
        time.sleep(0.3)


def made(house: House, *words: str) -> dict[str, Any]:
    """A server that was created and is active, as `server create` printed it."""
    return dict(json.loads(house.ok(*words[:-1], "--wait", words[-1], "-f", "json")))


def xml(house: House, server: dict[str, Any]) -> str:
    return str(house.lab.virsh("dumpxml", server["OS-EXT-SRV-ATTR:instance_name"]).stdout)


def test_all_that_goes_together(house: House, parts: dict[str, str]) -> None:
    device = "source_type=blank,destination_type=volume,volume_size=1,delete_on_termination=true,tag=data"
    server = made(
        house,
        *("server", "create", "--flavor", "whole", "--image", "tuinova-demo", "--swap", str(SWAP_MB)),
        *("--ephemeral", "size=1,format=ext4", "--block-device", device),
        *("--block-device-mapping", "vdf=given:volume::false"),
        *("--nic", "net-id=wired,v4-fixed-ip=10.67.0.60,tag=first", "--port", "own-port"),
        *("--security-group", "guarded", "--password", "secret", "--key-name", "whole-key", "--property", "a=1"),
        *("--user-data", parts["script"], "--description", "all of it", "--availability-zone", "nova"),
        *("--server-group", "together", "--hint", "mine=1", "--use-config-drive", "--tag", "t1", "--tag", "t2"),
        *("--hostname", "whole-host", "--trusted-image-cert", "c1", "--min", "1", "--max", "1", "whole"),
    )
    assert server["addresses"] == {"wired": ["10.67.0.60", "10.67.0.77"]}
    assert (server["description"], server["tags"], server["key_name"]) == ("all of it", ["t1", "t2"], "whole-key")
    assert server["trusted_image_certificates"] == ["c1"]
    assert len(server["server_groups"]) == 1
    text = xml(house, server)
    serials = re.findall(r"<serial>([^<]+)</serial>", text)
    held = {row["volumeId"]: row for row in house.client.servers.volumes(server["id"])}
    assert set(held) <= set(serials)
    assert sorted(row["delete_on_termination"] for row in held.values()) == [False, True]
    assert text.count("<interface ") == 2
    house.until_log("whole", "login:")
    with Shell(house.client, server["id"]) as shell:
        shell.log_in()
        assert shell.run("hostname").strip().startswith("whole-host")
        sizes = dict(
            re.findall(
                r"(vd[a-z]) (\d+)", shell.run('for d in /sys/block/vd*; do echo "${d##*/} $(cat $d/size)"; done')
            )
        )
        assert sorted(int(size) // 2048 for size in sizes.values()) == [SWAP_MB, 1024, 1024, 1024, 1024]
        told = shell.run(
            "sudo mount -o ro /dev/sr0 /mnt; cat /mnt/openstack/latest/meta_data.json; echo; "
            "cat /mnt/openstack/latest/user_data; sudo umount /mnt"
        )
    assert SCRIPT.strip() in told
    document = json.loads(re.search(r"^\{.*\}", told, re.MULTILINE).group())  # type: ignore[union-attr]
    assert document["admin_pass"] == "secret"
    assert document["public_keys"] == {"whole-key": KEY}
    assert document["meta"] == {"a": "1"}
    assert document["availability_zone"] == "nova"
    assert {tag for one in document["devices"] for tag in one["tags"]} == {"first", "data"}


def test_placed_without_network_groups_or_drive(house: House, parts: dict[str, str]) -> None:
    (node,) = house.client.hypervisors.list()
    host, name = node["service"]["host"], node["hypervisor_hostname"]
    server = made(
        house,
        *("server", "create", "--flavor", "m1.micro", "--image-property", "role=demo", "--no-network"),
        *("--no-security-group", "--host", host, "--hypervisor-hostname", name, "--no-config-drive", "placed"),
    )
    assert (server["OS-EXT-SRV-ATTR:host"], server["config_drive"], server["addresses"]) == (host, "", {})
    text = xml(house, server)
    assert "<interface " not in text
    assert "cdrom" not in text


def test_files_go_in_by_an_old_version(house: House, parts: dict[str, str]) -> None:
    server = made(
        house,
        *("--os-compute-api-version", "2.56", "server", "create", "--flavor", "m1.micro", "--image", "tuinova-demo"),
        *("--auto-network", "--file", f"/etc/told={parts['script']}", "filed"),
    )
    house.until_log("filed", "login:")
    with Shell(house.client, server["id"]) as shell:
        shell.log_in()
        told = shell.run("sudo mount -o ro /dev/sr0 /mnt; cat /mnt/openstack/content/0000; sudo umount /mnt")
    assert SCRIPT.strip() in told


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("carried", ("--volume", "root")),
        ("copied", ("--snapshot", "kept")),
        ("made", ("--image", "tuinova-demo", "--boot-from-volume", "1", "--delete-on-termination")),
    ],
)
def test_booted_from_a_volume(house: House, parts: dict[str, str], name: str, words: tuple[str, ...]) -> None:
    server = made(house, "server", "create", "--flavor", "m1.micro", *words, "--config-drive", "True", name)
    assert server["image"] == "N/A (booted from volume)"
    (held,) = house.client.servers.volumes(server["id"])
    assert held["delete_on_termination"] is (name == "made")
    assert held["volumeId"] in xml(house, server)
    house.until_log(name, "login:")
    house.ok("server", "delete", "--wait", name)
    deadline = time.monotonic() + 30
    # Cinder's work begins when the server is gone.
    while (stays := _is_there(house, held["volumeId"])) and name == "made":
        assert time.monotonic() < deadline, house.log()[-3000:]
        time.sleep(0.1)
    assert stays is (name != "made")


def _is_there(house: House, volume: str) -> bool:
    return volume in {one["id"] for one in house.client.volumes.list()}
