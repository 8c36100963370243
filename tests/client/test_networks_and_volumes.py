"""Neutron's and Cinder's collections: paths, bodies, names, pages and refusals."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tuinova.client import ApiError, Client, NotFoundByName, NotUnique

ID = "11111111-2222-3333-4444-555555555555"
COLLECTIONS = [
    ("networks", "/network/v2.0/networks", "network", "networks", "Network"),
    ("subnets", "/network/v2.0/subnets", "subnet", "subnets", "Subnet"),
    ("ports", "/network/v2.0/ports", "port", "ports", "Port"),
    ("security_groups", "/network/v2.0/security-groups", "security_group", "security_groups", "SecurityGroup"),
    ("routers", "/network/v2.0/routers", "router", "routers", "Router"),
    ("volumes", "/volume/v3/volumes", "volume", "volumes", "Volume"),
    ("volume_snapshots", "/volume/v3/snapshots", "snapshot", "snapshots", "Snapshot"),
]


def recorded(service: Any, method: str, path: str, answer: Any, status: int = 200) -> list[Any]:
    """Answer so and keep the bodies that came."""
    got: list[Any] = []
    service.on(method, path, lambda handler: (got.append(json.loads(handler.body() or b"null")), (status, answer))[1])
    return got


@pytest.mark.parametrize(("name", "path", "key", "plural", "noun"), COLLECTIONS)
def test_one_is_made_read_changed_deleted(
    service: Any, client: Client, name: str, path: str, key: str, plural: str, noun: str
) -> None:
    resource = getattr(client, name)
    row = {"id": ID, "name": "x"}
    made = recorded(service, "POST", path, {key: row}, 201)
    changed = recorded(service, "PUT", f"{path}/{ID}", {key: {**row, "name": "y"}})
    service.on("GET", f"{path}/{ID}", (200, {key: row}))
    service.on("DELETE", f"{path}/{ID}", (204, None))
    assert resource.create({"name": "x"}) == row
    assert resource.get(ID) == row
    assert resource.find(ID) == row
    assert resource.update(ID, name="y")["name"] == "y"
    resource.delete(ID)
    assert (made, changed) == ([{key: {"name": "x"}}], [{key: {"name": "y"}}])
    assert service.seen[-1][:2] == ("DELETE", f"{path}/{ID}")


@pytest.mark.parametrize(("name", "path", "key", "plural", "noun"), COLLECTIONS)
def test_names_are_exact_and_refused_with_openstacks_texts(
    service: Any, client: Client, name: str, path: str, key: str, plural: str, noun: str
) -> None:
    resource = getattr(client, name)
    where = path + ("/detail" if path.startswith("/volume") else "")
    rows = [{"id": "a", "name": "web"}, {"id": "b", "name": "web2"}]
    service.on("GET", f"{where}?name=web", (200, {plural: rows}))
    assert resource.find("web")["id"] == "a"
    service.on("GET", f"{where}?name=web", (200, {plural: []}))
    with pytest.raises(NotFoundByName, match=f"^No {noun} found for web$"):
        resource.find("web")
    service.on("GET", "/tuinova/v1/info", (200, {"project": {"id": "p"}}))
    service.on("GET", f"{where}?name=web", (200, {plural: [rows[0], {**rows[0], "id": "c"}]}))
    with pytest.raises(NotUnique, match=rf"^More than one {noun} exists with the name 'web'\.$"):
        resource.find("web")


def test_of_several_of_one_name_the_acting_projects_own_is_meant(service: Any, client: Client) -> None:
    service.on("GET", "/tuinova/v1/info", (200, {"project": {"id": "ours"}}))
    rows = [
        {"id": "a", "name": "default", "project_id": "theirs"},
        {"id": "b", "name": "default", "project_id": "ours"},
    ]
    service.on("GET", "/network/v2.0/security-groups?name=default", (200, {"security_groups": rows}))
    assert client.security_groups.find("default")["id"] == "b"
    rows.append({**rows[1], "id": "c"})
    with pytest.raises(NotUnique):
        client.security_groups.find("default")


def test_an_id_that_is_nobodys_may_still_be_a_name(service: Any, client: Client) -> None:
    service.on("GET", f"/network/v2.0/networks?name={ID}", (200, {"networks": [{"id": "a", "name": ID}]}))
    assert client.networks.find(ID)["id"] == "a"
    assert [seen[1] for seen in service.seen] == [
        f"/network/v2.0/networks/{ID}",
        f"/network/v2.0/networks?name={ID}",
    ]


def test_nothing_is_no_name(service: Any, client: Client) -> None:
    for resource in (client.networks, client.volumes, client.volume_types):
        with pytest.raises(NotFoundByName):
            resource.find("")
    assert service.seen == []


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (
            {"NeutronError": {"type": "IpAddressInUse", "message": "Unable to complete", "detail": ""}},
            "Unable to complete",
        ),
        ({"NeutronError": "plain words"}, "plain words"),
        ({"badRequest": {"code": 409, "message": "Invalid volume: in use"}}, "Invalid volume: in use"),
    ],
)
def test_refusals_become_their_own_words(service: Any, client: Client, body: Any, text: str) -> None:
    service.on("DELETE", "/network/v2.0/ports/p", (409, body))
    service.on("DELETE", "/volume/v3/volumes/v", (409, body))
    for delete in (lambda: client.ports.delete("p"), lambda: client.volumes.delete("v")):
        with pytest.raises(ApiError) as refused:
            delete()
        assert str(refused.value) == f"{text} (HTTP 409) (Request-ID: req-of-service)"


def test_pages_of_both_are_read_to_the_end(service: Any, client: Client) -> None:
    href = "http://localhost/network/v2.0/ports?marker=a"
    service.on(
        "GET",
        "/network/v2.0/ports?device_id=d",
        (200, {"ports": [{"id": "a"}], "ports_links": [{"rel": "next", "href": href}]}),
    )
    service.on("GET", "/network/v2.0/ports?marker=a", (200, {"ports": [{"id": "b"}]}))
    assert [row["id"] for row in client.ports.list(device_id="d")] == ["a", "b"]
    more = {
        "volumes": [{"id": "a"}],
        "volumes_links": [{"rel": "next", "href": "http://localhost/v3/p/volumes?marker=a"}],
    }
    service.on("GET", "/volume/v3/volumes/detail?status=error", (200, more))
    service.on("GET", "/volume/v3/volumes/detail?status=error&marker=a", (200, {"volumes": [{"id": "b"}]}))
    assert [row["id"] for row in client.volumes.list(status="error")] == ["a", "b"]


def test_a_router_joins_and_leaves_subnets_and_ports(service: Any, client: Client) -> None:
    joined = recorded(service, "PUT", "/network/v2.0/routers/r/add_router_interface", {"id": "r"})
    left = recorded(service, "PUT", "/network/v2.0/routers/r/remove_router_interface", {"id": "r"})
    client.routers.add_interface("r", subnet_id="s")
    client.routers.add_interface("r", port_id="p")
    client.routers.remove_interface("r", subnet_id="s")
    assert (joined, left) == ([{"subnet_id": "s"}, {"port_id": "p"}], [{"subnet_id": "s"}])


def test_a_floating_ip_is_found_by_its_address(service: Any, client: Client) -> None:
    rows = [{"id": "f", "floating_ip_address": "192.0.2.9"}]
    service.on("GET", "/network/v2.0/floatingips?floating_ip_address=192.0.2.9", (200, {"floatingips": rows}))
    assert client.floating_ips.find("192.0.2.9")["id"] == "f"


def test_a_rule_is_found_by_its_id_only(service: Any, client: Client) -> None:
    service.on("GET", f"/network/v2.0/security-group-rules/{ID}", (200, {"security_group_rule": {"id": ID}}))
    assert client.security_group_rules.find(ID) == {"id": ID}
    with pytest.raises(NotFoundByName, match=r"^No SecurityGroupRule found for ssh$"):
        client.security_group_rules.find("ssh")


def test_tags_are_replaced(service: Any, client: Client) -> None:
    got = recorded(service, "PUT", "/network/v2.0/ports/p/tags", {"tags": ["b"]})
    client.ports.set_tags("p", ["b"])
    assert got == [{"tags": ["b"]}]


def test_actions_of_volumes_have_cinders_keys(service: Any, client: Client) -> None:
    got = recorded(service, "POST", "/volume/v3/volumes/v/action", None, 202)
    client.volumes.extend("v", 3)
    client.volumes.set_bootable("v", True)
    client.volumes.set_readonly("v", False)
    client.volumes.retype("v", "fast", "never")
    client.volumes.reset_status("v", "error")
    client.volumes.set_attach_status("v", "detached")
    client.volumes.force_delete("v")
    assert got == [
        {"os-extend": {"new_size": 3}},
        {"os-set_bootable": {"bootable": True}},
        {"os-update_readonly_flag": {"readonly": False}},
        {"os-retype": {"new_type": "fast", "migration_policy": "never"}},
        {"os-reset_status": {"status": "error"}},
        {"os-reset_status": {"attach_status": "detached"}},
        {"os-force_delete": None},
    ]
    assert service.seen[0][2]["OpenStack-API-Version"] == "volume latest"


def test_a_type_is_found_among_private_ones_too(service: Any, client: Client) -> None:
    rows = [{"id": "a", "name": "fast"}, {"id": "b", "name": "slow"}]
    service.on("GET", "/volume/v3/types?is_public=None", (200, {"volume_types": rows}))
    assert client.volume_types.find("slow")["id"] == "b"


def test_ports_and_volumes_of_a_server(service: Any, client: Client) -> None:
    base = "/v2.1/servers/s"
    ports = recorded(service, "POST", f"{base}/os-interface", {"interfaceAttachment": {"port_id": "p"}})
    volumes = recorded(service, "POST", f"{base}/os-volume_attachments", {"volumeAttachment": {"device": "/dev/vdb"}})
    changed = recorded(service, "PUT", f"{base}/os-volume_attachments/v", None, 202)
    service.on("DELETE", f"{base}/os-interface/p", (202, None))
    service.on("DELETE", f"{base}/os-volume_attachments/v", (202, None))
    assert client.servers.add_interface("s", net_id="n", tag="nic1") == {"port_id": "p"}
    assert client.servers.attach_volume("s", "v", device=None) == {"device": "/dev/vdb"}
    client.servers.update_volume("s", "v", delete_on_termination=True)
    client.servers.remove_interface("s", "p")
    client.servers.detach_volume("s", "v")
    assert ports == [{"interfaceAttachment": {"net_id": "n", "tag": "nic1"}}]
    assert volumes == [{"volumeAttachment": {"volumeId": "v", "device": None}}]
    assert changed == [{"volumeAttachment": {"volumeId": "v", "delete_on_termination": True}}]
