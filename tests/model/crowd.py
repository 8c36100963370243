"""Many clients at once, and what must hold when they are done whatever came first."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tuinova.core.drafts import InstanceFilter, MigrationFilter
from tuinova.core.records import Instance
from tuinova.virt.driver import GuestNotFound

from .asking import request
from .face import Reply
from .records import Server
from .tables import NOSTATE, POWER_PAUSED, RUNNING, SHUTDOWN
from .world import World

# What a vm_state says of the guest, when nothing runs and nobody has reset it.
POWER = {
    "active": RUNNING,
    "paused": POWER_PAUSED,
    "stopped": SHUTDOWN,
    "suspended": SHUTDOWN,
    "rescued": RUNNING,
    "soft-delete": SHUTDOWN,
    "shelved": SHUTDOWN,
}


def at_once(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """Call all of them in threads of their own, at the same moment; what they return, in order."""
    barrier = threading.Barrier(len(calls))

    def start(call: Callable[[], Any]) -> Any:
        barrier.wait(10)
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(start, calls))


def ask(world: World, who: str, uuid: str, action: str, **args: Any) -> Reply:
    """One request about a server."""
    method, path, body = request(action, Server("", uuid, "", ""), args)
    return world.face.ask(who, method, path, body)


def make(world: World, who: str = "member", flavor: str = "84", count: int = 1) -> list[str]:
    """Servers that are ACTIVE."""
    body: dict[str, Any] = {"name": "vm", "flavorRef": flavor, "imageRef": image(world), "networks": "auto"}
    reply = world.face.ask(who, "POST", "/v2.1/servers", {"server": {**body, "min_count": count}})
    assert reply.code == 202, reply
    world.settle()
    made = world.conductor.instances(
        InstanceFilter(reservation_id=server(world, reply.body["server"]["id"]).reservation_id)
    )
    assert [one.vm_state for one in made] == ["active"] * count
    return [one.uuid for one in made]


def image(world: World) -> str:
    """The image that there is."""
    return str(next(image.id for image in world.conductor.images() if image.name == "tuinova-demo"))


def server(world: World, uuid: str) -> Instance:
    """The record as it is now."""
    return world.conductor.instance(uuid, with_deleted=True)


def wrongs(world: World) -> list[str]:
    """What must never be when nothing is under way, whatever was asked in whatever order."""
    assert world.engine.settle(30), world.conductor.open_orders()
    found = [f"an order is left: {order}" for order in world.conductor.open_orders()]
    live = world.conductor.instances(InstanceFilter())
    for instance in live:
        found += [f"{instance.uuid} ({instance.vm_state}): {wrong}" for wrong in _of_server(world, instance)]
    found += _of_allocations(world, live)
    known = {instance.uuid for instance in live}
    for host, driver in world.drivers.items():
        found += [
            f"{host} has a guest of {one.uuid}, which is gone" for one in driver.list_guests() if one.uuid not in known
        ]
        found += [f"{host} has {what} of {uuid}" for uuid, what in driver.leftovers().items() if uuid not in known]
    return found


def _of_server(world: World, instance: Instance) -> list[str]:
    found = []
    if instance.task_state is not None:
        found.append(f"its task is {instance.task_state}")
    if instance.vm_state in ("building", "deleted"):
        found.append("that is no end")
    moves = world.conductor.migrations(MigrationFilter(instance_uuid=instance.uuid))
    going = [move.status for move in moves if move.in_progress]
    if going != (["finished"] if instance.vm_state == "resized" else []) and instance.vm_state != "error":
        found.append(f"its moves are {going}")
    for action in world.conductor.actions(instance.uuid):
        for event in world.conductor.action(instance.uuid, action.request_id).events:
            if event.finish_time is None:
                found.append(f"{event.event} of {action.action} never ended")
    state = _power(world, instance)
    if instance.power_state != state:
        found.append(f"its power is {instance.power_state}, its guest's {state}")
    if instance.vm_state in POWER and state != POWER[instance.vm_state]:
        found.append(f"its guest is {state}")
    running = [host for host in world.drivers if _state_on(world, host, instance.uuid) in (RUNNING, POWER_PAUSED)]
    if any(host != instance.host for host in running):
        found.append(f"it runs on {running} and lives on {instance.host}")
    return found


def _power(world: World, instance: Instance) -> int:
    return _state_on(world, instance.host, instance.uuid) if instance.host else instance.power_state


def _state_on(world: World, host: str, uuid: str) -> int:
    try:
        return int(world.drivers[host].guest_info(uuid).state)
    except GuestNotFound:
        return NOSTATE


def _of_allocations(world: World, live: Sequence[Instance]) -> list[str]:
    found = []
    held = {one.consumer: one for one in world.conductor.allocations()}
    waiting = {move.uuid for move in world.conductor.migrations() if move.status == "finished"}
    for instance in live:
        own = held.pop(instance.uuid, None)
        want = (instance.host, instance.flavor["vcpus"], instance.flavor["memory_mb"]) if instance.host else None
        if (own and (own.host, own.vcpus, own.memory_mb)) != want:
            found.append(f"{instance.uuid} ({instance.vm_state}) holds {own}, should hold {want}")
    found += [f"nobody's: {one}" for consumer, one in held.items() if consumer not in waiting]
    for node in world.conductor.nodes():
        used = [one for one in world.conductor.allocations() if one.host == node.host]
        sums = sum(one.vcpus for one in used), sum(one.memory_mb for one in used)
        if sums != (node.vcpus_allocated, node.memory_mb_allocated):
            found.append(
                f"{node.host} counts {node.vcpus_allocated, node.memory_mb_allocated}, its servers hold {sums}"
            )
        if sums[1] > node.memory_mb - node.reserved_host_memory_mb:
            found.append(f"{node.host} gives more memory than it has: {sums[1]} of {node.memory_mb}")
    return found
