"""Cinder's face: volumes, snapshots, types, their refusals and quotas."""

from __future__ import annotations

import io
from typing import Any

import pytest

from tuinova.client import ApiError, Client
from tuinova.virt.fake.disk_file import DiskContent, pack
from tuinova.virt.fake.volumes import content_of

UUID = "11111111-2222-3333-4444-555555555555"
V = "/volume/v3"
_NOT_DELETABLE = (
    "Invalid volume: Volume status must be available or error or error_restoring or error_extending or error_managing "
    "and must not be migrating, attached, belong to a group, have snapshots or be disassociated from snapshots after "
    "volume transfer."
)


def make(running: Any, client: Client, **fields: Any) -> dict[str, Any]:
    """A volume whose making has ended."""
    made = client.volumes.create({"size": 1, **fields})
    assert made["status"] == "creating"
    assert running.engine.settle()
    return client.volumes.get(made["id"])


def image_of(running: Any, client: Client, size_gb: int = 1, **fields: Any) -> dict[str, Any]:
    """An active image with one file in it."""
    body = {"name": "disk", "disk_format": "qcow2", "container_format": "bare", **fields}
    image = client.images.create(body)
    data = pack(DiskContent(size_gb << 30, {"/etc/who": "image\n"}), "qcow2")
    client.images.upload(image["id"], io.BytesIO(data))
    return client.images.get(image["id"])


def refused(call: Any, *args: Any, **more: Any) -> tuple[int, str]:
    with pytest.raises(ApiError) as caught:
        call(*args, **more)
    return caught.value.code, caught.value.message


def file_of(running: Any, volume_id: str) -> Any:
    return running.engine.volume_store.driver.directory / f"volume-{volume_id}"


def test_an_empty_volume_lives_and_goes(running: Any, demo: Client) -> None:
    volume = make(running, demo, name="data", description="mine", metadata={"a": "b"}, size="2")
    assert (volume["status"], volume["size"], volume["bootable"]) == ("available", 2, "false")
    assert (volume["volume_type"], volume["availability_zone"]) == ("__DEFAULT__", "nova")
    assert volume["metadata"] == {"a": "b"}
    assert volume["attachments"] == []
    assert content_of(file_of(running, volume["id"])).size == 2 << 30
    assert demo.volumes.find("data")["id"] == volume["id"]
    changed = demo.volumes.update(volume["id"], name="other", description=None)
    assert (changed["name"], changed["description"]) == ("other", None)
    demo.volumes.delete(volume["id"])
    assert running.engine.settle()
    assert refused(demo.volumes.get, volume["id"]) == (404, f"Volume {volume['id']} could not be found.")
    assert not file_of(running, volume["id"]).exists()


def test_volumes_of_image_snapshot_and_volume_hold_their_data(running: Any, demo: Client) -> None:
    image = image_of(running, demo, hw_disk_bus="virtio")
    first = make(running, demo, imageRef=image["id"])
    assert (first["status"], first["bootable"]) == ("available", "true")
    assert first["volume_image_metadata"]["image_id"] == image["id"]
    assert first["volume_image_metadata"]["hw_disk_bus"] == "virtio"
    snapshot = demo.volume_snapshots.create({"volume_id": first["id"], "name": "s"})
    running.engine.settle()
    assert demo.volume_snapshots.get(snapshot["id"])["status"] == "available"
    second = make(running, demo, snapshot_id=snapshot["id"], size=3)
    third = make(running, demo, source_volid=second["id"], size=None)
    assert (second["size"], third["size"], third["bootable"]) == (3, 3, "true")
    assert content_of(file_of(running, third["id"])).files == {"/etc/who": "image\n"}
    assert refused(demo.volumes.delete, first["id"]) == (400, _NOT_DELETABLE)
    demo.volumes.delete(first["id"], cascade=True)
    for volume in (second, third):
        demo.volumes.delete(volume["id"])
    running.engine.settle()
    assert refused(demo.volume_snapshots.get, snapshot["id"])[0] == 404
    assert demo.volumes.list() == []


def test_what_can_not_be_made_is_refused_with_cinders_words(running: Any, demo: Client) -> None:
    create = demo.volumes.create
    image = image_of(running, demo, size_gb=3)
    text = "Invalid input received: Size of specified image 3GB is larger than volume size 1GB."
    assert refused(create, {"size": 1, "imageRef": image["id"]}) == (400, text)
    small = image_of(running, demo, min_disk=2)
    text = "Invalid input received: Volume size 1GB cannot be smaller than the image minDisk size 2GB."
    assert refused(create, {"size": 1, "imageRef": small["id"]}) == (400, text)
    text = "Invalid image identifier or unable to access requested image."
    assert refused(create, {"size": 1, "imageRef": UUID}) == (400, text)
    assert refused(create, {"size": 1, "snapshot_id": UUID}) == (404, f"Snapshot {UUID} could not be found.")
    assert refused(create, {"size": 1, "source_volid": UUID}) == (404, f"Volume {UUID} could not be found.")
    text = "Volume type with name fast could not be found."
    assert refused(create, {"size": 1, "volume_type": "fast"}) == (404, text)
    text = "Invalid input received: Availability zone 'mars' is invalid."
    assert refused(create, {"size": 1, "availability_zone": "mars"}) == (400, text)
    for size in (0, -1, "x", 1.5, True):
        assert refused(create, {"size": size})[0] == 400
    assert refused(create, {"size": None})[0] == 400
    volume = make(running, demo, size=2)
    snapshot = demo.volume_snapshots.create({"volume_id": volume["id"]})
    running.engine.settle()
    text = (
        "Invalid input received: Volume size '1'GB cannot be smaller than the snapshot size 2GB. "
        "They must be >= original snapshot size."
    )
    assert refused(create, {"size": 1, "snapshot_id": snapshot["id"]}) == (400, text)
    text = (
        "Invalid input received: Volume size '1'GB cannot be smaller than original volume size  2GB. "
        "They must be >= original volume size."
    )
    assert refused(create, {"size": 1, "source_volid": volume["id"]}) == (400, text)
    demo.volumes.delete(volume["id"], cascade=True)
    running.engine.settle()


def test_extending(running: Any, demo: Client) -> None:
    volume = make(running, demo, size=2)
    text = "Invalid input received: New size for extend must be greater than current size. (current: 2, extended: 1)."
    assert refused(demo.volumes.extend, volume["id"], 1) == (400, text)
    demo.volumes.extend(volume["id"], 5)
    running.engine.settle()
    found = demo.volumes.get(volume["id"])
    assert (found["status"], found["size"]) == ("available", 5)
    assert content_of(file_of(running, volume["id"])).size == 5 << 30
    demo.volumes.delete(volume["id"])
    running.engine.settle()


def test_quotas_are_counted_in_the_transaction(running: Any, admin: Client, demo: Client, demo_admin: Client) -> None:
    project = admin.get("/tuinova/v1/info")  # only to be sure that the service answers
    assert project
    ident = demo.get(f"{V}/os-quota-sets/demo?usage=true")["quota_set"]["id"]
    admin.put(f"{V}/os-quota-sets/{ident}", {"quota_set": {"volumes": 2, "gigabytes": 5, "snapshots": 1}})
    try:
        volume = make(running, demo, size=3)
        text = (
            "Requested volume or snapshot exceeds allowed gigabytes quota. Requested 3G, quota is 5G and 3G has been "
            "consumed."
        )
        assert refused(demo.volumes.create, {"size": 3}) == (413, text)
        assert refused(demo.volumes.extend, volume["id"], 6)[0] == 413
        assert refused(demo.volume_snapshots.create, {"volume_id": volume["id"]})[0] == 413
        other = make(running, demo)
        text = "Maximum number of volumes allowed (2) exceeded for quota 'volumes'."
        assert refused(demo.volumes.create, {"size": 1}) == (413, text)
        used = demo.get(f"{V}/os-quota-sets/{ident}?usage=true")["quota_set"]
        assert (used["volumes"]["in_use"], used["gigabytes"]["in_use"]) == (2, 4)
        for one in (volume, other):
            demo.volumes.delete(one["id"])
        running.engine.settle()
    finally:
        admin.delete(f"{V}/os-quota-sets/{ident}")


def test_a_failure_of_the_backend_leaves_an_error_that_can_be_deleted(running: Any, demo: Client) -> None:
    driver = running.engine.volume_store.driver
    driver.faults.order("create", {"error": "the disk is on fire", "times": 1})
    volume = make(running, demo)
    assert (volume["status"], volume["tuinova:fault"]) == ("error", "the disk is on fire")
    driver.faults.order("delete", {"error": "no", "times": 1})
    demo.volumes.delete(volume["id"])
    running.engine.settle()
    assert demo.volumes.get(volume["id"])["status"] == "error_deleting"
    assert refused(demo.volumes.delete, volume["id"])[0] == 400
    assert refused(demo.volumes.force_delete, volume["id"])[0] == 403
    with running.client("admin", "demo") as root:
        root.volumes.force_delete(volume["id"])
    running.engine.settle()
    assert refused(demo.volumes.get, volume["id"])[0] == 404
    huge = make(running, demo, size=999)
    assert huge["status"] == "available"
    with running.client("admin", "admin") as root:
        beyond = make(running, root, size=20_000)
        assert beyond["status"] == "error"
        assert beyond["tuinova:fault"].startswith("No valid backend was found. 20000 GiB were asked for")
        root.volumes.delete(beyond["id"])
    demo.volumes.delete(huge["id"])
    running.engine.settle()


def test_lists_filter_sort_and_page(running: Any, admin: Client, demo: Client) -> None:
    made = [make(running, demo, name=name, size=size) for name, size in (("a", 3), ("b", 1), ("c", 2))]
    assert [row["name"] for row in demo.volumes.list()] == ["c", "b", "a"]
    assert [row["name"] for row in demo.volumes.list(sort="size:asc")] == ["b", "c", "a"]
    assert [row["name"] for row in demo.volumes.list(name="b")] == ["b"]
    page = demo.get(f"{V}/volumes?limit=2&sort=name:asc")
    assert [row["name"] for row in page["volumes"]] == ["a", "b"]
    [link] = page["volumes_links"]
    rest = demo.get(link["href"].removeprefix("http://localhost"))
    assert [row["name"] for row in rest["volumes"]] == ["c"]
    assert "volumes_links" not in rest
    assert {row["id"] for row in made} <= {row["id"] for row in admin.volumes.list(all_tenants=1)}
    assert admin.volumes.list(name="a") == []
    project = demo.volumes.get(made[0]["id"])["os-vol-tenant-attr:tenant_id"]
    assert demo.get(f"{V}/{project}/volumes/{made[0]['id']}")["volume"]["name"] == "a"
    assert refused(demo.get, f"{V}/volumes?sort=evil")[0] == 400
    assert refused(demo.get, f"{V}/volumes?marker={UUID}")[0] == 400
    for one in made:
        demo.volumes.delete(one["id"])
    running.engine.settle()


def test_types_choose_the_backend(running: Any, admin: Client, demo: Client) -> None:
    assert demo.volume_types.default()["name"] == "__DEFAULT__"
    assert refused(demo.volume_types.create, {"name": "fast"})[0] == 403
    kind = admin.volume_types.create({"name": "fast", "extra_specs": {"volume_backend_name": "nowhere"}})
    assert refused(admin.volume_types.create, {"name": "fast"}) == (409, "Volume Type fast already exists.")
    volume = make(running, demo, volume_type="fast")
    assert volume["status"] == "error"
    assert volume["tuinova:fault"] == "No valid backend was found. There is no backend nowhere."
    text = f"Volume Type {kind['id']} deletion is not allowed with volumes present with the type."
    assert refused(admin.volume_types.delete, kind["id"]) == (400, text)
    admin.volume_types.set_extra_specs(kind["id"], {"volume_backend_name": "fake"})
    good = make(running, demo, volume_type=kind["id"])
    assert (good["status"], good["volume_type"]) == ("available", "fast")
    for one in (volume, good):
        demo.volumes.delete(one["id"])
    running.engine.settle()
    admin.volume_types.delete(kind["id"])
    assert [row["name"] for row in demo.volume_types.list()] == ["__DEFAULT__"]


def test_a_volume_becomes_an_image(running: Any, demo: Client) -> None:
    source = image_of(running, demo, hw_disk_bus="scsi")
    volume = make(running, demo, imageRef=source["id"], size=2)
    body = {"image_name": "copy", "disk_format": "qcow2"}
    told = demo.volumes.action(volume["id"], "os-volume_upload_image", body)["os-volume_upload_image"]
    assert told["status"] == "uploading"
    running.engine.settle()
    image = demo.images.get(told["image_id"])
    assert (image["status"], image["hw_disk_bus"], image["virtual_size"]) == ("active", "scsi", 2 << 30)
    again = make(running, demo, imageRef=image["id"], size=2)
    assert content_of(file_of(running, again["id"])).files == {"/etc/who": "image\n"}
    running.engine.volume_store.driver.faults.order("upload", {"error": "no", "times": 1})
    body["protected"] = "true"
    told = demo.volumes.action(volume["id"], "os-volume_upload_image", body)["os-volume_upload_image"]
    running.engine.settle()
    assert demo.volumes.get(volume["id"])["status"] == "available"
    assert refused(demo.images.get, told["image_id"])[0] == 404
    for one in (volume, again):
        demo.volumes.delete(one["id"])
    running.engine.settle()


def test_other_projects_see_nothing(running: Any, demo: Client) -> None:
    with running.client("admin", "admin") as root:
        volume = make(running, root)
        snapshot = root.volume_snapshots.create({"volume_id": volume["id"]})
        running.engine.settle()
    assert refused(demo.volumes.get, volume["id"])[0] == 404
    assert refused(demo.volumes.delete, volume["id"])[0] == 404
    assert refused(demo.volumes.extend, volume["id"], 5)[0] == 404
    assert refused(demo.volumes.set_metadata, volume["id"], {"a": "b"})[0] == 404
    assert refused(demo.volume_snapshots.create, {"volume_id": volume["id"]})[0] == 404
    assert refused(demo.volumes.create, {"size": 1, "snapshot_id": snapshot["id"]})[0] == 404
    assert refused(demo.volumes.create, {"size": 1, "source_volid": volume["id"]})[0] == 404
    with running.client("admin", "admin") as root:
        root.volumes.delete(volume["id"], cascade=True)
    running.engine.settle()


def test_services_pools_zones_and_versions(running: Any, admin: Client, demo: Client) -> None:
    rows = admin.volume_services.list()
    assert [row["binary"] for row in rows] == ["cinder-scheduler", "cinder-volume"]
    [pool] = admin.get(f"{V}/scheduler-stats/get_pools?detail=true")["pools"]
    assert pool["capabilities"]["volume_backend_name"] == "fake"
    [zone] = demo.get(f"{V}/os-availability-zone")["availabilityZoneInfo"]
    assert zone == {"zoneName": "nova", "zoneState": {"available": True}}
    answer = running.raw("GET", "/volume/v3/")
    assert answer.headers["OpenStack-API-Version"] == "volume 3.70"
    [version] = answer.json["versions"]
    assert (version["id"], version["version"], version["min_version"]) == ("v3.0", "3.70", "3.0")
    assert running.raw("GET", "/volume/").status == 300


# volumes of servers --------------------------------------------------------------------------------------------------
def test_a_volume_of_a_server_in_nova_and_cinder(running: Any, demo: Client) -> None:
    server, volume = running.boot(demo, name="with disk"), make(running, demo, name="disk")
    ident, base = server["id"], f"/v2.1/servers/{server['id']}/os-volume_attachments"
    assert refused(demo.servers.attach_volume, ident, UUID) == (404, f"Volume {UUID} could not be found.")
    told = demo.servers.attach_volume(ident, volume["id"], tag="data", delete_on_termination=False)
    assert told["volumeId"] == volume["id"]
    assert (told["device"], told["tag"], told["delete_on_termination"]) == ("/dev/vdb", "data", False)
    running.engine.settle()
    [row] = demo.servers.volumes(ident)
    assert set(row) == {
        *("serverId", "volumeId", "device", "tag", "delete_on_termination", "attachment_id", "bdm_uuid")
    }
    assert demo.get(f"{base}/{volume['id']}") == {"volumeAttachment": row}
    assert demo.servers.get(ident)["os-extended-volumes:volumes_attached"] == [
        {"id": volume["id"], "delete_on_termination": False}
    ]
    shown = demo.volumes.get(volume["id"])
    [attachment] = shown["attachments"]
    assert (shown["status"], attachment["server_id"], attachment["device"]) == ("in-use", ident, "/dev/vdb")
    text = f"Invalid volume: volume {volume['id']} is already attached to instances: {ident}"
    assert refused(demo.servers.attach_volume, ident, volume["id"]) == (400, text)
    assert refused(demo.volumes.delete, volume["id"]) == (400, _NOT_DELETABLE)
    demo.servers.update_volume(ident, volume["id"], delete_on_termination=True)
    assert demo.servers.volumes(ident)[0]["delete_on_termination"] is True
    demo.servers.update_volume(ident, volume["id"], delete_on_termination=False)
    assert refused(demo.servers.update_volume, ident, UUID)[0] == 404
    demo.servers.detach_volume(ident, volume["id"])
    running.engine.settle()
    assert demo.servers.volumes(ident) == []
    text = f"Instance {ident} is not attached to volume {volume['id']}"
    assert refused(demo.servers.detach_volume, ident, volume["id"]) == (404, text)
    assert demo.volumes.get(volume["id"])["status"] == "available"
    demo.volumes.delete(volume["id"])
    running.remove(demo, ident)


def test_an_admin_says_in_which_status_a_volume_is_but_not_who_has_it(
    running: Any, admin: Client, demo: Client
) -> None:
    def reset(**asked: Any) -> None:
        admin.volumes.action(volume, "os-reset_status", asked)

    volume = make(running, demo)["id"]
    reset(status="error", attach_status="detached")
    assert demo.volumes.get(volume)["status"] == "error"
    reset(attach_status="detached")
    reset(migration_status=None)
    code, text = refused(reset, attach_status="attached")
    assert (code, "no server has it" in text) == (400, True), text
    assert refused(reset) == (400, "Must specify 'status', 'attach_status', or 'migration_status' for update.")
    assert refused(demo.volumes.action, volume, "os-reset_status", {"attach_status": "detached"})[0] == 403
    reset(status="available")
    assert demo.volumes.get(volume)["status"] == "available"


def test_boot_from_volume_over_rest_with_numbers_as_texts(running: Any, demo: Client) -> None:
    image = image_of(running, demo)
    device = {
        "uuid": image["id"],
        "source_type": "image",
        "destination_type": "volume",
        "boot_index": "0",
        "volume_size": "2",
        "delete_on_termination": "true",
        "tag": "root",
        "volume_type": "__DEFAULT__",
    }
    server = running.boot(demo, name="from volume", imageRef="", block_device_mapping_v2=[device])
    shown = demo.servers.get(server["id"])
    assert shown["image"] == ""
    [row] = demo.servers.volumes(server["id"])
    assert (row["device"], row["tag"], row["delete_on_termination"]) == ("/dev/vda", "root", True)
    assert refused(demo.servers.detach_volume, server["id"], row["volumeId"]) == (
        400,
        "Cannot detach a root device volume",
    )
    both = {"imageRef": "", "block_device_mapping": [{"device_name": "vda"}], "block_device_mapping_v2": [device]}
    body = {"name": "x", "flavorRef": "84", "networks": "auto", **both}
    text = "Using different block_device_mapping syntaxes is not allowed in the same request."
    assert refused(demo.servers.create, {"server": body}) == (400, text)
    running.remove(demo, server["id"])
    running.engine.settle()
    assert refused(demo.volumes.get, row["volumeId"])[0] == 404


def test_an_image_of_a_volume_backed_server_has_no_data_to_read(running: Any, demo: Client) -> None:
    image = image_of(running, demo)
    device = {"uuid": image["id"], "source_type": "image", "destination_type": "volume", "boot_index": 0}
    device |= {"volume_size": 1, "delete_on_termination": True}
    server = running.boot(demo, name="to be an image", imageRef="", block_device_mapping_v2=[device])
    told = demo.servers.ask(server["id"], "createImage", {"name": "mapping"})
    running.engine.settle()
    made = next(row for row in demo.images.list(name="mapping"))
    assert (made["status"], made["size"], made["bdm_v2"]) == ("active", 0, "True")
    assert told is not None
    assert demo.request("GET", f"/image/v2/images/{made['id']}/file").status == 204
    running.remove(demo, server["id"])
    running.engine.settle()
