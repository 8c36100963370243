"""`server create` and `server add|remove|volume`: every option, the body that it makes, and what is refused here."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Typed
from tests.cli.stub_cloud import Cloud

Type = Callable[..., Typed]
REQUIRED = "An image (--image, --image-property) or bootable volume (--volume, --snapshot, --block-device) is required"
SHOWN: dict[str, Any] = {
    "name": "vm1",
    "status": "BUILD",
    "addresses": {},
    "metadata": {},
    "tenant_id": "p",
    "flavor": {"original_name": "m1.tiny", "vcpus": 1},
    "image": "",
    "config_drive": "True",
}


class Stage:
    """A cloud with one of everything, whose servers can be shown."""

    def __init__(self, cloud: Cloud, asked: Type) -> None:
        self.cloud, self.asked = cloud, asked
        made = {
            "flavor": cloud.add("flavors", name="m1.tiny"),
            "net1": cloud.add("networks", name="net1"),
            "net2": cloud.add("networks", name="net2"),
            "port1": cloud.add("ports", name="port1"),
            "web": cloud.add("security-groups", name="web"),
            "vol1": cloud.add("volumes", name="vol1", size=1),
            "snap1": cloud.add("snapshots", name="snap1"),
            "group1": cloud.add("os-server-groups", name="group1"),
            "img": cloud.add_image(name="img", hw_disk_bus="scsi"),
        }
        self.ids = {name: row["id"] for name, row in made.items()}

    def create(self, *words: str) -> dict[str, Any]:
        """Type a create; the body that came."""
        done = self.asked("server", "create", "--flavor", "m1.tiny", *words, "vm1")
        assert done.code == 0, done.err
        return dict(self.cloud.body("POST", "/v2.1/servers"))

    def refused(self, *words: str) -> Typed:
        """Type a create that must not reach the service."""
        done = self.asked("server", "create", "--flavor", "m1.tiny", *words, "vm1")
        assert done.out == ""
        assert self.cloud.asked == []
        return done


@pytest.fixture
def stage(cloud: Cloud, asked: Type, monkeypatch: pytest.MonkeyPatch) -> Stage:
    answer = cloud.answer

    def create(method: str, url: str, body: Any) -> tuple[int, Any]:
        if (method, url) != ("POST", "/v2.1/servers"):
            return answer(method, url, body)
        cloud.asked.append((method, url, body))
        row = cloud.add("servers", **SHOWN)
        return 202, {"server": {"id": row["id"], "adminPass": "secret"}}

    monkeypatch.setattr(cloud, "answer", create)
    return Stage(cloud, asked)


def root(ident: str, **fields: Any) -> dict[str, Any]:
    return {"uuid": ident, "boot_index": 0, **fields}


# what is sent --------------------------------------------------------------------------------------------------------
def test_a_plain_create_is_openstacks_body(stage: Stage) -> None:
    image = stage.ids["img"]
    assert stage.create("--image", "img") == {
        "server": {
            "name": "vm1",
            "imageRef": image,
            "flavorRef": stage.ids["flavor"],
            "min_count": 1,
            "max_count": 1,
            "networks": "auto",
        }
    }


def test_every_option_that_goes_together(stage: Stage, tmp_path: Path) -> None:
    script = tmp_path / "user-data"
    script.write_text("#!/bin/sh\n")
    body = stage.create(
        *("--image", "img", "--password", "pw", "--key-name", "k", "--property", "a=1", "--property", "b=2"),
        *("--user-data", str(script), "--description", "d", "--availability-zone", "nova", "--host", "h1"),
        *("--hypervisor-hostname", "n1", "--server-group", "group1", "--hint", "x=1", "--hint", "y=1", "--hint", "y=2"),
        *("--use-config-drive", "--min", "2", "--max", "3", "--tag", "t1", "--tag", "t2", "--hostname", "hn"),
        *("--trusted-image-cert", "c1", "--security-group", "web", "--swap", "64", "--ephemeral", "size=1,format=ext4"),
    )
    server = body["server"]
    assert body["os:scheduler_hints"] == {"x": "1", "y": ["1", "2"], "group": stage.ids["group1"]}
    wanted = {
        "adminPass": "pw",
        "key_name": "k",
        "metadata": {"a": "1", "b": "2"},
        "user_data": base64.b64encode(b"#!/bin/sh\n").decode(),
        "description": "d",
        "availability_zone": "nova",
        "host": "h1",
        "hypervisor_hostname": "n1",
        "config_drive": True,
        "min_count": 2,
        "max_count": 3,
        "tags": ["t1", "t2"],
        "hostname": "hn",
        "trusted_image_certificates": ["c1"],
        "security_groups": [{"name": stage.ids["web"]}],
    }
    assert wanted.items() <= server.items()
    blank = {"boot_index": -1, "source_type": "blank", "destination_type": "local", "delete_on_termination": True}
    assert server["block_device_mapping_v2"][1:] == [
        {**blank, "guest_format": "swap", "volume_size": 64},
        {**blank, "guest_format": "ext4", "volume_size": "1"},
    ]


def test_what_a_server_may_boot_from(stage: Stage) -> None:
    volume = {"destination_type": "volume"}
    made = {**volume, "source_type": "image", "volume_size": 5, "delete_on_termination": False}
    cases: list[tuple[list[str], str, dict[str, Any]]] = [
        (["--volume", "vol1"], "", root(stage.ids["vol1"], source_type="volume", **volume)),
        (["--snapshot", "snap1"], "", root(stage.ids["snap1"], source_type="snapshot", **volume)),
        (["--image", "img", "--boot-from-volume", "5"], "", root(stage.ids["img"], **made)),
        (
            ["--image-property", "hw_disk_bus=scsi", "--swap", "1"],
            stage.ids["img"],
            root(stage.ids["img"], source_type="image", destination_type="local", delete_on_termination=True),
        ),
    ]
    for words, image, device in cases:
        stage.cloud.asked.clear()
        server = stage.create(*words)["server"]
        assert (server["imageRef"], server["block_device_mapping_v2"][0]) == (image, device)
    stage.cloud.asked.clear()
    words = ["--image", "img", "--boot-from-volume", "5", "--delete-on-termination"]
    assert stage.create(*words)["server"]["block_device_mapping_v2"][0]["delete_on_termination"] is True


def test_further_disks_of_every_form(stage: Stage, tmp_path: Path) -> None:
    file = tmp_path / "disk.json"
    file.write_text(json.dumps({"source_type": "blank", "destination_type": "volume", "volume_size": 2}))
    devices = stage.create(
        *("--image", "img", "--block-device-mapping", "vdb=vol1:volume::true"),
        *("--block-device", "uuid=vol1,source_type=volume,boot_index=1,delete_on_termination=no,tag=data"),
        *("--block-device", "volume_size=1", "--block-device", str(file)),
    )["server"]["block_device_mapping_v2"][1:]
    volume = {"uuid": stage.ids["vol1"], "source_type": "volume", "destination_type": "volume"}
    assert devices == [
        {**volume, "device_name": "vdb", "delete_on_termination": True},
        {**volume, "boot_index": 1, "delete_on_termination": False, "tag": "data"},
        {"volume_size": "1", "source_type": "blank", "destination_type": "local", "delete_on_termination": True},
        {"volume_size": 2, "source_type": "blank", "destination_type": "volume"},
    ]


def test_a_block_device_alone_may_be_what_it_boots_from(stage: Stage) -> None:
    server = stage.create("--block-device", "uuid=vol1,source_type=volume,boot_index=0")["server"]
    assert server["imageRef"] == ""
    assert server["block_device_mapping_v2"] == [
        root(stage.ids["vol1"], source_type="volume", destination_type="volume")
    ]


def test_networks_and_ports_of_every_form(stage: Stage) -> None:
    ids = stage.ids
    cases: list[tuple[list[str], Any]] = [
        ([], "auto"),
        (["--auto-network"], "auto"),
        (["--nic", "auto"], "auto"),
        (["--no-network"], "none"),
        (["--nic", "none"], "none"),
        (["--network", "net1", "--network", "net2"], [{"uuid": ids["net1"]}, {"uuid": ids["net2"]}]),
        (["--port", "port1"], [{"port": ids["port1"]}]),
        (["--nic", "net-id=net1,v4-fixed-ip=10.0.0.5"], [{"uuid": ids["net1"], "fixed_ip": "10.0.0.5"}]),
        (["--nic", "net-id=net1,v6-fixed-ip=fd00::5"], [{"uuid": ids["net1"], "fixed_ip": "fd00::5"}]),
        (["--nic", "port-id=port1,tag=n0"], [{"port": ids["port1"], "tag": "n0"}]),
        (
            ["--port=port1", "--network", "net2", "--nic", "net-id=net1", "--network=net1"],
            [{"port": ids["port1"]}, {"uuid": ids["net2"]}, {"uuid": ids["net1"]}, {"uuid": ids["net1"]}],
        ),
        # What is another option's value is no option.
        (["--network", "net1", "--description", "--port"], [{"uuid": ids["net1"]}]),
    ]
    for words, networks in cases:
        stage.cloud.asked.clear()
        assert stage.create("--image", "img", *words)["server"]["networks"] == networks, words
    stage.cloud.asked.clear()
    assert stage.create("--image", "img", "--no-security-group")["server"]["security_groups"] == []


# versions ------------------------------------------------------------------------------------------------------------
def test_files_are_sent_up_to_2_56_and_refused_above(stage: Stage, tmp_path: Path) -> None:
    file = tmp_path / "motd"
    file.write_bytes(b"hello\n")
    done = stage.refused("--image", "img", "--file", f"/etc/motd={file}")
    assert (done.code, done.err) == (
        1,
        "Personality files are deprecated and are not supported for --os-compute-api-version greater than 2.56; "
        "use user data instead\n",
    )
    body = stage.create("--os-compute-api-version", "2.56", "--image", "img", "--file", f"/etc/motd={file}")
    assert body["server"]["personality"] == [{"path": "/etc/motd", "contents": base64.b64encode(b"hello\n").decode()}]
    assert stage.cloud.versions[-1] == "compute 2.56"


def test_the_api_version_comes_from_the_environment_too(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_COMPUTE_API_VERSION", "2.60")
    stage.create("--image", "img")
    assert stage.cloud.versions[-1] == "compute 2.60"
    stage.cloud.asked.clear()
    stage.create("--image", "img", "--os-compute-api-version", "latest")
    assert stage.cloud.versions[-1] == "compute 2.96"


@pytest.mark.parametrize("version", ["3.1", "2.x", "2.", "two", "2.01", "2.0"])
def test_versions_that_are_none(stage: Stage, version: str) -> None:
    done = stage.asked("--os-compute-api-version", version, "server", "list")
    assert done.code == 2
    assert "argument --os-compute-api-version: invalid version" in done.err


@pytest.mark.parametrize(
    ("version", "words", "what"),
    [
        ("2.18", ["--description", "d"], "the --description option"),
        ("2.36", ["--no-network"], "explicit auto-allocation of a network or to disable network allocation"),
        ("2.41", ["--block-device", "source_type=blank,tag=t"], "the tag key of --block-device"),
        ("2.42", ["--nic", "net-id=net1,tag=t"], "the --nic tag field"),
        ("2.51", ["--tag", "t"], "the --tag option"),
        ("2.62", ["--trusted-image-cert", "c"], "the --trusted-image-cert option"),
        ("2.66", ["--block-device", "volume_type=fast"], "the volume_type key of --block-device"),
        ("2.73", ["--host", "h"], "the --host option"),
        ("2.89", ["--hostname", "h"], "the --hostname option"),
    ],
)
def test_options_that_an_older_api_lacks(stage: Stage, version: str, words: list[str], what: str) -> None:
    major, _dot, minor = version.partition(".")
    done = stage.refused("--os-compute-api-version", version, "--image", "img", *words)
    text = f"--os-compute-api-version {major}.{int(minor) + 1} or greater is required to support {what}\n"
    assert (done.code, done.err) == (1, text)


# what is refused here ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 1, REQUIRED),
        (["--block-device", "uuid=vol1,source_type=volume"], 1, REQUIRED),
        (["--image", "img", "--volume", "vol1"], 2, "argument --volume: not allowed with argument --image"),
        (["--volume", "vol1", "--boot-from-volume", "1"], 1, "--volume is not allowed with --boot-from-volume"),
        (["--snapshot", "snap1", "--boot-from-volume", "1"], 1, "--snapshot is not allowed with --boot-from-volume"),
        (["--boot-from-volume", "1"], 1, "An image (--image or --image-property) is required to support"),
        (["--image", "img", "--delete-on-termination"], 1, "only supported with --boot-from-volume"),
        (["--image-property", "hw_disk_bus=ide"], 1, "No images match the property expected by --image-property"),
        (["--image", "img", "--block-device", "size=1"], 2, "Invalid keys size specified. Valid keys are: uuid, "),
        (["--image", "img", "--block-device", "boot_index=one"], 1, "The boot_index key of --block-device should be"),
        (["--image", "img", "--block-device", "source_type=tape"], 1, "The source_type key of --block-device should"),
        (["--image", "img", "--block-device", "destination_type=x"], 1, "The destination_type key of --block-device"),
        (["--image", "img", "--block-device", "delete_on_termination=2"], 1, "should be a boolean-like value"),
        (["--image", "img", "--block-device", "/nope.json"], 1, "Can't open '/nope.json' of --block-device"),
        (["--image", "img", "--block-device-mapping", "vdb"], 2, "argument must be of form 'dev-name=id[:type"),
        (["--image", "img", "--block-device-mapping", "vdb=v:tape"], 2, "'type' must be one of: volume, snapshot, im"),
        (["--image", "img", "--ephemeral", "format=ext4"], 2, "Missing required keys size. Required keys are: size"),
        (["--image", "img", "--swap", "0"], 2, "0 is not in the range x>=1"),
        (["--image", "img", "--nic", "net-id=net1,port-id=port1"], 2, "either 'network' or 'port' should be specified"),
        (["--image", "img", "--nic", "mac=1"], 2, "argument must be of form 'net-id=net-uuid,port-id=port-uuid,"),
        (["--image", "img", "--nic", "none", "--network", "net1"], 1, "Specifying a --nic of auto or none cannot be"),
        (["--image", "img", "--no-network", "--auto-network"], 1, "Specifying a --nic of auto or none cannot be"),
        (["--image", "img", "--network", "nope"], 1, "No Network found for nope"),
        (["--image", "img", "--port", "nope"], 1, "No Port found for nope"),
        (["--image", "img", "--security-group", "nope"], 1, "No SecurityGroup found for nope"),
        (["--image", "img", "--server-group", "nope"], 1, "No ServerGroup found for nope"),
        (["--volume", "nope"], 1, "No Volume found for nope"),
        (["--image", "img", "--min", "2", "--max", "1"], 1, "min instances should be <= max instances"),
        (["--image", "img", "--security-group", "web", "--no-security-group"], 2, "not allowed with argument"),
    ],
)
def test_what_is_typed_wrong(stage: Stage, words: list[str], code: int, said: str) -> None:
    done = stage.refused(*words)
    assert said in done.err
    assert done.code == code


# ports, addresses, groups and volumes of a server --------------------------------------------------------------------
@pytest.fixture
def vm1(stage: Stage) -> str:
    return str(stage.cloud.add("servers", **SHOWN)["id"])


def test_fixed_addresses_ports_and_networks_come_and_go(stage: Stage, vm1: str) -> None:
    base = f"/v2.1/servers/{vm1}/os-interface"
    cloud, ids = stage.cloud, stage.ids
    made = {
        "port_id": "p9",
        "net_id": ids["net1"],
        "mac_addr": "m",
        "port_state": "ACTIVE",
        "fixed_ips": [],
        "tag": "t",
    }
    cloud.answers["POST", base] = {"interfaceAttachment": made}
    words = ("--fixed-ip-address", "10.0.0.9", "--tag", "t", "vm1", "net1", "-f", "json")
    shown = stage.asked("server", "add", "fixed", "ip", *words).json
    assert list(shown) == ["Port ID", "Server ID", "Network ID", "MAC Address", "Port State", "Fixed IPs", "Tag"]
    assert stage.asked("server", "add", "network", "vm1", "net1") == Typed(0, "", "")
    assert stage.asked("server", "add", "port", "--tag", "t", "vm1", "port1") == Typed(0, "", "")
    assert [body["interfaceAttachment"] for _method, _path, body in cloud.asked] == [
        {"net_id": ids["net1"], "fixed_ips": [{"ip_address": "10.0.0.9"}], "tag": "t"},
        {"net_id": ids["net1"]},
        {"port_id": ids["port1"], "tag": "t"},
    ]
    cloud.asked.clear()
    cloud.answers["GET", base] = {"interfaceAttachments": [made, {**made, "port_id": "p8", "net_id": "x"}]}
    for ident in ("p9", ids["port1"]):
        cloud.answers["DELETE", f"{base}/{ident}"] = {}
    assert stage.asked("server", "remove", "network", "vm1", "net1") == Typed(0, "", "")
    assert stage.asked("server", "remove", "port", "vm1", "port1") == Typed(0, "", "")
    assert [path for _method, path, _body in cloud.asked] == [f"{base}/p9", f"{base}/{ids['port1']}"]
    done = stage.asked("server", "remove", "network", "vm1", "net2")
    assert (done.code, done.err) == (1, "Server vm1 is not on network net2\n")


def test_a_fixed_address_leaves_the_port_its_others(stage: Stage, vm1: str) -> None:
    ips = [{"subnet_id": "s", "ip_address": "10.0.0.5"}, {"subnet_id": "s", "ip_address": "10.0.0.6"}]
    port = stage.cloud.add("ports", name="p", device_id=vm1, fixed_ips=ips)
    assert stage.asked("server", "remove", "fixed", "ip", "vm1", "10.0.0.5").code == 0
    assert port["fixed_ips"] == ips[1:]
    stage.cloud.answers["DELETE", f"/v2.1/servers/{vm1}/os-interface/{port['id']}"] = {}
    assert stage.asked("server", "remove", "fixed", "ip", "vm1", "10.0.0.6").code == 0
    assert stage.cloud.asked[-1][1].endswith(f"/os-interface/{port['id']}")
    done = stage.asked("server", "remove", "fixed", "ip", "vm1", "10.0.0.7")
    assert (done.code, done.err) == (1, "Server vm1 has no fixed address 10.0.0.7\n")


def test_a_floating_ip_tries_the_ports_one_after_another(
    stage: Stage, vm1: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = stage.cloud
    floating = cloud.add("floatingips", floating_ip_address="192.0.2.9")
    done = stage.asked("server", "add", "floating", "ip", "vm1", "192.0.2.9")
    assert (done.code, done.err) == (1, "No attached ports found to associate floating IP with\n")
    first, second = (cloud.add("ports", device_id=vm1, name=name) for name in "ab")
    one = cloud._one

    def refuse_first(method: str, path: str, ident: str, body: Any) -> tuple[int, Any]:
        if method == "PUT" and body["floatingip"]["port_id"] == first["id"]:
            return 404, {"NeutronError": {"type": "X", "message": "not reachable", "detail": ""}}
        return one(method, path, ident, body)

    monkeypatch.setattr(cloud, "_one", refuse_first)
    assert stage.asked("server", "add", "floating", "ip", "vm1", "192.0.2.9") == Typed(0, "", "")
    assert floating["port_id"] == second["id"]
    assert stage.asked("server", "remove", "floating", "ip", "vm1", "192.0.2.9") == Typed(0, "", "")
    assert floating["port_id"] is None
    done = stage.asked("server", "remove", "floating", "ip", "vm1", "192.0.2.9")
    assert (done.code, done.err) == (1, "Floating IP 192.0.2.9 does not lead to server vm1\n")


def test_security_groups_are_added_going_on_after_a_failure(stage: Stage, vm1: str) -> None:
    path = f"/v2.1/servers/{vm1}/action"
    assert stage.asked("server", "add", "security", "group", "vm1", "web", "db") == Typed(0, "", "")
    assert [body for _method, _path, body in stage.cloud.asked] == [
        {"addSecurityGroup": {"name": "web"}},
        {"addSecurityGroup": {"name": "db"}},
    ]
    stage.cloud.refusals["POST", path] = (404, {"itemNotFound": {"code": 404, "message": "no such group"}})
    done = stage.asked("server", "remove", "security", "group", "vm1", "web")
    assert done.code == 1
    assert done.err.splitlines() == [
        f"Failed to remove security group with name or ID 'web' from server '{vm1}': no such group (HTTP 404) "
        "(Request-ID: req-of-service)",
        "1 of 1 security groups were not removed.",
    ]


def test_a_volume_comes_and_goes(stage: Stage, vm1: str) -> None:
    cloud, volume = stage.cloud, stage.ids["vol1"]
    base = f"/v2.1/servers/{vm1}/os-volume_attachments"
    made = {"serverId": vm1, "volumeId": volume, "device": "/dev/vdb", "tag": None, "delete_on_termination": True}
    cloud.answers["POST", base] = {"volumeAttachment": made}
    shown = stage.asked("server", "add", "volume", "--enable-delete-on-termination", "vm1", "vol1", "-f", "json").json
    assert list(shown) == ["ID", "Server ID", "Volume ID", "Device", "Tag", "Delete On Termination"]
    assert cloud.body("POST", base) == {
        "volumeAttachment": {"volumeId": volume, "device": None, "delete_on_termination": True}
    }
    cloud.answers["GET", base] = {"volumeAttachments": [{**made, "attachment_id": "a", "bdm_uuid": "b"}]}
    [row] = stage.asked("server", "volume", "list", "vm1", "-f", "json").json
    assert list(row) == [
        *("Device", "Server ID", "Volume ID", "Tag", "Delete On Termination?", "Attachment ID"),
        "BlockDeviceMapping UUID",
    ]
    cloud.answers["PUT", f"{base}/{volume}"] = {}
    cloud.answers["DELETE", f"{base}/{volume}"] = {}
    assert stage.asked("server", "volume", "set", "--preserve-on-termination", "vm1", "vol1") == Typed(0, "", "")
    assert stage.asked("server", "volume", "update", "--delete-on-termination", "vm1", "vol1") == Typed(0, "", "")
    assert stage.asked("server", "remove", "volume", "vm1", "vol1") == Typed(0, "", "")
    assert [body and body["volumeAttachment"]["delete_on_termination"] for _m, _p, body in cloud.asked[1:]] == [
        *(False, True),
        None,
    ]
    done = stage.asked("server", "volume", "set", "vm1", "vol1")
    assert done.code == 2
    assert "one of the arguments --delete-on-termination --preserve-on-termination is required" in done.err


# ssh -----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("versions", "wanted", "address"),
    [
        ((4, 6), None, "192.0.2.9"),
        ((6,), None, "fd00::5"),
        ((4, 6), "public", "192.0.2.9"),
        ((4, 6), "private", "10.0.0.5"),
        ((4, 6), "net2", "10.2.0.5"),
    ],
)
def test_ssh_takes_a_floating_address_first(versions: tuple[int, ...], wanted: str | None, address: str) -> None:
    from tuinova.cli.server_ssh import address_of

    def entry(addr: str, kind: str = "fixed") -> dict[str, Any]:
        return {"addr": addr, "version": 6 if ":" in addr else 4, "OS-EXT-IPS:type": kind}

    addresses = {
        "net1": [entry("10.0.0.5"), entry("fd00::5"), entry("192.0.2.9", "floating")],
        "net2": [entry("10.2.0.5")],
    }
    assert address_of({"addresses": addresses}, versions, wanted) == address


def test_ssh_says_what_there_is_not() -> None:
    from tuinova.cli.diagnostics import CommandError
    from tuinova.cli.server_ssh import address_of

    with pytest.raises(CommandError) as refused:
        address_of({"addresses": {}}, (4, 6))
    assert refused.value.message == "ERROR: No public IP version [4, 6] address found"
