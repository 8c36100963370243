"""Each row of Nova's action table on a real guest: what was walked, where it ended, what virsh says."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.integration.conftest import House
from tests.integration.watching import Shell, Walk

pytestmark = pytest.mark.integration

SNAPSHOT = ["image_snapshot_pending", "image_snapshot", "image_pending_upload", "image_uploading"]
BACKUP = ["image_backup", "image_pending_upload", "image_uploading"]
RESIZE = ["resize_prep", "resize_migrating", "resize_migrated", "resize_finish"]
SHELVE = ["shelving", "shelving_image_pending_upload", "shelving_image_uploading", "shelving_offloading"]
REBUILD = ["rebuilding", "rebuild_block_device_mapping", "rebuild_spawning"]
SOFT = ["rebooting", "reboot_pending", "reboot_started"]
HARD = ["rebooting_hard", "reboot_pending_hard", "reboot_started_hard"]
RUNNING, OFF, PAUSED, GONE = "running", "shut off", "paused", "-"


@dataclass
class Report:
    """The table that the run prints."""

    house: House
    walk: Walk
    name: str
    uuid: str
    domain: str
    rows: list[tuple[str, str, str, str, str]] = field(default_factory=list)

    def act(self, action: str, command: tuple[str, ...], status: str, virsh: str, tasks: list[str]) -> None:
        """One row: type the command, wait until the server is settled, compare."""
        self.walk.tasks(self.uuid)
        started = time.monotonic()
        self.house.ok(*command)
        self.house.settled(self.uuid, status)
        seconds = time.monotonic() - started
        time.sleep(0.1)  # the feed's last change is on its way
        walked = self.walk.tasks(self.uuid)
        says = self.house.virsh().get(self.domain, GONE)
        self.rows.append((action, " > ".join(walked) or "-", status, says, f"{seconds:.1f}"))
        assert walked == tasks, action
        assert says == virsh, action

    def server(self, *words: str) -> tuple[str, ...]:
        """A `server` command about this server."""
        return ("server", *words, self.uuid)

    def print(self) -> None:
        """The table, for whoever reads the run's output."""
        heads = ("action", "states walked", "end state", "virsh says", "seconds")
        widths = [max(len(row[at]) for row in (heads, *self.rows)) for at in range(len(heads))]
        for row in (heads, *self.rows):
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))


@pytest.fixture
def report(house: House, server: str) -> Iterator[Report]:
    """A server with its followers; the table is printed whatever happens."""
    shown = house.show(server)
    walk = Walk(house.client)
    one = Report(house, walk, server, str(shown["id"]), str(shown["OS-EXT-SRV-ATTR:instance_name"]))
    try:
        yield one
    finally:
        walk.close()
        one.print()


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
    act("reboot SOFT", server("reboot"), "ACTIVE", RUNNING, SOFT)
    act("reboot HARD", server("reboot", "--hard"), "ACTIVE", RUNNING, HARD)
    act("reset state", server("set", "--state", "error", "--auto-approve"), "ERROR", RUNNING, [])
    act("reset state", server("set", "--state", "active", "--auto-approve"), "ACTIVE", RUNNING, [])
    report.house.until_log(report.uuid, "login:")
    act("crash dump", server("dump", "create"), "ACTIVE", RUNNING, [])
    report.house.until_log(report.uuid, "NMI")
    shown = report.house.ok(*server("show", "--diagnostics", "-f", "json"))
    assert json.loads(shown)["state"] == "running"


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
        act("changePassword", server("set", "--password", "newSecret1"), "ACTIVE", RUNNING, ["updating_password"])
    house.ok("image", "delete", "daily")


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
    house.ok("server", "delete", "--force", "--wait", report.uuid)
    assert report.domain not in house.virsh()
    assert house.left(report.uuid) == []
