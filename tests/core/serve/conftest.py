"""Services as processes, each in a state directory of its own; whatever a test leaves is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

START_SECONDS = 60  # what a start may take on a machine that does other things


class Place:
    """A state directory, and the services that run in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.socket = directory / "run" / "api.sock"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("TUINOVA_", "OS_"))},
            "TUINOVA_STATE_DIR": str(directory),
            "TUINOVA_TUINOVA_DRIVER": "fake",
            "TUINOVA_TUINOVA_FAKE_BOOT_SECONDS": "0",
        }
        self.url = f"unix://{self.socket}"
        self._started: list[subprocess.Popen[str]] = []

    def serve(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a service directly."""
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tuinova.core.serve", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment,
            text=True,
        )
        self._started.append(process)
        return process

    def ready(self, *arguments: str) -> subprocess.Popen[str]:
        """Start one and wait for its line."""
        process = self.serve(*arguments)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line == "ready\n", process.communicate()[1]
        return process

    def python(self, code: str) -> subprocess.Popen[str]:
        """A client as a process of its own."""
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment,
            text=True,
        )
        self._started.append(process)
        return process

    def holder(self) -> int | None:
        """The pid in the lock file, while that process lives."""
        try:
            pid = int((self.directory / "serve.lock").read_text())
            os.kill(pid, 0)
        except (OSError, ValueError):
            return None
        return pid if not _is_zombie(pid) else None

    def wait_until(self, condition: Callable[[], bool], seconds: float = START_SECONDS) -> None:
        """Look again until it is so."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "it did not happen"
            time.sleep(0.02)

    def clean_up(self) -> None:
        if (pid := self.holder()) is not None:
            os.kill(pid, signal.SIGKILL)
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate()


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path / "s")
    yield made
    made.clean_up()
