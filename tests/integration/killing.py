"""Kills the service, or libvirt's daemon, in the middle of an action on a real guest and looks at what became of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import libvirt

from tests.integration.conftest import House
from tests.integration.world import LEAKED, STUCK, Row, Violation, World, domain_of, tables
from tuinova.client import Client
from tuinova.client.errors import ServiceUnreachable, StreamEnded

SETTLE = 90.0  # seconds that a service gets to settle everything when it is back
MISSED = 60.0  # seconds within which a moment must have come
_JOB_POLL = 0.005
Ask = Callable[[Client, str], object]
Deed = Callable[[], None]


@dataclass(frozen=True)
class Moment:
    """When the service dies.

    As soon as the change feed shows `task` (none: as soon as the request is answered), or `later` seconds after that,
    or then as soon as libvirt has a `job` for the guest: in the middle of a save, a backup, a live migration; or as
    soon as the guest has `left` its host.
    """

    task: str = ""
    later: float = 0.0
    job: bool = False
    left: bool = False

    def __str__(self) -> str:
        more = ", job runs" if self.job else ", guest has left" if self.left else ""
        more = f" +{self.later:g} s" if self.later else more
        return (self.task or "accepted") + more


@dataclass(frozen=True)
class Killed:
    """A row of the matrix: an action, the moments at which it is cut off, and where it may end.

    `begin`: the state that it is asked for in. `goal` is its end when it succeeds, `ends` where else recovery's table
    lets it end; then the action says "Error". `may_fail`: it may say so at its goal too (before and after look alike).
    `records`: its name in the action log. `image`: what the action makes, or not, but nothing between.
    """

    action: str
    begin: str
    ask: Ask
    goal: str
    moments: tuple[Moment, ...]
    ends: frozenset[str] = frozenset()
    records: str = ""
    hosts: int = 1
    may_fail: bool = False
    image: str = ""
    sample: tuple[Moment, ...] = ()
    bring_back: Callable[[House], None] | None = None

    @property
    def log_name(self) -> str:
        """What the action log calls it."""
        return self.records or self.action


@dataclass(frozen=True)
class Result:
    """A line of the table that the run prints."""

    action: str
    moment: str
    task: str  # in the database of the dead service
    end: str
    seconds: float  # from the new start to rest
    wrong: list[Violation] = field(default_factory=list)


# the blow ------------------------------------------------------------------------------------------------------------
class Blow:
    """Calls `fall` when the moment has come; `server` None: that of the first one that is seen in it."""

    def __init__(self, house: House, moment: Moment, server: Row | None, fall: Deed) -> None:
        self._house = house
        self._fall = fall
        self._moment = moment
        self._server = server
        self.seen: list[str | None] = []
        self.missed = "the moment did not come"
        self._done = threading.Event()
        self._stream = house.client.changes(None)
        self._thread = threading.Thread(target=self._follow, daemon=True)
        if moment.task:
            self._thread.start()

    def _follow(self) -> None:
        try:
            with suppress(StreamEnded):
                for task in self._tasks():
                    self.seen.append(task)
                    if task == self._moment.task:
                        self.strike()
                        return
        finally:
            self._done.set()

    def _tasks(self) -> Iterator[str | None]:
        for batch in self._stream:
            for change in batch:
                if change["kind"] != "server" or not change["view"]:
                    continue
                if self._server is None or change["key"] == self._server["uuid"]:
                    yield change["view"]["task_state"]

    def strike(self) -> None:
        """Wait for the rest of the moment, then kill."""
        time.sleep(self._moment.later)
        awaited = self._has_job if self._moment.job else self._has_left if self._moment.left else None
        self.missed = "libvirt did not come so far" if awaited and not self._wait_for(awaited) else ""
        self._fall()

    def _wait_for(self, reached: Callable[[libvirt.virConnect, str], bool]) -> bool:
        """Until the guest's host says so."""
        assert self._server is not None
        connection = libvirt.openReadOnly(self._uri())
        deadline = time.monotonic() + MISSED
        try:
            while time.monotonic() < deadline:
                if reached(connection, domain_of(self._server)):
                    return True
                time.sleep(_JOB_POLL)
        finally:
            connection.close()
        return False

    @staticmethod
    def _has_job(connection: libvirt.virConnect, name: str) -> bool:
        with suppress(libvirt.libvirtError):
            stats = connection.lookupByName(name).jobStats()
            return bool(stats.get("type", libvirt.VIR_DOMAIN_JOB_NONE) != libvirt.VIR_DOMAIN_JOB_NONE)
        return False

    @staticmethod
    def _has_left(connection: libvirt.virConnect, name: str) -> bool:
        return name not in {domain.name() for domain in connection.listAllDomains()}

    def _uri(self) -> str:
        assert self._server is not None
        return World(self._house).places[self._server["host"]].lab.uri

    def wait(self) -> None:
        """Until it has fallen."""
        if self._moment.task:
            came = self._done.wait(MISSED)
            self._stream.close()
            self._thread.join(5)
            assert came, self.missed
        else:
            self.strike()
            self._stream.close()
        assert not self.missed, f"{self._moment}: {self.missed}, seen were {self.seen}"


# afterwards ----------------------------------------------------------------------------------------------------------
def at_rest(house: House, seconds: float = SETTLE) -> tuple[float, list[Violation]]:
    """How long until nothing is wrong any more, or what still is when the time is over."""
    began = time.monotonic()
    while True:
        wrong = World(house).violations()
        elapsed = time.monotonic() - began
        if not wrong or elapsed > seconds:
            return elapsed, wrong
        time.sleep(0.2)


def row_of(house: House, uuid: str) -> Row:
    """A server's row, of a deleted one too."""
    return next(row for row in tables(house)["instance"] if row["uuid"] == uuid)


def cut_off(
    house: House, row: Killed, moment: Moment, uuid: str, fall: Deed | None = None, rise: Deed | None = None
) -> Result:
    """Ask, kill, start, look. `uuid` is "" where the action makes the server; what falls is the service, or else."""
    before = tables(house)
    server = next((one for one in before["instance"] if one["uuid"] == uuid), None)
    blow = Blow(house, moment, server, fall or house.kill)
    with suppress(ServiceUnreachable):  # the answer was cut off too: the change feed was faster
        row.ask(house.client, uuid)
    blow.wait()
    if server is None:
        known = {one["uuid"] for one in before["instance"]}
        uuid = next(one["uuid"] for one in tables(house)["instance"] if one["uuid"] not in known)
    task = row_of(house, uuid)["task_state"] or "-"
    began = time.monotonic()
    (rise or house.start)()
    if row.bring_back is not None:
        row.bring_back(house)
    _, wrong = at_rest(house)
    seconds = time.monotonic() - began
    end, more = _outcome(house, row, before, uuid)
    return Result(row.action, str(moment), task, end, seconds, [*wrong, *more])


def _outcome(house: House, row: Killed, before: dict[str, list[Row]], uuid: str) -> tuple[str, list[Violation]]:
    """How the server stands, and what the log says of it: the request once, nothing that nobody asked for."""
    now, wrong = tables(house), []
    server = row_of(house, uuid)
    stands = "gone" if server["deleted"] else server["vm_state"]
    if row.hosts > 1:
        home = next(one["host"] for one in before["instance"] if one["uuid"] == uuid)
        stands += " at home" if server["host"] == home else " moved"
    if stands not in {row.goal, *row.ends}:
        wrong.append((STUCK, f"it ended as {stands}, and not as {' or '.join(sorted({row.goal, *row.ends}))}"))
    known = {action["id"] for action in before["instance_action"]}
    news = [one for one in now["instance_action"] if one["instance_uuid"] == uuid and one["id"] not in known]
    if [one["action"] for one in news] != [row.log_name]:
        return stands, [*wrong, (STUCK, f"its log has got {[one['action'] for one in news]}")]
    failed = news[0]["message"] == "Error"
    if failed != (stands != row.goal) and not (failed and row.may_fail):
        wrong.append((STUCK, f"it ended as {stands}, and its action {'says' if failed else 'does not say'} Error"))
    if row.image:
        made = [image for image in now["image"] if image["name"] == row.image]
        if len(made) != (0 if failed else 1):
            wrong.append((LEAKED, f"the action {'failed' if failed else 'ended well'}, images of it: {len(made)}"))
    return stands, wrong


# the table -----------------------------------------------------------------------------------------------------------
def table(results: list[Result]) -> Iterator[str]:
    """The lines that a run prints, the totals last."""
    heads = ("action", "killed at", "task in the row", "ends", "seconds")
    rows = [(one.action, one.moment, one.task, one.end, f"{one.seconds:.1f}") for one in results]
    widths = [max(len(row[at]) for row in (heads, *rows)) for at in range(len(heads))]
    for row in (heads, *rows):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    stuck, leaked = (sum(any(kind == one for one, _ in result.wrong) for result in results) for kind in (STUCK, LEAKED))
    yield f"{len(results)} cells, {stuck} stuck, {leaked} leaked"
