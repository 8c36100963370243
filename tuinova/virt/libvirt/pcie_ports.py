"""Ports of machines with PCI Express: without a free one nothing can be plugged into a guest that runs."""

from __future__ import annotations

from xml.etree import ElementTree as ET

_HELPERS = 5  # USB, agent's channel, random numbers, balloon, SCSI: at most
_MOST = 28  # Nova's (nova/conf/libvirt.py num_pcie_ports)


def add(devices: ET.Element, taken: int, spare: int) -> None:
    """As many ports as the guest's disks and cards (`taken`) and helpers fill, and the spare ones; 0: libvirt's choice.

    libvirt itself makes as many as there are devices, and one more; it fills those that are given here first.
    """
    if not spare:
        return
    ET.SubElement(devices, "controller", {"type": "pci", "model": "pcie-root", "index": "0"})
    for index in range(1, min(taken + _HELPERS + spare, _MOST) + 1):
        ET.SubElement(devices, "controller", {"type": "pci", "model": "pcie-root-port", "index": str(index)})
