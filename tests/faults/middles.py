"""What goes on when a row's request is made: a move that stands at a call of a driver, or takes its time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from tests.faults.house import HOSTS, House
from tests.faults.scenes import Facts

Doing = Callable[[House, Facts], object]
_PATIENCE = 60.0


def act(name: str, body: Any = None) -> Doing:
    """Ask for an action of the scene's server."""
    return lambda house, facts: house.ask(facts["uuid"], name, body)


def live(house: House, facts: Facts) -> None:
    """A live migration that will take its time."""
    house.ask(facts["uuid"], "os-migrateLive", {"host": None, "block_migration": "auto"})
    store = house.drivers[HOSTS[0]].store
    # The second half of the condition: the progress of its beginning is written, the next one is a second away.
    house.until(
        lambda: (
            store.peek(facts["uuid"]).migrating is not None and house.server(facts["uuid"]).task_progress is not None
        ),
        "the live migration began",
    )


def standing(begin: Doing, host: str, call: str) -> Doing:
    """What was begun stands before this call at a host, until the request that comes into it was answered."""

    def before(house: House, facts: Facts) -> None:
        faults = house.drivers[host].faults
        strike, reached = faults.strike, threading.Event()

        def stand(method: str, when: str, *names: str) -> None:
            if (method, when) == (call, "before") and not reached.is_set():
                reached.set()
                house.goes_on.wait(_PATIENCE)
            strike(method, when, *names)

        faults.strike = stand  # type: ignore[method-assign] - a spy on the real one
        begin(house, facts)
        house.until(reached.is_set, f"{call} was called")

    return before


def into_it(ask: Doing) -> Doing:
    """Ask, and let go on what stands."""

    def asked(house: House, facts: Facts) -> None:
        try:
            ask(house, facts)
        finally:
            house.goes_on.set()

    return asked
