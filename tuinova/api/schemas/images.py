"""Bodies of images (Glance's image schema, as far as it is kept here)."""

from __future__ import annotations

from tuinova.api.schemas.types import obj, text

DISK_FORMATS = ("ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "ploop", "iso")
CONTAINER_FORMATS = ("ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed")
_UUID = "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
_MAX = 0x7FFFFFFF
_TAGS = {"type": "array", "items": text(0, 255), "uniqueItems": True, "maxItems": 128}

FIELDS = {
    "name": {"type": ["string", "null"], "maxLength": 255},
    "visibility": {"enum": ["public", "private", "shared", "community"]},
    "protected": {"type": "boolean"},
    "os_hidden": {"type": "boolean"},
    "min_disk": {"type": "integer", "minimum": 0, "maximum": _MAX},
    "min_ram": {"type": "integer", "minimum": 0, "maximum": _MAX},
    "disk_format": {"enum": [None, *DISK_FORMATS]},
    "container_format": {"enum": [None, *CONTAINER_FORMATS]},
    "tags": _TAGS,
}
# A free property: Glance's are texts.
PROPERTY = {"type": "string", "maxLength": 65535}
CREATE = {
    "type": "object",
    "properties": {
        **FIELDS,
        "id": {"type": "string", "pattern": _UUID},
        "owner": {"type": ["string", "null"], "maxLength": 255},
    },
    "additionalProperties": PROPERTY,
    "maxProperties": 256,
}
MEMBER = {"type": "object", "properties": {"member": {"type": "string", "maxLength": 255}}}
ANSWER = {"type": "object", "properties": {"status": {"type": "string", "maxLength": 255}}}
_URI = {"type": "string", "minLength": 1, "maxLength": 4096}
IMPORT = {
    "type": "object",
    "properties": {
        "method": {
            "type": "object",
            "properties": {
                "name": {"type": "string", "maxLength": 255},
                "uri": _URI,
                "checksum": {"type": ["string", "null"], "maxLength": 255},
                "checksum_uri": {"oneOf": [{"type": "null"}, _URI]},
            },
            "required": ["name"],
        },
        "all_stores": {"type": "boolean"},
        "all_stores_must_succeed": {"type": "boolean"},
        "stores": {"type": "array", "maxItems": 0},
    },
    "required": ["method"],
}
PATCH = {
    "type": "array",
    "maxItems": 512,
    "items": obj(
        {
            "op": {"enum": ["add", "replace", "remove"]},
            "path": {"type": "string", "pattern": "^/", "maxLength": 600},
            "value": {},
        },
        "op",
        "path",
    ),
}
