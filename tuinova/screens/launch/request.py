"""What the wizard asks for: one value from which the request body and the equivalent command are made."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from shlex import quote
from typing import Any

Json = dict[str, Any]
PASSWORD_WORD = "PASSWORD"  # noqa: S105 - what a shown command has in the place of one


@dataclass(frozen=True, slots=True)
class Named:
    """Something of the service: its id, and the word by which a command names it."""

    id: str
    word: str


@dataclass(frozen=True, slots=True)
class Source:
    """What a server starts from. `kind`: image, volume or snapshot (of a volume).

    `volume_gb`: a new volume of that size is made of the image, and goes with the server if `delete_volume`.
    """

    kind: str
    of: Named
    volume_gb: int | None = None
    delete_volume: bool = False

    def fields(self) -> Json:
        """imageRef, and the block device where the root is a volume."""
        if self.kind == "image" and self.volume_gb is None:
            return {"imageRef": self.of.id}
        device: Json = {
            "uuid": self.of.id,
            "boot_index": 0,
            "source_type": self.kind,
            "destination_type": "volume",
        }
        if self.volume_gb is not None:
            device["volume_size"] = self.volume_gb
        if self.kind == "image" or self.delete_volume:
            device["delete_on_termination"] = self.delete_volume
        return {"imageRef": "", "block_device_mapping_v2": [device]}

    def words(self) -> list[str]:
        """The options of a command."""
        if self.kind == "image":
            words = ["--image", self.of.word]
            if self.volume_gb is not None:
                words += ["--boot-from-volume", str(self.volume_gb)]
                words += ["--delete-on-termination"] if self.delete_volume else []
            return words
        if not self.delete_volume:
            return [f"--{self.kind}", self.of.word]
        device = f"uuid={self.of.id},source_type={self.kind},destination_type=volume,boot_index=0"
        return ["--block-device", f"{device},delete_on_termination=true"]


@dataclass(frozen=True, slots=True)
class LaunchRequest:
    """A filled wizard; what is empty is not asked for."""

    name: str
    source: Source
    flavor: Named
    count: int = 1
    description: str = ""
    zone: str = ""
    networks: Sequence[Named] = ()
    ports: Sequence[Named] = ()
    no_network: bool = False
    security_groups: Sequence[Named] = ()
    key_name: str = ""
    config_drive: bool = False
    user_data: str = ""
    password: str = field(default="", repr=False)
    hostname: str = ""
    server_group: Named | None = None
    hints: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)

    def body(self) -> Json:
        """The body of POST /servers, with the hints beside the server."""
        server: Json = {
            "name": self.name,
            **self.source.fields(),
            "flavorRef": self.flavor.id,
            "min_count": self.count,
            "max_count": self.count,
            "networks": self._networks(),
        }
        optional = {
            "adminPass": self.password,
            "key_name": self.key_name,
            "metadata": dict(self.properties),
            "description": self.description,
            "availability_zone": self.zone,
            "hostname": self.hostname,
            "config_drive": self.config_drive,
            "security_groups": [{"name": group.id} for group in self.security_groups],
            "user_data": self._encoded(),
        }
        server.update({key: value for key, value in optional.items() if value})
        hints: Json = dict(self.hints)
        if self.server_group is not None:
            hints["group"] = self.server_group.id
        return {"server": server, **({"os:scheduler_hints": hints} if hints else {})}

    def _networks(self) -> Any:
        if self.no_network:
            return "none"
        chosen = [{"uuid": network.id} for network in self.networks] + [{"port": port.id} for port in self.ports]
        return chosen or "auto"

    def _encoded(self) -> str:
        return base64.b64encode(self.user_data.encode("utf-8", "surrogateescape")).decode()

    def words(self) -> list[str]:
        """The words of the command after `tuinova`; user data, which is no word, stands in `command`.

        A password never stands in a command that is shown.
        """
        words = ["server", "create", "--flavor", self.flavor.word, *self.source.words()]
        if self.count > 1:
            words += ["--min", str(self.count), "--max", str(self.count)]
        for option, value in (
            ("--key-name", self.key_name),
            ("--availability-zone", self.zone),
            ("--description", self.description),
            ("--hostname", self.hostname),
            ("--password", PASSWORD_WORD if self.password else ""),
            ("--server-group", self.server_group.word if self.server_group else ""),
        ):
            words += [option, value] if value else []
        words += ["--no-network"] if self.no_network else []
        for option, several in (
            ("--network", self.networks),
            ("--port", self.ports),
            ("--security-group", self.security_groups),
        ):
            for one in several:
                words += [option, one.word]
        for option, pairs in (("--property", self.properties), ("--hint", self.hints)):
            for key, value in pairs.items():
                words += [option, f"{key}={value}"]
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


def word_for(chosen: Mapping[str, Any], known: Sequence[Mapping[str, Any]]) -> str:
    """The name where it is the only one of that name, else the id."""
    name = str(chosen.get("name") or "")
    return name if name and sum(one.get("name") == name for one in known) == 1 else str(chosen["id"])


def named(chosen: Mapping[str, Any], known: Sequence[Mapping[str, Any]]) -> Named:
    """Id and word of one of `known`."""
    return Named(str(chosen["id"]), word_for(chosen, known))
