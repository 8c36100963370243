"""What hangs on a server: its interface, volumes, topology, password; what is attached and detached."""

from __future__ import annotations

from typing import Any

from tuinova.api import params
from tuinova.api.operations import Call, Operation
from tuinova.api.schemas import devices as schemas
from tuinova.api.schemas.types import is_true
from tuinova.core.block_devices import BlockDevice, find_volume, volumes_of
from tuinova.core.errors import NotFound
from tuinova.core.errors.server_networks import InterfaceAttachFailed
from tuinova.core.errors.volumes import VolumeNotAttached
from tuinova.core.guest_password import password_of
from tuinova.core.records import Instance, SecurityGroup
from tuinova.core.states import PowerState

_API = "os_compute_api:"
_PORTS, _VOLUMES = _API + "os-attach-interfaces:", _API + "os-volumes-attachments:"
# How long an answer waits for the hypervisor; what takes longer goes on.
_ATTACH_SECONDS = 60.0
_UP = (PowerState.RUNNING, PowerState.PAUSED)


# interfaces ----------------------------------------------------------------------------------------------------------
def _interfaces(call: Call, instance: Instance) -> list[dict[str, Any]]:
    """Nova's view of each port; on a host's own network the host's range of addresses is the subnet."""
    subnets = {network.name: network.id for network in call.state.conductor.host_networks(instance.host)}
    return [
        {
            "port_id": port.id,
            "net_id": port.network_id,
            "mac_addr": port.mac,
            "port_state": "ACTIVE" if instance.power_state in _UP else "DOWN",
            "fixed_ips": [
                {"ip_address": fixed.address, "subnet_id": fixed.subnet_id or subnets.get(port.network)}
                for fixed in port.fixed_ips
            ],
            "tag": port.tag,
        }
        for port in call.state.conductor.ports(instance.uuid)
    ]


def interfaces(call: Call) -> Any:
    """The server's ports."""
    instance = call.state.instance(call.ctx, call.param("id"))
    return {"interfaceAttachments": _interfaces(call, instance)}


def interface(call: Call) -> Any:
    """One port."""
    instance = call.state.instance(call.ctx, call.param("id"))
    wanted = call.param("port")
    for found in _interfaces(call, instance):
        if found["port_id"] == wanted:
            return {"interfaceAttachment": found}
    raise NotFound(f"Instance {instance.uuid} does not have a port with id {wanted[:80]}")


def attach_interface(call: Call) -> Any:
    """Plug a port; the answer says what it is, so it waits for the hypervisor."""
    uuid = call.param("id")
    accepted = call.state.compute.act(call.ctx, uuid, "attach_interface", call.body.get("interfaceAttachment"))
    port_id = str(accepted.answer["port_id"])
    call.state.order_watch.ended(uuid, "attach_interface", {"port_id": port_id}, _ATTACH_SECONDS)
    for found in _interfaces(call, call.state.instance(call.ctx, uuid)):
        if found["port_id"] == port_id:
            return {"interfaceAttachment": found}
    raise InterfaceAttachFailed(instance_uuid=uuid)


def detach_interface(call: Call) -> None:
    """Unplug one."""
    call.state.compute.act(call.ctx, call.param("id"), "detach_interface", {"port_id": call.param("port")})


def security_groups(call: Call) -> Any:
    """The groups of the server's ports, in Nova's words."""
    instance = call.state.instance(call.ctx, call.param("id"))
    ports = call.state.conductor.all_ports(device_id=instance.uuid)
    held = {ident for port in ports for ident in port.security_groups}
    groups = call.state.conductor.security_groups(instance.project_id)
    names = {group.id: group.name for group in groups}
    return {"security_groups": [_nova_group(group, names) for group in groups if group.id in held]}


def _nova_group(group: SecurityGroup, names: dict[str, str]) -> dict[str, Any]:
    return {
        "id": group.id,
        "name": group.name,
        "description": group.description,
        "tenant_id": group.project_id,
        "rules": [
            {
                "id": rule.id,
                "parent_group_id": group.id,
                "ip_protocol": rule.protocol,
                "from_port": rule.port_range_min,
                "to_port": rule.port_range_max,
                "ip_range": {"cidr": rule.remote_ip_prefix} if rule.remote_ip_prefix else {},
                "group": {"tenant_id": group.project_id, "name": names.get(rule.remote_group_id)}
                if rule.remote_group_id
                else {},
            }
            for rule in group.rules
            if rule.direction == "ingress"
        ],
    }


# volumes -------------------------------------------------------------------------------------------------------------
def _attachment(instance: Instance, device: BlockDevice) -> dict[str, Any]:
    """What 2.89 and later show."""
    return {
        "serverId": instance.uuid,
        "volumeId": device.volume_id,
        "device": device.device_name,
        "tag": device.tag,
        "delete_on_termination": device.delete_on_termination,
        "attachment_id": device.attachment_id,
        "bdm_uuid": device.uuid,
    }


def volumes(call: Call) -> Any:
    """The server's volumes."""
    instance = call.state.instance(call.ctx, call.param("id"))
    found = [_attachment(instance, device) for device in volumes_of(instance) if device.volume_id]
    first = max(0, params.integer(call.query, "offset") or 0)
    return {"volumeAttachments": found[first:][: params.page_limit(call.query) or params.MAX_LIMIT]}


def volume(call: Call) -> Any:
    """One of them."""
    instance = call.state.instance(call.ctx, call.param("id"))
    device = find_volume(instance, call.param("volume"))
    if device is None:
        raise VolumeNotAttached(instance_uuid=instance.uuid, volume_id=call.param("volume")[:80])
    return {"volumeAttachment": _attachment(instance, device)}


def attach_volume(call: Call) -> Any:
    """Attach one; the answer names the device, the guest has it a little later."""
    asked = dict(call.body["volumeAttachment"])
    if "delete_on_termination" in asked:
        asked["delete_on_termination"] = is_true(asked["delete_on_termination"])
    accepted = call.state.compute.act(call.ctx, call.param("id"), "attach_volume", asked)
    device = accepted.answer["device"]
    shown = _attachment(accepted.instance, device)
    kept = ("serverId", "volumeId", "device", "tag", "delete_on_termination")
    return {"volumeAttachment": {"id": device.volume_id, **{name: shown[name] for name in kept}}}


def update_volume(call: Call) -> None:
    """Change delete_on_termination."""
    call.state.instance(call.ctx, call.param("id"))
    asked = dict(call.body["volumeAttachment"])
    if "delete_on_termination" in asked:
        asked["delete_on_termination"] = is_true(asked["delete_on_termination"])
    call.state.compute.update_attachment(call.ctx, call.param("id"), call.param("volume"), asked)


def detach_volume(call: Call) -> None:
    """Take one away; the guest lets go of it a little later."""
    call.state.compute.act(call.ctx, call.param("id"), "detach_volume", {"volume_id": call.param("volume")})


# topology, password --------------------------------------------------------------------------------------------------
def topology(call: Call) -> Any:
    """No guest is bound to NUMA nodes or to large pages."""
    call.state.instance(call.ctx, call.param("id"))
    return {"nodes": [], "pagesize_kb": None}


def password(call: Call) -> Any:
    """What the guest has posted to the metadata service."""
    return {"password": password_of(call.state.instance(call.ctx, call.param("id")).system_metadata)}


def clear_password(call: Call) -> None:
    """Forget what was posted."""
    instance = call.state.instance(call.ctx, call.param("id"))
    call.state.conductor.clear_guest_password(instance.uuid)


_PORT, _VOLUME = "/servers/{id}/os-interface", "/servers/{id}/os-volume_attachments"
OPERATIONS = (
    Operation("GET", _PORT, interfaces, rule=_PORTS + "list"),
    Operation("POST", _PORT, attach_interface, 200, None, schemas.INTERFACE),
    Operation("GET", _PORT + "/{port}", interface, rule=_PORTS + "show"),
    Operation("DELETE", _PORT + "/{port}", detach_interface, 202),
    Operation("GET", "/servers/{id}/os-security-groups", security_groups, rule=_API + "os-security-groups:list"),
    Operation("GET", _VOLUME, volumes, rule=_VOLUMES + "index"),
    Operation("POST", _VOLUME, attach_volume, 200, None, schemas.VOLUME),
    Operation("GET", _VOLUME + "/{volume}", volume, rule=_VOLUMES + "show"),
    Operation("PUT", _VOLUME + "/{volume}", update_volume, 202, _VOLUMES + "update", schemas.VOLUME_UPDATE),
    Operation("DELETE", _VOLUME + "/{volume}", detach_volume, 202),
    Operation("GET", "/servers/{id}/topology", topology, rule="compute:server:topology:index"),
    Operation("GET", "/servers/{id}/os-server-password", password, rule=_API + "os-server-password:show"),
    Operation("DELETE", "/servers/{id}/os-server-password", clear_password, 204, _API + "os-server-password:clear"),
)
