"""What must hold whenever nothing is under way: nothing stuck, nothing leaked, one truth in every room."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict

from tests.faults.house import IMAGE, House
from tuinova.core.block_devices import is_volume_backed, volumes_of
from tuinova.core.compute_manager.nics import guests_of, routing_of
from tuinova.core.conductor import ImageFilter
from tuinova.core.drafts import MigrationFilter
from tuinova.core.records import Instance, Migration
from tuinova.core.shelved_image import shelved_image
from tuinova.core.states import PowerState, VmState
from tuinova.virt.driver import GuestNotFound
from tuinova.virt.fake.record import ports_of

_P, _V = PowerState, VmState
STABLE = frozenset(
    {
        *(_V.ACTIVE, _V.PAUSED, _V.SUSPENDED, _V.STOPPED, _V.RESCUED, _V.RESIZED, _V.SOFT_DELETED, _V.ERROR),
        *(_V.SHELVED, _V.SHELVED_OFFLOADED),
    }
)
# What the guest of a server in this state does; a state that is not here says nothing of it.
POWER = {
    _V.ACTIVE: {_P.RUNNING},
    _V.PAUSED: {_P.PAUSED},
    _V.SUSPENDED: {_P.SHUTDOWN},
    _V.STOPPED: {_P.SHUTDOWN},
    _V.RESCUED: {_P.RUNNING},
    _V.RESIZED: {_P.RUNNING, _P.SHUTDOWN},
    _V.SOFT_DELETED: {_P.SHUTDOWN},
    _V.SHELVED: {_P.SHUTDOWN},
}
_COLD = ("resize", "migration")
STUCK, LEAKED = "stuck", "leaked"
# (stuck or leaked, what is wrong)
Violation = tuple[str, str]


def violations(house: House, *, lenient: bool = False) -> list[Violation]:
    """All that is wrong in a house that is at rest.

    `lenient`: a vm_state may differ from what the guest does, as where an action's end was not seen (Nova only warns).
    """
    servers = house.servers()
    living = [server for server in servers if not server.deleted]
    moves = house.conductor.migrations(MigrationFilter())
    found: list[Violation] = []
    for server in living:
        found += [(STUCK, f"{_name(server)}: {text}") for text in _states(house, server, lenient)]
    for server in servers:
        found += [(STUCK, f"{_name(server)}: {text}") for text in _log(house, server)]
    found += [(STUCK, f"order {order.id} {order.method} is open") for order in house.conductor.open_orders()]
    found += [(STUCK, text) for text in _moves(living, moves)]
    found += [(STUCK, text) for text in _services(house)]
    waiting, kept = _waiting(living, moves), _kept(living, moves)
    found += [(LEAKED, text) for text in _allocations(house, living, waiting)]
    found += [(LEAKED, text) for text in _guests(house, living, kept)]
    found += [(LEAKED, text) for text in _files(house, living, kept)]
    found += [(LEAKED, text) for text in _ports(house, living)]
    found += [(LEAKED, text) for text in _networks(house, living)]
    found += [(LEAKED, text) for text in _images(house, living)]
    found += [(LEAKED, text) for text in _volumes(house, living)]
    found += [(STUCK, text) for text in _database(house)]
    return found


def _name(server: Instance) -> str:
    return f"{server.name} ({server.vm_state}/{server.task_state or '-'} on {server.host or 'no host'})"


def _states(house: House, server: Instance, lenient: bool) -> Iterator[str]:
    if server.task_state is not None:
        yield "its task did not end"
    if server.vm_state not in STABLE:
        yield "its vm_state is none to stay in"
    if server.task_progress is not None:
        yield f"it still shows progress {server.task_progress}"
    if server.vm_state == _V.ERROR and server.fault is None and not _was_reset(house, server):
        yield "it is in ERROR without a fault"
    if server.host is None:
        if server.power_state not in (_P.NOSTATE, _P.SHUTDOWN):
            yield f"it is on no host with power state {server.power_state}"
        if server.vm_state not in (_V.ERROR, _V.SHELVED_OFFLOADED):
            yield "it is on no host"
        return
    power = _power(house, server.host, server.uuid)
    if server.power_state != power:
        yield f"power state {server.power_state}, but its guest's is {power}"
    if not lenient and power not in POWER.get(_V(server.vm_state), {power}):
        yield f"its guest's power state is {power}"


def _was_reset(house: House, server: Instance) -> bool:
    return any(action.action == "resetState" for action in house.conductor.actions(server.uuid))


def _power(house: House, host: str, uuid: str) -> PowerState:
    states = {guest.uuid: guest.state for guest in house.drivers[host].list_guests()}
    return states.get(uuid, _P.NOSTATE)


def _log(house: House, server: Instance) -> Iterator[str]:
    """Every event closed, the action's message "Error" exactly where an event failed, nothing done twice."""
    for action in house.log(server.uuid):
        failed = False
        for event in action.events:
            failed = failed or event.result == "Error"
            if event.finish_time is None:
                yield f"event {event.event} of {action.action} is open"
            elif event.result not in ("Success", "Error"):
                yield f"event {event.event} of {action.action} has the result {event.result}"
        if (action.message == "Error") != failed:
            events = [(event.event, event.result) for event in action.events]
            yield f"the message of {action.action} is {action.message}, its events are {events}"
        for name, count in Counter(event.event for event in action.events).items():
            if count > 1 and name not in _REPEATABLE:
                yield f"event {name} of {action.action} is there {count} times"


# One for each host that was tried.
_REPEATABLE = frozenset(
    {
        "compute__do_build_and_run_instance",
        "conductor_migrate_server",
        "cold_migrate",
        "compute_prep_resize",
        "compute_check_can_live_migrate_destination",
        "compute_check_can_live_migrate_source",
    }
)


def _moves(living: list[Instance], moves: list[Migration]) -> Iterator[str]:
    waiting = {move.uuid for move in _waiting(living, moves)}
    for move in moves:
        if move.in_progress and move.uuid not in waiting:
            yield f"the {move.migration_type} of {move.instance_uuid} is {move.status}"
    resized = [server for server in living if server.vm_state == _V.RESIZED]
    found = Counter(move.instance_uuid for move in moves if move.uuid in waiting)
    for server in resized:
        if found[server.uuid] != 1:
            yield f"{_name(server)} has {found[server.uuid]} moves that wait to be confirmed"


def _waiting(living: list[Instance], moves: list[Migration]) -> list[Migration]:
    resized = {server.uuid for server in living if server.vm_state == _V.RESIZED}
    return [move for move in moves if move.status == "finished" and move.instance_uuid in resized]


def _services(house: House) -> Iterator[str]:
    for service in house.conductor.services():
        if service.disabled:
            yield f"{service.binary} of {service.host} is disabled: {service.disabled_reason}"


# what is held --------------------------------------------------------------------------------------------------------
def _amounts(flavor: dict[str, int], *, volume_backed: bool = False) -> tuple[int, int, int]:
    swap_gb = -(-int(flavor.get("swap") or 0) // 1024)
    root_gb = 0 if volume_backed else int(flavor.get("root_gb") or 0)
    disk = root_gb + int(flavor.get("ephemeral_gb") or 0) + swap_gb
    return int(flavor["vcpus"]), int(flavor["memory_mb"]), disk


def _allocations(house: House, living: list[Instance], waiting: list[Migration]) -> Iterator[str]:
    backed = {server.uuid for server in living if is_volume_backed(server)}
    wanted = {
        server.uuid: (server.host, server.node, *_amounts(server.flavor, volume_backed=server.uuid in backed))
        for server in living
        if server.host is not None
    }
    for move in waiting:
        assert move.old_flavor is not None
        wanted[move.uuid] = (
            move.source_compute,
            move.source_node,
            *_amounts(move.old_flavor, volume_backed=move.instance_uuid in backed),
        )
    held = {
        one.consumer: (one.host, one.node, one.vcpus, one.memory_mb, one.disk_gb)
        for one in house.conductor.allocations()
    }
    for consumer in sorted(wanted.keys() | held.keys()):
        if wanted.get(consumer) != held.get(consumer):
            yield f"{consumer} holds {held.get(consumer)} and should hold {wanted.get(consumer)}"
    yield from _sums(house, held)
    yield from _scheduler(house, held)


Held = dict[str, tuple[str, str, int, int, int]]


def _sums(house: House, held: Held) -> Iterator[str]:
    for node in house.conductor.nodes():
        here = [one[2:] for one in held.values() if one[:2] == (node.host, node.hypervisor_hostname)]
        sums = tuple(sum(column) for column in zip(*here, strict=True)) if here else (0, 0, 0)
        counted = (node.vcpus_allocated, node.memory_mb_allocated, node.local_gb_allocated)
        if counted != sums:
            yield f"the node of {node.host} counts {counted}, its allocations are {sums}"


def _scheduler(house: House, held: Held) -> Iterator[str]:
    house.engine.hosts.scheduler()  # catches up with the change feed
    table = house.engine.hosts.feed().table.snapshot()
    for row, place in enumerate(table.names):
        wanted = {consumer: one[2:] for consumer, one in held.items() if one[:2] == place}
        counted = {
            consumer: (holding.amounts.vcpus, holding.amounts.memory_mb, holding.amounts.disk_gb)
            for consumer, holding in table.held[row].items()
        }
        if wanted != counted:
            yield f"the scheduler counts {counted} on {place[0]}, the allocations are {wanted}"
        used = tuple(int(table.columns[f"used_{name}"][row]) for name in ("vcpu", "mem", "disk"))
        sums = tuple(sum(column) for column in zip(*wanted.values(), strict=True)) if wanted else (0, 0, 0)
        if used != sums:
            yield f"the scheduler's row of {place[0]} says {used}, the allocations are {sums}"


# what is there -------------------------------------------------------------------------------------------------------
def _kept(living: list[Instance], moves: list[Migration]) -> dict[str, set[str]]:
    """By host the servers whose old copy it keeps: until the move is confirmed, or as long as a failed one's lives."""
    waiting = _waiting(living, moves)
    kept: dict[str, set[str]] = {}
    places = {server.uuid: server.host for server in living}
    for move in moves:
        failed = move.migration_type in _COLD and move.status == "error" and move.instance_uuid in places
        if move in waiting or (failed and move.source_compute != places[move.instance_uuid]):
            kept.setdefault(move.source_compute or "", set()).add(move.instance_uuid)
    return kept


def _broken(living: list[Instance], host: str) -> set[str]:
    """The servers in ERROR of a host: what there is of them waits for whoever looks after them."""
    return {server.uuid for server in living if server.host == host and server.vm_state == _V.ERROR}


def _guests(house: House, living: list[Instance], kept: dict[str, set[str]]) -> Iterator[str]:
    for host, driver in house.drivers.items():
        may_be = {server.uuid for server in living if server.host == host}
        wanted = may_be - _broken(living, host)
        found = {guest.uuid: guest.state for guest in driver.list_guests()}
        for uuid in sorted(wanted - found.keys()):
            yield f"{host} has no guest of {uuid}"
        for uuid in sorted(found.keys() - may_be):
            # A definition that is off stays at the source until the move is confirmed.
            if uuid not in kept.get(host, ()) or found[uuid] != _P.SHUTDOWN:
                yield f"{host} has a guest of {uuid}, power state {found[uuid]}"


def _files(house: House, living: list[Instance], kept: dict[str, set[str]]) -> Iterator[str]:
    for host, driver in house.drivers.items():
        here = kept.get(host, set())
        guests = {guest.uuid for guest in driver.list_guests()}
        broken = _broken(living, host)
        # The next write of a guest's record takes the place of one that a death cut off.
        cut_off = {(uuid, "guest.json.new") for uuid in guests}
        wanted = guests | broken | {f"{uuid}_resize" for uuid in here | broken}
        for name in sorted(set(os.listdir(driver.store.guests)) - wanted):
            yield f"{host} has the directory {name}"
        for uuid, what in driver.leftovers().items():
            if uuid not in here | broken:
                yield f"{host} has {', '.join(what)} of {uuid} left over"
        for directory, _, names in os.walk(driver.directory):
            for name in names:
                if os.path.basename(directory) in broken or (os.path.basename(directory), name) in cut_off:
                    continue
                if name.endswith((".new", ".part", "brought.json")) or os.path.basename(directory) == "snapshots":
                    yield f"{host} has the file {os.path.relpath(os.path.join(directory, name), driver.directory)}"


def _ports(house: House, living: list[Instance]) -> Iterator[str]:
    by_server = {server.uuid: server for server in living}
    ports = house.conductor.ports()
    for port in ports:
        server = by_server.get(port.instance_uuid)
        if server is None:
            yield f"port {port.address} belongs to {port.instance_uuid}, which is gone"
        elif server.host is not None and port.host != server.host:
            yield f"port {port.address} of {_name(server)} is bound to {port.host}"
    for server in living:
        mine = [entry for port in ports if port.instance_uuid == server.uuid for entry in port.as_addresses()]
        if mine != [entry for entry in server.addresses if entry["type"] == "fixed"]:
            yield f"{_name(server)} shows {server.addresses}, its ports are {mine}"
    for address, count in Counter((port.host, port.address) for port in ports).items():
        if count > 1:
            yield f"address {address} is given {count} times"


def _networks(house: House, living: list[Instance]) -> Iterator[str]:
    """What hosts have of networks of ours, and of their ports, is what is written."""
    wanted = {network.id for network in house.conductor.own_networks()}
    for host, driver in house.drivers.items():
        if set(driver.networks_made()) != wanted:
            yield f"{host} has the networks {driver.networks_made()}, written are {wanted}"
        facts = house.conductor.host_port_facts(host, everything=True)
        told = guests_of(facts)
        for server in living:
            if server.host != host or server.vm_state in (_V.ERROR, _V.RESCUED):
                continue
            try:
                found = driver.ports_of(server.uuid)
            except GuestNotFound:
                continue
            said = ports_of(told.get(server.uuid, []))
            plain = all(port.is_plain for port in house.conductor.ports(server.uuid))
            if found != said and not plain:
                yield f"the guest of {_name(server)} has the ports {found}, written are {said}"
        routing = asdict(routing_of(house.conductor.routing_facts(host)))
        if json.loads(json.dumps(routing)) != driver.routing() and any(routing.values()):
            yield f"{host} routes {driver.routing()}, written is {routing}"
        if not routing["floating"] and driver.routing()["floating"]:
            yield f"{host} has floating addresses of nobody: {driver.routing()['floating']}"
    for port in house.conductor.all_ports():
        if port.device_id == "" and port.host:
            yield f"port {port.id} is nobody's and bound to {port.host}"


def _images(house: House, living: list[Instance]) -> Iterator[str]:
    images = house.conductor.images(ImageFilter(os_hidden=None))
    files = set(os.listdir(house.directory / "images"))
    for image in images:
        if image.status != "active":
            yield f"image {image.name} is {image.status}"
        elif image.id not in files and "block_device_mapping" not in image.properties:
            yield f"image {image.name} has no data"
    for name in sorted(files - {image.id for image in images}):
        yield f"image data {name} belongs to no image"
    for name, count in Counter(image.name for image in images).items():
        if count > 1:
            yield f"image {name} is there {count} times"
    # A shelved server whose delete failed still has its image.
    wanted = sum(
        server.vm_state in (_V.SHELVED, _V.SHELVED_OFFLOADED) and not is_volume_backed(server) for server in living
    )
    known = {shelved_image(server) for server in living}
    of_shelved = {image.id for image in images if str(image.name).endswith("-shelved")}
    if not of_shelved <= known or len(of_shelved) < wanted:
        yield f"{wanted} servers are shelved, images of theirs are {of_shelved}, living servers know of {known}"
    if IMAGE not in {image.id for image in images}:
        yield "the image of all servers is gone"


_RESTING = frozenset({"available", "in-use", "error", "reserved"})


def _volumes(house: House, living: list[Instance]) -> Iterator[str]:
    """Each volume as it is told: by its row, its attachment, its server's mapping and what lies on the backend."""
    attachments = {one.volume_id: one for one in house.conductor.attachments()}
    holders = {device.volume_id: server for server in living for device in volumes_of(server) if device.volume_id}
    volumes = {volume.id: volume for volume in house.conductor.volumes()}
    for volume in volumes.values():
        held = attachments.get(volume.id)
        if volume.status not in _RESTING:
            yield f"volume {volume.id} is {volume.status}"
        if (volume.status in ("in-use", "reserved")) != (held is not None):
            yield f"volume {volume.id} is {volume.status}, its attachment is {held}"
        if held is not None and held.status not in ("attached", "reserved"):
            yield f"the attachment of {volume.id} is {held.status}"
        if volume.reserved_gb:
            yield f"volume {volume.id} reserves {volume.reserved_gb} GiB"
    for ident in attachments.keys() | holders.keys():
        held, server = attachments.get(ident), holders.get(ident)
        if held is None or server is None or held.instance_uuid != server.uuid:
            yield f"volume {ident} has the attachment {held} and is in the mapping of {server and _name(server)}"
    snapshots = {one.id for one in house.conductor.snapshots() if one.status != "error"}
    made, wanted = set(house.volumes.made()), {one.id for one in volumes.values() if one.status != "error"} | snapshots
    if made - volumes.keys() - snapshots or wanted - made:
        yield f"on the backend are {made}, told of are {wanted}"
    yield from _plugged(house, living)


def _plugged(house: House, living: list[Instance]) -> Iterator[str]:
    for server in living:
        if server.host is None or server.vm_state in (_V.ERROR, _V.RESCUED):
            continue
        wanted = sorted(device.volume_id or "" for device in volumes_of(server) if device.connection is not None)
        try:
            found = sorted(one["id"] for one in house.drivers[server.host].store.load(server.uuid).volumes)
        except GuestNotFound:
            continue
        if wanted != found:
            yield f"the guest of {_name(server)} has the volumes {found}, its mapping says {wanted}"


def _database(house: House) -> Iterator[str]:
    with contextlib.closing(sqlite3.connect(house.directory / "tuinova.sqlite")) as connection:
        for (said,) in connection.execute("PRAGMA integrity_check"):
            if said != "ok":
                yield f"the database: {said}"
        for row in connection.execute("PRAGMA foreign_key_check"):
            yield f"the database: a row without its parent: {row}"
