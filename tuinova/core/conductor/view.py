"""The row view of a server: what a line of the server list shows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tuinova.core.records import Instance
from tuinova.core.states import FAULT_STATUSES


def iso(moment: datetime | None) -> str | None:
    """A moment as the API writes it: seconds, Z."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


def row_view(instance: Instance) -> dict[str, Any]:
    """The row view, made once a change and then kept."""
    flavor = instance.flavor
    networks: dict[str, list[str]] = {}
    for port in instance.addresses:
        if port["address"]:
            networks.setdefault(port["network"], []).append(port["address"])
    fault = instance.fault if instance.status in FAULT_STATUSES else None
    return {
        "id": instance.uuid,
        "name": instance.name,
        "status": instance.status,
        "vm_state": instance.vm_state,
        "task_state": instance.task_state,
        "power_state": instance.power_state,
        "image": {"id": instance.image_ref, "name": instance.image.get("name")} if instance.image_ref else None,
        "flavor": {
            "id": flavor.get("id"),
            "name": flavor.get("name"),
            "vcpus": flavor.get("vcpus"),
            "ram": flavor.get("memory_mb"),
            "disk": flavor.get("root_gb"),
            "ephemeral": flavor.get("ephemeral_gb"),
            "swap": flavor.get("swap"),
        },
        "addresses": [address for listed in networks.values() for address in listed],
        "networks": networks,
        "key_name": instance.key_name,
        "az": instance.availability_zone,
        "host": instance.host,
        "created": iso(instance.created_at),
        "updated": iso(instance.updated_at or instance.created_at),
        "launched": iso(instance.launched_at),
        "project_id": instance.project_id,
        "user_id": instance.user_id,
        "locked": instance.locked,
        "locked_by": instance.locked_by,
        "locked_reason": instance.locked_reason,
        "instance_name": instance.instance_name,
        "description": instance.description,
        "metadata": instance.metadata,
        "fault": {key: fault[key] for key in ("code", "message", "created")} if fault else None,
        "progress": instance.progress,
        "task_progress": instance.task_progress,
    }
