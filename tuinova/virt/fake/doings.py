"""What else can be done to a fake guest: an interrupt, a password, a look at its numbers."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from tuinova.core.errors import InstanceNotRunning, QemuGuestAgentNotEnabled
from tuinova.core.states import PowerState
from tuinova.virt.driver import DriverError, GuestSpec, Nic
from tuinova.virt.fake import accounts, disks, machine
from tuinova.virt.fake.power import PowerKeeper
from tuinova.virt.fake.record import GuestRecord, is_true

_BOOT_NANOSECONDS = 2_000_000_000  # what a boot keeps a CPU busy
_BUSY = 0.01  # and afterwards this share of it
_NAMES = {PowerState.RUNNING: "running", PowerState.PAUSED: "paused"}


class Doings(PowerKeeper):
    """`inject_nmi`, `set_admin_password`, `diagnostics`."""

    def inject_nmi(self, uuid: str) -> None:
        """See the contract; the guest's kernel says that it does not know why, and goes on."""

        def change(record: GuestRecord, now: float) -> machine.Events:
            if not record.is_active:
                raise InstanceNotRunning(instance_id=uuid)
            machine.interrupt(self.store, record, now)
            return []

        self.change(uuid, change, "inject_nmi")

    def set_admin_password(self, guest: GuestSpec, password: str) -> None:
        """See the contract; the agent of a guest that still boots, or is paused, does not answer."""
        properties = guest.image.properties if guest.image else {}
        if not is_true(properties.get("hw_qemu_guest_agent")):
            raise QemuGuestAgentNotEnabled()
        user = properties.get("os_admin_user") or "root"

        def change(record: GuestRecord, now: float) -> machine.Events:
            self.must_be_active(record, "set the password of")
            if record.state != PowerState.RUNNING or not record.is_up(now):
                raise QemuGuestAgentNotEnabled()
            if not accounts.exists(user):
                raise DriverError(
                    reason="internal error: unable to execute QEMU agent command 'guest-set-user-password'"
                )
            role = disks.booted(record)
            files = accounts.with_password(record.contents.get(role, {}), user, password)
            record.contents = {**record.contents, role: files}
            return []

        self.change(guest.uuid, change, "set_admin_password")

    def diagnostics(self, guest: GuestSpec) -> Mapping[str, Any]:
        """See the contract; the numbers grow with the guest's own clock."""
        self.begin(guest.uuid, "diagnostics")
        record = self.settle(guest.uuid)
        if record.foreign or not record.is_active:
            raise InstanceNotRunning(instance_id=guest.uuid)
        uptime = record.clock(time.time()) - record.boot_at
        found = {
            "state": _NAMES[record.power],
            "driver": "fake",
            "hypervisor": "fake",
            "hypervisor_os": "linux",
            "uptime": int(uptime),
            "config_drive": guest.config_drive,
            "num_cpus": record.vcpus,
            "num_nics": len(guest.nics),
            "num_disks": len(disks.seen(record)),
            "cpu_details": [_cpu(number, uptime) for number in range(record.vcpus)],
            "nic_details": [_nic(nic, uptime) for nic in guest.nics],
            "disk_details": [_disk(record, disk, uptime) for disk in disks.seen(record)],
            "memory_details": {"maximum": record.memory_mb, "used": min(record.memory_mb, 48 + int(uptime) % 16)},
        }
        self.finish(guest.uuid, "diagnostics")
        return found


def _cpu(number: int, uptime: float) -> dict[str, int]:
    # The first one boots; the others wait for something to do.
    spent = int(uptime * _BUSY * 1e9) + (0 if number else min(_BOOT_NANOSECONDS, int(uptime * 1e9)))
    return {"id": number, "time": spent, "utilisation": min(100, int(spent / max(uptime, 1e-9) / 1e7))}


def _nic(nic: Nic, uptime: float) -> dict[str, Any]:
    # A lease at first, then some chatter of the network.
    packets = {"rx": 4 + int(uptime / 2), "tx": 4 + int(uptime / 10)}
    found: dict[str, Any] = {"mac_address": nic.mac}
    for way, count in packets.items():
        found |= {f"{way}_octets": 98 * count, f"{way}_errors": 0, f"{way}_drop": 0}
        found |= {f"{way}_packets": count, f"{way}_rate": 0}
    return found


def _disk(record: GuestRecord, disk: disks.Disk, uptime: float) -> dict[str, int]:
    reads = 1200 if disk.role == disks.booted(record) else 16
    writes = int(uptime / 5) if disk.role == disks.booted(record) else 0
    held = disks.length(record.contents.get(disk.role, {}))
    return {
        "read_bytes": 16384 * reads,
        "read_requests": reads,
        "write_bytes": 4096 * writes + held,
        "write_requests": writes + len(record.contents.get(disk.role, {})),
        "errors_count": 0,
    }
