"""A shell in the demo guest, by its serial line."""

from __future__ import annotations

import itertools

from tests.lab.guests import PASSWORD, USER
from tests.serial_text import without_kernel_lines
from tests.virt_libvirt.conftest import Recorder, wait_until
from tuinova.virt.libvirt.driver import LibvirtDriver


class GuestShell:
    """Commands are run as root, one after another."""

    _marks = itertools.count()

    def __init__(self, driver: LibvirtDriver, uuid: str) -> None:
        wait_until(lambda: b"login:" in driver.console_output(uuid), 120)
        self._console = Recorder()
        self._stream = driver.open_console(uuid, self._console)
        self._stream.write(b"\r")
        self._console.wait_for(b"login:")
        self._stream.write(USER + b"\r")
        self._console.wait_for(b"Password:")
        self._stream.write(PASSWORD + b"\r")
        prompt = self._console.wait_for(b"$ ")
        self._stream.write(b"exec sudo sh\r")
        self._console.wait_for(b"$ ", after=prompt)
        self._stream.write(b"stty -echo; PS1=''\r")
        self.run("true")

    def run(self, command: str, seconds: float = 60) -> str:
        """What it prints, both outputs."""
        mark = f"done-{next(self._marks)}"
        before = len(self._console.received)
        # In two parts, so that an echo of the line does not look like its end.
        self._stream.write(f"( {command} ) 2>&1; echo {mark[:3]}''{mark[3:]}\r".encode())
        end = self._console.wait_for(f"{mark}\r\n".encode(), seconds, before)
        text = without_kernel_lines(bytes(self._console.received[before:end]))
        return text.decode(errors="replace").replace("\r", "").rpartition(mark)[0]

    def succeeds(self, command: str, seconds: float = 60) -> bool:
        """Whether it ends well."""
        return self.run(f"{command} >/dev/null && echo y''es || echo n''o", seconds).strip().endswith("yes")

    def close(self) -> None:
        """Let go of the console."""
        self._stream.close()
