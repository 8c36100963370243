"""A server's metadata: merged, replaced, taken away (nova/compute/api.py update_instance_metadata)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tuinova.core import policy
from tuinova.core.compute_api.checks import check_metadata_quota
from tuinova.core.compute_api.guards import HostUp, check, check_visible
from tuinova.core.conductor import Conductor
from tuinova.core.context import RequestContext
from tuinova.core.errors import MetadataItemNotFound
from tuinova.core.records import Instance
from tuinova.core.states import ACTION_BY_NAME

Change = Callable[[Mapping[str, str]], dict[str, str]]


def set_metadata(
    ctx: RequestContext,
    uuid: str,
    items: Mapping[str, str],
    conductor: Conductor,
    host_up: HostUp,
    *,
    replace: bool = False,
) -> dict[str, str]:
    """Merge the items into the server's metadata, or put them in its place; returns all of it."""
    limits = conductor.quota_limits(ctx.project_id or "")

    def change(old: Mapping[str, str]) -> dict[str, str]:
        new = dict(items) if replace else {**old, **items}
        check_metadata_quota(new, limits)
        return new

    return _change(ctx, uuid, "update metadata", change, conductor, host_up)


def delete_metadata(ctx: RequestContext, uuid: str, key: str, conductor: Conductor, host_up: HostUp) -> dict[str, str]:
    """Take one item away; returns what is left.

    An item that is not there is told before the lock and the states (nova/api/openstack/compute/server_metadata.py).
    """
    row = ACTION_BY_NAME["delete metadata"]

    def must_be_there(instance: Instance) -> None:
        check_visible(ctx, instance)
        policy.authorize(ctx, row.policy)
        if key not in instance.metadata:
            raise MetadataItemNotFound()

    def change(old: Mapping[str, str]) -> dict[str, str]:
        return {name: value for name, value in old.items() if name != key}

    return _change(ctx, uuid, "delete metadata", change, conductor, host_up, first=must_be_there)


def _change(
    ctx: RequestContext,
    uuid: str,
    action: str,
    change: Change,
    conductor: Conductor,
    host_up: HostUp,
    *,
    first: Callable[[Instance], None] = lambda instance: None,
) -> dict[str, str]:
    """Guard and change in one transaction, so that no request loses another's items; no action is recorded.

    `first` is what is checked before the guards.
    """
    row = ACTION_BY_NAME[action]

    def allowed(instance: Instance) -> None:
        first(instance)
        check(ctx, row, instance, host_up)

    def updates(instance: Instance) -> Mapping[str, dict[str, str]]:
        return {"metadata": change(instance.metadata)}

    new = conductor.accept(ctx, uuid, check=allowed, updates=updates, record=None)
    return dict(new.metadata)
