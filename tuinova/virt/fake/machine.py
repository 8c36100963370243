"""The machine under a fake guest: what power, time and typing do to its record and its console log.

Every function runs under the guest's lock and leaves the saving of the record to its caller.
"""

from __future__ import annotations

from tuinova.core.states import PowerState
from tuinova.virt.driver import LifecycleEvent
from tuinova.virt.fake.record import GuestRecord
from tuinova.virt.fake.shell import type_in
from tuinova.virt.fake.store import KEPT_BOOTS, GuestStore

Events = list[LifecycleEvent]
_WAITING_NMIS = 1  # a CPU remembers one
_NMI_LINES = (
    "Uhhuh. NMI received for unknown reason 30 on CPU 0.",
    "Dazed and confused, but trying to continue",
)


def start(store: GuestStore, record: GuestRecord, now: float, domain_id: int) -> Events:
    """A new domain boots: new log, new memory."""
    if record.domain_id is not None:
        set_log_apart(store, record, now)
    # Never one that it had: an open console knows by the id that its domain is gone.
    record.domain_id, record.saved = max(domain_id, (record.domain_id or 0) + 1), False
    record.migrating = None
    record.run(now)
    record.reset(now)
    return [LifecycleEvent.STARTED]


def set_log_apart(store: GuestStore, record: GuestRecord, now: float) -> None:
    """The boot that is over: its log becomes a file, or a note that makes one when somebody asks for it."""
    if record.logged:
        flush(store, record, now)
        keep_earlier(store, record)
        store.rotate_log(record.uuid, record.domain_id)
        record.logged = False
    else:
        entry = (record.domain_id or 0, record.lines_due(now), record.pending)
        record.earlier = [*record.earlier[1 - KEPT_BOOTS :], entry]


def keep_earlier(store: GuestStore, record: GuestRecord) -> None:
    """Write the logs of boots that nobody has looked at until now."""
    for boot, lines, pending in record.earlier:
        store.write_boot(record.uuid, boot, record.boot_text(0, lines) + pending.encode())
    record.earlier = []


def stop(record: GuestRecord, now: float) -> Events:
    """The domain is gone; its clock stands, so what it said stays known. Nothing when it was off already."""
    if not record.is_active:
        return []
    record.halt(now, PowerState.SHUTDOWN)
    record.forget_memory()
    record.down_at, record.down_then = None, "off"
    return [LifecycleEvent.STOPPED]


def go_on(store: GuestStore, record: GuestRecord, now: float) -> Events:
    """The CPUs of a paused guest run again, and hear of the interrupts that waited for them."""
    record.run(now)
    for _ in range(record.nmis):
        interrupt(store, record, now)
    record.nmis = 0
    return [LifecycleEvent.RESUMED]


def interrupt(store: GuestStore, record: GuestRecord, now: float) -> None:
    """A non-maskable interrupt: a running guest's kernel says so on its console, a paused one's will."""
    if record.state != PowerState.RUNNING:
        record.nmis = min(record.nmis + 1, _WAITING_NMIS)
        return
    flush(store, record, now)
    stamp = f"[{record.clock(now) - record.boot_at:12.6f}] "
    text = "".join(f"{stamp}{line}\r\n" for line in _NMI_LINES)
    store.append_log(record.uuid, text.encode())
    record.logged = True


def save_memory(record: GuestRecord, now: float) -> Events:
    """Managed save: off, with its memory (terminal, variables, a boot in progress) kept."""
    if not record.is_active:
        return []
    record.halt(now, PowerState.SHUTDOWN)
    record.saved = True
    return [LifecycleEvent.STOPPED]


def restore(record: GuestRecord, now: float, domain_id: int) -> Events:
    """Go on from the saved memory, in a new domain with the same log."""
    record.domain_id, record.saved = max(domain_id, (record.domain_id or 0) + 1), False
    record.run(now)
    return [LifecycleEvent.STARTED]


def flush(store: GuestStore, record: GuestRecord, now: float) -> bool:
    """Bring the console log up to date, because somebody looks; True when there was something."""
    data = record.unlogged(now)
    if data:
        store.append_log(record.uuid, data)
        record.logged = True
    return bool(data)


def press_power_button(record: GuestRecord, now: float, shutdown_seconds: float) -> bool:
    """ACPI: a guest that obeys will be off in a while; False when nobody listens."""
    if record.state != PowerState.RUNNING or record.ignore_acpi:
        return False
    if record.down_at is None:
        record.down_at, record.down_then = now + shutdown_seconds, "off"
    return True


def reset(store: GuestStore, record: GuestRecord, now: float) -> None:
    """The reset line: the same domain, the same log and console, a new boot."""
    flush(store, record, now)
    record.reset(now)


def settle(store: GuestStore, record: GuestRecord, now: float) -> Events:
    """Let happen what was due until now: the end of a shutdown."""
    if record.state != PowerState.RUNNING or record.down_at is None or now < record.down_at:
        return []
    if record.down_then == "reset":
        reset(store, record, now)
        return []
    if record.is_up(now):
        record.pending += "\r\nThe system is going down NOW!\r\nreboot: Power down\r\n"
    return stop(record, now)


def typed(store: GuestStore, record: GuestRecord, data: bytes, now: float, shutdown_seconds: float) -> int:
    """Bytes on the serial line: echo, login, commands; returns how many bytes the guest printed.

    A paused guest and one that still boots let them go by, as a getty that starts does.
    """
    if record.state != PowerState.RUNNING or not record.is_up(now) or record.down_at is not None:
        return 0
    flush(store, record, now)
    reaction = type_in(record, data, record.clock(now) - record.boot_at)
    output = "".join(reaction.output).encode(errors="replace")
    if output:
        store.append_log(record.uuid, output)
    if reaction.power:
        record.down_at, record.down_then = now + shutdown_seconds, reaction.power
    return len(output)
