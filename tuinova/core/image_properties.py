"""Image properties that say how a guest is made: which values there are, and what they come to with a flavor.

Sources: nova/objects/image_meta.py and fields.py (values), nova/virt/hardware.py (topology, serial ports). A property
that Nova does not know is anybody's own and says nothing here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tuinova.core.errors import Invalid, NotSupported

Texts = Mapping[str, str]
_TRUE: Final = frozenset({"1", "t", "true", "on", "y", "yes"})
_FALSE: Final = frozenset({"0", "f", "false", "off", "n", "no"})
_BUSES: Final = ("fdc", "ide", "sata", "scsi", "usb", "virtio", "xen", "lxc", "uml")
_NOT_OF_QEMU: Final = frozenset({"xen", "lxc", "uml", "netfront", "vmxnet", "sriov", "gop"})
_ENUMS: Final[Mapping[str, tuple[str, ...]]] = {
    "hw_cdrom_bus": _BUSES,
    "hw_cpu_policy": ("dedicated", "mixed", "shared"),
    "hw_cpu_thread_policy": ("prefer", "isolate", "require"),
    "hw_disk_bus": _BUSES,
    "hw_firmware_type": ("uefi", "bios"),
    "hw_floppy_bus": _BUSES,
    "hw_input_bus": ("usb", "virtio"),
    "hw_pointer_model": ("usbtablet",),
    "hw_rescue_bus": _BUSES,
    "hw_rescue_device": ("disk", "floppy", "cdrom"),
    "hw_rng_model": ("virtio",),
    "hw_scsi_model": ("buslogic", "ibmvscsi", "lsilogic", "lsisas1068", "lsisas1078", "virtio-scsi", "vmpvscsi"),
    "hw_tpm_model": ("tpm-tis", "tpm-crb"),
    "hw_tpm_version": ("1.2", "2.0"),
    "hw_video_model": ("cirrus", "gop", "none", "qxl", "vga", "virtio", "vmvga", "xen", "bochs"),
    "hw_vif_model": (
        *("virtio", "ne2k_pci", "pcnet", "rtl8139", "e1000", "e1000e", "netfront", "spapr-vlan", "lan9118"),
        *("sriov", "vmxnet", "vmxnet3", "igb"),
    ),
    "hw_viommu_model": ("intel", "smmuv3", "virtio", "auto"),
    "hw_watchdog_action": ("none", "pause", "poweroff", "reset", "disabled"),
    "os_secure_boot": ("required", "disabled", "optional"),
    "os_type": ("linux", "windows"),
}
_BOOLEANS: Final = frozenset(
    {
        *("hw_boot_menu", "hw_ephemeral_encryption", "hw_firmware_stateless", "hw_ipxe_boot", "hw_locked_memory"),
        *("hw_mem_encryption", "hw_pmu", "hw_qemu_guest_agent", "hw_time_hpet", "hw_vif_multiqueue_enabled"),
        *("hw_virtio_packed_ring", "img_hide_hypervisor_id", "os_require_quiesce"),
    }
)
_INTEGERS: Final = frozenset(
    {
        *("hw_cpu_cores", "hw_cpu_max_cores", "hw_cpu_max_sockets", "hw_cpu_max_threads", "hw_cpu_sockets"),
        *("hw_cpu_threads", "hw_maxphysaddr_bits", "hw_numa_nodes", "hw_serial_port_count", "hw_video_ram"),
    }
)
# What keeps a guest's secrets or trust and is not made here: never left out in silence. Any value, or these.
_UNSERVED: Final[Mapping[str, frozenset[str] | None]] = {
    "hw_tpm_model": None,
    "hw_tpm_version": None,
    "hw_mem_encryption": _TRUE,
    "hw_ephemeral_encryption": _TRUE,
    "hw_firmware_stateless": _TRUE,
    "os_secure_boot": frozenset({"required"}),
}
_MOST_SERIAL_PORTS: Final = 3
_UNLIMITED: Final = 65536


def is_true(value: str | None) -> bool:
    """Nova's boolean of a property or extra spec."""
    return value is not None and value.strip().lower() in _TRUE


def check(vcpus: int, specs: Texts, properties: Texts) -> None:
    """Refuse a flavor and an image that no guest can be made of, in Nova's words.

    Raises Invalid, or NotSupported for what Nova has and this version lacks.
    """
    check_values(properties)
    drive = properties.get("img_config_drive")
    if drive is not None and drive not in ("optional", "mandatory"):
        raise Invalid(f"Image's config drive option '{drive[:80]}' is invalid")
    cpu_topology(vcpus, specs, properties)
    serial_ports(specs, properties)
    video_ram(specs, properties)
    agreed("pmu", specs, properties)
    has_multiqueue(specs, properties)


def check_values(properties: Texts) -> None:
    """Each property by itself."""
    for name, value in properties.items():
        problem = _problem(name, value)
        if problem is not None:
            raise Invalid(f"Invalid image metadata. Error: {problem}")
        if name in _ENUMS and value in _NOT_OF_QEMU:
            raise Invalid(f"Requested hardware '{value}' is not supported by the 'qemu' virt driver")
        if name in _UNSERVED:
            refused = _UNSERVED[name]
            if refused is None or value.strip().lower() in refused:
                raise NotSupported(f"Image property {name}={value[:80]} is not served by this version.")


def _problem(name: str, value: str) -> str | None:
    if name in _ENUMS:
        given = value.lower() if name == "hw_scsi_model" else value
        return None if given in _ENUMS[name] else f"Field value {value[:80]} is invalid"
    if name in _BOOLEANS and value.strip().lower() not in _TRUE | _FALSE:
        known = ", ".join(f"'{word}'" for word in sorted(_TRUE | _FALSE))
        return f"Unrecognized value '{value[:80]}', acceptable values are: {known}"
    if name in _INTEGERS and _number(value) is None:
        return f"invalid literal for int() with base 10: '{value[:80]}'"
    return None


def _number(text: str) -> int | None:
    try:
        return int(text) if len(text) <= 18 else None
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Topology:
    """How many of each; 0 is no preference."""

    sockets: int
    cores: int
    threads: int

    def __str__(self) -> str:
        return f"(sockets={self.sockets}, cores={self.cores}, threads={self.threads})"

    def exceeds(self, other: Topology) -> bool:
        """Whether any of them is more."""
        return self.sockets > other.sockets or self.cores > other.cores or self.threads > other.threads


def _topology(values: Texts, prefix: str, default: int) -> Topology:
    found = [_number(values.get(f"{prefix}{part}", "")) for part in ("sockets", "cores", "threads")]
    return Topology(*(default if number is None or number < 1 else number for number in found))


def cpu_topology(vcpus: int, specs: Texts, properties: Texts) -> Topology:
    """The guest's sockets, cores and threads (nova/virt/hardware.py get_best_cpu_topology).

    The image's limits must lie within the flavor's; of the topologies within the limits that which most agrees with
    what is preferred, with few threads and many sockets where nobody prefers anything. Raises Invalid.
    """
    permitted = _topology(specs, "hw:cpu_max_", _UNLIMITED)
    limits = _topology(properties, "hw_cpu_max_", 0)
    if limits.exceeds(permitted):
        raise Invalid(f"Image vCPU topology limits {limits} exceeds the limits of the flavor {permitted}")
    pairs = zip((limits.sockets, limits.cores, limits.threads), _parts(permitted), strict=True)
    most = Topology(*(own or given for own, given in pairs))
    wanted = _topology(specs, "hw:cpu_", 0)
    if wanted == Topology(0, 0, 0):
        wanted = _topology(properties, "hw_cpu_", 0)
        if wanted.exceeds(most):
            raise Invalid(f"Image vCPU topology {wanted} exceeds the limits of the flavor or image {most}")
    possible = [
        Topology(sockets, cores, vcpus // (sockets * cores))
        for sockets in range(1, min(vcpus, most.sockets) + 1)
        if vcpus % sockets == 0
        for cores in range(1, min(vcpus // sockets, most.cores) + 1)
        if vcpus % (sockets * cores) == 0 and vcpus // (sockets * cores) <= most.threads
    ]
    if not possible:
        raise Invalid(
            f"Requested vCPU limits {most.sockets}:{most.cores}:{most.threads} are impossible to satisfy for vcpus "
            f"count {vcpus}"
        )
    return max(possible, key=lambda one: (_agreement(one, wanted), one.sockets * one.cores, one.sockets))


def _parts(topology: Topology) -> tuple[int, int, int]:
    return topology.sockets, topology.cores, topology.threads


def _agreement(one: Topology, wanted: Topology) -> int:
    return sum(own == asked for own, asked in zip(_parts(one), _parts(wanted), strict=True) if asked)


def serial_ports(specs: Texts, properties: Texts) -> int:
    """How many serial ports: the flavor's number, which the image may only lower; raises Invalid."""
    given = specs.get("hw:serial_port_count")
    permitted = None if given is None else _number(given)
    if given is not None and permitted is None:
        raise Invalid(f"Number of serial ports specified in flavor is invalid: expected an integer, got '{given[:80]}'")
    wanted = _number(properties.get("hw_serial_port_count", ""))
    if wanted is not None and permitted is not None and wanted > permitted:
        raise Invalid("Forbidden to exceed flavor value of number of serial ports passed in image meta.")
    count = wanted if wanted is not None else permitted if permitted is not None else 1
    if count > _MOST_SERIAL_PORTS:
        raise Invalid(f"Maximum number of serial port exceeds {_MOST_SERIAL_PORTS} for qemu")
    return max(1, count)


def video_ram(specs: Texts, properties: Texts) -> int | None:
    """MiB of the video device: what the image asks for and the flavor allows; raises Invalid."""
    wanted = _number(properties.get("hw_video_ram", ""))
    if wanted is None or wanted <= 0:
        return None
    most = _number(specs.get("hw_video:ram_max_mb", "")) or 0
    if wanted > most:
        raise Invalid(
            f"The requested amount of video memory {wanted} is higher than the maximum allowed by flavor {most}."
        )
    return wanted


def agreed(name: str, specs: Texts, properties: Texts) -> bool | None:
    """A boolean that flavor (hw:name) and image (hw_name) may both give, but not differently; raises Invalid."""
    in_flavor, in_image = specs.get(f"hw:{name}"), properties.get(f"hw_{name}")
    if in_flavor is not None and in_image is not None and is_true(in_flavor) != is_true(in_image):
        raise Invalid(
            f"Conflicting values for hw_{name} found in the flavor ({is_true(in_flavor)}) and the image "
            f"({is_true(in_image)})."
        )
    given = in_flavor if in_flavor is not None else in_image
    return None if given is None else is_true(given)


def has_multiqueue(specs: Texts, properties: Texts) -> bool:
    """Whether network cards have a queue for each vCPU; raises Invalid."""
    return bool(agreed("vif_multiqueue_enabled", specs, properties))
