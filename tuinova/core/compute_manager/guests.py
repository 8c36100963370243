"""From a server's record to what the driver needs to build its guest."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from tuinova.core.block_devices import BlockDevice, devices_of, is_volume_backed, own_ephemerals, own_swap, volumes_of
from tuinova.core.catalogue_cache import CatalogueCache
from tuinova.core.compute_manager.nics import nic_of
from tuinova.core.conductor import Conductor
from tuinova.core.errors import ImageNotActive, ImageNotFound, NovaError
from tuinova.core.guest_facts import GuestDisk, GuestFacts, guest_port
from tuinova.core.instance_metadata import SKIPPED_VERSIONS, config_drive_files
from tuinova.core.records import Instance
from tuinova.core.vendor_data import VendorData
from tuinova.virt.driver import BootImages, GuestSpec, HostNetwork, ImageFile, Nic
from tuinova.virt.volumes import LocalDisk, VolumeDisk

LOG = logging.getLogger(__name__)

# What a guest calls the bus of a disk, where that is another word.
_BUSES = {"virtio": "pci", "sata": "ide"}
# The path where the guest shall have a file, and its content in base64.
InjectedFiles = Sequence[Sequence[str]]


class ImageFiles(Protocol):
    """Where the data of images lies."""

    def path(self, image_id: str) -> Any:
        """The file of an image."""


class GuestSpecs:
    """Makes `GuestSpec`s for one host."""

    def __init__(
        self,
        conductor: Conductor,
        catalogue: CatalogueCache,
        images: ImageFiles,
        list_networks: Callable[[], Sequence[HostNetwork]],
        *,
        dhcp_domain: str = "novalocal",
        vendor: VendorData | None = None,
        skip_versions: Sequence[str] = SKIPPED_VERSIONS,
        device_addresses: Callable[[str], Mapping[str, tuple[str, str]]] | None = None,
    ) -> None:
        self._conductor = conductor
        self._catalogue = catalogue
        self._images = images
        self._list_networks = list_networks
        self._dhcp_domain = dhcp_domain
        self.vendor = vendor or VendorData()
        self._skip_versions = skip_versions
        self._device_addresses = device_addresses
        self._names: dict[tuple[str, str], str] = {}

    def make(
        self,
        instance: Instance,
        *,
        admin_password: str | None = None,
        injected_files: InjectedFiles = (),
        must_have_image: bool = False,
        root_image: str | None = None,
        connections: Mapping[str, Mapping[str, Any]] | None = None,
        without: str | None = None,
    ) -> GuestSpec:
        """The guest of a server as it is recorded now.

        An image that is gone is None, since a guest that is built needs it no more; `must_have_image` raises instead.
        `root_image`: what the root disk is made of instead of the server's own image (that of a shelved server).
        `connections`: of volumes that are attached now, `without` the volume that is taken away.
        """
        flavor = instance.flavor
        return GuestSpec(
            uuid=instance.uuid,
            name=instance.instance_name,
            display_name=instance.name,
            hostname=instance.hostname,
            project_id=instance.project_id,
            user_id=instance.user_id,
            project_name=self._name_of("project", instance.project_id),
            user_name=self._name_of("user", instance.user_id),
            flavor_name=str(flavor.get("name", "")),
            memory_mb=int(flavor["memory_mb"]),
            vcpus=int(flavor["vcpus"]),
            root_gb=0 if is_volume_backed(instance) else int(flavor.get("root_gb", 0)),
            ephemeral_gb=int(flavor.get("ephemeral_gb", 0)),
            swap_mb=_swap(instance),
            extra_specs=flavor.get("extra_specs") or {},
            image=self._image(root_image or instance.image_ref, instance, must_have_image),
            kernel=self._image(instance.kernel_id, None, must_have_image),
            ramdisk=self._image(instance.ramdisk_id, None, must_have_image),
            nics=self._nics(instance),
            volumes=_volumes(instance, connections or {}, without),
            ephemerals=_ephemerals(instance),
            properties=_root_properties(instance),
            config_drive=instance.config_drive,
            config_drive_files=partial(self._config_drive, instance, admin_password, injected_files),
        )

    def _nics(self, instance: Instance) -> list[Nic]:
        """The server's ports; its row says all of those on a host's own network that have no firewall."""
        if all(address.get("plain", True) for address in instance.addresses):
            return [_nic(address) for address in instance.addresses if address["type"] == "fixed"]
        facts = self._conductor.port_facts(instance.uuid)
        return [nic_of(facts, port) for port in facts.ports]

    def boot_images(self, image_id: str) -> BootImages:
        """What a guest is rescued with; raises ImageNotFound, ImageNotActive."""
        image = self._image(image_id, None, True)
        if image is None:
            raise ImageNotFound(image_id=image_id)
        return BootImages(
            image,
            self._image(image.properties.get("kernel_id"), None, True),
            self._image(image.properties.get("ramdisk_id"), None, True),
        )

    def image(self, image_id: str) -> ImageFile | None:
        """An image's data; None where there is none now."""
        return self._image(image_id, None, False)

    def _image(self, image_id: str | None, instance: Instance | None, required: bool) -> ImageFile | None:
        if not image_id:
            return None
        try:
            image = self._catalogue.image(image_id)
        except ImageNotFound:
            if required:
                raise
            return None
        if image.status != "active" or not image.disk_format:
            if required:
                raise ImageNotActive(image_id=image_id)
            return None
        # A built server keeps the properties that its image had when it was made.
        properties = instance.image.get("properties") if instance is not None else None
        return ImageFile(
            id=image.id,
            path=self._images.path(image.id),
            disk_format=image.disk_format,
            size=image.size or 0,
            min_disk=image.min_disk,
            properties=dict(image.properties if properties is None else properties),
        )

    def _name_of(self, kind: str, key: str) -> str:
        """The name of a project or user; it is written into the domain for people, so a missing one is its id."""
        found = self._names.get((kind, key))
        if found is None:
            records = self._conductor.projects() if kind == "project" else self._conductor.users()
            self._names.update({(kind, record.id): record.name for record in records})
            found = self._names.setdefault((kind, key), key)
        return found

    def _config_drive(
        self, instance: Instance, admin_password: str | None, injected_files: InjectedFiles
    ) -> Mapping[str, bytes]:
        files = [(path, base64.b64decode(content)) for path, content in injected_files]
        facts = self.facts(instance, admin_password=admin_password, files=files)
        return config_drive_files(facts, self.vendor, self._skip_versions)

    def facts(
        self, instance: Instance, *, admin_password: str | None = None, files: Sequence[tuple[str, bytes]] = ()
    ) -> GuestFacts:
        """What the guest may learn of itself; password and files are told on the config drive only."""
        networks = {network.name: network for network in self._list_networks()}
        key, flavor = instance.key_data or {}, instance.flavor
        ports = [guest_port(nic, networks.get(nic.network)) for nic in self._nics(instance)]
        disks = self._tagged_disks(instance)
        return GuestFacts(
            id=instance.id,
            uuid=instance.uuid,
            display_name=instance.name,
            hostname=instance.hostname,
            project_id=instance.project_id,
            availability_zone=instance.availability_zone,
            launch_index=instance.launch_index,
            flavor_name=str(flavor.get("name", "")),
            reservation_id=instance.reservation_id,
            metadata=instance.metadata,
            key_name=instance.key_name,
            public_key=key.get("public_key"),
            key_type=key.get("type", "ssh"),
            user_data=instance.user_data,
            admin_password=admin_password,
            files=files,
            security_groups=instance.security_groups,
            image_ref=instance.image_ref,
            kernel_id=instance.kernel_id,
            ramdisk_id=instance.ramdisk_id,
            root_device=instance.root_device_name or "/dev/vda",
            has_ephemeral=bool(flavor.get("ephemeral_gb")),
            has_swap=bool(flavor.get("swap")),
            boot_roles=str(instance.system_metadata.get("boot_roles", "")),
            ports=ports,
            floating_addresses=[one["address"] for one in instance.addresses if one.get("type") == "floating"],
            disks=disks,
            places=self._places(instance.uuid) if disks or any(port.tag for port in ports) else {},
            dhcp_domain=self._dhcp_domain,
        )

    def _places(self, uuid: str) -> Mapping[str, tuple[str, str]]:
        """Where the guest's devices are on their buses; nowhere while it is not defined."""
        try:
            return self._device_addresses(uuid) if self._device_addresses is not None else {}
        except NovaError as error:
            LOG.info("the devices of %s are told without their addresses: %s", uuid, error)
            return {}

    @staticmethod
    def _tagged_disks(instance: Instance) -> Sequence[GuestDisk]:
        """Disks that a tag was asked for."""
        if not instance.block_devices:
            return ()
        return [
            GuestDisk(
                device.tag,
                _BUSES.get(device.disk_bus or "virtio", device.disk_bus or ""),
                device.volume_id,
                device.device_name,
            )
            for device in devices_of(instance)
            if device.tag
        ]


def _root_properties(instance: Instance) -> Mapping[str, str]:
    """What its image, or that of its root volume, said; the image itself may be gone by now."""
    return dict(instance.image.get("properties") or {})


def _swap(instance: Instance) -> int:
    own = own_swap(instance)
    return int(instance.flavor.get("swap", 0)) if own is None else int(own.volume_size or 0)


def _ephemerals(instance: Instance) -> list[LocalDisk] | None:
    own = own_ephemerals(instance)
    if not own:
        return None
    return [
        LocalDisk(int(one.volume_size or 0), one.guest_format, bare_name(one.device_name), one.disk_bus, one.tag)
        for one in own
    ]


def _volumes(
    instance: Instance, connections: Mapping[str, Mapping[str, Any]], without: str | None
) -> Sequence[VolumeDisk]:
    """Those that the guest has, or is given now."""
    found = []
    for device in volumes_of(instance):
        connection = connections.get(device.volume_id or "", device.connection)
        if connection is not None and device.volume_id != without:
            found.append(volume_disk(device, connection))
    return found


def volume_disk(device: BlockDevice, connection: Mapping[str, Any]) -> VolumeDisk:
    """A volume as a disk of a guest."""
    return VolumeDisk(
        volume_id=device.volume_id or "",
        device=bare_name(device.device_name) or "",
        connection=connection,
        size_gb=int(device.volume_size or 0),
        bus=device.disk_bus,
        device_type=device.device_type or "disk",
        boot_index=device.boot_index,
        tag=device.tag,
    )


def bare_name(device_name: str | None) -> str | None:
    """vdb of /dev/vdb."""
    return device_name.removeprefix("/dev/") if device_name else None


def _nic(address: Mapping[str, Any]) -> Nic:
    return Nic(
        port_id=address["port_id"],
        mac=address["mac"],
        network=address["network"],
        address=address["address"],
        prefix=int(address.get("prefix", 24)),
    )
