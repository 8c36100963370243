"""Waiting for a work order to end: for the few requests whose answer says what became of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from tuinova.core.conductor import Conductor

# A commit that nobody is told of may be the one that is waited for.
_LOOK_SECONDS = 0.2


class OrderWatch:
    """Wakes with the commits of the conductor."""

    def __init__(self, conductor: Conductor) -> None:
        self._conductor = conductor
        self._condition = threading.Condition()
        conductor.on_commit(self._wake)

    def _wake(self, _last: int) -> None:
        with self._condition:
            self._condition.notify_all()

    def ended(self, uuid: str, method: str, args: dict[str, str], timeout: float) -> bool:
        """Wait until a server has no open order of that method with these arguments; False when it takes longer."""

        def is_open() -> bool:
            orders = self._conductor.open_orders(uuid=uuid)
            return any(order.method == method and args.items() <= order.args.items() for order in orders)

        return self._until(lambda: not is_open(), timeout)

    def _until(self, done: Callable[[], bool], timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        while not done():
            if time.monotonic() >= deadline:
                return False
            with self._condition:
                self._condition.wait(_LOOK_SECONDS)
        return True
