"""Key pairs, quotas, limits, server groups, hypervisors, services, zones, projects, users, info, config."""

from __future__ import annotations

from typing import Any

import pytest

from tuinova.client import ApiError, Client, NotFoundByName

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ6jP0t6n0r2hvVVjoyR1mMn4vYH5Cjwq7mDOCw1oKzT somebody@somewhere"


# key pairs -----------------------------------------------------------------------------------------------------------
def test_a_key_pair_is_imported_shown_listed_deleted(admin: Client) -> None:
    answer = admin.request("POST", "/v2.1/os-keypairs", {"keypair": {"name": "k1", "public_key": KEY}})
    made = answer.json()["keypair"]
    assert answer.status == 201
    assert set(made) == {"name", "public_key", "fingerprint", "type", "user_id"}
    assert made["fingerprint"].count(":") == 15
    [listed] = admin.keypairs.list()
    assert listed == {key: made[key] for key in ("name", "public_key", "fingerprint", "type")}
    shown = admin.keypairs.get("k1")
    assert {"user_id", "id", "created_at", "updated_at", "deleted", "deleted_at"} < set(shown)
    assert admin.request("DELETE", "/v2.1/os-keypairs/k1").status == 204
    with pytest.raises(ApiError, match="Keypair k1 not found for user"):
        admin.keypairs.get("k1")
    with pytest.raises(NotFoundByName, match="No Keypair found for k1"):
        admin.keypairs.find("k1")


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ({"name": "k", "public_key": "nonsense"}, 400, "Keypair data is invalid: failed to generate fingerprint"),
        ({"name": "k", "public_key": ""}, 400, "Keypair data is invalid"),
        ({"name": "a/b", "public_key": KEY}, 400, "Keypair data is invalid: Keypair name contains unsafe characters"),
        ({"name": "", "public_key": KEY}, 400, "Invalid input for field/attribute name."),
        ({"name": "k"}, 400, "Invalid input for field/attribute keypair."),
        ({"name": "k", "public_key": KEY, "type": "pgp"}, 400, "Invalid input for field/attribute type."),
        ({"name": "k", "public_key": KEY, "type": "x509"}, 400, "Keypair data is invalid: failed to generate X509"),
        ({"name": "k", "public_key": KEY, "more": 1}, 400, "Invalid input for field/attribute keypair."),
    ],
)
def test_a_wrong_key_pair(admin: Client, body: dict[str, Any], code: int, message: str) -> None:
    with pytest.raises(ApiError) as caught:
        admin.keypairs.create(body)
    assert caught.value.code == code
    assert caught.value.message.startswith(message)


def test_key_pairs_belong_to_users(admin: Client, demo: Client) -> None:
    demo.keypairs.create({"name": "dk", "public_key": KEY})
    with pytest.raises(ApiError, match=r"Key pair 'dk' already exists\."):
        demo.keypairs.create({"name": "dk", "public_key": KEY})
    demo_id = demo.info()["user"]["id"]
    assert [row["name"] for row in admin.keypairs.list(demo_id)] == ["dk"]
    assert admin.keypairs.list() == []
    with pytest.raises(ApiError) as caught:
        demo.keypairs.list(admin.info()["user"]["id"])
    assert caught.value.code == 403
    admin.keypairs.delete("dk", demo_id)


def test_key_pairs_come_in_pages(admin: Client) -> None:
    for name in ("p1", "p2", "p3"):
        admin.keypairs.create({"name": name, "public_key": KEY})
    page = admin.get("/v2.1/os-keypairs?limit=2")
    assert [row["keypair"]["name"] for row in page["keypairs"]] == ["p1", "p2"]
    assert page["keypairs_links"][0]["href"].endswith("limit=2&marker=p2")
    for name in ("p1", "p2", "p3"):
        admin.keypairs.delete(name)


# quotas --------------------------------------------------------------------------------------------------------------
def test_quotas(admin: Client, demo: Client) -> None:
    project = admin.projects.find("demo")["id"]
    shown = demo.quotas.get(project)
    assert shown == {
        "id": project,
        "instances": 10,
        "cores": 20,
        "ram": 51200,
        "metadata_items": 128,
        "key_pairs": 100,
        "server_groups": 10,
        "server_group_members": 10,
    }
    assert admin.quotas.set(project, {"cores": "5", "ram": -1})["cores"] == 5
    assert demo.quotas.detail(project)["cores"] == {"limit": 5, "in_use": 0, "reserved": 0}
    assert demo.quotas.defaults(project)["cores"] == 20
    assert demo.limits()["maxTotalCores"] == 5
    assert admin.request("DELETE", f"/v2.1/os-quota-sets/{project}").status == 202
    assert demo.quotas.get(project)["cores"] == 20


def test_quotas_are_for_those_whom_they_concern(admin: Client, demo: Client) -> None:
    own = admin.info()["project"]["id"]
    for call in (
        lambda: demo.quotas.get(own),
        lambda: demo.quotas.detail(own),
        lambda: demo.quotas.set(demo.info()["project"]["id"], {"cores": 1}),
        lambda: demo.limits(tenant_id=own),
    ):
        with pytest.raises(ApiError) as caught:
            call()
        assert caught.value.code == 403
    assert admin.quotas.get(own)["instances"] == -1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"cores": -2}, "Invalid input for field/attribute cores. Value: -2. -2 is less than the minimum of -1"),
        ({"nonsense": 1}, "Invalid input for field/attribute quota_set."),
        ({"cores": "many"}, "Invalid input for field/attribute cores."),
    ],
)
def test_a_wrong_quota(admin: Client, body: dict[str, Any], message: str) -> None:
    with pytest.raises(ApiError) as caught:
        admin.quotas.set(admin.projects.find("demo")["id"], body)
    assert caught.value.code == 400
    assert caught.value.message.startswith(message)
    with pytest.raises(ApiError, match=r"Project ID none is not a valid project\."):
        admin.quotas.get("none")


def test_a_quota_below_what_is_used_needs_force(running: Any, admin: Client, demo: Client) -> None:
    project = admin.projects.find("demo")["id"]
    ident = running.boot(demo, name="q")["id"]
    with pytest.raises(ApiError) as caught:
        admin.quotas.set(project, {"instances": 0})
    text = "Quota limit 0 for instances must be greater than or equal to already used and reserved 1."
    assert (caught.value.code, caught.value.message) == (400, text)
    assert admin.quotas.set(project, {"instances": 0}, force=True)["instances"] == 0
    admin.quotas.delete(project)
    running.remove(demo, ident)


# server groups -------------------------------------------------------------------------------------------------------
def test_server_groups(running: Any, admin: Client, demo: Client) -> None:
    made = demo.server_groups.create({"name": "g", "policy": "anti-affinity", "rules": {"max_server_per_host": 2}})
    assert set(made) == {"id", "name", "policy", "rules", "members", "project_id", "user_id"}
    body = {"name": "m", "imageRef": running.image["id"], "flavorRef": "84", "networks": "auto"}
    server = demo.servers.create({"server": body, "os:scheduler_hints": {"group": made["id"]}})
    assert demo.server_groups.find("g")["members"] == [server["id"]]
    assert demo.servers.get(server["id"])["server_groups"] == [made["id"]]
    assert admin.server_groups.list() == []
    assert [row["id"] for row in admin.server_groups.list(all_projects=True)] == [made["id"]]
    with pytest.raises(ApiError) as caught:
        demo.server_groups.list(all_projects=True)
    assert caught.value.code == 403
    running.remove(demo, server["id"])
    demo.server_groups.delete(made["id"])
    with pytest.raises(ApiError, match=f"Instance group {made['id']} could not be found."):
        demo.server_groups.get(made["id"])


@pytest.mark.parametrize(
    "body",
    [
        {"name": "g"},
        {"name": "g", "policy": "odd"},
        {"name": "g", "policy": "affinity", "rules": {"max_server_per_host": 2}},
        {"name": "g", "policy": "anti-affinity", "rules": {"max_server_per_host": 0}},
        {"name": "g", "policies": ["affinity"]},
    ],
)
def test_a_wrong_server_group(demo: Client, body: dict[str, Any]) -> None:
    with pytest.raises(ApiError) as caught:
        demo.server_groups.create(body)
    assert caught.value.code == 400


# hosts ---------------------------------------------------------------------------------------------------------------
def test_orphans_are_listed_for_administrators(running: Any, admin: Client, demo: Client) -> None:
    assert admin.hypervisors.orphans() == []
    ident = running.boot(admin, name="o")["id"]
    running.engine.conductor.step(ident, updates={"host": "its-old-name"})
    [orphan] = admin.hypervisors.orphans()
    [host] = running.engine.drivers
    why = "its server is on its-old-name"
    assert orphan == {"uuid": ident, "host": host, "what": ["domain"], "why": why, "fate": "log"}
    running.engine.conductor.step(ident, updates={"host": host})
    running.remove(admin, ident)
    with pytest.raises(ApiError) as caught:
        demo.hypervisors.orphans()
    assert caught.value.code == 403


def test_hypervisors(running: Any, admin: Client, demo: Client) -> None:
    [row] = admin.hypervisors.list()
    assert set(row) == {
        *("id", "hypervisor_hostname", "state", "status", "hypervisor_type", "hypervisor_version", "host_ip"),
        *("service", "uptime"),
    }
    assert (row["state"], row["status"]) == ("up", "enabled")
    assert set(admin.get("/v2.1/os-hypervisors")["hypervisors"][0]) == {"id", "hypervisor_hostname", "state", "status"}
    assert admin.hypervisors.get(row["id"]) == row
    assert admin.hypervisors.find(row["hypervisor_hostname"])["id"] == row["id"]
    ident = running.boot(admin, name="h")["id"]
    [with_servers] = admin.get("/v2.1/os-hypervisors/detail?with_servers=True")["hypervisors"]
    assert [one["uuid"] for one in with_servers["servers"]] == [ident]
    [numbers] = admin.hypervisors.rows()
    assert numbers["memory_mb_allocated"] == 128
    assert numbers["running_vms"] == 1
    assert {"cpu_allocation_ratio", "reserved_host_memory_mb", "foreign", "host", "availability_zone"} < set(numbers)
    running.remove(admin, ident)
    for path in ("/v2.1/os-hypervisors/none", "/v2.1/os-hypervisors?hypervisor_hostname_pattern=none"):
        with pytest.raises(ApiError) as caught:
            admin.get(path)
        assert caught.value.code == 404
    with pytest.raises(ApiError) as caught:
        demo.hypervisors.rows()
    assert caught.value.code == 403


def test_services(admin: Client, demo: Client) -> None:
    services = {row["binary"]: row for row in admin.services.list()}
    assert set(services) == {"nova-compute", "nova-conductor", "nova-scheduler"}
    compute = services["nova-compute"]
    assert set(compute) == {
        *("id", "binary", "host", "zone", "status", "state", "updated_at", "disabled_reason", "forced_down"),
    }
    off = admin.services.set(compute["id"], {"status": "disabled", "disabled_reason": "works"})
    assert (off["status"], off["disabled_reason"]) == ("disabled", "works")
    assert admin.services.set(compute["id"], {"forced_down": True})["state"] == "down"
    on = admin.services.set(compute["id"], {"status": "enabled", "forced_down": False})
    assert (on["status"], on["disabled_reason"], on["state"]) == ("enabled", None, "up")
    with pytest.raises(ApiError, match="Only nova-compute services can be updated"):
        admin.services.set(services["nova-scheduler"]["id"], {"status": "disabled"})
    with pytest.raises(ApiError) as caught:
        admin.services.set(compute["id"], {"status": "enabled", "disabled_reason": "x"})
    assert caught.value.code == 400
    with pytest.raises(ApiError) as caught:
        admin.services.set("none", {"status": "enabled"})
    assert caught.value.code == 404
    with pytest.raises(ApiError) as caught:
        demo.services.list()
    assert caught.value.code == 403


def test_zones(admin: Client, demo: Client) -> None:
    assert demo.availability_zones() == [{"zoneName": "nova", "zoneState": {"available": True}, "hosts": None}]
    detail = {row["zoneName"]: row for row in admin.availability_zones(detail=True)}
    assert set(detail) == {"internal", "nova"}
    [services] = detail["nova"]["hosts"].values()
    assert {"available", "active", "updated_at"} == set(services["nova-compute"])
    with pytest.raises(ApiError) as caught:
        demo.availability_zones(detail=True)
    assert caught.value.code == 403


# people --------------------------------------------------------------------------------------------------------------
def test_projects_and_users(admin: Client, demo: Client) -> None:
    assert [row["name"] for row in admin.projects.list()] == ["admin", "demo"]
    assert [row["name"] for row in demo.projects.list()] == ["demo"]
    assert [row["name"] for row in admin.users.list()] == ["admin", "demo"]
    assert [row["name"] for row in demo.users.list()] == ["demo"]
    project = admin.projects.find("demo")
    assert admin.projects.get(project["id"]) == project
    assert admin.get("/identity/v3/projects?name=demo")["projects"] == [project]
    with pytest.raises(ApiError) as caught:
        admin.projects.get("demo")  # a name is no id
    assert caught.value.code == 404
    with pytest.raises(ApiError) as caught:
        demo.projects.get(admin.projects.find("admin")["id"])
    assert caught.value.code == 404


def test_info_and_config(running: Any, admin: Client, demo: Client) -> None:
    info = demo.info()
    assert {
        *("version", "pid", "socket", "state_dir", "instances_path", "database", "config", "driver", "libvirt_uri"),
        *("virt_type", "virt_type_reason", "warnings", "last_change", "user", "project", "roles"),
    } <= set(info)
    assert (info["driver"], info["libvirt_uri"], info["socket"]) == ("fake", None, str(running.places.socket))
    assert (info["user"]["name"], info["project"]["name"], info["roles"]) == ("demo", "demo", ["member", "reader"])
    rows = {(row["group"], row["name"]): row for row in admin.config()}
    assert rows["tuinova", "driver"]["value"] == "fake"
    assert rows["tuinova", "driver"]["source"] == "command line"
    assert rows["tuinova", "fake_boot_seconds"]["source"].startswith(str(running.places.config_file))
    assert {"group", "name", "value", "default", "nova_default", "differs_from_nova", "source", "help"} == set(
        rows["quota", "cores"]
    )
    with pytest.raises(ApiError) as caught:
        demo.config()
    assert caught.value.code == 403
