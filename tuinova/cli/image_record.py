"""The record of an image, as `image show` and the commands that make images print it."""

from __future__ import annotations

from typing import Any

from tuinova.cli.output import Cell, Record, dict_cell, list_cell

Json = dict[str, Any]
_KNOWN = (
    "checksum",
    "container_format",
    "created_at",
    "disk_format",
    "file",
    "id",
    "min_disk",
    "min_ram",
    "name",
    "owner",
    "protected",
    "schema",
    "size",
    "status",
    "tags",
    "updated_at",
    "virtual_size",
    "visibility",
)
# Only there while an image is fetched from the web, or after that went wrong.
_TASK = ("task_progress", "task_message")


def _human_size(size: int) -> str:
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.4g}{unit}"
        value /= 1024
    return f"{value:.4g}TiB"


def image_record(image: Json, human: bool = False) -> Record:
    """Glance's fields; everything else is a property."""
    fields: dict[str, Any] = {name: image.get(name) for name in _KNOWN}
    fields["properties"] = dict_cell({key: value for key, value in image.items() if key not in (*_KNOWN, *_TASK)})
    fields |= {name: image[name] for name in _TASK if name in image}
    fields["tags"] = list_cell(image.get("tags"))
    if human and image.get("size") is not None:
        fields["size"] = Cell(image["size"], _human_size(image["size"]))
    return Record({name: fields[name] for name in sorted(fields)})
