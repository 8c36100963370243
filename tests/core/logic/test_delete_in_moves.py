"""A server that is deleted in the middle of a move: nothing of it stays on any host, and all that began has ended."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .conftest import House
from .test_moves import AUTO, SMALL, TINY
from .test_reset_in_moves import LIVE_CALLS, RESIZE_CALLS, slowly

_ONLY_LOOKS = ("migration_address", "check_can_live_migrate_destination", "check_can_live_migrate_source")
_MOMENTS = [
    (action, body, method, when)
    for action, body, methods in (("resize", {"flavorRef": SMALL}, RESIZE_CALLS), ("os-migrateLive", AUTO, LIVE_CALLS))
    for method in methods
    for when in ("before", "after")
    if when == "before" or method not in _ONLY_LOOKS
]


@pytest.mark.parametrize(("action", "body", "method", "when"), _MOMENTS)
def test_nothing_stays(make_house: Callable[..., House], action: str, body: object, method: str, when: str) -> None:
    house = make_house("node1", "node2")
    server = house.create(flavor_ref=TINY)
    reached = slowly(house, method, when)
    house.act(server.uuid, action, body, settle=False)
    assert reached.wait(10), "the call was never reached"
    house.act(server.uuid, "delete", settle=False)
    house.settle()
    assert house.server(server.uuid).deleted
    assert house.nothing_left(server.uuid)
    for name, driver in house.drivers.items():
        assert not driver.list_guests(), name
        assert not driver.leftovers(), name
    for action_ in house.conductor.actions(server.uuid):
        for event in house.conductor.action(server.uuid, action_.request_id).events:
            assert event.finish_time is not None, (action_.action, event.event)
