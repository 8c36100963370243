"""The first room: the instance table with its filter line and, where there is height, the selected server's facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.widgets import Input

from tuinova.i18n import _
from tuinova.screens.actions import BY_ID, PLACE_ACTIONS, TuiAction, bindings, likely_label, server_bindings
from tuinova.screens.columns import SERVER_COLUMNS
from tuinova.screens.filters import parse
from tuinova.screens.rooms import RoomView, footer_pieces
from tuinova.screens.rows import Row
from tuinova.screens.widgets.bars import Bar, Piece
from tuinova.screens.widgets.line_table import LineTable
from tuinova.screens.widgets.server_table import ServerTable
from tuinova.screens.widgets.summary import Summary

if TYPE_CHECKING:
    from textual.binding import BindingType


class FilterInput(Input):
    """The filter line: Enter keeps it, Esc clears it, the arrows move the table's cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave(True)", show=False),
        Binding("up", "table(-1)", show=False),
        Binding("down", "table(1)", show=False),
    ]

    def action_leave(self, clear: bool) -> None:
        """Back to the table."""
        room = self.query_ancestor(InstancesRoom)
        room.leave_filter(clear)

    def action_table(self, lines: int) -> None:
        """Move the table's cursor while typing."""
        self.query_ancestor(InstancesRoom).table.move_by(lines)


class InstancesRoom(RoomView):
    """Servers of the project, or of all projects."""

    DEFAULT_CSS = """
    InstancesRoom {
        #filter-line { height: 1; display: none; }
        #filter-line.-shown { display: block; }
        FilterInput { height: 1; border: none; padding: 0 1; background: $bar-bg; color: $foreground; display: none; }
        FilterInput:focus { border: none; background: $surface; }
        FilterInput.-shown { display: block; }
        Summary { display: none; }
        &.-tall Summary { display: block; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(keys, action, text, show=False) for keys, action, text in bindings("table") if keys != "enter"),
        *(Binding(keys, action, text, show=False) for keys, action, text in server_bindings()),
        Binding("delete", "act('delete')", show=False),
        Binding("escape", "escape", show=False),
    ]

    def compose(self) -> ComposeResult:
        settings = self.tui.settings
        chosen = [column for column in SERVER_COLUMNS if column.key in settings.columns]
        yield ServerTable(self.tui.servers, chosen or self.usual_columns(), clock=self.tui.clock, id="servers")
        yield Summary(self.tui.clock)
        yield Bar(id="filter-line")
        yield FilterInput(placeholder=_("name, or status:active !name:web ip:10.0"), id="filter")

    def on_mount(self) -> None:
        self.table.fit_columns = not self.tui.settings.columns
        self.set_interval(1.0, self.table.tick)

    @property
    def table(self) -> ServerTable:
        """The table."""
        return self.query_one(ServerTable)

    def usual_columns(self) -> list[Any]:
        """The columns by width; the project only where there are several."""
        return [column for column in SERVER_COLUMNS if column.key != "project" or self.tui.acting.all_projects]

    # data ------------------------------------------------------------------------------------------------------------
    def loaded(self, rows: Mapping[str, Row]) -> None:
        """Everything was read."""
        self.tui.servers.load(rows)
        self.table.state = "ready"
        self.table.reload()

    def apply(self, updates: Mapping[str, Row], gone: Sequence[str]) -> None:
        """A batch of changes."""
        offset = self.table.cursor_offset()
        self.table.show_changes(self.tui.servers.apply(updates, gone), offset)

    def set_state(self, state: str) -> None:
        """`connecting`, `ready` or `gone`: what an empty table says."""
        self.table.state = state
        if not self.tui.servers.rows:
            self.table.refresh()

    def reload(self) -> None:
        """Read everything again."""
        self.tui.reconnect_now()

    # room ------------------------------------------------------------------------------------------------------------
    def room_actions(self) -> Sequence[TuiAction]:
        """The table's rows of the registry."""
        return [action for action in PLACE_ACTIONS if action.scope == "table"]

    def footer(self) -> Sequence[Piece]:
        """The likely action first, by its name for this row."""
        model = self.tui.servers
        pieces: list[Piece] = []
        if model.marks:
            pieces += [Piece(f" ◆ {len(model.marks)} ", "warn"), Piece(_("marked") + " ", "warn")]
        elif (row := model.cursor_row) is not None:
            pieces += [Piece(" x ", "key", "key:x"), Piece(likely_label(row) + " ", "strong", "key:x")]
        places = [action for action in self.room_actions() if action.footer and action.id != "likely"]
        return pieces + footer_pieces(places)

    def focus_room(self) -> None:
        """The table."""
        self.table.focus()

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.height >= 28, "-tall")

    def _show_filter(self) -> None:
        model = self.tui.servers
        text = model.filter_text
        line = self.query_one("#filter-line", Bar)
        field = self.query_one(FilterInput)
        line.set_class(bool(text) or field.has_class("-shown"), "-shown")
        unknown = parse(text, model.fields).unknown
        pieces = [Piece(f" {_('Filter')} ", "brand"), Piece(f" {text} " if text else " ")]
        right = [Piece(_("{shown} of {all}").format(shown=len(model), all=len(model.rows)) + " ", "strong")]
        if unknown:
            names = ", ".join(unknown)
            right.insert(0, Piece(_("no field {names}").format(names=names) + "  ", "warn"))
        line.show(pieces, right)

    # messages --------------------------------------------------------------------------------------------------------
    def on_line_table_cursor_moved(self, event: LineTable.CursorMoved) -> None:
        event.stop()
        self.query_one(Summary).show(self.tui.servers.cursor_row)
        if self.tui.servers.filter_text:
            self._show_filter()
        self.tui.refresh_footer()

    def on_line_table_opened(self, event: LineTable.Opened) -> None:
        event.stop()
        self.action_act("open")

    def on_line_table_marks_changed(self, event: LineTable.MarksChanged) -> None:
        event.stop()
        self.tui.refresh_footer()

    def on_line_table_sorted(self, event: LineTable.Sorted) -> None:
        event.stop()
        model = self.tui.servers
        self.tui.remember(sort_by=model.sort_by, descending=model.descending)

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.tui.servers.filter(event.value)
        self.table.reload()
        self._show_filter()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.leave_filter(False)

    def leave_filter(self, clear: bool) -> None:
        """From the filter line to the table; `clear` shows all rows again."""
        field = self.query_one(FilterInput)
        if clear:
            field.value = ""
        field.remove_class("-shown")
        self.table.focus()
        self._show_filter()

    # actions ---------------------------------------------------------------------------------------------------------
    def chosen_rows(self) -> list[Row]:
        """The marked servers, else the one under the cursor."""
        model = self.tui.servers
        if model.marks:
            return model.marked_rows()
        return [model.cursor_row] if model.cursor_row is not None else []

    def action_act(self, action_id: str) -> None:
        """Run a server action on the chosen rows."""
        action = BY_ID[action_id]
        rows = self.chosen_rows()
        if not action.many and self.tui.servers.cursor_row is not None:
            rows = [self.tui.servers.cursor_row]
        self.tui.act(action, rows)

    def action_likely(self) -> None:
        """The likely action of the row under the cursor."""
        row = self.tui.servers.cursor_row
        if row is not None:
            from tuinova.screens.actions import row_action

            self.tui.act(row_action(row), [row])

    def action_menu(self) -> None:
        """The action menu."""
        self.tui.open_menu(self.chosen_rows())

    def action_launch(self) -> None:
        """The launch form."""
        self.tui.open_launch()

    def action_filter(self) -> None:
        """Type a filter."""
        field = self.query_one(FilterInput)
        field.add_class("-shown")
        field.focus()
        self._show_filter()

    def filter_by(self, text: str) -> None:
        """Show only what a filter lets through; the same again shows all."""
        field = self.query_one(FilterInput)
        field.value = "" if field.value == text else text
        self._show_filter()

    def action_escape(self) -> None:
        """Clear the filter, then the marks."""
        if self.tui.servers.filter_text:
            self.leave_filter(True)
        elif self.tui.servers.marks:
            self.table.clear_marks()

    def action_mark(self) -> None:
        """Mark the row under the cursor."""
        self.table.key_space()

    def action_mark_all(self) -> None:
        """Mark all that the filter shows."""
        self.table.mark_shown()

    def action_invert(self) -> None:
        """Turn the marks of the shown rows."""
        self.table.invert_marks()

    def action_open(self) -> None:
        """The page of the server under the cursor."""
        self.action_act("open")

    def action_sort(self) -> None:
        """Pick the column to sort by."""
        from tuinova.screens.pickers import pick_sort

        pick_sort(self.tui, self.table)

    def action_columns(self) -> None:
        """Pick the columns."""
        from tuinova.screens.pickers import pick_columns

        pick_columns(self.tui, self.table, self.usual_columns())

    def action_copy(self) -> None:
        """Show the command line of the likely action and its fellows."""
        rows = self.chosen_rows()
        if rows:
            from tuinova.screens.commands import CommandsScreen

            self.tui.push_screen(CommandsScreen(rows))

    def action_all_projects(self) -> None:
        """Show the servers of every project, or of one."""
        self.tui.toggle_all_projects()
