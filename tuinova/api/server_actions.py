"""POST /servers/{id}/action: one key, one row of the action table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tuinova.api.operations import Call, Operation, Reply
from tuinova.api.schemas.servers import ACTIONS as SCHEMAS
from tuinova.api.schemas.servers import ACTIONS_OLDER
from tuinova.api.schemas.types import is_true
from tuinova.api.servers import whole_server
from tuinova.api.validation import validate
from tuinova.core.compute_api.guards import action_row
from tuinova.core.errors import Invalid
from tuinova.core.records import Instance
from tuinova.core.states import ACTION_BY_KEY, Action


def act(call: Call) -> Reply:
    """Carry out the action that the body's one key names."""
    key, body = _asked(call.body)
    older = ACTIONS_OLDER.get(key, ())
    schema = next((schema for last, schema in older if call.asked <= last), SCHEMAS.get(key))
    if schema is not None:
        validate(schema, call.body)
    row = action_row(key, body)
    if key == "os-getConsoleOutput":
        length = (body or {}).get("length")
        output = call.state.compute.console_output(call.ctx, call.param("id"), length)
        return Reply({"output": output}, row.http)
    if key == "os-migrateLive" and body["block_migration"] != "auto":
        body = {**body, "block_migration": is_true(body["block_migration"])}
    accepted = call.state.compute.act(call.ctx, call.param("id"), key, body)
    told = dict(accepted.answer)
    if not call.state.config.api.enable_instance_password:
        told.pop("adminPass", None)
    answer = _ANSWERS.get(row.name)
    if answer is not None:
        return answer(call, row, accepted.instance, told)
    return Reply(told or None, row.http)


def _rebuilt(call: Call, row: Action, instance: Instance, told: Mapping[str, Any]) -> Reply:
    """The whole server, its user data and the password (2.75)."""
    view = {**whole_server(call, instance), "user_data": instance.user_data, **told}
    location = {"Location": f"{call.base_url}/v2.1/servers/{instance.uuid}"}
    return Reply({"server": view}, row.http, location)


def _evacuated(call: Call, row: Action, instance: Instance, told: Mapping[str, Any]) -> Reply:
    """Nothing since 2.14: the password is known to who gave one."""
    return Reply(None, row.http)


# Actions that answer more, or less, than what the engine says of them.
_ANSWERS: Mapping[str, Callable[[Call, Action, Instance, Mapping[str, Any]], Reply]] = {
    "rebuild": _rebuilt,
    "evacuate": _evacuated,
}


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
