"""PCI requests of a flavor against the free devices of a host (nova/pci/request.py, nova/pci/stats.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tuinova.scheduler.records import PciPool

ALIAS_KEY = "pci_passthrough:alias"


@dataclass(frozen=True, slots=True)
class PciRequest:
    """So many devices of one alias; an empty `choices` is an alias that nobody defined."""

    alias: str
    count: int
    choices: tuple[Mapping[str, Any], ...]


def requests_of(extra_specs: Mapping[str, str], aliases: tuple[Mapping[str, Any], ...]) -> tuple[PciRequest, ...]:
    """What `pci_passthrough:alias` = "name:count,..." asks for; an alias may be defined several times (any of them)."""
    asked = []
    for word in str(extra_specs.get(ALIAS_KEY, "")).split(","):
        name, _, count = word.strip().partition(":")
        if name:
            choices = tuple(alias for alias in aliases if alias.get("name") == name)
            asked.append(PciRequest(name, int(count) if count.isdecimal() else 1, choices))
    return tuple(asked)


def _matches(pool: PciPool, choice: Mapping[str, Any]) -> bool:
    wanted = {"vendor_id": pool.vendor_id, "product_id": pool.product_id, "device_type": pool.device_type}
    return all(choice.get(key) in (None, value) for key, value in wanted.items())


def allot(pools: tuple[PciPool, ...], requests: tuple[PciRequest, ...]) -> tuple[PciPool, ...] | None:
    """The devices that serve all requests, or None when they can't be served together."""
    free = [pool.count for pool in pools]
    taken = [0] * len(pools)
    for request in requests:
        missing = request.count
        for i, pool in enumerate(pools):
            if missing and any(_matches(pool, choice) for choice in request.choices):
                used = min(missing, free[i])
                free[i] -= used
                taken[i] += used
                missing -= used
        if missing:
            return None
    return tuple(replace(pool, count=count) for pool, count in zip(pools, taken, strict=True) if count)


def without(pools: tuple[PciPool, ...], taken: tuple[PciPool, ...]) -> tuple[PciPool, ...]:
    """The pools after devices were taken."""
    return _changed(pools, taken, -1)


def with_back(pools: tuple[PciPool, ...], given: tuple[PciPool, ...]) -> tuple[PciPool, ...]:
    """The pools after devices were given back."""
    return _changed(pools, given, 1)


def _changed(pools: tuple[PciPool, ...], by: tuple[PciPool, ...], sign: int) -> tuple[PciPool, ...]:
    change = {replace(pool, count=0): sign * pool.count for pool in by}
    return tuple(replace(pool, count=max(0, pool.count + change.get(replace(pool, count=0), 0))) for pool in pools)
