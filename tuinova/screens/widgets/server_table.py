"""The instance table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import time

from tuinova.i18n import _
from tuinova.screens.columns import SERVER_COLUMNS, SERVER_FIELDS, Column
from tuinova.screens.rows import Row, haystack
from tuinova.screens.table_model import TableModel
from tuinova.screens.widgets.line_table import LineTable


def server_model(sort_by: str = "age") -> TableModel[Row]:
    """An empty model of servers, newest first."""
    return TableModel(SERVER_COLUMNS, SERVER_FIELDS, haystack, sort_by)


class ServerTable(LineTable[Row]):
    """Servers: mark, name, status, task, power, address, age; more columns with more width."""

    def __init__(
        self,
        model: TableModel[Row],
        columns: Sequence[Column] = SERVER_COLUMNS,
        *,
        clock: Callable[[], float] = time,
        id: str | None = None,
    ) -> None:
        super().__init__(model, columns, clock=clock, id=id)
        self.state = "connecting"

    def flag(self, row: Row) -> str:
        """L for a locked server."""
        return "L" if row.get("locked") else ""

    def empty_lines(self) -> Sequence[tuple[str, str]]:
        """What to do when there is nothing to see."""
        if self.model.rows:
            return (
                (_("No instance matches the filter."), "name"),
                (self.model.filter_text, "busy"),
                ("", ""),
                (_("Esc clears it, / changes it."), "dim"),
                (_(".  shows soft-deleted instances too") if "soft" in self.model.filter_text.lower() else "", "dim"),
            )
        if self.state == "connecting":
            return ((_("Connecting to the service..."), "busy"),)
        if self.state == "gone":
            return ((_("The service does not answer."), "warn"), (_("Trying again by itself."), "dim"))
        return (
            (_("No instances yet."), "name"),
            ("", ""),
            (_("n  launches one"), "ok"),
            (_(":server create ...  does the same by command line"), "dim"),
            (_("?  shows every key"), "dim"),
        )
