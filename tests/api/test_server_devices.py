"""Interfaces, volumes, topology and password of a server: what is there is told, what is missing says so."""

from __future__ import annotations

from typing import Any

import pytest

from tuinova.client import ApiError, Client

UUID = "11111111-2222-3333-4444-555555555555"


@pytest.fixture(scope="module")
def server(running: Any, demo: Client) -> dict[str, Any]:
    return running.boot(demo, name="plugged")


def test_the_one_interface(demo: Client, server: dict[str, Any]) -> None:
    path = f"/v2.1/servers/{server['id']}/os-interface"
    [port] = demo.get(path)["interfaceAttachments"]
    [address] = demo.servers.get(server["id"])["addresses"].values()
    assert set(port) == {"port_id", "net_id", "mac_addr", "port_state", "fixed_ips", "tag"}
    assert port["mac_addr"] == address[0]["OS-EXT-IPS-MAC:mac_addr"]
    assert port["fixed_ips"][0]["ip_address"] == address[0]["addr"]
    assert (port["port_state"], port["tag"]) == ("ACTIVE", None)
    assert demo.get(f"{path}/{port['port_id']}") == {"interfaceAttachment": port}
    with pytest.raises(ApiError) as caught:
        demo.get(f"{path}/{UUID}")
    text = f"Instance {server['id']} does not have a port with id {UUID}"
    assert (caught.value.code, caught.value.message) == (404, text)


def test_no_volumes_topology_or_password(demo: Client, server: dict[str, Any]) -> None:
    base = f"/v2.1/servers/{server['id']}"
    assert demo.get(f"{base}/os-volume_attachments") == {"volumeAttachments": []}
    assert demo.get(f"{base}/topology") == {"nodes": [], "pagesize_kb": None}
    assert demo.get(f"{base}/os-server-password") == {"password": ""}
    assert demo.request("DELETE", f"{base}/os-server-password").status == 204
    with pytest.raises(ApiError) as caught:
        demo.get(f"{base}/os-volume_attachments/{UUID}")
    text = f"Instance {server['id']} is not attached to volume {UUID}"
    assert (caught.value.code, caught.value.message) == (404, text)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("os-volume_attachments", {"volumeAttachment": {}}),
        ("os-volume_attachments", {"volumeAttachment": {"volumeId": UUID, "device": "nonsense"}}),
        ("os-interface", {"interfaceAttachment": {"fixed_ips": [{"ip_address": "x"}]}}),
        ("os-interface", {"interfaceAttachment": {"nonsense": 1}}),
    ],
)
def test_a_wrong_body_is_400(demo: Client, server: dict[str, Any], path: str, body: Any) -> None:
    with pytest.raises(ApiError) as caught:
        demo.post(f"/v2.1/servers/{server['id']}/{path}", body)
    assert caught.value.code == 400


def test_a_server_of_others_has_nothing(running: Any, demo: Client, admin: Client) -> None:
    foreign = running.boot(admin, name="foreign")["id"]
    for path in ("os-interface", "os-volume_attachments", "topology", "os-server-password"):
        with pytest.raises(ApiError, match=f"Instance {foreign} could not be found"):
            demo.get(f"/v2.1/servers/{foreign}/{path}")


def test_what_a_guest_has_posted_is_shown_and_cleared(running: Any, admin: Client, demo: Client) -> None:
    ident = running.boot(admin, name="posts")["id"]
    path = f"/v2.1/servers/{ident}/os-server-password"
    try:
        assert admin.get(path) == {"password": ""}
        running.state.conductor.post_guest_password(ident, "c2VjcmV0" * 100)
        assert admin.get(path) == {"password": "c2VjcmV0" * 100}
        assert "c2VjcmV0" not in str(admin.servers.get(ident))
        with pytest.raises(ApiError) as caught:
            demo.get(path)
        assert caught.value.code == 404
        assert admin.request("DELETE", path).status == 204
        assert admin.get(path) == {"password": ""}
    finally:
        running.remove(admin, ident)
