"""Bodies of volumes, snapshots and types of volumes (cinder/api/schemas)."""

from __future__ import annotations

from tuinova.api.schemas import types
from tuinova.api.schemas.types import integer, obj, or_null, text

_NAME = or_null(text(0, 255))
_TEXT = or_null(text(0, 255))
_ID = {"type": ["string", "null"], "maxLength": 255}
_METADATA = or_null(
    {"type": "object", "patternProperties": {"^.{1,255}$": text(0, 255)}, "additionalProperties": False}
)
# cinder/db/constants MAX_INT; a text of digits is a number too.
_SIZE = {"type": ["integer", "string", "null"], "pattern": "^[0-9]+$", "minimum": 1, "maximum": types.MAX_INT}

VOLUME = obj(
    {
        "volume": obj(
            {
                "name": _NAME,
                "display_name": _NAME,
                "description": _TEXT,
                "display_description": _TEXT,
                "size": _SIZE,
                "imageRef": _ID,
                "snapshot_id": _ID,
                "source_volid": _ID,
                "volume_type": _ID,
                "availability_zone": _ID,
                "metadata": _METADATA,
                "multiattach": {"type": ["boolean", "string", "null"]},
                "consistencygroup_id": _ID,
                "group_id": _ID,
                "backup_id": _ID,
            },
            extra=True,
        )
    },
    "volume",
    extra=True,
)
VOLUME_UPDATE = obj(
    {
        "volume": obj(
            {
                "name": _NAME,
                "display_name": _NAME,
                "description": _TEXT,
                "display_description": _TEXT,
                "metadata": _METADATA,
            }
        )
    },
    "volume",
)
METADATA = obj({"metadata": {**_METADATA, "type": "object"}}, "metadata")
META_ITEM = obj({"meta": {**_METADATA, "type": "object", "minProperties": 1, "maxProperties": 1}}, "meta")
SNAPSHOT = obj(
    {
        "snapshot": obj(
            {
                "volume_id": types.uuid,
                "name": _NAME,
                "display_name": _NAME,
                "description": _TEXT,
                "display_description": _TEXT,
                "force": {"type": ["boolean", "string", "null"]},
                "metadata": _METADATA,
            },
            "volume_id",
        )
    },
    "snapshot",
)
SNAPSHOT_UPDATE = obj({"snapshot": VOLUME_UPDATE["properties"]["volume"]}, "snapshot")
_SPECS = {
    "type": "object",
    "patternProperties": {"^[a-zA-Z0-9-_:. ]{1,255}$": text(0, 255)},
    "additionalProperties": False,
}
_TYPE = {
    "name": text(1, 255, format="name"),
    "description": _TEXT,
    "is_public": types.boolean,
    "os-volume-type-access:is_public": types.boolean,
    "extra_specs": or_null(_SPECS),
}
TYPE = obj({"volume_type": obj(_TYPE, "name")}, "volume_type")
TYPE_UPDATE = obj(
    {"volume_type": obj({name: _TYPE[name] for name in ("name", "description", "is_public")})}, "volume_type"
)
EXTRA_SPECS = obj({"extra_specs": _SPECS}, "extra_specs")
EXTRA_SPEC = {**_SPECS, "minProperties": 1, "maxProperties": 1}

_STATUS = text(1, 255)
# POST /volumes/{id}/action by its key; the bodies are of what stands under it.
VOLUME_ACTIONS = {
    "os-extend": obj({"new_size": integer(1)}, "new_size"),
    "os-set_bootable": obj({"bootable": types.boolean}, "bootable"),
    "os-reset_status": obj(
        {
            "status": _STATUS,
            "attach_status": {"enum": ["attached", "detached"]},
            "migration_status": or_null(_STATUS),
        }
    ),
    "os-force_delete": {"type": ["object", "null", "string"]},
    "os-update_readonly_flag": obj({"readonly": types.boolean}, "readonly"),
    "os-volume_upload_image": obj(
        {
            "image_name": text(1, 255),
            "force": {"type": ["boolean", "string", "null"]},
            "disk_format": or_null(text(1, 20)),
            "container_format": or_null(text(1, 20)),
            "visibility": {"enum": ["community", "public", "private", "shared", None]},
            "protected": {"type": ["boolean", "string", "null"]},
        },
        "image_name",
    ),
    "os-set_image_metadata": METADATA,
    "os-unset_image_metadata": obj({"key": text(1, 255)}, "key"),
    "os-show_image_metadata": {"type": ["object", "null", "string"]},
    "revert": obj({"snapshot_id": types.uuid}, "snapshot_id"),
    "os-retype": obj({"new_type": text(1, 255), "migration_policy": or_null(_STATUS)}, "new_type"),
}
SNAPSHOT_ACTIONS = {
    "os-reset_status": obj({"status": _STATUS}, "status"),
    "os-force_delete": {"type": ["object", "null", "string"]},
}
TYPE_ACTIONS = {
    "addProjectAccess": obj({"project": text(1, 64)}, "project"),
    "removeProjectAccess": obj({"project": text(1, 64)}, "project"),
}
