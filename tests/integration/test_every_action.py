"""Each row of Nova's action table on a real guest: what was walked, where it ended, what virsh says."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.conftest import GUEST, House
from tests.integration.report import GONE, OFF, PAUSED, RUNNING, Report, reporting, walks
from tests.integration.watching import Shell

pytestmark = pytest.mark.integration

SNAPSHOT = ["image_snapshot_pending", "image_snapshot", "image_pending_upload", "image_uploading"]
BACKUP = ["image_backup", "image_pending_upload", "image_uploading"]
RESIZE = ["resize_prep", "resize_migrating", "resize_migrated", "resize_finish"]
SHELVE = ["shelving", "shelving_image_pending_upload", "shelving_image_uploading", "shelving_offloading"]
REBUILD = ["rebuilding", "rebuild_block_device_mapping", "rebuild_spawning"]
SOFT = ["rebooting", "reboot_pending", "reboot_started"]
HARD = ["rebooting_hard", "reboot_pending_hard", "reboot_started_hard"]


@pytest.fixture
def report(house: House, server: str, request: pytest.FixtureRequest) -> Iterator[Report]:
    """A server with its followers."""
    with reporting(house, server, request) as one:
        yield one


@walks(
    *("pause", "unpause", "suspend", "resume", "lock", "unlock", "update metadata", "delete metadata", "stop", "start"),
    *("reboot", "reboot-hard", "resetState", "trigger_crash_dump", "get_console_output", "get_diagnostics"),
)
def test_power_freeze_lock_and_metadata(report: Report) -> None:
    """The rows that need no other disk and no other host."""
    act, server = report.act, report.server
    act("pause", server("pause"), "PAUSED", PAUSED, ["pausing"])
    act("unpause", server("unpause"), "ACTIVE", RUNNING, ["unpausing"])
    act("suspend", server("suspend"), "SUSPENDED", OFF, ["suspending"])
    act("resume", server("resume"), "ACTIVE", RUNNING, ["resuming"])
    act("lock", server("lock"), "ACTIVE", RUNNING, [])
    act("unlock", server("unlock"), "ACTIVE", RUNNING, [])
    act("update metadata", server("set", "--property", "a=b"), "ACTIVE", RUNNING, [])
    act("delete metadata", server("unset", "--property", "a"), "ACTIVE", RUNNING, [])
    act("stop", server("stop"), "SHUTOFF", OFF, ["powering-off"])
    act("start", server("start"), "ACTIVE", RUNNING, ["powering-on"])
    report.house.until_log(report.uuid, "login:")
    act("reboot", server("reboot"), "ACTIVE", RUNNING, SOFT)
    act("reboot-hard", server("reboot", "--hard"), "ACTIVE", RUNNING, HARD)
    act("resetState", server("set", "--state", "error", "--auto-approve"), "ERROR", RUNNING, [])
    act("resetState", server("set", "--state", "active", "--auto-approve"), "ACTIVE", RUNNING, [])
    report.house.until_log(report.uuid, "login:")
    act("trigger_crash_dump", server("dump", "create"), "ACTIVE", RUNNING, [])
    report.house.until_log(report.uuid, "NMI")
    act("get_console_output", ("console", "log", "show", report.uuid), "ACTIVE", RUNNING, [])
    act("get_diagnostics", server("show", "--diagnostics"), "ACTIVE", RUNNING, [])
    shown = report.house.ok(*server("show", "--diagnostics", "-f", "json"))
    assert json.loads(shown)["state"] == "running"


@walks("resize", "confirmResize", "revertResize")
def test_resize_with_confirm_and_revert(report: Report) -> None:
    """The guest sees the larger disk, a revert brings the old one back with its data, a confirm keeps the new one."""
    act, server = report.act, report.server
    with Shell(report.house.client, report.uuid) as shell:
        shell.log_in()
        shell.run("echo kept > ~/file; sync")
        small = size_of(shell)
        act("resize", server("resize", "--flavor", "m1.tiny"), "VERIFY_RESIZE", RUNNING, RESIZE)
        shell.expect(b"login: ")
        shell.log_in()
        assert size_of(shell) > small
        assert size_of(shell) == 1024 * 1024 * 2  # sectors of 1 GiB
        shell.run("echo lost > ~/file; sync")
        act("revertResize", server("resize", "revert"), "ACTIVE", RUNNING, ["resize_reverting"])
        shell.expect(b"login: ")
        shell.log_in()
        assert (size_of(shell), shell.run("cat ~/file")) == (small, "kept")
        act("resize", server("resize", "--flavor", "m1.tiny"), "VERIFY_RESIZE", RUNNING, RESIZE)
        act("confirmResize", server("resize", "confirm"), "ACTIVE", RUNNING, [])
        shell.expect(b"login: ")
        shell.log_in()
        assert (size_of(shell), shell.run("cat ~/file")) == (1024 * 1024 * 2, "kept")
    refused = report.house.run(*server("resize", "--flavor", "m1.nano"))
    assert "Resize to zero disk flavor is not allowed. (HTTP 400)" in refused.stderr
    act("resize", server("resize", "--flavor", "m1.small"), "VERIFY_RESIZE", RUNNING, RESIZE)
    act("confirmResize", server("resize", "confirm"), "ACTIVE", RUNNING, [])
    number = domain_id(report)
    act("resize (smaller disk)", server("resize", "--flavor", "m1.tiny"), "ACTIVE", RUNNING, RESIZE[:2])
    assert domain_id(report) == number
    newest = json.loads(report.house.ok("server", "event", "list", "--long", report.uuid, "-f", "json"))[0]
    assert (newest["Action"], newest["Message"]) == ("resize", "Error")
    event = report.house.ok("server", "event", "show", report.uuid, newest["Request ID"], "-f", "json")
    assert "Resize error: Unable to resize disk down." in event


def size_of(shell: Shell) -> int:
    """Sectors of the guest's root disk."""
    return int(shell.run("cat /sys/block/vda/size"))


def domain_id(report: Report) -> str:
    """libvirt's number of the run of the guest."""
    return str(report.house.lab.virsh("domid", report.domain).stdout.strip())


@walks("createImage", "createBackup", "rescue", "unrescue", "rebuild")
def test_images_rescue_and_rebuild(report: Report) -> None:
    """What reads the disk, and what boots from another one."""
    act, server, house = report.act, report.server, report.house
    with Shell(report.house.client, report.uuid) as shell:
        shell.log_in()
        shell.run("echo kept > ~/file; sync")
        act("createImage", ("server", "image", "create", "--name", "snap", report.uuid), "ACTIVE", RUNNING, SNAPSHOT)
        snap = json.loads(house.ok("image", "show", "snap", "-f", "json"))
        assert (snap["status"], snap["disk_format"]) == ("active", "qcow2")
        backup = ("server", "backup", "create", "--name", "daily", "--type", "daily", "--rotate", "1", report.uuid)
        act("createBackup", backup, "ACTIVE", RUNNING, BACKUP)
        again = ("server", "backup", "create", "--name", "newer", "--type", "daily", "--rotate", "1", report.uuid)
        act("createBackup (rotation)", again, "ACTIVE", RUNNING, BACKUP)
        assert {"daily", "newer"} & set(house.ok("image", "list", "-f", "value", "-c", "Name").split()) == {"newer"}
        assert shell.run("cat ~/file") == "kept"
        act("rescue", server("rescue"), "RESCUE", RUNNING, ["rescuing"])
        shell.expect(b"login: ")
        shell.log_in()
        assert set(shell.run("ls /sys/block | grep vd").split()) == {"vda", "vdb"}
        assert "kept" not in shell.run("cat ~/file 2>&1")
        act("unrescue", server("unrescue"), "ACTIVE", RUNNING, ["unrescuing"])
        shell.expect(b"login: ")
        shell.log_in()
        assert shell.run("cat ~/file") == "kept"
        act("rebuild", server("rebuild"), "ACTIVE", RUNNING, REBUILD)
        shell.expect(b"login: ")
        shell.log_in()
        assert "kept" not in shell.run("cat ~/file 2>&1")
        act("rebuild (other image)", server("rebuild", "--image", "snap"), "ACTIVE", RUNNING, REBUILD)
        shell.expect(b"login: ")
        shell.log_in()
        assert shell.run("cat ~/file") == "kept"
    house.ok("image", "delete", "newer", "snap")


@walks("shelve", "unshelve", "forceDelete")
def test_shelve_and_unshelve(report: Report) -> None:
    """Nothing on the hypervisor while it is shelved, and everything back afterwards."""
    act, server, house = report.act, report.server, report.house
    address = house.show(report.uuid)["addresses"]
    with Shell(report.house.client, report.uuid) as shell:
        shell.log_in()
        shell.run("echo kept > ~/file; sync")
        act("shelve", server("shelve"), "SHELVED_OFFLOADED", GONE, SHELVE)
        assert report.domain not in house.virsh()
        assert house.left(report.uuid) == []
        image = f"{report.name}-shelved"
        assert house.ok("image", "show", image, "-f", "value", "-c", "status").strip() == "active"
        act("unshelve", server("unshelve"), "ACTIVE", RUNNING, ["unshelving", "spawning"])
        shell.expect(b"login: ")
        shell.log_in()
        assert shell.run("cat ~/file") == "kept"
    assert house.show(report.uuid)["addresses"] == address
    assert house.run("image", "show", image).returncode == 1
    act("forceDelete", server("delete", "--force", "--wait"), "DELETED", GONE, ["deleting"])
    assert house.left(report.uuid) == []


@walks("shelve", "unshelve", "shelveOffload", "delete", "restore", "forceDelete")
def test_what_may_be_put_off(house: House, server: str, request: pytest.FixtureRequest) -> Report:
    """Shelving in two steps, and a delete that can be taken back."""
    with (
        house.options(DEFAULT_SHELVED_OFFLOAD_TIME=-1, DEFAULT_RECLAIM_INSTANCE_INTERVAL=3600),
        reporting(house, server, request) as report,
    ):
        act, on = report.act, report.server
        with Shell(house.client, report.uuid) as shell:
            shell.log_in()
            shell.run("echo kept > ~/file; sync")
        act("shelve (and stay)", on("shelve"), "SHELVED", OFF, SHELVE[:3])
        act("unshelve (on its host)", on("unshelve"), "ACTIVE", RUNNING, ["unshelving", "powering-on"])
        assert f"{server}-shelved" not in house.ok("image", "list", "-f", "value", "-c", "Name").split()
        act("shelve (and stay)", on("shelve"), "SHELVED", OFF, SHELVE[:3])
        assert house.left(report.uuid) != []
        act("shelveOffload", on("shelve", "--offload"), "SHELVED_OFFLOADED", GONE, ["shelving_offloading"])
        assert house.left(report.uuid) == []
        to_zone = ("server", "unshelve", "--availability-zone", "nova", report.uuid)
        act("unshelve (to a zone)", to_zone, "ACTIVE", RUNNING, ["unshelving", "spawning"])
        act("delete (put off)", on("delete", "--wait"), "SOFT_DELETED", OFF, ["soft-deleting"])
        act("restore", on("restore"), "ACTIVE", RUNNING, ["restoring"])
        house.until_log(report.uuid, "login:")
        with Shell(house.client, report.uuid) as shell:
            shell.log_in()
            assert shell.run("cat ~/file") == "kept"
        act("delete (put off)", on("delete", "--wait"), "SOFT_DELETED", OFF, ["soft-deleting"])
        act("forceDelete (of what is put off)", on("delete", "--force", "--wait"), "DELETED", GONE, ["deleting"])
        assert house.left(report.uuid) == []
    return report


@pytest.fixture
def speaking(house: House) -> Iterator[str]:
    """A server whose guest has an agent, and has not booted yet."""
    house.ok(
        *("image", "create", "--public", "--disk-format", "qcow2", "--property", "hw_qemu_guest_agent=yes"),
        *("--file", str(GUEST), "with-agent"),
    )
    house.ok("server", "create", "--flavor", "m1.micro", "--image", "with-agent", "--wait", "speaking")
    yield "speaking"
    house.run("server", "delete", "--wait", "speaking")
    house.ok("image", "delete", "with-agent")


@walks("changePassword", "delete")
def test_a_password_is_set_or_it_is_said_why_not(house: House, speaking: str, request: pytest.FixtureRequest) -> Report:
    """While the guest boots nobody answers; later root logs in with it."""
    with reporting(house, speaking, request) as report:
        act, command = report.act, report.server("set", "--password", "newSecret1")
        act("changePassword (nobody answers)", command, "ACTIVE", RUNNING, ["updating_password"])
        event = newest(house, report.uuid, "changePassword")
        assert (event["result"], event["details"]) == ("Error", "QEMU guest agent is not enabled")
        house.until_log(report.uuid, "login:")
        deadline = time.monotonic() + 60
        while newest(house, report.uuid, "changePassword")["result"] == "Error":
            assert time.monotonic() < deadline  # the agent comes up beside the prompt
            act("changePassword", command, "ACTIVE", RUNNING, ["updating_password"])
        with Shell(house.client, report.uuid) as shell:
            shell.log_in("newSecret1", user="root", prompt=b"# ")
        act("delete", report.server("delete", "--wait"), "DELETED", GONE, ["deleting"])
        assert house.left(report.uuid) == []
    return report


def newest(house: House, uuid: str, action: str) -> dict[str, Any]:
    """The last event of the newest action of the server, which is this one."""
    found = house.client.servers.events(uuid)[0]
    assert found["action"] == action
    return dict(house.client.servers.event(uuid, found["request_id"])["events"][-1])


@walks(
    *("attach_interface", "detach_interface", "addFixedIp", "removeFixedIp", "addSecurityGroup", "removeSecurityGroup")
)
def test_an_interface_its_addresses_and_its_groups_change_under_a_running_guest(report: Report) -> None:
    """The guest sees the card come and go, on a network of ours; what else changes reaches its firewall."""
    house, act, number = report.house, report.act, domain_id(report)
    house.ok("network", "create", "walked")
    house.ok("subnet", "create", "--network", "walked", "--subnet-range", "10.213.7.0/24", "walked")
    house.ok("security", "group", "create", "walked")
    try:
        act("attach_interface", ("server", "add", "network", report.uuid, "walked"), "ACTIVE", RUNNING, [])
        (port,) = [
            one
            for one in house.client.get(f"/v2.1/servers/{report.uuid}/os-interface")["interfaceAttachments"]
            if one["fixed_ips"][0]["ip_address"].startswith("10.213.7.")
        ]
        assert port["mac_addr"] in house.lab.virsh("domiflist", report.domain).stdout
        for name, body in (
            ("addFixedIp", {"networkId": port["net_id"]}),
            ("removeFixedIp", {"address": port["fixed_ips"][0]["ip_address"]}),
            ("addSecurityGroup", {"name": "walked"}),
            ("removeSecurityGroup", {"name": "walked"}),
        ):
            report.walk.tasks(report.uuid)
            house.client.servers.action(report.uuid, name, body)
            says = house.virsh()[report.domain]
            report.add(name, report.walk.tasks(report.uuid), "ACTIVE", says, 0.0)
            assert says == RUNNING
        act("detach_interface", ("server", "remove", "port", report.uuid, port["port_id"]), "ACTIVE", RUNNING, [])
        deadline = time.monotonic() + 60
        while port["mac_addr"] in house.lab.virsh("domiflist", report.domain).stdout:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert domain_id(report) == number
    finally:
        house.run("network", "delete", "walked")
        house.run("security", "group", "delete", "walked")


@walks("attach_volume", "detach_volume")
def test_a_volume_comes_and_goes_under_a_running_guest(report: Report) -> None:
    """virsh has the volume as a disk of the guest, then no more; its file is removed with it."""
    house, act = report.house, report.act
    house.ok("volume", "create", "--size", "1", "walked")
    uuid = house.client.volumes.find("walked")["id"]

    def is_so(status: str) -> None:
        deadline = time.monotonic() + 180
        while house.client.volumes.get(uuid)["status"] != status:
            assert time.monotonic() < deadline, house.log()[-3000:]
            time.sleep(0.2)

    is_so("available")
    act("attach_volume", ("server", "add", "volume", report.uuid, "walked"), "ACTIVE", RUNNING, [])
    is_so("in-use")
    assert uuid in house.lab.virsh("domblklist", report.domain).stdout
    act("detach_volume", ("server", "remove", "volume", report.uuid, "walked"), "ACTIVE", RUNNING, [])
    is_so("available")
    assert uuid not in house.lab.virsh("domblklist", report.domain).stdout
    house.ok("volume", "delete", "walked")
    deadline = time.monotonic() + 30
    while [path for path in (house.state / "volumes").iterdir() if uuid in path.name]:
        assert time.monotonic() < deadline
        time.sleep(0.2)
