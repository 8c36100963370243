"""POST /image/v2/images/{id}/import: Glance's interoperable import, methods web-download and glance-direct.

The data of the second is brought by `PUT .../stage` before (`image_data`). Beside Glance's `uri` the first takes a
`checksum` (`sha256:...`), or the `checksum_uri` of a published list.
"""

from __future__ import annotations

from typing import Any

from tuinova.api.images import own_image
from tuinova.api.operations import Call, Operation
from tuinova.api.schemas import images as schemas
from tuinova.core.errors import Conflict, DownloadRefused, ImageDataConflict, Invalid, InvalidDiskFormat
from tuinova.core.image_import import IMPORT_METHODS, STAGED, WEB
from tuinova.core.image_import.checksums import parse_checksum
from tuinova.core.image_import.rules import check_literal, parse_url
from tuinova.core.image_store import DISK_FORMATS
from tuinova.core.records import Image


def start(call: Call) -> None:
    """Accepted: the image is importing, `GET` of it tells how far that is."""
    image = own_image(call.state, call.ctx, call.param("id"), "import data to")
    method = call.body["method"]
    if method["name"] not in IMPORT_METHODS:
        raise Invalid(f"Unknown import method name '{method['name'][:40]}'.")
    for name in ("container_format", "disk_format"):
        if getattr(image, name) is None:
            raise Conflict(f"'{name}' needs to be set before import")
    if image.disk_format not in DISK_FORMATS:
        raise InvalidDiskFormat(disk_format=image.disk_format)
    if method["name"] == STAGED:
        _begin(call, image, {"method": STAGED}, "uploading")
    else:
        _begin(call, image, _of_the_web(call, method), "queued")


def _begin(call: Call, image: Image, task: dict[str, Any], status: str) -> None:
    still_coming = image.status == "uploading" and not (image.task or {}).get("staged")
    try:
        if still_coming:
            raise ImageDataConflict(image_id=image.id, status=image.status)
        call.state.importer.accept(image.id, task, status=status)
    except ImageDataConflict as error:
        raise Conflict(
            f"Image needs to be in '{status}' state to use '{task['method']}' method; it is in "
            f"'{error.kwargs['status']}'" + (" and its data is still coming" if still_coming else "")
        ) from error


def _of_the_web(call: Call, method: dict[str, Any]) -> dict[str, Any]:
    """The task of a download, if its text says nothing against it."""
    if "uri" not in method:
        raise Invalid("URI is required when using 'web-download' import method.")
    task = {"method": WEB, "uri": _passing(call, method["uri"])}
    if method.get("checksum") and method.get("checksum_uri"):
        raise Invalid("checksum and checksum_uri exclude each other.")
    if method.get("checksum"):
        task["checksum"] = str(parse_checksum(method["checksum"]))
    if method.get("checksum_uri"):
        task["checksum_uri"] = _passing(call, method["checksum_uri"])
    return task


def _passing(call: Call, uri: str) -> str:
    """The URI, if its text says nothing against it."""
    try:
        target = parse_url(uri)
        check_literal(call.state.importer.rules, target)
    except DownloadRefused as error:
        raise Invalid(f"URI for web-download does not pass filtering: {uri[:200]}: {error.message}") from error
    return target.url


def info(call: Call) -> Any:
    """GET /v2/info/import: the methods."""
    return {
        "import-methods": {"description": "Import methods available.", "type": "array", "value": list(IMPORT_METHODS)}
    }


OPERATIONS = (
    Operation("POST", "/images/{id}/import", start, 202, "import_image", schemas.IMPORT),
    Operation("GET", "/info/import", info, rule="get_images"),
)
