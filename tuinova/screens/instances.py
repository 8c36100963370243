"""The first room: the instance table with its filter line and, where there is height, the selected server's facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.timer import Timer

from tuinova.i18n import _
from tuinova.screens.actions import BY_ID, PLACE_ACTIONS, TuiAction, bindings, likely_label, server_bindings
from tuinova.screens.columns import SERVER_COLUMNS
from tuinova.screens.filters import parse
from tuinova.screens.rooms import RoomView, footer_pieces
from tuinova.screens.rows import Row
from tuinova.screens.widgets.bars import Bar, Piece
from tuinova.screens.widgets.line_table import LineTable
from tuinova.screens.widgets.server_table import ServerTable

if TYPE_CHECKING:
    from textual.binding import BindingType
    from textual.widgets import Input

    from tuinova.screens.widgets.filter_line import FilterInput
    from tuinova.screens.widgets.summary import Summary


WARM_ROWS, WARM_AFTER = 400, 0.5  # rows at a time; seconds after loading
FOLLOW_AFTER = 0.04  # seconds
TALL = 32  # lines of the terminal from which the selected server's facts have room
TABLE_KEYS = ("enter", "space")  # the table's own


class InstancesRoom(RoomView):
    """Servers of the project, or of all projects."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(keys, action, text, show=False)
            for keys, action, text in bindings("table")
            if keys not in TABLE_KEYS
        ),
        *(Binding(keys, action, text, show=False) for keys, action, text in server_bindings()),
        Binding("delete", "act('delete')", show=False),
        Binding("escape", "escape", show=False),
    ]

    _following: Timer | None = None
    _wanted = ""

    def compose(self) -> ComposeResult:
        settings = self.tui.settings
        chosen = [column for column in SERVER_COLUMNS if column.key in settings.columns]
        yield ServerTable(self.tui.servers, chosen or self.usual_columns(), clock=self.tui.clock, id="servers")
        if self.app.size.height >= TALL:
            yield self._new_summary()

    def _new_summary(self) -> Summary:
        from tuinova.screens.widgets.summary import Summary

        return Summary(self.tui.clock)

    def on_mount(self) -> None:
        self.table.fit_columns = not self.tui.settings.columns
        self.set_interval(1.0, self.table.tick)

    @property
    def _summary(self) -> Summary | None:
        found = self.query("Summary")
        return cast("Summary", found.first()) if found else None

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
        if len(rows) > WARM_ROWS:
            self.set_timer(WARM_AFTER, self._warm)

    def _warm(self) -> None:
        """Between two frames: the first key of a filter over ten thousand rows must not wait for their texts."""
        if self.tui.servers.warm(WARM_ROWS):
            self.set_timer(0.02, self._warm)

    def apply(self, updates: Mapping[str, Row], gone: Sequence[str]) -> None:
        """A batch of changes."""
        offset = self.table.cursor_offset()
        self.table.show_changes(self.tui.servers.apply(updates, gone), offset)
        if self._wanted in updates:
            self.select(self._wanted)

    def select(self, server_id: str) -> None:
        """Put the cursor on a server, as soon as there is a row of it."""
        place = self.tui.servers.position(server_id)
        self._wanted = "" if place is not None else server_id
        if place is not None:
            self.table.move_cursor(place)

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

    async def on_resize(self, event: events.Resize) -> None:
        """The summary comes and goes with the terminal's height."""
        summary = self._summary
        if self.app.size.height >= TALL and summary is None:
            summary = self._new_summary()
            await self.mount(summary, after=self.table)
            summary.show(self.tui.servers.cursor_row)
        elif summary is not None:
            summary.display = self.app.size.height >= TALL

    # filter ----------------------------------------------------------------------------------------------------------
    async def _filter_bar(self) -> Bar:
        """The bar that says what is filtered, made when it is first needed."""
        found = self.query("#filter-bar")
        if found:
            return found.only_one(Bar)
        bar = Bar(id="filter-bar")
        await self.mount(bar)
        return bar

    async def set_filter(self, text: str) -> None:
        """Show the rows that the text lets through, and say so."""
        model = self.tui.servers
        if text != model.filter_text:
            model.filter(text)
            self.table.reload()
        bar = await self._filter_bar()
        typing = bool(self.query("#filter"))
        bar.display = bool(text) or typing
        unknown = parse(text, model.fields).unknown
        left = [Piece(f" {_('Filter')} ", "brand")]
        left.append(Piece(" " + ("name: status: task: power: ip: flavor: image: ..." if typing else text), "dim"))
        right = [Piece(_("{shown} of {all}").format(shown=len(model), all=len(model.rows)) + " ", "strong")]
        if unknown:
            right.insert(0, Piece(_("no field {names}").format(names=", ".join(unknown)) + "  ", "warn"))
        bar.show(left, right)

    async def action_filter(self) -> None:
        """Type a filter."""
        from tuinova.screens.widgets.filter_line import FilterInput

        for field in self.query(FilterInput):  # left by the mouse or for another room
            self.screen.set_focus(field)
            return
        bar = await self._filter_bar()
        field = FilterInput(self.tui.servers.filter_text, id="filter")
        await self.mount(field, after=bar)
        self.screen.set_focus(field)  # at once: the next keys are for it
        await self.set_filter(self.tui.servers.filter_text)

    async def on_input_changed(self, event: Input.Changed) -> None:
        """Every key of the filter narrows or widens the table."""
        event.stop()
        await self.set_filter(event.value)

    async def on_filter_input_left(self, event: FilterInput.Left) -> None:
        """From the filter line to the table."""
        event.stop()
        await self.query("#filter").remove()
        self.table.focus()
        await self.set_filter("" if event.clear else self.tui.servers.filter_text)

    def on_filter_input_moved(self, event: FilterInput.Moved) -> None:
        """The arrows while typing."""
        event.stop()
        self.table.move_by(event.lines)

    async def filter_by(self, text: str) -> None:
        """Show only what a filter lets through; the same again shows all."""
        await self.set_filter("" if self.tui.servers.filter_text == text else text)

    async def action_escape(self) -> None:
        """Clear the filter, then the marks."""
        if self.tui.servers.filter_text:
            await self.set_filter("")
        elif self.tui.servers.marks:
            self.table.clear_marks()

    # messages --------------------------------------------------------------------------------------------------------
    def on_line_table_cursor_moved(self, event: LineTable.CursorMoved) -> None:
        """Footer and facts follow the cursor a moment later: they would make its own frame a whole screen."""
        event.stop()
        if self._following is None:
            self._following = self.set_timer(FOLLOW_AFTER, self._follow_cursor)

    def _follow_cursor(self) -> None:
        self._following = None
        if self._summary is not None:
            self._summary.show(self.tui.servers.cursor_row)
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

    def action_soft_deleted(self) -> None:
        """Show the servers that can still be restored, or leave them out."""
        self.tui.toggle_soft_deleted()
