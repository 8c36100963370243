"""A request for new servers, as the REST body gives it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tuinova.core.compute_api.naming import generate_password
from tuinova.core.errors import Invalid

_TRUE = frozenset({"1", "t", "true", "on", "y", "yes"})
_FALSE = frozenset({"0", "f", "false", "off", "n", "no", ""})
_HINT_KEYS = ("os:scheduler_hints", "OS-SCH-HNT:scheduler_hints")


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """What POST /servers asks for; `networks` is "auto", "none", None or a list of {uuid, port, fixed_ip, tag}.

    `admin_password` is what the answer shows: the asked one or a generated one.
    """

    name: str
    flavor_ref: str
    image_ref: str | None = None
    min_count: int = 1
    max_count: int | None = None
    key_name: str | None = None
    user_data: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    config_drive: bool | None = None
    availability_zone: str | None = None
    host: str | None = None
    hypervisor_hostname: str | None = None
    admin_password: str = field(default_factory=generate_password, repr=False)
    description: str | None = None
    hostname: str | None = None
    security_groups: Sequence[str] | None = None  # None: the project's default group; empty: none
    networks: str | Sequence[Mapping[str, Any]] | None = "auto"
    block_devices: Sequence[Mapping[str, Any]] = ()
    legacy_devices: Sequence[Mapping[str, Any]] = ()
    personality: Sequence[Mapping[str, Any]] = ()
    tags: Sequence[str] = ()
    access_ip_v4: str | None = None
    access_ip_v6: str | None = None
    disk_config: str | None = None
    trusted_image_certificates: Sequence[str] = ()
    scheduler_hints: Mapping[str, Any] = field(default_factory=dict)

    @property
    def counts(self) -> tuple[int, int]:
        """The least and the greatest number of servers."""
        return self.min_count, self.min_count if self.max_count is None else self.max_count

    @classmethod
    def from_body(cls, body: Mapping[str, Any], *, password_length: int = 12) -> CreateRequest:
        """The request of a body `{"server": {...}, "os:scheduler_hints": {...}}` that its schema has passed."""
        server = body["server"]
        hints: dict[str, Any] = {}
        for key in _HINT_KEYS:
            hints.update(server.get(key) or {})
            hints.update(body.get(key) or {})
        return cls(
            name=server["name"].strip(),
            flavor_ref=_reference(server["flavorRef"]),
            image_ref=_reference(server["imageRef"]) if server.get("imageRef") else None,
            min_count=int(server.get("min_count", 1)),
            max_count=int(server["max_count"]) if "max_count" in server else None,
            key_name=server.get("key_name"),
            user_data=server.get("user_data"),
            metadata=dict(server.get("metadata") or {}),
            config_drive=_bool(server.get("config_drive"), "config_drive"),
            availability_zone=server.get("availability_zone"),
            host=server.get("host"),
            hypervisor_hostname=server.get("hypervisor_hostname"),
            admin_password=server.get("adminPass") or generate_password(password_length),
            description=server.get("description"),
            hostname=server.get("hostname"),
            security_groups=_group_names(server.get("security_groups")),
            networks=server.get("networks", "auto"),
            block_devices=tuple(server.get("block_device_mapping_v2") or ()),
            legacy_devices=tuple(server.get("block_device_mapping") or ()),
            personality=tuple(server.get("personality") or ()),
            tags=tuple(server.get("tags") or ()),
            access_ip_v4=server.get("accessIPv4"),
            access_ip_v6=server.get("accessIPv6"),
            disk_config=server.get("OS-DCF:diskConfig"),
            trusted_image_certificates=tuple(server.get("trusted_image_certificates") or ()),
            scheduler_hints={key: value for key, value in hints.items() if not key.startswith("_nova")},
        )


def _reference(value: Any) -> str:
    """An id, also where a client gives the whole link."""
    return str(value).rstrip("/").rsplit("/", 1)[-1]


def _bool(value: Any, name: str) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise Invalid(f"Invalid {name} provided.")


def _group_names(groups: Sequence[Mapping[str, str]] | None) -> tuple[str, ...] | None:
    """The names without repetitions, in the order given; None where nothing is said of groups."""
    if groups is None:
        return None
    return tuple(dict.fromkeys(group["name"] for group in groups or () if group.get("name")))
