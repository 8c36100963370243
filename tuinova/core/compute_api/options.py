"""The options that the compute API reads, by Nova's names."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ApiOptions:
    """Groups `[DEFAULT]` and `[api]` as far as requests depend on them."""

    password_length: int = 12
    force_config_drive: bool = False
    default_availability_zone: str = "nova"
    default_schedule_zone: str | None = None
    max_attempts: int = 3
    service_down_time: int = 60
    reclaim_instance_interval: int = 0
