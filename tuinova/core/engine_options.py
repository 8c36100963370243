"""What the configuration says to the engine's parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from tuinova.core.compute_api import ApiOptions
from tuinova.core.compute_manager import ComputeOptions
from tuinova.core.config import Config
from tuinova.core.config.scheduling import DEFAULT_FILTERS
from tuinova.core.drafts import QuotaLimits
from tuinova.core.image_import import DownloadRules
from tuinova.core.instance_metadata import SKIPPED_VERSIONS
from tuinova.core.quota_table import BY_NAME, COMPUTE, RESOURCES, names_of
from tuinova.core.vendor_data import VendorOptions
from tuinova.metadata.limits import RateLimits
from tuinova.metadata.service import MetadataOptions

_NO_LIMIT = 1_000_000


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Times in seconds."""

    compute: ComputeOptions = field(default_factory=ComputeOptions)
    api: ApiOptions = field(default_factory=ApiOptions)
    # Keyword arguments of scheduler.SchedulerOptions, which can't be imported before it is needed (numpy).
    scheduler: Mapping[str, Any] = field(default_factory=dict)
    quota: QuotaLimits = field(default_factory=QuotaLimits)
    # Of Neutron's and Cinder's resources, by name.
    other_quota: Mapping[str, int] = field(default_factory=dict)
    downloads: DownloadRules = field(default_factory=DownloadRules)
    metadata: MetadataOptions = field(default_factory=MetadataOptions)
    metadata_cache_expiration: float = 15.0
    vendor_data: VendorOptions = field(default_factory=VendorOptions)
    config_drive_skip_versions: tuple[str, ...] = SKIPPED_VERSIONS
    periodic_enable: bool = True
    report_interval: float = 10.0
    service_down_time: float = 60.0
    max_concurrent_builds: int = 10
    workers: int = 8
    # A stop waits so long for what runs: it is carried out again at the next start, but a half-built server can't be.
    stop_timeout: float = 5.0
    build_stop_timeout: float = 60.0


def options_from(config: Config) -> EngineOptions:
    """The engine's options of a configuration."""
    default = config.DEFAULT
    return EngineOptions(
        compute=_compute(config),
        api=ApiOptions(
            password_length=default.password_length,
            force_config_drive=default.force_config_drive,
            default_availability_zone=default.default_availability_zone,
            default_schedule_zone=default.default_schedule_zone,
            max_attempts=config.scheduler.max_attempts,
            service_down_time=default.service_down_time,
            reclaim_instance_interval=default.reclaim_instance_interval,
        ),
        scheduler=_scheduler(config),
        quota=QuotaLimits(**{name: config.get(*BY_NAME[name].option) for name in names_of(COMPUTE)}),
        other_quota={
            resource.name: config.get(*resource.option) for resource in RESOURCES if resource.service != COMPUTE
        },
        downloads=_downloads(config),
        metadata=MetadataOptions(config.metadata.enabled, RateLimits(**dict(config.metadata_rate_limiting))),
        metadata_cache_expiration=float(config.api.metadata_cache_expiration),
        vendor_data=VendorOptions(
            **{item.name: config.get("api", f"vendordata_{item.name}") for item in fields(VendorOptions)}
        ),
        config_drive_skip_versions=tuple(config.api.config_drive_skip_versions.split()),
        periodic_enable=default.periodic_enable,
        report_interval=float(default.report_interval),
        service_down_time=float(default.service_down_time),
        max_concurrent_builds=default.max_concurrent_builds or _NO_LIMIT,
        workers=config.tuinova.workers,
    )


def _downloads(config: Config) -> DownloadRules:
    image = config.image
    return DownloadRules(
        allow_private_addresses=image.allow_private_addresses,
        private_hosts=image.private_hosts,
        max_bytes=image.max_download_gb << 30,
        timeout=float(image.download_timeout),
        attempts=image.download_attempts,
        redirects=image.download_redirects,
        at_once=image.downloads,
    )


def _compute(config: Config) -> ComputeOptions:
    default = config.DEFAULT
    return ComputeOptions(
        shutdown_timeout=default.shutdown_timeout,
        shutdown_retry_interval=config.compute.shutdown_retry_interval,
        resume_guests_state_on_host_boot=default.resume_guests_state_on_host_boot,
        dhcp_domain=config.api.dhcp_domain or "",
        disable_group_policy_check_upcall=config.workarounds.disable_group_policy_check_upcall,
        handle_virt_lifecycle_events=config.workarounds.handle_virt_lifecycle_events,
        sync_power_state_interval=default.sync_power_state_interval,
        update_resources_interval=default.update_resources_interval,
        running_deleted_instance_action=default.running_deleted_instance_action,
        running_deleted_instance_poll_interval=default.running_deleted_instance_poll_interval,
        running_deleted_instance_timeout=default.running_deleted_instance_timeout,
        instance_build_timeout=default.instance_build_timeout,
        rescue_timeout=default.rescue_timeout,
        shelved_offload_time=default.shelved_offload_time,
        shelved_poll_interval=default.shelved_poll_interval,
        reclaim_instance_interval=default.reclaim_instance_interval,
        instance_delete_interval=default.instance_delete_interval,
        maximum_instance_delete_attempts=default.maximum_instance_delete_attempts,
        image_cache_manager_interval=config.image_cache.manager_interval,
        reap_orphans=config.tuinova.reap_orphans,
        max_attempts=config.scheduler.max_attempts,
        allow_resize_to_same_host=default.allow_resize_to_same_host,
        resize_confirm_window=default.resize_confirm_window,
        cpu_allocation_ratio=default.cpu_allocation_ratio or default.initial_cpu_allocation_ratio,
        ram_allocation_ratio=default.ram_allocation_ratio or default.initial_ram_allocation_ratio,
        disk_allocation_ratio=default.disk_allocation_ratio or default.initial_disk_allocation_ratio,
        reserved_host_cpus=default.reserved_host_cpus,
        reserved_host_memory_mb=default.reserved_host_memory_mb,
        reserved_host_disk_mb=default.reserved_host_disk_mb,
    )


def _scheduler(config: Config) -> dict[str, Any]:
    options = {**dict(config.scheduler), **dict(config.filter_scheduler)}
    filters = options["enabled_filters"]
    if len(filters) == 1 and filters[0] in ("default", "ocata"):
        options["enabled_filters"] = filters[0]
    elif tuple(filters) != DEFAULT_FILTERS:
        # Only here before the service is ready: the filters' package brings numpy.
        from tuinova.scheduler.filters import filter_names

        filter_names(filters)  # an unknown name ends the start, with the nearest one named
    return {
        **options,
        "metrics": dict(config.metrics),
        "default_availability_zone": config.DEFAULT.default_availability_zone,
        "service_down_time": config.DEFAULT.service_down_time,
    }
