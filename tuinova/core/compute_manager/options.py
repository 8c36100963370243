"""The options that a compute host reads, by Nova's names (nova/conf/compute.py, nova/conf/service.py)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ComputeOptions:
    """Times in seconds; an interval of 0 is Nova's default of 60 s, a negative one turns the duty off."""

    shutdown_timeout: int = 60
    shutdown_retry_interval: int = 10
    resume_guests_state_on_host_boot: bool = True
    dhcp_domain: str = "novalocal"
    handle_virt_lifecycle_events: bool = True
    stopped_event_delay: float = 15.0
    sync_power_state_interval: int = 600
    update_resources_interval: int = 0
    running_deleted_instance_action: str = "reap"
    running_deleted_instance_poll_interval: int = 1800
    running_deleted_instance_timeout: int = 0
    instance_build_timeout: int = 0
    rescue_timeout: int = 0
    shelved_offload_time: int = 0
    shelved_poll_interval: int = 3600
    reclaim_instance_interval: int = 0
    instance_delete_interval: int = 300
    maximum_instance_delete_attempts: int = 5
    image_cache_manager_interval: int = 2400
    # Ours: guests that tuinova made and of which this service has no record at all.
    reap_orphans: bool = False
    disable_group_policy_check_upcall: bool = False
    max_attempts: int = 3
    allow_resize_to_same_host: bool = True
    resize_confirm_window: int = 0
    cpu_allocation_ratio: float = 4.0
    ram_allocation_ratio: float = 1.0
    disk_allocation_ratio: float = 1.0
    reserved_host_cpus: int = 0
    reserved_host_memory_mb: int = 512
    reserved_host_disk_mb: int = 0

    def stop_timeout(self, image_properties: dict[str, str]) -> int:
        """How long a guest gets to shut down by itself; the image property os_shutdown_timeout wins."""
        value = image_properties.get("os_shutdown_timeout")
        if value is None:
            return self.shutdown_timeout
        try:
            return max(0, int(value))
        except ValueError:
            return self.shutdown_timeout


def spacing(interval: int, default: float = 60.0) -> float | None:
    """Seconds between two runs of a duty: 0 means the default, None that it is off."""
    if interval < 0:
        return None
    return float(interval) if interval else default
