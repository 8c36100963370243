"""When the hypervisor goes away: the service is disabled, and enabled again when it is back (Nova's auto-disable)."""

from __future__ import annotations

import logging
from collections.abc import Callable

from tuinova.core.compute_manager.context import Compute
from tuinova.core.records import Service

LOG = logging.getLogger(__name__)

AUTO = "AUTO: "
BINARY = "nova-compute"


def connection_lost(compute: Compute, reason: str) -> None:
    """Take the host out of scheduling, unless an operator has done so with his own reason."""
    service = _service(compute)
    if service is not None and service.disabled:
        return
    text = f"{AUTO}Connection to libvirt lost: {reason}" if reason else f"{AUTO}Connection to libvirt lost"
    LOG.warning("%s: %s", compute.host, text)
    compute.conductor.set_service(compute.host, BINARY, disabled=True, disabled_reason=text)


def connection_back(compute: Compute, catch_up: Callable[[], None]) -> None:
    """Let the host be scheduled again if it was we who disabled it, then look at what happened meanwhile."""
    service = _service(compute)
    if service is not None and service.disabled and (service.disabled_reason or "").startswith(AUTO):
        LOG.info("%s: the hypervisor is back", compute.host)
        compute.conductor.set_service(compute.host, BINARY, disabled=False, disabled_reason=None)
    catch_up()


def _service(compute: Compute) -> Service | None:
    return next(iter(compute.conductor.services(compute.host, BINARY)), None)
