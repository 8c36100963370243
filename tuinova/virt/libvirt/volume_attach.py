"""Volumes plugged into guests and taken out again (nova/virt/libvirt/driver.py attach_volume, detach_volume).

A guest that is on has two definitions: the one that runs and the one of its next start. Each is looked at by itself, by
the volume's id, so that any call may be made again.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from xml.etree import ElementTree as ET

import libvirt

from tuinova.core.errors import DeviceDetachFailed
from tuinova.core.states import PowerState
from tuinova.virt.driver import DriverError, GuestSpec
from tuinova.virt.libvirt import disk_plan, disks, power, qemu_img
from tuinova.virt.libvirt.errors import connection_broken, words
from tuinova.virt.libvirt.events import DeviceEvents
from tuinova.virt.libvirt.guest_xml import GuestXml
from tuinova.virt.libvirt.guests import Guests
from tuinova.virt.libvirt.options import LibvirtOptions
from tuinova.virt.libvirt.volume_backend import GIB, trusted
from tuinova.virt.libvirt.volume_lvm import VolumeGroup
from tuinova.virt.volumes import VolumeDisk

LOG = logging.getLogger(__name__)

_ACTIVE = (PowerState.RUNNING, PowerState.PAUSED)
_CONFIG, _LIVE = libvirt.VIR_DOMAIN_AFFECT_CONFIG, libvirt.VIR_DOMAIN_AFFECT_LIVE
_LOOK = 1.0  # seconds between two looks at the definition, should an event get lost
# QEMU says this to a second request while the first one waits for the guest.
_UNDER_WAY = "already in the process of unplug"


class Attachments:
    """What changes the volumes of a guest that exists."""

    def __init__(self, guests: Guests, events: DeviceEvents, options: LibvirtOptions) -> None:
        self._guests = guests
        self._host = guests.host
        self._events = events
        self._options = options

    def attach(self, guest: GuestSpec, volume: VolumeDisk) -> None:
        """Now if the guest is on, and for later starts."""
        domain = self._host.find(guest.uuid)
        self._refuse_saved(domain, guest)
        trusted(volume.connection, volume.volume_id)
        flags = 0 if find(domain, volume, inactive=True) is not None else _CONFIG
        if power.state_of(domain) in _ACTIVE and find(domain, volume, inactive=False) is None:
            flags |= _LIVE
        if flags:
            domain.attachDeviceFlags(self._xml(guest, volume), flags)

    def _refuse_saved(self, domain: libvirt.virDomain, guest: GuestSpec) -> None:
        """Saved memory knows the devices of its time: with others the guest would not come back."""
        if domain.hasManagedSaveImage():
            raise DriverError(
                reason=f"guest {guest.uuid} is suspended: its devices can't be changed until it is resumed"
            )

    def _xml(self, guest: GuestSpec, volume: VolumeDisk) -> str:
        facts = self._host.facts(guest)
        drive = disk_plan.volume_disk(volume, disk_plan.properties(guest), facts.machine)
        writer = GuestXml(guest, [], self._guests.files(guest.uuid), facts, self._options)
        return ET.tostring(writer.disk(ET.Element("devices"), drive), encoding="unicode")

    # detach ----------------------------------------------------------------------------------------------------------
    def detach(self, guest: GuestSpec, volume: VolumeDisk) -> None:
        """For later starts first, then now; a guest that does not let go keeps it until it is off."""
        domain = self._host.find_or_none(guest.uuid)
        if domain is None:
            return
        for_later = find(domain, volume, inactive=True)
        if for_later is not None:
            self._refuse_saved(domain, guest)
            self._unplug(domain, for_later, _CONFIG)
        attempts = max(1, self._options.device_detach_attempts)
        for attempt in range(1, attempts + 1):
            now = self._plugged_now(domain, volume)
            if now is None:
                return
            LOG.debug("volume %s of %s: request %d to let go", volume.volume_id, guest.uuid, attempt)
            self._ask(domain, guest, volume, now)
        if self._plugged_now(domain, volume) is not None:
            tries = f"{attempts} requests within {attempts * self._options.device_detach_timeout} s"
            raise DeviceDetachFailed(device=volume.device, reason=f"the guest did not let go of it after {tries}")

    def _plugged_now(self, domain: libvirt.virDomain, volume: VolumeDisk) -> ET.Element | None:
        """The disk of the guest that runs; None when it is off."""
        return find(domain, volume, inactive=False) if power.state_of(domain) in _ACTIVE else None

    def _ask(self, domain: libvirt.virDomain, guest: GuestSpec, volume: VolumeDisk, disk: ET.Element) -> None:
        """Ask once; return when it is gone or the time is over, raise DeviceDetachFailed when the guest refuses."""
        alias = disk.find("alias")
        name = alias.get("name", "") if alias is not None else ""
        with self._events.watching(guest.uuid, name) as answer:
            try:
                self._unplug(domain, disk, _LIVE)
            except libvirt.libvirtError as error:
                if connection_broken(error) or _UNDER_WAY not in words(error):
                    raise
            deadline = time.monotonic() + self._options.device_detach_timeout
            while time.monotonic() < deadline:
                is_gone = answer.wait(_LOOK)
                if is_gone is False:
                    raise DeviceDetachFailed(device=volume.device, reason="the guest refused to let go of it")
                if is_gone or self._plugged_now(domain, volume) is None:
                    return

    def _unplug(self, domain: libvirt.virDomain, disk: ET.Element, flag: int) -> None:
        try:
            domain.detachDeviceFlags(ET.tostring(disk, encoding="unicode"), flag)
        except libvirt.libvirtError as error:
            # It went since we looked: with the guest, or by an earlier request.
            if error.get_error_code() not in (libvirt.VIR_ERR_DEVICE_MISSING, libvirt.VIR_ERR_OPERATION_INVALID):
                raise
            LOG.debug("detaching from %s: %s", domain.name(), words(error))

    # extend ----------------------------------------------------------------------------------------------------------
    def extend(self, guest: GuestSpec, volume: VolumeDisk, size_gb: int) -> None:
        """The guest sees it at once; for one that went off meanwhile, when it starts."""
        connection, size = volume.connection, size_gb * GIB
        if connection["type"] == "block" and connection.get("volume_group"):
            VolumeGroup(connection["volume_group"]).extend(Path(connection["path"]).name, size)
        domain = self._host.find(guest.uuid)
        disk = self._plugged_now(domain, volume)
        if disk is not None:
            target = disk.find("target")
            assert target is not None
            if domain.blockInfo(target.get("dev", ""))[0] < size:
                domain.blockResize(target.get("dev", ""), size, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)
        elif connection["type"] == "file" and disks.virtual_size(Path(connection["path"])) < size:
            timeout = self._options.qemu_img_timeout
            qemu_img.resize(Path(connection["path"]), connection["format"], size, timeout)


def find(domain: libvirt.virDomain, volume: VolumeDisk, *, inactive: bool) -> ET.Element | None:
    """A volume's disk in the definition that runs, or in that of the next start."""
    flags = libvirt.VIR_DOMAIN_XML_INACTIVE if inactive else 0
    root = ET.fromstring(domain.XMLDesc(flags))  # noqa: S314 - libvirt's own XML
    disks_ = root.findall("./devices/disk")
    return next((disk for disk in disks_ if disk.findtext("serial") == volume.volume_id), None)
