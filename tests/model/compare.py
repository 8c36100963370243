"""Everything that can be seen of the servers, beside what the model believes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tuinova.core.drafts import MigrationFilter
from tuinova.virt.driver import GuestNotFound

from .records import WHATEVER, Log, Move, Server
from .rules import Cloud
from .tables import FLAVORS, SOFT_DELETED, WITH_FAULT
from .world import BASE_IMAGE, World

_FAULT_BYTES = 255


class Comparison:
    """Compares everything of what has changed since the last time, and one row of what has not."""

    def __init__(self, world: World, cloud: Cloud) -> None:
        self._world = world
        self._cloud = cloud
        self._change = 0
        self._held: set[str] = set()  # at the last time

    def differences(self, held: set[str], *, everything: bool = False) -> Iterator[str]:
        """What is not as the model has it; servers in `held` are in the middle of something."""
        world, cloud = self._world, self._cloud
        changed = self._changed() | held | self._held
        self._held = set(held)
        if everything:
            changed |= {server.uuid for server in cloud.servers}
        rows = world.face.ask("admin", "GET", "/tuinova/v1/servers?all_projects=1").body["servers"]
        listed = {row["id"]: row for row in rows}
        for server in cloud.servers:
            row = listed.pop(server.uuid, None)
            if row is None and server.vm == SOFT_DELETED and not server.deleted:
                row = world.face.ask("admin", "GET", f"/tuinova/v1/servers/{server.uuid}").body
            if (row is None) != server.deleted:
                yield f"{server.label}: is{'' if row else ' not'} listed, should be {server.status}"
                continue
            if row is not None:
                yield from _row(cloud, server, row, server.uuid in held)
            if server.uuid in changed:
                yield from self._deep(server, row, server.uuid in held)
        if listed:
            yield f"servers that nobody made: {listed}"
        yield from _allocations(world, cloud, held)
        yield from _quota(world, cloud)
        yield from _images(world, cloud)

    def _changed(self) -> set[str]:
        found = set()
        while changes := self._world.conductor.changes(self._change):
            self._change = changes[-1].id
            found |= {change.key for change in changes if change.kind == "server"}
        return found

    def _deep(self, server: Server, row: Any, held: bool) -> Iterator[str]:
        world = self._world
        if row is None:
            # A host at which a move of it stands lets go of it when the move goes on.
            yield from () if held else _gone(world, server)
        else:
            yield from _whole(world, server, row)
            if not held and not server.odd:
                yield from _guests(world, server)
        yield from _logs(world, server, held)
        yield from _moves(world, server, held)


def _show(world: World, server: Server) -> Any:
    return world.face.ask("admin", "GET", f"/v2.1/servers/{server.uuid}")


def _row(cloud: Cloud, server: Server, row: Any, held: bool) -> Iterator[str]:
    """The row of the list."""
    if row["task_state"] in server.may_do:
        server.task = row["task_state"]
    yield from _place(cloud, server, row["host"])
    want = {
        "status": server.status,
        "vm_state": server.vm,
        "task_state": server.task,
        "name": server.name,
        "locked_by": server.locked_by,
        "locked_reason": server.locked_reason,
        "metadata": server.metadata,
    }
    for name, value in want.items():
        if row[name] != value:
            yield f"{server.label}: {name} is {row[name]!r}, should be {value!r}"
    flavor = FLAVORS[server.flavor][0]
    if not held and row["flavor"]["name"] != flavor:
        yield f"{server.label}: flavor is {row['flavor']['name']}, should be {flavor}"
    if row["power_state"] not in (server.power, *server.may_show) and not server.odd:
        yield f"{server.label}: power_state is {row['power_state']}, should be {server.power}"
    server.power = row["power_state"]
    if (row["launched"] is not None) != server.launched:
        yield f"{server.label}: launched is {row['launched']}, should be {server.launched}"


def _whole(world: World, server: Server, row: Any) -> Iterator[str]:
    """What Nova's own API says is the same, and what only it says."""
    reply = _show(world, server)
    if reply.code != 200:
        yield f"{server.label}: {reply.code} {reply.text}, should be {server.status}"
        return
    body = reply.body["server"]
    pairs = {
        "status": "status",
        "OS-EXT-STS:vm_state": "vm_state",
        "OS-EXT-STS:task_state": "task_state",
        "OS-EXT-STS:power_state": "power_state",
        "OS-EXT-SRV-ATTR:host": "host",
        "name": "name",
        "locked": "locked",
        "locked_reason": "locked_reason",
        "metadata": "metadata",
    }
    for name, own in pairs.items():
        if body[name] != row[own]:
            yield f"{server.label}: {name} is {body[name]!r} in one view and {row[own]!r} in the other"
    if body["flavor"]["original_name"] != row["flavor"]["name"]:
        yield f"{server.label}: two views show two flavors"
    if ("progress" in body) != server.has_progress:
        yield f"{server.label}: progress is {body.get('progress', 'not there')} with status {server.status}"
    yield from _fault(world, server, body)


def _place(cloud: Cloud, server: Server, host: str | None) -> Iterator[str]:
    """What the scheduler chose is taken over, if it is one of those that it may choose."""
    if server.places is not None:
        if host not in server.places:
            yield f"{server.label}: host is {host!r}, should be one of {sorted(server.places)}"
        server.host, server.places = host, None
    elif host != server.host:
        yield f"{server.label}: host is {host!r}, should be {server.host!r}"


def _guests(world: World, server: Server) -> Iterator[str]:
    """What the hypervisors have of it."""
    for name, driver in world.drivers.items():
        try:
            state = int(driver.guest_info(server.uuid).state)
        except GuestNotFound:
            state = None
        if name == server.host:
            want = server.guest.power if server.guest else None
            if state != want:
                yield f"{server.label}: its guest on {name} is {state}, should be {want}"
        elif state in (1, 3) and name not in server.ghosts:
            yield f"{server.label}: a second guest runs on {name}"


def _fault(world: World, server: Server, body: Any) -> Iterator[str]:
    fault = world.conductor.newest_fault(server.uuid)
    seen = (fault.code, fault.message) if fault else None
    if not _same_fault(server.fault, seen):
        yield f"{server.label}: fault is {seen}, should be {server.fault}"
    shown = body.get("fault")
    if (shown is not None) != (server.status in WITH_FAULT and fault is not None):
        yield f"{server.label}: fault shown is {shown} with status {server.status}"
    elif shown is not None and fault is not None and (shown["code"], shown["message"]) != seen:
        yield f"{server.label}: fault shown is {shown}, the newest is {seen}"


def _same_fault(want: tuple[int, str | None] | None, seen: tuple[int, str] | None) -> bool:
    if want is None or seen is None:
        return want is seen
    code, text = want
    if text is None:
        return True
    cut = text.encode()[:_FAULT_BYTES].decode(errors="ignore")
    # Nova's words for "no host" go on with a reason of the scheduler's.
    return code == seen[0] and (seen[1] == cut or (cut == "No valid host was found." and seen[1].startswith(cut)))


def _gone(world: World, server: Server) -> Iterator[str]:
    reply = _show(world, server)
    if (reply.code, reply.text) != (404, f"Instance {server.uuid} could not be found."):
        yield f"{server.label}: {reply.code} {reply.text or reply.body['server']['status']}, should be deleted"
        return
    for name, driver in world.drivers.items():
        if name in server.ghosts:
            continue
        if server.uuid in {guest.uuid for guest in driver.list_guests()}:
            yield f"{server.label}: deleted, and {name} still has a guest of it"
        if server.uuid in driver.leftovers():
            yield f"{server.label}: deleted, and {name} still has {driver.leftovers()[server.uuid]} of it"
    if world.conductor.ports(server.uuid):
        yield f"{server.label}: deleted, and its ports are held"


# the action log ------------------------------------------------------------------------------------------------------
def _logs(world: World, server: Server, held: bool) -> Iterator[str]:
    path = f"/v2.1/servers/{server.uuid}/os-instance-actions"
    reply = world.face.ask("admin", "GET", path)
    if reply.code != 200:
        yield f"{server.label}: no action log: {reply.code} {reply.text}"
        return
    seen = reply.body["instanceActions"][::-1]
    names = [row["action"] for row in seen]
    if names != [log.action for log in server.logs]:
        yield f"{server.label}: actions are {names}, should be {[log.action for log in server.logs]}"
        return
    for row, log in zip(seen, server.logs, strict=True):
        yield from _log(world, server, row, log, held)


def _log(world: World, server: Server, row: Any, log: Log, held: bool) -> Iterator[str]:
    what = f"{server.label}: {log.action}"
    if log.request_id is not None and row["request_id"] != log.request_id:
        yield f"{what}: request is {row['request_id']}, should be {log.request_id}"
    if (row["user_id"] is None) != (log.actor is None):
        yield f"{what}: user is {row['user_id']}"
    if log.message != WHATEVER and row["message"] != log.message:
        yield f"{what}: message is {row['message']!r}, should be {log.message!r}"
    path = f"/v2.1/servers/{server.uuid}/os-instance-actions/{row['request_id']}"
    events = world.face.ask("admin", "GET", path).body["instanceAction"]["events"]
    if not held:
        unfinished = [event["event"] for event in events if event["finish_time"] is None]
        if unfinished:
            yield f"{what}: {unfinished} never ended"
    if log.loose or held:
        return
    seen = [(event["event"], event["result"]) for event in events]
    want = [(event.name, event.result) for event in log.events]
    if len(seen) != len(want) or not all(
        name == wanted and result in ((result,) if outcome == WHATEVER else (outcome,))
        for (name, result), (wanted, outcome) in zip(seen, want, strict=True)
    ):
        yield f"{what}: events are {seen}, should be {want}"


# moves ---------------------------------------------------------------------------------------------------------------
def _moves(world: World, server: Server, held: bool) -> Iterator[str]:
    rows = world.face.ask("admin", "GET", f"/v2.1/os-migrations?instance_uuid={server.uuid}").body["migrations"][::-1]
    if [row["migration_type"] for row in rows] != [move.kind for move in server.moves]:
        yield f"{server.label}: moves are {[row['migration_type'] for row in rows]}, should be {server.moves}"
        return
    for row, move in zip(rows, server.moves, strict=True):
        if not held and row["status"] not in move.status.split("|"):
            yield f"{server.label}: {move.kind} is {row['status']}, should be {move.status}"
        if row["source_compute"] != move.source:
            yield f"{server.label}: {move.kind} came from {row['source_compute']}, should be {move.source}"


# what is held --------------------------------------------------------------------------------------------------------
def _allocations(world: World, cloud: Cloud, held: set[str]) -> Iterator[str]:
    found = {one.consumer: (one.host, one.vcpus, one.memory_mb) for one in world.conductor.allocations()}
    for server in cloud.servers:
        own = found.pop(server.uuid, None)
        records = world.conductor.migrations(MigrationFilter(instance_uuid=server.uuid)) if server.moves else []
        moves = {record.uuid: found.pop(record.uuid) for record in records if record.uuid in found}
        if server.uuid in held or server.odd:
            continue
        want = None if server.deleted or server.host is None else (server.host, *server.size[:2])
        if own != want:
            yield f"{server.label}: holds {own}, should hold {want}"
        waiting = [move for move in server.moves if _holds(server, move)]
        if len(moves) > len(waiting):
            yield f"{server.label}: {len(moves)} of its moves hold something: {moves}"
    if found:
        yield f"nobody's allocations: {found}"


def _holds(server: Server, move: Move) -> bool:
    """Whether a move may hold something at its source."""
    return move.status == "done" or (move.status == "finished" and not server.deleted)


def _quota(world: World, cloud: Cloud) -> Iterator[str]:
    for name, ident in cloud.projects.items():
        body = world.face.ask("admin", "GET", f"/v2.1/os-quota-sets/{ident}/detail").body["quota_set"]
        seen = {key: body[key]["in_use"] for key in ("cores", "instances", "ram")}
        if seen != cloud.used(name):
            yield f"project {name}: uses {seen}, should use {cloud.used(name)}"


def _images(world: World, cloud: Cloud) -> Iterator[str]:
    rows = world.face.ask("admin", "GET", "/image/v2/images?limit=1000").body["images"]
    seen = [(row["name"], row["status"]) for row in rows if row["name"] != BASE_IMAGE]
    for image in cloud.images:
        options = image.status.split("|")
        found = next((one for one in seen if one[0] == image.name and one[1] in options), None)
        if found is not None:
            seen.remove(found)
        elif "gone" not in options:
            yield f"image {image.name} should be {image.status}; there are {seen}"
    if seen:
        yield f"images that should not be there: {seen}"
