"""Flavors: Nova's validation, extra specs, access, the edit in one transaction."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tuinova.client import ApiError, Client, NotFoundByName

KEYS = {
    *("id", "name", "ram", "disk", "vcpus", "swap", "OS-FLV-EXT-DATA:ephemeral", "OS-FLV-DISABLED:disabled"),
    *("os-flavor-access:is_public", "rxtx_factor", "description", "extra_specs", "links"),
}


def _make(admin: Client, **fields: Any) -> dict[str, Any]:
    return admin.flavors.create({"name": f"f-{uuid.uuid4()}", "ram": 64, "vcpus": 1, "disk": 0, **fields})


def test_the_seeded_flavors(demo: Client) -> None:
    flavors = demo.flavors.list()
    assert len(flavors) == 12
    assert set(flavors[0]) == KEYS
    assert demo.flavors.find("m1.nano")["id"] == "42"
    assert demo.flavors.find("42")["name"] == "m1.nano"
    with pytest.raises(NotFoundByName, match="No Flavor found for none"):
        demo.flavors.find("none")


def test_the_short_list(admin: Client) -> None:
    assert {"id", "name", "description", "links"} == set(admin.get("/v2.1/flavors")["flavors"][0])


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("minRam=8192", ["m1.large", "m1.xlarge"]),
        ("minDisk=100", ["m1.xlarge"]),
        ("limit=1", ["m1.tiny"]),
        ("sort_key=memory_mb&sort_dir=desc&limit=2", ["m1.xlarge", "m1.large"]),
        ("marker=c1&limit=2", ["ds512M", "ds1G"]),
        ("is_public=False", []),
    ],
)
def test_list_parameters(admin: Client, query: str, names: list[str]) -> None:
    assert [row["name"] for row in admin.get(f"/v2.1/flavors/detail?{query}")["flavors"]] == names


@pytest.mark.parametrize(
    "query", ["minRam=x", "is_public=perhaps", "limit=x", "marker=none", "sort_key=none", "sort_key=id&sort_dir=up"]
)
def test_wrong_list_parameters(admin: Client, query: str) -> None:
    with pytest.raises(ApiError) as caught:
        admin.get(f"/v2.1/flavors/detail?{query}")
    assert caught.value.code == 400


def test_create_with_all_fields(admin: Client) -> None:
    made = admin.flavors.create(
        {
            "name": "full",
            "id": "full-1",
            "ram": "128",
            "vcpus": 2,
            "disk": 3,
            "OS-FLV-EXT-DATA:ephemeral": 1,
            "swap": "16",
            "rxtx_factor": "1.5",
            "os-flavor-access:is_public": "False",
            "description": "all of it",
        }
    )
    assert set(made) == KEYS
    shown = admin.flavors.get("full-1")
    assert shown == made
    assert (shown["ram"], shown["swap"], shown["rxtx_factor"]) == (128, 16, 1.5)
    assert shown["os-flavor-access:is_public"] is False


def test_an_id_is_made_when_none_is_given(admin: Client) -> None:
    assert uuid.UUID(_make(admin)["id"])
    assert uuid.UUID(_make(admin, id=None)["id"])
    assert _make(admin, id=77)["id"] == "77"


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"name": "m1.tiny"}, 409, "Flavor with name m1.tiny already exists."),
        ({"id": "1"}, 409, "Flavor with ID 1 already exists."),
        ({"name": ""}, 400, "Invalid input for field/attribute name. Value: . '' should be non-empty"),
        ({"name": "x "}, 400, "Invalid input for field/attribute name. Value: x . An invalid 'name' value"),
        ({"name": 5}, 400, "Invalid input for field/attribute name. Value: 5. 5 is not of type 'string'"),
        ({"ram": 0}, 400, "Invalid input for field/attribute ram. Value: 0. 0 is less than the minimum of 1"),
        ({"ram": "0"}, 400, "Invalid input for field/attribute ram. Value: 0. 0 is less than the minimum of 1"),
        ({"ram": 2147483648}, 400, "Invalid input for field/attribute ram. Value: 2147483648. 2147483648 is greater"),
        ({"ram": 1.5}, 400, "Invalid input for field/attribute ram. Value: 1.5. 1.5 is not of type"),
        ({"ram": None}, 400, "Invalid input for field/attribute ram. Value: None. None is not of type"),
        ({"vcpus": -1}, 400, "Invalid input for field/attribute vcpus. Value: -1. -1 is less than the minimum of 1"),
        ({"disk": -1}, 400, "Invalid input for field/attribute disk."),
        ({"swap": -1}, 400, "Invalid input for field/attribute swap."),
        ({"rxtx_factor": 0}, 400, "Invalid input for field/attribute rxtx_factor."),
        ({"id": " x"}, 400, "Invalid input for field/attribute id. Value:  x. ' x' does not match"),
        ({"id": "a/b"}, 400, "Invalid input for field/attribute id."),
        ({"description": "x" * 65536}, 400, "Invalid input for field/attribute description."),
        ({"os-flavor-access:is_public": "perhaps"}, 400, "Invalid input for field/attribute os-flavor-access:is_pub"),
        ({"OS-FLV-DISABLED:disabled": True}, 400, "Invalid input for field/attribute flavor."),
    ],
)
def test_a_wrong_create(admin: Client, change: dict[str, Any], code: int, message: str) -> None:
    before = len(admin.flavors.list(None))
    with pytest.raises(ApiError) as caught:
        admin.flavors.create({"name": f"f-{uuid.uuid4()}", "ram": 64, "vcpus": 1, "disk": 0, **change})
    assert caught.value.code == code
    assert caught.value.message.startswith(message)
    assert len(admin.flavors.list(None)) == before


def test_members_may_not_write(demo: Client) -> None:
    for call in (
        lambda: demo.flavors.create({"name": "x", "ram": 64, "vcpus": 1, "disk": 0}),
        lambda: demo.flavors.delete("1"),
        lambda: demo.flavors.describe("1", "x"),
        lambda: demo.flavors.replace("1", {"ram": 64}),
        lambda: demo.flavors.set_extra_specs("1", {"a": "b"}),
        lambda: demo.flavors.delete_extra_spec("1", "hw_rng:allowed"),
        lambda: demo.flavors.add_access("1", "demo"),
    ):
        with pytest.raises(ApiError) as caught:
            call()
        assert caught.value.code == 403


def test_description_is_all_that_nova_changes(admin: Client) -> None:
    ident = _make(admin)["id"]
    assert admin.flavors.describe(ident, "new")["description"] == "new"
    assert admin.flavors.describe(ident, None)["description"] is None
    with pytest.raises(ApiError) as caught:
        admin.put(f"/v2.1/flavors/{ident}", {"flavor": {"ram": 5}})
    assert caught.value.code == 400


def test_an_edit_keeps_id_extra_specs_and_access(admin: Client) -> None:
    project = admin.projects.find("demo")["id"]
    old = _make(admin, **{"os-flavor-access:is_public": False})
    admin.flavors.set_extra_specs(old["id"], {"a:b": "c"})
    admin.flavors.add_access(old["id"], project)
    new = admin.flavors.replace(old["id"], {"name": "renamed", "ram": 256})
    assert (new["id"], new["name"], new["ram"], new["vcpus"]) == (old["id"], "renamed", 256, 1)
    assert new["extra_specs"] == {"a:b": "c"}
    assert admin.flavors.access(old["id"]) == [project]


def test_a_refused_edit_leaves_the_old_one(admin: Client) -> None:
    old = _make(admin)
    for change, code in (({"name": "m1.tiny"}, 409), ({"ram": 0}, 400), ({"id": "other"}, 400)):
        with pytest.raises(ApiError) as caught:
            admin.flavors.replace(old["id"], change)
        assert caught.value.code == code
    assert admin.flavors.get(old["id"]) == old


def test_delete(admin: Client) -> None:
    ident = _make(admin)["id"]
    answer = admin.request("DELETE", f"/v2.1/flavors/{ident}")
    assert (answer.status, answer.data) == (202, b"")
    with pytest.raises(ApiError, match=f"Flavor {ident} could not be found."):
        admin.flavors.delete(ident)


def test_extra_specs(admin: Client) -> None:
    ident = _make(admin)["id"]
    assert admin.flavors.set_extra_specs(ident, {"a": "1", "b": 2}) == {"a": "1", "b": "2"}  # type: ignore[dict-item]
    assert admin.put(f"/v2.1/flavors/{ident}/os-extra_specs/a", {"a": "3"}) == {"a": "3"}
    assert admin.get(f"/v2.1/flavors/{ident}/os-extra_specs/a") == {"a": "3"}
    assert admin.flavors.extra_specs(ident) == {"a": "3", "b": "2"}
    admin.flavors.delete_extra_spec(ident, "a")
    with pytest.raises(ApiError, match=f"Flavor {ident} has no extra specs with key a."):
        admin.flavors.delete_extra_spec(ident, "a")
    for body in ({"extra_specs": {"a/b": "1"}}, {"extra_specs": {"a": None}}, {"extra_specs": {"a": "x" * 256}}, {}):
        with pytest.raises(ApiError) as caught:
            admin.post(f"/v2.1/flavors/{ident}/os-extra_specs", body)
        assert caught.value.code == 400


def test_a_private_flavor_is_seen_by_those_with_access(admin: Client, demo: Client) -> None:
    project = admin.projects.find("demo")["id"]
    ident = _make(admin, **{"os-flavor-access:is_public": False})["id"]
    with pytest.raises(ApiError) as caught:
        demo.flavors.get(ident)
    assert caught.value.code == 404
    admin.flavors.add_access(ident, project)
    assert demo.flavors.get(ident)["id"] == ident
    assert ident in [row["id"] for row in demo.flavors.list()]
    with pytest.raises(ApiError, match="Flavor access already exists"):
        admin.flavors.add_access(ident, project)
    admin.flavors.remove_access(ident, project)
    with pytest.raises(ApiError, match="Flavor access not found"):
        admin.flavors.remove_access(ident, project)
    assert ident not in [row["id"] for row in demo.flavors.list()]


def test_access_is_for_private_flavors(admin: Client) -> None:
    with pytest.raises(ApiError, match=r"Can not add access to a public flavor\."):
        admin.flavors.add_access("1", admin.projects.find("demo")["id"])
    with pytest.raises(ApiError, match=r"Access list not available for public flavors\."):
        admin.flavors.access("1")
    with pytest.raises(ApiError, match=r"Project ID none is not a valid project\."):
        admin.flavors.add_access("1", "none")
    for body in ({}, [], {"nonsense": {}}, {"addTenantAccess": {}}):
        with pytest.raises(ApiError) as caught:
            admin.post("/v2.1/flavors/1/action", body)
        assert caught.value.code == 400
