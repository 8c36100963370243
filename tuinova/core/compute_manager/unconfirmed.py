"""Resizes that nobody confirms (nova/compute/manager.py _poll_unconfirmed_resizes)."""

from __future__ import annotations

import logging
from datetime import timedelta

from tuinova.core.compute_manager.context import Compute
from tuinova.core.drafts import MigrationFilter
from tuinova.core.errors import InstanceNotFound, NovaError
from tuinova.core.states import TaskState, VmState

LOG = logging.getLogger(__name__)

_LATER = frozenset({TaskState.DELETING, TaskState.SOFT_DELETING, TaskState.RESIZE_FINISH})


def confirm_old_resizes(compute: Compute) -> None:
    """Confirm what came to this host longer than `resize_confirm_window` seconds ago.

    A server that is not what a finished resize leaves makes its record an error; a refusal is tried again.
    """
    oldest = compute.now() - timedelta(seconds=compute.options.resize_confirm_window)
    wanted = MigrationFilter(dest_compute=compute.host, status=("finished",), changes_before=oldest)
    for migration in compute.conductor.migrations(wanted):
        try:
            instance = compute.conductor.instance(migration.instance_uuid)
            if instance.task_state in _LATER:
                continue
            if instance.vm_state != VmState.RESIZED or instance.task_state is not None:
                compute.conductor.note_migration(migration.uuid, status="error")
                continue
            compute.sync_actions.confirm_resize(instance.uuid)
        except InstanceNotFound:
            compute.conductor.note_migration(migration.uuid, status="error")
        except NovaError as error:
            LOG.warning("the resize of %s is confirmed later: %s", migration.instance_uuid, error)
