"""What an accepted action goes through and how it ends; each walk can be stopped at every call to a hypervisor."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .records import SUCCESS, WHATEVER, Event, Failure, Log, Overtaken, Server
from .rules import Cloud, lock_owner
from .tables import (
    ACTIVE,
    DELETE_TASKS,
    ERROR,
    HARD_TASKS,
    NOSTATE,
    RESIZED,
    RUNNING,
    SOFT_DELETED,
    SOFT_TASKS,
    SUSPENDED,
    WALKS,
    Walk,
)

Steps = Iterator[tuple[str, str]]
NO_HOST = "No valid host was found."
MOST_ATTEMPTS = 3


class Ended(Exception):
    """The action has failed; nothing of it follows."""


@dataclass
class Run:
    """One accepted action under way."""

    cloud: Cloud
    server: Server
    action: str
    actor: str | None
    log: Log
    args: dict[str, Any] = field(default_factory=dict)
    steps: Steps = field(default_factory=lambda: iter(()))
    # What goes along when the server is deleted.
    at_last: Callable[[], None] = lambda: None

    def go(self, until: tuple[str, str] | None = None) -> bool:
        """Go on to the end; True when it stands at the moment asked for."""
        try:
            for moment in self.steps:
                if moment == until:
                    return True
        except (Overtaken, Ended):
            pass
        return False

    def fail(self, event: Event, failure: Failure, vm: str | None = None) -> None:
        """What almost every failure leaves: no task, a fault, a failed event; `vm` where it does not stay."""
        server = self.server
        server.vm, server.task = vm or server.vm, None
        server.fault = (failure.code, failure.text)
        server.see_power()
        self.log.fail(event)

    def order(
        self,
        event: str,
        tasks: Iterable[str | None] | None,
        calls: Iterable[str],
        good: Callable[[], None],
        bad: Callable[[Event, Failure], None],
        now: str | None = None,
    ) -> Steps:
        """One order to a host: it begins in one of its tasks, and ends only if nobody has taken the server since.

        `tasks` None: it says nothing of the server's state, and asks for none.
        """
        server, tasks = self.server, None if tasks is None else tuple(tasks)
        if server.deleted:
            raise Overtaken
        happening = self.log.begin(event)
        self.check(happening, tasks)
        server.task, server.may_do = now or server.task, () if now else tasks or ()
        try:
            for call in calls:
                yield from server.calls(call)
        except Failure as failure:
            server.may_do = ()
            self.check(happening, tasks)
            bad(happening, failure)
            raise Ended from failure
        server.may_do = ()
        self.check(happening, tasks)
        good()
        server.see_power()
        happening.result = SUCCESS

    def check(self, happening: Event, tasks: tuple[str | None, ...] | None) -> None:
        """Nobody else has the server."""
        server = self.server
        if server.deleted:
            happening.result, self.log.message = WHATEVER, WHATEVER
            raise Overtaken
        if tasks is not None and server.task not in tasks:
            self.log.fail(happening)
            server.may_show.add(server.guest.power if server.guest else NOSTATE)
            raise Overtaken


# one call ------------------------------------------------------------------------------------------------------------
def one_call(run: Run, walk: Walk) -> Steps:
    """The rows of WALKS."""
    server = run.server

    def good() -> None:
        old = server.vm
        if walk.tasks:
            server.task = None
        if walk.good == SUSPENDED:
            server.old_vm = old
        server.vm = (server.old_vm or ACTIVE) if walk.good == "old" else walk.good or server.vm

    def bad(event: Event, failure: Failure) -> None:
        task = server.task
        run.fail(event, failure, walk.bad)
        server.task = None if walk.tasks else task

    yield from run.order(walk.event, walk.tasks or None, (walk.call,), good, bad, _last(walk))


def _last(walk: Walk) -> str | None:
    return walk.tasks[-1] if walk.tasks else None


def reboot(run: Run) -> Steps:
    """A reboot that failed is none where the guest still runs: the fault stays, the event counts as a success."""
    server, walk = run.server, WALKS[run.action]

    def good() -> None:
        server.vm, server.task = ACTIVE, None

    def bad(event: Event, failure: Failure) -> None:
        runs = server.guest is not None and server.guest.power == RUNNING
        run.fail(event, failure, ACTIVE if runs else ERROR)
        if runs:
            event.result, run.log.message = SUCCESS, None

    yield from run.order(walk.event, SOFT_TASKS + HARD_TASKS, (walk.call,), good, bad, walk.tasks[-1])


def change_password(run: Run) -> Steps:
    """Its failures do not repeat the hypervisor's words: a password might be in them."""
    server, walk = run.server, WALKS["change password"]

    def good() -> None:
        server.task = None

    def bad(event: Event, failure: Failure) -> None:
        why = f"Failed to set admin password on {server.uuid} because error setting admin password"
        run.fail(event, Failure(None if failure.text is None else why))

    yield from run.order(walk.event, walk.tasks, (walk.call,), good, bad)


def rescue(run: Run) -> Steps:
    """Off, then on from another disk; its failure speaks of a rescue."""
    server, walk = run.server, WALKS["rescue"]

    def good() -> None:
        server.vm, server.task = walk.good or "", None

    def bad(event: Event, failure: Failure) -> None:
        why = (
            None if failure.text is None else f"Instance {server.uuid} cannot be rescued: Driver Error: {failure.text}"
        )
        run.fail(event, Failure(why, code=400), walk.bad)

    yield from run.order(walk.event, walk.tasks, ("power_off", "rescue"), good, bad)


# create --------------------------------------------------------------------------------------------------------------
def create(run: Run) -> Steps:
    """Host after host until one builds it."""
    cloud, server, log = run.cloud, run.server, run.log
    attempts, left = 0, len(cloud.choices())
    if not left:
        log.fail(log.begin("conductor_schedule_and_build_instances"))
        _no_server(server, 500, NO_HOST)
        return
    while True:
        server.places, server.task = cloud.choices(), "spawning"
        event = log.begin("compute__do_build_and_run_instance")
        try:
            yield from server.calls("spawn")
        except Failure as failure:
            if _interrupted(run, event):
                return
            log.fail(event)
            attempts, left = attempts + 1, left - 1
            if failure.kind == "abort":
                _no_server(server, 500, f"Build of instance {server.uuid} aborted: {failure.text}")
            elif attempts >= MOST_ATTEMPTS:
                _no_server(server, 500, _exceeded(server, failure))
            elif not left:
                _no_server(server, 500, _exhausted(server))
            else:
                continue
            return
        if _interrupted(run, event):
            return
        server.vm, server.task, server.launched = ACTIVE, None, True
        server.see_power()
        event.result = SUCCESS
        return


def _interrupted(run: Run, event: Event) -> bool:
    """Deleted: only cleaned up. Reset: the build is given up."""
    server = run.server
    if server.task == "spawning":
        return False
    server.guest = None
    if server.deleted or server.task in DELETE_TASKS:
        event.result = run.log.message = WHATEVER
    else:
        run.log.fail(event)
        _no_server(server, 500, None)
    return True


def _exceeded(server: Server, failure: Failure) -> str:
    return (
        f"Exceeded maximum number of retries. Exceeded max scheduling attempts {MOST_ATTEMPTS} for instance "
        f"{server.uuid}. Last exception: {failure.text}"
    )


def _exhausted(server: Server) -> str:
    return (
        "Exceeded maximum number of retries. Exhausted all hosts available for retrying build failures for instance "
        f"{server.uuid}."
    )


def _no_server(server: Server, code: int, text: str | None) -> None:
    server.vm, server.task, server.power, server.host = ERROR, None, NOSTATE, None
    server.places, server.fault = None, (code, text)


# delete --------------------------------------------------------------------------------------------------------------
def delete(run: Run) -> Steps:
    """Through the host, or here where it has none or it is down; whatever the task becomes meanwhile."""
    server, log = run.server, run.log
    if server.deleted:
        return
    if run.args["local"]:
        if server.host is not None:
            server.ghosts.add(server.host)
        _delete_row(run)
        return
    event = log.begin("compute_terminate_instance")
    try:
        yield from server.calls("destroy")
    except Failure as failure:
        if server.task in DELETE_TASKS:
            run.fail(event, failure, ERROR)
        else:
            log.fail(event)
        return
    _delete_row(run)
    event.result = SUCCESS


def delete_softly(run: Run) -> Steps:
    """Off at once, and gone for everybody who lists; it can be restored. One without a guest is off."""
    server = run.server
    calls = ("power_off",) if server.guest is not None else ()

    def good() -> None:
        server.vm, server.task = SOFT_DELETED, None

    yield from run.order("compute_soft_delete_instance", ("soft-deleting",), calls, good, run.fail)


def _delete_row(run: Run) -> None:
    server = run.server
    run.at_last()
    server.deleted, server.task, server.guest = True, None, None
    server.places = None


def end_moves(run: Run) -> None:
    """A delete first confirms what waits to be confirmed, and gives up what is under way."""
    server = run.server
    for move in server.moves:
        if move.status == "finished" and server.vm == RESIZED:
            move.status = "confirmed"
            # Under an id of its own, before the delete: by the request's are found the delete's events.
            server.logs.insert(-1, Log("confirmResize", None, run.actor, loose=True))
        elif move.open:
            move.status = "error|failed|cancelled|confirmed"


# at once -------------------------------------------------------------------------------------------------------------
def accepted_at_once(cloud: Cloud, actor: str, server: Server, action: str, args: dict[str, Any], log: Log) -> bool:
    """What is done when it is answered; True when it is recorded."""
    if action == "lock":
        owner = lock_owner(actor, server)
        if server.locked_by and owner == "owner":
            return False
        server.locked_by, server.locked_reason = owner, args.get("reason") or server.locked_reason
        log.begin("api_lock").result = SUCCESS
    elif action == "unlock":
        server.locked_by = server.locked_reason = None
        log.begin("api_unlock").result = SUCCESS
    elif action == "reset state":
        server.vm, server.task = args["state"], None
    elif action == "set metadata":
        server.metadata.update(args["items"])
    elif action == "delete metadata":
        server.metadata.pop(args["key"])
    elif action == "rename":
        server.name = args["name"]
    return action in ("lock", "unlock", "reset state")


AT_ONCE = ("lock", "unlock", "reset state", "set metadata", "delete metadata", "rename", "console log", "diagnostics")
