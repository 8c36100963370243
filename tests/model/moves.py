"""What resize, migrations and evacuation go through."""

from __future__ import annotations

from .records import FAILED, SUCCESS, Event, Failure, Move
from .rules import finished_move
from .tables import ACTIVE, ERROR, REBUILD_TASKS, RESIZED, SHUTDOWN, STOPPED
from .walks import NO_HOST, Ended, Run, Steps

_RESIZE_EVENTS = ("conductor_migrate_server", "cold_migrate")


def _nowhere(run: Run, move: Move, events: tuple[str, ...], vm: str | None = None) -> None:
    """The scheduler finds no host: the server stays as it is, unless it was to be evacuated."""
    for name in events:
        run.fail(run.log.begin(name), Failure(NO_HOST), vm)
    move.status = "error"


def begin_move(run: Run, kind: str, status: str, new_flavor: str | None = None) -> Move:
    """The record that is written when the move is accepted."""
    server = run.server
    # What earlier ones have left goes, so that the new one does not take it for its own.
    for earlier in server.moves if kind != "evacuation" else ():
        earlier.status = {"finished": "confirmed", "error": "error|failed"}.get(earlier.status, earlier.status)
    move = Move(kind, status, server.host, server.flavor, new_flavor or server.flavor)
    server.moves.append(move)
    server.old_vm = server.vm
    return move


# resize and cold migration -------------------------------------------------------------------------------------------
def cold(run: Run) -> Steps:
    """Prepare, off and away, on again; then it waits."""
    cloud, server, log = run.cloud, run.server, run.log
    move, asked = server.moves[-1], run.args.get("host")
    stays_away = (move.source,) if run.action == "migrate" else ()
    choices = cloud.choices(*stays_away)
    if asked:
        choices &= {asked}
    if not choices:
        _nowhere(run, move, _RESIZE_EVENTS)
        return
    for name in _RESIZE_EVENTS:
        log.begin(name).result = SUCCESS
    log.begin("compute_prep_resize").result = SUCCESS
    server.task = "resize_prep"
    old_disk, new_disk = (_disk(flavor) for flavor in (move.old_flavor, move.new_flavor))
    if new_disk < old_disk:
        server.failures.setdefault("migrate_disk_and_power_off", []).append(
            Failure("Resize error: Unable to resize disk down.", kind="untouched")
        )
        move.status = "migrating"

    def away_failed(event: Event, failure: Failure) -> None:
        run.fail(event, failure, server.old_vm if failure.kind == "untouched" else ERROR)
        move.status = "error"

    def away() -> None:
        server.task, move.status = "resize_migrated", "post-migrating"
        server.host, server.places = None, choices

    power = server.power
    yield from run.order(
        "compute_resize_instance",
        ("resize_prep", "resize_migrating"),
        ("migrate_disk_and_power_off",),
        away,
        away_failed,
        "resize_migrating",
    )
    _not_written_yet(run, power)
    yield from _there(run, move)


def _not_written_yet(run: Run, power: int) -> None:
    """In the middle of a move the record may still show the power from before."""
    run.server.may_show = {run.server.power}
    run.server.power = power


def _disk(flavor: str) -> int:
    from .tables import holds

    return holds(flavor)[2]


def _there(run: Run, move: Move) -> Steps:
    server = run.server

    def failed(event: Event, failure: Failure) -> None:
        run.fail(event, failure, ERROR)
        move.status, server.odd = "error", True  # what its new host has of it is not said

    def good() -> None:
        server.vm, server.task, server.flavor = RESIZED, None, move.new_flavor
        move.status = "finished"

    yield from run.order(
        "compute_finish_resize",
        ("resize_migrated", "resize_finish"),
        ("finish_migration",),
        good,
        failed,
        "resize_finish",
    )


def confirm(run: Run) -> Steps:
    """The source forgets; without a task."""
    server = run.server
    move = finished_move(server)
    assert move is not None
    move.status = "confirming"

    def good() -> None:
        server.vm = STOPPED if server.power == SHUTDOWN else ACTIVE
        move.status = "confirmed"

    def failed(event: Event, failure: Failure) -> None:
        run.fail(event, failure, ERROR)
        move.status = "error"

    yield from run.order("compute_confirm_resize", (None,), ("confirm_migration",), good, failed)


def revert(run: Run) -> Steps:
    """The destination lets go, the source takes up again; what was stopped is stopped once more."""
    server = run.server
    move = finished_move(server)
    assert move is not None
    move.status = "reverting"
    tasks = ("resize_reverting",)

    def failed(event: Event, failure: Failure) -> None:
        run.fail(event, failure, ERROR)
        move.status = "error"

    power = server.power
    yield from run.order("compute_revert_resize", tasks, ("discard_migrated",), lambda: None, failed)
    _not_written_yet(run, power)
    server.host, server.places, server.flavor = move.source, None, move.old_flavor

    def back() -> None:
        server.vm, server.task, move.status = ACTIVE, None, "reverted"
        if server.old_vm == STOPPED:
            server.task = "powering-off"

    yield from run.order("compute_finish_revert_resize", tasks, ("finish_revert_migration",), back, failed)
    if server.task == "powering-off":
        yield from stop_again(run)


def stop_again(run: Run) -> Steps:
    """What was stopped before is stopped again, as a part of the same action."""
    server = run.server

    def good() -> None:
        server.vm, server.task = STOPPED, None

    yield from run.order("compute_stop_instance", ("powering-off",), ("power_off",), good, run.fail)


# live migration ------------------------------------------------------------------------------------------------------
_CHECKS = ("check_can_live_migrate_destination", "check_can_live_migrate_source")
_ARRIVING = ("compute_pre_live_migration", "compute_post_live_migration_at_destination")


def live(run: Run) -> Steps:
    """Checks, then the guest goes; whatever fails, it stays as it is where it is."""
    cloud, server, log = run.cloud, run.server, run.log
    move, asked = server.moves[-1], run.args.get("host")
    choices = cloud.choices(move.source)
    if asked:
        choices &= {asked}
    conductor = "conductor_live_migrate_instance"
    if not choices:
        _nowhere(run, move, (conductor,))
        return
    tries = 1 if asked else len(choices)
    while True:
        try:
            for call in _CHECKS:
                yield from server.calls(call)
            break
        except Failure as failure:
            log.loose, log.message = True, FAILED
            tries -= 1
            if not tries:
                _stays(run, move, "error", Failure(None, code=failure.code))
    log.begin(conductor).result = SUCCESS
    for call in _CHECKS:
        log.begin("compute_" + call).result = SUCCESS
    move.status = "running"
    try:
        for call in ("pre_live_migration", "live_migration"):
            yield from server.calls(call)
    except Failure as failure:
        log.loose = True
        _stays(run, move, "failed", failure)
    for name in ("compute_live_migration", *_ARRIVING):
        log.begin(name).result = SUCCESS
    if _taken(run, move):
        return
    server.host, server.places, server.task = None, choices, None
    move.status = "completed"
    server.see_power()


def _stays(run: Run, move: Move, status: str, failure: Failure) -> None:
    if not _taken(run, move):
        run.fail(run.log.begin("compute_live_migration"), failure)
        move.status = status
    raise Ended from failure


def _taken(run: Run, move: Move) -> bool:
    """Somebody else has the server: how far the move came is not said."""
    if run.server.task == "migrating" and not run.server.deleted:
        return False
    run.log.loose, run.log.message = True, "*"
    run.server.odd = True
    return True


# evacuation and rebuild ----------------------------------------------------------------------------------------------
def evacuate(run: Run) -> Steps:
    """Built anew elsewhere; its old host cleans up when it is back."""
    cloud, server, log = run.cloud, run.server, run.log
    move, asked = server.moves[-1], run.args.get("host")
    choices = cloud.choices(move.source)
    if asked:
        choices &= {asked}
    if not choices:
        _nowhere(run, move, ("rebuild_server",), ERROR)
        return
    log.begin("rebuild_server").result = SUCCESS
    was_in_error = server.old_vm == ERROR
    old_guest, server.guest = server.guest, None
    source, server.host, server.places = server.host, None, choices
    if source is not None and old_guest is not None:
        server.ghosts.add(source)

    def good() -> None:
        server.vm, server.task = ACTIVE, None if was_in_error else "powering-off"
        move.status = "done"

    def failed(event: Event, failure: Failure) -> None:
        run.fail(event, failure, ERROR)
        move.status = "failed"

    yield from run.order("compute_rebuild_instance", REBUILD_TASKS, ("spawn",), good, failed, "rebuild_spawning")
    if server.task == "powering-off":
        yield from stop_again(run)


def rebuild(run: Run) -> Steps:
    """From the image, where it is; what was stopped is stopped again."""
    server, log = run.server, run.log
    was_stopped = server.vm == STOPPED
    log.begin("rebuild_server").result = SUCCESS

    def good() -> None:
        server.vm, server.task = ACTIVE, "powering-off" if was_stopped else None

    def failed(event: Event, failure: Failure) -> None:
        run.fail(event, failure, ERROR)

    yield from run.order(
        "compute_rebuild_instance", REBUILD_TASKS, ("destroy", "spawn"), good, failed, "rebuild_spawning"
    )
    if server.task == "powering-off":
        yield from stop_again(run)
