"""Two real guests on a network of ours: they reach each other as tuinova shows, and a rule opens and shuts a port."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from tests.integration.conftest import House
from tests.integration.watching import Shell

pytestmark = pytest.mark.integration

NETWORK, RANGE = "front", "10.66.0.0/24"
GROUP, PORT = "guarded", "8080"
IN_FORCE = 2.0  # seconds from the end of a command until a rule is in force


@pytest.fixture(scope="module")
def guests(house: House) -> Iterator[dict[str, Shell]]:
    """Two guests on a network of ours, in a group that lets nothing in but pings, with a shell on each."""
    if not house.lab.root:
        pytest.skip("user-mode networking has no networks of one's own")
    house.ok("network", "create", "--mode", "nat", NETWORK)
    house.ok("subnet", "create", "--network", NETWORK, "--subnet-range", RANGE, NETWORK)
    house.ok("security", "group", "create", GROUP)
    house.ok("security", "group", "rule", "create", "--protocol", "icmp", GROUP)
    made = ("server", "create", "--flavor", "m1.micro", "--image", "tuinova-demo", "--use-config-drive")
    for name in ("left", "right"):
        house.ok(*made, "--network", NETWORK, "--security-group", GROUP, name)
    shells: dict[str, Shell] = {}
    try:
        for name in ("left", "right"):
            house.settled(name, "ACTIVE")
            house.until_log(name, "login:")
            shells[name] = Shell(house.client, house.show(name)["id"])
            shells[name].log_in()
        yield shells
    finally:
        for shell in shells.values():
            shell.__exit__()
        house.run("server", "delete", "--wait", "left", "right")
        house.run("security", "group", "delete", GROUP)
        house.run("network", "delete", NETWORK)


def address(house: House, name: str) -> str:
    """The address that tuinova shows."""
    ((only,),) = house.show(name)["addresses"].values()
    return str(only["addr"])


def answers(shell: Shell, there: str) -> bool:
    """Whether the other guest's greeting comes."""
    return "TN-PAGE" in shell.run(f"nc -w 1 {there} {PORT} </dev/null; echo done")


def until(shell: Shell, there: str, wanted: bool) -> float:
    """Seconds until it is so."""
    begun = time.monotonic()
    while answers(shell, there) is not wanted:
        assert time.monotonic() < begun + 10, shell.seen[-500:]
    return time.monotonic() - begun


def test_guests_reach_each_other_by_the_addresses_that_are_shown_and_a_rule_opens_a_port(
    house: House, guests: dict[str, Shell]
) -> None:
    left, right = guests["left"], guests["right"]
    there = address(house, "right")
    assert re.search(rf"inet {re.escape(there)}/24", right.run("ip -4 addr show"))
    for shell, other in ((left, there), (right, address(house, "left"))):
        assert "0% packet loss" in shell.run(f"ping -c 2 -w 10 {other}")
    right.run(f"(nc -ll -p {PORT} -e echo TN-PAGE >/dev/null 2>&1 &)")
    assert not answers(left, there)
    rule = house.ok(
        *("security", "group", "rule", "create", "--protocol", "tcp", "--dst-port", PORT, "-f", "value", "-c", "id"),
        GROUP,
    ).strip()
    assert until(left, there, True) < IN_FORCE + 1  # a try that began before ends after a second
    house.ok("security", "group", "rule", "delete", rule)
    assert until(left, there, False) < IN_FORCE + 2
    assert "0% packet loss" in left.run(f"ping -c 1 -w 10 {there}")
