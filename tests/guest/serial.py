"""Drives a guest's serial console: wait for a pattern, type a line, run a command and read its output and exit code."""

import os
import re
import select
import socket
import time
from itertools import count

from tests.serial_text import without_kernel_lines

_CONTROL = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]|\r")


class ConsoleError(AssertionError):
    """The console did not show what was expected; the message ends with what it did show."""


class Serial:
    """One serial line: a connected socket or the descriptor of a pty."""

    def __init__(self, line: socket.socket | int) -> None:
        """Take over the line; `text` keeps everything that it ever said."""
        self._line = line
        self._numbers = count(1)
        self.text = b""
        self._read_to = 0

    @classmethod
    def connect(cls, path: str | os.PathLike[str], timeout: float = 10) -> "Serial":
        """Connect to QEMU's `-serial unix:PATH,server=on,wait=off` as soon as it listens."""
        end = time.monotonic() + timeout
        while True:
            line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                line.connect(os.fspath(path))
                return cls(line)
            except OSError:
                line.close()
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)

    def close(self) -> None:
        """Let go of the line."""
        if isinstance(self._line, int):
            os.close(self._line)
        else:
            self._line.close()

    def send(self, text: str) -> None:
        """Type a text; a line ends with \\n."""
        data = text.replace("\n", "\r").encode()
        # A guest's receive buffer is 16 bytes and nobody slows the sender down.
        for at in range(0, len(data), 8):
            chunk = data[at : at + 8]
            if isinstance(self._line, int):
                os.write(self._line, chunk)
            else:
                self._line.sendall(chunk)
            time.sleep(0.002)

    def expect(self, pattern: str, timeout: float = 120) -> "re.Match[bytes]":
        """Wait until the text not yet expected matches, and go on behind the match."""
        wanted = re.compile(pattern.encode(), re.MULTILINE)
        end = time.monotonic() + timeout
        while True:
            found = wanted.search(self.text, self._read_to)
            if found:
                self._read_to = found.end()
                return found
            left = end - time.monotonic()
            if left <= 0 or not self._receive(left):
                why = f"within {timeout} s" if left <= 0 else "before the line was closed"
                shown = self.text[self._read_to :][-3000:].decode(errors="replace")
                raise ConsoleError(f"no match for {pattern!r} {why}; the console showed:\n{shown}")

    def _receive(self, timeout: float) -> bool:
        readable, _, _ = select.select([self._line], [], [], timeout)
        if not readable:
            return True
        try:
            data = os.read(self._line, 65536) if isinstance(self._line, int) else self._line.recv(65536)
        except OSError:
            return False
        self.text += data
        return bool(data)

    def login(self, user: str = "cirros", password: str = "gocubsgo", timeout: float = 120) -> None:
        """Wait for the login prompt and log in."""
        self.expect(r"login: ", timeout)
        self.send(user + "\n")
        self.expect("Password: ", 20)
        self.send(password + "\n")
        self.expect(r"[$#] ", 20)

    def run(self, command: str, timeout: float = 30) -> tuple[int, str]:
        """Run a shell command on a logged-in line; return its exit code and output."""
        number = next(self._numbers)
        # The echo of the command must not look like the marks, hence the empty quotes.
        self.send(f"echo be''gin{number}; {command}; echo e''nd{number} $?\n")
        self.expect(rf"begin{number}\r?\n", timeout)
        start = self._read_to
        found = self.expect(rf"end{number} (\d+)\r?\n", timeout)
        output = _CONTROL.sub(b"", without_kernel_lines(self.text[start : found.start()]))
        return int(found.group(1)), output.decode(errors="replace").strip("\n")


def expect(line: socket.socket | int, pattern: str, timeout: float = 60) -> str:
    """Read a raw line until the pattern comes; return everything read."""
    serial = Serial(line)
    serial.expect(pattern, timeout)
    return serial.text.decode(errors="replace")
