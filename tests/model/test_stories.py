"""Stories that once had another end: each is told again, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .duel import Duel
from .machine import HOSTS
from .rules import NO_SUCH_HOST
from .world import World


@pytest.fixture
def duel(tmp_path: Path, template: Path) -> Iterator[Duel]:
    world = World(tmp_path / "world", HOSTS, template=template)
    duel = Duel(world)
    yield duel
    if not duel.disagreed:
        duel.end()
    world.close()


def test_a_delete_that_was_accepted_is_carried_out_whatever_the_state_is_set_to(duel: Duel) -> None:
    [server] = duel.create("member", "84")
    duel.act("member", server, "stop", hold=("power_off", "before"))
    duel.act("member", server, "delete")
    duel.act("admin", server, "reset state", state="active")
    duel.release(server)
    assert server.deleted


@pytest.mark.parametrize("action", ["migrate", "live migrate"])
def test_a_target_host_does_not_tell_that_a_server_exists(duel: Duel, action: str) -> None:
    [server] = duel.create("member", "84")
    for actor in ("stranger", "reader", "member", "manager"):
        duel.act(actor, server, action, host=NO_SUCH_HOST)


def test_metadata_that_is_not_there_is_told_before_the_states(duel: Duel) -> None:
    [never] = duel.create("member", "84", fails=("abort",))
    [server] = duel.create("member", "84")
    duel.act("admin", server, "lock")
    for actor in ("stranger", "reader", "member", "admin"):
        duel.act(actor, never, "delete metadata", key="none")
        duel.act(actor, server, "delete metadata", key="none")


@pytest.mark.parametrize("action", ["rename", "set metadata", "delete metadata", "delete", "console log", "lock"])
def test_another_projects_server_is_not_there_for_those_who_may_not_act_either(duel: Duel, action: str) -> None:
    [server] = duel.create("stranger", "84")
    args = {"rename": {"name": "x"}, "set metadata": {"items": {"a": "b"}}, "delete metadata": {"key": "a"}}
    for actor in ("reader", "member"):
        duel.act(actor, server, action, **args.get(action, {}))


def test_a_delete_that_confirms_a_resize_has_its_own_events(duel: Duel) -> None:
    [server] = duel.create("member", "84")
    duel.act("member", server, "resize", flavor="c1")
    duel.act("member", server, "delete", fails=("destroy",))
    newest, before = duel.world.conductor.actions(server.uuid)[:2]
    assert (newest.action, newest.message, before.action, before.message) == ("delete", "Error", "confirmResize", None)
    duel.act("member", server, "delete")
