"""The actions on a server: each row of the action table to what accepts it, one module a group of rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuinova.core.compute_api import (
    agent,
    basic,
    deferred,
    images,
    interfaces,
    moves,
    rebuild,
    rescue,
    shelving,
    volumes,
)
from tuinova.core.compute_api.accepting import Accepted, Acceptor, Handler
from tuinova.core.compute_api.guards import action_row
from tuinova.core.context import RequestContext
from tuinova.core.errors import Invalid

HANDLERS: Mapping[str, Handler] = {
    **basic.HANDLERS,
    **moves.HANDLERS,
    **images.HANDLERS,
    **rescue.HANDLERS,
    **rebuild.HANDLERS,
    **shelving.HANDLERS,
    **deferred.HANDLERS,
    **agent.HANDLERS,
    **interfaces.HANDLERS,
    **volumes.HANDLERS,
}


def act(api: Acceptor, ctx: RequestContext, uuid: str, name: str, body: Any = None) -> Accepted:
    """Accept one action by its name or request key; `body` is what stands under the key."""
    try:
        row = action_row(name, body)
    except KeyError:
        raise Invalid(f"There is no such action: {name}") from None
    handler = HANDLERS.get(row.name)
    if handler is None or not row.served:
        return api.refuse(ctx, row, uuid)
    return handler(api, ctx, row, uuid, body)
