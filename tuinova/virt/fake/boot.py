"""What a fake guest prints while it boots, as a function of time: nobody has to run for it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

PASSWORD = "gocubsgo"  # noqa: S105 - printed above the login prompt, as the demo guest does
ISSUE = f"login as 'cirros' user. default password: '{PASSWORD}'. use 'sudo' for root.\r\n"

_FIRMWARE = "SeaBIOS (version 1.16.2-tuinova)\r\nBooting from Hard Disk...\r\nGRUB loading.\r\n"
_KERNEL = (
    "Linux version 6.1.0-fake-amd64 (tuinova) #1 SMP PREEMPT_DYNAMIC",
    "Command line: BOOT_IMAGE=/boot/vmlinuz root=/dev/vda1 console=tty0 console=ttyS0,115200",
    "BIOS-provided physical RAM map:",
    "BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable",
    "BIOS-e820: [mem 0x0000000000100000-0x00000000%(top)08x] usable",
    "NX (Execute Disable) protection: active",
    "SMBIOS 2.8 present.",
    "DMI: OpenStack Foundation OpenStack Nova, BIOS 1.16.2-tuinova",
    "Hypervisor detected: tuinova fake",
    "tsc: Detected 2494.140 MHz processor",
    "ACPI: RSDP 0x00000000000F5A30 000014 (v00 BOCHS )",
    "Zone ranges: DMA32 [mem 0x0000000000001000-0x00000000%(top)08x]",
    "smpboot: Allowing %(vcpus)d CPUs, 0 hotplug CPUs",
    "Memory: %(kib)dK/%(kib)dK available",
    "SLUB: HWalign=64, Order=0-3, MinObjects=0, CPUs=%(vcpus)d, Nodes=1",
    "rcu: Hierarchical RCU implementation.",
    "Console: colour VGA+ 80x25",
    "printk: console [tty0] enabled",
    "printk: console [ttyS0] enabled",
    "smpboot: CPU0: Intel Core Processor (Nehalem)",
    "smp: Brought up 1 node, %(vcpus)d CPUs",
    "devtmpfs: initialized",
    "NET: Registered PF_NETLINK/PF_ROUTE protocol family",
    "PCI: Using configuration type 1 for base access",
    "ACPI: PCI Root Bridge [PCI0] (domain 0000 [bus 00-ff])",
    "clocksource: Switched to clocksource tsc",
    "NET: Registered PF_INET protocol family",
    "Serial: 8250/16550 driver, 4 ports, IRQ sharing enabled",
    "00:03: ttyS0 at I/O 0x3f8 (irq = 4, base_baud = 115200) is a 16550A",
    "virtio_blk virtio1: %(disks)s",
    " vda: vda1",
    "virtio_net virtio0 eth0: renamed from eth0",
    "input: Power Button as /devices/LNXSYSTM:00/LNXPWRBN:00/input/input1",
    "EXT4-fs (vda1): mounted filesystem with ordered data mode",
    "Run /sbin/init as init process",
)
_INIT = (
    "Starting syslogd: \x1b[32mOK\x1b[0m",
    "Starting klogd: \x1b[32mOK\x1b[0m",
    "Bringing up lo: \x1b[32mOK\x1b[0m",
    "Starting network: eth0 %(address)s \x1b[32mOK\x1b[0m",
    "Setting host name: %(hostname)s",
)


@cache
def _template() -> tuple[tuple[float, str], ...]:
    """Each line with the stamp of the kernel in seconds; below 0 it has none."""
    lines = [(-1.0, _FIRMWARE)]
    for number, text in enumerate(_KERNEL):
        # The stamps of a kernel that takes 1.2 s, whatever this guest's clock does.
        lines.append((0.0 if number < 9 else 1.2 * (number - 8) / (len(_KERNEL) - 8), f"{text}\r\n"))
    lines.extend((-1.0, f"{text}\r\n") for text in _INIT)
    lines.append((-1.0, "\r\n" + ISSUE + "%(hostname)s login: "))
    return tuple(lines)


BOOT_LINES = len(_template())


def lines_due(elapsed: float, boot_seconds: float) -> int:
    """How many of the boot's lines are out `elapsed` seconds after the reset."""
    if boot_seconds <= 0 or elapsed >= boot_seconds:
        return BOOT_LINES
    return max(0, int(BOOT_LINES * elapsed / boot_seconds))


def boot_text(
    first: int,
    last: int,
    *,
    hostname: str,
    memory_mb: int,
    vcpus: int,
    disks: Sequence[tuple[str, int]],
    address: str | None,
    began: float = 0.0,
) -> str:
    """Lines `first` up to `last` of the boot text; the last of all is the login prompt. `disks`: name and bytes.

    No two boots of a machine have the same stamps: `began`, the guest's clock at the reset, makes them differ.
    """
    late = began * 1e6 % 9973 / 1e6
    values = {
        "hostname": hostname,
        "top": min(memory_mb << 20, 0xFFFFFFFF),
        "kib": memory_mb << 10,
        "vcpus": vcpus,
        "disks": ", ".join(f"[{name}] {size >> 9} 512-byte logical blocks ({size >> 30} GiB)" for name, size in disks),
        "address": address or "no lease",
    }
    stamps = (("" if at < 0 else f"[{at + late if at else 0.0:12.6f}] ", line) for at, line in _template()[first:last])
    return "".join(stamp + line % values for stamp, line in stamps)
