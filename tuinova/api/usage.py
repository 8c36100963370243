"""/os-simple-tenant-usage: hours of vCPU, RAM and disk by project, over a period."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from tuinova.api import params
from tuinova.api.operations import Call, Operation
from tuinova.api.views import microseconds
from tuinova.core.errors import Invalid
from tuinova.core.policy import authorize_project
from tuinova.core.records import ServerUsage

_RULE = "os_compute_api:os-simple-tenant-usage:"
_FORMATS = ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%d %H:%M:%S.%f")
_LENGTH = 40


def _moment(call: Call, name: str, now: datetime) -> datetime:
    text = call.query.get(name)
    if not text:
        return now
    for form in _FORMATS:
        try:
            return datetime.strptime(text[:_LENGTH], form).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise Invalid("Invalid datetime string: Datetime is in invalid format")


def _period(call: Call, now: datetime) -> tuple[datetime, datetime]:
    start, stop = _moment(call, "start", now), _moment(call, "end", now)
    if start >= stop:
        raise Invalid("Invalid start time. The start time cannot occur after the end time.")
    return start, min(stop, now)


def _server(usage: ServerUsage, start: datetime, stop: datetime, now: datetime) -> dict[str, Any]:
    return {
        "instance_id": usage.uuid,
        "name": usage.name,
        "tenant_id": usage.project_id,
        "flavor": usage.flavor,
        "vcpus": usage.vcpus,
        "memory_mb": usage.memory_mb,
        "local_gb": usage.local_gb,
        "hours": usage.hours(start, stop),
        "started_at": microseconds(usage.launched_at),
        "ended_at": microseconds(usage.terminated_at),
        "state": usage.state,
        "uptime": usage.uptime(now),
    }


def _project(
    project_id: str, usages: Sequence[ServerUsage], start: datetime, stop: datetime, now: datetime | None
) -> dict[str, Any]:
    """The sums of one project; each server too where `now` is given."""
    hours = [usage.hours(start, stop) for usage in usages]
    pairs = list(zip(usages, hours, strict=True))
    summed: dict[str, Any] = {
        "tenant_id": project_id,
        "total_hours": sum(hours),
        "total_vcpus_usage": sum(usage.vcpus * each for usage, each in pairs),
        "total_memory_mb_usage": sum(usage.memory_mb * each for usage, each in pairs),
        "total_local_gb_usage": sum(usage.local_gb * each for usage, each in pairs),
        "start": microseconds(start),
        "stop": microseconds(stop),
    }
    if now is not None:
        summed["server_usages"] = [_server(usage, start, stop, now) for usage in usages]
    return summed


def _read(call: Call, start: datetime, stop: datetime, project_id: str | None) -> tuple[list[ServerUsage], str | None]:
    """One page of servers, and where the next one is when this is full."""
    limit = params.page_limit(call.query)
    found = call.state.conductor.server_usages(
        start, stop, project_id=project_id, limit=limit, marker=call.query.get("marker")
    )
    if not found or len(found) < limit:
        return found, None
    query = {**dict(call.query), "limit": str(limit), "marker": found[-1].uuid}
    path = f"/{project_id}" if project_id is not None else ""
    return found, f"{call.base_url}/v2.1/os-simple-tenant-usage{path}?{urlencode(query)}"


def _with_links(key: str, body: Any, following: str | None) -> dict[str, Any]:
    links = {f"{key}_links": [{"rel": "next", "href": following}]} if following else {}
    return {key: body, **links}


def index(call: Call) -> Any:
    """The usage of each project that had a server in the period."""
    now = datetime.now(UTC)
    start, stop = _period(call, now)
    found, following = _read(call, start, stop, None)
    by_project: dict[str, list[ServerUsage]] = {}
    for usage in found:
        by_project.setdefault(usage.project_id, []).append(usage)
    detailed = now if call.query.get("detailed") == "1" else None
    rows = [_project(project, usages, start, stop, detailed) for project, usages in by_project.items()]
    return _with_links("tenant_usages", rows, following)


def show(call: Call) -> Any:
    """The usage of one project with its servers; an empty object when it had none."""
    project = call.param("project")
    authorize_project(call.ctx, _RULE + "show", project)
    now = datetime.now(UTC)
    start, stop = _period(call, now)
    found, following = _read(call, start, stop, project)
    body = _project(project, found, start, stop, now) if found else {}
    return _with_links("tenant_usage", body, following)


OPERATIONS = (
    Operation("GET", "/os-simple-tenant-usage", index, rule=_RULE + "list"),
    Operation("GET", "/os-simple-tenant-usage/{project}", show),
)
