"""Bodies of aggregates (nova/api/openstack/compute/schemas/aggregates.py, aggregate_images.py)."""

from __future__ import annotations

from tuinova.api.schemas import types
from tuinova.api.schemas.types import obj, or_null, text

_FIELDS = {"name": types.name, "availability_zone": or_null(types.zone)}
CREATE = obj({"aggregate": obj(_FIELDS, "name")}, "aggregate")
UPDATE = obj({"aggregate": {**obj(_FIELDS), "minProperties": 1}}, "aggregate")
_HOST = obj({"host": types.host}, "host")
_METADATA = {
    "type": "object",
    "patternProperties": {"^[a-zA-Z0-9-_:. ]{1,255}$": or_null(text(0, 255))},
    "additionalProperties": False,
}
ADD_HOST = obj({"add_host": _HOST}, "add_host")
REMOVE_HOST = obj({"remove_host": _HOST}, "remove_host")
SET_METADATA = obj({"set_metadata": obj({"metadata": _METADATA}, "metadata")}, "set_metadata")
CACHE = obj(
    {"cache": {"type": "array", "minItems": 1, "items": obj({"id": types.uuid}, "id")}},
    "cache",
)
