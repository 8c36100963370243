"""The reader of a guest's console: its thread, its terminal, and what there is to say when there is no console."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from tuinova.client import ApiError, ClientError, ConsoleClosed
from tuinova.console.terminal import Terminal
from tuinova.i18n import _
from tuinova.text import clean

_SLICE = 8192  # bytes fed under the lock at once: the painter never waits long
_AGAIN = 3.0  # seconds after which a refused console is asked for again without a hint of the feed
_UNSENT = 4096  # bytes that are kept while a connection is changed for another


class ConsoleLine:
    """Feeds a `Terminal` from the service until it is stopped; reconnects by itself.

    `wake()` is called in the reader's thread whenever there is something to paint. `guard` guards the terminal.
    `mute`: nothing is ever sent, not even an answer to the guest's questions about its terminal.
    `state`: connecting, on, off, busy, none (refused, `reason` says why), gone (no service).
    """

    def __init__(self, client: Any, server_id: str, wake: Callable[[], None], *, mute: bool = False) -> None:
        self.terminal = Terminal()
        self.guard = threading.Lock()
        self.state = "connecting"
        self.reason = ""
        self.holder = ""
        self.domain = ""
        self.connection_name = ""
        self.answers_wanted = False
        self.mute = mute
        self._client = client
        self._server_id = server_id
        self._wake = wake
        self._console: Any = None
        self._stop = threading.Event()
        self._again = threading.Event()
        self._moving = threading.Event()
        self._typing = threading.Lock()
        self._unsent = bytearray()  # guarded by `_typing`, as is the end of a move
        self._thread = threading.Thread(target=self._run, name=f"console-{server_id[:8]}", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Let go of the console; the thread ends by itself."""
        self._stop.set()
        self._again.set()
        console = self._console
        if console is not None:
            console.close()

    def retry(self) -> None:
        """The server changed, or somebody asks: try now."""
        self._again.set()

    def reconnect(self) -> None:
        """The guest is on another host: come again, so that what is said of the connection is true.

        What is typed meanwhile reaches the guest afterwards.
        """
        console = self._console
        if console is not None and not self._moving.is_set():
            self._moving.set()
            # Closing can wait a second for the other side.
            threading.Thread(target=console.close, name="console-close", daemon=True).start()

    def send(self, data: bytes) -> bool:
        """Type bytes; False when there is no connection."""
        with self._typing:
            if self._moving.is_set():
                self._unsent += data[: _UNSENT - len(self._unsent)]
                return True
        console = self._console
        if console is None or not data or self.mute:
            return False
        try:
            console.send(data)
        except ClientError:
            return False
        return True

    def take_over(self) -> None:
        """Take the console from the program that holds it."""
        console = self._console
        if console is not None and not self.mute:
            console.command({"cmd": "takeover"})

    def resize(self, rows: int, columns: int) -> None:
        """The pane's size."""
        with self.guard:
            self.terminal.resize(rows, columns)

    # the reader's thread ---------------------------------------------------------------------------------------------
    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                console = self._client.console(self._server_id)
            except ApiError as error:
                self._moved()
                self._say("none", error.message)
            except ClientError as error:
                self._moved()
                self._say("gone", str(error))
            else:
                self._console = console
                self.domain, self.connection_name = console.domain, console.connection_name
                self.send(self._moved())
                self._read(console)
                self._console = None
                console.close()
            if not self._stop.is_set() and not self._moving.is_set():
                self._again.wait(_AGAIN)
                self._again.clear()

    def _moved(self) -> bytes:
        """The move is over; what was typed meanwhile."""
        with self._typing:
            self._moving.clear()
            data, self._unsent = bytes(self._unsent), bytearray()
        return data

    def _say(self, state: str, reason: str = "") -> None:
        self.state, self.reason = state, reason
        self._wake()

    def _read(self, console: Any) -> None:
        """Until the connection is over."""
        fresh = True
        while not self._stop.is_set():
            try:
                frame = console.recv()
            except ConsoleClosed as error:
                if self.state not in ("none", "gone") and not self._moving.is_set():
                    self._say("gone", str(error))
                return
            if isinstance(frame, bytes):
                if fresh:
                    # A new connection begins with the ring's past: the old picture would double it.
                    self._clear()
                    fresh = False
                self._feed(frame)
            else:
                self._event(frame)

    def _clear(self) -> None:
        with self.guard:
            old = self.terminal
            self.terminal = Terminal(old.rows, old.columns)

    def _feed(self, data: bytes) -> None:
        for start in range(0, len(data), _SLICE):
            with self.guard:
                self.terminal.feed(data[start : start + _SLICE])
                answers = self.terminal.take_answers()
            if answers and self.answers_wanted:
                self.send(answers)
        self._wake()

    def _event(self, frame: dict[str, Any]) -> None:
        event = str(frame.get("event", ""))
        if event in ("on", "off", "connecting"):
            self._say(event, clean(frame.get("reason", "")))
        elif event == "busy":
            self.holder = clean(frame.get("who", ""))
            self._say("busy")
        elif event == "service-stopping":
            self._say("gone", _("The service is stopping."))
        elif event == "too-slow":
            self._say("connecting", _("This pane fell behind; it starts anew."))
            self._again.set()
        elif event == "error":
            self._say("error", clean(frame.get("reason", "")))
