"""Image rows: who sees them, which status may change, what is protected."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tuinova.core.conductor import ImageFilter
from tuinova.core.errors import ImageDataConflict, ImageExists, ImageNotFound, ImageProtected, MarkerNotFound
from tuinova.core.records import Image

NEW = Image("i1", "demo", "queued", "p1", disk_format="qcow2", container_format="bare", tags=["x"])


def test_an_image_goes_its_way_with_expected_statuses(conductor):
    made = conductor.create_image(replace(NEW, properties={"hw_disk_bus": "virtio"}))
    assert made == conductor.image("i1")
    conductor.update_image("i1", expect_status="queued", status="saving")
    with pytest.raises(ImageDataConflict, match="Image i1 is in status saving"):
        conductor.update_image("i1", expect_status=("queued", "deactivated"), status="saving")
    active = conductor.update_image("i1", expect_status="saving", status="active", size=5 << 40, virtual_size=9 << 40)
    assert (active.status, active.size, active.properties) == ("active", 5 << 40, {"hw_disk_bus": "virtio"})
    assert [(change.kind, change.op) for change in conductor.changes(0)] == [("image", "update")] * 3


def test_ids_are_unique_and_unknown_ones_are_not_found(conductor):
    conductor.create_image(NEW)
    with pytest.raises(ImageExists, match="Image ID i1 already exists!"):
        conductor.create_image(NEW)
    for call in (conductor.image, conductor.delete_image, conductor.update_image):
        with pytest.raises(ImageNotFound, match="Image x could not be found"):
            call("x")


def test_a_protected_image_is_not_deleted(conductor):
    conductor.create_image(replace(NEW, protected=True))
    with pytest.raises(ImageProtected):
        conductor.delete_image("i1")
    conductor.update_image("i1", protected=False)
    assert conductor.delete_image("i1").id == "i1"
    assert conductor.image_ids() == set()


def test_a_project_sees_its_own_and_public_images(conductor):
    for number, (owner, visibility) in enumerate(
        [("p1", "private"), ("p2", "private"), ("p2", "public"), ("p2", "community")]
    ):
        conductor.create_image(replace(NEW, id=str(number), owner=owner, visibility=visibility))

    def ids(**wanted):
        return {image.id for image in conductor.images(ImageFilter(**wanted))}

    assert ids(project_id="p1") == {"0", "2"}
    assert ids(project_id="p1", visibility="community") == {"3"}
    assert ids() == {"0", "1", "2", "3"}


def test_filters_order_and_pages(conductor):
    for number in range(4):
        conductor.create_image(replace(NEW, id=str(number), name=f"n{3 - number}", tags=["t"] if number > 1 else []))
    conductor.update_image("0", os_hidden=True)

    def ids(**wanted):
        return [image.id for image in conductor.images(ImageFilter(**wanted))]

    assert ids() == ["3", "2", "1"]
    assert ids(os_hidden=None, sort=(("name", "asc"),)) == ["3", "2", "1", "0"]
    assert ids(name="n1") == ["2"]
    assert ids(ids=["1", "2", "9"]) == ["2", "1"]
    assert ids(tags=["t"]) == ["3", "2"]
    assert ids(limit=1, marker="3") == ["2"]
    with pytest.raises(MarkerNotFound):
        ids(marker="x")


def test_uploads_that_were_cut_off_are_queued_again(conductor):
    conductor.create_image(replace(NEW, status="saving"))
    conductor.create_image(replace(NEW, id="i2", status="active"))
    assert conductor.abandon_uploads() == ["i1"]
    assert (conductor.image("i1").status, conductor.image("i2").status) == ("queued", "active")
