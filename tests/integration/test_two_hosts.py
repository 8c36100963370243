"""One service with two real hosts: guests move between them, dead and alive, and are built anew where one is down."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator

import pytest

from tests.integration.conftest import House, running
from tests.integration.watching import Shell, Walk
from tests.lab import LibvirtHosts

pytestmark = pytest.mark.integration

RESIZE = ["resize_prep", "resize_migrating", "resize_migrated", "resize_finish"]


class Hosts(House):
    """A service whose compute hosts are the lab's libvirts."""

    def __init__(self, hosts: LibvirtHosts) -> None:
        super().__init__(hosts[0])
        self.hosts = hosts
        del self.env["TUINOVA_LIBVIRT_CONNECTION_URI"]
        self.env["TUINOVA_LIBVIRT_CONNECTION_URIS"] = ",".join(host.uri for host in hosts.hosts)
        self.env["TUINOVA_DEFAULT_HOST"] = "pair"

    def domains(self) -> dict[str, list[str]]:
        """Compute host: the domains that run on it."""
        return {f"pair-{host.number}": host.guests() for host in self.hosts.hosts}


@pytest.fixture(scope="module")
def pair(libvirt_hosts: LibvirtHosts) -> Iterator[Hosts]:
    """A running service with the demo image registered."""
    with running(Hosts(libvirt_hosts)) as one:
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


def host_of(pair: Hosts, uuid: str) -> str:
    return str(pair.show(uuid)["OS-EXT-SRV-ATTR:host"])


def other(host: str) -> str:
    return {"pair-1": "pair-2", "pair-2": "pair-1"}[host]


def test_a_cold_migration_brings_the_disk_along_and_back(pair: Hosts, guest: str) -> None:
    """migrate, revert, migrate, confirm."""
    home = host_of(pair, guest)
    walk = Walk(pair.client)
    with Shell(pair.client, guest) as shell:
        shell.log_in()
        shell.run("echo kept > ~/file; sync")
        pair.ok("server", "migrate", "--wait", guest)
        assert (pair.show(guest)["status"], host_of(pair, guest)) == ("VERIFY_RESIZE", other(home))
        shell.expect(b"login: ")
        shell.log_in()
        assert shell.run("cat ~/file") == "kept"
        time.sleep(0.2)
        assert walk.tasks(guest) == RESIZE
        pair.ok("server", "migrate", "revert", guest)
        pair.settled(guest, "ACTIVE")
        assert host_of(pair, guest) == home
        shell.expect(b"login: ")
        shell.log_in()
        assert shell.run("cat ~/file") == "kept"
        pair.ok("server", "migrate", "--host", other(home), "--wait", guest)
        pair.ok("server", "migrate", "confirm", guest)
        pair.settled(guest, "ACTIVE")
    assert len(pair.domains()[other(home)]) == 1
    assert pair.domains()[home] == []
    walk.close()


def test_a_live_migration_keeps_a_counter_running_in_the_console(pair: Hosts, guest: str) -> None:
    """No number is missing or out of order in what a viewer sees over the move."""
    home = host_of(pair, guest)
    with Shell(pair.client, guest) as shell:
        shell.log_in()
        shell.forget()
        start = len(shell.seen)
        shell.send("n=0; while [ $n -lt 400 ]; do echo tick-$n-; n=$((n+1)); usleep 50000; done; echo en''ded")
        shell.expect(b"tick-20-")
        pair.ok("server", "migrate", "--live-migration", "--wait", guest)
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


def test_a_server_of_a_host_that_is_down_is_evacuated(pair: Hosts, guest: str) -> None:
    """Its host removes what it still has when it is back."""
    home = host_of(pair, guest)
    refused = pair.run("server", "evacuate", guest)
    assert f"Compute service of {home} is still in use. (HTTP 400)" in refused.stderr
    pair.ok("compute", "service", "set", "--down", home, "nova-compute")
    pair.ok("server", "evacuate", guest)
    shown = pair.settled(guest, "SHUTOFF")
    assert shown["OS-EXT-SRV-ATTR:host"] == other(home)
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
