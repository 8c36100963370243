"""What is on a host and belongs to no server of it: found, told, and removed where that is safe.

Nova: _cleanup_running_deleted_instances, _run_pending_deletes. A guest that tuinova did not make is none of these: the
driver does not list it, and nothing here ever touches it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from tuinova.core.compute_manager.context import Compute
from tuinova.core.drafts import MigrationFilter
from tuinova.core.errors import HypervisorUnavailable, InstanceNotFound, NovaError
from tuinova.core.records import Instance

LOG = logging.getLogger(__name__)

GUEST = "domain"
# The fates that do something to the hypervisor.
_DEEDS = frozenset({"shutdown", "reap"})


@dataclass(frozen=True, slots=True)
class Orphan:
    """A guest, directory, address or volume without a record: `what` is there of it, and `why` it is nobody's.

    `fate`: what the next look does about it by the options (noop, log, shutdown, reap).
    """

    uuid: str
    host: str
    what: tuple[str, ...]
    why: str
    fate: str


def find(compute: Compute) -> list[Orphan]:
    """All of a host; raises HypervisorUnavailable."""
    found = _present(compute)
    here = {instance.uuid for instance in compute.conductor.instances_on(compute.host)}
    judged = (_judge(compute, uuid, tuple(what)) for uuid, what in sorted(found.items()) if uuid not in here)
    return [orphan for orphan in judged if orphan is not None]


def _present(compute: Compute) -> Mapping[str, Sequence[str]]:
    guests = {guest.uuid: [GUEST] for guest in compute.driver.list_guests()}
    return {**{uuid: list(kinds) for uuid, kinds in compute.driver.leftovers().items()}, **guests}


def _judge(compute: Compute, uuid: str, what: tuple[str, ...]) -> Orphan | None:
    """Whose it is: None for what a server's move has on this host."""
    ours = compute.options.running_deleted_instance_action
    told = "noop" if ours == "noop" else "log"
    try:
        instance = compute.conductor.instance(uuid, with_deleted=True)
    except InstanceNotFound:
        fate = "reap" if compute.options.reap_orphans and ours != "noop" else told
        return Orphan(uuid, compute.host, what, "this service has no record of it", fate)
    if instance.deleted:
        fate = ours if _is_time(compute, instance) else told
        return Orphan(uuid, compute.host, what, "its server is deleted", fate)
    if instance.host is None:
        return Orphan(uuid, compute.host, what, "its server is on no host", ours)
    if instance.host == compute.host or _moves(compute, uuid):
        return None
    # After a change of the host's name that would be every guest there is: never removed.
    return Orphan(uuid, compute.host, what, f"its server is on {instance.host}", told)


def _is_time(compute: Compute, instance: Instance) -> bool:
    grace = timedelta(seconds=compute.options.running_deleted_instance_timeout)
    return instance.deleted_at is None or compute.now() - instance.deleted_at >= grace


def _moves(compute: Compute, uuid: str) -> bool:
    wanted = MigrationFilter(instance_uuid=uuid, host=compute.host, in_progress=True)
    return bool(compute.conductor.migrations(wanted))


def reap(compute: Compute) -> int:
    """Tell of the orphans of a host and do what the options say; returns how many are to be removed.

    `running_deleted_instance_action` is about guests of servers that are deleted or live nowhere, `reap_orphans` about
    those of which no row speaks (a service with another state directory may own them).
    """
    if compute.options.running_deleted_instance_action == "noop":
        return 0
    try:
        orphans = find(compute)
    except HypervisorUnavailable as error:
        LOG.warning("leftovers of %s are not looked for: %s", compute.host, error)
        return 0
    doomed = 0
    for orphan in orphans:
        LOG.warning("%s (%s) on %s is nobody's: %s", orphan.uuid, ", ".join(orphan.what), orphan.host, orphan.why)
        if orphan.fate in _DEEDS:
            doomed += 1
            compute.bus.submit(compute.host, orphan.uuid, partial(_reap, compute, orphan.uuid))
    return doomed


def _reap(compute: Compute, uuid: str) -> None:
    # Looked at again in the server's lane: a build may have brought it back to this host meanwhile.
    orphan = _judge(compute, uuid, ())
    if orphan is None or orphan.fate not in _DEEDS:
        return
    try:
        if orphan.fate == "shutdown":
            compute.driver.power_off(uuid, 0, 0)
        else:
            compute.driver.cleanup(uuid)
    except NovaError as error:
        LOG.warning("%s could not be removed: %s", uuid, error)


def finish_deletes(compute: Compute) -> int:
    """Files and addresses of deleted servers that could not be removed with them; returns how many are tried again."""
    try:
        left = compute.driver.leftovers()
    except HypervisorUnavailable as error:
        LOG.warning("files of deleted servers on %s are not looked for: %s", compute.host, error)
        return 0
    for uuid in set(compute.failed_deletes) - set(left):
        del compute.failed_deletes[uuid]
    limit = compute.options.maximum_instance_delete_attempts
    tried = 0
    for uuid in sorted(left):
        if compute.failed_deletes.get(uuid, 0) < limit and _is_deleted(compute, uuid):
            tried += 1
            compute.bus.submit(compute.host, uuid, partial(_finish_delete, compute, uuid))
    return tried


def _is_deleted(compute: Compute, uuid: str) -> bool:
    try:
        return compute.conductor.instance(uuid, with_deleted=True).deleted
    except InstanceNotFound:
        return False


def _finish_delete(compute: Compute, uuid: str) -> None:
    if not _is_deleted(compute, uuid):
        return
    try:
        compute.driver.cleanup(uuid)
    except NovaError as error:
        compute.failed_deletes[uuid] = compute.failed_deletes.get(uuid, 0) + 1
        LOG.warning("the files of %s could not be removed: %s", uuid, error)
