"""The guest agent: only guests whose image says so have its channel, and even then it may be silent."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import libvirt

from tuinova.core.errors import QemuGuestAgentNotEnabled
from tuinova.virt.driver import DriverError, GuestSpec
from tuinova.virt.libvirt.disk_plan import properties
from tuinova.virt.libvirt.errors import connection_broken, words
from tuinova.virt.libvirt.guest_xml import is_true

LOG = logging.getLogger(__name__)

# Writing what is dirty before a freeze may take its time; a guest that hangs must not hang us.
ANSWER_SECONDS = 30
# libvirt's codes for an agent that is not there, does not answer, or can't do it.
SILENT = frozenset(
    {
        libvirt.VIR_ERR_AGENT_UNRESPONSIVE,
        libvirt.VIR_ERR_AGENT_UNSYNCED,
        libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED,
    }
)


def has_channel(guest: GuestSpec) -> bool:
    """Whether the guest's image asks for the agent's channel."""
    return is_true(properties(guest).get("hw_qemu_guest_agent"))


def set_password(domain: libvirt.virDomain, guest: GuestSpec, password: str) -> None:
    """Nova's set_admin_password."""
    if not has_channel(guest):
        raise QemuGuestAgentNotEnabled()
    is_windows = properties(guest).get("os_type") == "windows"
    user = properties(guest).get("os_admin_user") or ("Administrator" if is_windows else "root")
    try:
        domain.agentSetResponseTimeout(ANSWER_SECONDS, 0)
        domain.setUserPassword(user, password, 0)
    except libvirt.libvirtError as error:
        if connection_broken(error):
            raise
        if error.get_error_code() in SILENT:
            raise QemuGuestAgentNotEnabled() from error
        raise DriverError(reason=words(error)) from error


@contextmanager
def quiesced(domain: libvirt.virDomain, guest: GuestSpec) -> Iterator[None]:
    """File systems frozen meanwhile, if the agent does it; raises DriverError where the image requires that."""
    is_required = is_true(properties(guest).get("os_require_quiesce"))
    if not has_channel(guest):
        if is_required:
            raise DriverError(reason=f"Quiescing is not supported in instance {guest.uuid}: it has no guest agent")
        yield
        return
    try:
        try:
            domain.agentSetResponseTimeout(ANSWER_SECONDS, 0)
            domain.fsFreeze()
        except libvirt.libvirtError as error:
            if connection_broken(error):
                raise
            if is_required:
                reason = f"Quiescing is not supported in instance {guest.uuid}: {words(error)}"
                raise DriverError(reason=reason) from error
            LOG.info("the file systems of %s are not frozen for the snapshot: %s", guest.uuid, words(error))
        yield
    finally:
        # Also after a failure: the agent may have frozen them and only answered too late.
        thaw(domain)


def thaw(domain: libvirt.virDomain) -> None:
    """Let a guest's file systems go on; thawed already, or no agent, is fine."""
    try:
        domain.fsThaw()
    except libvirt.libvirtError as error:
        LOG.debug("thawing %s: %s", domain.UUIDString(), words(error))
