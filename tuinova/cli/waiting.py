"""`--wait`: narration on stderr while the change feed tells how far a server is, then how its action ended."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping
from typing import Any

from tuinova.cli.commands import session
from tuinova.cli.diagnostics import CommandError
from tuinova.client import WaitFailed
from tuinova.client.errors import ApiError
from tuinova.i18n import N_, _
from tuinova.text import clean

View = dict[str, Any]
_WALL = ("scheduling", "networking", "block_device_mapping", "spawning")
# What a task's progress counts (`what` of the row view) in words.
_WHAT = {
    "disk": N_("disk"),
    "image": N_("image"),
    "memory": N_("memory"),
    "disk and memory": N_("disk and memory"),
}


def human_bytes(size: float) -> str:
    """`123 MiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.4g} {unit}"
        size /= 1024
    return f"{size:.4g} TiB"


def progress_text(view: View) -> str:
    """`RESIZE (resize_prep)`; `resize_migrating, disk: 1 MiB of 2 GiB` once bytes are counted, to fit beside a bar."""
    task, moved = view["task_state"], view.get("task_progress")
    if not task or not isinstance(moved, Mapping) or not moved.get("total"):
        return clean(view["status"] + (f" ({task})" if task else ""))
    what = str(moved.get("what") or "")
    done = _("{done} of {total}").format(done=human_bytes(moved.get("done") or 0), total=human_bytes(moved["total"]))
    return clean(f"{task}, {_(_WHAT.get(what, what))}: {done}")


def progress_share(view: View) -> float | None:
    """How much of the task is done, from 0 to 1; None where nobody knows."""
    task, moved = view["task_state"], view.get("task_progress")
    if task and isinstance(moved, Mapping) and moved.get("total"):
        return min(1.0, max(0.0, (moved.get("done") or 0) / moved["total"]))
    return (_WALL.index(task) + 1) / (len(_WALL) + 1) if task in _WALL else None


class _Bar:
    """A line on the terminal that is drawn over; nothing when stderr is no terminal."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.shown = sys.stderr.isatty()
        self._bar: Any = None
        if self.shown:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            self._bar = Progress(
                TextColumn("{task.fields[who]}", markup=False),
                BarColumn(bar_width=16),
                TextColumn("{task.fields[state]}", markup=False),
                TimeElapsedColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._bar.add_task("", total=None, who=clean(name), state="")

    def __enter__(self) -> Callable[[View], None]:
        if self._bar is not None:
            self._bar.start()
        return self.update

    def __exit__(self, *exc: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, view: View) -> None:
        """What the server's row says now."""
        if self._bar is None:
            return
        share = progress_share(view)
        total = None if share is None else 1
        self._bar.update(self._task, total=total, completed=share or 0, state=progress_text(view))


def wait_status(
    ident: str, name: str, wanted: Collection[str], verb: str, *, request: str = "", begun: bool = True
) -> View:
    """Until the task is over and the status is one of these; exit 1 with `Error <verb> server: <name>` otherwise.

    `request`: the id of the request that began it; a status alone does not tell a resize that was rolled back.
    """
    from tuinova.client.waiters import wait_for_status

    with _Bar(name) as on_progress:
        try:
            view = wait_for_status(session.client, ident, wanted, begun=begun, on_progress=on_progress)
        except WaitFailed as error:
            raise _failed(name, verb, _reason(ident, request) or _first_reason(ident, str(error))) from error
    if request:
        check_outcome(ident, name, verb, request)
    return view


def check_outcome(ident: str, name: str, verb: str, request: str) -> None:
    """Exit 1 when the action log says that the action failed."""
    reason = _reason(ident, request)
    if reason is not None:
        raise _failed(name, verb, reason)


def _failed(name: str, verb: str, reason: str) -> CommandError:
    text = _("Error {verb} server: {name}").format(verb=verb, name=name)
    return CommandError(f"{text}\n{reason}" if reason else text)


def _reason(ident: str, request: str) -> str | None:
    """What the action log says of a failed action; None for one that has not failed or is not recorded."""
    if not request:
        return None
    try:
        action = session.client.servers.event(ident, request)
    except ApiError:
        return None
    if action.get("message") != "Error":
        return None
    told = [event for event in action.get("events") or [] if event.get("result") == "Error"]
    details = next((event["details"] for event in told if event.get("details")), None)
    hint = _("See 'tuinova server event show {server} {request}'.").format(server=ident, request=request)
    return f"{details}\n{hint}" if details else hint


def _first_reason(ident: str, fault: str) -> str:
    """A fault with what the newest action says: a build that found no other host says only that in its fault."""
    try:
        newest = session.client.servers.events(ident)[:1]
    except ApiError:
        newest = []
    reason = _reason(ident, newest[0]["request_id"]) if newest else None
    return f"{fault}\n{reason}" if reason else fault


def wait_deleted(ident: str, name: str) -> None:
    """Until the server is gone."""
    from tuinova.client.waiters import wait_for_delete

    with _Bar(name) as on_progress:
        try:
            wait_for_delete(session.client, ident, begun=True, on_progress=on_progress)
        except WaitFailed as error:
            raise CommandError(_("Error deleting server: {name}").format(name=name) + f"\n{error}") from error
