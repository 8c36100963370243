"""Deletes that are put off, and taken back (nova/compute/api.py soft_delete, restore)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuinova.core.compute_api.accepting import Accepted, Acceptor, Handler
from tuinova.core.compute_api.options import ApiOptions
from tuinova.core.conductor.quota_counts import also_growth
from tuinova.core.context import RequestContext
from tuinova.core.records import Instance
from tuinova.core.states import Action


def is_deferred(options: ApiOptions, instance: Instance) -> bool:
    """Whether a delete only puts the server aside; one that never ran has nothing to restore."""
    return options.reclaim_instance_interval > 0 and instance.launched


def _restore(api: Acceptor, ctx: RequestContext, row: Action, uuid: str, body: Any) -> Accepted:
    """A server that was put aside did not count, so the quota of its project is asked again."""
    instance = api.look(ctx, row, uuid)
    flavor = instance.flavor
    quota = also_growth(
        api.catalogue.limits(instance.project_id),
        instances=1,
        cores=int(flavor["vcpus"]),
        ram=int(flavor["memory_mb"]),
    )
    return Accepted(
        api.order(ctx, row, uuid, "restore_instance", {}, also=[quota, lambda tx, instance: {"deleted_at": None}])
    )


HANDLERS: Mapping[str, Handler] = {"restore": _restore}
