"""Neutron's and Cinder's faces of the quotas: bodies, codes, errors in their words."""

from __future__ import annotations

from typing import Any

import pytest

from tuinova.client import ApiError, Client


@pytest.fixture
def project(admin: Client) -> Any:
    ident = admin.projects.find("demo")["id"]
    yield ident
    admin.delete(f"/network/v2.0/quotas/{ident}")
    admin.delete(f"/volume/v3/os-quota-sets/{ident}")


def test_neutrons_quotas(admin: Client, demo: Client, project: str) -> None:
    path = f"/network/v2.0/quotas/{project}"
    assert demo.get(path)["quota"]["port"] == 500
    assert set(admin.put(path, {"quota": {"port": 7}})["quota"]) == set(demo.get(path)["quota"])
    assert demo.get(path + "/details")["quota"]["port"] == {"limit": 7, "used": 0, "reserved": 0}
    assert demo.get(path + "/default")["quota"]["port"] == 500
    assert [row["port"] for row in demo.get("/network/v2.0/quotas")["quotas"]] == [7]
    assert admin.request("DELETE", path).status == 204
    assert demo.get(path)["quota"]["port"] == 500


def test_cinders_quotas(admin: Client, demo: Client, project: str) -> None:
    path = f"/volume/v3/{project}/os-quota-sets/{project}"
    assert demo.get(path)["quota_set"] == {"id": project, "volumes": 10, "snapshots": 10, "gigabytes": 1000}
    own = f"/volume/v3/os-quota-sets/{project}"
    assert admin.put(own, {"quota_set": {"volumes": 1}})["quota_set"]["volumes"] == 1
    used = demo.get(own + "?usage=True")["quota_set"]
    assert used["volumes"] == {"limit": 1, "in_use": 0, "reserved": 0, "allocated": 0}
    assert demo.get(own + "/defaults")["quota_set"]["volumes"] == 10
    assert admin.request("DELETE", own).status == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("PUT", "/network/v2.0/quotas/{}", {"quota": {"port": 1}}, 403),
        ("PUT", "/volume/v3/os-quota-sets/{}", {"quota_set": {"volumes": 1}}, 403),
        ("PUT", "/volume/v3/os-quota-class-sets/default", {"quota_class_set": {"volumes": 1}}, 403),
        ("GET", "/network/v2.0/quotas/nobody", None, 400),
        ("GET", "/volume/v3/os-quota-sets/nobody", None, 400),
    ],
)
def test_who_may_not_and_what_is_wrong(
    demo: Client, project: str, method: str, path: str, body: Any, code: int
) -> None:
    with pytest.raises(ApiError) as caught:
        demo.request(method, path.format(project), body)
    assert caught.value.code == code
    assert caught.value.message


def test_neutron_tells_errors_in_its_own_words(running: Any) -> None:
    answer = running.raw("GET", "/network/v2.0/quotas/nobody")
    assert answer.json == {
        "NeutronError": {"type": "Invalid", "message": "Project ID nobody is not a valid project.", "detail": ""}
    }
    assert running.raw("GET", "/network/v2.0/nothing").json["NeutronError"]["type"] == "RouteNotFound"


def test_quota_classes(admin: Client, demo: Client) -> None:
    shown = admin.get("/v2.1/os-quota-class-sets/default")["quota_class_set"]
    assert (shown["id"], shown["cores"]) == ("default", 20)
    changed = admin.put("/v2.1/os-quota-class-sets/gold", {"quota_class_set": {"cores": 3}})["quota_class_set"]
    assert changed == {**{name: limit for name, limit in shown.items() if name != "id"}, "cores": 3}
    assert admin.get("/v2.1/os-quota-class-sets/default")["quota_class_set"]["cores"] == 20
    with pytest.raises(ApiError) as caught:
        admin.put("/v2.1/os-quota-class-sets/default", {"quota_class_set": {"cores": -2}})
    assert caught.value.code == 400
