"""Resize, migrate, live migrate, evacuate: what accepting them checks and writes (nova/compute/api.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tuinova.core import image_properties
from tuinova.core.block_devices import is_volume_backed
from tuinova.core.compute_api.accepting import Accepted, Acceptor, Handler
from tuinova.core.compute_api.checks import asked_flavor
from tuinova.core.compute_api.naming import generate_password
from tuinova.core.conductor import moves
from tuinova.core.conductor.actions import also_event, also_record
from tuinova.core.conductor.orders import also_order
from tuinova.core.conductor.quota_counts import also_growth
from tuinova.core.conductor.transaction import Part, Tx
from tuinova.core.conductor_moves import EVENTS
from tuinova.core.context import RequestContext, new_request_id
from tuinova.core.drafts import EventStart, MigrationDraft, MigrationFilter, OrderDraft
from tuinova.core.errors import (
    CannotMigrateToSameHost,
    CannotResizeDisk,
    CannotResizeToSameFlavor,
    ComputeHostNotFound,
    ComputeHostNotFoundAsked,
    ComputeServiceInUse,
    Invalid,
    InvalidMigrationState,
    MigrationNotFound,
    NotResized,
    ServiceUnavailable,
    UnableToMigrateToSelf,
)
from tuinova.core.records import OLD_VM_STATE, Flavor, Instance, Migration
from tuinova.core.states import Action, TaskState

_MIGRATE_HOST = "os_compute_api:os-migrate-server:migrate:host"
_LIVE_HOST = "os_compute_api:os-migrate-server:migrate_live:host"
# A live migration in one of these can still be ended; only one that runs can be hurried.
_ABORTABLE = frozenset({"accepted", "queued", "preparing", "running"})


def _field(body: Any, name: str) -> Any:
    return body.get(name) if isinstance(body, Mapping) else None


def _begin(
    api: Acceptor,
    ctx: RequestContext,
    row: Action,
    uuid: str,
    draft: MigrationDraft,
    order: OrderDraft,
    *,
    also: tuple[Part, ...] = (),
) -> Instance:
    """A move begins: task, action with its first events, migration record and the conductor's order."""

    def changes(instance: Instance) -> Mapping[str, Any]:
        return {"task_state": row.task, "progress": 0, "system_metadata": _remembering(instance)}

    return api.accept(
        ctx,
        uuid,
        check=api.check(ctx, row),
        updates=changes,
        record=row.recorded_as,
        order=lambda instance: order,
        also=[
            forget_earlier(ctx, uuid),
            moves.begin(ctx, draft),
            *also,
            *(also_event(EventStart(name, ctx.request_id)) for name in EVENTS[order.method]),
        ],
    )


def _remembering(instance: Instance) -> dict[str, Any]:
    """What a revert goes back to."""
    return {**instance.system_metadata, OLD_VM_STATE: instance.vm_state}


# resize and cold migration -------------------------------------------------------------------------------------------
def _resize(api: Acceptor, ctx: RequestContext, row: Action, uuid: str, body: Any) -> Accepted:
    instance = api.look(ctx, row, uuid)
    flavor = asked_flavor(ctx, str(_field(body, "flavorRef")), api.catalogue)
    _check_new_flavor(instance, flavor)
    old = instance.flavor
    growth = also_growth(
        api.conductor.quota_limits(instance.project_id),
        cores=flavor.vcpus - int(old["vcpus"]),
        ram=flavor.memory_mb - int(old["memory_mb"]),
    )
    draft = MigrationDraft("resize", "pre-migrating", new_flavor=flavor.embedded())
    order = OrderDraft("migrate_server", None, {"migration": draft.uuid, "zone": instance.pinned_availability_zone})
    return Accepted(_begin(api, ctx, row, uuid, draft, order, also=(growth,)))


def _check_new_flavor(instance: Instance, flavor: Flavor) -> None:
    if flavor.root_gb == 0 and instance.flavor.get("root_gb") and not is_volume_backed(instance):
        raise CannotResizeDisk(reason="Resize to zero disk flavor is not allowed.")
    if flavor.id == instance.flavor.get("id"):
        raise CannotResizeToSameFlavor()
    image_properties.check(flavor.vcpus, flavor.extra_specs, instance.image.get("properties") or {})


def _migrate(api: Acceptor, ctx: RequestContext, row: Action, uuid: str, body: Any) -> Accepted:
    host = _field(body, "host")
    if host is not None:
        api.authorize(ctx, row, uuid, _MIGRATE_HOST)
    instance = api.look(ctx, row, uuid)
    if host is not None:
        if host == instance.host:
            raise CannotMigrateToSameHost()
        if not _is_host(api, host):
            raise ComputeHostNotFoundAsked(host=host)
    draft = MigrationDraft("migration", "pre-migrating")
    args = {"migration": draft.uuid, "zone": instance.pinned_availability_zone, "host": host}
    return Accepted(_begin(api, ctx, row, uuid, draft, OrderDraft("migrate_server", None, args)))


def _is_host(api: Acceptor, host: str) -> bool:
    return any(node.host == host for node in api.conductor.nodes())


def _finished_move(api: Acceptor, uuid: str) -> Migration:
    found = moves.newest(api.conductor.migrations(MigrationFilter(instance_uuid=uuid)), "finished")
    if found is None:
        raise NotResized()
    return found


def _confirm(api: Acceptor, ctx: RequestContext, row: Action, uuid: str, body: Any) -> Accepted:
    api.look(ctx, row, uuid)
    migration = _finished_move(api, uuid)
    if not api.host_up(migration.source_compute or ""):
        raise ServiceUnavailable()
    order = OrderDraft("confirm_resize", migration.source_compute, {"migration": migration.uuid})
    return Accepted(
        api.accept(
            ctx,
            uuid,
            check=api.check(ctx, row),
            record=row.recorded_as,
            order=lambda instance: order,
            also=[moves.advance(migration.uuid, "finished", "confirming", NotResized)],
        )
    )


def _revert(api: Acceptor, ctx: RequestContext, row: Action, uuid: str, body: Any) -> Accepted:
    instance = api.look(ctx, row, uuid)
    migration = _finished_move(api, uuid)
    old = migration.old_flavor or instance.flavor
    growth = also_growth(
        api.conductor.quota_limits(instance.project_id),
        cores=int(old["vcpus"]) - int(instance.flavor["vcpus"]),
        ram=int(old["memory_mb"]) - int(instance.flavor["memory_mb"]),
    )
    return Accepted(
        api.order(
            ctx,
            row,
            uuid,
            "revert_resize",
            {"migration": migration.uuid},
            also=[moves.advance(migration.uuid, "finished", "reverting", NotResized), growth],
        )
    )


# live migration ------------------------------------------------------------------------------------------------------
def _migrate_live(api: Acceptor, ctx: RequestContext, row: Action, uuid: str, body: Any) -> Accepted:
    host, block = _field(body, "host"), _field(body, "block_migration")
    if host is not None:
        api.authorize(ctx, row, uuid, _LIVE_HOST)
    instance = api.look(ctx, row, uuid)
    if host is not None:
        if not _is_host(api, host):
            raise ComputeHostNotFoundAsked(host=host)
        if host == instance.host:
            raise UnableToMigrateToSelf(instance_id=uuid, host=host)
    draft = MigrationDraft("live-migration", "accepted", dest_compute=host)
    args = {
        "migration": draft.uuid,
        "zone": instance.pinned_availability_zone,
        "host": host,
        "block_migration": None if block in (None, "auto") else block in (True, "true", "True"),
    }
    order = OrderDraft("live_migrate_instance", None, args)
    return Accepted(_begin(api, ctx, row, uuid, draft, order))


def _asked_live_migration(api: Acceptor, uuid: str, asked: Any) -> Migration:
    """The live migration of the server that a route names by its number, or the one under way."""
    found = api.conductor.migrations(MigrationFilter(instance_uuid=uuid, migration_type=("live-migration",)))
    for migration in found:
        if migration.in_progress if asked is None else str(migration.id) == str(asked):
            return migration
    raise MigrationNotFound(f"Migration {asked} for server {uuid} could not be found.")


def _speak_to(method: str, allowed: frozenset[str], words: str) -> Handler:
    """Abort and force-complete: an order that passes by the work it speaks to."""

    def handler(api: Acceptor, ctx: RequestContext, row: Action, uuid: str, body: Any) -> Accepted:
        api.look(ctx, row, uuid)
        migration = _asked_live_migration(api, uuid, _field(body, "migration_id"))
        if migration.status not in allowed:
            raise InvalidMigrationState(
                migration_id=migration.id, instance_uuid=uuid, state=migration.status, method=words
            )
        order = OrderDraft(method, migration.source_compute, {"migration": migration.uuid})
        accepted = api.accept(
            ctx, uuid, check=api.check(ctx, row), record=row.recorded_as, order=lambda instance: order
        )
        return Accepted(accepted)

    return handler


# evacuation ----------------------------------------------------------------------------------------------------------
def _evacuate(api: Acceptor, ctx: RequestContext, row: Action, uuid: str, body: Any) -> Accepted:
    host = _field(body, "host")
    instance = api.look(ctx, row, uuid)
    if host is not None:
        if not _is_host(api, host):
            raise ComputeHostNotFound(f"Compute host {host} not found.")
        if host == instance.host:
            raise Invalid("The target host can't be the same one.")

    def allowed(current: Instance) -> None:
        api.check(ctx, row)(current)
        if current.host is not None and api.host_up(current.host):
            raise ComputeServiceInUse(host=current.host)

    draft = MigrationDraft("evacuation", "accepted", dest_compute=host)
    password = _field(body, "adminPass") or generate_password(api.options.password_length)
    args = {
        "migration": draft.uuid,
        "zone": instance.pinned_availability_zone,
        "host": host,
        **({"admin_password": password} if instance.config_drive else {}),
    }
    accepted = api.accept(
        ctx,
        uuid,
        check=allowed,
        updates=lambda current: {
            "task_state": TaskState.REBUILDING,
            "progress": 0,
            "system_metadata": _remembering(current),
        },
        record=row.recorded_as,
        order=lambda current: OrderDraft("evacuate_server", None, args),
        also=[
            forget_earlier(ctx, uuid),
            moves.begin(ctx, draft),
            *(also_event(EventStart(name, ctx.request_id)) for name in EVENTS["evacuate_server"]),
        ],
    )
    return Accepted(accepted, {"adminPass": password})


# what earlier moves have left --------------------------------------------------------------------------------------
def forget_earlier(ctx: RequestContext, uuid: str) -> Part:
    """Before a server moves again: a finished move whose server was reset is confirmed, and what broken ones set aside
    goes; else the new move would take it for its own.
    """

    def part(tx: Tx, instance: Instance) -> None:
        found = [one for one in moves.of_server(tx.connection, uuid) if one.status in ("finished", "error")]
        for migration in found:
            moves.stay(migration.uuid, "confirmed" if migration.status == "finished" else "failed")(tx, instance)
        for host in sorted({place for one in found for place in (one.source_compute, one.dest_compute) if place}):
            also_order(ctx, OrderDraft("cleanup_instance", host, {}))(tx, instance)

    return part


# delete --------------------------------------------------------------------------------------------------------------
def end_moves(ctx: RequestContext, uuid: str) -> Part:
    """What a delete does to the moves of its server: nothing is held for them, and their other hosts clean up.

    Nova confirms a finished resize first (nova/compute/api.py _confirm_resize_on_deleting), which its log shows.
    """

    def part(tx: Tx, instance: Instance) -> None:
        # Whatever its state is: one whose move failed may have been brought back to life with a copy left elsewhere.
        found = [one for one in moves.of_server(tx.connection, uuid) if one.in_progress or one.status == "error"]
        for migration in found:
            if migration.in_progress:
                _end_move(ctx, migration)(tx, instance)
        hosts = moves.other_hosts(found, instance.host)
        if instance.host and any(one.source_compute == one.dest_compute == instance.host for one in found):
            hosts.append(instance.host)  # what was set aside there goes even if the delete fails
        for host in hosts:
            also_order(ctx, OrderDraft("cleanup_instance", host, {}))(tx, instance)

    return part


def _end_move(ctx: RequestContext, migration: Migration) -> Part:
    finished = migration.status == "finished"

    def part(tx: Tx, instance: Instance) -> None:
        moves.stay(migration.uuid, "confirmed" if finished else "error")(tx, instance)
        if finished:
            # Under an id of its own: by the request's are found the delete and its events.
            also_record(replace(ctx, request_id=new_request_id()), "confirmResize")(tx, instance)

    return part


HANDLERS: Mapping[str, Handler] = {
    "resize": _resize,
    "migrate": _migrate,
    "confirmResize": _confirm,
    "revertResize": _revert,
    "os-migrateLive": _migrate_live,
    "abort live migration": _speak_to("live_migration_abort", _ABORTABLE, "abort live migration"),
    "force_complete": _speak_to("live_migration_force_complete", frozenset({"running"}), "force_complete"),
    "evacuate": _evacuate,
}
