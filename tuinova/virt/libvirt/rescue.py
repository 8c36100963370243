"""Rescue: a guest starts from another image, with its own root disk beside (nova/virt/libvirt/driver.py rescue).

An image that says hw_rescue_device or hw_rescue_bus is added behind all disks, which keep their places, and boots first
(stable device rescue). Any other is the first disk and the guest's own the second; then the image decides on buses and
machine, for it is what runs.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import libvirt

from tuinova.core.errors import InstanceNotRescuable, NovaError
from tuinova.virt.driver import BootImages, GuestSpec
from tuinova.virt.libvirt import configdrive, power
from tuinova.virt.libvirt.disk_plan import (
    Disk,
    default_bus,
    disk_format,
    has_root_disk,
    next_name,
    plan,
    properties,
    root_volume,
)
from tuinova.virt.libvirt.errors import connection_broken, words
from tuinova.virt.libvirt.guest_xml import GuestXml
from tuinova.virt.libvirt.guests import Guests
from tuinova.virt.libvirt.images import ImageCache
from tuinova.virt.libvirt.layout import FILE_MODE, InstanceFiles
from tuinova.virt.libvirt.options import LibvirtOptions
from tuinova.virt.libvirt.volume_backend import trusted

LOG = logging.getLogger(__name__)

DISK = "disk.rescue"
DRIVE = "disk.config.rescue"
DEVICES = ("disk", "cdrom", "floppy")


def is_stable(boot: BootImages) -> bool:
    """Whether the guest's own disks keep their places."""
    return bool({"hw_rescue_device", "hw_rescue_bus"} & set(boot.image.properties))


def rescued(guest: GuestSpec, boot: BootImages) -> GuestSpec:
    """The guest as its definition describes it meanwhile."""
    image = guest.image if is_stable(boot) else boot.image
    return replace(guest, image=image, kernel=boot.kernel, ramdisk=boot.ramdisk)


def rescue_disks(
    guest: GuestSpec, boot: BootImages, machine: str, options: LibvirtOptions, *, has_disk: bool = False
) -> list[Disk]:
    """The disks of a rescued guest; `has_disk`: it has a root disk of its own, whatever became of its image."""
    if is_stable(boot):
        planned = (replace(disk, boot_order=None) for disk in plan(guest, machine, options, has_disk=has_disk))
        disks = [replace(disk, name=DRIVE) if disk.is_config_drive else disk for disk in planned]
        device = boot.image.properties.get("hw_rescue_device") or "disk"
        if device not in DEVICES:
            raise InstanceNotRescuable(instance_id=guest.uuid, reason=f"a rescue device can't be {device!r}")
        bus = boot.image.properties.get("hw_rescue_bus") or default_bus(device, properties(guest), machine)
        return [*disks, Disk(DISK, disk_format(options), device, bus, next_name(bus, disks), boot_order=1)]
    if not (has_root_disk(guest) or (has_disk and root_volume(guest) is None)):
        raise InstanceNotRescuable(instance_id=guest.uuid, reason="Cannot rescue a volume-backed instance")
    meanwhile = rescued(guest, boot)
    only_root = replace(meanwhile, ephemeral_gb=0, ephemerals=None, swap_mb=0, volumes=(), config_drive=False)
    first = replace(plan(only_root, machine, options)[0], name=DISK)
    # The disc of a guest that was started from one is one here, too.
    device = "cdrom" if guest.image is not None and guest.image.disk_format == "iso" else "disk"
    bus = default_bus(device, boot.image.properties, machine)
    disks = [first, Disk("disk", disk_format(options), device, bus, next_name(bus, [first]))]
    if guest.config_drive:
        is_fat = options.config_drive_format == "vfat"
        device = "disk" if is_fat else "cdrom"
        bus = default_bus(device, boot.image.properties, machine)
        disks.append(Disk(DRIVE, "raw", device, bus, next_name(bus, disks)))
    return disks


class Rescues:
    """As long as `unrescue.xml` is there, the guest is rescued."""

    def __init__(self, guests: Guests, cache: ImageCache, options: LibvirtOptions) -> None:
        self._guests = guests
        self._host = guests.host
        self._cache = cache
        self._options = options

    def rescue(self, guest: GuestSpec, boot: BootImages) -> None:
        """From a fresh disk; a failure leaves the guest off, with its own definition."""
        self._host.refuse_foreign(guest.uuid)
        files = self._guests.existing_files(guest.uuid)
        domain = self._host.find_or_none(guest.uuid)
        if domain is not None:
            power.force_off(domain, guest.uuid)
        if not files.unrescue_xml.exists():
            self._keep_definition(domain or self._guests.redefine(guest), files)
        try:
            self._make_files(guest, boot, files)
            self._guests.plug(guest)
            self._guests.start_boot(self._define(guest, boot, files), files)
        except BaseException:
            self._give_up(guest, files)
            raise

    def _keep_definition(self, domain: libvirt.virDomain, files: InstanceFiles) -> None:
        part = files.unrescue_xml.with_suffix(".part")
        part.touch(mode=FILE_MODE)  # it holds the passwords of graphics
        part.write_text(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE))
        part.rename(files.unrescue_xml)

    def _make_files(self, guest: GuestSpec, boot: BootImages, files: InstanceFiles) -> None:
        self._guests.disks.put(files.path(DISK), self._cache.base(boot.image))
        self._guests.disks.put_boot_files(files, boot.kernel, boot.ramdisk, ".rescue")
        if guest.config_drive and guest.config_drive_files is not None:
            configdrive.write(files.path(DRIVE), guest.config_drive_files(), self._options.config_drive_format)

    def _define(self, guest: GuestSpec, boot: BootImages, files: InstanceFiles) -> libvirt.virDomain:
        facts = self._host.facts(rescued(guest, boot))
        has_disk = files.path("disk").exists()
        disks = rescue_disks(guest, boot, facts.machine, self._options, has_disk=has_disk)
        for volume in (disk.volume for disk in disks if disk.volume):
            trusted(volume.connection, volume.volume_id)
        if not files.path(DRIVE).exists():
            # Its contents were not given: the guest keeps the drive that it has.
            disks = [replace(disk, name="disk.config") if disk.name == DRIVE else disk for disk in disks]
        xml = GuestXml(rescued(guest, boot), disks, files, facts, self._options, ".rescue").build()
        domain = self._host.connection.get().defineXMLFlags(xml, 0)
        if domain.hasManagedSaveImage():
            domain.managedSaveRemove(0)
        return domain

    def _give_up(self, guest: GuestSpec, files: InstanceFiles) -> None:
        try:
            self._back(guest, files)
        except (NovaError, libvirt.libvirtError) as error:
            # The rescue's own error goes up. As long as unrescue.xml is there, another try or `unrescue` cures it.
            LOG.warning("after a failed rescue, guest %s can't be put back: %s", guest.uuid, error)

    def unrescue(self, guest: GuestSpec) -> None:
        """From its own disks again."""
        files = self._guests.existing_files(guest.uuid)
        self._host.refuse_foreign(guest.uuid)
        if not files.unrescue_xml.exists():
            files.forget_rescue()
            self._guests.power_on(guest)
            return
        domain = self._back(guest, files)
        self._guests.plug(guest)
        self._guests.start_boot(domain, files)

    def _back(self, guest: GuestSpec, files: InstanceFiles) -> libvirt.virDomain:
        """Off, with the definition that it had."""
        domain = self._host.find_or_none(guest.uuid)
        if domain is not None:
            power.force_off(domain, guest.uuid)
        domain = self._restore_definition(guest, files)
        files.forget_rescue()
        return domain

    def _restore_definition(self, guest: GuestSpec, files: InstanceFiles) -> libvirt.virDomain:
        xml = _definition_of(guest, files.unrescue_xml)
        if xml is not None:
            try:
                return self._host.connection.get().defineXMLFlags(xml, 0)
            except libvirt.libvirtError as error:
                if connection_broken(error):
                    raise
                LOG.warning("the former definition of %s is refused: %s", guest.uuid, words(error))
        return self._guests.redefine(guest)


def _definition_of(guest: GuestSpec, path: Path) -> str | None:
    """What was kept, if it is this guest's."""
    try:
        text = path.read_text()
        if ET.fromstring(text).findtext("uuid") == guest.uuid:  # noqa: S314 - written by us, from libvirt's own
            return text
    except (OSError, ValueError, ET.ParseError) as error:
        LOG.warning("%s can't be read: %s", path, error)
    return None
