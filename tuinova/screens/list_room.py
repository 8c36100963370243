"""What the rooms of lists share: a line table, a filter line, details of the row, reading anew on changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.widgets import Input

from tuinova.client import ApiError
from tuinova.i18n import N_, _
from tuinova.screens.actions import TuiAction
from tuinova.screens.columns import Cell, Column, natural
from tuinova.screens.dialogs import Dialog, FlatButton, TextLine, cancel_button
from tuinova.screens.rooms import RoomView, footer_pieces
from tuinova.screens.table_model import TableModel
from tuinova.screens.widgets.bars import Piece
from tuinova.screens.widgets.line_table import LineTable
from tuinova.screens.widgets.text_panel import Line, TextPanel, padded
from tuinova.text import clean

if TYPE_CHECKING:
    from textual.binding import BindingType

Json = dict[str, Any]
_TALL = 20


def text_column(
    key: str,
    label: str,
    getter: Callable[[Json], object],
    minimum: int,
    ideal: int,
    *,
    tone: str = "",
    right: bool = False,
) -> Column:
    """A column of texts or numbers; what is missing is a dash and sorts last."""

    def cell(row: Json, _now: float) -> Cell:
        value = getter(row)
        return ("-", "dim") if value is None or value == "" else (str(value), tone)

    def sort(row: Json) -> Any:
        value = getter(row)
        return value if isinstance(value, (int, float)) and not isinstance(value, bool) else natural(value)

    return Column(key, label, cell, sort, minimum, ideal, right)


def room_action(action_id: str, label: str, short: str, key: str, footer: int, *, changes: bool = False) -> TuiAction:
    """A row of a room's registry; the room does it in `action_<id>`."""
    return TuiAction(action_id, label, "room", key=key, short=short, footer=footer, changes=changes)


COMMON_ACTIONS = (
    room_action("filter", N_("Filter"), N_("Filter"), "slash", 8),
    room_action("sort", N_("Sort by"), N_("Sort"), "o", 9),
)


def room_bindings(actions: Sequence[TuiAction]) -> list[BindingType]:
    """Textual bindings of a room's actions."""
    return [
        Binding(",".join((action.key, *action.alias)), action.id.replace("-", "_"), action.label, show=False)
        for action in actions
        if action.key
    ]


class RoomTable(LineTable[Json]):
    """The table of a room; what an empty one says comes from the room."""

    state = "connecting"
    problem = ""
    hint: tuple[str, ...] = ()

    def empty_lines(self) -> Sequence[tuple[str, str]]:
        """Why there is nothing, and what to do."""
        if self.problem:
            return ((self.problem, "warn"),)
        if self.model.rows:
            return ((_("Nothing matches the filter."), "name"), (_("Esc clears it, / changes it."), "dim"))
        if self.state == "connecting":
            return ((_("Reading..."), "busy"),)
        return tuple((_(line), "name" if index == 0 else "dim") for index, line in enumerate(self.hint))


class RoomFilter(Input):
    """The filter line of a room: Enter keeps it, Esc clears it, the arrows move the cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave(True)", show=False),
        Binding("up", "table(-1)", show=False),
        Binding("down", "table(1)", show=False),
    ]

    def action_leave(self, clear: bool) -> None:
        """Back to the table."""
        self.query_ancestor(ListRoom).leave_filter(clear)

    def action_table(self, lines: int) -> None:
        """Move the cursor while typing."""
        self.query_ancestor(ListRoom).table.move_by(lines)


class ListRoom(RoomView):
    """A room of one kind of rows. Subclasses give COLUMNS, ACTIONS, KINDS, HINT, `read` and `details`."""

    COLUMNS: ClassVar[tuple[Column, ...]] = ()
    ACTIONS: ClassVar[tuple[TuiAction, ...]] = ()
    KINDS: ClassVar[frozenset[str]] = frozenset()  # kinds of the feed after which the list is read anew
    HINT: ClassVar[tuple[str, ...]] = ()
    ID: ClassVar[str] = "id"
    SORT: ClassVar[str] = "name"

    DEFAULT_CSS = """
    ListRoom {
        RoomFilter { height: 1; border: none; padding: 0 1; background: $bar-bg; color: $foreground; display: none; }
        RoomFilter:focus { border: none; background: $surface; }
        RoomFilter.-shown { display: block; }
        TextPanel { height: auto; max-height: 40%; display: none; border-top: solid $border-blurred; }
        &.-tall TextPanel { display: block; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        *room_bindings(COMMON_ACTIONS),
        Binding("escape", "escape", show=False),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        fields = {column.key: self._getter(column) for column in self.COLUMNS}
        self.model: TableModel[Json] = TableModel(self.COLUMNS, fields, self._haystack, self.SORT)
        self._reading = False
        self._again = False

    @staticmethod
    def _getter(column: Column) -> Callable[[Json], Any]:
        return lambda row: column.cell(row, 0.0)[0]

    def _haystack(self, row: Json) -> str:
        return " ".join(column.cell(row, 0.0)[0] for column in self.COLUMNS).lower()

    def compose(self) -> ComposeResult:
        table = RoomTable(self.model, self.COLUMNS, clock=self.tui.clock)
        table.hint = self.HINT
        yield table
        yield TextPanel()
        yield RoomFilter(placeholder=_("words, or name:value, !not"))

    @property
    def table(self) -> RoomTable:
        """The table."""
        return self.query_one(RoomTable)

    @property
    def row(self) -> Json | None:
        """The row under the cursor."""
        return self.model.cursor_row

    # data ------------------------------------------------------------------------------------------------------------
    def read(self, client: Any) -> Sequence[Json]:
        """Read the rows; runs in a thread."""
        raise NotImplementedError

    def details(self, row: Json) -> Sequence[Line]:
        """What stands below the table about the row under the cursor."""
        return ()

    def connected(self, client: Any) -> None:
        """Read; a change during a reading makes one more."""
        if self._reading:
            self._again = True
            return
        self._reading = True
        self.tui.call_service(lambda one: list(self.read(one)), self._loaded, failed=self._failed)

    def changed(self, changes: Sequence[dict[str, Any]]) -> None:
        if self.is_mounted and any(change["kind"] in self.KINDS for change in changes):
            self.connected(self.tui.client)

    def _loaded(self, rows: Sequence[Json]) -> None:
        self._reading = False
        if not self.is_mounted:
            return
        table = self.table
        table.state, table.problem = "ready", ""
        self.model.load({str(row[self.ID]): row for row in rows})
        table.reload()
        self._show_details()
        self.tui.refresh_footer()
        if self._again:
            self._again = False
            self.connected(self.tui.client)

    def _failed(self, error: Exception) -> None:
        """A role that may not see the list reads why, in its place."""
        self._reading = False
        if not self.is_mounted:
            return
        self.table.problem = clean(error.message if isinstance(error, ApiError) else error)
        self.model.load({})
        self.table.reload()

    # room ------------------------------------------------------------------------------------------------------------
    def room_actions(self) -> Sequence[TuiAction]:
        return (*self.ACTIONS, *COMMON_ACTIONS)

    def footer(self) -> Sequence[Piece]:
        usable = [action for action in self.room_actions() if action.footer and not (action.changes and self._bare)]
        return footer_pieces(usable)

    @property
    def _bare(self) -> bool:
        return self.tui.read_only

    def focus_room(self) -> None:
        self.table.focus()

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.height >= _TALL, "-tall")

    def _show_details(self) -> None:
        row = self.row
        self.query_one(TextPanel).show(list(self.details(row)) if row is not None else [])

    def on_line_table_cursor_moved(self, event: LineTable.CursorMoved) -> None:
        event.stop()
        self._show_details()

    def on_line_table_opened(self, event: LineTable.Opened) -> None:
        event.stop()
        self.action_open()

    def on_line_table_marks_changed(self, event: LineTable.MarksChanged) -> None:
        event.stop()

    def on_line_table_sorted(self, event: LineTable.Sorted) -> None:
        event.stop()

    def action_open(self) -> None:
        """Enter: the details, alone on the screen."""
        if self.row is not None and (lines := list(self.details(self.row))):
            self.tui.push_screen(DetailsScreen(str(self.row.get("name") or self.row[self.ID]), lines))

    # filter and sort -------------------------------------------------------------------------------------------------
    def action_filter(self) -> None:
        """Type a filter."""
        field = self.query_one(RoomFilter)
        field.add_class("-shown")
        field.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.model.filter(event.value)
        self.table.reload()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.leave_filter(False)

    def leave_filter(self, clear: bool) -> None:
        """From the filter line to the table."""
        field = self.query_one(RoomFilter)
        if clear:
            field.value = ""
        field.set_class(bool(field.value), "-shown")
        self.table.focus()

    def action_escape(self) -> None:
        """Clear the filter."""
        self.leave_filter(True)

    def action_sort(self) -> None:
        """Pick the column to sort by."""
        from tuinova.screens.pickers import Choice, Picker

        choices = [Choice(one.key, _(one.label), on=one.key == self.model.sort_by) for one in self.COLUMNS]

        def picked(column: str | None) -> None:
            if column:
                self.table.sort(column)

        self.tui.push_screen(Picker(_("Sort by"), choices), picked)

    # changes ---------------------------------------------------------------------------------------------------------
    def change(self, title: str, work: Callable[[Any], Any], done: str = "") -> None:
        """Do something with the client and tell how it went; --read-only refuses."""
        if self.tui.refuse_read_only(title):
            return

        def finished(_result: Any) -> None:
            if done:
                self.tui.say(done)
            self.connected(self.tui.client)

        self.tui.call_service(work, finished, title=title)

    def ask_name(self, title: str, row: Mapping[str, Any], work: Callable[[Any], Any], note: str = "") -> None:
        """Ask for the name before something goes for good."""
        if self.tui.refuse_read_only(title):
            return
        name = str(row.get("name") or row[self.ID])

        def answered(yes: bool | None) -> None:
            if yes:
                self.change(title, work)

        self.tui.push_screen(TypeNameScreen(title, name, note), answered)


class DetailsScreen(Dialog[None]):
    """The details of a row, for small screens."""

    def __init__(self, title: str, lines: Sequence[Line]) -> None:
        super().__init__()
        self._title = title
        self._lines = list(lines)

    def heading(self) -> str:
        return self._title

    def hint(self) -> str:
        return _("Esc: close")

    def body(self) -> ComposeResult:
        yield TextPanel()

    def on_mount(self) -> None:
        super().on_mount()
        panel = self.query_one(TextPanel)
        panel.show(self._lines)
        panel.focus()


class TypeNameScreen(Dialog[bool]):
    """Something is removed for good only after its name was typed."""

    DANGER = True

    def __init__(self, title: str, name: str, note: str = "") -> None:
        super().__init__()
        self._title = title
        self._wanted = name
        self._note = note

    def heading(self) -> str:
        return self._title

    def body(self) -> ComposeResult:
        yield TextLine([(_("Type the name to go on: "), ""), (self._wanted, "strong")])
        if self._note:
            yield TextLine([(self._note, "dim")])
        yield Input(id="typed")

    def buttons(self) -> Sequence[FlatButton]:
        return (cancel_button(), FlatButton(self._title, id="yes", danger=True, disabled=True))

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#typed").focus()

    @property
    def _right(self) -> bool:
        return self.query_one("#typed", Input).value in (self._wanted, clean(self._wanted))

    def on_input_changed(self) -> None:
        self.query_one("#yes", FlatButton).disabled = not self._right

    def on_input_submitted(self) -> None:
        if self._right:
            self.dismiss(True)

    def on_button_pressed(self, event: FlatButton.Pressed) -> None:
        event.stop()
        self.dismiss(event.button.id == "yes" and self._right)


def facts(rows: Sequence[tuple[str, object]], width: int = 18) -> list[Line]:
    """Lines of label and value; what is missing is a dash."""
    return [
        [(padded(label, width), "label"), ("-" if value is None or value == "" else str(value), "")]
        for label, value in rows
    ]
