"""Guests with every property that is honoured: QEMU starts them, and the guest sees what was asked for."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.lab import PrivateLibvirt
from tests.lab.guests import blank_image, guest_spec, nic
from tuinova.core.states import PowerState
from tuinova.virt.driver import ImageFile
from tuinova.virt.libvirt.driver import LibvirtDriver

pytestmark = pytest.mark.integration
TOPOLOGY = {"hw_cpu_sockets": "1", "hw_cpu_cores": "2", "hw_cpu_threads": "2"}
SETS = {
    "pc": {
        **TOPOLOGY,
        "hw_boot_menu": "true",
        "hw_serial_port_count": "3",
        "hw_vif_multiqueue_enabled": "true",
        "hw_video_model": "vga",
        "hw_video_ram": "16",
        "hw_watchdog_action": "reset",
        "hw_time_hpet": "true",
        "hw_qemu_guest_agent": "yes",
        "os_type": "windows",
        "hw_input_bus": "usb",
        "hw_vif_model": "virtio",
    },
    "q35": {
        "hw_machine_type": "q35",
        "hw_disk_bus": "scsi",
        "hw_scsi_model": "virtio-scsi",
        "hw_cdrom_bus": "sata",
        "hw_vif_model": "e1000e",
        "hw_input_bus": "virtio",
        "hw_pointer_model": "usbtablet",
        "hw_pmu": "no",
        "hw_video_model": "none",
        "img_hide_hypervisor_id": "true",
        "hw_rng_model": "virtio",
    },
}


@pytest.mark.parametrize("name", SETS)
def test_qemu_starts_a_guest_with_them(
    name: str, private_libvirt: PrivateLibvirt, libvirt_driver: LibvirtDriver, instances_path: Path
) -> None:
    blank = blank_image(instances_path / "blank.qcow2")
    image = ImageFile(blank.id, blank.path, "qcow2", blank.size, properties=SETS[name])
    specs = {"hw_video:ram_max_mb": "64"}
    guest = guest_spec(image, vcpus=4, extra_specs=specs, nics=[nic(77)], swap_mb=16)
    libvirt_driver.spawn(guest)
    try:
        assert libvirt_driver.guest_info(guest.uuid).state is PowerState.RUNNING
        live = ET.fromstring(private_libvirt.virsh("dumpxml", guest.name).stdout)
        ports = live.findall("devices/serial")
        topology = live.find("cpu/topology")
        assert topology is not None
        if name == "pc":
            assert (topology.get("sockets"), topology.get("cores"), topology.get("threads")) == ("1", "2", "2")
            assert len(ports) == 3
            assert [one.get("queues") for one in live.findall("devices/interface/driver")] == ["4"]
        else:
            assert "q35" in str(live.find("os/type").get("machine"))  # type: ignore[union-attr]
            assert {one.get("bus") for one in live.findall("devices/disk/target")} == {"scsi"}
            assert live.find("devices/video") is None
    finally:
        libvirt_driver.destroy(guest)
