"""A state is reset while a move stands at a call: what holds then, whatever comes next."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .duel import Duel
from .machine import CALLS, HOSTS
from .records import Server
from .shaken import MOVES
from .world import World

# A move, and whether shelved servers stay on their hosts.
_MOVES = [(move, stay) for move in sorted(MOVES) for stay in (False, True) if not stay or "shelve" in move]


@pytest.fixture
def duel(tmp_path: Path, template: Path, stay: bool) -> Iterator[Duel]:
    world = World(tmp_path / "world", HOSTS, template=template, **({"shelved_offload_time": -1} if stay else {}))
    duel = Duel(world, keeps_shelved=stay)
    yield duel
    if not duel.disagreed:
        duel.end()
    world.close()


def _ready(duel: Duel, move: str) -> tuple[Server, dict[str, Any]]:
    """A server that may begin the move, and what is asked."""
    [server] = duel.create("member", "84")
    if move in ("confirm", "revert"):
        duel.act("member", server, "resize", flavor="c1")
    elif move == "unshelve":
        duel.act("member", server, "shelve")
    elif move == "evacuate":
        duel.set_host(server.host or "", forced_down=True)
    return server, {"resize": {"flavor": "c1"}, "rebuild": {"image": duel.image}}.get(move, {})


def _deleted_meanwhile(duel: Duel, server: Server) -> None:
    duel.act("member", server, "delete")
    duel.release(server)


def _deleted_afterwards(duel: Duel, server: Server) -> None:
    duel.release(server)
    duel.act("member", server, "delete")


def _used_again(duel: Duel, server: Server) -> None:
    duel.release(server)
    if "hard reboot" in duel.cloud.may_do("admin", server):
        duel.act("admin", server, "hard reboot")
    duel.act("member", server, "delete")


def _seen_by_the_power_sync(duel: Duel, server: Server) -> None:
    duel.release(server)
    duel.pass_time()
    duel.act("member", server, "delete")


@pytest.mark.parametrize("then", [_deleted_meanwhile, _deleted_afterwards, _used_again, _seen_by_the_power_sync])
@pytest.mark.parametrize(("move", "stay"), _MOVES)
def test_a_reset_in_a_move(
    duel: Duel, move: str, then: Callable[[Duel, Server], None], request: pytest.FixtureRequest
) -> None:
    states = itertools.cycle([("active", "error")] if request.config.getoption("--all") else [("active",), ("error",)])
    calls = ("power_on",) if move == "unshelve" and duel.cloud.keeps_shelved else CALLS[move]
    for call in calls:
        for when in ("before", "after"):
            for state in next(states):
                server, args = _ready(duel, move)
                duel.act("admin", server, move, hold=(call, when), **args)
                duel.act("admin", server, "reset state", state=state)
                then(duel, server)
                assert server.deleted
                for host, settings in duel.cloud.hosts.items():
                    if settings.forced_down:
                        duel.set_host(host, forced_down=False)
