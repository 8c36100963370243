"""What hangs on a server: its interface, volumes, topology, password; attaching says what this version lacks."""

from __future__ import annotations

from typing import Any

from tuinova.api.operations import Call, Operation
from tuinova.api.schemas import devices as schemas
from tuinova.core.errors import NotFound
from tuinova.core.guest_password import password_of
from tuinova.core.records import Instance
from tuinova.core.states import PowerState

_API = "os_compute_api:"
_PORTS, _VOLUMES = _API + "os-attach-interfaces:", _API + "os-volumes-attachments:"
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


def attach_interface(call: Call) -> None:
    """Not in this version."""
    call.state.compute.act(call.ctx, call.param("id"), "attach_interface", call.body.get("interfaceAttachment"))


def detach_interface(call: Call) -> None:
    """Not in this version."""
    call.state.compute.act(call.ctx, call.param("id"), "detach_interface", {"port_id": call.param("port")})


# volumes -------------------------------------------------------------------------------------------------------------
def volumes(call: Call) -> Any:
    """No server has any."""
    call.state.instance(call.ctx, call.param("id"))
    return {"volumeAttachments": []}


def volume(call: Call) -> Any:
    """None of them."""
    instance = call.state.instance(call.ctx, call.param("id"))
    raise NotFound(f"Instance {instance.uuid} is not attached to volume {call.param('volume')[:80]}")


def attach_volume(call: Call) -> None:
    """Not in this version."""
    call.state.compute.act(call.ctx, call.param("id"), "attach_volume", call.body["volumeAttachment"])


def detach_volume(call: Call) -> None:
    """Not in this version."""
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
    Operation("GET", _VOLUME, volumes, rule=_VOLUMES + "index"),
    Operation("POST", _VOLUME, attach_volume, 200, None, schemas.VOLUME),
    Operation("GET", _VOLUME + "/{volume}", volume, rule=_VOLUMES + "show"),
    Operation("PUT", _VOLUME + "/{volume}", attach_volume, 202, _VOLUMES + "update", schemas.VOLUME_UPDATE),
    Operation("DELETE", _VOLUME + "/{volume}", detach_volume, 202),
    Operation("GET", "/servers/{id}/topology", topology, rule="compute:server:topology:index"),
    Operation("GET", "/servers/{id}/os-server-password", password, rule=_API + "os-server-password:show"),
    Operation("DELETE", "/servers/{id}/os-server-password", clear_password, 204, _API + "os-server-password:clear"),
)
