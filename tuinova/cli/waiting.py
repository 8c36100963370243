"""`--wait`: narration on stderr while the change feed tells how far a server is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from typing import Any

from tuinova.cli.commands import session
from tuinova.cli.diagnostics import CommandError
from tuinova.client import WaitFailed
from tuinova.i18n import _
from tuinova.text import clean

View = dict[str, Any]
_WALL = ("scheduling", "networking", "block_device_mapping", "spawning")


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
                BarColumn(bar_width=24),
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
        task = view["task_state"]
        done = (_WALL.index(task) + 1) / (len(_WALL) + 1) if task in _WALL else None
        state = view["status"] + (f" ({task})" if task else "")
        self._bar.update(self._task, total=1 if done else None, completed=done or 0, state=clean(state))


def wait_status(ident: str, name: str, wanted: Collection[str], verb: str) -> View:
    """Until one of these statuses; exit 1 with `Error <verb> server: <name>` when it ends otherwise."""
    from tuinova.client.waiters import wait_for_status

    with _Bar(name) as on_progress:
        try:
            return wait_for_status(session.client, ident, wanted, on_progress=on_progress)
        except WaitFailed as error:
            raise CommandError(_("Error {verb} server: {name}").format(verb=verb, name=name) + f"\n{error}") from error


def wait_deleted(ident: str, name: str) -> None:
    """Until the server is gone."""
    from tuinova.client.waiters import wait_for_delete

    with _Bar(name) as on_progress:
        try:
            wait_for_delete(session.client, ident, on_progress=on_progress)
        except WaitFailed as error:
            raise CommandError(_("Error deleting server: {name}").format(name=name) + f"\n{error}") from error
