"""Following one server through the change feed, and typing at its console, as a client of the service does."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from typing import Any

from tuinova.client import Client
from tuinova.client.errors import StreamEnded

PASSWORD = "gocubsgo"
_PROMPT = b"$ "
_NOISE = re.compile(rb"\x1b\[[0-9;?]*[a-zA-Z]")


class Walk:
    """The states that servers go through, in order, each once where it repeats."""

    def __init__(self, client: Client) -> None:
        self._states: dict[str, list[tuple[str, str | None]]] = {}
        self._stream = client.changes(None)
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        with contextlib.suppress(StreamEnded):  # the service was stopped or killed
            for batch in self._stream:
                for change in batch:
                    self._note(change)

    def _note(self, change: dict[str, Any]) -> None:
        view = change["view"]
        if change["kind"] == "server" and view:
            states = self._states.setdefault(change["key"], [])
            state = (view["vm_state"], view["task_state"])
            if not states or states[-1] != state:
                states.append(state)

    def tasks(self, uuid: str) -> list[str]:
        """The tasks since the last call."""
        states = self._states.get(uuid, [])
        count = len(states)
        found = [task for _, task in states[:count] if task]
        del states[:count]
        return [task for place, task in enumerate(found) if not place or found[place - 1] != task]

    def close(self) -> None:
        """Follow no more."""
        self._stream.close()
        self._thread.join(5)


class Shell:
    """A shell on the serial console of the demo guest."""

    def __init__(self, client: Client, uuid: str) -> None:
        self._console = client.console(uuid)
        self.seen = b""
        self._read = 0

    def __enter__(self) -> Shell:
        return self

    def __exit__(self, *exc: object) -> None:
        self._console.close()

    def expect(self, *wanted: bytes, seconds: float = 90) -> bytes:
        """What the guest says from where the last call ended up to the first of `wanted`; returns that one."""
        deadline = time.monotonic() + seconds
        while True:
            text = _NOISE.sub(b"", self.seen)
            found = [(place, one) for one in wanted if (place := text.find(one, self._read)) >= 0]
            if found:
                place, one = min(found)
                self.text, self._read = text[self._read : place], place + len(one)
                return one
            left = deadline - time.monotonic()
            assert left > 0, f"none of {wanted} came; the last was {text[-500:]!r}"
            try:
                frame: Any = self._console.recv(min(left, 1.0))
            except TimeoutError:
                continue
            if isinstance(frame, bytes):
                self.seen += frame

    def forget(self) -> None:
        """What was said so far is not looked at any more."""
        self.expect_quiet()
        self._read = len(_NOISE.sub(b"", self.seen))

    def expect_quiet(self, seconds: float = 0.5) -> None:
        """Until nothing comes for a while."""
        while True:
            try:
                frame: Any = self._console.recv(seconds)
            except TimeoutError:
                return
            if isinstance(frame, bytes):
                self.seen += frame

    def send(self, line: str) -> None:
        """Type a line."""
        self._console.send(line.encode() + b"\r")

    def log_in(self, password: str = PASSWORD, user: str = "cirros", prompt: bytes = _PROMPT) -> None:
        """From the prompt, or from a shell that is open already."""
        self.forget()
        self.send("")
        if self.expect(b"login: ", prompt) == b"login: ":
            self.send(user)
            self.expect(b"assword: ")
            # login(1) asks first and then throws away what was typed before its echo is off.
            time.sleep(0.5)
            self.send(password)
            self.expect(prompt)

    def run(self, command: str, seconds: float = 60) -> str:
        """The output of a command."""
        self.forget()
        self.send(f"{command}; echo do''ne")
        self.expect(b"do''ne", seconds=seconds)
        self.expect(b"done", seconds=seconds)
        output = self.text
        self.expect(_PROMPT)
        return output.replace(b"\r", b"").strip().decode(errors="replace")
