"""Attributes of a host by the names that Nova's HostState gives them, each distinct value found once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tuinova.scheduler.columns import Array
from tuinova.scheduler.view import HostView

_NUMERIC = {
    "free_ram_mb": "free_ram_mb",
    "total_usable_ram_mb": "memory_mb",
    "free_disk_mb": "free_disk_mb",
    "vcpus_total": "vcpus",
    "vcpus_used": "vcpus_used",
    "num_instances": "num_instances",
    "num_io_ops": "num_io_ops",
    "failed_builds": "failed_builds",
    "hypervisor_version": "hypervisor_version",
    "cpu_allocation_ratio": "ratio_vcpu",
    "ram_allocation_ratio": "ratio_mem",
    "disk_allocation_ratio": "ratio_disk",
}
_SHARED = {
    "hypervisor_type": "hypervisor_type",
    "cpu_info": "cpu_info",
    "supported_instances": "supported",
    "cell_uuid": "cell",
}


def _used_disk_mb(view: HostView, _rows: range) -> list[Any]:
    used: list[Any] = (1024 * (view.col("reserved_disk") + view.col("used_disk"))).tolist()
    return used


_OWN: dict[str, Callable[[HostView, range], list[Any]]] = {
    "host": lambda view, rows: [view.name(i)[0] for i in rows],
    "nodename": lambda view, rows: [view.name(i)[1] for i in rows],
    "hypervisor_hostname": lambda view, rows: [view.name(i)[1] for i in rows],
    "host_ip": lambda view, rows: [view.record(i).host_ip for i in rows],
    "stats": lambda view, rows: [view.record(i).stats for i in rows],
    "metrics": lambda view, rows: [view.record(i).metrics for i in rows],
    "disk_mb_used": _used_disk_mb,
}

NAMES = frozenset({*_NUMERIC, *_SHARED, *_OWN})
"""Every attribute that an extra spec or a query may name."""


def values(view: HostView, name: str) -> tuple[Array, list[Any]]:
    """An attribute as (one code a host, the value of each code).

    Raises:
        KeyError: there is no attribute of that name.
    """
    if name in _NUMERIC:
        distinct, codes = np.unique(view.col(_NUMERIC[name]), return_inverse=True)
        return codes, distinct.tolist()
    if name in _SHARED:
        return view.col(_SHARED[name]), view.snapshot.pools[_SHARED[name]].values
    return _encode(_OWN[name](view, range(len(view))))


def stat(view: HostView, key: str) -> tuple[Array, list[Any]]:
    """One entry of the hosts' stats, None where a host has none."""
    return _encode([view.record(i).stats.get(key) for i in range(len(view))])


def _encode(found: list[Any]) -> tuple[Array, list[Any]]:
    """Codes of values of which some can't be hashed: those count as distinct unless they are the same object."""
    known: dict[Any, int] = {}
    distinct: list[Any] = []
    codes = np.empty(len(found), dtype=np.intp)
    for i, value in enumerate(found):
        key = (type(value), value) if isinstance(value, str | int | float | bool | None) else id(value)
        code = known.get(key)
        if code is None:
            code = known[key] = len(distinct)
            distinct.append(value)
        codes[i] = code
    return codes, distinct


def descend(value: Any, path: list[str]) -> Any:
    """What lies under a path of keys; text on the way is read as JSON; None when there is nothing."""
    for key in path:
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError:
                return None
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value
