"""Bodies of servers, their actions and metadata."""

from __future__ import annotations

from tuinova.api.schemas import types
from tuinova.api.schemas.types import integer, obj, or_null, text

_HINT_GROUP = {"type": "string", "format": "uuid"}
_HINT_LIST = {"type": ["string", "array"], "items": {"type": "string"}, "uniqueItems": True}
HINTS = obj(
    {
        "group": _HINT_GROUP,
        "different_host": _HINT_LIST,
        "same_host": _HINT_LIST,
        "query": {"type": ["string", "object"]},
        "target_cell": text(1),
        "different_cell": _HINT_LIST,
        "build_near_host_ip": {"type": "string"},
        "cidr": {"type": "string", "pattern": "^/[0-9a-f.:]+$"},
    },
    extra=True,
)
_NETWORK = obj(
    {
        "uuid": types.uuid,
        "port": or_null(types.uuid),
        "fixed_ip": text(1, 45),
        "tag": types.tag,
    }
)
_BLOCK_DEVICE = obj(
    {
        "uuid": text(1),
        "source_type": {"enum": ["volume", "image", "snapshot", "blank"]},
        "destination_type": {"enum": ["local", "volume"]},
        "boot_index": {"type": ["integer", "string", "null"], "pattern": "^-?[0-9]+$"},
        "volume_size": integer(1),
        "delete_on_termination": types.boolean,
        "device_name": text(1, 255, pattern="^[a-zA-Z0-9._/-]*$"),
        "disk_bus": {"type": "string"},
        "device_type": {"type": "string"},
        "guest_format": text(0, 255),
        "no_device": {},
        "tag": types.tag,
        "volume_type": or_null(text(0, 255)),
        "image_id": types.uuid,
    },
)

CREATE = obj(
    {
        "server": obj(
            {
                "name": types.name,
                "imageRef": {"type": "string", "pattern": "^$|[0-9a-fA-F-]{32,36}/?$"},
                "flavorRef": types.reference,
                "adminPass": {"type": "string", "maxLength": 255},
                "metadata": types.metadata,
                "networks": {
                    "anyOf": [
                        {"type": "array", "items": _NETWORK},
                        {"type": "string", "enum": ["none", "auto"]},
                    ]
                },
                "OS-DCF:diskConfig": types.disk_config,
                "accessIPv4": types.ipv4,
                "accessIPv6": types.ipv6,
                "description": types.description,
                "key_name": text(1, 255),
                "user_data": text(0, 65535, format="base64"),
                "config_drive": {"type": ["boolean", "string", "null"]},
                "security_groups": {
                    "type": "array",
                    "items": obj({"name": text(1, 255)}, extra=True),
                },
                "availability_zone": or_null(text(1, 255)),
                "host": text(1, 255, pattern="^[a-zA-Z0-9-._]*$"),
                "hypervisor_hostname": text(1, 255, pattern="^[a-zA-Z0-9-._]*$"),
                "hostname": types.fqdn,
                "min_count": integer(1),
                "max_count": integer(1),
                "return_reservation_id": types.boolean,
                "tags": {"type": "array", "items": types.tag, "maxItems": 50},
                "trusted_image_certificates": {
                    "type": ["array", "null"],
                    "items": text(1, 255),
                    "minItems": 1,
                    "maxItems": 50,
                    "uniqueItems": True,
                },
                "block_device_mapping_v2": {"type": "array", "items": _BLOCK_DEVICE},
                "os:scheduler_hints": HINTS,
                "OS-SCH-HNT:scheduler_hints": HINTS,
            },
            "name",
            "flavorRef",
            "networks",
        ),
        "os:scheduler_hints": HINTS,
        "OS-SCH-HNT:scheduler_hints": HINTS,
    },
    "server",
)

UPDATE = obj(
    {
        "server": {
            **obj(
                {
                    "name": types.name,
                    "description": types.description,
                    "hostname": types.fqdn,
                    "accessIPv4": types.ipv4,
                    "accessIPv6": types.ipv6,
                    "OS-DCF:diskConfig": types.disk_config,
                }
            ),
            "minProperties": 1,
        }
    },
    "server",
)

METADATA = obj({"metadata": types.metadata}, "metadata")
METADATA_ITEM = obj({"meta": {**types.metadata, "minProperties": 1, "maxProperties": 1}}, "meta")

_REBOOT = obj({"type": {"type": "string", "enum": ["HARD", "Hard", "hard", "SOFT", "Soft", "soft"]}}, "type")
_LOCK = {"type": ["object", "null"], "properties": {"locked_reason": text(1, 255)}, "additionalProperties": False}
_LENGTH = {"type": ["integer", "string", "null"], "pattern": "^-?[0-9]+$", "minimum": -1}
_RESIZE = obj({"flavorRef": types.reference, "OS-DCF:diskConfig": types.disk_config}, "flavorRef")

# The body of one action under its request key; a key that is not here takes anything, as Nova's.
ACTIONS = {
    "reboot": obj({"reboot": _REBOOT}, "reboot"),
    "lock": obj({"lock": _LOCK}, "lock"),
    "os-resetState": obj({"os-resetState": obj({"state": {"enum": ["active", "error"]}}, "state")}, "os-resetState"),
    "os-getConsoleOutput": obj({"os-getConsoleOutput": obj({"length": _LENGTH})}, "os-getConsoleOutput"),
    "resize": obj({"resize": _RESIZE}, "resize"),
}
