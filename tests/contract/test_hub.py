"""The console hub on every driver: what a viewer sees is the console log, to the byte, over power off and on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tuinova.console.hub import ConsoleHub, HubOptions, Viewer


@pytest.fixture
async def hub(env: Any) -> AsyncIterator[ConsoleHub]:
    hub = ConsoleHub(
        env.driver.open_console,
        read_log=env.driver.console_output,
        power_of=lambda uuid: env.driver.guest_info(uuid).state,
        options=HubOptions(retry=60),
    )
    yield hub
    await hub.stop()


async def until(viewer: Viewer, wanted: bytes | str, data: bytes = b"") -> bytes:
    """Read up to these bytes anywhere in what the guest says, or up to this event; `data` was read before."""
    if isinstance(wanted, bytes) and wanted in data:
        return data
    async for frame in viewer:
        if isinstance(frame, bytes):
            data += frame
            if isinstance(wanted, bytes) and wanted in data:
                return data
        elif frame["event"] == wanted:
            return data
    raise AssertionError(f"{wanted!r} never came: {data[-300:]!r}, {viewer.closed_because}")


async def call(function: Callable[..., Any], *arguments: Any) -> Any:
    return await asyncio.get_running_loop().run_in_executor(None, function, *arguments)


async def test_a_viewer_sees_the_log_to_the_byte(env: Any, hub: ConsoleHub) -> None:
    guest = await call(env.spawn)
    early = await hub.attach(guest.uuid)
    middle_text = await asyncio.wait_for(until(early, b"Linux version"), 3 * env.grace)
    late = await hub.attach(guest.uuid)
    early_text = await asyncio.wait_for(until(early, b" login: ", middle_text), 3 * env.grace)
    late_text = await asyncio.wait_for(until(late, b" login: "), 3 * env.grace)
    end = early_text.rindex(b" login: ")
    assert late_text[: late_text.rindex(b" login: ")] == early_text[:end]
    await call(env.wait_for_login, guest)  # the log may be a moment behind the stream
    log = env.driver.console_output(guest.uuid)
    assert log[: log.rindex(b" login: ")] == early_text[:end]


async def test_viewers_stay_over_power_off_and_on(env: Any, hub: ConsoleHub) -> None:
    guest = await call(env.spawn)
    viewer = await hub.attach(guest.uuid)
    await asyncio.wait_for(until(viewer, b" login: "), 3 * env.grace)
    await call(env.driver.power_off, guest.uuid, 0, 0)
    await asyncio.wait_for(until(viewer, "off"), env.grace)
    await call(env.driver.power_on, guest)
    hub.guest_started(guest.uuid)
    await asyncio.wait_for(until(viewer, b"Linux version"), 3 * env.grace)
    await call(env.driver.destroy, guest)
    await asyncio.wait_for(until(viewer, "off"), env.grace)
