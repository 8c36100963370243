"""May a guest move alive? One half is asked at the destination, the other at the source (Nova's exceptions' words)."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import libvirt

from tuinova.core.errors import NovaError
from tuinova.core.states import PowerState
from tuinova.virt.driver import GuestSpec, MigrationPreCheckError
from tuinova.virt.libvirt import disks, power, sparse
from tuinova.virt.libvirt.guest_xml import source_network
from tuinova.virt.libvirt.guests import Guests
from tuinova.virt.libvirt.moved_disks import MovedDisks
from tuinova.virt.libvirt.options import LibvirtOptions
from tuinova.virt.networks import NetworkMode

LOCAL = "Block migration can not be used with shared storage."
SHARED = (
    "Shared storage live-migration requires either shared storage or boot-from-volume with no local disks."  # Nova's
)
_MIGRATABLE = libvirt.VIR_DOMAIN_XML_MIGRATABLE | libvirt.VIR_DOMAIN_XML_SECURE


def address(host: str, uri: str, libvirt_name: str, instances: Path, options: LibvirtOptions) -> dict[str, Any]:
    """How others reach this host; `migration_uri` is for libvirtd at the source, `data_uri` for its QEMU."""
    target = options.live_migration_inbound_addr or libvirt_name
    if options.live_migration_uri:
        migration_uri = options.live_migration_uri.replace("%s", target)
    elif urlsplit(uri).hostname:
        migration_uri = uri
    else:
        migration_uri = f"qemu+{options.live_migration_scheme or 'tcp'}://{_in_brackets(target)}/system"
    inbound = options.live_migration_inbound_addr
    return {
        "host": host,
        "uri": uri,
        "instances": str(instances),
        "migration_uri": migration_uri,
        "data_uri": f"tcp://{_in_brackets(inbound)}" if inbound else None,
    }


def _in_brackets(host: str) -> str:
    """An IPv6 address as URIs have it."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


class LiveChecks:
    """Nothing here changes anything."""

    def __init__(self, guests: Guests, moved: MovedDisks) -> None:
        self._guests = guests
        self._host = guests.host
        self._moved = moved

    # at the destination ----------------------------------------------------------------------------------------------
    def at_destination(self, guest: GuestSpec, block_migration: bool | None, here: dict[str, Any]) -> dict[str, Any]:
        """What the source must know of this host."""
        try:
            self._host.refuse_foreign(guest.uuid)
        except NovaError as error:
            raise MigrationPreCheckError(reason=error.message) from error
        if self._host.find_or_none(guest.uuid) is not None:
            raise MigrationPreCheckError(reason=f"{guest.uuid} is known on host {self._host.name} already")
        self._check_networks(guest)
        stat = os.statvfs(self._host.instances)
        volumes = {volume.volume_id: _seen(Path(volume.connection["path"])) for volume in guest.volumes}
        for volume in guest.volumes:
            if volumes[volume.volume_id] is None:
                reason = f"host {self._host.name} does not reach volume {volume.volume_id}"
                raise MigrationPreCheckError(reason=reason)
        return {
            "destination": here,
            "volumes": volumes,
            "block_migration": block_migration,
            "directory": _identity(self._host.instances),
            "free_bytes": stat.f_bavail * stat.f_frsize,
            "virt_type": self._host.virt_type,
            "arch": self._host.capabilities.arch,
        }

    def _check_networks(self, guest: GuestSpec) -> None:
        if self._guests.networks.user_mode:
            raise MigrationPreCheckError(reason="a user's own libvirt session can't receive guests")
        known = {network.name: network for network in self._guests.networks.list()}
        for nic in guest.nics:
            if nic.spec is not None and nic.spec.mode is not NetworkMode.HOST:
                # It is made here before the guest comes.
                if problem := self._guests.networks.problem(nic.spec):
                    raise MigrationPreCheckError(reason=f"host {self._host.name}: {problem}")
                continue
            name = source_network(nic)
            network = known.get(name)
            if network is None:
                raise MigrationPreCheckError(reason=f"host {self._host.name} has no network {name!r}")
            if nic.address and ipaddress.ip_address(nic.address) not in ipaddress.ip_network(network.cidr):
                reason = f"address {nic.address} is not of network {name} on host {self._host.name}"
                raise MigrationPreCheckError(reason=reason)

    # at the source ---------------------------------------------------------------------------------------------------
    def at_source(self, guest: GuestSpec, data: Mapping[str, Any]) -> dict[str, Any]:
        """`data`, and what the destination must know of the guest."""
        domain = self._host.find(guest.uuid)
        files = self._guests.files(guest.uuid)
        if power.state_of(domain) not in (PowerState.RUNNING, PowerState.PAUSED):
            raise MigrationPreCheckError(reason=f"instance {guest.uuid} is not running")
        if files.unrescue_xml.exists():
            raise MigrationPreCheckError(reason=f"instance {guest.uuid} is rescued")
        is_shared = data["directory"] == _identity(self._host.instances)
        if is_shared and data["destination"]["host"] == self._host.name:
            raise MigrationPreCheckError(reason=f"instance {guest.uuid} is on host {self._host.name} already")
        wants = data["block_migration"]
        if wants and is_shared:
            raise MigrationPreCheckError(reason=f"{files.directory} is not on local storage: {LOCAL}")
        for volume in guest.volumes:
            if data["volumes"].get(volume.volume_id) != _seen(Path(volume.connection["path"])):
                reason = f"volume {volume.volume_id} is not the same one at the destination"
                raise MigrationPreCheckError(reason=reason)
        for name, mine in (("virt_type", self._host.virt_type), ("arch", self._host.capabilities.arch)):
            if data[name] != mine:
                raise MigrationPreCheckError(reason=f"the destination's {name} is {data[name]}, the source's {mine}")
        description = ET.fromstring(domain.XMLDesc(_MIGRATABLE))  # noqa: S314 - libvirt's own XML
        machine = description.find("./os/type")
        local = [] if is_shared else self._local_disks(guest, description)
        if wants is False and any(not disk["readonly"] for disk in local):
            raise MigrationPreCheckError(reason=f"{files.directory} is not on shared storage: {SHARED}")
        self._check_room(guest, data, local)
        found = {
            "block_migration": not is_shared,
            "source": {"host": self._host.name, "instances": str(self._host.instances)},
            "disks": local,
            "cpu": _cpu(description),
            "machine": machine.get("machine") if machine is not None else None,
        }
        return {**data, **found}

    def _local_disks(self, guest: GuestSpec, description: ET.Element) -> list[dict[str, Any]]:
        files = self._guests.files(guest.uuid)
        volumes = {volume.connection["path"] for volume in guest.volumes}
        found = []
        for disk in description.findall("./devices/disk"):
            source, target, driver = (disk.find(tag) for tag in ("source", "target", "driver"))
            path = Path(source.get("file", "")) if source is not None else None
            if path is None or source is None or target is None or driver is None:
                continue
            if {source.get("file"), source.get("dev")} & volumes:
                continue  # both hosts reach it
            if path.parent != files.directory:
                raise MigrationPreCheckError(reason=f"disk {target.get('dev')} is not one that can be moved: {path}")
            backing = self._moved.base_of(path)
            found.append(
                {
                    "name": path.name,
                    "target": target.get("dev"),
                    "format": driver.get("type"),
                    "size": disks.virtual_size(path),
                    "base": str(backing) if backing else None,
                    "readonly": disk.find("readonly") is not None,
                }
            )
        return found

    def _check_room(self, guest: GuestSpec, data: Mapping[str, Any], local: list[dict[str, Any]]) -> None:
        files = self._guests.files(guest.uuid)
        needed = sparse.allocated(files.path(disk["name"]) for disk in local)
        if needed > data["free_bytes"]:
            reason = (
                f"Unable to migrate {guest.uuid}: Disk of instance is too large(available on destination host:"
                f"{data['free_bytes']} < need:{needed})"
            )
            raise MigrationPreCheckError(reason=reason)

    # at the destination, before anything is made ---------------------------------------------------------------------
    def compare_cpu(self, data: Mapping[str, Any]) -> None:
        """Whether this host can go on with the CPU that the guest sees."""
        if not data.get("cpu"):
            return
        conn = self._host.connection.get()
        machine, kind = data.get("machine"), self._host.virt_type
        try:
            answer = conn.compareHypervisorCPU(None, self._host.capabilities.arch, machine, kind, data["cpu"], 0)
        except libvirt.libvirtError as error:
            if error.get_error_code() in (libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_ERR_OPERATION_UNSUPPORTED):
                return  # libvirt compares when the guest comes
            raise
        if answer <= libvirt.VIR_CPU_COMPARE_INCOMPATIBLE:
            raise MigrationPreCheckError(reason="Unacceptable CPU info: CPU doesn't have compatibility.")


def _seen(volume: Path) -> list[int] | None:
    """Which volume it is, as this host sees it; None when it does not."""
    try:
        stat = volume.stat()
    except OSError:
        return None
    return [stat.st_dev, stat.st_ino, stat.st_rdev]


def _identity(directory: Path) -> list[int]:
    """Which directory it is, by whatever path."""
    stat = directory.stat()
    return [stat.st_dev, stat.st_ino]


def _cpu(description: ET.Element) -> str | None:
    """The guest's CPU if it is spelt out; a host's own (passthrough) can't be compared."""
    cpu = description.find("./cpu")
    return ET.tostring(cpu, encoding="unicode") if cpu is not None and cpu.get("mode") == "custom" else None
