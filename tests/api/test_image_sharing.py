"""Images of other projects: members, what each list shows, who may boot what; images out of use."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest

from tuinova.client import ApiError, Client

RAW = {"name": "i", "disk_format": "raw", "container_format": "bare"}
BIG = bytes(1 << 20)


def refused(call: Callable[[], Any]) -> tuple[int, str]:
    with pytest.raises(ApiError) as caught:
        call()
    return caught.value.code, caught.value.message


@pytest.fixture(scope="module")
def demo_id(demo: Client) -> str:
    return str(demo.info()["project"]["id"])


@pytest.fixture
def shared(admin: Client) -> str:
    image = admin.images.create({**RAW, "name": "shared", "visibility": "shared"})
    admin.images.upload(image["id"], io.BytesIO(BIG))
    return str(image["id"])


def listed(client: Client, ident: str, **filters: Any) -> bool:
    return ident in {row["id"] for row in client.images.list(**filters)}


def test_a_member_finds_an_image_in_its_lists_when_it_has_accepted(
    running: Any, admin: Client, demo: Client, demo_id: str, shared: str
) -> None:
    assert refused(lambda: demo.images.get(shared))[0] == 404
    body = {"server": {"name": "x", "imageRef": shared, "flavorRef": "84", "networks": "none"}}
    assert refused(lambda: demo.servers.create(body)) == (400, "Can not find requested image")
    member = admin.images.add_member(shared, demo_id)
    assert {key: member[key] for key in ("member_id", "image_id", "status", "schema")} == {
        "member_id": demo_id,
        "image_id": shared,
        "status": "pending",
        "schema": "/v2/schemas/member",
    }
    assert demo.images.get(shared)["id"] == shared
    assert not listed(demo, shared)
    assert listed(demo, shared, visibility="shared", member_status="pending")
    assert not listed(demo, shared, visibility="shared")
    assert demo.images.answer(shared, demo_id, "accepted")["status"] == "accepted"
    assert listed(demo, shared)
    assert listed(demo, shared, visibility="shared")
    assert not listed(demo, shared, visibility="shared", member_status="pending")
    server = running.boot(demo, name="shared", imageRef=shared)
    running.remove(demo, server["id"])
    demo.images.answer(shared, demo_id, "rejected")
    assert not listed(demo, shared)
    assert listed(demo, shared, member_status="all")
    admin.images.remove_member(shared, demo_id)
    assert refused(lambda: demo.images.get(shared))[0] == 404
    assert admin.images.members(shared) == []


def test_who_may_share_and_who_may_answer(admin: Client, demo: Client, demo_id: str, shared: str) -> None:
    admin_id = admin.info()["project"]["id"]
    admin.images.add_member(shared, demo_id)
    assert refused(lambda: admin.images.add_member(shared, demo_id)) == (
        409,
        f"Member {demo_id} is duplicated for image {shared}",
    )
    assert refused(lambda: demo.images.add_member(shared, admin_id)) == (
        403,
        f"Not allowed to create members for image {shared}.",
    )
    assert refused(lambda: demo.images.remove_member(shared, demo_id))[0] == 403
    assert refused(lambda: admin.images.add_member(shared, "no-such-project"))[0] == 404
    assert refused(lambda: admin.request("POST", f"/image/v2/images/{shared}/members", {})) == (
        400,
        "Member to be added not specified",
    )
    code, text = refused(lambda: demo.images.answer(shared, demo_id, "perhaps"))
    assert (code, text.startswith("Incorrect request: Status must be")) == (400, True)
    assert refused(lambda: admin.images.member(shared, "nobody")) == (
        404,
        f"nobody not found in the member list of the image {shared}.",
    )
    assert [one["member_id"] for one in demo.images.members(shared)] == [demo_id]
    own = demo.images.create(RAW)["id"]
    demo.images.add_member(own, admin_id)
    assert refused(lambda: demo.images.answer(own, admin_id, "accepted")) == (
        403,
        f"Not allowed to update members for image {own}.",
    )
    assert listed(admin, own, member_status="pending")


@pytest.mark.parametrize("visibility", ["private", "public", "community"])
def test_only_shared_images_have_members(admin: Client, demo_id: str, visibility: str) -> None:
    ident = admin.images.create({**RAW, "visibility": visibility})["id"]
    for call in (lambda: admin.images.members(ident), lambda: admin.images.add_member(ident, demo_id)):
        assert refused(call) == (403, "Only shared images have members.")


def test_members_count_only_while_the_image_is_shared_and_go_with_it(
    running: Any, admin: Client, demo: Client, demo_id: str, shared: str
) -> None:
    admin.images.add_member(shared, demo_id)
    demo.images.answer(shared, demo_id, "accepted")
    admin.images.update(shared, visibility="private")
    assert refused(lambda: demo.images.get(shared))[0] == 404
    assert not listed(demo, shared)
    admin.images.update(shared, visibility="shared")
    assert listed(demo, shared)
    admin.images.delete(shared)
    assert running.engine.conductor.image_members(shared) == []


def test_a_list_of_all_has_community_images_too(admin: Client, demo: Client) -> None:
    ident = admin.images.create({**RAW, "visibility": "community"})["id"]
    assert not listed(demo, ident)
    assert listed(demo, ident, visibility="all")
    assert listed(demo, ident, visibility="community")
    assert not listed(demo, ident, visibility="public")


@pytest.mark.parametrize(
    ("visibility", "boots"), [("private", False), ("shared", False), ("community", True), ("public", True)]
)
def test_who_boots_what(running: Any, admin: Client, demo: Client, visibility: str, boots: bool) -> None:
    ident = admin.images.create({**RAW, "visibility": visibility})["id"]
    admin.images.upload(ident, io.BytesIO(BIG))
    if boots:
        server = running.boot(demo, name=visibility, imageRef=ident)
        running.remove(demo, server["id"])
        return
    body = {"server": {"name": "x", "imageRef": ident, "flavorRef": "84", "networks": "none"}}
    assert refused(lambda: demo.servers.create(body)) == (400, "Can not find requested image")


def test_a_deactivated_image_is_neither_booted_nor_read(running: Any, admin: Client, demo: Client) -> None:
    ident = admin.images.create({**RAW, "visibility": "public"})["id"]
    assert refused(lambda: admin.images.deactivate(ident)) == (
        403,
        "Not allowed to deactivate image in status 'queued'",
    )
    admin.images.upload(ident, io.BytesIO(BIG))
    server = running.boot(demo, name="before", imageRef=ident)
    assert refused(lambda: demo.images.deactivate(ident))[0] == 403
    admin.images.deactivate(ident)
    admin.images.deactivate(ident)
    assert demo.images.get(ident)["status"] == "deactivated"
    body = {"server": {"name": "x", "imageRef": ident, "flavorRef": "84", "networks": "none"}}
    assert refused(lambda: demo.servers.create(body)) == (400, f"Image {ident} is not active.")
    assert refused(lambda: demo.images.download(ident, io.BytesIO())) == (
        403,
        "The requested image has been deactivated. Image data download is forbidden.",
    )
    out = io.BytesIO()
    admin.images.download(ident, out)
    assert out.getvalue() == BIG
    assert demo.servers.get(server["id"])["status"] == "ACTIVE"
    admin.images.reactivate(ident)
    demo.images.download(ident, io.BytesIO())
    running.remove(demo, server["id"])


def test_an_admin_gives_an_image_to_another_project(admin: Client, demo: Client, demo_id: str) -> None:
    ident = admin.images.create({**RAW, "visibility": "private"})["id"]
    admin.images.update(ident, owner=demo_id)
    assert demo.images.get(ident)["owner"] == demo_id
    assert refused(lambda: demo.images.update(ident, owner="elsewhere"))[0] == 403


def test_glances_own_names_are_no_properties(admin: Client) -> None:
    for name in ("os_glance_stage", "task_progress"):
        assert refused(lambda name=name: admin.images.create({**RAW, name: "x"}))[0] in (400, 403)


def test_lists_by_property_size_time_and_several_values(running: Any, admin: Client) -> None:
    made = [admin.images.create({**RAW, "name": name, "os_distro": "ours", "tags": [name, "q"]}) for name in "abc"]
    admin.images.upload(made[0]["id"], io.BytesIO(BIG))

    def names(query: str) -> list[str]:
        return [row["name"] for row in admin.get(f"/image/v2/images?os_distro=ours&sort=name:asc&{query}")["images"]]

    assert names("") == ["a", "b", "c"]
    assert names("name=in:a,c") == ["a", "c"]
    assert names("status=in:active,saving") == ["a"]
    assert names("tag=q&tag=b") == ["b"]
    assert names("size_min=1") == ["a"]
    assert names("size_max=1") == []
    assert names("created_at=gt:2000-01-01T00:00:00Z") == ["a", "b", "c"]
    assert names("updated_at=lt:2000-01-01T00:00:00Z") == []
    assert names("os_distro=theirs") in ([], ["a", "b", "c"])
    for query in ("visibility=odd", "member_status=odd", "created_at=gt:never", 'name=in:"a', "min_ram=x"):
        assert refused(lambda query=query: admin.get(f"/image/v2/images?{query}"))[0] == 400
