"""A server's metadata: merged, replaced, taken away (nova/compute/api.py update_instance_metadata)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tuinova.core.compute_api.checks import check_metadata_quota
from tuinova.core.compute_api.guards import HostUp, check
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
    """Take one item away; returns what is left."""

    def change(old: Mapping[str, str]) -> dict[str, str]:
        if key not in old:
            raise MetadataItemNotFound()
        return {name: value for name, value in old.items() if name != key}

    return _change(ctx, uuid, "delete metadata", change, conductor, host_up)


def _change(
    ctx: RequestContext, uuid: str, action: str, change: Change, conductor: Conductor, host_up: HostUp
) -> dict[str, str]:
    """Guard and change in one transaction, so that no request loses another's items; no action is recorded."""
    row = ACTION_BY_NAME[action]

    def updates(instance: Instance) -> Mapping[str, dict[str, str]]:
        return {"metadata": change(instance.metadata)}

    new = conductor.accept(
        ctx, uuid, check=lambda instance: check(ctx, row, instance, host_up), updates=updates, record=None
    )
    return dict(new.metadata)
