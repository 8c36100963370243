"""tuinova's own routes about servers: rows for the table, the action menu, the scheduler's trace, console log, keys."""

from __future__ import annotations

import json
from typing import Any

from tuinova.api import params
from tuinova.api.feed import ADMIN_KEYS
from tuinova.api.operations import Call, Operation, Reply
from tuinova.api.schemas import catalogue as schemas
from tuinova.core.compute_api.guards import error_of, facts_of
from tuinova.core.conductor.view import row_view
from tuinova.core.policy import authorize
from tuinova.core.records import Instance
from tuinova.core.states import ACTIONS, Action, guard

_COMPUTE = "os_compute_api:"


def rows(call: Call) -> Reply:
    """The row views, newest first, and the number of the change that they include."""
    project: str | None = call.ctx.project_id or ""
    if params.boolean(call.query, "all_projects"):
        authorize(call.ctx, _COMPUTE + "servers:detail:get_all_tenants")
        project = None
    change, texts = call.state.conductor.rows(project)
    if not call.ctx.is_admin:
        texts = [_without_admin_keys(text) for text in texts]
    return Reply(f'{{"change":{change},"servers":[{",".join(texts)}]}}')


def row(call: Call) -> Any:
    """The row view of one server."""
    instance = call.state.instance(call.ctx, call.param("id"))
    view = row_view(instance)
    if not call.ctx.is_admin:
        view.update(dict.fromkeys(ADMIN_KEYS))
    return view


def _without_admin_keys(text: str) -> str:
    view = json.loads(text)
    view.update(dict.fromkeys(ADMIN_KEYS))
    return json.dumps(view, separators=(",", ":"), ensure_ascii=False)


def actions(call: Call) -> Any:
    """Every row of Nova's action table: legal now for this caller, or why not, in Nova's words."""
    instance = call.state.instance(call.ctx, call.param("id"))
    facts = facts_of(instance, call.state.host_up(instance.host or ""))
    return [_action(call, row_, instance, facts) for row_ in ACTIONS]


def _action(call: Call, row_: Action, instance: Instance, facts: Any) -> dict[str, Any]:
    refusal = guard(row_, facts, call.ctx.all_roles)
    return {
        "action": row_.name,
        "key": row_.key,
        "legal": refusal is None,
        "why": str(refusal.why) if refusal else None,
        "value": refusal.value if refusal else None,
        "reason": error_of(refusal, instance).message if refusal else None,
        "record": row_.recorded_as,
    }


def schedule(call: Call) -> Any:
    """The scheduler's decisions about a server, newest first."""
    instance = call.state.instance(call.ctx, call.param("id"), with_deleted=True)
    decisions = [
        {"request_id": kept.request_id, "at": kept.at.isoformat().replace("+00:00", "Z"), "trace": kept.trace}
        for kept in call.state.conductor.traces(instance.uuid)
    ]
    return {"decisions": decisions}


def console_log(call: Call) -> Reply:
    """The console log as the guest wrote it."""
    all_boots = bool(params.boolean(call.query, "all_boots"))
    log = call.state.compute.raw_console_log(call.ctx, call.param("id"), all_boots=all_boots)
    return Reply(log, media_type="text/plain; charset=utf-8", headers={"X-Content-Type-Options": "nosniff"})


def keys(call: Call) -> None:
    """Press keys together on the guest's keyboard."""
    instance = call.state.instance(call.ctx, call.param("id"))
    call.state.engine.send_keys(instance.uuid, call.body["keys"])


OPERATIONS = (
    Operation("GET", "/servers", rows, rule=_COMPUTE + "servers:detail"),
    Operation("GET", "/servers/{id}", row, rule=_COMPUTE + "servers:show"),
    Operation("GET", "/servers/{id}/actions", actions, rule=_COMPUTE + "servers:show"),
    Operation("GET", "/servers/{id}/schedule", schedule, rule="tuinova:servers:schedule"),
    Operation("GET", "/servers/{id}/console/log", console_log),
    Operation("POST", "/servers/{id}/console/keys", keys, 204, "tuinova:servers:console", schemas.KEYS),
)
