"""The periodic duties of a host: one row each (Nova's periodic tasks, with its option names)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tuinova.core.compute_manager import (
    evacuate,
    image_cache,
    networks,
    orphans,
    powersync,
    recovery,
    resources,
    timeouts,
    unconfirmed,
)
from tuinova.core.compute_manager.context import Compute
from tuinova.core.compute_manager.health import Health
from tuinova.core.compute_manager.options import ComputeOptions, spacing

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Duty:
    """What is done every so many seconds (None: never); `asks`: it waits while the hypervisor is away."""

    name: str
    every: float | None
    call: Callable[[Compute], object]
    asks: bool = True


def duties(options: ComputeOptions) -> Iterator[Duty]:
    """The duties that these options ask for."""
    yield Duty("resources", spacing(options.update_resources_interval), resources.update_available_resource)
    yield Duty("power sync", spacing(options.sync_power_state_interval, 600.0), powersync.sync_all)
    yield Duty("leftovers", spacing(options.running_deleted_instance_poll_interval), orphans.reap)
    yield Duty("pending deletes", spacing(options.instance_delete_interval), orphans.finish_deletes)
    yield Duty("image cache", spacing(options.image_cache_manager_interval), image_cache.age)
    yield Duty("health", 30.0, Health().look)
    yield Duty("networks", 30.0, networks.try_again)
    yield Duty("evacuated servers", 60.0, evacuate.remove_when_up)
    yield Duty("stray orders", 60.0, recovery.pick_up_strays)
    for name, wanted, every, call in (
        ("unconfirmed resizes", options.resize_confirm_window, 60.0, unconfirmed.confirm_old_resizes),
        ("stuck builds", options.instance_build_timeout, 60.0, resources.fail_stuck_builds),
        ("old rescues", options.rescue_timeout, 60.0, timeouts.unrescue_old),
        ("deferred deletes", options.reclaim_instance_interval, 60.0, timeouts.reclaim_old),
        ("shelved servers", options.shelved_offload_time, spacing(options.shelved_poll_interval), timeouts.offload_old),
    ):
        if wanted > 0:
            yield Duty(name, every, call, asks=False)
