"""Nova's diagnostics of a guest, from libvirt's statistics (nova/virt/libvirt/driver.py get_instance_diagnostics)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import libvirt

from tuinova.core.errors import InstanceNotRunning
from tuinova.core.states import PowerState
from tuinova.virt.driver import GuestSpec
from tuinova.virt.libvirt.host import Host
from tuinova.virt.libvirt.power import POWER_STATES

_ASKED = (
    libvirt.VIR_DOMAIN_STATS_STATE
    | libvirt.VIR_DOMAIN_STATS_VCPU
    | libvirt.VIR_DOMAIN_STATS_BLOCK
    | libvirt.VIR_DOMAIN_STATS_INTERFACE
    | libvirt.VIR_DOMAIN_STATS_BALLOON
)
_STATES = {PowerState.RUNNING: "running", PowerState.PAUSED: "paused", PowerState.SUSPENDED: "suspended"}
# Nova's names -> libvirt's
_NIC = {"octets": "bytes", "packets": "pkts", "errors": "errs", "drop": "drop"}
_DISK = {
    "read_bytes": "rd.bytes",
    "read_requests": "rd.reqs",
    "write_bytes": "wr.bytes",
    "write_requests": "wr.reqs",
    "errors_count": "errors",
}


def read(host: Host, guest: GuestSpec, started: Path) -> Mapping[str, Any]:
    """The guest now; raises InstanceNotRunning."""
    domain = host.find(guest.uuid)
    [(_, stats)] = host.connection.get().domainListGetStats([domain], _ASKED, 0)
    state = POWER_STATES.get(stats.get("state.state", libvirt.VIR_DOMAIN_NOSTATE))
    if state not in _STATES:
        raise InstanceNotRunning(instance_id=guest.uuid)
    description = ET.fromstring(domain.XMLDesc(0))  # noqa: S314 - libvirt's own XML
    return from_stats(guest, _STATES[state], host.virt_type, stats, description, _seconds_since(started))


def _seconds_since(started: Path) -> int | None:
    try:
        return max(0, int(time.time() - started.stat().st_mtime))
    except OSError:
        return None


def from_stats(
    guest: GuestSpec, state: str, hypervisor: str, stats: Mapping[str, Any], description: ET.Element, uptime: int | None
) -> dict[str, Any]:
    """Nova's object; what libvirt does not tell is 0, what Nova's driver never fills is None."""
    macs = {
        target.get("dev"): mac.get("address")
        for nic in description.findall("./devices/interface")
        if (target := nic.find("target")) is not None and (mac := nic.find("mac")) is not None
    }
    cpus = _cpus(stats)
    nics = [_nic(stats, number, macs) for number in range(stats.get("net.count", 0))]
    blocks = range(stats.get("block.count", 0))
    return {
        "state": state,
        "driver": "libvirt",
        "hypervisor": hypervisor,
        "hypervisor_os": "linux",
        "uptime": uptime,
        "config_drive": guest.config_drive,
        "num_cpus": len(cpus),
        "num_nics": len(nics),
        "num_disks": len(blocks),
        "cpu_details": cpus,
        "nic_details": nics,
        "disk_details": [
            {name: max(0, int(stats.get(f"block.{number}.{key}", 0))) for name, key in _DISK.items()}
            for number in blocks
        ],
        "memory_details": {
            "maximum": stats.get("balloon.maximum", 0) // 1024,
            "used": stats.get("balloon.current", 0) // 1024,
        },
    }


def _cpus(stats: Mapping[str, Any]) -> list[dict[str, Any]]:
    count = stats.get("vcpu.current", 0)
    times = [stats.get(f"vcpu.{number}.time", 0) for number in range(count)]
    return [{"id": number, "time": spent, "utilisation": None} for number, spent in enumerate(times)]


def _nic(stats: Mapping[str, Any], number: int, macs: Mapping[str | None, str | None]) -> dict[str, Any]:
    found: dict[str, Any] = {"mac_address": macs.get(stats.get(f"net.{number}.name"))}
    for way in ("rx", "tx"):
        found |= {f"{way}_{name}": stats.get(f"net.{number}.{way}.{key}", 0) for name, key in _NIC.items()}
        found[f"{way}_rate"] = None
    return found
