"""What Nova checks of a create before anything is written (nova/compute/api.py, servers.py), with its texts."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuinova.core import policy
from tuinova.core.catalogue_cache import CatalogueCache
from tuinova.core.compute_api.request import CreateRequest
from tuinova.core.conductor import Conductor
from tuinova.core.context import RequestContext
from tuinova.core.drafts import QuotaLimits
from tuinova.core.errors import (
    ComputeHostNotFoundAsked,
    FileContentLimitExceeded,
    FileLimitExceeded,
    FilePathLimitExceeded,
    FlavorDiskSmallerThanImage,
    FlavorDiskSmallerThanMinDisk,
    FlavorMemoryTooSmall,
    FlavorNotFound,
    FlavorNotFoundAsked,
    ImageNotActive,
    ImageNotFound,
    ImageNotFoundAsked,
    Invalid,
    InvalidZone,
    KeypairNotFound,
    KeypairNotFoundAsked,
    MetadataLimitExceeded,
    MissingImageRef,
    ServerGroupMembersExceeded,
    ServerGroupNotFound,
    ZeroDiskFlavorForbidden,
    ZoneNotAvailable,
)
from tuinova.core.records import Flavor, Image, Keypair, ServerGroup

_GIB = 1 << 30
_USER_DATA_LIMIT = 65535
_RULE = "os_compute_api:servers:create"
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}\Z")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a create wants its servers: the zone and, for admins, host and node (forced: without filters)."""

    zone: str | None = None
    force_host: str | None = None
    force_node: str | None = None
    destination: tuple[str, str | None] | None = None


def check_place(ctx: RequestContext, request: CreateRequest, conductor: Conductor, default_zone: str | None) -> Place:
    """Zone syntax and the policies of forced hosts and requested destinations."""
    zone, host, node = parse_zone(request.availability_zone)
    if host or node:
        policy.authorize(ctx, _RULE + ":forced_host")
    if request.host or request.hypervisor_hostname:
        policy.authorize(ctx, "compute:servers:create:requested_destination")
        if host or node:
            raise Invalid(
                "Specifying zone:host:node in availability_zone can't be combined with host or hypervisor_hostname."
            )
        return Place(zone or default_zone, destination=_destination(request, conductor))
    return Place(zone or default_zone, host, node)


def parse_zone(text: str | None) -> tuple[str | None, str | None, str | None]:
    """`zone[:host[:node]]` (nova/compute/api.py parse_availability_zone)."""
    if not text:
        return None, None, None
    parts = text.split(":")
    if len(parts) > 3:
        raise InvalidZone()
    zone, host, node = (*parts, "", "")[:3]
    return zone or None, host or None, node or None


def _destination(request: CreateRequest, conductor: Conductor) -> tuple[str, str | None]:
    nodes = conductor.nodes()
    for node in nodes:
        if request.host and node.host != request.host:
            continue
        if request.hypervisor_hostname and node.hypervisor_hostname != request.hypervisor_hostname:
            continue
        return node.host, request.hypervisor_hostname
    raise ComputeHostNotFoundAsked(host=request.host or request.hypervisor_hostname)


def check_zone(zone: str | None, conductor: Conductor) -> None:
    """A zone that is asked for must have an enabled compute service."""
    if zone is None:
        return
    zones = {service.availability_zone for service in conductor.services() if not service.disabled}
    if zone not in zones:
        raise ZoneNotAvailable()


def check_counts(request: CreateRequest) -> None:
    """Numbers of servers, and what can't be had several times."""
    least, most = request.counts
    if least > most:
        raise Invalid("min_count must be <= max_count")
    if request.hostname is not None and most > 1:
        raise Invalid("Unable to allocate a single hostname to multiple instances")


def check_certificates(request: CreateRequest, volume_backed: bool) -> None:
    """As with Nova's `verify_glance_signatures` off: kept and shown; of a volume there is no image to be trusted."""
    if request.trusted_image_certificates and volume_backed:
        raise Invalid("Image certificate validation is not supported when booting from volume")


def asked_flavor(ctx: RequestContext, flavor_id: str, catalogue: CatalogueCache) -> Flavor:
    """The flavor, if it is there, enabled, and open to the caller."""
    try:
        flavor = catalogue.flavor(flavor_id)
    except FlavorNotFound as error:
        raise FlavorNotFoundAsked(flavor_id=flavor_id) from error
    hidden = not flavor.is_public and not ctx.is_admin and ctx.project_id not in flavor.projects
    if hidden or flavor.disabled:
        raise FlavorNotFoundAsked(flavor_id=flavor_id)
    return flavor


def asked_image(ctx: RequestContext, image_id: str | None, catalogue: CatalogueCache) -> Image:
    """The image, if it is there, open to the caller, and complete."""
    if not image_id:
        raise MissingImageRef()
    image = visible_image(ctx, image_id, catalogue)
    if image.status != "active":
        raise ImageNotActive(image_id=image_id)
    for key in ("kernel_id", "ramdisk_id"):
        part = image.properties.get(key)
        if part and visible_image(ctx, part, catalogue).status != "active":
            raise ImageNotActive(image_id=part)
    return image


def visible_image(ctx: RequestContext, image_id: str, catalogue: CatalogueCache) -> Image:
    """An image that is named in a request; one of another project is not there."""
    try:
        image = catalogue.image(image_id)
    except ImageNotFound as error:
        raise ImageNotFoundAsked() from error
    if not ctx.is_admin and not image.visible_to(ctx.project_id):
        raise ImageNotFoundAsked()
    return image


def check_user_data(user_data: str | None) -> None:
    """Base64 text of at most 65,535 characters."""
    if user_data is None:
        return
    if len(user_data) > _USER_DATA_LIMIT:
        raise Invalid(
            "User data too large. User data must be no larger than 64KB once base64 encoded. "
            f"Your data is {len(user_data)} bytes"
        )
    text = "".join(user_data.split())
    try:
        if not _BASE64.match(text):
            raise ValueError
        base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error) as error:
        raise Invalid("User data needs to be valid base 64.") from error


def asked_keypair(ctx: RequestContext, name: str | None, conductor: Conductor) -> Keypair | None:
    """The caller's key pair of that name."""
    if name is None:
        return None
    try:
        return conductor.keypair(ctx.user_id or "", name)
    except KeypairNotFound as error:
        raise KeypairNotFoundAsked() from error


def check_metadata_quota(metadata: Mapping[str, Any], limits: QuotaLimits) -> None:
    """At most so many items on one server."""
    if 0 <= limits.metadata_items < len(metadata):
        raise MetadataLimitExceeded(allowed=limits.metadata_items)


def check_files(files: Sequence[Mapping[str, Any]], limits: QuotaLimits) -> list[tuple[str, str]]:
    """Path and content (base64) of the files that a guest shall get; first their number, then paths, then contents."""
    if 0 <= limits.injected_files < len(files):
        raise FileLimitExceeded()
    found = [(str(file["path"]), "".join(str(file["contents"]).split())) for file in files]
    if 0 <= limits.injected_file_path_bytes < max((len(path.encode()) for path, _ in found), default=0):
        raise FilePathLimitExceeded(allowed=limits.injected_file_path_bytes)
    sizes = [len(_decoded(content)) for _, content in found]
    if 0 <= limits.injected_file_content_bytes < max(sizes, default=0):
        raise FileContentLimitExceeded(allowed=limits.injected_file_content_bytes)
    return found


def _decoded(content: str) -> bytes:
    try:
        return base64.b64decode(content, validate=True)
    except binascii.Error as error:
        raise Invalid("The contents of a personality file need to be valid base 64.") from error


def check_sizes(ctx: RequestContext, flavor: Flavor, image: Image) -> None:
    """RAM, then disk against the image's size, then against its min_disk."""
    if image.min_ram and flavor.memory_mb < image.min_ram:
        raise FlavorMemoryTooSmall()
    if flavor.root_gb == 0:
        if not policy.allowed(ctx, _RULE + ":zero_disk_flavor"):
            raise ZeroDiskFlavorForbidden()
        return
    disk = flavor.root_gb * _GIB
    needed = max(image.virtual_size or 0, image.size or 0) if image.container_format != "ami" else image.size or 0
    if needed > disk:
        raise FlavorDiskSmallerThanImage(flavor_size=disk, image_size=needed)
    if image.min_disk * _GIB > disk:
        raise FlavorDiskSmallerThanMinDisk(flavor_size=disk, image_min_disk=image.min_disk * _GIB)


def asked_group(
    ctx: RequestContext, hints: Mapping[str, Any], conductor: Conductor, count: int, limits: QuotaLimits
) -> ServerGroup | None:
    """The server group of the hint `group`, one that the caller sees, with room for `count` more members."""
    value = hints.get("group")
    if isinstance(value, list | tuple):
        value = value[0] if value else None
    if not value:
        return None
    try:
        group = conductor.server_group(str(value))
    except ServerGroupNotFound as error:
        raise Invalid(error.message) from error
    if not policy.sees_project(ctx, group.project_id):
        raise Invalid(ServerGroupNotFound(group_id=str(value)).message)
    if 0 <= limits.server_group_members < len(group.members) + count:
        raise ServerGroupMembersExceeded()
    return group
