"""Power states, and switching a domain off and on (nova/virt/libvirt/driver.py _clean_shutdown, _destroy, reboot)."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

import libvirt

from tuinova.core.errors import (
    InstanceNotRunning,
    InstancePowerOffFailure,
    InstancePowerOnFailure,
    TriggerCrashDumpNotSupported,
)
from tuinova.core.states import PowerState
from tuinova.virt.libvirt.errors import connection_broken, words

LOG = logging.getLogger(__name__)

POWER_STATES = {
    libvirt.VIR_DOMAIN_NOSTATE: PowerState.NOSTATE,
    libvirt.VIR_DOMAIN_RUNNING: PowerState.RUNNING,
    libvirt.VIR_DOMAIN_BLOCKED: PowerState.RUNNING,
    libvirt.VIR_DOMAIN_PAUSED: PowerState.PAUSED,
    libvirt.VIR_DOMAIN_SHUTDOWN: PowerState.SHUTDOWN,
    libvirt.VIR_DOMAIN_SHUTOFF: PowerState.SHUTDOWN,
    libvirt.VIR_DOMAIN_CRASHED: PowerState.CRASHED,
    libvirt.VIR_DOMAIN_PMSUSPENDED: PowerState.SUSPENDED,
}
_INCOMING_REASONS = frozenset({libvirt.VIR_DOMAIN_PAUSED_MIGRATION, libvirt.VIR_DOMAIN_PAUSED_STARTING_UP})
_OFF = frozenset({PowerState.SHUTDOWN, PowerState.CRASHED})
POLL = 0.1  # seconds; a state costs libvirt 0.1 ms
DESTROY_TRIES = 3
UNDEFINE = libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM


def state_of(domain: libvirt.virDomain) -> PowerState:
    """Nova's power state."""
    return POWER_STATES.get(domain.state()[0], PowerState.NOSTATE)


def is_incoming(domain: libvirt.virDomain) -> bool:
    """Whether this is not a guest yet but what waits for one that comes from another host."""
    state, reason = domain.state()
    return bool(state == libvirt.VIR_DOMAIN_PAUSED and reason in _INCOMING_REASONS and not domain.isPersistent())


def has_migrated(domain: libvirt.virDomain) -> bool:
    """Whether this is only the definition of a guest that runs on another host."""
    state, reason = domain.state()
    return bool(state == libvirt.VIR_DOMAIN_SHUTOFF and reason == libvirt.VIR_DOMAIN_SHUTOFF_MIGRATED)


def is_leaving(domain: libvirt.virDomain) -> bool:
    """Whether its memory is at another host and only libvirt's own affairs are open here."""
    state, reason = domain.state()
    moves = (libvirt.VIR_DOMAIN_PAUSED_MIGRATION, libvirt.VIR_DOMAIN_PAUSED_POSTCOPY)
    return has_migrated(domain) or (state == libvirt.VIR_DOMAIN_PAUSED and reason in moves)


def may_be_incoming(stats: Mapping[str, Any], domain: libvirt.virDomain) -> bool:
    """The same from statistics: for hundreds of guests nobody wants to ask each."""
    state, reason = stats.get("state.state"), stats.get("state.reason")
    if state != libvirt.VIR_DOMAIN_PAUSED or reason not in _INCOMING_REASONS:
        return False
    try:
        return is_incoming(domain)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return True  # the move was given up meanwhile
        raise


def domain_id(domain: libvirt.virDomain) -> int | None:
    """libvirt's number of this run of the guest, asked anew (the object keeps an old one), None when it is off."""
    number = domain.connect().lookupByUUID(domain.UUID()).ID()
    return None if number < 0 else number


def shut_down(domain: libvirt.virDomain, timeout: int, retry_interval: int) -> bool:
    """Press the power button, again every `retry_interval` s; True when the guest went off within `timeout` s."""
    if state_of(domain) in _OFF:
        return True
    started = time.monotonic()
    next_press = started
    while (now := time.monotonic()) < started + timeout:
        if now >= next_press:
            _press(domain)
            next_press += max(1, retry_interval)
        if state_of(domain) in _OFF:
            return True
        time.sleep(POLL)
    return state_of(domain) in _OFF


def _press(domain: libvirt.virDomain) -> None:
    try:
        domain.shutdown()
    except libvirt.libvirtError as error:
        if connection_broken(error):
            raise
        # Going off at this moment, or paused: the next round or the forced end decides.
        LOG.debug("shutdown: %s", words(error))


def force_off(domain: libvirt.virDomain, uuid: str) -> None:
    """Pull the plug; off or gone already is fine. Somebody who starts it again meanwhile loses."""
    for _ in range(DESTROY_TRIES):
        try:
            domain.destroy()
        except libvirt.libvirtError as error:
            code = error.get_error_code()
            if code == libvirt.VIR_ERR_NO_DOMAIN:
                return
            if code == libvirt.VIR_ERR_OPERATION_TIMEOUT or code != libvirt.VIR_ERR_OPERATION_INVALID:
                if connection_broken(error):
                    raise
                raise InstancePowerOffFailure(reason=words(error)) from error
        if _off_or_gone(domain):
            return
    raise InstancePowerOffFailure(reason=f"guest {uuid} is running again")


def _off_or_gone(domain: libvirt.virDomain) -> bool:
    try:
        return state_of(domain) in _OFF
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return True
        raise


def undefine(domain: libvirt.virDomain) -> None:
    """Forget the definition with saved memory and NVRAM; gone already is fine."""
    try:
        domain.undefineFlags(UNDEFINE)
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
            raise


def start(domain: libvirt.virDomain, timeout: int) -> None:
    """Start (from saved memory when there is some) and wait until it runs."""
    domain.createWithFlags(0)
    wait_running(domain, timeout)


def wait_running(domain: libvirt.virDomain, timeout: int) -> None:
    """Return when the guest runs; raises InstancePowerOnFailure when it went off or takes longer than `timeout` s."""
    deadline = time.monotonic() + timeout
    while (state := state_of(domain)) != PowerState.RUNNING:
        if state in _OFF:
            raise InstancePowerOnFailure(reason="the guest went off while it started")
        if time.monotonic() > deadline:
            raise InstancePowerOnFailure(reason=f"the guest did not run within {timeout} s")
        time.sleep(POLL)


def inject_nmi(domain: libvirt.virDomain, uuid: str) -> None:
    """A non-maskable interrupt."""
    if state_of(domain) not in (PowerState.RUNNING, PowerState.PAUSED):
        raise InstanceNotRunning(instance_id=uuid)
    try:
        domain.injectNMI(0)
    except libvirt.libvirtError as error:
        code = error.get_error_code()
        if code in (libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_ERR_OPERATION_UNSUPPORTED):
            raise TriggerCrashDumpNotSupported() from error
        if code == libvirt.VIR_ERR_OPERATION_INVALID:
            raise InstanceNotRunning(instance_id=uuid) from error
        raise


def soft_reboot(domain: libvirt.virDomain, timeout: int) -> bool | None:
    """Ask the guest to go off.

    True: it went off and is to be started; None: it was started by somebody else meanwhile; False: no answer in time.
    """
    if state_of(domain) != PowerState.RUNNING:
        return False
    before = domain_id(domain)
    domain.shutdown()
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if domain_id(domain) != before:
            return True if state_of(domain) in _OFF else None
        time.sleep(POLL)
    return False
