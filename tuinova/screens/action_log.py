"""The action log tab: every request on the server; Enter opens its path through the house."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import time
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding

from tuinova.i18n import N_, _
from tuinova.screens import rows
from tuinova.screens.actions import TuiAction
from tuinova.screens.columns import Cell, Column, natural
from tuinova.screens.dialogs import Dialog
from tuinova.screens.rows import Row
from tuinova.screens.schedule import decision_lines
from tuinova.screens.server_page import TabView
from tuinova.screens.table_model import TableModel
from tuinova.screens.widgets.line_table import LineTable, fit
from tuinova.screens.widgets.text_panel import Line, TextPanel

if TYPE_CHECKING:
    from textual.binding import BindingType

Entry = Mapping[str, Any]
LOG_TAB_ACTIONS = (
    TuiAction("request-open", N_("The path of the request"), "actionlog", key="enter", short=N_("Path"), footer=4),
)


def _message(entry: Entry, _now: float) -> Cell:
    message = entry.get("message")
    return (_(str(message)), "error") if message else ("-", "dim")


def _start(entry: Entry, _now: float) -> Cell:
    return rows.local_time(entry.get("start_time")), ""


def _text(key: str, tone: str = "") -> Callable[[Entry, float], Cell]:
    return lambda entry, _now: (str(entry.get(key) or "-"), tone)


ENTRY_COLUMNS: tuple[Column, ...] = (
    Column("request", N_("Request ID"), _text("request_id"), lambda entry: entry["request_id"], 13, 40),
    Column("action", N_("Action"), _text("action", "strong"), lambda entry: natural(entry["action"]), 14, 18),
    Column("start", N_("Start Time"), _start, lambda entry: entry.get("start_time"), 19, 19, descending=True),
    Column("user", N_("User"), _text("user"), lambda entry: natural(entry.get("user")), 10, 16),
    Column("message", N_("Message"), _message, lambda entry: entry.get("message"), 8, 30),
)
FIELDS: dict[str, Callable[[Entry], Any]] = {
    "action": lambda entry: entry["action"],
    "request": lambda entry: entry["request_id"],
}


class EntryTable(LineTable[Entry]):
    """Requests, newest first."""

    def __init__(self, clock: Callable[[], float] = time) -> None:
        model: TableModel[Entry] = TableModel(ENTRY_COLUMNS, FIELDS, lambda entry: str(entry["action"]), "start")
        super().__init__(model, ENTRY_COLUMNS, clock=clock)

    def empty_lines(self) -> Sequence[tuple[str, str]]:
        """Nothing was asked of it yet."""
        return ((_("No action is recorded."), "dim"),)


class ActionLogTab(TabView):
    """Requests with action, start, user, message."""

    def compose(self) -> ComposeResult:
        yield EntryTable(self.tui.clock)

    @property
    def table(self) -> EntryTable:
        """The table."""
        return self.query_one(EntryTable)

    def tab_actions(self) -> Sequence[TuiAction]:
        """Enter."""
        return LOG_TAB_ACTIONS

    def opened(self) -> None:
        """Read the log."""
        server_id = self.page.server_id
        self.tui.call_service(lambda client: client.servers.events(server_id), self._take, title=_("Action Log"))

    def row_changed(self, old: Row | None) -> None:
        """A task began or ended: there is more to read."""
        if not self.page.gone and (old is None or old.get("task_state") != self.page.row.get("task_state")):
            self.opened()

    def _take(self, entries: list[dict[str, Any]]) -> None:
        named = {
            entry["request_id"] + entry["action"]: {**entry, "user": rows.named(entry.get("user_id"))}
            for entry in entries
        }
        if self.is_mounted:
            self.table.model.load(named)
            self.table.reload()

    def on_line_table_opened(self, event: LineTable.Opened) -> None:
        """The path of the request under the cursor."""
        event.stop()
        entry = self.table.model.cursor_row
        if entry is None:
            return
        server_id, request_id = self.page.server_id, str(entry["request_id"])

        def read(client: Any) -> tuple[Entry, list[dict[str, Any]]]:
            return client.servers.event(server_id, request_id), client.servers.schedule(server_id)

        def show(found: tuple[Entry, list[dict[str, Any]]]) -> None:
            detail, decisions = found
            mine = [one for one in decisions if one.get("request_id") == request_id]
            self.tui.push_screen(RequestScreen({**detail, "user": entry.get("user")}, mine))

        self.tui.call_service(read, show, title=request_id)


# one request ---------------------------------------------------------------------------------------------------------
def took(start: str | None, finish: str | None) -> float | None:
    """Seconds between two times."""
    first, last = rows.parse_time(start), rows.parse_time(finish)
    return None if first is None or last is None else max(0.0, last - first)


def seconds_text(seconds: float | None) -> str:
    """A duration to the millisecond, to the minute when it is long."""
    if seconds is None:
        return _("running")
    return f"{seconds:.3f} s" if seconds < 120 else f"{int(seconds // 60)} min {int(seconds % 60)} s"


def event_lines(events: Sequence[Entry], width: int) -> list[Line]:
    """Each event in time order: name, host, when after the first, how long, how it ended, and a bar of its span."""
    ordered = sorted(events, key=lambda event: str(event.get("start_time") or ""))
    starts = [rows.parse_time(event.get("start_time")) for event in ordered]
    ends = [rows.parse_time(event.get("finish_time")) for event in ordered]
    known = [moment for moment in (*starts, *ends) if moment is not None]
    first, last = (min(known), max(known)) if known else (0.0, 0.0)
    name_width = min(38, max([len(str(event.get("event"))) for event in ordered], default=8))
    host_width = min(20, max([5, *(len(str(event.get("host") or "-")) for event in ordered)]))
    bar = max(0, min(40, width - name_width - host_width - 40))
    columns = (fit(_("Event"), name_width), fit(_("Host"), host_width), fit(_("After"), 8, True))
    head = "  " + " ".join((*columns, fit(_("Took"), 10, True)))
    lines: list[Line] = [[(f"{head}  {_('Result')}", "label")]]
    for event, start, end in zip(ordered, starts, ends, strict=True):
        result = event.get("result")
        tone = {"Success": "ok", "Error": "error"}.get(str(result), "busy")
        after = f"+{start - first:.3f}" if start is not None else "-"
        duration = seconds_text(took(event.get("start_time"), event.get("finish_time")))
        line = [
            ("  " + fit(str(event.get("event")), name_width) + " ", "strong"),
            (fit(str(event.get("host") or "-"), host_width) + " ", ""),
            (fit(after, 8, True) + " ", "dim"),
            (fit(duration, 10, True) + "  ", ""),
            (fit(_(str(result)) if result else _("running"), 8), tone),
        ]
        if bar and last > first and start is not None:
            before = int((start - first) / (last - first) * bar)
            length = max(1, round(((end or last) - start) / (last - first) * bar))
            line.append((" " * (before + 1) + "━" * min(length, bar - before + 1), tone))
        lines.append(line)
        if event.get("details"):
            lines.append([("    " + str(event["details"]), "error")])
        lines += [[("    " + text, "dim")] for text in str(event.get("traceback") or "").splitlines()]
    return lines


def request_lines(entry: Entry, decisions: Sequence[Mapping[str, Any]], width: int) -> list[Line]:
    """Who asked what and when, the events, the scheduler's decision."""
    message = entry.get("message")
    lines: list[Line] = [
        [(fit(_("Action"), 14), "label"), (str(entry.get("action")), "strong")],
        [(fit(_("Request ID"), 14), "label"), (str(entry.get("request_id")), "")],
        [(fit(_("User"), 14), "label"), (str(entry.get("user") or entry.get("user_id") or "-"), "")],
        [(fit(_("Start Time"), 14), "label"), (rows.local_time(entry.get("start_time")), "")],
        [(fit(_("Message"), 14), "label"), (_(str(message)) if message else "-", "error" if message else "dim")],
        [],
        [(_("Events"), "heading")],
    ]
    events = entry.get("events") or []
    lines += event_lines(events, width) if events else [[("  " + _("none recorded"), "dim")]]
    for decision in decisions:
        lines += [[], [(_("The scheduler's decision"), "heading")]]
        lines += decision_lines(decision)
    return lines


class RequestScreen(Dialog[None]):
    """The path of one request."""

    DEFAULT_CSS = "RequestScreen > #frame { width: 94%; height: 92%; }"

    BINDINGS: ClassVar[list[BindingType]] = [Binding("q,enter", "cancel", show=False)]

    def __init__(self, entry: Entry, decisions: Sequence[Mapping[str, Any]]) -> None:
        super().__init__()
        self._entry = entry
        self._decisions = decisions

    def heading(self) -> str:
        """The action and its request."""
        return f"{self._entry.get('action')}  {self._entry.get('request_id')}"

    def hint(self) -> str:
        """How to leave."""
        return _("arrows scroll   Esc closes")

    def body(self) -> ComposeResult:
        """The lines."""
        width = int(self.app.size.width * 0.94) - 4
        yield TextPanel(request_lines(self._entry, self._decisions, width), wrap=False, classes="tall")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(TextPanel).focus()
