"""What the launch form asks for: one value from which the request body and the equivalent command are made."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from shlex import quote
from typing import Any

from tuinova.i18n import _

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class LaunchRequest:
    """A filled form. `image` and `flavor` are what the service gave, `*_word` what a command names them by."""

    name: str
    image: Mapping[str, Any]
    flavor: Mapping[str, Any]
    image_word: str
    flavor_word: str
    count: int = 1
    zone: str = ""
    key_name: str = ""
    description: str = ""
    config_drive: bool = False
    user_data: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)
    hints: Mapping[str, str] = field(default_factory=dict)

    def body(self) -> Json:
        """The body of POST /servers, with the hints beside the server."""
        server: Json = {
            "name": self.name,
            "imageRef": self.image["id"],
            "flavorRef": self.flavor["id"],
            "min_count": self.count,
            "max_count": self.count,
            "networks": "auto",
        }
        if self.key_name:
            server["key_name"] = self.key_name
        if self.properties:
            server["metadata"] = dict(self.properties)
        if self.description:
            server["description"] = self.description
        if self.zone:
            server["availability_zone"] = self.zone
        if self.config_drive:
            server["config_drive"] = True
        if self.user_data:
            server["user_data"] = self._encoded()
        return {"server": server, **({"os:scheduler_hints": dict(self.hints)} if self.hints else {})}

    def _encoded(self) -> str:
        return base64.b64encode(self.user_data.encode("utf-8", "surrogateescape")).decode()

    def words(self) -> list[str]:
        """The words of the command after `tuinova`; user data, which is no word, stands in `command`."""
        words = ["server", "create", "--flavor", self.flavor_word, "--image", self.image_word]
        if self.count > 1:
            words += ["--min", str(self.count), "--max", str(self.count)]
        for option, value in (
            ("--key-name", self.key_name),
            ("--availability-zone", self.zone),
            ("--description", self.description),
        ):
            words += [option, value] if value else []
        for key, value in self.properties.items():
            words += ["--property", f"{key}={value}"]
        for key, value in self.hints.items():
            words += ["--hint", f"{key}={value}"]
        if self.config_drive:
            words.append("--use-config-drive")
        return words

    def command(self) -> str:
        """A line for a shell (bash: user data goes through a process substitution) that creates the same server."""
        parts = ["tuinova", *(quote(word) for word in self.words())]
        if self.user_data:
            parts += ["--user-data", f"<(echo {self._encoded()} | base64 -d)"]
        name = quote(self.name)
        return " ".join([*parts, "--", name] if self.name.startswith("-") else [*parts, name])


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


def too_small(flavor: Mapping[str, Any], image: Mapping[str, Any] | None) -> str:
    """Why a flavor can't carry an image; empty when it can. Sizes: MB, GB, bytes."""
    if image is None:
        return ""
    if int(flavor["ram"]) < int(image.get("min_ram") or 0):
        return _("needs {need} MB RAM").format(need=image["min_ram"])
    disk = int(flavor["disk"])
    if disk == 0:
        return ""
    if disk < int(image.get("min_disk") or 0):
        return _("needs {need} GB disk").format(need=image["min_disk"])
    if disk << 30 < int(image.get("virtual_size") or 0):
        return _("the image is larger than its disk")
    return ""


def word_for(chosen: Mapping[str, Any], known: list[Json]) -> str:
    """The name where it is the only one of that name, else the id."""
    name = str(chosen.get("name") or "")
    return name if name and sum(one.get("name") == name for one in known) == 1 else str(chosen["id"])
