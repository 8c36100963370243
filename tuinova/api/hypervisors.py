"""/os-hypervisors, and tuinova's rows with the numbers that 2.88 took out."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from tuinova.api import params
from tuinova.api.operations import Call, Operation
from tuinova.core.drafts import InstanceFilter
from tuinova.core.errors import ComputeHostNotFound, MarkerNotFound
from tuinova.core.policy import authorize
from tuinova.core.records import ComputeNode, Service

_RULE = "os_compute_api:os-hypervisors:"


def _services(call: Call) -> dict[str, Service]:
    return {service.host: service for service in call.state.conductor.services(binary="nova-compute")}


def _summary(node: ComputeNode, service: Service | None, call: Call) -> dict[str, Any]:
    up = service is not None and service.up(datetime.now(UTC), call.state.service_down_time)
    return {
        "id": node.uuid,
        "hypervisor_hostname": node.hypervisor_hostname,
        "state": "up" if up else "down",
        "status": "disabled" if service is None or service.disabled else "enabled",
    }


def _detail(node: ComputeNode, service: Service | None, call: Call) -> dict[str, Any]:
    body = {
        **_summary(node, service, call),
        "hypervisor_type": node.hypervisor_type,
        "hypervisor_version": node.hypervisor_version,
        "host_ip": node.host_ip,
        "service": {
            "id": service.uuid if service else None,
            "host": node.host,
            "disabled_reason": service.disabled_reason if service else None,
        },
        "uptime": node.uptime or None,
    }
    if params.boolean(call.query, "with_servers"):
        body["servers"] = _servers(call, node)
    return body


def _servers(call: Call, node: ComputeNode) -> list[dict[str, str]]:
    wanted = InstanceFilter(host=node.host, node=node.hypervisor_hostname)
    found = call.state.conductor.instances(wanted)
    return [{"uuid": instance.uuid, "name": instance.instance_name} for instance in found]


def _listed(call: Call) -> list[ComputeNode]:
    nodes = call.state.conductor.nodes()
    pattern = call.query.get("hypervisor_hostname_pattern")
    if pattern is not None:
        nodes = [node for node in nodes if pattern in node.hypervisor_hostname]
        if not nodes:
            raise ComputeHostNotFound(f"No hypervisor matching '{pattern[:80]}' could be found.")
    marker = call.query.get("marker")
    if marker is not None:
        places = [index for index, node in enumerate(nodes) if node.uuid == marker]
        if not places:
            raise MarkerNotFound(marker=marker[:80])
        nodes = nodes[places[0] + 1 :]
    return nodes


def _page(call: Call, path: str, view: Any) -> Any:
    nodes, limit, services = _listed(call), params.page_limit(call.query), _services(call)
    shown = nodes[:limit]
    body: dict[str, Any] = {"hypervisors": [view(node, services.get(node.host), call) for node in shown]}
    if 0 < limit < len(nodes):
        href = f"{call.base_url}/v2.1/{path}?limit={limit}&marker={shown[-1].uuid}"
        body["hypervisors_links"] = [{"rel": "next", "href": href}]
    return body


def index(call: Call) -> Any:
    """The short list."""
    return _page(call, "os-hypervisors", _summary)


def detail(call: Call) -> Any:
    """The list with details."""
    return _page(call, "os-hypervisors/detail", _detail)


def show(call: Call) -> Any:
    """One node by its uuid."""
    ident = call.param("id")
    node = next((node for node in call.state.conductor.nodes() if node.uuid == ident), None)
    if node is None:
        raise ComputeHostNotFound(f"Hypervisor with ID '{ident[:80]}' could not be found.")
    return {"hypervisor": _detail(node, _services(call).get(node.host), call)}


def rows(call: Call) -> Any:
    """Nodes with totals, what is used and reserved, ratios and foreign guests."""
    authorize(call.ctx, _RULE + "list-detail")
    services = _services(call)
    return {"hypervisors": [_row(node, services.get(node.host), call) for node in call.state.conductor.nodes()]}


def _row(node: ComputeNode, service: Service | None, call: Call) -> dict[str, Any]:
    numbers = {
        name: getattr(node, name)
        for name in (
            *("vcpus", "memory_mb", "local_gb", "vcpus_used", "memory_mb_used", "local_gb_used"),
            *("vcpus_allocated", "memory_mb_allocated", "local_gb_allocated"),
            *("foreign_vcpus", "foreign_memory_mb", "foreign_disk_gb", "foreign"),
            *("reserved_host_cpus", "reserved_host_memory_mb", "reserved_host_disk_gb"),
            *("cpu_allocation_ratio", "ram_allocation_ratio", "disk_allocation_ratio"),
            *("free_ram_mb", "free_disk_gb", "disk_available_least", "running_vms", "current_workload"),
            *("cpu_info", "supported_instances"),
        )
    }
    zone = service.availability_zone if service else None
    return {**_detail(node, service, call), "host": node.host, "availability_zone": zone, **numbers}


def orphans(call: Call) -> Any:
    """What is on our hosts and belongs to no server of this service, why, and what will be done about it."""
    return {"orphans": [asdict(orphan) for orphan in call.state.engine.orphans()]}


OPERATIONS = (
    Operation("GET", "/os-hypervisors", index, rule=_RULE + "list"),
    Operation("GET", "/os-hypervisors/detail", detail, rule=_RULE + "list-detail"),
    Operation("GET", "/os-hypervisors/{id}", show, rule=_RULE + "show"),
)
OWN_OPERATIONS = (
    Operation("GET", "/hypervisors", rows),
    Operation("GET", "/orphans", orphans, rule=_RULE + "list-detail"),
)
