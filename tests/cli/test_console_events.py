"""What `console attach` says of the stream itself."""

from __future__ import annotations

import os
import queue
import sys
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from tuinova.cli.console import _Attachment
from tuinova.client import ClientError


class Stream:
    """A console that says these frames."""

    def __init__(self, *frames: bytes | dict[str, Any]) -> None:
        self.frames = list(frames)

    def recv(self) -> bytes | dict[str, Any]:
        return self.frames.pop(0)


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        ({"event": "error", "reason": "libvirtd\x1b[2J is gone"}, "libvirtd\\x1b[2J is gone"),
        ({"event": "off"}, "the guest is off"),
        ({"event": "busy", "who": "virsh"}, "another program holds this console: --takeover takes it] virsh"),
        ({"event": "unsent", "bytes": 3}, "not sent"),
        ({"event": "too-slow", "waiting_bytes": 3}, "too slow"),
    ],
)
def test_an_event_is_said_in_a_sentence(capsys: pytest.CaptureFixture[str], frame: dict[str, Any], text: str) -> None:
    attachment: Any = object.__new__(_Attachment)
    attachment.was_off, attachment.done, attachment.known = False, threading.Event(), threading.Event()
    attachment._show(frame)
    assert text in capsys.readouterr().err


def test_piped_input_waits_for_the_guest_s_console(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service drops what comes before the console is connected: a script's first words were lost."""
    frames: queue.Queue[Any] = queue.Queue()
    sent: list[bytes] = []

    def recv() -> Any:
        frame = frames.get()
        if frame is None:
            raise ClientError("closed")
        return frame

    def send(data: bytes) -> None:
        sent.append(data)
        frames.put(None)

    read, write = os.pipe()
    os.write(write, b"cirros\n")
    os.close(write)
    with os.fdopen(read) as piped:
        monkeypatch.setattr(sys, "stdin", piped)
        attachment = _Attachment(SimpleNamespace(recv=recv, send=send), b"\x1d")  # type: ignore[arg-type]
        runner = threading.Thread(target=attachment.run)
        runner.start()
        frames.put({"event": "connecting"})
        runner.join(0.2)
        assert sent == []
        frames.put({"event": "on"})
        runner.join(10)
    assert sent == [b"cirros\n"]
