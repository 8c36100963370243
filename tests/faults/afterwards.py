"""Afterwards: where the request's server stands, what its log says of it, and that it can be acted on again."""

from __future__ import annotations

import os
from collections.abc import Iterator

from tests.faults.house import HALF_AN_HOUR, House
from tests.faults.invariants import LEAKED, STUCK, Violation, violations
from tests.faults.rows import Row
from tests.faults.scenes import Facts
from tuinova.core.records import Instance, InstanceAction
from tuinova.core.states import ACTION_BY_NAME, ALLOW_REBOOT, VmState
from tuinova.virt.fake.faults import order_faults

_V = VmState
_REBOOTABLE = ACTION_BY_NAME["reboot-hard"].vm_states or frozenset()
# How a server that can't be rebooted comes back to life.
_WAY_BACK = {
    _V.RESIZED: ("confirmResize", None),
    _V.RESCUED: ("unrescue", None),
    _V.SHELVED: ("unshelve", None),
    _V.SHELVED_OFFLOADED: ("unshelve", None),
    _V.SOFT_DELETED: ("restore", None),
}


def examine(
    house: House, row: Row, facts: Facts, *, must_be_accepted: bool | None, lenient: bool = False
) -> tuple[list[str], list[Violation]]:
    """How the servers stand, and all that is wrong; the house is torn down on the way.

    `must_be_accepted`: whether the request's transaction was committed; None where that is not known. `lenient`: the
    hypervisor was away, so the action may have failed as any action does that its driver refuses.
    """
    house.settle()
    bring_back(house, facts)
    found = violations(house, lenient=lenient)
    servers = house.servers() if row.creates else [house.server(facts["uuid"])]
    stands = sorted(row.shows(server) for server in servers) or ["nothing"]
    found += [(STUCK, text) for text in _outcome(house, row, facts, servers, must_be_accepted, lenient)]
    for driver in house.drivers.values():
        order_faults(driver.directory, {})
    found += _use_again(house, servers)
    return stands, found


def in_order(house: House, facts: Facts) -> list[Violation]:
    """What is wrong in a house that nothing was done to; it is torn down on the way."""
    bring_back(house, facts)
    for driver in house.drivers.values():
        order_faults(driver.directory, {})
    return violations(house) + _use_again(house, house.servers())


def bring_back(house: House, facts: Facts) -> None:
    """The host that an operator called down is up, and has looked around."""
    if down := facts.get("down"):
        house.conductor.set_service(down, "nova-compute", forced_down=False)
        # What is left of servers that were deleted meanwhile is looked for every half an hour.
        house.pass_time(HALF_AN_HOUR)


# the request ---------------------------------------------------------------------------------------------------------
def _outcome(
    house: House,
    row: Row,
    facts: Facts,
    servers: list[Instance],
    must_be_accepted: bool | None,
    lenient: bool,
) -> Iterator[str]:
    accepted = _accepted(house, row, facts, servers)
    if must_be_accepted is not None and accepted != must_be_accepted:
        yield f"the request {'was not committed and happened' if accepted else 'was committed and is lost'}"
        return
    if row.creates and len(servers) != (row.count if accepted else 0):
        yield f"{len(servers)} servers of {row.count} are there"
    for server in servers:
        stands = row.shows(server)
        allowed = {row.goal, *row.ends} if accepted else {facts.get("stands", ""), *row.otherwise}
        if lenient and accepted:
            yield from _failed_openly(house, row, facts, server, stands)
        elif stands not in allowed:
            yield f"it stands as {stands}, and not as {' or '.join(sorted(allowed))}"
        elif accepted and row.records:
            yield from _told(house, row, facts, server, stands)


def _news(house: House, facts: Facts, server: Instance) -> list[InstanceAction]:
    """The lines of the action log since the scene, oldest first."""
    return house.log(server.uuid)[: -facts["actions"] or None][::-1] if facts["actions"] else house.log(server.uuid)


def _accepted(house: House, row: Row, facts: Facts, servers: list[Instance]) -> bool:
    if row.creates:
        return bool(servers)
    if not row.records:
        return row.shows(servers[0]) != facts["stands"]
    return _records(row) in {action.action for action in _news(house, facts, servers[0])}


def _records(row: Row) -> str:
    """The request's name in the action log."""
    return row.action if row.creates else ACTION_BY_NAME[row.action].recorded_as


def _told(house: House, row: Row, facts: Facts, server: Instance, stands: str) -> Iterator[str]:
    """The log has the request once and nothing that nobody asked for; it says "Error" where the goal was missed."""
    name, news = _records(row), _news(house, facts, server)
    mine = [action for action in news if action.action == name]
    others = [action.action for action in news if action.action != name and action.action not in row.also_records]
    if len(mine) != 1 or others:
        yield f"its log has got {[action.action for action in news]}"
        return
    if row.passes_on:
        return
    if stands != row.goal and mine[0].message != "Error":
        yield f"it stands as {stands} and {name} does not say that it failed"
    if stands == row.goal and mine[0].message == "Error" and not row.may_fail:
        yield f"it stands as {stands} and {name} says that it failed"


def _failed_openly(house: House, row: Row, facts: Facts, server: Instance, stands: str) -> Iterator[str]:
    """Wherever it stands: an action that missed its goal says so."""
    mine = [action for action in _news(house, facts, server) if action.action == _records(row)] if row.records else []
    if row.records and not row.passes_on and stands != row.goal and not any(one.message == "Error" for one in mine):
        yield f"it stands as {stands} and {_records(row)} does not say that it failed"


# and then ------------------------------------------------------------------------------------------------------------
def _use_again(house: House, servers: list[Instance]) -> list[Violation]:
    found: list[Violation] = []
    for server in servers:
        if not server.deleted:
            found += [(STUCK, f"afterwards: {text}") for text in _brought_to_life(house, server.uuid)]
    found += [(kind, f"afterwards: {text}") for kind, text in violations(house)]
    for server in house.servers():
        if not server.deleted and not house.act(server.uuid, "forceDelete").deleted:
            found.append((STUCK, f"afterwards: {server.name} can't be deleted"))
    found += [(kind, f"after the delete: {text}") for kind, text in violations(house)]
    found += [(LEAKED, f"after the delete: {text}") for text in _left(house)]
    return found


def _brought_to_life(house: House, uuid: str) -> Iterator[str]:
    server = house.server(uuid)
    way = _WAY_BACK.get(_V(server.vm_state))
    if way is not None:
        server = house.act(uuid, *way)
        if server.vm_state not in (_V.ACTIVE, _V.STOPPED):
            yield f"{way[0]} leaves it {server.vm_state}: {server.fault}"
            return
    if server.host is None or not _has_guest(house, server):
        return  # what is in ERROR without a guest can only be deleted
    if server.vm_state in _REBOOTABLE and server.task_state in ALLOW_REBOOT:
        server = house.act(uuid, "reboot", {"type": "HARD"})
        if server.vm_state != _V.ACTIVE:
            yield f"a hard reboot leaves it {server.vm_state}: {server.fault}"


def _has_guest(house: House, server: Instance) -> bool:
    return server.uuid in {guest.uuid for guest in house.drivers[server.host or ""].list_guests()}


def _left(house: House) -> Iterator[str]:
    """Nothing at all is left when every server is deleted."""
    for host, driver in house.drivers.items():
        if names := os.listdir(driver.store.guests):
            yield f"{host} has {names}"
    if held := house.conductor.allocations():
        yield f"held is {held}"
    if ports := house.conductor.ports():
        yield f"ports are {ports}"
