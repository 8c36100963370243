"""What `console attach` says of the stream itself."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tuinova.cli.console import _Attachment


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
    attachment.was_off, attachment.done = False, threading.Event()
    attachment._show(frame)
    assert text in capsys.readouterr().err
