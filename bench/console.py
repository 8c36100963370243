"""The serial console: coloured text through hub and terminal, bytes lost, keys to echo, and a real guest's UART.

Hub, source and terminal share one process here (in the product the terminal is the client's), so the throughput is a
lower bound; both it and pyte alone, on the same text in the same run, are by CPU time. The guest's UART is read raw,
through the hub, and raw again; without a libvirt of our own that part is left out and the note says so.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import pyte

from tests.lab import LabError
from tuinova.console.hub import ConsoleHub, Viewer
from tuinova.console.terminal import Terminal
from tuinova.core.states import PowerState
from tuinova.virt.driver import ComputeDriver, ConsoleSink, ConsoleStream, GuestSpec

ROWS, COLUMNS = 40, 120
SLICE = 8192
BYTES = 4_000_000
PYTE_BYTES = 1_000_000
AHEAD = 1_000_000  # bytes that the synthetic guest may be ahead of its slowest viewer
UART_LINES = 20_000
Row = dict[str, Any]


def coloured_text(size: int) -> bytes:
    """What a busy boot looks like: words in changing colours, lines of about a screen's width."""
    dice = random.Random(1)
    words = ("systemd[1]:", "Started", "Reached target", "[  OK  ]", "0123456789abcdef", "failed", "kernel:")
    lines = []
    while size > 0:
        line = "".join(f"\x1b[{dice.choice(('31', '32', '1;33', '38;5;208'))}m{dice.choice(words)} " for _ in range(6))
        lines.append(line + "\x1b[0m\r\n")
        size -= len(lines[-1])
    return "".join(lines).encode()


class _Stream(ConsoleStream):
    def write(self, data: bytes) -> None:
        """Nobody reads."""

    def close(self) -> None:
        """Nothing is open."""


class _Source:
    """A guest that says `text` as fast as its viewers take it."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self.viewers: list[Viewer] = []
        self.go = threading.Event()

    def open_console(self, uuid: str, sink: ConsoleSink, *, force: bool = False) -> ConsoleStream:
        threading.Thread(target=self._talk, args=(sink,), daemon=True).start()
        return _Stream()

    def _talk(self, sink: ConsoleSink) -> None:
        self.go.wait()
        for start in range(0, len(self._text), SLICE):
            while max(viewer.backlog for viewer in self.viewers) > AHEAD:
                time.sleep(0.001)
            sink.data(self._text[start : start + SLICE])


async def _through_hub(text: bytes) -> tuple[float, int]:
    """Seconds of CPU, all threads, for one viewer's terminal to draw it; bytes missing or wrong in both viewers."""
    source = _Source(text)
    hub = ConsoleHub(source.open_console)
    drawn, silent = await hub.attach("guest"), await hub.attach("guest")
    source.viewers += [drawn, silent]
    terminal = Terminal(ROWS, COLUMNS)
    received: dict[Viewer, bytearray] = {drawn: bytearray(), silent: bytearray()}

    async def view(viewer: Viewer) -> None:
        painted = time.perf_counter()
        async for frame in viewer:
            if isinstance(frame, dict):
                continue
            received[viewer] += frame
            if viewer is drawn:
                terminal.feed(frame)
                if time.perf_counter() - painted > 1 / 30:
                    painted = time.perf_counter()
                    for y in terminal.take_dirty():
                        terminal.line(y)
            if len(received[viewer]) >= len(text):
                return

    started = time.process_time()
    source.go.set()
    await asyncio.gather(view(drawn), view(silent))
    seconds = time.process_time() - started
    await hub.stop()
    lost = sum(len(text) - len(data) if len(data) != len(text) else int(data != text) for data in received.values())
    return seconds, lost


def _rate(feed: Any, text: bytes) -> float:
    """Megabytes a second of CPU time."""
    started = time.process_time()
    for start in range(0, len(text), SLICE):
        feed(text[start : start + SLICE])
    return len(text) / 1e6 / (time.process_time() - started)


def _synthetic() -> list[Row]:
    text = coloured_text(BYTES)
    alone = _rate(pyte.ByteStream(pyte.Screen(COLUMNS, ROWS)).feed, text[:PYTE_BYTES])
    terminal = _rate(Terminal(ROWS, COLUMNS).feed, text)
    seconds, lost = asyncio.run(_through_hub(text))
    return [
        {
            "name": "console: coloured text through hub and terminal",
            "value": len(text) / 1e6 / seconds,
            "unit": "MB/s",
            "budget": 0.8,
            "higher_is_better": True,
            "peer": f"pyte alone {alone:.2f}",
        },
        {
            "name": "console: terminal alone",
            "value": terminal,
            "unit": "MB/s",
            "budget": 0.8,
            "higher_is_better": True,
            "peer": f"pyte alone {alone:.2f}",
        },
        {"name": "console: bytes lost, synthetic, two viewers", "value": lost, "unit": "bytes", "budget": 0},
    ]


# key to echo ---------------------------------------------------------------------------------------------------------
async def _echo_times(driver: ComputeDriver, uuid: str, rounds: int) -> list[float]:
    """Milliseconds from a key to its echo in a viewer."""
    hub = ConsoleHub(driver.open_console, read_log=driver.console_output)
    viewer = await hub.attach(uuid)
    times = []
    async for frame in viewer:
        if isinstance(frame, dict) and frame["event"] == "on":
            break
    for number in range(rounds):
        key = b"%d" % (number % 10)
        started = time.perf_counter()
        await viewer.send(key)
        async for frame in viewer:
            if isinstance(frame, bytes) and key in frame:
                break
        times.append((time.perf_counter() - started) * 1000)
        await asyncio.sleep(0.01)
    await hub.stop()
    return times


def _echo() -> list[Row]:
    from tuinova.virt.fake import FakeDriver, FakeOptions

    with tempfile.TemporaryDirectory() as directory:
        driver = FakeDriver(host="bench", path=Path(directory), options=FakeOptions(boot_seconds=0))
        identity = "6a0d2b1e-7b8c-4b67-9d7a-3f1f5c0e4a11"
        names = ("instance-00000001", "vm1", "vm1", "p", "u", "demo", "demo", "m1.micro")
        driver.spawn(GuestSpec(identity, *names, 128, 1, 1, 0, 0, {}, None))
        times = asyncio.run(_echo_times(driver, identity, 100))
        driver.close()
    return [
        {
            "name": "console: key to echo through the hub (fake guest), p95",
            "value": statistics.quantiles(times, n=20)[-1],
            "unit": "ms",
            "note": f"median {statistics.median(times):.1f}",
        }
    ]


# a real guest --------------------------------------------------------------------------------------------------------
class _Raw(ConsoleSink):
    """One reader without anything in between."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.changed = threading.Condition()

    def data(self, chunk: bytes) -> None:
        with self.changed:
            self.received += chunk
            self.changed.notify_all()

    def end(self, error: str | None) -> None:
        with self.changed:
            self.changed.notify_all()

    def expect(self, wanted: bytes, seconds: float = 120.0) -> bytes:
        """All up to `wanted`, taken out."""
        with self.changed:
            if not self.changed.wait_for(lambda: wanted in self.received, seconds):
                raise LabError(f"the guest never said {wanted!r}, but {bytes(self.received[-200:])!r}")
            place = self.received.find(wanted) + len(wanted)
            taken = bytes(self.received[:place])
            del self.received[:place]
            return taken


def _expected() -> bytes:
    return b"".join(b"%d\r\n" % number for number in range(1, UART_LINES + 1))


def _log_in(driver: ComputeDriver, uuid: str) -> None:
    raw = _Raw()
    stream = driver.open_console(uuid, raw)
    for typed, answer in ((b"\r", b"login: "), (b"cirros\r", b"assword: "), (b"gocubsgo\r", b"$ ")):
        stream.write(typed)
        raw.expect(answer)
    stream.close()


def _raw_rate(driver: ComputeDriver, uuid: str) -> float:
    raw = _Raw()
    stream = driver.open_console(uuid, raw)
    stream.write(b"seq 1 %d\r" % UART_LINES)
    raw.expect(b"\n")
    started = time.perf_counter()
    size = len(raw.expect(b"$ "))
    seconds = time.perf_counter() - started
    stream.close()
    return size / 1e3 / seconds


async def _hub_rate(driver: ComputeDriver, uuid: str) -> tuple[float, int]:
    hub = ConsoleHub(driver.open_console, read_log=None, power_of=lambda guest: PowerState.RUNNING)
    viewers = [await hub.attach(uuid), await hub.attach(uuid)]
    terminals = [Terminal(ROWS, COLUMNS) for _ in viewers]
    wrong = 0

    async def view(number: int) -> float:
        nonlocal wrong
        data, started = bytearray(), 0.0
        async for frame in viewers[number]:
            if isinstance(frame, dict):
                if frame["event"] == "on" and number == 0:
                    await viewers[0].send(b"seq 1 %d\r" % UART_LINES)
                continue
            started = started or time.perf_counter()
            data += frame
            terminals[number].feed(frame)
            if data.endswith((b"$ ", b"$ \x1b[6n")):
                break
        seconds = time.perf_counter() - started
        wrong += 0 if _expected() in data else len(_expected())
        return len(data) / 1e3 / seconds

    rates = await asyncio.gather(view(0), view(1))
    await hub.stop()
    return min(rates), wrong


def _real() -> list[Row]:
    from tests.lab import PrivateLibvirt
    from tests.lab.guests import demo_image, guest_spec, nic
    from tuinova.virt.libvirt.driver import LibvirtDriver

    with PrivateLibvirt() as lab:
        driver = LibvirtDriver(host="bench", uri=lab.uri, instances_path=lab.instances)
        driver.init_host(lambda *_: None, lambda *_: None)
        guest = guest_spec(demo_image(), nics=[nic(10)])
        driver.spawn(guest)
        give_up = time.monotonic() + 120
        while b" login: " not in driver.console_output(guest.uuid) and time.monotonic() < give_up:
            time.sleep(0.1)
        _log_in(driver, guest.uuid)
        raw = [_raw_rate(driver, guest.uuid)]
        hub, wrong = asyncio.run(_hub_rate(driver, guest.uuid))
        raw.append(_raw_rate(driver, guest.uuid))
        driver.destroy(guest)
        driver.close()
    return [
        {
            "name": "console: a real guest's UART to two viewers with terminals",
            "value": hub,
            "unit": "kB/s",
            "budget": 0.9 * min(raw),
            "higher_is_better": True,
            "peer": f"one raw reader {raw[0]:.0f}, {raw[1]:.0f}",
        },
        {"name": "console: bytes lost, real guest, two viewers", "value": wrong, "unit": "bytes", "budget": 0},
    ]


def measure() -> list[Row]:
    """All of the console's rows."""
    rows = _synthetic() + _echo()
    try:
        return rows + _real()
    except (LabError, ImportError) as error:
        return [*rows, {"name": "console: a real guest's UART", "value": None, "unit": "", "note": str(error)}]
