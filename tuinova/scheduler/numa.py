"""NUMA topologies: what a flavor asks for, and whether a host's cells can give it (nova/virt/hardware.py)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import Any

from tuinova.scheduler.records import NumaCell
from tuinova.scheduler.request import FlavorSpec

_SMALL_PAGE_KB = 4
_PAGE_SIZE = re.compile(r"(\d+)\s*(|k|kb|kib|m|mb|mib|g|gb|gib)", re.IGNORECASE)
_IN_KB = {"": 1, "k": 1, "m": 1024, "g": 1024 * 1024}


class BadTopology(ValueError):
    """Extra specs that contradict each other or the flavor's sizes."""


@dataclass(frozen=True, slots=True)
class GuestCell:
    """One NUMA cell of the guest; memory in MB."""

    vcpus: int
    memory_mb: int


@dataclass(frozen=True, slots=True)
class NumaRequest:
    """The guest's cells, its CPU and thread policies, and its page size ("" for whatever there is)."""

    cells: tuple[GuestCell, ...]
    pinned: bool
    threads: str
    page_size: str


def request_of(flavor: FlavorSpec, properties: Mapping[str, Any]) -> NumaRequest | None:
    """The NUMA request of a flavor and an image, None when they ask for no topology, pinning or page size.

    Raises:
        BadTopology: the cells do not add up to the flavor.
    """

    def asked(name: str) -> str:
        value = flavor.extra_specs.get("hw:" + name)
        return str(properties.get("hw_" + name, "") if value is None else value)

    nodes, page_size = asked("numa_nodes"), asked("mem_page_size")
    pinned = asked("cpu_policy") == "dedicated"
    if not nodes and not pinned and not page_size:
        return None
    if nodes and (not nodes.isdecimal() or int(nodes) < 1):
        raise BadTopology(f"hw:numa_nodes is {nodes!r}, no positive number")
    cells = _cells(flavor, int(nodes or 1))
    return NumaRequest(cells, pinned, asked("cpu_thread_policy") or "prefer", page_size)


def _cells(flavor: FlavorSpec, count: int) -> tuple[GuestCell, ...]:
    explicit = [key for key in flavor.extra_specs if key.startswith(("hw:numa_cpus.", "hw:numa_mem."))]
    if not explicit:
        if flavor.vcpus % count or flavor.memory_mb % count:
            raise BadTopology(f"{flavor.vcpus} vCPUs and {flavor.memory_mb} MB do not divide into {count} NUMA cells")
        return (GuestCell(flavor.vcpus // count, flavor.memory_mb // count),) * count
    cells = []
    for i in range(count):
        cpus, memory = flavor.extra_specs.get(f"hw:numa_cpus.{i}"), flavor.extra_specs.get(f"hw:numa_mem.{i}")
        if cpus is None or memory is None or not memory.isdecimal():
            raise BadTopology(f"NUMA cell {i} lacks hw:numa_cpus.{i} or hw:numa_mem.{i}")
        cells.append(GuestCell(_count_cpus(cpus), int(memory)))
    if sum(c.vcpus for c in cells) != flavor.vcpus or sum(c.memory_mb for c in cells) != flavor.memory_mb:
        raise BadTopology("the NUMA cells do not add up to the flavor")
    return tuple(cells)


def _count_cpus(text: str) -> int:
    """How many CPUs a list such as "0-2,^1,5" names."""
    chosen: set[int] = set()
    dropped: set[int] = set()
    for word in text.split(","):
        into = dropped if word.strip().startswith("^") else chosen
        first, _, last = word.strip().removeprefix("^").partition("-")
        if not first.isdecimal() or (last and not last.isdecimal()):
            raise BadTopology(f"{text!r} is no list of CPUs")
        into.update(range(int(first), int(last or first) + 1))
    return len(chosen - dropped)


def problem(host: tuple[NumaCell, ...], request: NumaRequest, cpu_ratio: float, ram_ratio: float) -> str | None:
    """Why the guest's cells can't be laid on the host's, None when they can."""
    if not host:
        return "the host has no NUMA topology"
    if request.pinned and request.threads == "require" and not all(cell.siblings for cell in host):
        return "thread policy 'require' needs hyperthreads, the host has none"
    if len(request.cells) > len(host):
        return f"needs {len(request.cells)} NUMA cells, the host has {len(host)}"
    fits = [[_cell_fits(cell, guest, request, cpu_ratio, ram_ratio) for cell in host] for guest in request.cells]
    for order in permutations(range(len(host)), len(request.cells)):
        if all(fits[guest][cell] for guest, cell in enumerate(order)):
            return None
    return "no choice of its NUMA cells fits the guest's CPUs, memory and pages"


def _cell_fits(cell: NumaCell, guest: GuestCell, request: NumaRequest, cpu_ratio: float, ram_ratio: float) -> bool:
    if not _memory_fits(cell, guest, request.page_size, ram_ratio):
        return False
    if request.pinned:
        return _pinnable(cell, guest.vcpus, request.threads)
    return guest.vcpus <= cell.cpus and cell.cpus_used + guest.vcpus <= cell.cpus * cpu_ratio


def _memory_fits(cell: NumaCell, guest: GuestCell, page_size: str, ram_ratio: float) -> bool:
    if guest.memory_mb > cell.memory_mb:
        return False
    if not page_size:
        return cell.memory_used_mb + guest.memory_mb <= cell.memory_mb * ram_ratio
    sizes = dict(cell.free_pages)
    wanted = page_size.lower()
    if wanted == "large":
        usable = [size for size in sizes if size > _SMALL_PAGE_KB]
    elif wanted == "any":
        usable = list(sizes)
    else:
        usable = [_SMALL_PAGE_KB if wanted == "small" else _page_kb(wanted)]
    need_kb = guest.memory_mb * 1024
    return any(need_kb % size == 0 and sizes.get(size, 0) * size >= need_kb for size in usable)


def _page_kb(text: str) -> int:
    parsed = _PAGE_SIZE.fullmatch(text)
    return max(1, int(parsed[1]) * _IN_KB[parsed[2][:1].lower()]) if parsed else 1


def _pinnable(cell: NumaCell, vcpus: int, threads: str) -> bool:
    """Whether so many free dedicated CPUs can be had under a thread policy.

    `isolate` takes one thread of each core that is wholly free; `require` takes whole cores, two threads or more.
    """
    free = cell.free_dedicated_cpus
    if threads == "isolate":
        cores = [core for core in cell.siblings if core <= free]
        return vcpus <= (len(cores) if cell.siblings else len(free))
    if threads == "require":
        usable = [len(core & free) for core in cell.siblings]
        return any(
            sum(count // size for count in usable) * size >= vcpus and vcpus % size == 0
            for size in range(2, max(usable, default=1) + 1)
        )
    return vcpus <= len(free)
