"""The TUI on a real pseudo-terminal: from process start, or from a key press, to the bytes that reach the terminal."""

from __future__ import annotations

import fcntl
import itertools
import os
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from pathlib import Path
from typing import Any

CHILD = Path(__file__).with_name("_tui_child.py")
ROWS, COLUMNS = 40, 120
QUIET = 0.03  # seconds without bytes: the frame is complete
FRAME_GAP = 0.004  # seconds between reads of different frames
Row = dict[str, Any]


class Terminal:
    """A child on a pseudo-terminal; every read is kept with its time."""

    def __init__(self, *arguments: object, state: str) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "TUINOVA_STATE_DIR": state}
        environment.pop("NO_COLOR", None)
        self.stamp = Path(state, "stamp")
        environment["BENCH_STAMP"] = str(self.stamp)
        self.reads: list[tuple[float, bytes]] = []
        self.started = time.monotonic()
        command = [sys.executable, str(CHILD), *map(str, arguments)]
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
        )
        os.close(slave)
        self._over = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while not self._over:
            ready, _w, _x = select.select([self.master], [], [], 0.1)
            if ready:
                try:
                    data = os.read(self.master, 1 << 16)
                except OSError:
                    return
                self.reads.append((time.monotonic(), data))

    def wait_for(self, text: bytes, seconds: float = 30.0) -> float:
        """Seconds from the start of the process until the text was on the terminal."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            seen = b""
            for moment, data in list(self.reads):
                seen = seen[-64:] + data
                if text in seen:
                    return moment - self.started
            time.sleep(0.002)
        raise TimeoutError(f"{text!r} was not shown; the last bytes: {b''.join(d for _t, d in self.reads)[-300:]!r}")

    def settle(self, quiet: float = 0.4, longest: float = 10.0) -> None:
        """Wait until nothing is drawn any more."""
        deadline = time.monotonic() + longest
        while time.monotonic() < deadline:
            last = self.reads[-1][0] if self.reads else self.started
            if time.monotonic() - last > quiet:
                return
            time.sleep(0.01)

    def press(self, key: bytes, *, first: bool = False) -> float:
        """Seconds from the key to the last byte of the first frame that it drew, or to the first byte."""
        before = len(self.reads)
        sent = time.monotonic()
        os.write(self.master, key)
        while len(self.reads) == before:
            if time.monotonic() - sent > 2:
                return 2.0
            time.sleep(0.0005)
        if first:
            return self.reads[before][0] - sent
        while time.monotonic() - self.reads[-1][0] < QUIET:
            time.sleep(0.002)
        moments = [moment for moment, _data in self.reads[before:]]
        ends = [one for one, after in itertools.pairwise(moments) if after - one > FRAME_GAP]
        return (ends[0] if ends else moments[-1]) - sent

    def frames(self, seconds: float) -> float:
        """Frames a second: reads that belong together count once."""
        before = len(self.reads)
        time.sleep(seconds)
        moments = [moment for moment, _data in self.reads[before:]]
        return sum(later - earlier > FRAME_GAP for earlier, later in itertools.pairwise(moments)) / seconds

    def memory(self) -> float:
        """Resident megabytes."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
        return 0.0

    def close(self) -> None:
        """End the child."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(3)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._over = True
        self._reader.join(1)
        os.close(self.master)


def p95(values: list[float]) -> float:
    """The 95th percentile."""
    return sorted(values)[max(0, round(len(values) * 0.95) - 1)]


def until(text: bytes, *arguments: object, runs: int = 5, from_data: bool = False) -> float:
    """The median of seconds from process start, or from the moment the data had come, to this text."""
    times = []
    for _run in range(runs):
        with tempfile.TemporaryDirectory() as state:
            terminal = Terminal(*arguments, state=state)
            try:
                shown = terminal.wait_for(text)
                if from_data:
                    shown += terminal.started - float(terminal.stamp.read_text())
                times.append(shown)
            finally:
                terminal.close()
    return statistics.median(times)


def keys(terminal: Terminal, count: int) -> list[float]:
    """Key to paint, in milliseconds, over moves that redraw two lines and moves that redraw all."""
    times = []
    for number in range(count):
        times.append(terminal.press(b"\x1b[6~" if number % 4 == 3 else b"\x1b[B") * 1000)
        time.sleep(0.01)
    return times


def start_rows() -> list[Row]:
    """First frame, a thousand rows, and their peers."""
    bare = until(b"first-frame", "bare")
    first = until(b"Instances", "ours", 0, 0)
    thousand = until(b"srv-00999", "ours", 1000, 0)
    note = f"bare Textual {bare:.3f} s in this run"
    return [
        {"name": "tui: first frame, process start", "value": first, "unit": "s", "budget": 0.25, "note": note},
        {"name": "tui: 1,000 servers visible", "value": thousand, "unit": "s", "budget": 0.5, "note": note},
    ]


def big_rows() -> list[Row]:
    """Ten thousand rows: from data to paint, key to paint, memory; beside a DataTable."""
    ours = until(b"srv-09999", "ours", 10_000, 0, runs=3, from_data=True)
    bare = until(b"first-frame", "bare", runs=3)
    table = until(b"srv-09999", "datatable", 10_000, runs=1)
    rows = [
        {
            "name": "tui: 10,000 rows visible after their bytes came",
            "value": ours,
            "unit": "s",
            "budget": 0.3,
            "note": f"parsing JSON is in it; DataTable {table - bare:.2f} s without",
        }
    ]
    with tempfile.TemporaryDirectory() as state:
        terminal, peer = Terminal("ours", 10_000, 0, state=state), Terminal("datatable", 10_000, state=state)
        try:
            terminal.wait_for(b"srv-09999")
            terminal.settle()
            times = keys(terminal, 60)
            peer.wait_for(b"srv-09999")
            peer.settle()
            others = keys(peer, 30)
        finally:
            terminal.close()
            peer.close()
    rows.append(
        {
            "name": "tui: key to paint, 10,000 rows, p95",
            "value": p95(times),
            "unit": "ms",
            "budget": 20,
            "note": f"median {statistics.median(times):.1f}; DataTable p95 {p95(others):.1f} ms",
        }
    )
    return rows


def busy_rows() -> list[Row]:
    """Five hundred changes a second."""
    with tempfile.TemporaryDirectory() as state:
        terminal = Terminal("ours", 10_000, 500, state=state)
        try:
            terminal.wait_for(b"srv-09999")
            time.sleep(1)
            frames = terminal.frames(4)
            times = [terminal.press(b"\x1b[B", first=True) * 1000 for _one in range(40)]
        finally:
            terminal.close()
    return [
        {
            "name": "tui: frames a second, 500 changes/s, 10,000 rows",
            "value": frames,
            "unit": "/s",
            "budget": 20,
            "higher_is_better": True,
            "note": f"first bytes after a key p95 {p95(times):.1f} ms",
        }
    ]


def memory_rows() -> list[Row]:
    """Resident memory with a thousand servers."""
    with tempfile.TemporaryDirectory() as state:
        terminal, peer = Terminal("ours", 1000, 0, state=state), Terminal("bare", state=state)
        try:
            terminal.wait_for(b"srv-00999")
            terminal.settle()
            peer.wait_for(b"first-frame")
            ours, bare = terminal.memory(), peer.memory()
        finally:
            terminal.close()
            peer.close()
    return [
        {
            "name": "tui: memory with 1,000 servers",
            "value": ours,
            "unit": "MB",
            "budget": 70,
            "note": f"bare Textual {bare:.0f} MB",
        }
    ]


def measure() -> list[Row]:
    """All of it."""
    return [*start_rows(), *big_rows(), *busy_rows(), *memory_rows()]
