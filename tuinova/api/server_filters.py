"""The query of server lists: Nova's filters, who may use which, sorting and paging."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.datastructures import QueryParams

from tuinova.api import params
from tuinova.api.operations import Call
from tuinova.core.context import RequestContext
from tuinova.core.drafts import InstanceFilter
from tuinova.core.errors import DeletedListForbidden, Forbidden, Invalid, InvalidStatusFilter
from tuinova.core.policy import allowed, authorize
from tuinova.core.states import POWER_STATE_FILTER, STATUSES

_MANY: Mapping[str, Any] = {"type": "array", "items": {"type": "string", "maxLength": 255}}
# What a member may use; what is only for administrators is dropped silently for others (nova servers.py).
_MEMBER_FILTERS = (
    *("reservation_id", "name", "status", "image", "flavor", "ip", "ip6", "changes-since", "changes-before"),
    *("all_tenants", "locked", "availability_zone", "config_drive", "key_name", "power_state", "task_state"),
    *("vm_state", "progress", "user_id", "hostname", "tags", "tags-any", "not-tags", "not-tags-any"),
)
_ADMIN_FILTERS = ("project_id", "tenant_id", "host", "node", "deleted", "uuid", "description", "display_description")
_IGNORED = (
    *("created_at", "launched_at", "terminated_at", "launch_index"),
    *("kernel_id", "ramdisk_id", "root_device_name", "access_ip_v4", "access_ip_v6", "auto_disk_config"),
    *("instance_type_id", "image_ref", "display_name", "locked_by", "is_cell_host"),
)
_TAG_FILTERS = ("tags", "tags-any", "not-tags", "not-tags-any")
_MOST_TAGS = 50  # a server has no more
_PAGING = ("limit", "marker", "sort_key", "sort_dir")
QUERY: Mapping[str, Any] = {
    "type": "object",
    "properties": dict.fromkeys((*_MEMBER_FILTERS, *_ADMIN_FILTERS, *_IGNORED, *_PAGING), _MANY),
    "additionalProperties": False,
}
_SORT_KEYS = (
    *("access_ip_v4", "access_ip_v6", "auto_disk_config", "availability_zone", "config_drive", "created_at"),
    *("display_description", "display_name", "host", "hostname", "image_ref", "instance_type_id", "kernel_id"),
    *("key_name", "launch_index", "launched_at", "locked_by", "node", "power_state", "progress", "project_id"),
    *("ramdisk_id", "root_device_name", "task_state", "terminated_at", "updated_at", "user_id", "uuid", "vm_state"),
)
_ADMIN_SORT_KEYS = frozenset({"host", "node"})


def filter_of(call: Call, *, rule: str, limit: int) -> InstanceFilter:
    """The filter of a list request; raises Nova's refusals."""
    query, ctx = call.query, call.ctx
    admin = allowed(ctx, "os_compute_api:servers:allow_all_filters")
    since, before = params.moment(query, "changes-since"), params.moment(query, "changes-before")
    if since and before and since > before:
        raise Invalid("The value of changes-since must be less than or equal to changes-before.")
    statuses, deleted = _statuses(query, admin)
    values: dict[str, Any] = {
        "project_id": _project(ctx, query, rule),
        "status": statuses,
        "deleted": _deleted(query, deleted, admin),
        "sort": _sorting(query, admin),
        "limit": limit,
        "marker": query.get("marker"),
        "changes_since": since,
        "changes_before": before,
        **_texts(query, admin),
        **_numbers(query),
    }
    return InstanceFilter(**values)


def _project(ctx: RequestContext, query: QueryParams, rule: str) -> str | None:
    asked = query.get("all_tenants")
    if asked is not None and (asked == "" or params.parse_boolean(asked, "all_tenants")):
        authorize(ctx, f"{rule}:get_all_tenants")
        return query.get("project_id") or query.get("tenant_id")
    return ctx.project_id or ""


def _statuses(query: QueryParams, admin: bool) -> tuple[tuple[str, ...] | None, bool]:
    """(statuses to look for, whether deleted servers are asked for)."""
    asked = [status.upper() for status in query.getlist("status") if status]
    if not asked:
        return None, False
    if "DELETED" in asked and not admin:
        raise DeletedListForbidden
    if any(status not in STATUSES for status in asked):
        raise InvalidStatusFilter
    return tuple(asked), "DELETED" in asked


def _deleted(query: QueryParams, by_status: bool, admin: bool) -> bool | None:
    if by_status:
        return True
    if not admin or query.get("deleted") is None:
        return None
    # False is what leaves them out anyway; with changes-since it would hide what was asked for.
    return params.boolean(query, "deleted") or None


def _texts(query: QueryParams, admin: bool) -> dict[str, Any]:
    names = {
        "name": "name",
        "hostname": "hostname",
        "ip": "ip",
        "ip6": "ip6",
        "image": "image",
        "flavor": "flavor",
        "key_name": "key_name",
        "availability_zone": "availability_zone",
        "reservation_id": "reservation_id",
        "user_id": "user_id",
    }
    if admin:
        names |= {"host": "host", "node": "node", "description": "description"}
    values: dict[str, Any] = {field: query[name] for name, field in names.items() if query.get(name)}
    for name in _TAG_FILTERS:
        if query.get(name):
            values[name.replace("-", "_")] = tuple(tag for tag in query[name].split(",") if tag)[:_MOST_TAGS]
    if query.get("vm_state"):
        values["vm_state"] = tuple(query.getlist("vm_state"))
    if "task_state" in query:
        asked = query["task_state"]
        values["task_state"] = None if asked.lower() in ("", "none") else asked
    if admin and query.get("uuid"):
        values["uuids"] = tuple(query.getlist("uuid"))
    return values


def _numbers(query: QueryParams) -> dict[str, Any]:
    values: dict[str, Any] = {
        "locked": params.boolean(query, "locked"),
        "config_drive": params.boolean(query, "config_drive") if query.get("config_drive") else None,
        "progress": params.integer(query, "progress"),
    }
    power = query.get("power_state")
    if power is not None:
        named = POWER_STATE_FILTER.get(power.lower())
        values["power_state"] = int(named) if named is not None else params.integer(query, "power_state")
    return values


def _sorting(query: QueryParams, admin: bool) -> tuple[tuple[str, str], ...]:
    pairs = []
    for key, direction in params.sort_pairs(query):
        if key not in _SORT_KEYS:
            raise Invalid(
                f"Invalid input for query parameters sort_key. Value: {key[:80]}. {key[:80]!r} is not one of "
                f"{list(_SORT_KEYS)}"
            )
        if key in _ADMIN_SORT_KEYS and not admin:
            raise Forbidden(f"Sorting by {key} is for administrators only.")
        pairs.append((key, direction))
    return tuple(pairs)
