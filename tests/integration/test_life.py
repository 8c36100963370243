"""A server's life on a real guest: after each action `virsh` agrees with tuinova."""

from __future__ import annotations

import pytest

from tests.integration.conftest import House

pytestmark = pytest.mark.integration


def domain(house: House, name: str) -> str:
    return str(house.show(name)["OS-EXT-SRV-ATTR:instance_name"])


def test_virsh_agrees_after_each_action(house: House, server: str) -> None:
    """pause, unpause, suspend, resume, stop, start, reboots, delete; power states are Nova's."""
    name = domain(house, server)
    walk = [
        (("server", "pause", server), "PAUSED", "paused", 3),
        (("server", "unpause", server), "ACTIVE", "running", 1),
        (("server", "suspend", server), "SUSPENDED", "shut off", 4),
        (("server", "resume", server), "ACTIVE", "running", 1),
        (("server", "stop", server), "SHUTOFF", "shut off", 4),
        (("server", "start", server), "ACTIVE", "running", 1),
        (("server", "reboot", "--hard", "--wait", server), "ACTIVE", "running", 1),
    ]
    for command, status, virsh, power in walk:
        house.ok(*command)
        shown = house.settled(server, status)
        assert house.virsh()[name] == virsh, command
        assert shown["OS-EXT-STS:power_state"] == power, command
    house.until_log(server, "login:")
    house.ok("server", "reboot", "--wait", server)
    assert house.virsh()[name] == "running"
    uuid = str(house.show(server)["id"])
    house.ok("server", "delete", "--wait", server)
    assert name not in house.virsh()
    assert house.left(uuid) == []
    actions = house.ok("server", "event", "list", uuid, "-f", "value", "-c", "Action").split()
    expected = ["delete", "reboot", "reboot", "start", "stop", "resume", "suspend", "unpause", "pause", "create"]
    assert actions == expected


def test_the_lock_is_nova_s(house: House) -> None:
    """admin's lock refuses demo's stop with Nova's text and lets admin's pass; who may undo it is Nova's rule."""
    demo = {"user": "demo", "project": "demo"}
    house.ok("server", "create", "--flavor", "m1.micro", "--image", "tuinova-demo", "--wait", "locked", **demo)
    try:
        uuid = house.ok("server", "show", "locked", "-f", "value", "-c", "id", **demo).strip()
        house.ok("server", "lock", "locked", user="admin", project="demo")
        refused = house.run("server", "stop", "locked", **demo)
        assert refused.returncode == 1
        assert refused.stderr.startswith(f"Instance {uuid} is locked (HTTP 409) (Request-ID: req-")
        house.ok("server", "stop", "locked", user="admin", project="demo")
        refused = house.run("server", "unlock", "locked", **demo)
        shown = house.ok("server", "show", "locked", "-f", "value", "-c", "locked", **demo).strip()
        # admin acts in the owner's project: Nova calls that the owner's lock, which the owner may undo.
        assert (refused.returncode, shown) == (0, "False")
        house.ok("server", "lock", "--all-projects", "locked", user="admin", project="admin")
        refused = house.run("server", "unlock", "locked", **demo)
        assert refused.returncode == 1
        assert "Policy doesn't allow os_compute_api:os-lock-server:unlock:unlock_override to be performed." in (
            refused.stderr
        )
        house.ok("server", "unlock", "--all-projects", "locked", user="admin", project="admin")
    finally:
        house.run("server", "delete", "--wait", "locked", user="admin", project="demo")
