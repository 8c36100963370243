"""Servers over the wire: create, show, update, delete, metadata, action log."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tuinova.client import ApiError, Client

ADMIN_KEYS = {
    "OS-EXT-SRV-ATTR:host",
    "OS-EXT-SRV-ATTR:instance_name",
    "OS-EXT-SRV-ATTR:hypervisor_hostname",
    "OS-EXT-SRV-ATTR:kernel_id",
    "OS-EXT-SRV-ATTR:launch_index",
    "OS-EXT-SRV-ATTR:ramdisk_id",
    "OS-EXT-SRV-ATTR:reservation_id",
    "OS-EXT-SRV-ATTR:root_device_name",
    "OS-EXT-SRV-ATTR:user_data",
    "host_status",
}
MEMBER_KEYS = {
    *("id", "name", "status", "tenant_id", "user_id", "metadata", "hostId", "image", "flavor", "created", "updated"),
    *("addresses", "accessIPv4", "accessIPv6", "links", "OS-DCF:diskConfig", "progress", "key_name", "config_drive"),
    *("OS-EXT-AZ:availability_zone", "OS-SRV-USG:launched_at", "OS-SRV-USG:terminated_at", "security_groups"),
    *("OS-EXT-STS:task_state", "OS-EXT-STS:vm_state", "OS-EXT-STS:power_state", "locked", "locked_reason"),
    *("os-extended-volumes:volumes_attached", "description", "tags", "trusted_image_certificates"),
    *("pinned_availability_zone", "OS-EXT-SRV-ATTR:hostname", "server_groups"),
}
ABSENT = "00000000-0000-0000-0000-000000000000"


@pytest.fixture(scope="module")
def server(running: Any, admin: Client) -> dict[str, Any]:
    return running.boot(admin, name="vm1", metadata={"a": "1"}, description="first")


@pytest.fixture(scope="module")
def demo_server(running: Any, demo: Client) -> dict[str, Any]:
    return running.boot(demo, name="dv")


def test_create_answers_as_nova_does(running: Any, admin: Client) -> None:
    body = {"name": "c1", "imageRef": running.image["id"], "flavorRef": "84", "networks": "auto"}
    answer = admin.request("POST", "/v2.1/servers", {"server": body})
    made = answer.json()["server"]
    assert answer.status == 202
    assert set(made) == {"id", "links", "OS-DCF:diskConfig", "security_groups", "adminPass"}
    assert answer.headers["Location"] == f"http://localhost/v2.1/servers/{made['id']}"
    assert len(made["adminPass"]) == 12
    running.remove(admin, made["id"])


def test_create_of_several_numbers_the_names_and_answers_the_reservation(running: Any, admin: Client) -> None:
    body = {
        "name": "many",
        "imageRef": running.image["id"],
        "flavorRef": "84",
        "networks": "auto",
        "min_count": 1,
        "max_count": "3",
        "return_reservation_id": True,
    }
    reservation = admin.post("/v2.1/servers", {"server": body})["reservation_id"]
    found = admin.servers.list(reservation_id=reservation)
    assert sorted(one["name"] for one in found) == ["many-1", "many-2", "many-3"]
    for one in found:
        running.remove(admin, one["id"])


def test_show_has_the_keys_of_2_96(admin: Client, server: dict[str, Any]) -> None:
    shown = admin.servers.get(server["id"])
    assert set(shown) == MEMBER_KEYS | ADMIN_KEYS
    assert shown["flavor"]["original_name"] == "m1.micro"
    assert set(shown["flavor"]) == {"vcpus", "ram", "disk", "ephemeral", "swap", "original_name", "extra_specs"}
    assert shown["config_drive"] == ""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", shown["created"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}", shown["OS-SRV-USG:launched_at"])
    [[address]] = shown["addresses"].values()
    assert set(address) == {"addr", "version", "OS-EXT-IPS:type", "OS-EXT-IPS-MAC:mac_addr"}
    assert shown["host_status"] == "UP"


def test_a_member_sees_no_host(demo: Client, demo_server: dict[str, Any]) -> None:
    shown = demo.servers.get(demo_server["id"])
    assert set(shown) == MEMBER_KEYS
    assert len(shown["hostId"]) == 56
    assert demo.servers.rows()[0]["host"] is None
    assert demo.get(f"/tuinova/v1/servers/{demo_server['id']}")["instance_name"] is None


def test_the_list_with_details_has_the_same_texts(admin: Client, server: dict[str, Any]) -> None:
    [listed] = [one for one in admin.servers.list() if one["id"] == server["id"]]
    shown = admin.servers.get(server["id"])
    shown.pop("server_groups")
    assert listed == shown


def test_another_projects_server_does_not_exist(demo: Client, admin: Client, server: dict[str, Any]) -> None:
    for method, path, body in (
        ("GET", "", None),
        ("DELETE", "", None),
        ("PUT", "", {"server": {"name": "x"}}),
        ("POST", "/action", {"os-stop": None}),
        ("GET", "/metadata", None),
        ("PUT", "/metadata/k", {"meta": {"k": "v"}}),
        ("GET", "/os-instance-actions", None),
        ("POST", "/remote-consoles", {"remote_console": {"protocol": "vnc", "type": "novnc"}}),
    ):
        with pytest.raises(ApiError) as caught:
            demo.request(method, f"/v2.1/servers/{server['id']}{path}", body)
        assert (caught.value.code, caught.value.message) == (404, f"Instance {server['id']} could not be found.")
    for path in ("", "/actions", "/schedule", "/console/log"):
        with pytest.raises(ApiError) as caught:
            demo.get(f"/tuinova/v1/servers/{server['id']}{path}")
        assert caught.value.code == 404
    assert admin.servers.get(server["id"])["status"] == "ACTIVE"


def test_update_answers_the_whole_server(admin: Client, server: dict[str, Any]) -> None:
    changed = admin.servers.update(server["id"], name=" vm1b ".strip(), description=None, accessIPv4="192.0.2.7")
    assert (changed["name"], changed["description"], changed["accessIPv4"]) == ("vm1b", None, "192.0.2.7")
    assert admin.servers.update(server["id"], name="vm1", accessIPv4="")["accessIPv4"] == ""
    assert admin.servers.list(name="^vm1$")[0]["name"] == "vm1"


def test_metadata(admin: Client, server: dict[str, Any]) -> None:
    ident = server["id"]
    assert admin.servers.set_metadata(ident, {"b": "2"}) == {"a": "1", "b": "2"}
    assert admin.servers.replace_metadata(ident, {"c": "3"}) == {"c": "3"}
    assert admin.put(f"/v2.1/servers/{ident}/metadata/d", {"meta": {"d": "4"}}) == {"meta": {"d": "4"}}
    assert admin.get(f"/v2.1/servers/{ident}/metadata/d") == {"meta": {"d": "4"}}
    admin.servers.delete_metadata(ident, "d")
    assert admin.servers.metadata(ident) == {"c": "3"}
    with pytest.raises(ApiError, match="Metadata item was not found"):
        admin.servers.delete_metadata(ident, "d")
    with pytest.raises(ApiError, match="Request body and URI mismatch"):
        admin.put(f"/v2.1/servers/{ident}/metadata/d", {"meta": {"e": "4"}})


def test_the_action_log(admin: Client, server: dict[str, Any]) -> None:
    [created] = [row for row in admin.servers.events(server["id"]) if row["action"] == "create"]
    assert set(created) == {
        *("action", "instance_uuid", "request_id", "user_id", "project_id", "start_time", "message", "updated_at"),
    }
    shown = admin.servers.event(server["id"], created["request_id"])
    assert [event["result"] for event in shown["events"]] == ["Success"] * len(shown["events"])
    assert {"event", "start_time", "finish_time", "result", "hostId", "traceback", "host", "details"} == set(
        shown["events"][-1]
    )
    with pytest.raises(ApiError, match="Action req-none not found"):
        admin.servers.event(server["id"], "req-none")


def test_a_members_events_have_no_host(demo: Client, demo_server: dict[str, Any]) -> None:
    row = demo.servers.events(demo_server["id"])[-1]
    event = demo.servers.event(demo_server["id"], row["request_id"])["events"][0]
    assert {"event", "start_time", "finish_time", "result", "hostId"} == set(event)


def test_the_log_outlives_the_server_and_is_paged(running: Any, admin: Client) -> None:
    ident = running.boot(admin, name="gone")["id"]
    admin.servers.action(ident, "lock")
    admin.servers.action(ident, "unlock")
    running.remove(admin, ident)
    with pytest.raises(ApiError) as caught:
        admin.servers.get(ident)
    assert caught.value.code == 404
    assert [row["action"] for row in admin.servers.events(ident)] == ["delete", "unlock", "lock", "create"]
    assert [row["action"] for row in admin.servers.events(ident, limit=3)] == ["delete", "unlock", "lock", "create"]
    first = admin.get(f"/v2.1/servers/{ident}/os-instance-actions?limit=1")
    assert [row["action"] for row in first["instanceActions"]] == ["delete"]


def test_the_schedule_of_a_server(admin: Client, server: dict[str, Any]) -> None:
    [decision] = admin.servers.schedule(server["id"])
    assert set(decision) == {"request_id", "at", "trace"}
    assert decision["trace"]


@pytest.mark.parametrize("path", ["", "/action", "/metadata", "/os-instance-actions"])
def test_an_unknown_server_is_404(admin: Client, path: str) -> None:
    method, body = ("POST", {"os-stop": None}) if path == "/action" else ("GET", None)
    with pytest.raises(ApiError) as caught:
        admin.request(method, f"/v2.1/servers/{ABSENT}{path}", body)
    assert (caught.value.code, caught.value.message) == (404, f"Instance {ABSENT} could not be found.")


def test_the_project_may_stand_in_the_path(running: Any, admin: Client, server: dict[str, Any]) -> None:
    project = admin.info()["project"]["id"]
    shown = admin.get(f"/v2.1/{project}/servers/{server['id']}")["server"]
    assert shown["id"] == server["id"]
    with pytest.raises(ApiError, match="doesn't match Context's project_id") as caught:
        admin.get(f"/v2.1/{'0' * 32}/servers/{server['id']}")
    assert caught.value.code == 400


def test_remote_consoles_are_refused_with_novas_text(admin: Client, server: dict[str, Any]) -> None:
    path = f"/v2.1/servers/{server['id']}/remote-consoles"
    with pytest.raises(ApiError, match=r"^Unavailable console type novnc\. ") as caught:
        admin.post(path, {"remote_console": {"protocol": "vnc", "type": "novnc"}})
    assert caught.value.code == 400
    with pytest.raises(ApiError, match="Invalid console type serial"):
        admin.post(path, {"remote_console": {"protocol": "vnc", "type": "serial"}})
