"""New servers: checked in Nova's order, written in one transaction, handed to the conductor (nova/compute/api.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tuinova.core import image_properties, policy
from tuinova.core.catalogue_cache import CatalogueCache
from tuinova.core.compute_api import checks, devices, networks
from tuinova.core.compute_api.naming import reservation_id, server_hostname, server_names
from tuinova.core.compute_api.networks import Asked
from tuinova.core.compute_api.options import ApiOptions
from tuinova.core.compute_api.request import CreateRequest
from tuinova.core.conductor import Conductor
from tuinova.core.conductor.ports import reserve
from tuinova.core.context import RequestContext
from tuinova.core.drafts import InstanceDraft, OrderDraft, QuotaLimits, new_uuid
from tuinova.core.errors import QuotaExceeded
from tuinova.core.quota import fitting_count
from tuinova.core.records import TRUSTED_CERTS, Flavor, Image, Instance, Keypair, ServerGroup

_RULE = "os_compute_api:servers:create"
# A lost race for the quota is tried again with what is then free; each try has a smaller count, or ends.
_QUOTA_TRIES = 5
_ROOT_DEVICE = {"ide": "/dev/hda", "scsi": "/dev/sda", "sata": "/dev/sda", "usb": "/dev/sda", "fdc": "/dev/fda"}


@dataclass(frozen=True, slots=True)
class _Plan:
    """What the checks found."""

    request: CreateRequest
    place: checks.Place
    flavor: Flavor
    image: Image | None  # None: a server that boots from a volume
    devices: devices.Devices
    keypair: Keypair | None
    group: ServerGroup | None
    asked: Asked
    limits: QuotaLimits
    config_drive: bool
    files: list[tuple[str, str]]

    @property
    def image_facts(self) -> Mapping[str, Any]:
        """What the server keeps of its image, or of that of its root volume."""
        return image_copy(self.image) if self.image is not None else (self.devices.image or {})


def create(
    ctx: RequestContext,
    request: CreateRequest,
    conductor: Conductor,
    catalogue: CatalogueCache,
    options: ApiOptions,
) -> list[Instance]:
    """Accept the request or raise why not; nothing is written by a refused one."""
    plan = _check(ctx, request, conductor, catalogue, options)
    least, most = request.counts
    for attempt in range(_QUOTA_TRIES):
        count = most
        if least < most:
            # With one possible count the conductor's own counting, in the transaction, says all there is to say.
            usage = conductor.count_usage(ctx.project_id or "")
            count = fitting_count(plan.limits, usage, plan.flavor, least, most)
        drafts = _drafts(ctx, plan, count)
        try:
            return conductor.create_instances(
                ctx,
                drafts,
                limits=plan.limits,
                order=_order(plan, drafts, options),
                also=[*([reserve(plan.asked.ports)] if plan.asked.ports else ()), *plan.devices.parts()],
            )
        except QuotaExceeded:
            if least == most or attempt == _QUOTA_TRIES - 1:
                raise
    raise AssertionError("unreachable")


def _check(
    ctx: RequestContext,
    request: CreateRequest,
    conductor: Conductor,
    catalogue: CatalogueCache,
    options: ApiOptions,
) -> _Plan:
    policy.authorize(ctx, _RULE)
    place = checks.check_place(ctx, request, conductor, options.default_schedule_zone)
    checks.check_counts(request)
    if not isinstance(request.networks, str) and request.networks:
        policy.authorize(ctx, _RULE + ":attach_network")
    flavor = checks.asked_flavor(ctx, request.flavor_ref, catalogue)
    mapping = devices.plan(ctx, request, flavor, conductor, catalogue)
    checks.check_certificates(request, mapping.volume_backed)
    image = None if mapping.volume_backed else checks.asked_image(ctx, request.image_ref, catalogue)
    checks.check_zone(place.zone, conductor)
    checks.check_user_data(request.user_data)
    asked = networks.check(ctx, request, conductor)
    keypair = checks.asked_keypair(ctx, request.key_name, conductor)
    limits = catalogue.limits(ctx.project_id or "")
    checks.check_metadata_quota(request.metadata, limits)
    files = checks.check_files(request.personality, limits)
    if image is not None:
        checks.check_sizes(ctx, flavor, image)
    properties = image.properties if image is not None else (mapping.image or {}).get("properties", {})
    group = checks.asked_group(ctx, request.scheduler_hints, conductor, request.counts[0], limits)
    image_properties.check(flavor.vcpus, flavor.extra_specs, properties)
    # Files reach the guest by the drive alone: who asks for them gets one.
    drive = bool(request.config_drive or options.force_config_drive or files)
    return _Plan(
        request=request,
        place=place,
        flavor=flavor,
        image=image,
        devices=mapping,
        keypair=keypair,
        group=group,
        asked=asked,
        limits=limits,
        config_drive=drive or properties.get("img_config_drive") == "mandatory",
        files=files,
    )


def _drafts(ctx: RequestContext, plan: _Plan, count: int) -> list[InstanceDraft]:
    request = plan.request
    reservation = reservation_id()
    drafts = []
    for index, name in enumerate(server_names(request.name, count)):
        uuid = new_uuid()
        drafts.append(
            InstanceDraft(
                name=name,
                flavor=plan.flavor.embedded(),
                uuid=uuid,
                hostname=server_hostname(request.name, index, count, uuid, request.hostname),
                description=request.description,
                image_ref=plan.image.id if plan.image else None,
                image=plan.image_facts,
                kernel_id=plan.image.properties.get("kernel_id") if plan.image else None,
                ramdisk_id=plan.image.properties.get("ramdisk_id") if plan.image else None,
                key_name=request.key_name,
                key_data=plan.keypair.embedded() if plan.keypair else None,
                user_data=request.user_data,
                metadata=dict(request.metadata),
                config_drive=plan.config_drive,
                availability_zone=checks.parse_zone(request.availability_zone)[0],
                reservation_id=reservation,
                launch_index=index,
                root_device_name=_root_device(plan),
                block_devices=plan.devices.of_one_server(),
                scheduler_hints=dict(request.scheduler_hints),
                server_group_id=plan.group.uuid if plan.group else None,
                access_ip_v4=request.access_ip_v4,
                access_ip_v6=request.access_ip_v6,
                disk_config=request.disk_config or "MANUAL",
                system_metadata=_remembered(ctx, request),
                security_groups=plan.asked.names,
                tags=tuple(dict.fromkeys(request.tags)),
            )
        )
    return drafts


def _remembered(ctx: RequestContext, request: CreateRequest) -> Mapping[str, Any]:
    """What images of the server will say of who made it (nova/compute/api.py), and which certificates it trusts."""
    remembered: dict[str, Any] = {
        "boot_roles": ",".join(sorted(ctx.all_roles)),
        "owner_user_name": ctx.user_name,
        "owner_project_name": ctx.project_name,
    }
    if request.trusted_image_certificates:
        remembered[TRUSTED_CERTS] = list(request.trusted_image_certificates)
    return remembered


def image_copy(image: Image) -> Mapping[str, Any]:
    """What a server keeps of its image, so that the image may go."""
    return {
        "id": image.id,
        "name": image.name,
        "disk_format": image.disk_format,
        "container_format": image.container_format,
        "min_disk": image.min_disk,
        "min_ram": image.min_ram,
        "size": image.size,
        "properties": dict(image.properties),
    }


def _root_device(plan: _Plan) -> str:
    properties = plan.image_facts.get("properties") or {}
    bus = next((row.disk_bus for row in plan.devices.rows or () if row.is_root), None) or properties.get("hw_disk_bus")
    return properties.get("root_device_name") or _ROOT_DEVICE.get(bus or "", "/dev/vda")


def _order(plan: _Plan, drafts: list[InstanceDraft], options: ApiOptions) -> OrderDraft:
    """The conductor's order: what the scheduler and the host need beyond the rows."""
    place = plan.place
    forced_one = bool(place.force_host) or bool(place.force_node)
    return OrderDraft(
        "schedule_and_build",
        None,
        {
            "uuids": [draft.uuid for draft in drafts],
            "zone": place.zone,
            "force_hosts": [place.force_host] if place.force_host else [],
            "force_nodes": [place.force_node] if place.force_node else [],
            "destination": list(place.destination) if place.destination else None,
            "networks": plan.asked.networks,
            **({"volumes": True} if plan.devices.has_volumes else {}),
            **({"security_groups": plan.asked.groups} if plan.asked.groups is not None else {}),
            # Only the config drive has these; they are kept nowhere else.
            **({"admin_password": plan.request.admin_password} if plan.config_drive else {}),
            **({"injected_files": [list(file) for file in plan.files]} if plan.files else {}),
            # Exactly one forced host or node, or one attempt, means no other try (scheduler/utils.py populate_retry).
            "retry": options.max_attempts > 1 and not forced_one,
        },
    )
