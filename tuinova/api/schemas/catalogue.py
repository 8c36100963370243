"""Bodies of flavors, key pairs, quotas, services, server groups, consoles."""

from __future__ import annotations

from tuinova.api.schemas import types
from tuinova.api.schemas.types import integer, obj, or_null, text
from tuinova.core.quota_table import NETWORK, VOLUME, names_of

_SPEC_KEY = "^[a-zA-Z0-9-_:. ]{1,255}$"
_SPEC_VALUE = {"type": ["string", "number"], "maxLength": 255}
EXTRA_SPECS_MAP = {"type": "object", "patternProperties": {_SPEC_KEY: _SPEC_VALUE}, "additionalProperties": False}

_FLAVOR = {
    "name": types.name,
    "id": {
        "type": ["string", "number", "null"],
        "minLength": 1,
        "maxLength": 255,
        "pattern": r"^(?! )[a-zA-Z0-9. _-]+(?<! )$",
    },
    "ram": integer(1),
    "vcpus": integer(1),
    "disk": integer(0),
    "OS-FLV-EXT-DATA:ephemeral": integer(0),
    "swap": integer(0),
    "rxtx_factor": {
        "type": ["number", "string"],
        "pattern": r"^[0-9]+(\.[0-9]+)?$",
        "exclusiveMinimum": 0,
        "maximum": 3.40282e38,
    },
    "os-flavor-access:is_public": types.boolean,
    "description": or_null(text(0, 65535)),
}
FLAVOR_CREATE = obj({"flavor": obj(_FLAVOR, "name", "ram", "vcpus", "disk")}, "flavor")
FLAVOR_REPLACE = obj({"flavor": obj(_FLAVOR)}, "flavor")
FLAVOR_UPDATE = obj({"flavor": obj({"description": or_null(text(0, 65535))}, "description")}, "flavor")
EXTRA_SPECS = obj({"extra_specs": EXTRA_SPECS_MAP}, "extra_specs")
EXTRA_SPEC = {**EXTRA_SPECS_MAP, "minProperties": 1, "maxProperties": 1}

_TENANT = obj({"tenant": text(1, 255)}, "tenant")
ADD_ACCESS = obj({"addTenantAccess": _TENANT}, "addTenantAccess")
REMOVE_ACCESS = obj({"removeTenantAccess": _TENANT}, "removeTenantAccess")

KEYPAIR = obj(
    {
        "keypair": obj(
            {
                "name": text(1, 255, format="name"),
                "public_key": text(0, 16384),
                "type": {"type": "string", "enum": ["ssh", "x509"]},
                "user_id": text(1, 255),
            },
            "name",
            "public_key",
        )
    },
    "keypair",
)

QUOTA_NAMES = (
    "instances",
    "cores",
    "ram",
    "metadata_items",
    "key_pairs",
    "server_groups",
    "server_group_members",
)
QUOTA = obj(
    {"quota_set": obj({**{name: integer(-1) for name in QUOTA_NAMES}, "force": types.boolean})},
    "quota_set",
)
QUOTA_CLASS = obj({"quota_class_set": obj({name: integer(-1) for name in QUOTA_NAMES})}, "quota_class_set")


def _quota_set(key: str, service: str) -> types.Schema:
    numbers = {name: integer(-1) for name in names_of(service)}
    return obj({key: obj({**numbers, "force": types.boolean})}, key)


NETWORK_QUOTA = _quota_set("quota", NETWORK)
VOLUME_QUOTA = _quota_set("quota_set", VOLUME)
VOLUME_QUOTA_CLASS = _quota_set("quota_class_set", VOLUME)

SERVICE = {
    **obj(
        {
            "status": {"type": "string", "enum": ["enabled", "disabled"]},
            "disabled_reason": text(1, 255),
            "forced_down": types.boolean,
        }
    ),
    "minProperties": 1,
}

SERVER_GROUP = obj(
    {
        "server_group": obj(
            {
                "name": types.name,
                "policy": {
                    "type": "string",
                    "enum": ["affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity"],
                },
                "rules": obj({"max_server_per_host": integer(1)}),
            },
            "name",
            "policy",
        )
    },
    "server_group",
)

_CONSOLE_TYPES = ["novnc", "spice-html5", "spice-direct", "serial", "webmks", "rdp-html5"]
REMOTE_CONSOLE = obj(
    {
        "remote_console": obj(
            {
                "protocol": {"type": "string", "enum": ["vnc", "spice", "serial", "mks", "rdp"]},
                "type": {"type": "string", "enum": _CONSOLE_TYPES},
            },
            "protocol",
            "type",
        )
    },
    "remote_console",
)

KEYS = obj(
    {
        "keys": {
            "type": "array",
            "minItems": 1,
            "maxItems": 16,
            "items": text(1, 32, pattern="^[a-z0-9_]+$"),
        }
    },
    "keys",
)
