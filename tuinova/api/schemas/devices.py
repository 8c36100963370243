"""Bodies of what is attached to servers: interfaces and volumes."""

from __future__ import annotations

from tuinova.api.schemas import types
from tuinova.api.schemas.types import obj

_DEVICE = r"(^/dev/x{0,1}[a-z]{0,1}d{0,1})([a-z]+)[0-9]*$"
_ADDRESS = obj({"ip_address": {"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}}, "ip_address")

INTERFACE = obj(
    {
        "interfaceAttachment": obj(
            {
                "net_id": types.uuid,
                "port_id": types.uuid,
                "fixed_ips": {"type": "array", "minItems": 1, "maxItems": 1, "items": _ADDRESS},
                "tag": types.tag,
            }
        )
    }
)
VOLUME = obj(
    {
        "volumeAttachment": obj(
            {
                "volumeId": types.uuid,
                "device": {"type": ["string", "null"], "pattern": _DEVICE},
                "tag": types.tag,
                "delete_on_termination": types.boolean,
            },
            "volumeId",
        )
    },
    "volumeAttachment",
)
# 2.85: what it was attached with may be said again, but only delete_on_termination changes.
VOLUME_UPDATE = obj(
    {
        "volumeAttachment": obj(
            {
                "volumeId": types.uuid,
                "device": {"type": ["string", "null"]},
                "tag": types.tag,
                "delete_on_termination": types.boolean,
                "serverId": types.uuid,
                "id": types.uuid,
            },
            "volumeId",
        )
    },
    "volumeAttachment",
)
