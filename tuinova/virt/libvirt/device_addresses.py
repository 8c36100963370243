"""Where a guest's devices are on their buses, as its definition says (nova: libvirt driver, _prepare_device_bus)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from xml.etree import ElementTree as ET

# Buses of disks that Nova has a name for; a disk on another bus is told without.
_BUSES = {"scsi": "scsi", "ide": "ide", "sata": "ide", "usb": "usb", "virtio": "pci"}
_PCI = ("domain", "bus", "slot", "function")


def device_addresses(xml: str) -> Mapping[str, tuple[str, str]]:
    """MAC address, or serial in lower case, of each device to its bus and its address there ("none": not told)."""
    root = ET.fromstring(xml)  # noqa: S314 - libvirt's own XML
    return dict(_found(root))


def _found(root: ET.Element) -> Iterator[tuple[str, tuple[str, str]]]:
    for interface in root.findall("./devices/interface"):
        mac = interface.find("mac")
        if mac is not None:
            yield mac.get("address", "").lower(), _place(interface, "pci")
    for disk in root.findall("./devices/disk"):
        target, serial = disk.find("target"), disk.findtext("serial")
        if serial and target is not None:
            yield serial.lower(), _place(disk, _BUSES.get(target.get("bus", ""), "none"))


def _place(device: ET.Element, bus: str) -> tuple[str, str]:
    address = device.find("address")
    if address is None or address.get("type") != "pci":
        return bus, "none"
    domain, number, slot, function = (int(address.get(name, "0"), 16) for name in _PCI)
    return "pci", f"{domain:04x}:{number:02x}:{slot:02x}.{function:x}"
