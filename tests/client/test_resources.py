"""Names, ids and pages."""

from __future__ import annotations

from typing import Any

import pytest

from tuinova.client import Client, NotFoundByName, NotUnique

ID = "11111111-2222-3333-4444-555555555555"


def test_a_server_is_found_by_id(service: Any, client: Client) -> None:
    service.on("GET", f"/v2.1/servers/{ID}", (200, {"server": {"id": ID, "name": "vm1"}}))
    assert client.servers.find(ID)["name"] == "vm1"


def test_a_server_is_found_by_its_exact_name(service: Any, client: Client) -> None:
    rows = [{"id": "b", "name": "vm.1"}]
    service.on("GET", "/v2.1/servers?name=%5Evm%5C.1%24", (200, {"servers": rows}))
    service.on("GET", "/v2.1/servers/b", (200, {"server": {"id": "b", "name": "vm.1"}}))
    assert client.servers.find("vm.1")["id"] == "b"


def test_all_projects_are_searched_when_asked(service: Any, client: Client) -> None:
    service.on("GET", "/v2.1/servers?name=%5Evm%24&all_tenants=1", (200, {"servers": [{"id": "b", "name": "vm"}]}))
    service.on("GET", "/v2.1/servers/b", (200, {"server": {"id": "b", "name": "vm"}}))
    assert client.servers.find("vm", all_projects=True)["id"] == "b"


def test_an_unknown_name_has_openstacks_text(service: Any, client: Client) -> None:
    service.on("GET", "/v2.1/servers?name=%5Evm%24", (200, {"servers": []}))
    with pytest.raises(NotFoundByName, match=r"^No Server found for vm$"):
        client.servers.find("vm")


def test_a_name_of_several_has_openstacks_text(service: Any, client: Client) -> None:
    rows = [{"id": "a", "name": "vm"}, {"id": "b", "name": "vm"}]
    service.on("GET", "/v2.1/servers?name=%5Evm%24", (200, {"servers": rows}))
    with pytest.raises(NotUnique, match=r"^More than one Server exists with the name 'vm'\.$"):
        client.servers.find("vm")


def test_a_flavor_is_found_by_id_before_name(service: Any, client: Client) -> None:
    service.on("GET", "/v2.1/flavors/1", (200, {"flavor": {"id": "1", "name": "m1.tiny"}}))
    assert client.flavors.find("1")["name"] == "m1.tiny"
    both = [{"id": "1", "name": "m1.tiny"}, {"id": "2", "name": "big/one"}]
    service.on("GET", "/v2.1/flavors/detail?is_public=None", (200, {"flavors": both}))
    assert client.flavors.find("big/one")["id"] == "2"
    assert ("GET", "/v2.1/flavors/big%2Fone") in [seen[:2] for seen in service.seen]


def test_all_pages_are_read(service: Any, client: Client) -> None:
    first = {"servers": [{"id": "a"}], "servers_links": [{"rel": "next", "href": "http://localhost/v2.1/p2"}]}
    service.on("GET", "/v2.1/servers/detail", (200, first))
    service.on("GET", "/v2.1/p2", (200, {"servers": [{"id": "b"}]}))
    assert [row["id"] for row in client.servers.list()] == ["a", "b"]


def test_all_pages_of_images_are_read(service: Any, client: Client) -> None:
    service.on("GET", "/image/v2/images", (200, {"images": [{"id": "a"}], "next": "/v2/images?marker=a"}))
    service.on("GET", "/image/v2/images?marker=a", (200, {"images": [{"id": "b"}]}))
    assert [row["id"] for row in client.images.list()] == ["a", "b"]


@pytest.mark.parametrize("name", ["..", ".", "a/b", "a?b", "a#b", "ü", "%2e"])
def test_a_hostile_name_stays_one_segment_of_the_path(service: Any, client: Client, name: str) -> None:
    from tuinova.client.connection import segment

    quoted = segment(name)
    assert "/" not in quoted
    assert quoted not in {".", ".."}
    service.on("DELETE", f"/v2.1/os-keypairs/{quoted}", (202, None))
    client.keypairs.delete(name)


def test_image_fields_become_a_json_patch(service: Any, client: Client) -> None:
    import json

    got: list[Any] = []
    service.on("PATCH", "/image/v2/images/i", lambda h: (got.append(json.loads(h.body())), (200, {"id": "i"}))[1])
    client.images.update("i", **{"min_ram": 96, "os/x": None})
    assert got == [[{"op": "add", "path": "/min_ram", "value": 96}, {"op": "remove", "path": "/os~1x"}]]
    assert service.seen[0][2]["Content-Type"] == "application/openstack-images-v2.1-json-patch"


def test_create_takes_a_bare_body_or_one_with_hints(service: Any, client: Client) -> None:
    import json

    got: list[Any] = []
    service.on("POST", "/v2.1/servers", lambda h: (got.append(json.loads(h.body())), (202, {"server": {"id": "a"}}))[1])
    assert client.servers.create({"name": "x"}) == {"id": "a"}
    client.servers.create({"server": {"name": "x"}, "os:scheduler_hints": {"group": "g"}})
    assert got == [{"server": {"name": "x"}}, {"server": {"name": "x"}, "os:scheduler_hints": {"group": "g"}}]


def test_moves_are_read_page_by_page(service: Any, client: Client) -> None:
    first = {
        "migrations": [{"id": 2}],
        "migrations_links": [{"rel": "next", "href": "http://localhost/v2.1/os-migrations?marker=m"}],
    }
    service.on("GET", f"/v2.1/os-migrations?instance_uuid={ID}", (200, first))
    service.on("GET", "/v2.1/os-migrations?marker=m", (200, {"migrations": [{"id": 1}]}))
    assert [row["id"] for row in client.migrations.list(instance_uuid=ID)] == [2, 1]


def test_a_live_migration_is_aborted_and_hurried_by_its_number(service: Any, client: Client) -> None:
    path = f"/v2.1/servers/{ID}/migrations"
    service.on("GET", path, (200, {"migrations": [{"id": 7, "status": "running"}]}))
    service.on("DELETE", f"{path}/7", (202, None))
    bodies = []
    service.on("POST", f"{path}/7/action", lambda handler: bodies.append(handler.body()) or (202, None))
    number = client.servers.migrations(ID)[0]["id"]
    client.servers.force_complete(ID, number)
    client.servers.abort_migration(ID, number)
    assert bodies == [b'{"force_complete": null}']
    assert service.seen[-1][:2] == ("DELETE", f"{path}/7")
