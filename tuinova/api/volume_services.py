"""What runs the volumes: services, pools, attachments, versions (cinder/api)."""

from __future__ import annotations

from typing import Any

from tuinova.api.operations import Call, Operation, Reply
from tuinova.api.volume_views import moment
from tuinova.core.context import RequestContext
from tuinova.core.errors import NotFound
from tuinova.core.records import VolumeAttachment
from tuinova.core.volume_api.create import ZONE

VERSION, OLDEST = "3.70", "3.0"
_UPDATED = "2023-08-31T00:00:00Z"


def _version(call: Call) -> dict[str, Any]:
    return {
        "id": "v3.0",
        "status": "CURRENT",
        "version": VERSION,
        "min_version": OLDEST,
        "updated": _UPDATED,
        "links": [{"rel": "self", "href": f"{call.base_url}/volume/v3/"}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.volume+json;version=3"}],
    }


def versions(call: Call) -> Reply:
    """GET /volume/."""
    return Reply({"versions": [_version(call)]}, 300)


def version(call: Call) -> Any:
    """GET /volume/v3/."""
    return {"versions": [_version(call)]}


def services(call: Call) -> Any:
    """The scheduler's part and one volume service for each backend."""
    name = call.state.engine.service_name
    now = moment(call.state.engine.clock())
    found = [_service("cinder-scheduler", name, now)]
    found += [
        _service("cinder-volume", f"{name}@{backend.name}", now) for backend in call.state.volumes.store.backends()
    ]
    for key in ("binary", "host"):
        if key in call.query:
            found = [row for row in found if row[key] == call.query[key]]
    return {"services": found}


def _service(binary: str, host: str, now: str | None) -> dict[str, Any]:
    return {
        "binary": binary,
        "host": host,
        "zone": ZONE,
        "status": "enabled",
        "state": "up",
        "updated_at": now,
        "disabled_reason": None,
        "cluster": None,
        "replication_status": "disabled",
        "active_backend_id": None,
        "frozen": False,
        "backend_state": "up",
    }


def pools(call: Call) -> Any:
    """The backends with their space; capabilities with detail=true."""
    name = call.state.engine.service_name
    detailed = call.query.get("detail", "").lower() in ("true", "1")
    found = []
    for backend in call.state.volumes.store.backends():
        row: dict[str, Any] = {"name": f"{name}@{backend.name}#{backend.name}"}
        if detailed:
            row["capabilities"] = {
                "volume_backend_name": backend.name,
                "storage_protocol": backend.kind,
                "format": backend.format,
                "total_capacity_gb": round(backend.total_gb, 2),
                "free_capacity_gb": round(backend.free_gb, 2),
                "allocated_capacity_gb": call.state.conductor.volume_space(backend.name),
                "reserved_percentage": 0,
                "driver_version": "1.0",
                "vendor_name": "tuinova",
                "timestamp": moment(call.state.engine.clock()),
            }
        found.append(row)
    return {"pools": found}


# attachments (3.27) --------------------------------------------------------------------------------------------------
def _attachments(call: Call) -> list[VolumeAttachment]:
    return [one for one in call.state.conductor.attachments() if _seen(call, call.ctx, one)]


def _seen(call: Call, ctx: RequestContext, attachment: VolumeAttachment) -> bool:
    volume = call.state.conductor.volume(attachment.volume_id)
    everybody = ctx.is_admin and "all_tenants" in call.query
    return everybody or volume.project_id == ctx.project_id


def _shown(attachment: VolumeAttachment) -> dict[str, Any]:
    return {
        "id": attachment.id,
        "status": attachment.status,
        "instance": attachment.instance_uuid,
        "volume_id": attachment.volume_id,
        "attached_at": moment(attachment.attached_at),
        "detached_at": None,
        "attach_mode": "rw",
    }


def attachments(call: Call) -> Any:
    """Who has which volumes."""
    found = [_shown(one) for one in _attachments(call)]
    for key, name in (("volume_id", "volume_id"), ("instance_id", "instance"), ("status", "status")):
        if key in call.query:
            found = [row for row in found if row[name] == call.query[key]]
    return {"attachments": found}


def attachment(call: Call) -> Any:
    """One attachment."""
    for one in call.state.conductor.attachments():
        if one.id == call.param("id") and (call.ctx.is_admin or _seen(call, call.ctx, one)):
            return {"attachment": {**_shown(one), "connection_info": {}}}
    raise NotFound(f"Volume attachment could not be found with filter: attachment_id = {call.param('id')[:80]}.")


ROOT = (Operation("GET", "", versions),)
OPERATIONS = (
    Operation("GET", "", version),
    Operation("GET", "/os-services", services, rule="volume_extension:services:index"),
    Operation("GET", "/scheduler-stats/get_pools", pools, rule="scheduler_extension:scheduler_stats:get_pools"),
    Operation("GET", "/attachments", attachments, rule="volume:get_all"),
    Operation("GET", "/attachments/detail", attachments, rule="volume:get_all"),
    Operation("GET", "/attachments/{id}", attachment, rule="volume:get"),
)
