"""What the host has and what foreign guests take of it (nova/virt/libvirt/driver.py get_available_resource)."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import libvirt

from tuinova.virt.driver import ForeignGuest
from tuinova.virt.libvirt import disks, layout
from tuinova.virt.libvirt.errors import words
from tuinova.virt.libvirt.layout import QemuUser
from tuinova.virt.libvirt.power import POWER_STATES

LOG = logging.getLogger(__name__)

GIB = 1 << 30


class Capabilities:
    """libvirt's capabilities, read once a connection (it takes libvirt 5 ms, and with a dead /dev/kvm seconds)."""

    def __init__(self, xml: str) -> None:
        self._root = ET.fromstring(xml)  # noqa: S314 - libvirt's own XML
        self.arch = self._root.findtext("./host/cpu/arch", "")

    def qemu_user(self) -> QemuUser | None:
        """The user of QEMU by libvirt's ownership driver, None when libvirt changes no owners (a session)."""
        for model in self._root.findall("./host/secmodel"):
            if model.findtext("model") == "dac":
                for label in model.findall("baselabel"):
                    uid, _, gid = (label.text or "").replace("+", "").partition(":")
                    if uid.isdigit() and gid.isdigit():
                        return QemuUser(int(uid), int(gid))
        return None

    def supported(self, kvm_works: bool) -> list[tuple[str, str, str]]:
        """(architecture, hypervisor, mode) of guests; libvirt lists kvm by the device's existence, so we decide."""
        found = []
        for guest in self._root.findall("guest"):
            mode = guest.findtext("os_type", "")
            for arch in guest.findall("arch"):
                for domain in arch.findall("domain"):
                    kind = domain.get("type", "")
                    if kind != "kvm" or kvm_works:
                        found.append((arch.get("name", ""), kind, mode))
        return found

    def offers_kvm(self) -> bool:
        """Whether libvirt would take kvm guests of the host's architecture."""
        path = f"./guest/arch[@name='{self.arch}']/domain[@type='kvm']"
        return self._root.find(path) is not None

    def cpu_info(self) -> dict[str, Any]:
        """Nova's cpu_info."""
        cpu = self._root.find("./host/cpu")
        if cpu is None:
            return {}
        topology = cpu.find("topology")
        counts = {key: int(value) for key, value in topology.attrib.items()} if topology is not None else {}
        return {
            "arch": self.arch,
            "model": cpu.findtext("model", ""),
            "vendor": cpu.findtext("vendor", ""),
            "topology": counts,
            "features": [feature.get("name", "") for feature in cpu.findall("feature")],
        }


def disk_gb(instances: Path) -> int:
    """The size of the file system that holds the guests."""
    return shutil.disk_usage(instances).total // GIB


def disk_available_least(instances: Path, volumes: Sequence[Path] = ()) -> int:
    """GiB that are free, less what the sparse disks there may still take; volumes count where they lie there too."""
    directories = [path.parent for path in instances.glob("*/disk.info")]
    paths = [path for directory in directories for path in layout.local_disks(directory)]
    for directory in volumes:
        if directory.exists() and directory.stat().st_dev == instances.stat().st_dev:
            paths += directory.glob("*-*.*")
    promised = 0
    for path in paths:
        try:
            promised += max(0, disks.virtual_size(path) - path.stat().st_blocks * 512)
        except OSError:
            # Deleted since the directory was read.
            continue
    return (shutil.disk_usage(instances).free - promised) // GIB


def host_address() -> str:
    """The address that this host uses towards the world (Nova's default of my_ip)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # No packet is sent: connecting a datagram socket only chooses a route.
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"


def uptime() -> str:
    """As the command of that name says it."""
    seconds = int(float(Path("/proc/uptime").read_text().split()[0]))
    days, rest = divmod(seconds, 86400)
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    since = f"{days} day{'s' if days != 1 else ''}, " if days else ""
    return f"{time.strftime('%H:%M:%S')} up {since}{rest // 3600}:{rest % 3600 // 60:02d},  load average: {load}"


class ForeignGuests:
    """Reads guests that are not ours; the sizes of their disks are kept, they cost a call each."""

    def __init__(self) -> None:
        self._disk_gb: dict[str, int] = {}

    def forget(self, uuid: str | None = None) -> None:
        """A definition changed (or all may have)."""
        if uuid is None:
            self._disk_gb.clear()
        else:
            self._disk_gb.pop(uuid, None)

    def describe(self, domain: libvirt.virDomain) -> ForeignGuest | None:
        """One of them, None when it is gone meanwhile."""
        try:
            uuid = domain.UUIDString()
            state, most_kib, _, vcpus, _ = domain.info()
            if uuid not in self._disk_gb:
                self._disk_gb[uuid] = self._measure(domain)
            return ForeignGuest(
                uuid=uuid,
                name=domain.name(),
                state=POWER_STATES[state],
                memory_mb=most_kib // 1024,
                vcpus=vcpus,
                disk_gb=self._disk_gb[uuid],
            )
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                return None
            raise

    def _measure(self, domain: libvirt.virDomain) -> int:
        """GiB that its disk files may grow to, rounded up."""
        total = 0
        for disk in ET.fromstring(domain.XMLDesc(0)).findall("./devices/disk[@device='disk']"):  # noqa: S314
            target = disk.find("target")
            if target is None or disk.get("type") != "file" or disk.find("source") is None:
                continue
            try:
                total += domain.blockInfo(target.get("dev", ""))[0]
            except libvirt.libvirtError as error:
                LOG.debug("disk %s of %s: %s", target.get("dev"), domain.name(), words(error))
        return -(-total // GIB)
