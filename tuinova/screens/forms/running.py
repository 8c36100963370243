"""A live migration that runs: abort it, or make it end soon. Shows how far it is while the question stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from textual.app import ComposeResult

from tuinova.client import ClientError
from tuinova.i18n import _
from tuinova.screens.dialogs import TextLine
from tuinova.screens.forms.base import ActionForm, Json
from tuinova.screens.progress import amount_text, progress_of
from tuinova.screens.rows import Row

_ENDED = frozenset({"completed", "failed", "error", "cancelled", "done", "confirmed", "reverted"})


def running_migration(client: Any, row: Row) -> Json:
    """The server's live migration that is under way; raises ClientError where there is none (any more)."""
    found: list[Json] = [one for one in client.servers.migrations(row["id"]) if one.get("status") not in _ENDED]
    if not found:
        text = _("{name} has no live migration that runs.").format(name=row["name"])
        raise ClientError(text)
    return found[0]


class RunningForm(ActionForm):
    """The question about a live migration; `speak` says it to the service."""

    HEIGHT = 14
    migration: Mapping[str, Any] | None = None

    def fields(self) -> ComposeResult:
        """What runs."""
        yield TextLine([("", "")], id="migration")
        yield TextLine([("", "")], id="progress")

    def on_mount(self) -> None:
        """Follow the server while the question stands."""
        super().on_mount()
        self.tui.feed_changes.subscribe(self, self._follow)
        self._show_progress()

    def read(self, client: Any) -> Any:
        """The migration of the first server."""
        return running_migration(client, self.rows[0])

    def loaded(self, found: Json) -> None:
        """Number, from, to, status."""
        self.migration = found
        text = _("Live migration {id} from {source} to {dest}: {status}").format(
            id=found["id"],
            source=found.get("source_compute") or "-",
            dest=found.get("dest_compute") or "-",
            status=_(str(found.get("status"))),
        )
        self.query_one("#migration", TextLine).show([(text, "")])
        if len(self.rows) == 1:
            self.action = replace(self.action, after=(str(found["id"]),))  # the command names it

    def _follow(self, changes: Sequence[Mapping[str, Any]]) -> None:
        ids = {row["id"] for row in self.rows}
        if self.open and any(change["kind"] == "server" and change["key"] in ids for change in changes):
            self._show_progress()

    def _show_progress(self) -> None:
        row = self.row
        text = _("It is over.") if row.get("task_state") != "migrating" else ""
        found = progress_of(row)
        if found is not None and not text:
            text = f"{found.percent}%  {amount_text(found)}"
        self.query_one("#progress", TextLine).show([(text, "busy")])

    def options(self) -> list[str]:
        """None; the migration's number follows the server."""
        return []

    def send(self, client: Any, row: Row, payload: Any) -> Any:
        """Whichever migration of the server runs now."""
        self.speak(client, row, running_migration(client, row)["id"])

    def speak(self, client: Any, row: Row, migration: int) -> None:
        """Say it to the service."""
        raise NotImplementedError


class AbortForm(RunningForm):
    """End it; the guest stays."""

    def speak(self, client: Any, row: Row, migration: int) -> None:
        """DELETE."""
        client.servers.abort_migration(row["id"], migration)


class ForceCompleteForm(RunningForm):
    """Make it end soon."""

    def speak(self, client: Any, row: Row, migration: int) -> None:
        """force_complete."""
        client.servers.force_complete(row["id"], migration)
