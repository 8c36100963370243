"""A state that was reset in the middle of a move: no page of Nova's says how far the move comes, but much must hold.

The states are what the reset named; there is at most one guest, on the host that the row names; allocations, ports and
the move's record agree with that. What of it the engine chose, the model takes over, and goes on with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tuinova.core.drafts import MigrationFilter
from tuinova.core.records import Instance
from tuinova.virt.driver import GuestNotFound

from .records import WHATEVER, Guest, Server
from .rules import Cloud
from .tables import ACTIVE, FLAVORS, SHUTDOWN, STOPPED, holds
from .walks import Run
from .world import World

MOVES = frozenset(
    {"resize", "migrate", "live migrate", "evacuate", "revert", "confirm", "rebuild", "shelve", "unshelve"}
)
_ENDED = frozenset({"confirmed", "reverted", "error", "failed", "completed", "cancelled", "done"})


def let_go(run: Run) -> None:
    """What the log and the images say of the move is not foretold."""
    run.log.loose, run.log.message = True, WHATEVER
    for image in run.cloud.images:
        if image.server == run.server.uuid and image.is_shelved and image.status != "gone":
            image.status = "active|gone"
    for move in run.server.moves:
        if move.open:
            move.status = "|".join(sorted(_ENDED))
    run.server.may_do, run.server.places = (), None


def taken_over(world: World, run: Run) -> Iterator[str]:
    """Take over what became of the move; what can't be is told."""
    server, cloud = run.server, run.cloud
    record = world.conductor.instance(server.uuid)
    server.host = record.host
    server.flavor = next(key for key, (name, *_) in FLAVORS.items() if name == record.flavor["name"])
    server.power = int(record.power_state)
    fault = world.conductor.newest_fault(server.uuid)
    server.fault = (fault.code, fault.message) if fault else None
    guests = dict(_guests(world, server))
    server.guest = Guest(guests[record.host]) if record.host in guests else None
    server.may_show.add(server.guest.power if server.guest else server.power)
    if run.action == "confirm":
        # It has no task that a reset could take from it, and its last step names the state.
        server.vm = STOPPED if server.power == SHUTDOWN else ACTIVE
    _take_over_moves(world, cloud, server)
    _take_over_images(world, cloud, server)
    yield from _told(world, server, record, guests)


def _guests(world: World, server: Server) -> Iterator[tuple[str, int]]:
    for name, driver in world.drivers.items():
        if name not in server.ghosts:
            try:
                yield name, int(driver.guest_info(server.uuid).state)
            except GuestNotFound:
                continue


def _records(world: World, server: Server) -> list[Any]:
    return world.conductor.migrations(MigrationFilter(instance_uuid=server.uuid))[::-1]


def _take_over_moves(world: World, cloud: Cloud, server: Server) -> None:
    for record, move in zip(_records(world, server), server.moves, strict=True):
        if record.status in move.status.split("|"):
            move.status = record.status


def _take_over_images(world: World, cloud: Cloud, server: Server) -> None:
    there = {image.name for image in world.conductor.images()}
    for image in cloud.images:
        if image.server == server.uuid and image.is_shelved and "|" in image.status:
            image.status = "active" if image.name in there else "gone"


def _told(world: World, server: Server, record: Instance, guests: dict[str, int]) -> Iterator[str]:
    what = f"{server.label}, reset in a move"
    if set(guests) - {record.host}:
        yield f"{what}: is on {record.host}, and has guests on {sorted(guests)}"
    size = holds(server.flavor)
    want = {server.uuid: (record.host, *size[:2])} if record.host else {}
    consumers = {
        server.uuid: "it",
        **{row.uuid: f"its {row.migration_type}, {row.status}," for row in _records(world, server)},
    }
    waiting = {row.uuid for row in _records(world, server) if row.status == "done"}
    held = {
        one.consumer: (one.host, one.vcpus, one.memory_mb)
        for one in world.conductor.allocations()
        if one.consumer in consumers and one.consumer not in waiting
    }
    for consumer in sorted(want.keys() | held.keys()):
        if want.get(consumer) != held.get(consumer):
            yield f"{what}: {consumers[consumer]} holds {held.get(consumer)}, should hold {want.get(consumer)}"
    if record.host is not None and {port.host for port in world.conductor.ports(server.uuid)} != {record.host}:
        yield f"{what}: its ports are {world.conductor.ports(server.uuid)}"
    for name, driver in world.drivers.items():
        if name not in server.ghosts and server.uuid in driver.leftovers():
            yield f"{what}: {name} has {driver.leftovers()[server.uuid]} left over"
