"""`:` - a command with the command line's grammar, run as its own process, its output shown in a panel.

The words are split as a shell does, but no shell runs: nothing is expanded. The process acts as the same user in the
same project; Esc ends it.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import Binding
from textual.widgets import Input

from tuinova.i18n import _
from tuinova.screens.dialogs import Dialog, TextLine
from tuinova.screens.widgets.text_panel import Line, TextPanel
from tuinova.text import clean_lines

if TYPE_CHECKING:
    from textual.binding import BindingType

# What --read-only lets through: verbs that only look.
LOOKING = frozenset({"list", "show", "info", "help", "--help", "--version", "version", "stats"})
# The words before the verb.
NOUNS = frozenset(
    (
        *("server", "flavor", "image", "keypair", "hypervisor", "compute", "service", "quota", "console", "log"),
        *("event", "schedule", "config", "group", "migration", "aggregate", "availability", "zone", "project", "user"),
        *("role", "network", "usage", "limits", "versions", "catalog", "member"),
    )
)
LONGEST_OUTPUT = 2_000_000  # bytes that are shown
HISTORY: list[str] = []


def only_looks(words: list[str]) -> bool:
    """Whether a command changes nothing: the first word that is no noun is a verb that only looks."""
    for word in words:
        if word not in NOUNS:
            return word in LOOKING
    return False


def output_lines(text: str, tone: str = "") -> list[Line]:
    """A command's output as lines of a panel."""
    return [[(line, tone)] for line in clean_lines(text).expandtabs().splitlines()]


class CommandLine(Dialog[None]):
    """Type, Enter, read; the arrows bring back earlier commands."""

    DEFAULT_CSS = """
    CommandLine { align: center top; }
    CommandLine > #frame { margin-top: 2; }
    CommandLine #output { margin-top: 1; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "history(-1)", show=False, priority=True),
        Binding("down", "history(1)", show=False, priority=True),
        Binding("pageup", "scroll(-1)", show=False, priority=True),
        Binding("pagedown", "scroll(1)", show=False, priority=True),
    ]

    def __init__(self, text: str = "") -> None:
        super().__init__()
        self._text = text
        self._process: subprocess.Popen[bytes] | None = None
        self._place = len(HISTORY)

    def heading(self) -> str:
        """Command."""
        return _("Command")

    def hint(self) -> str:
        """Keys."""
        return _("Enter: run   ↑↓: earlier   PgUp PgDn: scroll   Esc: close")

    def body(self) -> ComposeResult:
        """The line and the panel for its output."""
        yield Input(self._text, placeholder="server list --long", id="line")
        yield TextLine([("", "")], id="state")
        yield TextPanel(wrap=False, id="output")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#output").display = False
        self.query_one("#line").focus()

    def on_unmount(self) -> None:
        self._end()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Run it."""
        text = event.value.strip().removeprefix("tuinova ").strip()
        if text in ("q", "quit"):
            self.app.exit()
            return
        if not text or self._process is not None:
            return
        try:
            words = shlex.split(text)
        except ValueError as error:
            self._state(str(error), "error")
            return
        if self.tui.read_only and not only_looks(words):
            self._state(_("Read-only: only commands that list or show are run here."), "warn")
            return
        if not HISTORY or HISTORY[-1] != text:
            HISTORY.append(text)
        self._place = len(HISTORY)
        self._start(words)

    def _start(self, words: list[str]) -> None:
        environment = {**os.environ, **self.tui.command_env, "NO_COLOR": "1"}
        identity = self.tui.identity
        if identity is not None:
            environment |= {"OS_USERNAME": identity.user, "OS_PROJECT_NAME": identity.project}
        # The panel does not scroll sideways: a table that fits in folded cells hides nothing.
        environment["COLUMNS"] = str(max(40, self.size.width - 10))
        environment.setdefault("CLIFF_FIT_WIDTH", "1")
        command = [sys.executable, "-m", "tuinova", *words]
        self._state(_("running..."), "busy")
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment
            )
        except (OSError, ValueError) as error:
            self._state(str(error), "error")
            return
        self._process = process
        threading.Thread(target=self._read, args=(process,), name="command", daemon=True).start()

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        """In a thread: take the output, wait for the end."""
        assert process.stdout is not None
        taken = b""
        while chunk := os.read(process.stdout.fileno(), 65_536):
            if len(taken) < LONGEST_OUTPUT:
                taken += chunk
        code = process.wait()
        process.stdout.close()
        if self.is_running:
            self.app.call_from_thread(self._finished, process, taken.decode("utf-8", "replace"), code)

    def _finished(self, process: subprocess.Popen[bytes], text: str, code: int) -> None:
        if process is not self._process or not self.open:
            return
        self._process = None
        lines = output_lines(text)
        panel = self.query_one("#output", TextPanel)
        panel.display = bool(lines)
        panel.show(lines)
        widest = max((cell_len(part) for line in lines for part, _tone in line), default=0)
        self.query_one("#frame").styles.width = min(self.size.width - 4, max(76, widest + 5))
        self.query_one("#line", Input).value = ""
        if code == 0:
            self._state(_("done") if not lines else _("{count} lines").format(count=len(lines)), "ok")
        else:
            self._state(_("ended with {code}").format(code=code), "error")

    def _state(self, text: str, tone: str) -> None:
        self.query_one("#state", TextLine).show([(text, tone)])

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.terminate()

    def action_cancel(self) -> None:
        """End the running command first, then close."""
        if self._process is not None:
            self._end()
            self._state(_("ended"), "warn")
            return
        self.dismiss(None)

    def action_history(self, step: int) -> None:
        """Earlier commands."""
        if not HISTORY:
            return
        self._place = max(0, min(len(HISTORY), self._place + step))
        field = self.query_one("#line", Input)
        field.value = HISTORY[self._place] if self._place < len(HISTORY) else ""
        field.cursor_position = len(field.value)

    def action_scroll(self, pages: int) -> None:
        """Scroll the output while the line keeps the focus."""
        panel = self.query_one("#output", TextPanel)
        panel.scroll_to(y=panel.scroll_y + pages * panel.size.height, animate=False)
