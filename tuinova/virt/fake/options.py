"""What a fake hypervisor pretends to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# nova/virt/fake.py FakeDriver: the numbers of its host.
NOVA_CPU_INFO: Mapping[str, Any] = {
    "arch": "x86_64",
    "model": "Nehalem",
    "vendor": "Intel",
    "features": ["pge", "clflush"],
    "topology": {"cores": 1, "threads": 1, "sockets": 4},
}


@dataclass(frozen=True, slots=True)
class FakeOptions:
    """Sizes and manners of one fake host; the sizes are of each of its nodes (memory in MiB, disk in GiB).

    `boot_seconds` is how long the boot text takes to come out, `shutdown_seconds` how long a guest that obeys takes to
    go off, `spawn_seconds` how long a build waits (image conversion of a real host), `copy_seconds` how long a snapshot
    is written or a guest's disks are copied; 0 means at once. `live_migration_mb_per_second` is how much memory a live
    migration carries (0: all at once), `shared_storage` whether the hosts say that they have one instances directory.
    `watch_seconds` is how often what another process did to the guests is looked for.
    `bridges` are those that provider networks may be on. `faults` has the shape of faults.json (see `faults.py`).
    """

    vcpus: int = 1000
    memory_mb: int = 800_000
    disk_gb: int = 600_000
    host_ip: str = "127.0.0.1"
    cpu_info: Mapping[str, Any] = field(default_factory=lambda: dict(NOVA_CPU_INFO))
    supported_instances: Sequence[tuple[str, str, str]] = (("x86_64", "fake", "hvm"), ("i686", "fake", "hvm"))
    boot_seconds: float = 1.0
    shutdown_seconds: float = 0.0
    spawn_seconds: float = 0.0
    copy_seconds: float = 0.0
    live_migration_mb_per_second: float = 0.0
    shared_storage: bool = False
    watch_seconds: float = 0.5
    bridges: Sequence[str] = ("br-ex", "br0")
    faults: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
