"""The quota that a request takes, as bars, and the flavors that are too small for what is to boot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tuinova.i18n import _


@dataclass(frozen=True, slots=True)
class Gauge:
    """One quota: `limit` -1 means no limit."""

    label: str
    used: int
    added: int
    limit: int
    unit: str = ""

    @property
    def left(self) -> int:
        """What would be left; negative when the request does not fit."""
        return self.limit - self.used - self.added

    @property
    def fits(self) -> bool:
        """Whether the request fits."""
        return self.limit < 0 or self.left >= 0

    def words(self) -> str:
        """used, added, left."""
        if self.limit < 0:
            return _("{used} used + {added}, no limit").format(used=self.used, added=self.added)
        return _("{used} used + {added} of max {limit}, {left} left").format(
            used=self.used, added=self.added, limit=self.limit, left=self.left
        )

    def bar(self, width: int) -> tuple[str, str, str]:
        """The used, the added and the free part of a bar of so many cells."""
        if self.limit <= 0:
            return "", "", "─" * width
        used = min(width, -(-self.used * width // self.limit))
        added = min(width - used, -(-self.added * width // self.limit))
        return "█" * used, "▓" * added, "░" * (width - used - added)


def gauges(limits: Mapping[str, Any], flavor: Mapping[str, Any] | None, count: int) -> list[Gauge]:
    """Instances, vCPUs and RAM with what this request would add."""
    cores = int(flavor["vcpus"]) * count if flavor else 0
    ram = int(flavor["ram"]) * count if flavor else 0
    number = limits.get
    return [
        Gauge(_("Instances"), int(number("totalInstancesUsed", 0)), count, int(number("maxTotalInstances", -1))),
        Gauge(_("vCPUs"), int(number("totalCoresUsed", 0)), cores, int(number("maxTotalCores", -1))),
        Gauge(_("RAM (MB)"), int(number("totalRAMUsed", 0)), ram, int(number("maxTotalRAMSize", -1))),
    ]


def too_small(flavor: Mapping[str, Any], image: Mapping[str, Any] | None, *, on_volume: bool = False) -> str:
    """Why a flavor can't carry an image; empty when it can. Sizes: MB, GB, bytes.

    With the root on a volume the flavor's disk does not matter.
    """
    if image is None:
        return ""
    if int(flavor["ram"]) < int(image.get("min_ram") or 0):
        return _("needs {need} MB RAM").format(need=image["min_ram"])
    disk = int(flavor["disk"])
    if disk == 0 or on_volume:
        return ""
    if disk < int(image.get("min_disk") or 0):
        return _("needs {need} GB disk").format(need=image["min_disk"])
    if disk << 30 < int(image.get("virtual_size") or 0):
        return _("the image is larger than its disk")
    return ""
