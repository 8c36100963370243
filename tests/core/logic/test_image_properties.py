"""Image properties: what is refused at boot, and what a flavor and an image come to together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.core.logic.conftest import House
from tuinova.core import image_properties
from tuinova.core.errors import Invalid, NotSupported
from tuinova.core.image_properties import Topology, cpu_topology

BOOLEANS = "acceptable values are: '0', '1', 'f', 'false', 'n', 'no', 'off', 'on', 't', 'true', 'y', 'yes'"
WRONG = [
    ({"hw_disk_bus": "floppy"}, "Invalid image metadata. Error: Field value floppy is invalid"),
    ({"hw_cdrom_bus": ""}, "Invalid image metadata. Error: Field value  is invalid"),
    ({"hw_vif_model": "ne3k"}, "Invalid image metadata. Error: Field value ne3k is invalid"),
    ({"hw_video_model": "voodoo"}, "Invalid image metadata. Error: Field value voodoo is invalid"),
    ({"hw_firmware_type": "efi"}, "Invalid image metadata. Error: Field value efi is invalid"),
    ({"hw_rng_model": "dice"}, "Invalid image metadata. Error: Field value dice is invalid"),
    ({"hw_scsi_model": "odd"}, "Invalid image metadata. Error: Field value odd is invalid"),
    ({"hw_watchdog_action": "bark"}, "Invalid image metadata. Error: Field value bark is invalid"),
    ({"os_type": "beos"}, "Invalid image metadata. Error: Field value beos is invalid"),
    ({"hw_qemu_guest_agent": "maybe"}, f"Invalid image metadata. Error: Unrecognized value 'maybe', {BOOLEANS}"),
    ({"hw_boot_menu": "x"}, f"Invalid image metadata. Error: Unrecognized value 'x', {BOOLEANS}"),
    ({"hw_cpu_cores": "two"}, "Invalid image metadata. Error: invalid literal for int() with base 10: 'two'"),
    ({"hw_video_ram": "1.5"}, "Invalid image metadata. Error: invalid literal for int() with base 10: '1.5'"),
    ({"hw_disk_bus": "xen"}, "Requested hardware 'xen' is not supported by the 'qemu' virt driver"),
    ({"hw_vif_model": "netfront"}, "Requested hardware 'netfront' is not supported by the 'qemu' virt driver"),
    ({"img_config_drive": "sometimes"}, "Image's config drive option 'sometimes' is invalid"),
    ({"hw_serial_port_count": "4"}, "Maximum number of serial port exceeds 3 for qemu"),
    (
        {"hw_video_ram": "64"},
        "The requested amount of video memory 64 is higher than the maximum allowed by flavor 0.",
    ),
    (
        {"hw_cpu_max_sockets": "1", "hw_cpu_sockets": "2"},
        "Image vCPU topology (sockets=2, cores=0, threads=0) exceeds the limits of the flavor or image "
        "(sockets=1, cores=65536, threads=65536)",
    ),
]


@pytest.mark.parametrize(("properties", "text"), WRONG)
def test_a_property_that_can_not_be_is_refused_and_nothing_is_made(
    house: House, properties: dict[str, str], text: str
) -> None:
    image = house.add_image(properties=properties)
    with pytest.raises(Invalid) as caught:
        house.create(image_ref=image.id)
    assert (caught.value.code, caught.value.message) == (400, text)
    assert house.conductor.count_instances() == 0


@pytest.mark.parametrize(
    "properties",
    [
        *({"hw_tpm_version": "2.0"}, {"os_secure_boot": "required"}, {"hw_mem_encryption": "true"}),
        {"hw_firmware_stateless": "yes"},
    ],
)
def test_what_a_guest_trusts_in_is_not_left_out_in_silence(house: House, properties: dict[str, str]) -> None:
    image = house.add_image(properties=properties)
    with pytest.raises(NotSupported, match="is not served by this version"):
        house.create(image_ref=image.id)
    assert house.conductor.count_instances() == 0


def test_properties_that_are_right_or_nobodys_boot(house: House) -> None:
    image = house.add_image(
        properties={
            "hw_qemu_guest_agent": "YES",
            "hw_cpu_cores": "1",
            "hw_scsi_model": "VIRTIO-SCSI",
            "os_type": "linux",
            "os_secure_boot": "optional",
            "hw_mem_encryption": "no",
            "img_config_drive": "optional",
            "my_own": "anything",
            "os_shutdown_timeout": "soon",
            "hw_watchdog_action": "disabled",
        }
    )
    assert house.create(image_ref=image.id).vm_state == "active"


def test_a_rebuild_refuses_the_same(house: House) -> None:
    server = house.create()
    image = house.add_image(properties={"hw_disk_bus": "odd"})
    with pytest.raises(Invalid, match="Field value odd is invalid"):
        house.act(server.uuid, "rebuild", {"imageRef": image.id})
    assert house.conductor.instance(server.uuid).task_state is None


@pytest.mark.parametrize(
    ("vcpus", "specs", "properties", "expected"),
    [
        (4, {}, {}, (4, 1, 1)),
        (4, {}, {"hw_cpu_cores": "2"}, (2, 2, 1)),
        (4, {}, {"hw_cpu_sockets": "1"}, (1, 4, 1)),
        (8, {}, {"hw_cpu_sockets": "2", "hw_cpu_threads": "2"}, (2, 2, 2)),
        (8, {}, {"hw_cpu_max_sockets": "2"}, (2, 4, 1)),
        (8, {}, {"hw_cpu_max_sockets": "1", "hw_cpu_max_cores": "2"}, (1, 2, 4)),
        (8, {"hw:cpu_max_sockets": "4"}, {"hw_cpu_max_sockets": "2"}, (2, 4, 1)),
        (4, {"hw:cpu_cores": "4"}, {"hw_cpu_cores": "2"}, (1, 4, 1)),
        (3, {}, {"hw_cpu_cores": "2"}, (3, 1, 1)),
        (1, {}, {"hw_cpu_cores": "4"}, (1, 1, 1)),
        (4, {}, {"hw_cpu_cores": "-3"}, (4, 1, 1)),
    ],
)
def test_the_best_topology(
    vcpus: int, specs: dict[str, str], properties: dict[str, str], expected: tuple[int, int, int]
) -> None:
    assert cpu_topology(vcpus, specs, properties) == Topology(*expected)


def test_a_topology_is_found_at_once_also_for_many() -> None:
    assert cpu_topology(4096, {}, {"hw_cpu_threads": "2"}).threads == 2


@pytest.mark.parametrize(
    ("vcpus", "specs", "properties", "text"),
    [
        (
            *(5, {}, {"hw_cpu_max_sockets": "1", "hw_cpu_max_cores": "2", "hw_cpu_max_threads": "2"}),
            "Requested vCPU limits 1:2:2 are impossible to satisfy for vcpus count 5",
        ),
        (
            *(4, {"hw:cpu_max_cores": "2"}, {"hw_cpu_max_cores": "4"}),
            "Image vCPU topology limits (sockets=0, cores=4, threads=0) exceeds the limits of the flavor "
            "(sockets=65536, cores=2, threads=65536)",
        ),
    ],
)
def test_a_topology_that_can_not_be(vcpus: int, specs: dict[str, str], properties: dict[str, str], text: str) -> None:
    with pytest.raises(Invalid) as caught:
        cpu_topology(vcpus, specs, properties)
    assert caught.value.message == text


@pytest.mark.parametrize(
    ("function", "specs", "properties", "expected"),
    [
        (image_properties.serial_ports, {}, {}, 1),
        (image_properties.serial_ports, {"hw:serial_port_count": "2"}, {}, 2),
        (image_properties.serial_ports, {"hw:serial_port_count": "3"}, {"hw_serial_port_count": "2"}, 2),
        (image_properties.serial_ports, {"hw:serial_port_count": "1"}, {"hw_serial_port_count": "2"}, "Forbidden to"),
        (image_properties.serial_ports, {"hw:serial_port_count": "x"}, {}, "expected an integer, got 'x'"),
        (image_properties.video_ram, {"hw_video:ram_max_mb": "64"}, {"hw_video_ram": "32"}, 32),
        (image_properties.video_ram, {"hw_video:ram_max_mb": "16"}, {"hw_video_ram": "32"}, "allowed by flavor 16"),
        (image_properties.video_ram, {"hw_video:ram_max_mb": "16"}, {}, None),
        (image_properties.has_multiqueue, {"hw:vif_multiqueue_enabled": "true"}, {}, True),
        (
            *(image_properties.has_multiqueue, {"hw:vif_multiqueue_enabled": "true"}),
            *(
                {"hw_vif_multiqueue_enabled": "no"},
                "Conflicting values for hw_vif_multiqueue_enabled found in the flavor",
            ),
        ),
    ],
)
def test_flavor_and_image_together(
    function: Callable[..., Any], specs: dict[str, str], properties: dict[str, str], expected: Any
) -> None:
    if not isinstance(expected, str):
        assert function(specs, properties) == expected
        return
    with pytest.raises(Invalid) as caught:
        function(specs, properties)
    assert expected in caught.value.message
