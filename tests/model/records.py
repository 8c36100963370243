"""What the model keeps of a server, its log, its moves and its guest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from .tables import NOSTATE, OFFLOADED, POWER_PAUSED, RUNNING, SHUTDOWN, STATUS, STOPPED, WITH_PROGRESS, holds

SUCCESS, FAILED = "Success", "Error"
WHATEVER = "*"  # Nova's pages do not say, so neither does the model


class Overtaken(Exception):
    """Somebody else took the server while the action ran."""


class Failure(Exception):
    """What a hypervisor's call ends with; `text` None: in words of its own."""

    def __init__(self, text: str | None = None, *, kind: str = "error", code: int = 500) -> None:
        self.text, self.kind, self.code = text, kind, code
        self.call = ""
        super().__init__(text)


@dataclass
class Event:
    """One event of an action; `result` None while it runs."""

    name: str
    result: str | None = None


@dataclass
class Log:
    """One line of the action log. `loose`: how many events there are depends on what Nova leaves open."""

    action: str
    request_id: str | None
    actor: str | None
    events: list[Event] = field(default_factory=list)
    message: str | None = None
    loose: bool = False

    def begin(self, name: str) -> Event:
        """A further event."""
        event = Event(name)
        self.events.append(event)
        return event

    def fail(self, event: Event) -> None:
        """The event, and with it the action, has failed."""
        event.result = self.message = FAILED


@dataclass
class Move:
    """A migration record; `status` several words where Nova does not say which."""

    kind: str
    status: str
    source: str | None
    old_flavor: str
    new_flavor: str
    dest: str | None = None

    @property
    def open(self) -> bool:
        """Whether it goes on, or waits."""
        ended = ("confirmed", "reverted", "error", "failed", "completed", "cancelled", "done")
        return not set(self.status.split("|")) & set(ended)


@dataclass
class Image:
    """An image that an action makes; `status` "gone" when there is none (any more)."""

    name: str
    server: str
    id: str | None = None
    backup_type: str | None = None
    status: str = "queued|saving"
    is_shelved: bool = False


@dataclass
class Guest:
    """What the hypervisor has of a server."""

    power: int = RUNNING
    saved: bool = False


@dataclass
class Server:
    """What the model believes of one server; `host` may be any of `places` until somebody has looked."""

    label: str
    uuid: str
    project: str
    flavor: str
    vm: str = "building"
    task: str | None = "scheduling"
    power: int = NOSTATE
    host: str | None = None
    places: frozenset[str] | None = None
    launched: bool = False
    locked_by: str | None = None
    locked_reason: str | None = None
    fault: tuple[int, str | None] | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    name: str = ""
    old_vm: str | None = None
    deleted: bool = False
    logs: list[Log] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    guest: Guest | None = None
    failures: dict[str, list[Failure]] = field(default_factory=dict)
    # Power states that may be seen besides `power`: the record is older than the guest until the next power sync.
    may_show: set[int] = field(default_factory=set)
    # Task states that may be seen besides `task`: the action is in one of several steps.
    may_do: tuple[str | None, ...] = ()
    # Hosts that have something of it and were down when it went.
    ghosts: set[str] = field(default_factory=set)
    # Something happened to it of which no page says what it holds then.
    odd: bool = False

    @property
    def status(self) -> str:
        """What the API shows."""
        usual, special = STATUS[self.vm]
        return special.get(self.task, usual)

    @property
    def has_progress(self) -> bool:
        """Whether the API shows a progress."""
        return self.status in WITH_PROGRESS

    @property
    def size(self) -> tuple[int, int, int]:
        """vCPUs, MiB, GiB."""
        return holds(self.flavor)

    # what a hypervisor's call does to the guest ----------------------------------------------------------------------
    def fail_as_planned(self, call: str) -> None:
        """Raise what was ordered for this call."""
        planned = self.failures.get(call)
        if planned:
            failure = planned.pop(0)
            failure.call = call
            raise failure

    def calls(self, call: str) -> Iterator[tuple[str, str]]:
        """One call to the hypervisor; what is yielded are the moments in which it may be held."""
        yield call, "before"
        self.fail_as_planned(call)
        EFFECTS[call](self)
        yield call, "after"

    def see_power(self) -> None:
        """The record is what the hypervisor says."""
        self.power = self.guest.power if self.guest else SHUTDOWN if self.vm == OFFLOADED else NOSTATE
        self.may_show.clear()


def _must_run(server: Server) -> Guest:
    """The guest, if its domain is active."""
    if server.guest is None or server.guest.power not in (RUNNING, POWER_PAUSED):
        raise Failure
    return server.guest


def _must_be(server: Server) -> Guest:
    if server.guest is None:
        raise Failure
    return server.guest


def _spawn(server: Server) -> None:
    server.guest = Guest()


def _run(server: Server) -> None:
    guest = _must_be(server)
    guest.power, guest.saved = RUNNING, False


def _off(server: Server) -> None:
    guest = _must_be(server)
    guest.power = SHUTDOWN


def _pause(server: Server) -> None:
    _must_run(server).power = POWER_PAUSED


def _unpause(server: Server) -> None:
    _must_run(server).power = RUNNING


def _suspend(server: Server) -> None:
    guest = _must_be(server)
    if not guest.saved:
        _must_run(server).saved = True
    guest.power = SHUTDOWN


def _nothing(server: Server) -> None:
    _must_be(server)


def _arrive(server: Server) -> None:
    _must_be(server).power = SHUTDOWN if server.old_vm == STOPPED else RUNNING


def _gone(server: Server) -> None:
    server.guest = None


def _password(server: Server) -> None:
    raise Failure


def _alive(server: Server) -> None:
    _must_run(server)


EFFECTS = {
    "spawn": _spawn,
    "power_on": _run,
    "power_off": _off,
    "reboot": _run,
    "pause": _pause,
    "unpause": _unpause,
    "suspend": _suspend,
    "resume": _run,
    "destroy": _gone,
    "rescue": _run,
    "unrescue": _run,
    "snapshot": _nothing,
    "inject_nmi": _alive,
    "set_admin_password": _password,
    "migrate_disk_and_power_off": _off,
    "finish_migration": _arrive,
    "confirm_migration": lambda server: None,
    "discard_migrated": _off,
    "finish_revert_migration": _arrive,
    "check_can_live_migrate_destination": _nothing,
    "check_can_live_migrate_source": _alive,
    "pre_live_migration": _nothing,
    "live_migration": _alive,
    "post_live_migration": _nothing,
    "post_live_migration_at_destination": _nothing,
}
