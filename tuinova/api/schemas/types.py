"""The building blocks (nova/api/validation/parameter_types.py)."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]
MAX_INT = 0x7FFFFFFF


def integer(low: int, high: int = MAX_INT) -> Schema:
    """A number, or its text, within bounds."""
    return {
        "type": ["integer", "string"],
        "pattern": "^-?[0-9]+$",
        "minimum": low,
        "maximum": high,
        "format": f"integer:{low}:{high}",
    }


def obj(properties: Schema, *required: str, extra: bool = False) -> Schema:
    """An object; closed unless `extra`."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": extra,
    }


def text(low: int = 0, high: int = 255, **more: Any) -> Schema:
    """A string of bounded length."""
    return {"type": "string", "minLength": low, "maxLength": high, **more}


def or_null(schema: Schema) -> Schema:
    """The same, or null."""
    kind = schema["type"]
    return {**schema, "type": [*(kind if isinstance(kind, list) else [kind]), "null"]}


name = text(1, 255, format="name")
description = or_null(text(0, 255))
boolean: Schema = {
    "type": ["boolean", "string"],
    "enum": [
        *(True, "True", "TRUE", "true", "1", "ON", "On", "on", "YES", "Yes", "yes", "y", "t"),
        *(False, "False", "FALSE", "false", "0", "OFF", "Off", "off", "NO", "No", "no", "n", "f"),
    ],
}
uuid: Schema = {"type": "string", "format": "uuid"}
none: Schema = {"enum": ["None", None, {}]}
metadata: Schema = {
    "type": "object",
    "patternProperties": {"^[a-zA-Z0-9-_:. ]{1,255}$": text(0, 255)},
    "additionalProperties": False,
}
hostname = text(2, 63, pattern="^[a-zA-Z0-9]+[a-zA-Z0-9-]*[a-zA-Z0-9]+$")
fqdn = text(2, 255, pattern="^[a-zA-Z0-9]+[a-zA-Z0-9-.]*[a-zA-Z0-9]+$")
host = text(1, 255, pattern="^[a-zA-Z0-9-._]*$")
password: Schema = {"type": "string"}
user_data = text(0, 65535, format="base64")
ipv4 = text(0, 15, format="ipv4-or-empty")
ipv6 = text(0, 45, format="ipv6-or-empty")
# No colon: `zone:host:node` names a host.
zone = text(1, 255, format="name", pattern="^[^:]*$")
disk_config: Schema = {"type": "string", "enum": ["AUTO", "MANUAL"]}
trusted_certs: Schema = {
    "type": ["array", "null"],
    "items": text(1, 255),
    "minItems": 1,
    "maxItems": 50,
    "uniqueItems": True,
}
tag: Schema = {"type": "string", "minLength": 1, "maxLength": 60, "pattern": "^[^,/]*$"}
reference: Schema = {"type": ["string", "integer"], "minLength": 1}


def is_true(value: Any) -> bool:
    """A boolean as clients write it."""
    return value is True or str(value).lower() in {"1", "t", "true", "on", "y", "yes"}
