"""/servers/{id}/os-instance-actions: the action log (nova/api/openstack/compute/instance_actions.py)."""

from __future__ import annotations

import hashlib
from typing import Any

from tuinova.api import params
from tuinova.api.operations import Call, Operation
from tuinova.api.views import microseconds
from tuinova.core.errors import MarkerNotFound
from tuinova.core.policy import allowed
from tuinova.core.records import ActionEvent, Instance, InstanceAction

_RULE = "os_compute_api:os-instance-actions:"
_TEXTS = {"type": "array", "items": {"type": "string", "maxLength": 255}}
_QUERY = {
    "type": "object",
    "properties": dict.fromkeys(("limit", "marker", "changes-since", "changes-before"), _TEXTS),
    "additionalProperties": False,
}


def index(call: Call) -> Any:
    """The log, newest first; of a deleted server too."""
    instance = call.state.instance(call.ctx, call.param("id"), with_deleted=True)
    rows = call.state.conductor.actions(instance.uuid)
    since, before = params.moment(call.query, "changes-since"), params.moment(call.query, "changes-before")
    rows = [
        row
        for row in rows
        if (since is None or (row.updated_at or row.start_time) >= since)
        and (before is None or (row.updated_at or row.start_time) <= before)
    ]
    rows = _after_marker(rows, call.query.get("marker"))
    limit = params.page_limit(call.query)
    body: dict[str, Any] = {"instanceActions": [_action(row) for row in rows[:limit]]}
    if 0 < limit < len(rows):
        href = f"{call.base_url}/v2.1/servers/{instance.uuid}/os-instance-actions"
        follow = f"{href}?limit={limit}&marker={rows[limit - 1].request_id}"
        body["links"] = [{"rel": "next", "href": follow}]
    return body


def show(call: Call) -> Any:
    """One action with its events."""
    instance = call.state.instance(call.ctx, call.param("id"), with_deleted=True)
    action = call.state.conductor.action(instance.uuid, call.param("request_id"))
    events = [_event(event, instance, call) for event in action.events]
    return {"instanceAction": {**_action(action), "events": events}}


def _after_marker(rows: list[InstanceAction], marker: str | None) -> list[InstanceAction]:
    if marker is None:
        return rows
    for index_, row in enumerate(rows):
        if row.request_id == marker:
            return rows[index_ + 1 :]
    raise MarkerNotFound(marker=marker[:80])


def _action(row: InstanceAction) -> dict[str, Any]:
    return {
        "action": row.action,
        "instance_uuid": row.instance_uuid,
        "request_id": row.request_id,
        "user_id": row.user_id,
        "project_id": row.project_id,
        "start_time": microseconds(row.start_time),
        "message": row.message,
        "updated_at": microseconds(row.updated_at),
    }


def _event(event: ActionEvent, instance: Instance, call: Call) -> dict[str, Any]:
    host = event.host or ""
    body: dict[str, Any] = {
        "event": event.event,
        "start_time": microseconds(event.start_time),
        "finish_time": microseconds(event.finish_time),
        "result": event.result,
        "hostId": hashlib.sha224((instance.project_id + host).encode()).hexdigest() if host else "",
    }
    if allowed(call.ctx, _RULE + "events"):
        body["traceback"] = event.traceback
        body["host"] = event.host
    if allowed(call.ctx, _RULE + "events:details"):
        body["details"] = event.details
    return body


OPERATIONS = (
    Operation("GET", "/servers/{id}/os-instance-actions", index, rule=_RULE + "list", query=_QUERY),
    Operation("GET", "/servers/{id}/os-instance-actions/{request_id}", show, rule=_RULE + "show"),
)
