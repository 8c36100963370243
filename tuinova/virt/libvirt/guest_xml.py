"""The domain XML of a guest, as nova/virt/libvirt/driver.py _get_guest_config writes it.

Every string goes in as an element's text or attribute, never by formatting: names and properties are hostile.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import tuinova
from tuinova.core import image_properties
from tuinova.core.image_properties import is_true
from tuinova.text import clean
from tuinova.virt.driver import DriverError, GuestSpec, Nic
from tuinova.virt.libvirt import pcie_ports
from tuinova.virt.libvirt.disk_plan import Disk, properties, root_volume
from tuinova.virt.libvirt.layout import InstanceFiles
from tuinova.virt.libvirt.options import LibvirtOptions
from tuinova.virt.networks import NetworkMode

NOVA_NS = "http://openstack.org/xmlns/libvirt/nova/1.1"
# Our own mark: a domain without it, or with another instances directory in it, is foreign and never touched.
MARK_NS = "urn:tuinova:libvirt:1"
MARK_TAG = "guest"
AGENT_CHANNEL = "org.qemu.guest_agent.0"
CONSOLE_ARGUMENTS = "console=tty0 console=ttyS0 console=hvc0"
_NOT_XML = re.compile("[\ufffe\uffff]")
_IOTUNE = ("read_bytes_sec", "read_iops_sec", "write_bytes_sec", "write_iops_sec", "total_bytes_sec", "total_iops_sec")
# What Windows is told of the hypervisor (nova/virt/libvirt/driver.py _set_hyperv_features); KVM has them all.
_HYPERV = ("relaxed", "vapic", "vpindex", "runtime", "synic", "reset", "frequencies", "tlbflush", "ipi")
_HYPERV_SPINLOCKS = 8191
_MOST_QUEUES = 256  # of a tap device of Linux
_WATCHDOG_ACTIONS = frozenset({"none", "pause", "poweroff", "reset"})

ET.register_namespace("nova", NOVA_NS)
ET.register_namespace("tuinova", MARK_NS)


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What the XML needs to know of the host.

    `cache_mode_of`: that of a directory of volumes; `video_models`: those that this QEMU has, empty when not known.
    """

    host: str
    instances: Path
    arch: str
    virt_type: str
    machine: str
    user_network: bool
    cache_mode: str
    cache_mode_of: Callable[[Path], str] = lambda _: "none"
    video_models: frozenset[str] = frozenset()
    has_filters: bool = False  # the ports' firewall is libvirt's


def tap_name(port_id: str) -> str:
    """The host's end of a port."""
    return f"tap{port_id[:11]}"


def machine_type(guest: GuestSpec, options: LibvirtOptions, arch: str) -> str:
    """Machine: image, option, else the architecture's default."""
    wanted = properties(guest).get("hw_machine_type") or options.hw_machine_type
    return wanted or {"x86_64": "pc", "i686": "pc", "aarch64": "virt", "armv7l": "virt"}.get(arch, "")


def _sub(parent: ET.Element, tag: str, text: object = None, /, **attributes: object) -> ET.Element:
    """A child; text and attributes in a form that XML can hold."""
    element = ET.SubElement(parent, tag, {key: _safe(value) for key, value in attributes.items()})
    if text is not None:
        element.text = _safe(text)
    return element


def _safe(value: object) -> str:
    return _NOT_XML.sub("?", clean(value))


def interface(guest: GuestSpec, nic: Nic, facts: HostFacts, options: LibvirtOptions) -> ET.Element:
    """A port's device."""
    user = facts.user_network or (nic.spec is not None and nic.spec.mode is NetworkMode.USER)
    element = ET.Element("interface", {"type": "user" if user else "network"})
    _sub(element, "mac", address=nic.mac)
    if not user:
        _sub(element, "source", network=source_network(nic))
        _sub(element, "target", dev=tap_name(nic.port_id))
    model = properties(guest).get("hw_vif_model") or ("virtio" if options.use_virtio_for_bridges else "")
    if model:
        _sub(element, "model", type=model)
    if model == "virtio" and not user:
        name = "vhost" if facts.virt_type == "kvm" else "qemu"
        _sub(element, "driver", name=name, **_queues(guest))
    if nic.security is not None and facts.has_filters and not user:
        _sub(element, "filterref", filter=filter_name(nic.port_id))
    if nic.spec is not None and nic.spec.mode is NetworkMode.PROVIDER and nic.spec.mtu != 1500:
        # Of a network of ours libvirt knows it.
        _sub(element, "mtu", size=nic.spec.mtu)
    return element


def _queues(guest: GuestSpec) -> dict[str, int]:
    """Queues of a virtio network card: one for each vCPU where that is asked for."""
    wanted = image_properties.has_multiqueue(guest.extra_specs, properties(guest)) and guest.vcpus > 1
    return {"queues": min(guest.vcpus, _MOST_QUEUES)} if wanted else {}


def filter_name(port_id: str) -> str:
    """libvirt's name of a port's network filter."""
    return f"tuinova-{port_id}"


def source_network(nic: Nic) -> str:
    """libvirt's name of a port's network."""
    spec = nic.spec
    if spec is None or spec.mode is NetworkMode.HOST:
        return (spec.source if spec is not None else None) or nic.network
    return network_name(spec.id)


def network_name(network_id: str) -> str:
    """libvirt's name of a network of ours; the same on each host, so that guests find it when they move."""
    return f"tuinova-{network_id}"


class GuestXml:
    """Writes one guest's definition."""

    def __init__(
        self,
        guest: GuestSpec,
        disks: list[Disk],
        files: InstanceFiles,
        facts: HostFacts,
        options: LibvirtOptions,
        boot_suffix: str = "",
    ) -> None:
        """`boot_suffix`: that of kernel and ramdisk (a rescue's)."""
        self.guest = guest
        self.disks = disks
        self.files = files
        self.facts = facts
        self.options = options
        self.boot_suffix = boot_suffix
        self.properties = properties(guest)
        self.specs = guest.extra_specs
        self.is_x86 = facts.arch in ("x86_64", "i686")
        self.is_windows = self.properties.get("os_type") == "windows"

    def build(self) -> str:
        """The XML."""
        root = ET.Element("domain", {"type": self.facts.virt_type})
        _sub(root, "name", self.guest.name)
        _sub(root, "uuid", self.guest.uuid)
        self._metadata(root)
        _sub(root, "memory", self.guest.memory_mb * 1024, unit="KiB")
        _sub(root, "vcpu", self.guest.vcpus, placement="static")
        self._cputune(root)
        if self.is_x86:
            self._sysinfo(root)
        self._os(root)
        self._features(root)
        self._cpu(root)
        self._clock(root)
        devices = _sub(root, "devices")
        for disk in self.disks:
            self.disk(devices, disk)
        for nic in self.guest.nics:
            self._interface(devices, nic)
        self._console(devices)
        self._display(devices)
        self._helpers(devices)
        if "q35" in self.facts.machine or self.facts.arch == "aarch64":
            on_pci = sum(disk.bus == "virtio" for disk in self.disks) + len(self.guest.nics)
            pcie_ports.add(devices, on_pci, self.options.num_pcie_ports)
        return ET.tostring(root, encoding="unicode")

    def _metadata(self, root: ET.Element) -> None:
        metadata = _sub(root, "metadata")
        mark = ET.SubElement(metadata, f"{{{MARK_NS}}}{MARK_TAG}")
        mark.set("instances", str(self.facts.instances))
        mark.set("host", _safe(self.facts.host))

        def nova(parent: ET.Element, tag: str, text: object = None, **attributes: object) -> ET.Element:
            return _sub(parent, f"{{{NOVA_NS}}}{tag}", text, **attributes)

        instance = nova(metadata, "instance")
        nova(instance, "package", version=tuinova.__version__)
        nova(instance, "name", self.guest.display_name)
        nova(instance, "creationTime", datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S"))
        flavor = nova(instance, "flavor", name=self.guest.flavor_name)
        sizes: dict[str, int] = {
            "memory": self.guest.memory_mb,
            "disk": self.guest.root_gb,
            "swap": self.guest.swap_mb,
            "ephemeral": self.guest.ephemeral_gb,
            "vcpus": self.guest.vcpus,
        }
        for tag, size in sizes.items():
            nova(flavor, tag, size)
        extra = nova(flavor, "extraSpecs")
        for key, value in sorted(self.specs.items()):
            nova(extra, "extraSpec", value, name=key)
        owner = nova(instance, "owner")
        nova(owner, "user", self.guest.user_name, uuid=self.guest.user_id)
        nova(owner, "project", self.guest.project_name, uuid=self.guest.project_id)
        if (volume := root_volume(self.guest)) is not None:
            nova(instance, "root", type="volume", uuid=volume.volume_id)
        elif self.guest.image is not None:
            nova(instance, "root", type="image", uuid=self.guest.image.id)
        ports = nova(instance, "ports")
        for nic in self.guest.nics:
            port = nova(ports, "port", uuid=nic.port_id)
            if nic.address:
                version = 6 if ":" in nic.address else 4
                nova(port, "ip", type="fixed", address=nic.address, ipVersion=version)

    def _cputune(self, root: ET.Element) -> None:
        names = {"quota:cpu_shares": "shares", "quota:cpu_period": "period", "quota:cpu_quota": "quota"}
        wanted = {tag: self.specs[key] for key, tag in names.items() if key in self.specs}
        if wanted:
            cputune = _sub(root, "cputune")
            for tag, value in wanted.items():
                _sub(cputune, tag, value)

    def _sysinfo(self, root: ET.Element) -> None:
        system = _sub(_sub(root, "sysinfo", type="smbios"), "system")
        entries = {
            "manufacturer": "OpenStack Foundation",
            "product": "OpenStack Nova",
            "version": tuinova.__version__,
            "serial": self.guest.uuid,
            "uuid": self.guest.uuid,
            "family": "Virtual Machine",
        }
        for name, value in entries.items():
            _sub(system, "entry", value, name=name)

    def _os(self, root: ET.Element) -> None:
        firmware = self.properties.get("hw_firmware_type") or ("uefi" if self.facts.arch == "aarch64" else "bios")
        os = _sub(root, "os", **({"firmware": "efi"} if firmware == "uefi" else {}))
        machine = {"machine": self.facts.machine} if self.facts.machine else {}
        _sub(os, "type", "hvm", arch=self.facts.arch, **machine)
        if self.guest.kernel is not None:
            _sub(os, "kernel", self.files.path(f"kernel{self.boot_suffix}"))
            if self.guest.ramdisk is not None:
                _sub(os, "initrd", self.files.path(f"ramdisk{self.boot_suffix}"))
            boots = [disk for disk in self.disks if disk.boots_first] or self.disks
            given = self.properties.get("os_command_line")
            _sub(os, "cmdline", given or f"root=/dev/{boots[0].target if boots else 'vda'} {CONSOLE_ARGUMENTS}")
        elif not any(disk.boot_order is not None for disk in self.disks):
            is_disc = bool(self.disks) and self.disks[0].device == "cdrom" and not self.disks[0].is_config_drive
            _sub(os, "boot", dev="cdrom" if is_disc else "hd")
        if is_true(self.specs.get("hw:boot_menu") or self.properties.get("hw_boot_menu")):
            _sub(os, "bootmenu", enable="yes")
        if self.is_x86:
            _sub(os, "smbios", mode="sysinfo")

    def _features(self, root: ET.Element) -> None:
        features = _sub(root, "features")
        _sub(features, "acpi")
        if self.is_x86:
            _sub(features, "apic")
        _sub(features, "vmcoreinfo", state="on")
        hides = self.specs.get("hw:hide_hypervisor_id") or self.properties.get("img_hide_hypervisor_id")
        if self.facts.virt_type == "kvm" and is_true(hides):
            _sub(_sub(features, "kvm"), "hidden", state="on")
        if self.facts.virt_type == "kvm" and self.is_windows and self.is_x86:
            hyperv = _sub(features, "hyperv")
            for name in _HYPERV:
                _sub(hyperv, name, state="on")
            _sub(hyperv, "spinlocks", state="on", retries=_HYPERV_SPINLOCKS)
        pmu = image_properties.agreed("pmu", self.specs, self.properties)
        if pmu is not None:
            _sub(features, "pmu", state="on" if pmu else "off")

    def _cpu(self, root: ET.Element) -> None:
        default = "host-passthrough" if self.facts.arch == "aarch64" and self.facts.virt_type == "kvm" else "host-model"
        mode = self.options.cpu_mode or default
        attributes = {} if mode == "none" else {"mode": mode}
        if mode == "custom":
            attributes["match"] = "exact"
        cpu = _sub(root, "cpu", **attributes)
        if mode == "custom":
            if not self.options.cpu_models:
                raise DriverError(reason="cpu_mode custom needs cpu_models")
            _sub(cpu, "model", self.options.cpu_models[0])
        topology = image_properties.cpu_topology(self.guest.vcpus, self.specs, self.properties)
        _sub(cpu, "topology", sockets=topology.sockets, cores=topology.cores, threads=topology.threads)

    def _clock(self, root: ET.Element) -> None:
        clock = _sub(root, "clock", offset="localtime" if self.is_windows else "utc")
        if self.facts.virt_type != "kvm":
            return
        _sub(clock, "timer", name="pit", tickpolicy="delay")
        _sub(clock, "timer", name="rtc", tickpolicy="catchup")
        if self.is_x86:
            _sub(clock, "timer", name="hpet", present="yes" if is_true(self.properties.get("hw_time_hpet")) else "no")
        if self.is_windows:
            _sub(clock, "timer", name="hypervclock", present="yes")

    def disk(self, devices: ET.Element, disk: Disk) -> ET.Element:
        """One disk, the guest's own or a volume."""
        kind = disk.volume.connection["type"] if disk.volume else "file"
        source = disk.volume.connection["path"] if disk.volume else self.files.path(disk.name)
        element = _sub(devices, "disk", type=kind, device=disk.device)
        # What a guest deletes on a volume is given back: it is made for a size that it may never need.
        more = {"discard": "unmap"} if disk.volume and not disk.readonly else {}
        _sub(element, "driver", name="qemu", type=disk.format, cache=self._cache_mode(kind, disk), **more)
        _sub(element, "source", **{"dev" if kind == "block" else "file": source})
        if disk.volume:
            # It stands on nothing, whatever a guest that broke out of its machine wrote into its header.
            _sub(element, "backingStore")
        _sub(element, "target", dev=disk.target, bus=disk.bus)
        limits = {tag: self.specs[f"quota:disk_{tag}"] for tag in _IOTUNE if f"quota:disk_{tag}" in self.specs}
        if limits and not disk.readonly and not disk.volume:
            tune = _sub(element, "iotune")
            for tag, value in limits.items():
                _sub(tune, tag, value)
        if disk.readonly:
            _sub(element, "readonly")
        if disk.volume:
            _sub(element, "serial", disk.volume.volume_id)
        if disk.boot_order is not None:
            _sub(element, "boot", order=disk.boot_order)
        return element

    def _cache_mode(self, kind: str, disk: Disk) -> str:
        for entry in self.options.disk_cachemodes:
            named, _, mode = entry.partition("=")
            if named == kind and mode:
                return mode
        if disk.volume is None:
            return self.facts.cache_mode
        return "none" if kind == "block" else self.facts.cache_mode_of(Path(disk.volume.connection["path"]).parent)

    def _interface(self, devices: ET.Element, nic: Nic) -> None:
        devices.append(interface(self.guest, nic, self.facts, self.options))

    def _console(self, devices: ET.Element) -> None:
        serial = _sub(devices, "serial", type="pty")
        _sub(serial, "target", port=0)
        _sub(serial, "log", file=self.files.console_log, append="off")
        # The console is the first port; what the guest writes to the others is for whoever attaches on the host.
        for port in range(1, image_properties.serial_ports(self.specs, self.properties)):
            _sub(_sub(devices, "serial", type="pty"), "target", port=port)

    def _display(self, devices: ET.Element) -> None:
        model = self.properties.get("hw_video_model") or "virtio"
        if model != "none" and self.facts.video_models and model not in self.facts.video_models:
            model = "vga"
        has_graphics = self.options.vnc_enabled and model != "none"
        needs_usb = any(disk.bus == "usb" for disk in self.disks)
        pointer = self.properties.get("hw_pointer_model") or self.options.pointer_model
        input_bus = self.properties.get("hw_input_bus") or "usb"
        has_tablet = has_graphics and pointer == "usbtablet"
        if has_tablet:
            _sub(devices, "input", type="tablet", bus=input_bus)
            if "hw_input_bus" in self.properties:
                _sub(devices, "input", type="keyboard", bus=input_bus)
        if not (has_tablet and input_bus == "usb") and not needs_usb and self.is_x86:
            _sub(devices, "controller", type="usb", model="none")
        if has_graphics:
            graphics = _sub(devices, "graphics", type="vnc", port=-1, autoport="yes")
            _sub(graphics, "listen", type="address", address=self.options.vnc_server_listen)
            ram = image_properties.video_ram(self.specs, self.properties)
            # Only these have memory that can be chosen.
            vram = {"vram": ram * 1024} if ram and model in ("qxl", "vga", "cirrus", "vmvga", "bochs") else {}
            _sub(_sub(devices, "video"), "model", type=model, **vram)

    def _helpers(self, devices: ET.Element) -> None:
        """Agent channel, random numbers, balloon, watchdog, SCSI controller."""
        if is_true(self.properties.get("hw_qemu_guest_agent")):
            channel = _sub(devices, "channel", type="unix")
            _sub(channel, "target", type="virtio", name=AGENT_CHANNEL)
        if self.properties.get("hw_scsi_model"):
            _sub(devices, "controller", type="scsi", index=0, model=self.properties["hw_scsi_model"].lower())
        allowed = self.specs.get("hw_rng:allowed")
        if allowed is None or is_true(allowed):
            rng = _sub(devices, "rng", model="virtio")
            if "hw_rng:rate_bytes" in self.specs:
                period = {"period": self.specs["hw_rng:rate_period"]} if "hw_rng:rate_period" in self.specs else {}
                _sub(rng, "rate", bytes=self.specs["hw_rng:rate_bytes"], **period)
            _sub(rng, "backend", self.options.rng_dev_path, model="random")
        if self.options.mem_stats_period_seconds > 0:
            balloon = _sub(devices, "memballoon", model="virtio")
            _sub(balloon, "stats", period=self.options.mem_stats_period_seconds)
        else:
            _sub(devices, "memballoon", model="none")
        action = self.properties.get("hw_watchdog_action") or self.specs.get("hw:watchdog_action")
        if action in _WATCHDOG_ACTIONS:
            _sub(devices, "watchdog", model="i6300esb", action=action)
