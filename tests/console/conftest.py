"""A hypervisor of one guest whose every byte the test says."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable

import pytest

from tuinova.console.hub import ConsoleHub, HubOptions
from tuinova.core.states import PowerState
from tuinova.virt.driver import ConsoleBusy, ConsoleSink, ConsoleStream, DriverError

QUICK = HubOptions(linger=0.05, retry=0.05)


class ScriptedStream(ConsoleStream):
    def __init__(self, guest: ScriptedGuest, sink: ConsoleSink) -> None:
        self.guest, self.sink, self.is_closed = guest, sink, False

    def write(self, data: bytes) -> None:
        if self.guest.stream is not self:
            raise DriverError(reason="over")
        self.guest.typed += data

    def close(self) -> None:
        self.is_closed = True
        if self.guest.stream is self:
            self.guest.stream = None


class ScriptedGuest:
    """Say things with `say`, from any thread; `power` and `holder` decide how an open goes."""

    def __init__(self) -> None:
        self.power = PowerState.RUNNING
        self.log = b""
        self.typed = b""
        self.holder: str | None = None
        self.failure: str | Exception | None = None
        self.stream: ScriptedStream | None = None
        self.opens = 0
        self.gate = threading.Event()
        self.gate.set()

    def open_console(self, uuid: str, sink: ConsoleSink, *, force: bool = False) -> ConsoleStream:
        self.opens += 1
        self.gate.wait(5)
        if isinstance(self.failure, Exception):
            raise self.failure
        if self.failure is not None:
            raise DriverError(reason=self.failure)
        if self.power is PowerState.SHUTDOWN:
            raise DriverError(reason="domain is not running")
        if self.holder is not None and not force:
            raise ConsoleBusy(uuid=uuid, who=self.holder)
        self.holder = None
        self.stream = ScriptedStream(self, sink)
        return self.stream

    def read_log(self, uuid: str) -> bytes:
        return self.log

    def power_of(self, uuid: str) -> PowerState:
        return self.power

    def say(self, data: bytes, *, logged: bool = True) -> None:
        if logged:
            self.log += data
        if self.stream is not None:
            self.stream.sink.data(data)

    def off(self, error: str | None = None) -> None:
        if error is None:
            self.power = PowerState.SHUTDOWN
        stream, self.stream = self.stream, None
        if stream is not None:
            stream.sink.end(error)

    def on(self, log: bytes = b"") -> None:
        self.power, self.log = PowerState.RUNNING, log


@pytest.fixture
def guest() -> ScriptedGuest:
    return ScriptedGuest()


@pytest.fixture
async def make_hub(guest: ScriptedGuest) -> AsyncIterator[Callable[..., ConsoleHub]]:
    made: list[ConsoleHub] = []

    def make(options: HubOptions = QUICK) -> ConsoleHub:
        hub = ConsoleHub(guest.open_console, read_log=guest.read_log, power_of=guest.power_of, options=options)
        made.append(hub)
        return hub

    yield make
    for hub in made:
        await hub.stop()


@pytest.fixture
def hub(make_hub: Callable[..., ConsoleHub]) -> ConsoleHub:
    return make_hub()
