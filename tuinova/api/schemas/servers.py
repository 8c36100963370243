"""Bodies of servers, their actions and metadata."""

from __future__ import annotations

from typing import Any

from tuinova.api.schemas import types
from tuinova.api.schemas.types import integer, obj, or_null, text

_HINT_GROUP = {"type": "string", "format": "uuid"}
_HINT_LIST = {"type": ["string", "array"], "items": {"type": "string"}, "uniqueItems": True}
_HINT_SERVERS = {"anyOf": [types.uuid, {"type": "array", "items": types.uuid, "uniqueItems": True}]}
HINTS = obj(
    {
        "group": _HINT_GROUP,
        "different_host": _HINT_SERVERS,
        "same_host": _HINT_SERVERS,
        "query": {"type": ["string", "object"]},
        "target_cell": text(1),
        "different_cell": _HINT_LIST,
        "build_near_host_ip": {"anyOf": [types.ipv4, types.ipv6]},
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

_LEGACY_DEVICE = obj(
    {
        "virtual_name": {"type": "string", "maxLength": 255},
        "volume_id": types.uuid,
        "snapshot_id": types.uuid,
        "volume_size": integer(0),
        "device_name": text(1, 255, pattern="^[a-zA-Z0-9._/-]*$"),
        "delete_on_termination": types.boolean,
        "no_device": {},
        "connection_info": {"type": "string", "maxLength": 16777215},
    }
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
                "user_data": types.user_data,
                "config_drive": {"type": ["boolean", "string", "null"]},
                "security_groups": {
                    "type": "array",
                    "items": obj({"name": text(1, 255)}, extra=True),
                },
                "availability_zone": or_null(text(1, 255)),
                "host": types.host,
                "hypervisor_hostname": types.host,
                "hostname": types.fqdn,
                "min_count": integer(1),
                "max_count": integer(1),
                "return_reservation_id": types.boolean,
                "tags": {"type": "array", "items": types.tag, "maxItems": 50},
                "trusted_image_certificates": types.trusted_certs,
                "block_device_mapping": {"type": "array", "items": _LEGACY_DEVICE},
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

# Up to 2.56 files may be put into the guest, up to 2.36 networks may be left out.
_FILE = obj({"path": {"type": "string"}, "contents": {"type": "string", "format": "base64"}}, "path", "contents")
_FILES = {"type": "array", "items": _FILE}


def _older(schema: dict[str, Any], key: str, *, without: str = "") -> dict[str, Any]:
    """A schema whose object `key` takes `personality` too, and needs one thing less."""
    inner = schema["properties"][key]
    needed = [name for name in inner.get("required", ()) if name != without]
    inner = {**inner, "properties": {**inner["properties"], "personality": _FILES}, "required": needed}
    return {**schema, "properties": {**schema["properties"], key: inner}}


CREATE_OLDER = (((2, 36), _older(CREATE, "server", without="networks")), ((2, 56), _older(CREATE, "server")))

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

TAGS = obj({"tags": {"type": "array", "items": types.tag, "maxItems": 50}}, "tags")
METADATA = obj({"metadata": types.metadata}, "metadata")
METADATA_ITEM = obj({"meta": {**types.metadata, "minProperties": 1, "maxProperties": 1}}, "meta")

_REBOOT = obj({"type": {"type": "string", "enum": ["HARD", "Hard", "hard", "SOFT", "Soft", "soft"]}}, "type")
_LOCK = or_null(obj({"locked_reason": text(1, 255)}))
_LENGTH = {"type": ["integer", "string", "null"], "pattern": "^-?[0-9]+$", "minimum": -1}
_RESIZE = obj({"flavorRef": types.reference, "OS-DCF:diskConfig": types.disk_config}, "flavorRef")
_MIGRATE = or_null(obj({"host": or_null(types.host)}))
_LIVE = obj(
    {
        "block_migration": {**types.boolean, "enum": [*types.boolean["enum"], "auto"]},
        "host": or_null(types.host),
    },
    "block_migration",
    "host",
)
_EVACUATE = obj({"host": types.host, "adminPass": types.password})
_REBUILD = obj(
    {
        "imageRef": types.uuid,
        "name": types.name,
        "adminPass": types.password,
        "metadata": types.metadata,
        "preserve_ephemeral": types.boolean,
        "OS-DCF:diskConfig": types.disk_config,
        "accessIPv4": types.ipv4,
        "accessIPv6": types.ipv6,
        "description": types.description,
        "key_name": or_null(types.name),
        "user_data": or_null(types.user_data),
        "trusted_image_certificates": types.trusted_certs,
        "hostname": types.fqdn,
    },
    "imageRef",
)
_RESCUE = or_null(obj({"adminPass": types.password, "rescue_image_ref": types.uuid}))
_UNSHELVE = or_null(obj({"availability_zone": {"type": ["string", "null"]}, "host": {"type": "string"}}))
_IMAGE = obj({"name": types.name, "metadata": types.metadata}, "name")
_BACKUP = obj(
    {
        "name": types.name,
        "backup_type": {"type": "string"},
        "rotation": integer(0),
        "metadata": types.metadata,
    },
    "name",
    "backup_type",
    "rotation",
)
_STATE = obj({"state": {"enum": ["active", "error"]}}, "state")

# The body of one action under its request key; a key that is not here takes anything, as Nova's.
ACTIONS = {
    key: obj({key: schema}, key)
    for key, schema in {
        "reboot": _REBOOT,
        "lock": _LOCK,
        "os-resetState": _STATE,
        "resize": _RESIZE,
        "migrate": _MIGRATE,
        "os-migrateLive": _LIVE,
        "evacuate": _EVACUATE,
        "rebuild": _REBUILD,
        "rescue": _RESCUE,
        "unshelve": _UNSHELVE,
        "createImage": _IMAGE,
        "createBackup": _BACKUP,
        "changePassword": obj({"adminPass": types.password}, "adminPass"),
        "trigger_crash_dump": {"type": "null"},
    }.items()
}
_GROUP = obj({"name": types.text(0, 255)}, "name")
ACTIONS |= {
    "addFixedIp": obj({"addFixedIp": obj({"networkId": types.reference}, "networkId")}, "addFixedIp"),
    "removeFixedIp": obj({"removeFixedIp": obj({"address": types.text(1, 64)}, "address")}, "removeFixedIp"),
    "addSecurityGroup": obj({"addSecurityGroup": _GROUP}, "addSecurityGroup"),
    "removeSecurityGroup": obj({"removeSecurityGroup": _GROUP}, "removeSecurityGroup"),
}
ACTIONS["os-getConsoleOutput"] = obj({"os-getConsoleOutput": obj({"length": _LENGTH})}, "os-getConsoleOutput")

FORCE_COMPLETE = obj({"force_complete": {"type": "null"}}, "force_complete")

# Action to the schemas of older microversions.
ACTIONS_OLDER = {"rebuild": (((2, 56), _older(ACTIONS["rebuild"], "rebuild")),)}
