"""The table of actions that a run on real guests prints: what was walked, where it ended, what virsh says."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.integration.conftest import House
from tests.integration.watching import Walk

# Test: the rows of the action table that it walks.
WALKED: dict[str, tuple[str, ...]] = {}
RUNNING, OFF, PAUSED, GONE = "running", "shut off", "paused", "-"
Line = tuple[str, str, str, str, str]
HEADS: Line = ("action", "states walked", "end state", "virsh says", "seconds")


@dataclass
class Report:
    """One server's lines."""

    house: House
    walk: Walk
    name: str
    uuid: str
    domain: str
    lines: list[Line] = field(default_factory=list)

    def act(self, action: str, command: tuple[str, ...], status: str, virsh: str, tasks: list[str] | None) -> None:
        """One line: type the command, wait until the server is settled ("DELETED": gone), compare.

        `action` is a row of the action table and, in brackets, what is special. `tasks` None: what is walked depends
        on what goes on already.
        """
        self.walk.tasks(self.uuid)
        started = time.monotonic()
        self.house.ok(*command)
        if status == "DELETED":
            self.house.wait_gone(self.uuid)
        else:
            self.house.settled(self.uuid, status)
        seconds = time.monotonic() - started
        time.sleep(0.1)  # the feed's last change is on its way
        walked = self.walk.tasks(self.uuid)
        says = self.house.virsh().get(self.domain, GONE)
        self.add(action, walked, status, says, seconds)
        assert tasks is None or walked == tasks, action
        assert says == virsh, action

    def add(self, action: str, walked: list[str], status: str, says: str, seconds: float) -> None:
        """A line that was walked in another way."""
        self.lines.append((action, " > ".join(walked) or "-", status, says, f"{seconds:.1f}"))

    def server(self, *words: str) -> tuple[str, ...]:
        """A `server` command about this server."""
        return ("server", *words, self.uuid)

    def actions(self) -> set[str]:
        """The rows of the action table that were walked."""
        return {line[0].partition(" (")[0] for line in self.lines}


@contextmanager
def reporting(house: House, name: str, request: pytest.FixtureRequest) -> Iterator[Report]:
    """A report of a server from now on; its lines reach the run's output whatever happens."""
    shown = house.show(name)
    walk = Walk(house.client)
    one = Report(house, walk, name, str(shown["id"]), str(shown["OS-EXT-SRV-ATTR:instance_name"]))
    request.node.user_properties.append(("walked", one.lines))
    try:
        yield one
    finally:
        walk.close()


def walks(*rows: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Marks a test with the rows of the action table that it walks, no more and no fewer.

    It returns or is handed its report as `report`.
    """

    def mark(test: Callable[..., Any]) -> Callable[..., None]:
        WALKED[test.__name__] = rows

        @functools.wraps(test)
        def walked(**given: Any) -> None:
            made = test(**given)
            report = made if isinstance(made, Report) else given["report"]
            assert report.actions() == set(rows)

        return walked

    return mark


def table(lines: list[Line]) -> Iterator[str]:
    """The lines in columns."""
    widths = [max(len(line[at]) for line in (HEADS, *lines)) for at in range(len(HEADS))]
    for line in (HEADS, *lines):
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
