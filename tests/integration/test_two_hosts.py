"""One service with two real hosts: guests move between them, dead and alive, and are built anew where one is down."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator

import pytest

from tests.integration.conftest import running
from tests.integration.pair import Hosts, host_of, other
from tests.integration.report import GONE, Report, reporting, walks
from tests.integration.watching import Shell
from tests.lab import LibvirtHosts

pytestmark = pytest.mark.integration

RESIZE = ["resize_prep", "resize_migrating", "resize_migrated", "resize_finish"]
SHELVE = ["shelving", "shelving_image_pending_upload", "shelving_image_uploading", "shelving_offloading"]
REBUILD = ["rebuilding", "rebuild_block_device_mapping", "rebuild_spawning"]


@pytest.fixture(scope="module")
def pair(libvirt_hosts: LibvirtHosts) -> Iterator[Hosts]:
    """A running service with the demo image registered."""
    with running(Hosts(libvirt_hosts)) as one:
        yield one


@pytest.fixture
def report(pair: Hosts, guest: str, request: pytest.FixtureRequest) -> Iterator[Report]:
    """The guest with its followers."""
    with reporting(pair, guest, request) as one:
        yield one


@pytest.fixture
def guest(pair: Hosts, request: pytest.FixtureRequest) -> Iterator[str]:
    """A server that prints its prompt; its uuid."""
    made = pair.ok(
        *("server", "create", "--flavor", "m1.micro", "--image", "tuinova-demo", "--wait", "-f", "value", "-c", "id"),
        "traveller",
    )
    uuid = made.split()[-1]
    pair.until_log(uuid, "login:")
    yield uuid
    pair.run("server", "delete", "--wait", uuid)
    assert pair.domains() == {"pair-1": [], "pair-2": []}
    assert pair.left(uuid) == []


@walks("migrate", "revertResize", "confirmResize")
def test_a_cold_migration_brings_the_disk_along_and_back(pair: Hosts, guest: str, report: Report) -> None:
    """migrate, revert, migrate, confirm."""
    home = host_of(pair, guest)
    here, there = f"running on {home}", f"running on {other(home)}"
    # What is set aside keeps its definition until it is confirmed or reverted.
    both = ", ".join(sorted((f"shut off on {home}", there), key=lambda text: text[-1]))
    act, server = report.act, report.server
    with Shell(pair.client, guest) as shell:
        shell.log_in()
        shell.run("echo kept > ~/file; sync")
        act("migrate", server("migrate"), "VERIFY_RESIZE", both, RESIZE)
        assert host_of(pair, guest) == other(home)
        shell.expect(b"login: ")
        shell.log_in()
        assert shell.run("cat ~/file") == "kept"
        act("revertResize (migration)", server("migrate", "revert"), "ACTIVE", here, ["resize_reverting"])
        assert host_of(pair, guest) == home
        shell.expect(b"login: ")
        shell.log_in()
        assert shell.run("cat ~/file") == "kept"
        act("migrate (to a host)", server("migrate", "--host", other(home)), "VERIFY_RESIZE", both, RESIZE)
        act("confirmResize (migration)", server("migrate", "confirm"), "ACTIVE", there, [])
    assert pair.domains()[home] == []


@walks("os-migrateLive")
def test_a_live_migration_keeps_a_counter_running_in_the_console(pair: Hosts, guest: str, report: Report) -> None:
    """No number is missing or out of order in what a viewer sees over the move."""
    home = host_of(pair, guest)
    with Shell(pair.client, guest) as shell:
        shell.log_in()
        shell.forget()
        start = len(shell.seen)
        shell.send("n=0; while [ $n -lt 400 ]; do echo tick-$n-; n=$((n+1)); usleep 50000; done; echo en''ded")
        shell.expect(b"tick-20-")
        there = f"running on {other(home)}"
        report.act("os-migrateLive", report.server("migrate", "--live-migration"), "ACTIVE", there, ["migrating"])
        assert host_of(pair, guest) == other(home)
        shell.expect(b"ended", seconds=120)
        ticks = [int(number) for number in re.findall(rb"tick-(\d+)-", shell.seen[start:])]
    assert ticks == list(range(400))
    assert len(pair.domains()[other(home)]) == 1
    assert pair.domains()[home] == []
    log = pair.ok("console", "log", "show", guest)
    assert "Linux version" in log
    assert "tick-399-" in log
    listed = json.loads(pair.ok("server", "migration", "list", "--server", guest, "-f", "json"))
    assert [row["Status"] for row in listed] == ["completed"]


@walks("os-migrateLive", "abort live migration", "force_complete")
def test_a_live_migration_is_called_back_or_hurried(pair: Hosts, guest: str, request: pytest.FixtureRequest) -> Report:
    """On a slow line: ended from outside the guest stays, forced it goes at once; the guest's memory is whole."""
    home = host_of(pair, guest)
    with (
        pair.options(LIBVIRT_LIVE_MIGRATION_BANDWIDTH=2),
        reporting(pair, guest, request) as report,
        Shell(pair.client, guest) as shell,
    ):
        shell.log_in()
        shell.run("echo kept > /tmp/file")
        for action, words, where, status in (
            ("abort live migration", "abort", home, "cancelled"),
            ("force_complete", "force complete", other(home), "completed"),
        ):
            pair.ok("server", "migrate", "--live-migration", guest)
            number = moving(pair, guest)
            report.add("os-migrateLive (slow)", report.walk.tasks(guest), "MIGRATING", pair.virsh()[report.domain], 0)
            command = ("server", "migration", *words.split(), guest, number)
            report.act(action, command, "ACTIVE", f"running on {where}", None)
            assert host_of(pair, guest) == where
            (newest, *_) = json.loads(pair.ok("server", "migration", "list", "--server", guest, "-f", "json"))
            assert newest["Status"] == status
            assert shell.run("cat /tmp/file") == "kept"
        refused = pair.run("server", "migration", "abort", guest, number)
        assert refused.returncode == 1
        assert "(HTTP 4" in refused.stderr
    assert pair.domains()[home] == []
    return report


def moving(pair: Hosts, uuid: str, seconds: float = 30) -> str:
    """The number of the server's live migration, once the guest's memory goes over."""
    deadline = time.monotonic() + seconds
    while True:
        for row in pair.client.servers.migrations(uuid):
            if row["status"] == "running" and (row["memory_processed_bytes"] or 0) > 0:
                return str(row["id"])
        assert time.monotonic() < deadline, pair.log()[-3000:]
        time.sleep(0.1)


@walks("shelve", "unshelve")
def test_a_shelved_server_is_brought_to_the_host_that_is_asked_for(pair: Hosts, guest: str, report: Report) -> None:
    """Its disk came from the image, so that the other host needs nothing of the first."""
    home = host_of(pair, guest)
    report.act("shelve", report.server("shelve"), "SHELVED_OFFLOADED", GONE, SHELVE)
    command = ("server", "unshelve", "--host", other(home), guest)
    report.act("unshelve (to a host)", command, "ACTIVE", f"running on {other(home)}", ["unshelving", "spawning"])
    assert host_of(pair, guest) == other(home)


@walks("evacuate")
def test_a_server_of_a_host_that_is_down_is_evacuated(pair: Hosts, guest: str, report: Report) -> None:
    """Its host removes what it still has when it is back."""
    home = host_of(pair, guest)
    refused = pair.run("server", "evacuate", guest)
    assert f"Compute service of {home} is still in use. (HTTP 400)" in refused.stderr
    pair.ok("compute", "service", "set", "--down", home, "nova-compute")
    # Nobody has told the other host.
    both = ", ".join(sorted((f"running on {home}", f"shut off on {other(home)}"), key=lambda text: text[-1]))
    report.act("evacuate", report.server("evacuate"), "SHUTOFF", both, [*REBUILD, "powering-off"])
    assert host_of(pair, guest) == other(home)
    assert len(pair.domains()[home]) == 1  # nobody has told it
    pair.ok("compute", "service", "set", "--up", home, "nova-compute")
    pair.kill()
    pair.start()
    deadline = time.monotonic() + 30
    while pair.domains()[home]:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    pair.ok("server", "start", guest)
    pair.settled(guest, "ACTIVE")
    assert len(pair.domains()[other(home)]) == 1
