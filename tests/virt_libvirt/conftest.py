"""What the driver's tests share: a console that remembers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from tuinova.virt.driver import ConsoleSink


class Recorder(ConsoleSink):
    """Keeps every byte; `wait_for` blocks until a text has come."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.ended: list[str | None] = []
        self._news = threading.Condition()

    def data(self, chunk: bytes) -> None:
        with self._news:
            self.received += chunk
            self._news.notify_all()

    def end(self, error: str | None) -> None:
        with self._news:
            self.ended.append(error)
            self._news.notify_all()

    def wait_for(self, text: bytes, seconds: float = 90, after: int = 0) -> int:
        """The position behind `text`, looked for from position `after`."""
        with self._news:
            arrived = self._news.wait_for(lambda: text in self.received[after:], seconds)
            assert arrived, f"{text!r} did not come; the end of what came: {bytes(self.received[-300:])!r}"
            return self.received.index(text, after) + len(text)

    def wait_for_end(self, seconds: float = 30) -> str | None:
        with self._news:
            assert self._news.wait_for(lambda: bool(self.ended), seconds), "the stream did not end"
            return self.ended[0]


def wait_until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Return when `condition` holds; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.05)
