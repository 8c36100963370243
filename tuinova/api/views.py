"""What a server looks like (nova/api/openstack/compute/views/servers.py), with its text kept until it changes."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from tuinova.api.operations import Microversion
from tuinova.core.block_devices import volumes_of
from tuinova.core.records import TRUSTED_CERTS, Instance
from tuinova.core.states import FAULT_STATUSES, PROGRESS_STATUSES

Json = dict[str, Any]
Lookup = Callable[[str, int], "str | None"]
_KEPT_MOST = 12_000  # views of about 2 kB


class _Kept(NamedTuple):
    version: int
    host: str
    host_status: str
    text: str


def seconds(moment: datetime | None) -> str | None:
    """2026-01-31T12:00:00Z."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


def microseconds(moment: datetime | None) -> str | None:
    """2026-01-31T12:00:00.000000, the other form that Nova has."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f") if moment else None


def links(base: str, kind: str, ident: str) -> list[Json]:
    """Self and bookmark."""
    return [
        {"rel": "self", "href": f"{base}/v2.1/{kind}/{ident}"},
        {"rel": "bookmark", "href": f"{base}/{kind}/{ident}"},
    ]


def server_basic(instance: Instance, base: str) -> Json:
    """The row of the short list."""
    return {"id": instance.uuid, "name": instance.name, "links": links(base, "servers", instance.uuid)}


def host_id(instance: Instance) -> str:
    """A host's name that says nothing about it."""
    if not instance.host:
        return ""
    return hashlib.sha224((instance.project_id + instance.host).encode()).hexdigest()


def _volumes(instance: Instance) -> list[Json]:
    """Each with whether it goes with the server (2.3)."""
    if not instance.block_devices:
        return []
    return [
        {"id": device.volume_id, "delete_on_termination": device.delete_on_termination}
        for device in volumes_of(instance)
        if device.volume_id
    ]


def server_detail(instance: Instance, *, base: str, admin: bool, host_status: str, mv: Microversion) -> Json:
    """The whole server; `host_status` is seen by admins only."""
    status = instance.status
    body: Json = {
        "id": instance.uuid,
        "name": instance.name,
        "status": status,
        "tenant_id": instance.project_id,
        "user_id": instance.user_id,
        "metadata": instance.metadata,
        "hostId": host_id(instance),
        "image": _image(instance, base),
        "flavor": _flavor(instance, base, mv),
        "created": seconds(instance.created_at),
        "updated": seconds(instance.updated_at or instance.created_at),
        "addresses": addresses(instance),
        "accessIPv4": instance.access_ip_v4 or "",
        "accessIPv6": instance.access_ip_v6 or "",
        "links": links(base, "servers", instance.uuid),
        "OS-DCF:diskConfig": instance.disk_config,
    }
    if status in PROGRESS_STATUSES:
        body["progress"] = instance.progress
    body.update(_states(instance))
    if admin:
        body.update(_admin(instance, mv))
    if mv >= (2, 90):
        body["OS-EXT-SRV-ATTR:hostname"] = instance.hostname
    if status in FAULT_STATUSES and instance.fault:
        body["fault"] = _fault(instance.fault, admin)
    body.update(_later(instance, admin=admin, host_status=host_status, mv=mv))
    return body


def _states(instance: Instance) -> Json:
    body: Json = {
        "OS-EXT-AZ:availability_zone": instance.availability_zone or "",
        "config_drive": "True" if instance.config_drive else "",
        "key_name": instance.key_name,
        "OS-SRV-USG:launched_at": _usage_time(instance.launched_at),
        "OS-SRV-USG:terminated_at": _usage_time(instance.terminated_at),
        "OS-EXT-STS:task_state": instance.task_state,
        "OS-EXT-STS:vm_state": instance.vm_state,
        "OS-EXT-STS:power_state": instance.power_state,
        "os-extended-volumes:volumes_attached": _volumes(instance),
    }
    if instance.security_groups:
        body["security_groups"] = [{"name": name} for name in instance.security_groups]
    return body


def _usage_time(moment: datetime | None) -> str | None:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f") if moment else None


def _admin(instance: Instance, mv: Microversion) -> Json:
    body: Json = {
        "OS-EXT-SRV-ATTR:host": instance.host,
        "OS-EXT-SRV-ATTR:instance_name": instance.instance_name,
        "OS-EXT-SRV-ATTR:hypervisor_hostname": instance.node,
    }
    if mv >= (2, 3):
        body.update(
            {
                "OS-EXT-SRV-ATTR:kernel_id": instance.kernel_id or "",
                "OS-EXT-SRV-ATTR:launch_index": instance.launch_index,
                "OS-EXT-SRV-ATTR:ramdisk_id": instance.ramdisk_id or "",
                "OS-EXT-SRV-ATTR:reservation_id": instance.reservation_id,
                "OS-EXT-SRV-ATTR:root_device_name": instance.root_device_name,
                "OS-EXT-SRV-ATTR:user_data": instance.user_data,
                "OS-EXT-SRV-ATTR:hostname": instance.hostname,
            }
        )
    return body


def _later(instance: Instance, *, admin: bool, host_status: str, mv: Microversion) -> Json:
    """What microversions added."""
    rows: tuple[tuple[Microversion, str, Any], ...] = (
        ((2, 9), "locked", instance.locked),
        ((2, 19), "description", instance.description),
        ((2, 26), "tags", instance.tags),
        ((2, 63), "trusted_image_certificates", instance.system_metadata.get(TRUSTED_CERTS)),
        ((2, 73), "locked_reason", instance.locked_reason),
        ((2, 96), "pinned_availability_zone", instance.pinned_availability_zone),
        ((2, 100), "scheduler_hints", instance.scheduler_hints),
    )
    body = {key: value for since, key, value in rows if mv >= since}
    if admin and mv >= (2, 16):
        body["host_status"] = host_status
    return body


def _fault(fault: Json, admin: bool) -> Json:
    shown = {key: fault[key] for key in ("code", "message", "created")}
    if fault.get("details") and (admin or fault["code"] != 500):
        shown["details"] = fault["details"]
    return shown


def _image(instance: Instance, base: str) -> Json | str:
    if not instance.image_ref:
        return ""
    bookmark = {"rel": "bookmark", "href": f"{base}/images/{instance.image_ref}"}
    return {"id": instance.image_ref, "links": [bookmark]}


def _flavor(instance: Instance, base: str, mv: Microversion) -> Json:
    flavor = instance.flavor
    if mv < (2, 47):
        return {"id": flavor["id"], "links": [{"rel": "bookmark", "href": f"{base}/flavors/{flavor['id']}"}]}
    return {
        "vcpus": flavor["vcpus"],
        "ram": flavor["memory_mb"],
        "disk": flavor["root_gb"],
        "ephemeral": flavor["ephemeral_gb"],
        "swap": flavor["swap"],
        "original_name": flavor["name"],
        "extra_specs": flavor.get("extra_specs") or {},
    }


def addresses(instance: Instance) -> dict[str, list[Json]]:
    """Addresses by network."""
    networks: dict[str, list[Json]] = {}
    for port in instance.addresses:
        listed = networks.setdefault(port["network"], [])
        if port["address"]:
            listed.append(
                {
                    "version": port["version"],
                    "addr": port["address"],
                    "OS-EXT-IPS:type": port["type"],
                    "OS-EXT-IPS-MAC:mac_addr": port["mac"],
                }
            )
    return networks


class DetailTexts:
    """The JSON text of each server's details, kept until its version, or its host's status, is another one."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._lock = threading.Lock()
        # By audience, so that a member's look does not push out an admin's.
        self._kept: dict[tuple[bool, Microversion], dict[str, _Kept]] = {}

    def kept(self, admin: bool, mv: Microversion, host_statuses: Mapping[str, str]) -> Lookup:
        """A function of (uuid, version) that gives the text, or None when it must be made."""
        texts = self._kept.get((admin, mv), {})

        def look_up(uuid: str, version: int) -> str | None:
            found = texts.get(uuid)
            if found is None or found.version != version:
                return None
            if admin and host_statuses.get(found.host, "") != found.host_status:
                return None
            return found.text

        return look_up

    def make(self, instance: Instance, *, admin: bool, host_status: str, mv: Microversion) -> str:
        """Make and keep the text."""
        view = server_detail(instance, base=self._base, admin=admin, host_status=host_status, mv=mv)
        text = json.dumps(view, separators=(",", ":"), ensure_ascii=False)
        with self._lock:
            texts = self._kept.setdefault((admin, mv), {})
            texts.pop(instance.uuid, None)
            if len(texts) >= _KEPT_MOST:
                del texts[next(iter(texts))]  # the one that has not changed for longest, or is deleted
            texts[instance.uuid] = _Kept(instance.version, instance.host or "", host_status, text)
        return text
