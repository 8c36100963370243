"""Images: rows, data in and out, who may do what, JSON patch, what hostile data leaves behind."""

from __future__ import annotations

import hashlib
import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tuinova.client import ApiError, Client
from tuinova.core.errors import ImageStorageFull
from tuinova.core.sockets import connect_unix

KEYS = {
    *("id", "name", "status", "visibility", "owner", "protected", "os_hidden", "disk_format", "container_format"),
    *("min_disk", "min_ram", "size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value", "tags"),
    *("created_at", "updated_at", "self", "file", "schema"),
}
RAW = {"name": "i", "disk_format": "raw", "container_format": "bare"}


def _files(running: Any) -> set[str]:
    return {path.name for path in Path(running.places.images).iterdir()}


def test_an_image_from_nothing_to_its_data_and_back(running: Any, admin: Client) -> None:
    data = os.urandom(3 << 20)
    answer = admin.request("POST", "/image/v2/images", {**RAW, "min_ram": 96, "hw_disk_bus": "virtio"})
    image = answer.json()
    assert answer.status == 201
    assert answer.headers["OpenStack-image-import-methods"] == "glance-direct,web-download"
    assert set(image) == {*KEYS, "hw_disk_bus"}
    assert (image["status"], image["size"], image["visibility"]) == ("queued", None, "shared")
    seen: list[int] = []
    admin.images.upload(image["id"], io.BytesIO(data), lambda done, _total: seen.append(done))
    assert seen[-1] == len(data)
    shown = admin.images.get(image["id"])
    assert (shown["status"], shown["size"], shown["virtual_size"]) == ("active", len(data), len(data))
    assert shown["checksum"] == hashlib.md5(data).hexdigest()
    assert (shown["os_hash_algo"], shown["os_hash_value"]) == ("sha512", hashlib.sha512(data).hexdigest())
    out = io.BytesIO()
    assert admin.images.download(image["id"], out) == len(data)
    assert out.getvalue() == data
    with pytest.raises(ApiError) as caught:
        admin.images.upload(image["id"], io.BytesIO(b"again"))
    assert caught.value.code == 409
    assert admin.request("DELETE", f"/image/v2/images/{image['id']}").status == 204
    assert image["id"] not in _files(running)
    with pytest.raises(ApiError, match="could not be found") as caught:
        admin.images.get(image["id"])
    assert caught.value.code == 404


def test_an_image_without_data_downloads_as_nothing(running: Any, admin: Client) -> None:
    image = admin.images.create(RAW)
    assert running.raw("GET", f"/image/v2/images/{image['id']}/file").status == 204


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ({"disk_format": "odd"}, 400, "Invalid input for field/attribute disk_format."),
        ({"disk_format": "vmdk"}, 400, "Disk format vmdk is not acceptable"),
        ({"container_format": "odd"}, 400, "Invalid input for field/attribute container_format."),
        ({"min_disk": -1}, 400, "Invalid input for field/attribute min_disk."),
        ({"min_ram": "96"}, 400, "Invalid input for field/attribute min_ram."),
        ({"visibility": "secret"}, 400, "Invalid input for field/attribute visibility."),
        ({"protected": "yes"}, 400, "Invalid input for field/attribute protected."),
        ({"id": "not-a-uuid"}, 400, "Invalid input for field/attribute id."),
        ({"name": "x" * 256}, 400, "Invalid input for field/attribute name."),
        ({"hw_x": 5}, 400, "Invalid input for field/attribute hw_x."),
        ({"tags": ["a", "a"]}, 400, "Invalid input for field/attribute tags."),
        ({"status": "active"}, 403, "Attribute 'status' is read-only."),
        ({"checksum": "x"}, 403, "Attribute 'checksum' is read-only."),
        ({f"p{number}": "x" for number in range(200)}, 400, "The limit has been exceeded on the number of allowed"),
    ],
)
def test_a_wrong_create(admin: Client, body: dict[str, Any], code: int, message: str) -> None:
    before = len(admin.images.list())
    with pytest.raises(ApiError) as caught:
        admin.images.create({**RAW, **body})
    assert caught.value.code == code
    assert caught.value.message.startswith(message)
    assert len(admin.images.list()) == before


def test_an_id_is_taken_once(admin: Client) -> None:
    ident = "AAAAAAAA-0000-4000-8000-000000000001"
    assert admin.images.create({**RAW, "id": ident})["id"] == ident.lower()
    with pytest.raises(ApiError) as caught:
        admin.images.create({**RAW, "id": ident})
    assert caught.value.code == 409


def test_who_sees_and_changes_an_image(admin: Client, demo: Client) -> None:
    private = admin.images.create({**RAW, "visibility": "private"})["id"]
    public = admin.images.create({**RAW, "visibility": "public"})["id"]
    community = admin.images.create({**RAW, "visibility": "community"})["id"]
    own = demo.images.create(RAW)["id"]
    listed = {row["id"] for row in demo.images.list()}
    assert {public, own} <= listed
    assert not {private, community} & listed
    assert community in {row["id"] for row in demo.images.list(visibility="community")}
    assert demo.images.get(community)["id"] == community
    with pytest.raises(ApiError) as caught:
        demo.images.get(private)
    assert caught.value.code == 404
    for call in (
        lambda: demo.images.update(public, name="mine"),
        lambda: demo.images.delete(public),
        lambda: demo.images.upload(public, io.BytesIO(b"x")),
        lambda: demo.images.create({**RAW, "visibility": "public"}),
        lambda: demo.images.update(own, visibility="public"),
        lambda: demo.images.create({**RAW, "owner": admin.info()["project"]["id"]}),
    ):
        with pytest.raises(ApiError) as caught:
            call()
        assert caught.value.code == 403
    assert admin.images.get(own)["id"] == own


def test_a_protected_image_stays(admin: Client) -> None:
    ident = admin.images.create({**RAW, "protected": True})["id"]
    with pytest.raises(ApiError, match="is protected and cannot be deleted") as caught:
        admin.images.delete(ident)
    assert caught.value.code == 403
    admin.images.update(ident, protected=False)
    admin.images.delete(ident)


def test_an_image_in_use_may_go(running: Any, admin: Client) -> None:
    image = running.upload(admin)
    server = running.boot(admin, name="uses", imageRef=image["id"])
    admin.images.delete(image["id"])
    assert admin.servers.get(server["id"])["image"]["id"] == image["id"]
    running.remove(admin, server["id"])


def test_json_patch(admin: Client) -> None:
    ident = admin.images.create({**RAW, "old": "1"})["id"]
    steps = [
        {"op": "replace", "path": "/name", "value": "new"},
        {"op": "add", "path": "/os~1x", "value": "2"},
        {"op": "remove", "path": "/old"},
        {"op": "replace", "path": "/tags", "value": ["a"]},
        {"op": "add", "path": "/min_ram", "value": 64},
    ]
    changed = admin.images.patch(ident, steps)
    assert (changed["name"], changed["os/x"], changed["tags"], changed["min_ram"]) == ("new", "2", ["a"], 64)
    assert "old" not in changed
    assert admin.images.update(ident, **{"os/x": None, "more": "3"})["more"] == "3"


@pytest.mark.parametrize(
    ("step", "code"),
    [
        ({"op": "replace", "path": "/id", "value": "x"}, 403),
        ({"op": "replace", "path": "/status", "value": "active"}, 403),
        ({"op": "add", "path": "/locations", "value": []}, 403),
        ({"op": "remove", "path": "/name"}, 403),
        ({"op": "remove", "path": "/none"}, 409),
        ({"op": "replace", "path": "/none", "value": "x"}, 409),
        ({"op": "add", "path": "/p", "value": 5}, 400),
        ({"op": "add", "path": "/p"}, 400),
        ({"op": "add", "path": "/a/b", "value": "x"}, 400),
        ({"op": "add", "path": "/", "value": "x"}, 400),
        ({"op": "move", "path": "/a", "value": "x"}, 400),
        ({"op": "add", "path": "/min_disk", "value": "1"}, 400),
        ({"op": "add", "path": "/disk_format", "value": "odd"}, 400),
    ],
)
def test_a_wrong_step_changes_nothing(admin: Client, step: dict[str, Any], code: int) -> None:
    before = admin.images.create(RAW)
    with pytest.raises(ApiError) as caught:
        admin.images.patch(before["id"], [{"op": "replace", "path": "/name", "value": "half"}, step])
    assert caught.value.code == code
    assert admin.images.get(before["id"]) == before


def test_the_format_is_fixed_with_the_data(running: Any, admin: Client) -> None:
    image = running.upload(admin)
    with pytest.raises(ApiError) as caught:
        admin.images.update(image["id"], disk_format="qcow2")
    assert caught.value.code == 403


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("name=l-b", ["l-b"]),
        ("sort=name:asc&tag=l", ["l-a", "l-b", "l-c"]),
        ("sort=name:desc&tag=l&limit=2", ["l-c", "l-b"]),
        ("sort_key=name&sort_dir=asc&tag=l", ["l-a", "l-b", "l-c"]),
        ("tag=l&status=active", []),
        ("tag=l&disk_format=qcow2", ["l-c"]),
        ("tag=l&protected=true", []),
        ("tag=l&visibility=all&sort=name:asc", ["l-a", "l-b", "l-c"]),
        ("id=in:none", []),
    ],
)
def test_lists(admin: Client, listed: None, query: str, names: list[str]) -> None:
    assert [row["name"] for row in admin.get(f"/image/v2/images?{query}")["images"]] == names


@pytest.fixture(scope="module")
def listed(admin: Client) -> None:
    for name, kind in (("l-a", "raw"), ("l-b", "raw"), ("l-c", "qcow2")):
        admin.images.create({**RAW, "name": name, "disk_format": kind, "tags": ["l"]})


@pytest.mark.parametrize("query", ["sort=none:asc", "sort=name:up", "marker=none", "limit=x"])
def test_wrong_lists(admin: Client, query: str) -> None:
    with pytest.raises(ApiError) as caught:
        admin.get(f"/image/v2/images?{query}")
    assert caught.value.code == 400


def test_pages_are_followed(admin: Client, listed: None) -> None:
    page = admin.get("/image/v2/images?tag=l&limit=2&sort=name:asc")
    assert page["next"].startswith("/v2/images?")
    assert [row["name"] for row in admin.images.list(tag="l", limit=2, sort="name:asc")] == ["l-a", "l-b", "l-c"]


def test_tags(admin: Client) -> None:
    ident = admin.images.create(RAW)["id"]
    assert admin.request("PUT", f"/image/v2/images/{ident}/tags/one").status == 204
    admin.put(f"/image/v2/images/{ident}/tags/two")
    admin.put(f"/image/v2/images/{ident}/tags/one")
    assert sorted(admin.images.get(ident)["tags"]) == ["one", "two"]
    admin.delete(f"/image/v2/images/{ident}/tags/one")
    with pytest.raises(ApiError) as caught:
        admin.delete(f"/image/v2/images/{ident}/tags/one")
    assert caught.value.code == 404


# data ----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", ["qcow2", "iso"])
def test_data_that_is_not_what_it_says_kills_the_image(running: Any, admin: Client, kind: str) -> None:
    before = _files(running)
    ident = admin.images.create({**RAW, "disk_format": kind})["id"]
    with pytest.raises(ApiError) as caught:
        admin.images.upload(ident, io.BytesIO(b"no image at all" * 10_000))
    assert caught.value.code == 400
    assert "unacceptable" in caught.value.message
    assert admin.images.get(ident)["status"] == "killed"
    assert _files(running) == before


def test_a_full_disk_leaves_the_image_queued_and_nothing_else(
    running: Any, admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_id: str, chunks: Iterator[bytes], _format: str) -> None:
        next(chunks)
        raise ImageStorageFull(reason="No space left on device")

    ident = admin.images.create(RAW)["id"]
    with monkeypatch.context() as patch:
        patch.setattr(running.engine.image_store, "write", full)
        with pytest.raises(ApiError) as caught:
            admin.images.upload(ident, io.BytesIO(bytes(1 << 20)))
    assert (caught.value.code, caught.value.message) == (413, "Image storage media is full: No space left on device")
    assert admin.images.get(ident)["status"] == "queued"
    admin.images.upload(ident, io.BytesIO(bytes(1 << 20)))
    assert admin.images.get(ident)["status"] == "active"


def _wait(condition: Any) -> None:
    done = threading.Event()
    for _ in range(200):
        if condition():
            return
        done.wait(0.05)
    raise AssertionError("it did not happen")


def test_an_upload_that_breaks_off_leaves_the_image_queued(running: Any, admin: Client) -> None:
    before = _files(running)
    ident = admin.images.create(RAW)["id"]
    head = (
        f"PUT /image/v2/images/{ident}/file HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n"
        "Content-Length: 1000000\r\n\r\n"
    )
    with connect_unix(running.places.socket, 10) as sock:
        sock.sendall(head.encode() + bytes(1000))
        _wait(lambda: admin.images.get(ident)["status"] == "saving")
    _wait(lambda: admin.images.get(ident)["status"] == "queued")
    assert _files(running) == before


def test_an_image_that_is_deleted_while_its_data_comes_leaves_nothing(running: Any, admin: Client) -> None:
    before = _files(running)
    ident = admin.images.create(RAW)["id"]

    gone: list[str] = []

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() and not gone:
                gone.append(ident)
                _wait(lambda: admin.images.get(ident)["status"] == "saving")
                admin.images.delete(ident)
            return super().read(min(size or 0, 1 << 16))

    with running.client() as uploader, pytest.raises(ApiError) as caught:
        uploader.images.upload(ident, Slow(bytes(1 << 18)))
    assert caught.value.code == 404
    assert _files(running) == before


def test_one_upload_at_a_time(running: Any, admin: Client) -> None:
    ident = admin.images.create(RAW)["id"]
    begun, go_on = threading.Event(), threading.Event()

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell():
                begun.set()
                go_on.wait(10)
            return super().read(min(size or 0, 1 << 16))

    with running.client() as first:
        thread = threading.Thread(target=first.images.upload, args=(ident, Slow(bytes(1 << 17))))
        thread.start()
        assert begun.wait(10)
        _wait(lambda: admin.images.get(ident)["status"] == "saving")
        with pytest.raises(ApiError) as caught:
            admin.images.upload(ident, io.BytesIO(b"x"))
        assert caught.value.code == 409
        go_on.set()
        thread.join(10)
    assert admin.images.get(ident)["status"] == "active"


def test_data_needs_a_format_and_the_right_type(running: Any, admin: Client) -> None:
    ident = admin.images.create({"name": "bare"})["id"]
    with pytest.raises(ApiError, match="disk_format, container_format must be set"):
        admin.images.upload(ident, io.BytesIO(b"x"))
    answer = running.raw("PUT", f"/image/v2/images/{ident}/file", b"x", {"Content-Type": "text/plain"})
    assert answer.status == 415
    assert running.raw("POST", f"/image/v2/images/{ident}/file", b"x").status == 405


def test_the_schemas_name_what_the_answers_hold(admin: Client) -> None:
    image = admin.images.create(RAW)
    known = admin.get("/image/v2/schemas/image")["properties"]
    assert set(image) <= set(known)
    assert image["schema"] == "/v2/schemas/image"
    assert admin.get("/image/v2/schemas/images")["properties"]["images"]["items"]["name"] == "image"
    assert admin.get("/image/v2/schemas/member")["name"] == "member"
    assert "members" in admin.get("/image/v2/schemas/members")["properties"]
    with pytest.raises(ApiError) as caught:
        admin.get("/image/v2/schemas/none")
    assert caught.value.code == 404
