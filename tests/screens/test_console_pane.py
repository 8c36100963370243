"""The pane shows what the guest prints, sends what is typed, and says why when there is nothing to show."""

from __future__ import annotations

import queue
import threading
import time
from typing import Any

import pytest
from textual import events
from textual.app import App, ComposeResult
from textual.signal import Signal
from textual.widgets import Static

from tests.screens.fake_client import server_view
from tuinova.client import ApiError, ConsoleClosed
from tuinova.screens.settings import Settings
from tuinova.screens.themes import DARK, DEFAULT_VARIABLES, themes
from tuinova.screens.widgets.bars import Bar
from tuinova.screens.widgets.console_keys import encode, encode_paste, key_label
from tuinova.screens.widgets.console_line import ConsoleLine
from tuinova.screens.widgets.console_pane import ConsolePane

VM = server_view(1, "vm1")


class FakeConsole:
    """One viewer's connection: frames that a test puts in, bytes that were typed."""

    domain, connection_name, log_size = "instance-00000001", "qemu:///system", 0

    def __init__(self) -> None:
        self.frames: queue.Queue[Any] = queue.Queue()
        self.typed = bytearray()
        self.commands: list[dict[str, Any]] = []

    def recv(self, timeout: float | None = None) -> Any:
        frame = self.frames.get()
        if frame is None:
            raise ConsoleClosed("The console's connection is closed.")
        return frame

    def send(self, data: bytes) -> None:
        self.typed += data

    def command(self, command: dict[str, Any]) -> None:
        self.commands.append(command)

    def close(self) -> None:
        self.frames.put(None)


class FakeClient:
    """`console()` gives the next of `answers`: a console or an error; `servers.send_keys` is recorded."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.keys: list[Any] = []
        self.servers = self

    def console(self, server_id: str) -> Any:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def send_keys(self, ident: str, keys: list[str]) -> None:
        self.keys.append((ident, keys))


class PaneApp(App[None]):
    """An application with nothing but the pane, and what the pane asks of ours."""

    CSS_PATH = None

    def __init__(self, client: FakeClient, row: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.client = client
        self.settings = Settings()
        self.read_only = False
        self.feed_changes: Signal[Any] = Signal(self, "feed-changes")
        self.servers = type("Rows", (), {"rows": {VM["id"]: row or VM}})()
        for theme in themes():
            self.register_theme(theme)
        self.theme = DARK

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return DEFAULT_VARIABLES

    def compose(self) -> ComposeResult:
        yield ConsolePane(self.client, VM["id"])

    @property
    def pane(self) -> ConsolePane:
        return self.query_one(ConsolePane)

    def picture(self) -> str:
        view = self.pane.view
        return "\n".join(view.render_line(y).text.rstrip() for y in range(view.size.height))


async def settle(pilot: Any, condition: Any) -> None:
    """Until it is so; the last assertion of a test says what was missing."""
    for _ in range(200):
        if condition():
            return
        await pilot.pause(0.02)


async def test_guest_output_is_drawn_and_typing_reaches_the_guest() -> None:
    console = FakeConsole()
    app = PaneApp(FakeClient(console))
    async with app.run_test(size=(80, 24)) as pilot:
        app.pane.focus()
        console.frames.put({"event": "on"})
        console.frames.put(b"Welcome\r\n\x1b[31mvm1 login:\x1b[0m ")
        await settle(pilot, lambda: "vm1 login:" in app.picture())
        assert "vm1 login:" in app.picture()
        await pilot.press("c", "i", "space", "up", "ctrl+c", "enter")
        assert bytes(console.typed) == b"ci \x1b[A\x03\r"


async def test_the_detach_key_makes_keys_commands_again() -> None:
    console = FakeConsole()
    client = FakeClient(console)
    app = PaneApp(client)
    async with app.run_test(size=(80, 24)) as pilot:
        app.pane.focus()
        console.frames.put({"event": "on"})
        await settle(pilot, lambda: app.pane._line is not None and app.pane._line.state == "on")
        await pilot.press("ctrl+right_square_bracket", "d")
        await settle(pilot, lambda: bool(client.keys))
        assert client.keys == [(VM["id"], ["ctrl", "alt", "delete"])]
        assert console.typed == b""
        await pilot.press("enter", "x")
        assert bytes(console.typed) == b"x"


async def test_the_guest_cannot_reach_the_operator_s_terminal() -> None:
    console = FakeConsole()
    app = PaneApp(FakeClient(console))
    async with app.run_test(size=(80, 24)) as pilot:
        console.frames.put({"event": "on"})
        console.frames.put(b"a\x1b]52;c;aGk=\x07b\x1b]0;owned\x07c[/bold]")
        await settle(pilot, lambda: "abc" in app.picture())
        assert "abc[/bold]" in app.picture()
        strips = [app.pane.view.render_line(y) for y in range(5)]
        assert "\x1b" not in "".join(segment.text for strip in strips for segment in strip)


async def test_a_reboot_s_end_of_file_is_not_an_error_and_output_goes_on() -> None:
    console = FakeConsole()
    app = PaneApp(FakeClient(console))
    async with app.run_test(size=(80, 24)) as pilot:
        console.frames.put({"event": "on"})
        console.frames.put(b"first boot\r\n")
        console.frames.put({"event": "off"})
        await settle(pilot, lambda: "guest is off" in app.picture())
        assert "The guest is off" in app.picture()
        console.frames.put({"event": "on"})
        console.frames.put(b"second boot\r\n")
        await settle(pilot, lambda: "second boot" in app.picture())
        assert "first boot" in app.picture()
        assert "The guest is off" not in app.picture()


@pytest.mark.parametrize(
    ("vm_state", "sentence"),
    [("suspended", "Resume it"), ("building", "is being built"), ("shelved_offloaded", "Unshelve it")],
)
async def test_a_refused_console_says_why_and_what_to_do(vm_state: str, sentence: str) -> None:
    client = FakeClient(ApiError(409, "There is no console.", "req-1"))
    app = PaneApp(client, server_view(1, "vm1", vm_state))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, lambda: sentence in app.picture())
        assert sentence in app.picture()


async def test_a_console_held_elsewhere_is_taken_over_only_when_asked() -> None:
    console = FakeConsole()
    app = PaneApp(FakeClient(console))
    async with app.run_test(size=(100, 24)) as pilot:
        app.pane.focus()
        console.frames.put({"event": "busy", "who": "virsh"})
        await settle(pilot, lambda: "virsh" in app.picture())
        assert "takes it over" in app.picture()
        assert console.commands == []
        await pilot.press("ctrl+right_square_bracket", "t")
        assert console.commands == [{"cmd": "takeover"}]


async def test_full_screen_gives_the_pane_the_whole_screen_and_back() -> None:
    class Framed(PaneApp):
        def compose(self) -> ComposeResult:
            yield Static("above the pane")
            yield from super().compose()

    app = Framed(FakeClient(FakeConsole()))
    async with app.run_test(size=(80, 24)) as pilot:
        app.pane.focus()
        await pilot.press("ctrl+right_square_bracket", "f")
        assert app.pane.region.size == app.size
        await pilot.press("f")
        assert app.pane.region.height == app.size.height - 1
        await pilot.press("f", "escape")
        assert app.pane.region.height == app.size.height - 1


async def test_a_read_only_pane_never_types_and_takes_nothing_over() -> None:
    console = FakeConsole()
    client = FakeClient(console)
    app = PaneApp(client)
    app.read_only = True
    async with app.run_test(size=(80, 24)) as pilot:
        app.pane.focus()
        console.frames.put({"event": "on"})
        console.frames.put(b"\x1b[6nlogin: ")
        await settle(pilot, lambda: "login:" in app.picture())
        await pilot.press("a", "enter", "d", "z", "t", "ctrl+right_square_bracket", "b", "enter")
        app.pane.view.post_message(events.Paste("pasted"))
        console.frames.put({"event": "busy", "who": "virsh"})
        await settle(pilot, lambda: "virsh" in app.picture())
        await pilot.press("t")
        await pilot.pause()
        assert console.typed == b""
        assert console.commands == []
        assert client.keys == []
        await pilot.press("slash", *"log")
        assert len(app.pane.view.matches) == 1


async def test_scrolling_back_keeps_the_place_while_the_guest_prints() -> None:
    console = FakeConsole()
    app = PaneApp(FakeClient(console))
    async with app.run_test(size=(80, 24)) as pilot:
        console.frames.put({"event": "on"})
        console.frames.put(b"".join(b"line %d\r\n" % number for number in range(100)))
        await settle(pilot, lambda: "line 99" in app.picture())
        app.pane.view.scroll_lines(30)
        seen = app.picture().splitlines()[0]
        console.frames.put(b"more\r\n" * 5)
        await settle(pilot, lambda: app.pane.view.back == 35)
        assert app.picture().splitlines()[0] == seen


async def test_search_finds_older_matches() -> None:
    console = FakeConsole()
    app = PaneApp(FakeClient(console))
    async with app.run_test(size=(80, 24)) as pilot:
        app.pane.focus()
        console.frames.put({"event": "on"})
        console.frames.put(b"".join(b"row %d\r\n" % number for number in range(60)) + b"needle one\r\n" + b"x\r\n" * 60)
        await settle(pilot, lambda: app.picture().endswith("x") or "x" in app.picture())
        await pilot.press("ctrl+right_square_bracket", "slash", *"needle", "enter")
        assert "needle one" in app.picture()


async def test_only_a_focused_pane_answers_the_guest_s_terminal_queries() -> None:
    console = FakeConsole()
    app = PaneApp(FakeClient(console))
    async with app.run_test(size=(80, 24)) as pilot:
        app.set_focus(None)
        await pilot.pause()
        console.frames.put({"event": "on"})
        console.frames.put(b"\x1b[6nseen")
        await settle(pilot, lambda: "seen" in app.picture())
        assert console.typed == b""
        app.pane.focus()
        await pilot.pause()
        console.frames.put(b"\x1b[6nagain")
        await settle(pilot, lambda: bool(console.typed))
        assert console.typed.startswith(b"\x1b[")
        assert console.typed.endswith(b"R")


def test_keys_are_what_xterm_sends() -> None:
    assert encode("up", None, True) == b"\x1bOA"
    assert encode("ctrl+left", None, False) == b"\x1b[1;5D"
    assert encode("alt+b", None, False) == b"\x1bb"
    assert encode("f5", None, False) == b"\x1b[15~"
    assert encode("ctrl+right_square_bracket", None, False) == b"\x1d"
    assert encode("é", "é", False) == "é".encode()
    assert encode("volume_up", None, False) == b""
    assert key_label("ctrl+right_square_bracket") == "^]"


def test_a_paste_cannot_end_its_bracket() -> None:
    assert encode_paste("a\nb\x1b[201~rm", True) == b"\x1b[200~a\rb[201~rm\x1b[201~"


def title(app: PaneApp) -> str:
    """The pane's first line."""
    return app.pane.query(".console-title").first(Bar).render_line(0).text


async def test_the_pane_follows_its_guest_to_another_host_without_a_key_and_names_the_host() -> None:
    first, second = FakeConsole(), FakeConsole()
    second.connection_name = "qemu+tls://kvm-host-2/system"
    app = PaneApp(FakeClient(first, second))
    async with app.run_test(size=(120, 24)) as pilot:
        app.pane.focus()
        first.frames.put({"event": "on"})
        first.frames.put(b"before\r\n")
        await settle(pilot, lambda: "before" in app.picture())
        assert "kvm-host-1 · qemu:///system" in title(app)
        first.frames.put({"event": "off"})  # the source's end of the stream
        await settle(pilot, lambda: app.pane._line.state == "off")
        app.servers.rows[VM["id"]] = {**VM, "host": "kvm-host-2"}
        app.feed_changes.publish([{"kind": "server", "key": VM["id"], "op": "update"}])
        second.frames.put(b"before\r\nafter\r\n")
        second.frames.put({"event": "on"})
        await settle(pilot, lambda: "after" in app.picture())
        await settle(pilot, lambda: "kvm-host-2 · qemu+tls" in title(app))
        assert app.picture().count("before") == 1
        await pilot.press("x")
        await settle(pilot, lambda: second.typed)
        assert second.typed == b"x"


def test_what_is_typed_while_the_connection_changes_reaches_the_guest_afterwards() -> None:
    first, second = FakeConsole(), FakeConsole()
    gate = threading.Event()

    class SlowClient(FakeClient):
        def console(self, server_id: str) -> Any:
            if len(self.answers) == 1:
                gate.wait(10)
            return super().console(server_id)

    told = threading.Event()
    line = ConsoleLine(SlowClient(first, second), VM["id"], told.set)
    line.start()
    first.frames.put({"event": "on"})
    assert told.wait(10)
    line.reconnect()
    assert line.send(b"ls\r")
    gate.set()
    deadline = time.monotonic() + 10
    while not second.typed and time.monotonic() < deadline:
        time.sleep(0.01)
    line.stop()
    assert (bytes(first.typed), bytes(second.typed)) == (b"", b"ls\r")
