"""Block device mappings: boot from volume in each of its ways, Nova's rules, what a failed or killed build leaves."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from tests.core.logic.conftest import House
from tests.core.logic.test_volumes import plugged, read_on, write_on
from tuinova.core.block_devices import devices_of, is_volume_backed, volumes_of
from tuinova.core.drafts import new_uuid
from tuinova.core.errors import Invalid, NovaError, ZeroDiskFlavorForbidden
from tuinova.core.records import Image, Instance
from tuinova.virt.fake.disk_file import DiskContent, pack

UUID = "11111111-2222-3333-4444-555555555555"
NOTE = {"/home/cirros/note": "from the image"}


def image_with_data(house: House, size_gb: int = 1, **fields: Any) -> Image:
    """An image that a volume can be made of."""
    ident = new_uuid()
    data = pack(DiskContent(size_gb << 30, NOTE), "qcow2")
    (house.engine.image_store.directory / ident).write_bytes(data)
    return house.add_image(id=ident, size=len(data), virtual_size=size_gb << 30, **fields)


def boot(house: House, *devices: dict[str, Any], settle: bool = True, **fields: Any) -> Instance:
    return house.create(settle=settle, image_ref=None, block_devices=devices, **fields)


def of_image(image: Image, size: int | str = 2, **more: Any) -> dict[str, Any]:
    return {
        "source_type": "image",
        "destination_type": "volume",
        "uuid": image.id,
        "boot_index": 0,
        "volume_size": size,
        **more,
    }


def test_boot_from_a_volume_of_an_image(house: House) -> None:
    image = image_with_data(house, properties={"hw_disk_bus": "virtio"})
    server = boot(house, of_image(image, "2"))
    assert (server.vm_state, server.image_ref, server.fault) == ("active", None, None)
    [device] = volumes_of(server)
    volume = house.conductor.volume(device.volume_id or "")
    assert (volume.status, volume.size, volume.bootable) == ("in-use", 2, True)
    assert device.device_name is None or device.device_name == "/dev/vda"
    assert devices_of(server)[0].device_name == "/dev/vda"
    assert house.note_of(server.uuid) == "from the image"
    assert plugged(house, server.uuid) == ["vda"]
    assert is_volume_backed(server)
    house.act(server.uuid, "delete")
    assert house.status_of(volume.id) == "available"
    again = boot(house, {"source_type": "volume", "uuid": volume.id, "boot_index": "0", "destination_type": "volume"})
    assert again.vm_state == "active"
    assert house.note_of(again.uuid) == "from the image"
    assert house.volumes_are_sound()


def test_what_a_guest_writes_stays_on_its_root_volume(house: House) -> None:
    image = image_with_data(house)
    server = boot(house, of_image(image))
    house.write_note(server.uuid, "written")
    house.act(server.uuid, "reboot", {"type": "HARD"})
    assert house.note_of(server.uuid) == "written"
    [device] = volumes_of(server)
    house.act(server.uuid, "delete")
    again = boot(house, {"source_type": "volume", "uuid": device.volume_id, "boot_index": 0})
    assert house.note_of(again.uuid) == "written"


def test_delete_on_termination_takes_the_volume_along(house: House) -> None:
    image = image_with_data(house)
    server = boot(house, of_image(image, delete_on_termination=True))
    [device] = volumes_of(server)
    house.act(server.uuid, "delete")
    assert house.status_of(device.volume_id or "") == "gone"
    assert house.volume_driver.made() == {}


def test_a_snapshot_and_a_blank_volume_beside_the_image(house: House) -> None:
    data = house.volume()
    server = house.create()
    house.attach(server.uuid, data.id)
    write_on(house, server.uuid, data.id, "kept")
    house.detach(server.uuid, data.id)
    snapshot = house.engine.volume_api.create_snapshot(house.ctx(), data.id)
    house.settle()
    request = house.request()
    made = house.create(
        image_ref=request.image_ref,
        block_devices=[
            {"source_type": "image", "destination_type": "local", "uuid": request.image_ref, "boot_index": 0},
            {"source_type": "snapshot", "destination_type": "volume", "uuid": snapshot.id, "boot_index": -1},
            {"source_type": "blank", "destination_type": "volume", "volume_size": "3", "tag": "scratch"},
        ],
    )
    assert (made.vm_state, made.image_ref) == ("active", request.image_ref)
    first, second = volumes_of(made)
    assert [device.device_name for device in devices_of(made)] == ["/dev/vda", "/dev/vdb", "/dev/vdc"]
    assert read_on(house, made.uuid, first.volume_id or "") == "kept"
    assert house.conductor.volume(second.volume_id or "").size == 3
    assert house.volumes_are_sound()


def test_swap_and_ephemeral_disks_of_the_request(house: House) -> None:
    flavor = house.conductor.flavor("84")

    big = house.conductor.create_flavor(
        replace(flavor, flavorid="eph", name="eph", ephemeral_gb=4, swap=512, root_gb=1)
    )
    request = house.request()
    devices = [
        {"source_type": "blank", "destination_type": "local", "volume_size": 1},
        {"source_type": "blank", "destination_type": "local", "volume_size": 3},
    ]
    server = house.create(flavor_ref=big.id, image_ref=request.image_ref, block_devices=devices)
    record = house.driver.store.load(server.uuid)
    assert (record.ephemerals, record.swap_mb) == ([1, 3], 512)
    with pytest.raises(Invalid, match=r"Ephemeral disks requested are larger than the instance type allows."):
        house.create(
            flavor_ref=big.id,
            image_ref=request.image_ref,
            block_devices=[{"source_type": "blank", "destination_type": "local", "volume_size": 5}],
        )
    with pytest.raises(Invalid, match=r"Swap drive requested is larger than instance type allows."):
        house.create(
            flavor_ref=big.id,
            image_ref=request.image_ref,
            block_devices=[
                {"source_type": "blank", "destination_type": "local", "guest_format": "swap", "volume_size": 513}
            ],
        )


_SEQUENCE = (
    "Block Device Mapping is Invalid: Boot sequence for the instance and image/block device mapping combination is not "
    "valid."
)


@pytest.mark.parametrize(
    ("with_image", "devices", "text"),
    [
        (True, [{"source_type": "blank", "destination_type": "volume", "volume_size": 1, "boot_index": 0}], _SEQUENCE),
        (False, [{"source_type": "blank", "destination_type": "volume", "volume_size": 1, "boot_index": 1}], _SEQUENCE),
        (False, [{"source_type": "blank", "destination_type": "volume", "volume_size": 1}], _SEQUENCE),
        (True, [{"source_type": "volume", "destination_type": "volume"}], "Missing device UUID."),
        (True, [{"source_type": "blank", "uuid": UUID}], "Invalid device UUID."),
        (True, [{"source_type": "image", "uuid": UUID, "boot_index": 1}], "Mapping image to local is not supported."),
        (True, [{"source_type": "volume", "uuid": UUID}], f"failed to get volume {UUID}."),
        (True, [{"source_type": "snapshot", "uuid": UUID}], f"failed to get snapshot {UUID}."),
        (
            False,
            [{"source_type": "image", "destination_type": "volume", "uuid": UUID, "boot_index": 0, "volume_size": 1}],
            f"failed to get image {UUID}.",
        ),
        (True, [{"source_type": "blank", "destination_type": "volume"}], "need to have non-zero size"),
        (
            True,
            [{"source_type": "blank", "destination_type": "volume", "volume_size": 1, "disk_bus": "moon"}],
            "The disk bus 'moon' is not valid.",
        ),
        (
            True,
            [{"source_type": "blank", "destination_type": "volume", "volume_size": 1, "volume_type": "fast"}],
            "Volume type fast could not be found",
        ),
        (
            True,
            [{"source_type": "blank", "destination_type": "local", "volume_size": 0}] * 4,
            "You specified more local devices than the limit allows",
        ),
    ],
)
def test_rules_of_mappings(house: House, with_image: bool, devices: list[dict[str, Any]], text: str) -> None:
    request = house.request()
    with pytest.raises(NovaError) as caught:
        house.create(image_ref=request.image_ref if with_image else None, block_devices=devices)
    assert caught.value.code == 400
    assert text in caught.value.message
    assert house.conductor.volumes() == []


def test_sizes_and_bootable(house: House) -> None:
    image = image_with_data(house, size_gb=3, min_disk=5)
    with pytest.raises(Invalid) as caught:
        boot(house, of_image(image, 1))
    assert caught.value.message == (
        "Invalid input received: Size of specified image 3GB is larger than volume size 1GB."
    )
    plain = house.volume()
    with pytest.raises(Invalid) as caught:
        boot(house, {"source_type": "volume", "uuid": plain.id, "boot_index": 0})
    assert caught.value.message == f"Block Device {plain.id} is not bootable."
    house.engine.volume_api.set_bootable(house.ctx(), plain.id, True)
    with pytest.raises(Invalid, match="Cannot attach one or more volumes to multiple instances"):
        boot(house, {"source_type": "volume", "uuid": plain.id, "boot_index": 0}, min_count=2)
    server = boot(house, {"source_type": "volume", "uuid": plain.id, "boot_index": 0})
    assert server.vm_state == "active"
    with pytest.raises(Invalid) as caught:
        boot(house, {"source_type": "volume", "uuid": plain.id, "boot_index": 0})
    assert "must be available or downloading to reserve, but the current status is in-use" in caught.value.message


def test_a_volume_backed_server_may_have_a_flavor_without_a_disk(house: House) -> None:
    image = image_with_data(house)
    ctx = house.ctx("demo", "demo")
    server = boot(house, of_image(image), flavor_ref="42", ctx=ctx)
    assert server.vm_state == "active"
    [allocation] = house.conductor.allocations()
    assert allocation.disk_gb == 0
    assert ZeroDiskFlavorForbidden.code == 403


def test_a_failed_build_frees_and_deletes_what_it_made(house: House) -> None:
    image, kept = image_with_data(house), house.volume()
    house.driver.faults.order("spawn", {"kind": "abort", "error": "no"})
    server = boot(
        house,
        of_image(image, delete_on_termination=True),
        {"source_type": "volume", "uuid": kept.id, "boot_index": -1},
        {"source_type": "blank", "destination_type": "volume", "volume_size": 1},
    )
    assert (server.vm_state, server.host) == ("error", None)
    assert house.status_of(kept.id) == "available"
    assert {volume.status for volume in house.conductor.volumes()} == {"available"}
    assert len(house.conductor.volumes()) == 2
    assert house.conductor.attachments() == []
    assert house.volumes_are_sound()


def test_a_volume_that_can_not_be_made_ends_the_build(house: House) -> None:
    image = image_with_data(house)
    house.volume_driver.faults.order("create", {"error": "the disk is on fire"})
    server = boot(house, of_image(image, delete_on_termination=True))
    assert server.vm_state == "error"
    fault = house.fault(server.uuid)
    assert fault is not None
    assert "did not finish being created. Its status is error: the disk is on fire" in fault[1]
    assert house.conductor.attachments() == []
    assert house.conductor.volumes() == []


@pytest.mark.parametrize("when", ["before", "middle", "after"])
def test_a_build_killed_while_its_volume_is_made_goes_on(house: House, when: str) -> None:
    image = image_with_data(house)
    driver = house.volume_driver
    driver.faults.order("create", {"kind": "hang", "when": when})
    server = boot(house, of_image(image), settle=False)
    for _ in range(500):
        if house.server(server.uuid).task_state == "block_device_mapping" and house.conductor.volumes():
            break
        time.sleep(0.01)
    house.crash()
    house.restart()
    server = house.server(server.uuid)
    assert (server.vm_state, server.fault) == ("active", None)
    [device] = volumes_of(server)
    assert house.status_of(device.volume_id or "") == "in-use"
    assert len(house.conductor.volumes()) == 1
    assert house.volumes_are_sound()


def test_old_style_mappings(house: House) -> None:
    image = image_with_data(house)
    root = boot(house, of_image(image))
    [device] = volumes_of(root)
    house.act(root.uuid, "delete")
    server = house.create(
        image_ref=None, legacy_devices=[{"device_name": "vda", "volume_id": device.volume_id, "volume_size": ""}]
    )
    assert server.vm_state == "active"
    assert is_volume_backed(server)
    with pytest.raises(Invalid, match="Using different block_device_mapping syntaxes"):
        house.create(legacy_devices=[{"volume_id": UUID}], block_devices=[{"source_type": "blank", "volume_size": 1}])
