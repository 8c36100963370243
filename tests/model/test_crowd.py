"""Several clients at once: who is second is told so, nothing is half done, nobody waits for another's guest."""

from __future__ import annotations

import itertools
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from .crowd import ask, at_once, image, make, server, wrongs
from .duel import unserved
from .machine import CALLS
from .tables import ROWS
from .world import World

HOSTS = ("host1", "host2", "host3")
ROOM = 7 * 128 + 512  # MiB for seven of the smallest servers, beside what is reserved


@pytest.fixture
def make_world(tmp_path: Path, template: Path) -> Iterator[Callable[..., World]]:
    worlds: list[World] = []

    def new(*hosts: str, **options: Any) -> World:
        worlds.append(World(tmp_path / f"world{len(worlds)}", hosts or HOSTS, template=template, **options))
        return worlds[-1]

    yield new
    for world in worlds:
        world.close()


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()


# one server, many clients --------------------------------------------------------------------------------------------
_OF_ACTIVE = [
    name
    for name in (
        "stop",
        "reboot",
        "pause",
        "suspend",
        "resize",
        "migrate",
        "live migrate",
        "shelve",
        "rescue",
        "rebuild",
    )
    if name not in unserved()
]
_ARGS: dict[str, Any] = {
    "resize": {"flavor": "c1"},
    "rename": {"name": "other"},
    "set metadata": {"items": {"key": "value"}},
    "delete metadata": {"key": "key"},
    "create image": {"name": "image"},
    "create backup": {"name": "backup", "backup_type": "daily", "rotation": 1},
}


def args_of(world: World, action: str) -> dict[str, Any]:
    return {"image": image(world)} if action == "rebuild" else _ARGS.get(action, {})


@pytest.mark.parametrize("action", _OF_ACTIVE)
def test_of_many_requests_one_wins_and_the_others_are_told(world: World, action: str) -> None:
    [uuid] = make(world)
    world.director.gates[uuid] = gate = world.director.any_call()
    rivals = [action, action, *_OF_ACTIVE]
    replies = at_once([partial(ask, world, "admin", uuid, one, **args_of(world, one)) for one in rivals])
    codes = Counter(reply.code for reply in replies)
    assert sum(codes[code] for code in (200, 202)) == 1, codes
    assert codes[409] == len(rivals) - 1, codes
    task = server(world, uuid).task_state
    texts = {reply.text.split("while it is in ")[1] for reply in replies if reply.code == 409}
    assert all(text.startswith("task_state ") for text in texts), (texts, task)
    assert gate.reached.wait(10)
    world.release(uuid)
    assert not wrongs(world)
    actions = world.conductor.actions(uuid)
    assert len(actions) == 2, actions
    assert server(world, uuid).task_state is None


def test_many_deletes_are_one(world: World) -> None:
    [uuid] = make(world)
    world.hold(uuid, "destroy", "before")
    replies = at_once([partial(ask, world, "member", uuid, "delete") for _ in range(12)])
    assert {reply.code for reply in replies} == {204}
    assert [action.action for action in world.conductor.actions(uuid)] == ["delete", "create"]
    world.release(uuid)
    assert not wrongs(world)
    assert server(world, uuid).deleted


@pytest.mark.parametrize("rival", _OF_ACTIVE)
def test_a_delete_always_wins(world: World, rival: str) -> None:
    uuids = make(world, count=4)
    args = args_of(world, rival)
    calls = [partial(ask, world, "admin", uuid, rival, **args) for uuid in uuids]
    calls += [partial(ask, world, "admin", uuid, "delete") for uuid in uuids]
    replies = at_once(calls)
    assert {reply.code for reply in replies[len(uuids) :]} == {204}
    assert {reply.code for reply in replies[: len(uuids)]} <= {200, 202, 404, 409}
    assert not wrongs(world)
    assert all(server(world, uuid).deleted for uuid in uuids)
    assert not world.conductor.allocations()


def test_a_resize_is_confirmed_or_reverted_but_not_both(world: World) -> None:
    uuids = make(world, count=4)
    for uuid in uuids:
        assert ask(world, "member", uuid, "resize", flavor="c1").code == 202
    world.settle()
    calls = [partial(ask, world, "member", uuid, what) for uuid in uuids for what in ("confirm", "revert", "confirm")]
    replies = at_once(calls)
    assert not wrongs(world)
    for number, uuid in enumerate(uuids):
        answers = [reply.code for reply in replies[3 * number : 3 * number + 3]]
        assert len([code for code in answers if code in (202, 204)]) == 1, answers
        assert set(answers) <= {202, 204, 400, 409}, answers
        is_reverted = answers[1] == 202
        assert server(world, uuid).flavor["id"] == ("84" if is_reverted else "c1")
        assert server(world, uuid).vm_state == "active"


def test_a_lock_holds_from_its_answer_on(world: World) -> None:
    [uuid] = make(world)

    def try_often() -> list[tuple[float, float, int]]:
        found = []
        for name in itertools.islice(itertools.cycle(("pause", "unpause")), 30):
            asked = time.monotonic()
            found.append((asked, time.monotonic(), ask(world, "member", uuid, name).code))
        return found

    def lock() -> float:
        assert ask(world, "admin", uuid, "lock").code == 202
        return time.monotonic()

    locked, *tries = at_once([lock, try_often, try_often, try_often])
    late = [code for found in tries for asked, _, code in found if asked > locked]
    assert set(late) <= {409}
    assert not wrongs(world)


# quota ---------------------------------------------------------------------------------------------------------------
def test_a_quota_is_never_exceeded(world: World) -> None:
    project = world.conductor.project("demo").id
    world.conductor.set_quota(project, {"instances": 5, "cores": 4})
    body = {"name": "vm", "flavorRef": "84", "imageRef": image(world), "networks": "auto"}
    replies = at_once([partial(world.face.ask, "member", "POST", "/v2.1/servers", {"server": body}) for _ in range(16)])
    assert Counter(reply.code for reply in replies) == {202: 4, 403: 12}
    text = "Quota exceeded for cores: Requested 1, but already used 4 of 4 cores"
    assert {reply.text for reply in replies if reply.code == 403} == {text}
    assert not wrongs(world)
    assert world.conductor.count_usage(project).cores == 4


# room ----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("together", [1, 5])
def test_fifty_servers_at_once_take_the_room_that_there_is(make_world: Callable[..., World], together: int) -> None:
    world = make_world(fake={"memory_mb": ROOM})
    body = {"name": "vm", "flavorRef": "84", "imageRef": image(world), "networks": "auto", "min_count": together}
    replies = at_once(
        [partial(world.face.ask, "admin", "POST", "/v2.1/servers", {"server": body}) for _ in range(50 // together)]
    )
    assert {reply.code for reply in replies} == {202}
    assert not wrongs(world)
    made = world.conductor.instances()
    assert len(made) == 50
    states = Counter(one.vm_state for one in made)
    # Those of one request come together or not at all; what waits for its last place may be in another's way.
    assert states["active"] == 21 if together == 1 else states["active"] in range(together, 21, together), states
    for one in made:
        fault = world.conductor.newest_fault(one.uuid)
        if one.vm_state == "error":
            assert fault is not None
            assert fault.message.startswith("No valid host was found.")
            assert one.host is None
        else:
            assert fault is None
    for one in made:
        ask(world, "admin", one.uuid, "delete")
    assert not wrongs(world)
    assert not world.conductor.allocations()


# nobody waits for another's guest ------------------------------------------------------------------------------------
_SLOW = [(name, call) for name, calls in CALLS.items() for call in calls if name not in unserved()]
_BEFORE = {
    "start": "stop",
    "unpause": "pause",
    "resume": "suspend",
    "confirm": "resize",
    "revert": "resize",
    "unrescue": "rescue",
}
# What is not reached from an active server on hosts that are all up.
_ELSEWHERE = ("evacuate", "restore", "shelve offload", "unshelve", "change password")


@pytest.mark.parametrize(("action", "call"), [pair for pair in _SLOW if pair[0] not in _ELSEWHERE])
def test_a_slow_guest_delays_nobody_else(make_world: Callable[..., World], action: str, call: str) -> None:
    world = make_world("host1") if action not in ("migrate", "live migrate") else make_world("host1", "host2")
    slow, other = make(world, count=2)
    if action in _BEFORE:
        assert ask(world, "admin", slow, _BEFORE[action], **args_of(world, _BEFORE[action])).code in (200, 202)
        world.settle()
    gate = world.hold(slow, call, "before")
    assert ask(world, "admin", slow, action, **args_of(world, action)).code == ROWS[action].code
    assert gate.reached.wait(10)
    began = time.monotonic()
    for step in ("stop", "start", "pause", "unpause", "resize", "confirm", "delete"):
        assert ask(world, "admin", other, step, **args_of(world, step)).code in (202, 204), step
        world.settle()
    [new] = make(world)
    assert not gate.opened.is_set()
    assert time.monotonic() - began < 15
    assert server(world, slow).task_state is not None or action in ("confirm", "crash dump")
    world.release(slow)
    assert not wrongs(world)
    assert server(world, new).vm_state == "active"


# whatever comes ------------------------------------------------------------------------------------------------------
_ANYTHING = sorted(set(ROWS) - {"reset state", "evacuate"})
_OFTEN = sorted(set(CALLS) - unserved() - {"evacuate", "delete", "force delete"})


def wait_for_its_turn(world: World, uuid: str) -> None:
    """As a client does that was told of a task: one that only asked again would find it under way every time."""
    end = time.monotonic() + 5
    while server(world, uuid).task_state is not None and time.monotonic() < end:
        time.sleep(0.001)


@pytest.mark.parametrize("number", range(3))
def test_a_storm_of_requests_leaves_nothing_half_done(world: World, number: int) -> None:
    uuids = make(world, count=4)

    def client(seed: int) -> Counter[int]:
        chance = random.Random(f"{number} {seed}")
        codes: Counter[int] = Counter()
        for request in itertools.count(1):
            if (request > 25 and codes[202] >= 3) or request > 250:
                break
            action = chance.choice(_OFTEN if chance.random() < 0.8 else _ANYTHING)
            uuid = chance.choice(uuids)
            if action in ("delete", "force delete") and chance.random() < 0.95:
                continue
            if chance.random() < 0.1:
                world.director.plan(
                    uuid, chance.choice(sorted({call for calls in CALLS.values() for call in calls})), "no"
                )
            reply = ask(world, chance.choice(("member", "admin", "demo admin")), uuid, action, **args_of(world, action))
            codes[reply.code] += 1
            if reply.code == 409 and chance.random() < 0.5:
                wait_for_its_turn(world, uuid)
        return codes

    codes = sum(at_once([partial(client, seed) for seed in range(6)]), Counter())
    assert set(codes) <= {200, 202, 204, 400, 403, 404, 409, 501}, codes
    assert codes[202] >= 18, codes
    world.director.failures.clear()
    world.settle()
    world.pass_time(2000)
    assert not [wrong for wrong in wrongs(world) if "guest" not in wrong or "gone" in wrong]
    for uuid in uuids:
        ask(world, "admin", uuid, "delete")
    assert not wrongs(world)
    assert not world.conductor.allocations()
