"""One stream a guest, many viewers: nobody loses a byte, nobody waits for another."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from tuinova.console.hub import ConsoleHub, HubOptions, Viewer

UUID = "6a0d2b1e-7b8c-4b67-9d7a-3f1f5c0e4a11"


async def events(viewer: Viewer, *wanted: str) -> tuple[list[dict[str, Any]], bytes]:
    """Read frames until the events named have come, in this order; (all events, all bytes)."""
    left, found, data = list(wanted), [], b""
    async for frame in viewer:
        if isinstance(frame, bytes):
            data += frame
            continue
        found.append(frame)
        if left and frame["event"] == left[0]:
            left.pop(0)
        if not left:
            break
    assert not left, f"{left} never came: {found}"
    return found, data


async def read(viewer: Viewer, until: bytes) -> bytes:
    """Read guest bytes until they end so; events in between are not looked at."""
    data = b""
    async for frame in viewer:
        if isinstance(frame, bytes):
            data += frame
            if data.endswith(until):
                break
    return data


async def test_what_came_before_anybody_looked_is_shown_first(hub: ConsoleHub, guest: Any) -> None:
    guest.log = b"Linux version 6.1\r\nlogin: "
    viewer = await hub.attach(UUID)
    found, data = await events(viewer, "on")
    assert data == b"Linux version 6.1\r\nlogin: "
    assert [event["event"] for event in found] == ["connecting", "on"]


async def test_two_viewers_share_one_stream_and_see_the_same_bytes(hub: ConsoleHub, guest: Any) -> None:
    first, second = await hub.attach(UUID), await hub.attach(UUID)
    await events(first, "on")
    await events(second, "on")
    guest.say(b"hello")
    assert await read(first, b"hello") == b"hello"
    assert await read(second, b"hello") == b"hello"
    assert guest.opens == 1


async def test_a_late_viewer_gets_the_ring_and_then_the_rest(hub: ConsoleHub, guest: Any) -> None:
    first = await hub.attach(UUID)
    await events(first, "on")
    guest.say(b"early ")
    await read(first, b"early ")
    late = await hub.attach(UUID)
    _, data = await events(late, "on")
    assert data == b"early "
    guest.say(b"later")
    assert await read(late, b"later") == b"later"


async def test_the_ring_is_bounded(make_hub: Callable[..., ConsoleHub], guest: Any) -> None:
    hub = make_hub(HubOptions(ring=1000, linger=0.05, retry=0.05))
    first = await hub.attach(UUID)
    await events(first, "on")
    guest.say(b"x" * 5000 + b"END")
    await read(first, b"END")
    late = await hub.attach(UUID)
    _, data = await events(late, "on")
    assert data == b"x" * 997 + b"END"


async def test_many_small_writes_of_a_guest_become_few_frames(hub: ConsoleHub, guest: Any) -> None:
    viewer = await hub.attach(UUID)
    await events(viewer, "on")

    def chatter() -> None:
        for number in range(5000):
            guest.say(b"%07d " % number)
        guest.say(b"END")

    thread = threading.Thread(target=chatter)
    thread.start()
    frames, data = 0, b""
    async for frame in viewer:
        assert isinstance(frame, bytes)
        frames, data = frames + 1, data + frame
        if data.endswith(b"END"):
            break
    thread.join()
    assert data == b"".join(b"%07d " % number for number in range(5000)) + b"END"
    assert frames < 1000


async def test_a_slow_viewer_is_closed_with_a_reason_and_costs_the_others_nothing(
    make_hub: Callable[..., ConsoleHub], guest: Any
) -> None:
    hub = make_hub(HubOptions(queue=100_000, ring=1000, linger=0.05, retry=0.05))
    slow, good = await hub.attach(UUID), await hub.attach(UUID)
    await events(slow, "on")
    await events(good, "on")
    received = b""
    for number in range(40):
        block = bytes([65 + number % 26]) * 9_999 + b"\n"
        guest.say(block)
        received += await read(good, b"\n")
    assert len(received) == 400_000
    frames = [frame async for frame in slow]
    assert frames[-1]["event"] == "too-slow"  # type: ignore[index,call-overload]
    assert slow.closed_because == "too-slow"
    assert slow.backlog == 0


async def test_what_a_viewer_types_reaches_the_guest_in_order(hub: ConsoleHub, guest: Any) -> None:
    viewer = await hub.attach(UUID)
    await events(viewer, "on")
    paste = b"".join(b"%06d\n" % number for number in range(30_000))
    await viewer.send(paste)
    await viewer.send(b"END")
    while not guest.typed.endswith(b"END"):
        await asyncio.sleep(0.005)
    assert guest.typed == paste + b"END"


async def test_power_off_is_an_event_and_a_start_attaches_again(hub: ConsoleHub, guest: Any) -> None:
    viewer = await hub.attach(UUID)
    await events(viewer, "on")
    guest.say(b"Power down\r\n")
    guest.off()
    _, data = await events(viewer, "off")
    assert data == b"Power down\r\n"
    guest.on(b"Linux version again\r\n")
    threading.Thread(target=hub.guest_started, args=(UUID,)).start()
    _, data = await events(viewer, "on")
    assert data == b"Linux version again\r\n"


async def test_a_start_that_is_told_before_the_old_stream_ended_attaches_too(
    make_hub: Callable[..., ConsoleHub], guest: Any
) -> None:
    hub = make_hub(HubOptions(retry=60))
    viewer = await hub.attach(UUID)
    await events(viewer, "on")
    old = guest.stream
    assert old is not None
    guest.on(b"second boot")
    hub.guest_started(UUID)
    await asyncio.sleep(0.01)
    old.sink.end(None)
    _, data = await events(viewer, "off", "on")
    assert data == b"second boot"


async def test_typing_to_a_guest_that_is_off_is_told(hub: ConsoleHub, guest: Any) -> None:
    guest.off()
    viewer = await hub.attach(UUID)
    await events(viewer, "off")
    await viewer.send(b"ls\r")
    found, _ = await events(viewer, "unsent")
    assert found[-1] == {"event": "unsent", "bytes": 3}
    assert guest.typed == b""


async def test_a_guest_that_starts_unannounced_is_found_by_trying_again(hub: ConsoleHub, guest: Any) -> None:
    guest.off()
    viewer = await hub.attach(UUID)
    await events(viewer, "off")
    guest.on(b"boot")
    _, data = await events(viewer, "on")
    assert data == b"boot"


async def test_a_console_that_is_held_is_taken_over_only_when_asked(hub: ConsoleHub, guest: Any) -> None:
    guest.holder = "virsh"
    viewer = await hub.attach(UUID)
    found, _ = await events(viewer, "busy")
    assert found[-1] == {"event": "busy", "who": "virsh"}
    await asyncio.sleep(0.12)  # it was tried again, without force
    assert guest.opens > 1
    assert guest.holder == "virsh"
    await viewer.send({"cmd": "takeover"})
    await events(viewer, "on")
    assert guest.holder is None


async def test_a_takeover_asked_while_a_try_is_on_its_way_is_not_forgotten(
    make_hub: Callable[..., ConsoleHub], guest: Any
) -> None:
    hub = make_hub(HubOptions(retry=60))
    guest.holder = "virsh"
    guest.gate.clear()
    viewer = await hub.attach(UUID)
    await asyncio.sleep(0.01)
    await viewer.send({"cmd": "takeover"})
    guest.gate.set()
    await events(viewer, "on")


async def test_being_evicted_is_an_error_and_then_busy(hub: ConsoleHub, guest: Any) -> None:
    viewer = await hub.attach(UUID)
    await events(viewer, "on")
    guest.holder = "virsh"
    guest.off("I/O error")
    found, _ = await events(viewer, "error", "busy")
    assert found[0] == {"event": "error", "reason": "I/O error"}


async def test_after_a_break_only_what_was_missed_is_shown(hub: ConsoleHub, guest: Any) -> None:
    viewer = await hub.attach(UUID)
    await events(viewer, "on")
    guest.say(b"seen line\r\n")
    await read(viewer, b"seen line\r\n")
    guest.failure = "connection lost"
    guest.off("connection lost")
    await events(viewer, "error")
    guest.log += b"missed line\r\n"
    guest.failure = None
    _, data = await events(viewer, "on")
    assert data == b"missed line\r\n"


async def test_the_stream_is_kept_a_little_after_the_last_viewer_and_then_closed(hub: ConsoleHub, guest: Any) -> None:
    viewer = await hub.attach(UUID)
    await events(viewer, "on")
    viewer.close()
    stream = guest.stream
    assert stream is not None
    assert not stream.is_closed
    again = await hub.attach(UUID)
    await asyncio.sleep(0.1)
    assert not stream.is_closed
    again.close()
    while not stream.is_closed:
        await asyncio.sleep(0.01)
    assert hub.open_consoles == 0


async def test_a_viewer_that_leaves_while_the_console_opens_leaves_nothing_open(hub: ConsoleHub, guest: Any) -> None:
    guest.gate.clear()
    viewer = await hub.attach(UUID)
    viewer.close()
    await asyncio.sleep(0.1)
    guest.gate.set()
    while guest.stream is not None or hub.open_consoles:
        await asyncio.sleep(0.01)


async def test_a_stop_tells_every_viewer_and_closes_the_streams(hub: ConsoleHub, guest: Any) -> None:
    first, second = await hub.attach(UUID), await hub.attach(UUID)
    await events(first, "on")
    await events(second, "on")
    stream = guest.stream
    await hub.stop()
    for viewer in (first, second):
        frames = [frame async for frame in viewer]
        assert frames[-1] == {"event": "service-stopping"}
    assert stream is not None
    assert stream.is_closed
    late = await hub.attach(UUID)
    assert [frame async for frame in late] == [{"event": "service-stopping"}]


async def test_a_stop_while_a_console_is_being_opened_leaves_nothing_open(hub: ConsoleHub, guest: Any) -> None:
    guest.gate.clear()
    await hub.attach(UUID)
    await asyncio.sleep(0.01)
    stopping = asyncio.create_task(hub.stop())
    await asyncio.sleep(0.01)
    guest.gate.set()
    await stopping
    assert guest.opens == 1
    assert guest.stream is None


async def test_a_fault_of_ours_is_told_and_tried_again(hub: ConsoleHub, guest: Any) -> None:
    guest.failure = KeyError("slot")
    viewer = await hub.attach(UUID)
    found, _ = await events(viewer, "error")
    assert found[-1]["reason"] == "KeyError: 'slot'"
    guest.failure = None
    await events(viewer, "on")


async def test_commands_that_nobody_knows_are_answered_and_a_resize_is_not_sent_on(hub: ConsoleHub, guest: Any) -> None:
    viewer = await hub.attach(UUID)
    await events(viewer, "on")
    await viewer.send({"cmd": "resize", "rows": 24, "cols": 80})
    await viewer.send({"cmd": "\x1b]0;x\x07"})
    found, _ = await events(viewer, "error")
    assert found[-1]["reason"] == "unknown command '\\x1b]0;x\\x07'"
    assert guest.typed == b""


async def test_another_failure_is_an_error_with_its_reason(hub: ConsoleHub, guest: Any) -> None:
    guest.failure = "Failed to connect socket to virtlogd"
    viewer = await hub.attach(UUID)
    found, _ = await events(viewer, "error")
    assert found[-1]["reason"] == "Failed to connect socket to virtlogd"
