"""A state is reset in the middle of a move, and the service dies: the next one leaves one guest, where the row says."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .conftest import House
from .test_moves import AUTO, SMALL, TINY, down
from .test_reset_in_moves import END_CALLS, LIVE_CALLS, RESIZE_CALLS, slowly, true_to_the_hosts

MOVES = [
    *(("resize", {"flavorRef": SMALL}, method) for method in RESIZE_CALLS),
    *((action, None, method) for action, method in END_CALLS),
    *(("os-migrateLive", AUTO, method) for method in LIVE_CALLS if not method.startswith("check")),
    ("evacuate", {}, "spawn"),
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("action", "body", "method"), MOVES)
def test_a_move_that_was_reset(
    make_house: Callable[..., House], action: str, body: object, method: str, when: str
) -> None:
    house = make_house("node1", "node2")
    server = house.create(flavor_ref=TINY)
    home = server.host or ""
    if action in ("confirmResize", "revertResize"):
        house.act(server.uuid, "resize", {"flavorRef": SMALL})
    down(house, home, forced=action == "evacuate")
    reached = slowly(house, method, "before" if method == "migration_address" else when)
    house.act(server.uuid, action, body, settle=False)
    assert reached.wait(10), "the call was never reached"
    house.act(server.uuid, "resetState", {"state": "active"}, settle=False)
    house.crash()
    house.restart()
    down(house, home, forced=False)
    house.pass_time(61)
    true_to_the_hosts(house, server)
