"""`tuinova console log show|url show|attach`."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuinova.cli.commands import exclusive, new_app, session, shower
from tuinova.cli.diagnostics import CommandError, say
from tuinova.cli.output import Record, write
from tuinova.cli.terminal_filter import TerminalFilter
from tuinova.i18n import _
from tuinova.text import clean, clean_lines

if TYPE_CHECKING:
    from tuinova.client.console import Console

app = new_app(_("A server's serial console"))
log_app = new_app(_("The console log"))
url_app = new_app(_("Console addresses"))
app.add_typer(log_app, name="log")
app.add_typer(url_app, name="url")
APPS = {"console": app}
_Server = Annotated[str, typer.Argument(metavar="<server>", help=_("Server (name or ID)"))]


@log_app.callback()
def log_callback() -> None:
    """The console log."""


@url_app.callback()
def url_callback() -> None:
    """Console addresses."""


@log_app.command("show", help=_("Show the console log of this boot"))
def show_log(
    server: _Server,
    lines: Annotated[int | None, typer.Option("--lines", min=0, help=_("Only the last lines"))] = None,
    all_boots: Annotated[bool, typer.Option("--all-boots", help=_("Earlier boots too"))] = False,
) -> None:
    """Show the console log."""
    client = session.client
    found = client.servers.find(server)
    if all_boots:
        text = client.servers.console_log(found["id"], all_boots=True).decode("ascii", "replace")
    else:
        text = client.servers.console_output(found["id"], lines)
    write(clean_lines(text))


@url_app.command("show", help=_("Show a console's address"))
@shower
def show_url(
    server: _Server,
    novnc: Annotated[bool, typer.Option("--novnc", help=_("noVNC (default)"))] = False,
    spice: Annotated[bool, typer.Option("--spice", help=_("SPICE"))] = False,
    serial: Annotated[bool, typer.Option("--serial", help=_("Serial console"))] = False,
    mks: Annotated[bool, typer.Option("--mks", help=_("WebMKS"))] = False,
) -> Record:
    """Show a console's address."""
    exclusive(novnc=novnc, spice=spice, serial=serial, mks=mks)
    protocol, kind = "vnc", "novnc"
    if spice:
        protocol, kind = "spice", "spice-html5"
    elif serial:
        protocol, kind = "serial", "serial"
    elif mks:
        protocol, kind = "mks", "webmks"
    client = session.client
    found = client.servers.find(server)
    answer = client.post(
        f"/v2.1/servers/{found['id']}/remote-consoles", {"remote_console": {"protocol": protocol, "type": kind}}
    )
    return Record(dict(answer["remote_console"]))


def parse_key(text: str) -> bytes:
    """`^]` or `ctrl+]` as the byte that a terminal sends for it."""
    key = text.strip().lower()
    key = key.removeprefix("ctrl+").removeprefix("ctrl-").removeprefix("^")
    if len(key) != 1 or key == text.strip().lower() or not 0x40 <= ord(key.upper()) <= 0x5F:
        raise CommandError(
            _("argument --detach-key: {given} is not a control key such as ^]").format(given=text), code=2
        )
    return bytes((ord(key.upper()) & 0x1F,))


@app.command("attach", help=_("Attach this terminal to a server's serial console"))
def attach(
    server: _Server,
    detach_key: Annotated[
        str, typer.Option(metavar="^]", envvar="TUINOVA_DETACH_KEY", help=_("Key that leaves the console"))
    ] = "^]",
    takeover: Annotated[bool, typer.Option("--takeover", help=_("Take it from another program that holds it"))] = False,
) -> None:
    """Attach to ttyS0 until the detach key; without a terminal, copy standard input to the guest and its output out."""
    key = parse_key(detach_key)
    client = session.client
    found = client.servers.find(server)
    with client.console(found["id"]) as console:
        say(
            _("Connected to {name} ({domain}). {key} leaves.").format(
                name=clean(found["name"]), domain=console.domain, key=detach_key
            )
        )
        if takeover:
            console.command({"cmd": "takeover"})
        reason = _Attachment(console, key).run()
    say("\r\n" + reason if sys.stdin.isatty() else reason)


# What the hub's events mean for a person, and what to do.
_EVENTS = {
    "on": _("[the guest is on]"),
    "off": _("[the guest is off: start the server to go on]"),
    "busy": _("[another program holds this console: --takeover takes it]"),
    "unsent": _("[not sent: the guest's console is not there just now]"),
    "too-slow": _("[this terminal is too slow for what the guest prints: attach again]"),
    "service-stopping": _("[the service is stopping]"),
}


_CONSOLE_SECONDS = 30.0


class _Attachment:
    """The two directions between a terminal and a guest."""

    def __init__(self, console: Console, detach_key: bytes) -> None:
        self.console = console
        self.detach_key = detach_key
        self.filter = TerminalFilter()
        self.done = threading.Event()
        self.was_off = False  # the first "on" says nothing new
        self.known = threading.Event()  # the guest's console is there, or it was said why not
        self.reason = _("Detached.")

    def run(self) -> str:
        """Until the key, the end of input (no terminal) or of the service; the sentence that says which."""
        reader = threading.Thread(target=self._from_guest, daemon=True)
        if not sys.stdin.isatty():
            reader.start()
            self._copy_stdin()
            return self.reason
        import termios
        import tty

        descriptor = sys.stdin.fileno()
        before = termios.tcgetattr(descriptor)
        tty.setraw(descriptor)
        try:
            reader.start()
            self._from_keyboard(descriptor)
        finally:
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
            # Colours and modes that the guest left behind are not the operator's.
            sys.stdout.write("\x1b[0m\x1b[?25h\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?2004l")
            sys.stdout.flush()
        return self.reason

    def _from_keyboard(self, descriptor: int) -> None:
        import select

        from tuinova.client import ClientError

        while not self.done.is_set():
            if not select.select([descriptor], [], [], 0.2)[0]:
                continue
            typed = os.read(descriptor, 4096)
            typed, key, _rest = typed.partition(self.detach_key)
            try:
                if typed:
                    self.console.send(typed)
            except ClientError as error:
                self.reason = str(error)
                return
            if key:
                return

    def _copy_stdin(self) -> None:
        from tuinova.client import ClientError

        try:
            # A person sees the console come and types then; what a script has ready would be too early and lost.
            self.known.wait(_CONSOLE_SECONDS)
            while chunk := os.read(sys.stdin.fileno(), 4096):
                self.console.send(chunk)
            # The guest's answer to the last line is still on its way.
            self.done.wait(2.0)
        except ClientError as error:
            self.reason = str(error)

    def _from_guest(self) -> None:
        from tuinova.client import ClientError

        try:
            while not self.done.is_set():
                self._show(self.console.recv())
        except ClientError as error:
            self.reason = str(error)
        except OSError:
            self.reason = _("This terminal is gone.")
        self.done.set()
        self.known.set()

    def _show(self, frame: bytes | dict[str, Any]) -> None:
        if isinstance(frame, bytes):
            os.write(sys.stdout.fileno(), self.filter.feed(frame))
            return
        event = str(frame.get("event", ""))
        if event != "connecting":
            self.known.set()
        if event == "connecting" or (event == "on" and not self.was_off):
            return
        self.was_off = event != "on"
        text = _EVENTS.get(event) or _("[no console, trying again: {reason}]").format(
            reason=clean(frame.get("reason") or event)
        )
        if event == "busy" and frame.get("who"):
            text += " " + clean(frame["who"])
        sys.stderr.write(f"\r\n{text}\r\n")
        sys.stderr.flush()
