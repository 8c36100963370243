"""/servers: create, list, show, update, delete (nova/api/openstack/compute/servers.py)."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from tuinova.api import params, views
from tuinova.api.operations import Call, Operation, Reply
from tuinova.api.schemas import servers as schemas
from tuinova.api.schemas.types import is_true
from tuinova.api.server_filters import QUERY, filter_of
from tuinova.core.compute_api.request import CreateRequest
from tuinova.core.errors import NotFound
from tuinova.core.records import Instance

_RULE = "os_compute_api:servers:"


def index(call: Call) -> Any:
    """The short list."""
    limit = params.page_limit(call.query)
    if limit == 0:
        return {"servers": []}
    found = call.state.conductor.instances(filter_of(call, rule=_RULE + "index", limit=limit))
    body: dict[str, Any] = {"servers": [views.server_basic(instance, call.base_url) for instance in found]}
    if len(found) == limit:
        body["servers_links"] = [_next_page(call, "servers", found[-1].uuid)]
    return body


def detail(call: Call) -> Reply:
    """The list with details, put together of texts that are kept until their server changes."""
    limit = params.page_limit(call.query)
    asked = filter_of(call, rule=_RULE + "detail", limit=limit)
    if limit == 0:
        return Reply('{"servers":[]}')
    listed = call.state.conductor.instance_versions(asked)
    texts = detail_texts(call, listed)
    tail = ""
    if len(listed) == limit:
        follow = json.dumps([_next_page(call, "servers/detail", listed[-1][0])])
        tail = f',"servers_links":{follow}'
    return Reply(f'{{"servers":[{",".join(texts)}]{tail}}}')


def detail_texts(call: Call, listed: list[tuple[str, int]]) -> list[str]:
    """The JSON text of each (uuid, version); what is not kept is read and made."""
    admin = call.ctx.is_admin
    statuses = call.state.host_statuses() if admin else {}
    kept = call.state.details.kept(admin, call.mv, statuses)
    texts = [kept(uuid, version) for uuid, version in listed]
    missing = [uuid for (uuid, _), text in zip(listed, texts, strict=True) if text is None]
    if not missing:
        return [text for text in texts if text is not None]
    made = {
        uuid: call.state.details.make(
            instance, admin=admin, host_status=statuses.get(instance.host or "", ""), mv=call.mv
        )
        for uuid, instance in call.state.conductor.instances_by_uuid(missing).items()
    }
    filled = (text if text is not None else made.get(uuid) for (uuid, _), text in zip(listed, texts, strict=True))
    return [text for text in filled if text is not None]


def show(call: Call) -> Any:
    """One server."""
    return {"server": whole_server(call, call.state.instance(call.ctx, call.param("id")))}


def create(call: Call) -> Reply:
    """New servers: the answer names the first."""
    state = call.state
    request = CreateRequest.from_body(call.body)
    made = state.compute.create(call.ctx, request)
    first = made[0]
    if is_true(call.body["server"].get("return_reservation_id", False)):
        return Reply({"reservation_id": first.reservation_id})
    body = {
        "id": first.uuid,
        "links": views.links(call.base_url, "servers", first.uuid),
        "OS-DCF:diskConfig": first.disk_config,
        "security_groups": [{"name": name} for name in first.security_groups],
    }
    if state.config.api.enable_instance_password:
        body["adminPass"] = request.admin_password
    return Reply({"server": body}, headers={"Location": f"{call.base_url}/v2.1/servers/{first.uuid}"})


_FIELDS = {
    "name": "name",
    "description": "description",
    "hostname": "hostname",
    "accessIPv4": "access_ip_v4",
    "accessIPv6": "access_ip_v6",
    "OS-DCF:diskConfig": "disk_config",
}


def update(call: Call) -> Any:
    """Name, description, hostname and the addresses of access."""
    asked = call.body["server"]
    fields = {_FIELDS[key]: value for key, value in asked.items()}
    if "name" in fields:
        fields["name"] = fields["name"].strip()
    for key in ("access_ip_v4", "access_ip_v6"):
        if key in fields:
            fields[key] = fields[key] or None
    return {"server": whole_server(call, call.state.compute.update(call.ctx, call.param("id"), fields))}


def delete(call: Call) -> None:
    """Ask for deletion."""
    ident = call.param("id")
    call.state.compute.delete(call.ctx, ident)
    call.state.tokens.revoke(ident)


def diagnostics(call: Call) -> Any:
    """What the hypervisor says of the running guest."""
    return dict(call.state.compute.act(call.ctx, call.param("id"), "get_diagnostics").answer)


def addresses(call: Call) -> Any:
    """The addresses by network."""
    return {"addresses": views.addresses(call.state.instance(call.ctx, call.param("id")))}


def addresses_of_network(call: Call) -> Any:
    """Those of one network."""
    found = views.addresses(call.state.instance(call.ctx, call.param("id")))
    name = call.param("network")
    if name not in found:
        raise NotFound("Network not found")
    return {name: found[name]}


def whole_server(call: Call, instance: Instance) -> dict[str, Any]:
    """All that Nova shows of one server."""
    admin = call.ctx.is_admin
    status = call.state.host_statuses().get(instance.host or "", "") if admin else ""
    view = views.server_detail(instance, base=call.base_url, admin=admin, host_status=status, mv=call.mv)
    if call.mv >= (2, 71):
        view["server_groups"] = [instance.server_group_id] if instance.server_group_id else []
    return view


def _next_page(call: Call, path: str, marker: str) -> dict[str, str]:
    kept = [(key, value) for key, value in call.query.multi_items() if key != "marker"]
    return {"rel": "next", "href": f"{call.base_url}/v2.1/{path}?{urlencode([*kept, ('marker', marker)])}"}


OPERATIONS = (
    Operation("GET", "/servers", index, rule=_RULE + "index", query=QUERY),
    Operation("POST", "/servers", create, 202, _RULE + "create", schemas.CREATE, older=schemas.CREATE_OLDER),
    Operation("GET", "/servers/detail", detail, rule=_RULE + "detail", query=QUERY),
    Operation("GET", "/servers/{id}", show, rule=_RULE + "show"),
    Operation("PUT", "/servers/{id}", update, 200, _RULE + "update", schemas.UPDATE),
    Operation("DELETE", "/servers/{id}", delete, 204),
    Operation("GET", "/servers/{id}/ips", addresses, rule="os_compute_api:ips:index"),
    Operation("GET", "/servers/{id}/ips/{network}", addresses_of_network, rule="os_compute_api:ips:show"),
    Operation("GET", "/servers/{id}/diagnostics", diagnostics),
)
