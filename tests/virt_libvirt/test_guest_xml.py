"""The definition that is written of a guest."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.lab.guests import guest_spec, nic
from tuinova.virt.driver import DriverError, GuestSpec, ImageFile
from tuinova.virt.libvirt import disk_plan, guest_xml
from tuinova.virt.libvirt.guest_xml import GuestXml, HostFacts
from tuinova.virt.libvirt.layout import InstanceFiles
from tuinova.virt.libvirt.options import LibvirtOptions
from tuinova.virt.volumes import LocalDisk, VolumeDisk

INSTANCES = Path("/srv/instances")
MARK = f"{{{guest_xml.MARK_NS}}}{guest_xml.MARK_TAG}"
NOVA = f"{{{guest_xml.NOVA_NS}}}"


def image(disk_format: str = "qcow2", **properties: str) -> ImageFile:
    return ImageFile("image-1", Path("/store/image-1"), disk_format, 10, properties=properties)


def xml_of(guest: GuestSpec, *, options: LibvirtOptions | None = None, **facts: Any) -> ET.Element:
    options = options or LibvirtOptions()
    values: dict[str, Any] = {
        "host": "host1",
        "instances": INSTANCES,
        "arch": "x86_64",
        "virt_type": "qemu",
        "machine": guest_xml.machine_type(guest, options, "x86_64"),
        "user_network": False,
        "cache_mode": "none",
        "video_models": frozenset({"virtio", "vga"}),
    }
    known = HostFacts(**(values | facts))
    drives = disk_plan.plan(guest, known.machine, options)
    text = GuestXml(guest, drives, InstanceFiles(INSTANCES, guest.uuid), known, options).build()
    return ET.fromstring(text)


def found(root: ET.Element, path: str) -> ET.Element:
    element = root.find(path)
    assert element is not None, f"no {path} in {ET.tostring(root, encoding='unicode')}"
    return element


def test_identity_and_sizes_are_the_records() -> None:
    guest = guest_spec(image(), memory_mb=512, vcpus=2)
    root = xml_of(guest)
    assert (root.get("type"), root.findtext("name"), root.findtext("uuid")) == ("qemu", guest.name, guest.uuid)
    assert (root.findtext("memory"), found(root, "memory").get("unit")) == (str(512 * 1024), "KiB")
    assert root.findtext("vcpu") == "2"
    assert found(root, "cpu").get("mode") == "host-model"
    assert found(root, "cpu/topology").attrib == {"sockets": "2", "cores": "1", "threads": "1"}


def test_a_hostile_name_stays_text() -> None:
    name = '</name><devices>&"\x1b]0;title\x07\x00\ufffe'
    root = xml_of(guest_spec(image(), display_name=name, user_name=name, flavor_name=name))
    shown = root.findtext(f"metadata/{NOVA}instance/{NOVA}name")
    assert shown == '</name><devices>&"\\x1b]0;title\\x07\\x00?'
    assert len(root.findall("devices")) == 1


def test_the_mark_names_our_instances_directory() -> None:
    assert found(xml_of(guest_spec(image())), f"metadata/{MARK}").get("instances") == str(INSTANCES)


def test_metadata_has_what_nova_writes() -> None:
    guest = guest_spec(image(), swap_mb=64, ephemeral_gb=2, nics=[nic(7)], extra_specs={"quota:cpu_shares": "512"})
    instance = found(xml_of(guest), f"metadata/{NOVA}instance")
    flavor = found(instance, f"{NOVA}flavor")
    sizes = {child.tag.removeprefix(NOVA): child.text for child in flavor if child.text}
    assert sizes == {"memory": "128", "disk": "1", "swap": "64", "ephemeral": "2", "vcpus": "1"}
    assert found(flavor, f"{NOVA}extraSpecs/{NOVA}extraSpec[@name='quota:cpu_shares']").text == "512"
    assert found(instance, f"{NOVA}owner/{NOVA}project").get("uuid") == guest.project_id
    assert found(instance, f"{NOVA}root").attrib == {"type": "image", "uuid": "image-1"}
    assert found(instance, f"{NOVA}ports/{NOVA}port/{NOVA}ip").get("address") == "192.168.122.7"


def test_the_serial_port_is_a_pty_with_a_log() -> None:
    guest = guest_spec(image())
    serial = found(xml_of(guest), "devices/serial")
    assert serial.get("type") == "pty"
    assert found(serial, "log").attrib == {"file": f"{INSTANCES}/{guest.uuid}/console.log", "append": "off"}


def test_disks_come_in_novas_order_under_novas_names() -> None:
    guest = guest_spec(image(), ephemeral_gb=1, swap_mb=64, config_drive=True)
    listed = [
        (found(disk, "source").get("file", "").rpartition("/")[2], found(disk, "target").get("dev"), disk.get("device"))
        for disk in xml_of(guest).findall("devices/disk")
    ]
    assert listed == [
        ("disk", "vda", "disk"),
        ("disk.local", "vdb", "disk"),
        ("disk.swap", "vdc", "disk"),
        ("disk.config", "hda", "cdrom"),
    ]


@pytest.mark.parametrize(
    ("properties", "machine", "expected"),
    [
        ({}, "q35", [("vda", "virtio"), ("sda", "sata")]),
        ({"hw_disk_bus": "scsi"}, "q35", [("sda", "scsi"), ("sdb", "sata")]),
        ({"hw_disk_bus": "ide"}, "pc", [("hda", "ide"), ("hdb", "ide")]),
        ({"hw_cdrom_bus": "usb"}, "pc", [("vda", "virtio"), ("sda", "usb")]),
        ({}, "pc-q35-7.2", [("vda", "virtio"), ("sda", "sata")]),
        ({}, "virt", [("vda", "virtio"), ("sda", "scsi")]),
    ],
)
def test_letters_skip_names_in_use(properties: dict[str, str], machine: str, expected: list[tuple[str, str]]) -> None:
    guest = guest_spec(image(**properties), config_drive=True)
    planned = disk_plan.plan(guest, machine, LibvirtOptions())
    assert [(disk.target, disk.bus) for disk in planned] == expected


def volume(device: str, **more: Any) -> VolumeDisk:
    more.setdefault("connection", {"type": "file", "path": f"/v/volume-{device}.qcow2", "format": "qcow2"})
    return VolumeDisk(f"id-of-{device}", device, **more)


def test_a_volume_has_its_id_its_device_and_stands_on_nothing() -> None:
    on_lvm = {"type": "block", "path": "/dev/vg/volume-1", "format": "raw"}
    disks = [volume("vdb"), volume("sda", bus="sata"), volume("vdc", connection=on_lvm)]
    listed = {
        found(disk, "serial").text: disk
        for disk in xml_of(guest_spec(image(), volumes=disks)).findall("devices/disk")
        if disk.find("serial") is not None
    }
    assert {key: found(disk, "target").attrib for key, disk in listed.items()} == {
        "id-of-vdb": {"dev": "vdb", "bus": "virtio"},
        "id-of-sda": {"dev": "sda", "bus": "sata"},
        "id-of-vdc": {"dev": "vdc", "bus": "virtio"},
    }
    first, last = listed["id-of-vdb"], listed["id-of-vdc"]
    assert (first.get("type"), found(first, "source").attrib) == ("file", {"file": "/v/volume-vdb.qcow2"})
    assert found(first, "driver").attrib == {"name": "qemu", "type": "qcow2", "cache": "none", "discard": "unmap"}
    assert len(found(first, "backingStore")) == 0
    assert (last.get("type"), found(last, "source").attrib) == ("block", {"dev": "/dev/vg/volume-1"})
    assert found(last, "driver").get("type") == "raw"


def test_a_guest_without_an_image_starts_from_its_root_volume() -> None:
    disks = [volume("vdb", boot_index=2), volume("vda", boot_index=0), volume("vdc", boot_index=1), volume("vdd")]
    guest = guest_spec(None, volumes=disks, swap_mb=16, properties={"hw_machine_type": "q35", "os_type": "windows"})
    root = xml_of(guest)
    order = {found(disk, "target").get("dev"): disk.find("boot") for disk in root.findall("devices/disk")}
    orders = {name: boot.get("order") if boot is not None else None for name, boot in order.items()}
    assert orders == {"vda": "1", "vde": None, "vdb": "3", "vdc": "2", "vdd": None}
    assert root.find("os/boot") is None
    assert found(root, "os/type").get("machine") == "q35"
    assert found(root, "clock").get("offset") == "localtime"
    instance = found(root, f"metadata/{NOVA}instance")
    assert found(instance, f"{NOVA}root").attrib == {"type": "volume", "uuid": "id-of-vda"}


def test_a_volume_beside_a_root_disk_is_not_what_the_guest_starts_from() -> None:
    root = xml_of(guest_spec(image(), volumes=[volume("vdb")]))
    assert [disk.find("boot") is not None for disk in root.findall("devices/disk")] == [True, False]
    disc = xml_of(guest_spec(None, volumes=[volume("hda", boot_index=0, device_type="cdrom")]))
    assert found(disc, "devices/disk").get("device") == "cdrom"
    assert found(disc, "devices/disk/readonly") is not None
    assert found(disc, "devices/disk/boot").get("order") == "1"


def test_a_machine_with_pci_express_has_ports_for_what_is_plugged_later() -> None:
    def ports(machine: str, number: int) -> int:
        options = LibvirtOptions(hw_machine_type=machine, num_pcie_ports=number)
        return len(xml_of(guest_spec(image()), options=options).findall("devices/controller[@model='pcie-root-port']"))

    assert (ports("pc", 8), ports("q35", 0)) == (0, 0)
    assert ports("q35", 8) == ports("q35", 4) + 4
    assert ports("q35", 28) == 28


def test_a_root_disk_that_is_there_needs_no_image() -> None:
    planned = disk_plan.plan(guest_spec(None, volumes=[volume("vdb")]), "pc", LibvirtOptions(), has_disk=True)
    assert [(disk.name, disk.target, disk.boots_first) for disk in planned] == [
        ("disk", "vda", True),
        ("volume-id-of-vdb", "vdb", False),
    ]


def test_ephemeral_disks_of_the_request_have_its_names() -> None:
    ephemerals = [LocalDisk(1, "xfs", "vdc"), LocalDisk(2, None, None, "scsi")]
    planned = disk_plan.plan(guest_spec(image(), ephemerals=ephemerals, ephemeral_gb=9), "pc", LibvirtOptions())
    assert [(disk.name, disk.target, disk.bus) for disk in planned] == [
        ("disk", "vda", "virtio"),
        ("disk.eph0", "vdc", "virtio"),
        ("disk.eph1", "sda", "scsi"),
    ]


@pytest.mark.parametrize(
    ("disk", "words"),
    [
        (volume("vdb'/><x"), "no name of a disk"),
        (volume("/etc/passwd"), "no name of a disk"),
        (volume("vdb", bus="carrier"), "bus 'carrier' is not known"),
        (volume("vdb", device_type="tape"), "can't be a 'tape'"),
    ],
)
def test_what_no_disk_can_be_is_refused(disk: VolumeDisk, words: str) -> None:
    with pytest.raises(DriverError, match=words):
        xml_of(guest_spec(image(), volumes=[disk]))


def test_too_many_ide_disks_are_refused() -> None:
    options = LibvirtOptions(config_drive_format="vfat")
    guest = guest_spec(image(hw_disk_bus="fdc", hw_cdrom_bus="ide"))
    assert [disk.target for disk in disk_plan.plan(guest, "pc", options)] == ["fda"]
    with pytest.raises(DriverError, match="bus 'floppy' is not known"):
        disk_plan.plan(guest_spec(image(hw_disk_bus="floppy")), "pc", options)


def test_an_iso_boots_as_a_disc() -> None:
    root = xml_of(guest_spec(image("iso")))
    disc = found(root, "devices/disk")
    assert (disc.get("device"), found(disc, "target").attrib) == ("cdrom", {"dev": "hda", "bus": "ide"})
    assert disc.find("readonly") is not None
    assert found(root, "os/boot").get("dev") == "cdrom"


def test_a_kernel_image_boots_without_a_loader() -> None:
    kernel = ImageFile("k", Path("/store/k"), "aki", 1)
    guest = guest_spec(image("ami"), kernel=kernel, ramdisk=ImageFile("r", Path("/store/r"), "ari", 1))
    os = found(xml_of(guest), "os")
    assert os.findtext("kernel") == f"{INSTANCES}/{guest.uuid}/kernel"
    assert os.findtext("initrd") == f"{INSTANCES}/{guest.uuid}/ramdisk"
    assert os.findtext("cmdline") == "root=/dev/vda console=tty0 console=ttyS0 console=hvc0"
    assert os.find("boot") is None


def test_the_images_own_command_line_wins() -> None:
    guest = guest_spec(image("ami", os_command_line="quiet"), kernel=ImageFile("k", Path("/store/k"), "aki", 1))
    assert xml_of(guest).findtext("os/cmdline") == "quiet"


def test_a_port_joins_its_network() -> None:
    guest = guest_spec(image(), nics=[nic(5, network="lan")])
    interface = found(xml_of(guest), "devices/interface")
    assert interface.get("type") == "network"
    assert found(interface, "source").get("network") == "lan"
    assert found(interface, "mac").get("address") == "fa:16:3e:00:00:05"
    assert found(interface, "target").get("dev") == f"tap{guest.nics[0].port_id[:11]}"
    assert found(interface, "model").get("type") == "virtio"
    assert found(interface, "driver").get("name") == "qemu"


def test_a_session_has_user_networking() -> None:
    interface = found(xml_of(guest_spec(image(), nics=[nic(5)]), user_network=True), "devices/interface")
    assert interface.get("type") == "user"
    assert interface.find("source") is None


def test_kvm_gets_vhost_and_timers_and_emulation_does_not() -> None:
    guest = guest_spec(image(), nics=[nic(5)])
    kvm, qemu = xml_of(guest, virt_type="kvm"), xml_of(guest)
    assert found(kvm, "devices/interface/driver").get("name") == "vhost"
    assert found(kvm, "clock/timer[@name='hpet']").get("present") == "no"
    assert qemu.find("clock/timer") is None


@pytest.mark.parametrize(
    ("properties", "path", "attribute", "value"),
    [
        ({"hw_vif_model": "e1000"}, "devices/interface/model", "type", "e1000"),
        ({"hw_machine_type": "q35"}, "os/type", "machine", "q35"),
        ({"hw_firmware_type": "uefi"}, "os", "firmware", "efi"),
        ({"hw_video_model": "vga"}, "devices/video/model", "type", "vga"),
        ({"hw_video_model": "bochs"}, "devices/video/model", "type", "vga"),
        ({"hw_qemu_guest_agent": "yes"}, "devices/channel/target", "name", "org.qemu.guest_agent.0"),
        ({"hw_watchdog_action": "reset"}, "devices/watchdog", "action", "reset"),
        ({"hw_scsi_model": "virtio-scsi"}, "devices/controller[@type='scsi']", "model", "virtio-scsi"),
        ({"os_type": "windows"}, "clock", "offset", "localtime"),
        ({"hw_pmu": "no"}, "features/pmu", "state", "off"),
    ],
)
def test_image_properties_are_followed(properties: dict[str, str], path: str, attribute: str, value: str) -> None:
    root = xml_of(guest_spec(image(**properties), nics=[nic(5)]))
    assert found(root, path).get(attribute) == value


def test_no_video_means_no_display_and_no_usb() -> None:
    root = xml_of(guest_spec(image(hw_video_model="none")))
    assert root.find("devices/graphics") is None
    assert root.find("devices/input") is None
    assert found(root, "devices/controller[@type='usb']").get("model") == "none"


def test_options_change_the_devices() -> None:
    options = LibvirtOptions(
        mem_stats_period_seconds=0, vnc_enabled=False, cpu_mode="none", disk_cachemodes=("file=writethrough",)
    )
    root = xml_of(guest_spec(image(), extra_specs={"hw_rng:allowed": "False"}), options=options)
    assert found(root, "devices/memballoon").get("model") == "none"
    assert root.find("devices/graphics") is None
    assert root.find("devices/rng") is None
    assert found(root, "cpu").get("mode") is None
    assert found(root, "devices/disk/driver").get("cache") == "writethrough"


def test_vnc_listens_where_it_is_told() -> None:
    root = xml_of(guest_spec(image()), options=LibvirtOptions(vnc_server_listen="127.0.0.2"))
    assert found(root, "devices/graphics[@type='vnc']/listen").get("address") == "127.0.0.2"


def test_disk_limits_of_the_flavor_reach_disks_but_not_discs() -> None:
    guest = guest_spec(image(), config_drive=True, extra_specs={"quota:disk_total_iops_sec": "100"})
    root_disk, disc = xml_of(guest).findall("devices/disk")
    assert root_disk.findtext("iotune/total_iops_sec") == "100"
    assert disc.find("iotune") is None


def test_a_custom_cpu_needs_a_model() -> None:
    with pytest.raises(DriverError, match="cpu_models"):
        xml_of(guest_spec(image()), options=LibvirtOptions(cpu_mode="custom"))
    root = xml_of(guest_spec(image()), options=LibvirtOptions(cpu_mode="custom", cpu_models=("Nehalem",)))
    assert root.findtext("cpu/model") == "Nehalem"


# properties of the image beyond those above ---------------------------------------------------------------------------
def test_the_topology_is_what_image_and_flavor_prefer() -> None:
    root = xml_of(guest_spec(image(hw_cpu_cores="2", hw_cpu_threads="2"), vcpus=8))
    assert found(root, "cpu/topology").attrib == {"sockets": "2", "cores": "2", "threads": "2"}
    root = xml_of(guest_spec(image(hw_cpu_cores="2"), vcpus=4, extra_specs={"hw:cpu_cores": "4"}))
    assert found(root, "cpu/topology").attrib == {"sockets": "1", "cores": "4", "threads": "1"}


def test_a_boot_menu_is_shown_when_asked_for() -> None:
    assert xml_of(guest_spec(image())).find("os/bootmenu") is None
    assert found(xml_of(guest_spec(image(hw_boot_menu="true"))), "os/bootmenu").get("enable") == "yes"
    of_flavor = guest_spec(image(), extra_specs={"hw:boot_menu": "True"})
    assert found(xml_of(of_flavor), "os/bootmenu").get("enable") == "yes"


def test_more_serial_ports_leave_the_console_the_first() -> None:
    root = xml_of(guest_spec(image(hw_serial_port_count="3")))
    ports = root.findall("devices/serial")
    assert [found(port, "target").get("port") for port in ports] == ["0", "1", "2"]
    assert [port.find("log") is not None for port in ports] == [True, False, False]


def test_network_cards_have_a_queue_for_each_vcpu() -> None:
    many = guest_spec(image(hw_vif_multiqueue_enabled="yes"), vcpus=4, nics=[nic(5)])
    assert found(xml_of(many), "devices/interface/driver").get("queues") == "4"
    one = guest_spec(image(hw_vif_multiqueue_enabled="yes"), vcpus=1, nics=[nic(5)])
    assert found(xml_of(one), "devices/interface/driver").get("queues") is None


def test_windows_is_told_of_kvm_and_linux_is_not() -> None:
    windows = found(xml_of(guest_spec(image(os_type="windows")), virt_type="kvm"), "features/hyperv")
    assert found(windows, "spinlocks").get("retries") == "8191"
    assert found(windows, "relaxed").get("state") == "on"
    assert xml_of(guest_spec(image(os_type="windows"))).find("features/hyperv") is None
    assert xml_of(guest_spec(image(os_type="linux")), virt_type="kvm").find("features/hyperv") is None


def test_hpet_is_there_only_when_asked_for() -> None:
    path = "clock/timer[@name='hpet']"
    assert found(xml_of(guest_spec(image()), virt_type="kvm"), path).get("present") == "no"
    assert found(xml_of(guest_spec(image(hw_time_hpet="true")), virt_type="kvm"), path).get("present") == "yes"


def test_pointer_and_keyboard_on_the_bus_that_is_asked_for() -> None:
    root = xml_of(guest_spec(image(hw_input_bus="virtio")))
    assert [(one.get("type"), one.get("bus")) for one in root.findall("devices/input")] == [
        ("tablet", "virtio"),
        ("keyboard", "virtio"),
    ]
    assert found(root, "devices/controller[@type='usb']").get("model") == "none"
    assert [one.get("bus") for one in xml_of(guest_spec(image())).findall("devices/input")] == ["usb"]


def test_video_memory_within_the_flavors_limit() -> None:
    guest = guest_spec(image(hw_video_model="vga", hw_video_ram="32"), extra_specs={"hw_video:ram_max_mb": "64"})
    assert found(xml_of(guest), "devices/video/model").get("vram") == str(32 * 1024)
    none = guest_spec(image(hw_video_ram="32"), extra_specs={"hw_video:ram_max_mb": "64"})
    assert found(xml_of(none), "devices/video/model").get("vram") is None  # virtio's can't be chosen


@pytest.mark.parametrize(
    "properties",
    [
        {"hw_cpu_cores": "2", "hw_cpu_threads": "2", "hw_boot_menu": "true", "hw_serial_port_count": "3"},
        {"hw_vif_multiqueue_enabled": "yes", "hw_input_bus": "virtio", "hw_time_hpet": "true"},
        {"os_type": "windows", "hw_video_model": "vga", "hw_video_ram": "32", "hw_watchdog_action": "reset"},
        {"hw_scsi_model": "VIRTIO-SCSI", "hw_disk_bus": "scsi", "hw_cdrom_bus": "sata", "hw_machine_type": "q35"},
        {"hw_firmware_type": "uefi", "hw_machine_type": "q35", "hw_qemu_guest_agent": "1", "hw_pmu": "no"},
    ],
)
@pytest.mark.parametrize("virt_type", ["qemu", "kvm"])
def test_libvirts_own_schema_takes_it(properties: dict[str, str], virt_type: str) -> None:
    import libvirt

    guest = guest_spec(image(**properties), vcpus=8, nics=[nic(5)], extra_specs={"hw_video:ram_max_mb": "64"})
    root = xml_of(guest, virt_type=virt_type)
    root.set("type", "test")  # of the driver that needs no hypervisor
    connection = libvirt.open("test:///default")
    try:
        domain = connection.defineXMLFlags(ET.tostring(root, encoding="unicode"), libvirt.VIR_DOMAIN_DEFINE_VALIDATE)
        assert domain.UUIDString() == guest.uuid
        domain.undefine()
    finally:
        connection.close()
