"""What is asked of a running guest: crash dump, password, diagnostics (nova/compute/manager.py)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from tuinova.core.compute_manager.context import Compute
from tuinova.core.compute_manager.work import Updates, Work, unchanged
from tuinova.core.drafts import ANY
from tuinova.core.errors import (
    InstanceInvalidState,
    InstancePasswordSetFailed,
    NotSupported,
    QemuGuestAgentNotEnabled,
    SetAdminPasswdNotSupported,
)
from tuinova.core.records import Instance, WorkOrder
from tuinova.core.states import POWER_STATE_FILTER, PowerState, TaskState

LOG = logging.getLogger(__name__)

# These say by themselves why the password was not set.
_SPEAKING = (NotSupported, QemuGuestAgentNotEnabled, SetAdminPasswdNotSupported)
_FRIENDLY = {state: word for word, state in POWER_STATE_FILTER.items()}


def trigger_crash_dump(compute: Compute, order: WorkOrder, instance: Instance) -> Updates:
    """An interrupt, of which the guest makes what it is told to; its states are looked at by the power sync."""
    compute.driver.inject_nmi(instance.uuid)
    return {}


def set_admin_password(compute: Compute, order: WorkOrder, instance: Instance) -> Updates:
    """Tell the guest's agent; what it said of a failure is logged only, since it may hold the password."""
    if compute.power_state(instance.uuid) is not PowerState.RUNNING:
        raise InstancePasswordSetFailed(instance=instance.uuid, reason=f"instance {instance.uuid} is not running")
    try:
        compute.driver.set_admin_password(compute.specs.make(instance), str(order.args["new_pass"]))
    except _SPEAKING:
        raise
    except Exception:
        LOG.exception("the password of %s was not set", instance.uuid)
        # Not chained: the fault keeps the traceback.
        raise InstancePasswordSetFailed(instance=instance.uuid, reason="error setting admin password") from None
    return {}


def diagnose(compute: Compute, instance: Instance) -> Mapping[str, Any]:
    """Nova's diagnostics of a guest that runs; raises InstanceInvalidState for another."""
    state = compute.power_state(instance.uuid)
    if state is not PowerState.RUNNING:
        raise InstanceInvalidState(
            action="get_diagnostics", instance_uuid=instance.uuid, attr="power state", state=_FRIENDLY[state]
        )
    return compute.driver.diagnostics(compute.specs.make(instance))


WORKS: Mapping[str, Work] = {
    "trigger_crash_dump": Work("compute_trigger_crash_dump", ANY, trigger_crash_dump, unchanged),
    "set_admin_password": Work(
        "compute_set_admin_password", frozenset({TaskState.UPDATING_PASSWORD}), set_admin_password
    ),
}
