"""The host under a fake driver: its network, its keyboard and its numbers."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from tuinova.virt.driver import ForeignGuest, HostNetwork, NodeResources
from tuinova.virt.fake.options import FakeOptions
from tuinova.virt.fake.record import GuestRecord

NETWORK = HostNetwork(
    name="fake",
    mode="fake",
    cidr="10.0.0.0/16",
    gateway="10.0.0.1",
    first="10.0.0.2",
    last="10.0.255.254",
    dns=("10.0.0.1",),
)
_SIDES = {"rightctrl": "ctrl", "rightalt": "alt", "altgr": "alt"}
KEYS = frozenset(
    {
        *("esc", "tab", "enter", "space", "backspace", "delete", "insert", "home", "end", "pageup", "pagedown"),
        *("up", "down", "left", "right", "ctrl", "alt", "shift", "rightshift", "capslock", "meta", "sysrq", "print"),
        *("pause", "kpasterisk", *_SIDES),
        *"abcdefghijklmnopqrstuvwxyz0123456789-=[];'`,./\\",
        *(f"f{number}" for number in range(1, 13)),
    }
)


def is_three_finger_salute(keys: Sequence[str]) -> bool:
    """Whether these keys together reset a PC."""
    return {"ctrl", "alt", "delete"} <= {_SIDES.get(key.lower(), key.lower()) for key in keys}


def resources(
    nodes: Sequence[str], options: FakeOptions, records: Iterable[GuestRecord], booted_at: float
) -> list[NodeResources]:
    """The nodes; guests and foreign guests are all on the first."""
    foreign, used = [], 0
    for record in records:
        used += record.disk_gb
        if record.foreign:
            foreign.append(
                ForeignGuest(record.uuid, record.name, record.power, record.memory_mb, record.vcpus, record.disk_gb)
            )
    up = int(time.time() - booted_at)
    return [
        NodeResources(
            node=node,
            hypervisor_type="fake",
            hypervisor_version=1000,
            host_ip=options.host_ip,
            vcpus=options.vcpus,
            memory_mb=options.memory_mb,
            local_gb=options.disk_gb,
            disk_available_least=options.disk_gb - (0 if number else used),
            cpu_info=options.cpu_info,
            supported_instances=options.supported_instances,
            foreign=() if number else foreign,
            uptime=f"up {up // 86400} days, {up // 3600 % 24:2}:{up // 60 % 60:02}",
        )
        for number, node in enumerate(nodes)
    ]
