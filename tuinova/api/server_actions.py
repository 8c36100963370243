"""POST /servers/{id}/action: one key, one row of the action table."""

from __future__ import annotations

from typing import Any

from tuinova.api.operations import Call, Operation, Reply
from tuinova.api.schemas.servers import ACTIONS as SCHEMAS
from tuinova.api.validation import validate
from tuinova.core.compute_api.guards import action_row
from tuinova.core.errors import Invalid
from tuinova.core.states import ACTION_BY_KEY


def act(call: Call) -> Reply:
    """Carry out the action that the body's one key names."""
    key, body = _asked(call.body)
    schema = SCHEMAS.get(key)
    if schema is not None:
        validate(schema, call.body)
    row = action_row(key, body)
    if key == "os-getConsoleOutput":
        length = (body or {}).get("length")
        output = call.state.compute.console_output(call.ctx, call.param("id"), length)
        return Reply({"output": output}, row.http)
    accepted = call.state.compute.act(call.ctx, call.param("id"), key, body)
    return Reply(dict(accepted.answer) or None, row.http)


def _asked(data: Any) -> tuple[str, Any]:
    """The one key and its value."""
    if not isinstance(data, dict):
        raise Invalid("Malformed request body")
    if len(data) != 1:
        raise Invalid(f"Malformed request body: {'too many' if data else 'no'} body keys")
    key, body = next(iter(data.items()))
    if key not in ACTION_BY_KEY:
        raise Invalid(f"There is no such action: {key[:80]}")
    return key, body


OPERATIONS = (Operation("POST", "/servers/{id}/action", act, 202, json_body=True),)
