"""What `server create` boots from and which disks it gets: block device mapping, with openstack's refusals."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuinova.cli.commands import session
from tuinova.cli.diagnostics import CommandError, say
from tuinova.cli.files import read_file
from tuinova.i18n import _

Json = dict[str, Any]
_SOURCES = ("volume", "image", "snapshot", "blank")
_DESTINATIONS = ("local", "volume")
# Where the client finds what a disk is made of.
_RESOURCES = {"volume": "volumes", "snapshot": "volume_snapshots", "image": "images"}
_KEYS = (
    *("uuid", "source_type", "destination_type", "disk_bus", "device_type", "device_name", "volume_size"),
    *("guest_format", "boot_index", "delete_on_termination", "tag", "volume_type"),
)
# Keys that Nova's API has not always had.
_SINCE = {"tag": (2, 42), "volume_type": (2, 67)}
_WORDS = {
    **dict.fromkeys(("true", "t", "yes", "y", "on", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "off", "0"), False),
}


@dataclass(slots=True)
class Boot:
    """The options that say what a server boots from and which further disks it has."""

    image: str | None = None
    image_properties: dict[str, str] = field(default_factory=dict)
    volume: str | None = None
    snapshot: str | None = None
    boot_from_volume: int | None = None
    delete_on_termination: bool = False
    block_devices: list[str] = field(default_factory=list)
    mappings: list[str] = field(default_factory=list)
    swap: int | None = None
    ephemerals: list[str] = field(default_factory=list)


def _wrong(option: str, reason: str) -> CommandError:
    return CommandError(_("argument {option}: {reason}").format(option=option, reason=reason), code=2)


# reading what was typed ----------------------------------------------------------------------------------------------
def read_block_device(text: str) -> list[Json]:
    """`--block-device`: a JSON file of one mapping or several, or `key=value,...`."""
    option = "--block-device"
    if "=" not in text or Path(text).is_file():
        try:
            data = json.loads(read_file(text, option))
        except ValueError as error:
            raise _wrong(option, _("'{path}' is no JSON: {reason}").format(path=text, reason=error)) from error
        found = data if isinstance(data, list) else [data]
        if not all(isinstance(one, dict) for one in found):
            raise _wrong(option, _("'{path}' must hold a mapping or a list of mappings").format(path=text))
    else:
        found = [dict(_pair(part, option) for part in text.split(","))]
    for one in found:
        if unknown := [str(key) for key in one if key not in _KEYS]:
            raise _wrong(
                option,
                _("Invalid keys {keys} specified. Valid keys are: {valid}").format(
                    keys=", ".join(unknown), valid=", ".join(_KEYS)
                ),
            )
    return [_complete(one) for one in found]


def _pair(part: str, option: str) -> tuple[str, str]:
    key, sign, value = part.partition("=")
    if not sign or not key:
        raise _wrong(option, _("Expected key=value pairs separated by comma, but got: {given}").format(given=part))
    return key.strip(), value


def _one_of(mapping: Json, key: str, choices: tuple[str, ...], default: str) -> None:
    if mapping.setdefault(key, default) not in choices:
        raise CommandError(
            _("The {key} key of --block-device should be one of: {choices}").format(key=key, choices=", ".join(choices))
        )


def _complete(given: Json) -> Json:
    """A mapping with openstack's defaults; CommandError for what no mapping may say."""
    mapping = dict(given)
    for key, since in _SINCE.items():
        session.needs(since, _("the {key} key of --block-device").format(key=key), key in mapping)
    if mapping.get("boot_index") is not None:
        try:
            mapping["boot_index"] = int(mapping["boot_index"])
        except (TypeError, ValueError):
            raise CommandError(_("The boot_index key of --block-device should be an integer")) from None
    _one_of(mapping, "source_type", _SOURCES, "blank")
    _one_of(mapping, "destination_type", _DESTINATIONS, "local" if mapping["source_type"] == "blank" else "volume")
    if "delete_on_termination" in mapping:
        word = _WORDS.get(str(mapping["delete_on_termination"]).strip().lower())
        if word is None:
            raise CommandError(_("The delete_on_termination key of --block-device should be a boolean-like value"))
        mapping["delete_on_termination"] = word
    elif mapping["destination_type"] == "local":
        mapping["delete_on_termination"] = True
    return mapping


def read_mapping(text: str) -> Json:
    """`--block-device-mapping`: `dev-name=id[:type[:size[:delete-on-terminate]]]`."""
    option = "--block-device-mapping"
    device, _sign, rest = text.partition("=")
    parts = rest.split(":")
    if not device or not parts[0] or len(parts) > 4:
        form = "dev-name=id[:type[:size[:delete-on-terminate]]]"
        raise _wrong(
            option, _("Invalid argument {given}; argument must be of form '{form}'").format(given=text, form=form)
        )
    kind, size, delete = [*parts[1:], "", "", ""][:3]
    if kind and kind not in _SOURCES[:3]:
        reason = _("Invalid argument {given}; 'type' must be one of: {choices}")
        raise _wrong(option, reason.format(given=text, choices="volume, snapshot, image"))
    mapping: Json = {
        "device_name": device,
        "uuid": parts[0],
        "source_type": kind or "volume",
        "destination_type": "volume",
    }
    if size:
        mapping["volume_size"] = size
    if delete:
        if delete.lower() not in _WORDS:
            reason = _("Invalid argument {given}; 'delete-on-terminate' must be true or false")
            raise _wrong(option, reason.format(given=text))
        mapping["delete_on_termination"] = _WORDS[delete.lower()]
    return mapping


def read_ephemeral(text: str) -> Json:
    """`--ephemeral`: `size=N[,format=F]`."""
    option = "--ephemeral"
    fields = dict(_pair(part, option) for part in text.split(","))
    if unknown := sorted(set(fields) - {"size", "format"}):
        raise _wrong(
            option,
            _("Invalid keys {keys} specified. Valid keys are: {valid}").format(
                keys=", ".join(unknown), valid="size, format"
            ),
        )
    if not fields.get("size"):
        reason = _("Missing required keys {keys}. Required keys are: {required}")
        raise _wrong(option, reason.format(keys="size", required="size"))
    mapping: Json = {
        "boot_index": -1,
        "source_type": "blank",
        "destination_type": "local",
        "delete_on_termination": True,
        "volume_size": fields["size"],
    }
    if fields.get("format"):
        mapping["guest_format"] = fields["format"]
    return mapping


# what is sent --------------------------------------------------------------------------------------------------------
def check_boot(boot: Boot) -> None:
    """openstack's exclusions among what a server may boot from."""
    if boot.boot_from_volume is not None:
        for option, used in (("--volume", boot.volume), ("--snapshot", boot.snapshot)):
            if used:
                raise CommandError(_("{option} is not allowed with --boot-from-volume").format(option=option))
        if not (boot.image or boot.image_properties):
            raise CommandError(
                _("An image (--image or --image-property) is required to support --boot-from-volume option")
            )
    elif boot.delete_on_termination:
        raise CommandError(_("--delete-on-termination is only supported with --boot-from-volume"))


def boot_fields(boot: Boot) -> Json:
    """`imageRef` and `block_device_mapping_v2` of Nova's body; names become ids."""
    devices = [device for text in boot.block_devices for device in read_block_device(text)]
    mappings = [read_mapping(text) for text in boot.mappings]
    locals_ = [read_ephemeral(text) for text in boot.ephemerals]
    client = session.client
    image = _image_id(boot)
    root = _root_device(boot, image)
    if root is None and not any(device.get("boot_index") == 0 for device in devices):
        raise CommandError(
            _(
                "An image (--image, --image-property) or bootable volume "
                "(--volume, --snapshot, --block-device) is required"
            )
        )
    if boot.swap is not None:
        swap = {"boot_index": -1, "source_type": "blank", "destination_type": "local", "guest_format": "swap"}
        locals_.insert(0, {**swap, "volume_size": boot.swap, "delete_on_termination": True})
    for device in [*mappings, *devices]:
        if device.get("uuid") and device["source_type"] in _RESOURCES:
            device["uuid"] = getattr(client, _RESOURCES[device["source_type"]]).find(device["uuid"])["id"]
    further = [*locals_, *mappings, *devices]
    if image and boot.boot_from_volume is None and not further:
        return {"imageRef": image}  # Nova makes the same root disk of it
    return {
        "imageRef": image if image and boot.boot_from_volume is None else "",
        "block_device_mapping_v2": [*([root] if root else []), *further],
    }


def _image_id(boot: Boot) -> str | None:
    client = session.client
    if boot.image:
        return str(client.images.find(boot.image)["id"])
    if not boot.image_properties:
        return None
    wanted = boot.image_properties.items()
    found = [row for row in client.images.list() if all(str(row.get(key)) == value for key, value in wanted)]
    if not found:
        raise CommandError(_("No images match the property expected by --image-property"))
    if len(found) > 1:
        ids = ", ".join(row["id"] for row in found)
        say(_("Multiple matching images: {images}\nUsing image: {image}").format(images=ids, image=found[0]["id"]))
    return str(found[0]["id"])


def _root_device(boot: Boot, image: str | None) -> Json | None:
    """The mapping of what --volume, --snapshot, --image and --boot-from-volume name; None when they name nothing."""
    client = session.client
    if boot.volume:
        volume = client.volumes.find(boot.volume)["id"]
        return {"uuid": volume, "boot_index": 0, "source_type": "volume", "destination_type": "volume"}
    if boot.snapshot:
        snapshot = client.volume_snapshots.find(boot.snapshot)["id"]
        return {"uuid": snapshot, "boot_index": 0, "source_type": "snapshot", "destination_type": "volume"}
    if image is None:
        return None
    if boot.boot_from_volume is not None:
        return {
            "uuid": image,
            "boot_index": 0,
            "source_type": "image",
            "destination_type": "volume",
            "volume_size": boot.boot_from_volume,
            "delete_on_termination": boot.delete_on_termination,
        }
    return {
        "uuid": image,
        "boot_index": 0,
        "source_type": "image",
        "destination_type": "local",
        "delete_on_termination": True,
    }
