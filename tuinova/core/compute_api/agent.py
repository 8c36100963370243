"""What is asked of a running guest: crash dump, password, diagnostics (nova/compute/api.py)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuinova.core.compute_api.accepting import Accepted, Acceptor, Handler
from tuinova.core.context import RequestContext
from tuinova.core.errors import Invalid
from tuinova.core.states import Action


def _crash_dump(api: Acceptor, ctx: RequestContext, row: Action, uuid: str, body: Any) -> Accepted:
    return Accepted(api.order(ctx, row, uuid, "trigger_crash_dump", {}))


def _change_password(api: Acceptor, ctx: RequestContext, row: Action, uuid: str, body: Any) -> Accepted:
    password = body.get("adminPass") if isinstance(body, Mapping) else None
    if not isinstance(password, str):
        raise Invalid("No adminPass was specified")
    return Accepted(api.order(ctx, row, uuid, "set_admin_password", {"new_pass": password}))


def _diagnostics(api: Acceptor, ctx: RequestContext, row: Action, uuid: str, body: Any) -> Accepted:
    """Answered at once, recorded nowhere."""
    instance = api.look(ctx, row, uuid)
    return Accepted(instance, api.diagnose(instance))


HANDLERS: Mapping[str, Handler] = {
    "trigger_crash_dump": _crash_dump,
    "changePassword": _change_password,
    "get_diagnostics": _diagnostics,
}
