"""How an action is accepted: guard, task state, action record and work order in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tuinova.core import policy
from tuinova.core.catalogue_cache import CatalogueCache
from tuinova.core.compute_api.guards import HostUp, check, check_visible
from tuinova.core.compute_api.options import ApiOptions
from tuinova.core.conductor import Conductor
from tuinova.core.context import RequestContext
from tuinova.core.drafts import OrderDraft
from tuinova.core.errors import InstanceNotReady, NotSupported
from tuinova.core.records import Instance
from tuinova.core.states import Action

# What the hypervisor says of a running guest; raises InstanceInvalidState for one that does not run.
Diagnose = Callable[[Instance], Mapping[str, Any]]


class Ignored(Exception):
    """Raised inside the transaction to leave it without a trace: the request is answered as if it were new."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance


class _Moved(Exception):
    """The server's host changed between looking and accepting."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """An accepted action: the server as it is now, and what the answer says besides (adminPass, image_id)."""

    instance: Instance
    answer: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Acceptor:
    """What the handlers of actions work with."""

    conductor: Conductor
    catalogue: CatalogueCache
    options: ApiOptions
    host_up: HostUp
    diagnose: Diagnose

    def check(self, ctx: RequestContext, row: Action) -> Callable[[Instance], None]:
        """Nova's guards of this row, for the transaction."""
        return lambda instance: check(ctx, row, instance, self.host_up)

    def look(self, ctx: RequestContext, row: Action, uuid: str) -> Instance:
        """The server as it is, when the action is legal on it; for checks that need more than its row.

        The guards are asked once more in the transaction.
        """
        instance = self.conductor.instance(uuid)
        check(ctx, row, instance, self.host_up)
        return instance

    def accept(
        self,
        ctx: RequestContext,
        uuid: str,
        *,
        check: Callable[[Instance], None],
        order: Callable[[Instance], OrderDraft] | None = None,
        **more: Any,
    ) -> Instance:
        """Accept with an order that depends on the server's host, which may change while we look."""
        while True:
            seen = self.conductor.instance(uuid)

            def same_host(instance: Instance, host: str | None = seen.host) -> None:
                check(instance)
                if instance.host != host:
                    raise _Moved

            draft = order(seen) if order else None
            try:
                return self.conductor.accept(ctx, uuid, check=same_host, order=draft, **more)
            except _Moved:
                continue

    def order(
        self,
        ctx: RequestContext,
        row: Action,
        uuid: str,
        method: str,
        args: Mapping[str, Any] | Callable[[Instance], Mapping[str, Any]],
        **more: Any,
    ) -> Instance:
        """The ordinary case: the row's task and one order to the server's host; a server on none is not ready.

        `args` may depend on the server.
        """

        def on_a_host(instance: Instance) -> None:
            check(ctx, row, instance, self.host_up)
            if instance.host is None:
                raise InstanceNotReady(instance_id=instance.uuid)

        return self.accept(
            ctx,
            uuid,
            check=on_a_host,
            updates={"task_state": row.task} if row.task else {},
            record=row.recorded_as,
            order=lambda instance: OrderDraft(method, instance.host, dict(args(instance) if callable(args) else args)),
            **more,
        )

    def authorize(self, ctx: RequestContext, row: Action, uuid: str, *rules: str) -> None:
        """The row's policy and further ones; what the caller does not see is 404 before it is 403."""
        check_visible(ctx, self.conductor.instance(uuid))
        for rule in (row.policy, *rules):
            policy.authorize(ctx, rule)

    def refuse(self, ctx: RequestContext, row: Action, uuid: str) -> Accepted:
        """A row of the table that this version does not serve: still 404 and 403 before 501."""
        self.authorize(ctx, row, uuid)
        raise NotSupported(f"{NotSupported.msg_fmt} {row.unserved}".rstrip())


# What accepts the actions of one row; `body` is what stands under the action's key.
Handler = Callable[[Acceptor, RequestContext, Action, str, Any], Accepted]
