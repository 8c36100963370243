"""A server's serial console: what it is connected to, the guest's terminal, and the keys that are not the guest's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self, cast

from textual.app import ComposeResult
from textual.containers import Vertical

from tuinova.client import ClientError
from tuinova.i18n import N_, _
from tuinova.screens.widgets.bars import Bar, Piece
from tuinova.screens.widgets.console_keys import key_label
from tuinova.screens.widgets.console_line import ConsoleLine
from tuinova.screens.widgets.console_view import ConsoleView
from tuinova.text import clean

if TYPE_CHECKING:
    from tuinova.screens.app import TuinovaApp

# The pane's own commands, while keys don't go to the guest: key, word, method.
COMMANDS: tuple[tuple[str, str, str], ...] = (
    ("enter", N_("Type in"), "type"),
    ("slash", N_("Search"), "search"),
    ("f", N_("Full screen"), "full"),
    ("d", N_("Ctrl+Alt+Del"), "reset"),
    ("z", N_("Tell the guest the size"), "size"),
    ("t", N_("Take over"), "takeover"),
    ("pageup", N_("Back"), "up"),
    ("pagedown", N_("Forward"), "down"),
    ("end", N_("Live"), "live"),
)
_ACTS = frozenset({"type", "reset", "size", "takeover"})  # what reaches the guest, or takes it from somebody
_KEY_TEXT = {"slash": "/", "enter": "⏎", "pageup": "PgUp", "pagedown": "PgDn", "end": "End"}
# What a person can do about each state, by vm_state where that says more.
_STATES = {
    "connecting": N_("Connecting to the console ..."),
    "off": N_("The guest is off. Start the server and the console goes on."),
    "busy": N_("Another program holds this console: {detach}, then t takes it over."),
    "gone": N_("The service is gone; the pane comes back with it."),
}
_BY_VM_STATE = {
    "building": N_("The server is being built; its console comes with the guest."),
    "paused": N_("The guest is paused: it neither prints nor reads. Unpause it to go on."),
    "suspended": N_("The server is suspended. Resume it and the console goes on."),
    "shelved": N_("The server is shelved. Unshelve it and the console goes on."),
    "shelved_offloaded": N_("The server is shelved. Unshelve it and the console goes on."),
    "soft-delete": N_("The server is deleted. Restore it and the console goes on."),
    "error": N_("The server is in ERROR: its overview shows the fault."),
}


class ConsolePane(Vertical):
    """A live serial console; several may show one guest."""

    ALLOW_MAXIMIZE = True  # Textual maximizes only what can have the focus, and that is the view inside

    DEFAULT_CSS = """
    ConsolePane { height: 1fr; width: 1fr; }
    """

    def __init__(self, client: Any, server_id: str, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.client = client
        self.server_id = server_id
        self._query: str | None = None  # what is being typed after /
        self._line: ConsoleLine | None = None
        self._host = ""  # where the guest is; only admins are told

    @property
    def tui(self) -> TuinovaApp:
        """The application."""
        return cast("TuinovaApp", self.app)

    def compose(self) -> ComposeResult:
        yield Bar(classes="console-title")
        yield ConsoleView(self.tui.settings.detach_key)
        yield Bar(classes="console-keys")

    @property
    def view(self) -> ConsoleView:
        """The terminal's picture."""
        return self.query_one(ConsoleView)

    @property
    def row(self) -> dict[str, Any]:
        """The server as the instance table has it; empty when it is gone."""
        return dict(self.tui.servers.rows.get(self.server_id) or {})

    def on_mount(self) -> None:
        view = self.view
        view.typing = not self.tui.read_only
        self._line = view.line = ConsoleLine(self.client, self.server_id, view.wake, mute=self.tui.read_only)
        view.is_command = self._is_command
        self._line.answers_wanted = view.has_focus
        self._line.start()
        self.tui.feed_changes.subscribe(self, self._changed)
        self._host = str(self.row.get("host") or "")
        self._show()

    def on_unmount(self) -> None:
        if self._line is not None:
            self._line.stop()

    def focus(self, scroll_visible: bool = True) -> Self:
        """The guest gets the keys."""
        self.view.focus(scroll_visible)
        return self

    def _changed(self, changes: Sequence[dict[str, Any]]) -> None:
        if any(change["kind"] == "server" and change["key"] == self.server_id for change in changes):
            if self._line is not None:
                self._follow_host(self._line)
                self._line.retry()
            self._show()

    def _follow_host(self, line: ConsoleLine) -> None:
        """A guest that was moved is on another connection; the hub follows it, the pane says where."""
        host = str(self.row.get("host") or "")
        if host and self._host and host != self._host:
            line.reconnect()
        self._host = host or self._host

    # what is shown ---------------------------------------------------------------------------------------------------
    def _sentence(self) -> str:
        """Why there is nothing to see, and what to do; empty when the console is live."""
        line = self._line
        if line is None:
            return ""
        vm_state = str(self.row.get("vm_state", ""))
        if line.state == "on":
            return _(_BY_VM_STATE["paused"]) if vm_state == "paused" else ""
        if line.state in ("off", "none", "connecting") and vm_state in _BY_VM_STATE:
            return _(_BY_VM_STATE[vm_state])
        if line.state in ("none", "error") and line.reason:
            return clean(line.reason)
        text = _(_STATES.get(line.state, _STATES["connecting"])).format(detach=key_label(self.view.detach_key))
        if line.state == "busy" and line.holder:
            text += f" ({line.holder})"
        return text

    def _show(self) -> None:
        if not self.is_mounted or self._line is None:
            return
        view, line = self.view, self._line
        sentence = self._sentence()
        if sentence != view.sentence:
            view.sentence = sentence
            view.repaint()
        tone = {"on": "ok", "off": "off", "connecting": "busy"}.get(line.state, "warn")
        left = [Piece(f" {self.row.get('name', '')} ", "strong")]
        if line.domain:
            where = " · ".join(part for part in ("ttyS0", self._host, line.connection_name) if part)
            left += [Piece(f"{line.domain} ", "dim"), Piece(f"{where} ", "dim")]
        right = [Piece(f"{line.state} ", tone)]
        if view.back:
            right.insert(0, Piece(_("{count} lines up").format(count=view.back) + "  ", "busy"))
        for bar in self.query(".console-title").results(Bar):
            bar.show(left, right)
        for bar in self.query(".console-keys").results(Bar):
            bar.show(*self._keys())

    def _keys(self) -> tuple[list[Piece], list[Piece]]:
        view = self.view
        detach = key_label(view.detach_key)
        if self._query is not None:
            found = len(view.matches)
            return [Piece(" /", "key"), Piece(f"{self._query}▏ ")], [
                Piece(_("{count} found, Enter: older, Esc: done").format(count=found) + " ", "dim")
            ]
        if view.typing and view.has_focus:
            return [
                Piece(f" {detach} ", "key", "do:detach"),
                Piece(_("Leave the guest's keyboard") + " ", "", "do:detach"),
            ], [Piece(_("all other keys go to the guest") + " ", "dim")]
        pieces = []
        for key, word, method in COMMANDS:
            if method == "takeover" and (self._line is None or self._line.state != "busy"):
                continue
            if method in _ACTS and self.tui.read_only:
                continue
            pieces.append(Piece(f" {_KEY_TEXT.get(key, key)} ", "key", f"do:{method}"))
            pieces.append(Piece(f"{_(word)} ", "", f"do:{method}"))
        return pieces, []

    # commands --------------------------------------------------------------------------------------------------------
    def on_bar_picked(self, message: Bar.Picked) -> None:
        """A click on a word of the bars is its key."""
        if message.target.startswith("do:"):
            message.stop()
            self._do(message.target.removeprefix("do:"))

    def on_console_view_command(self, message: ConsoleView.Command) -> None:
        message.stop()
        view = self.view
        if not message.key:
            self._show()
        elif view.typing:
            self._do("detach")
        elif self._query is not None:
            self._search_key(message.key, message.character)
        elif message.key == view.detach_key and not self.tui.read_only:
            view.typing = True  # twice: the guest gets the key itself
            if self._line is not None:
                self._line.send(bytes((ord(key_label(view.detach_key)[-1]) & 0x1F,)))
            self._refocus()
        else:
            self._command_key(message.key, message.character)

    def _is_command(self, key: str) -> bool:
        """Whether a key is the pane's while keys don't go to the guest; Esc is while there is something to leave."""
        if self._query is not None or key in ("up", "down") or any(key == name for name, _word, _do in COMMANDS):
            return True
        if key in ("n", "N"):
            return bool(self.view.matches)
        return key == "escape" and (bool(self.view.matches) or self.screen.maximized is not None)

    def _leave_something(self) -> None:
        """Esc: the marks of a search, then the full screen."""
        if self.view.matches:
            self._forget_search()
        else:
            self.screen.minimize()

    def _command_key(self, key: str, character: str | None) -> None:
        for name, _word, method in COMMANDS:
            if key == name:
                self._do(method)
                return
        if key in ("up", "down"):
            self.view.scroll_lines(1 if key == "up" else -1)
        elif key in ("n", "N"):
            self._next(1 if key == "n" else -1)
        elif key == "escape":
            self._leave_something()

    def _do(self, method: str) -> None:
        if method in _ACTS and self.tui.read_only:
            self.notify(_("This interface is read-only."), severity="warning", markup=False)
            return
        getattr(self, f"do_{method}")()
        self._show()

    def do_detach(self) -> None:
        """Keys are the pane's commands now."""
        self.view.typing = False
        self._refocus()

    def do_type(self) -> None:
        """Keys go to the guest."""
        self.view.typing = True
        self.view.back = 0
        self._refocus()

    def _refocus(self) -> None:
        self.view.focus()
        self.view.repaint()

    def do_full(self) -> None:
        """The pane alone on the screen, or back."""
        if self.screen.maximized is None:
            self.screen.maximize(self, container=False)
        else:
            self.screen.minimize()
        self.view.focus()

    def do_reset(self) -> None:
        """Ctrl+Alt+Del on the guest's keyboard."""
        self.run_worker(self._send_reset, thread=True, exclusive=True)

    def _send_reset(self) -> None:
        try:
            self.client.servers.send_keys(self.server_id, ["ctrl", "alt", "delete"])
        except ClientError as error:
            self.app.call_from_thread(self.notify, clean(error), severity="error", markup=False)

    def do_size(self) -> None:
        """A serial line has no window size: type the command that sets it, when asked to."""
        size = self.view.size
        if self._line is not None:
            self._line.send(f"stty rows {size.height} cols {size.width}\r".encode())
        self.do_type()

    def do_takeover(self) -> None:
        """Evict the program that holds the console."""
        if self._line is not None and self._line.state == "busy":
            self._line.take_over()

    def do_up(self) -> None:
        """A page back."""
        self.view.scroll_lines(max(self.view.size.height - 2, 1))

    def do_down(self) -> None:
        """A page forward."""
        self.view.scroll_lines(-max(self.view.size.height - 2, 1))

    def do_live(self) -> None:
        """Back to what the guest prints now."""
        self.view.scroll_lines(-self.view.back)

    # search ----------------------------------------------------------------------------------------------------------
    def do_search(self) -> None:
        """Begin a search; it narrows as one types."""
        self._query = ""

    def _search_key(self, key: str, character: str | None) -> None:
        assert self._query is not None
        if key == "escape":
            self._query = None
        elif key == "enter":
            self._next(1)
            self._query = None
        elif key == "backspace":
            self._look_for(self._query[:-1])
        elif character is not None and character.isprintable():
            self._look_for(self._query + character)
        self._show()

    def _look_for(self, words: str) -> None:
        self._query = words
        view, line = self.view, self._line
        assert line is not None
        with line.guard:
            view.matches = line.terminal.search(words)
        view.current = view.matches[-1] if view.matches else None
        if view.current is not None:
            view.show_line(view.current.line)
        view.repaint()

    def _next(self, older: int) -> None:
        view = self.view
        if not view.matches:
            return
        at = view.matches.index(view.current) if view.current in view.matches else len(view.matches)
        view.current = view.matches[(at - older) % len(view.matches)]
        view.show_line(view.current.line)
        self._show()

    def _forget_search(self) -> None:
        self._query = None
        self.view.matches, self.view.current = [], None
        self.view.repaint()
