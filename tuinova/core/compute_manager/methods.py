"""The methods of a compute host: every work order names one of these rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from tuinova.core.compute_manager import (
    agent,
    build,
    deferred,
    evacuate,
    image_cache,
    interfaces,
    live,
    networks,
    pause,
    power,
    rebuild,
    rescue,
    resize,
    shelve,
    snapshot,
    terminate,
    volumes,
)
from tuinova.core.compute_manager.aside import Aside, run_aside
from tuinova.core.compute_manager.context import Compute
from tuinova.core.compute_manager.work import Work, run
from tuinova.core.conductor.network_orders import APPLY
from tuinova.core.records import WorkOrder
from tuinova.rpc.local import BUILD, EXPRESS, LONG, PATIENT

BUILD_METHOD = "build_instance"
# Its lane is the image's: it is the one order that is about no server.
CACHE_METHOD = "cache_image"

WORKS: Mapping[str, Work] = {
    "start_instance": power.START,
    "stop_instance": power.STOP,
    "reboot_instance": power.REBOOT,
    "pause_instance": pause.PAUSE,
    "unpause_instance": pause.UNPAUSE,
    "suspend_instance": pause.SUSPEND,
    "resume_instance": pause.RESUME,
    "terminate_instance": terminate.TERMINATE,
    **resize.WORKS,
    **live.WORKS,
    **evacuate.WORKS,
    **snapshot.WORKS,
    **rescue.WORKS,
    **rebuild.WORKS,
    **shelve.WORKS,
    **deferred.WORKS,
    **agent.WORKS,
    **volumes.WORKS,
    **interfaces.WORKS,
}

# Carried out whatever the server's state was reset to.
GOES_ON = frozenset(name for name, work in WORKS.items() if work.goes_on)

ASIDES: Mapping[str, Aside] = {**resize.ASIDES, **live.ASIDES, **volumes.ASIDES}

KINDS: Mapping[str, str] = {
    BUILD_METHOD: BUILD,
    CACHE_METHOD: LONG,
    "stop_instance": PATIENT,
    "reboot_instance": PATIENT,
    "resize_instance": LONG,
    "finish_resize": BUILD,
    "evacuate_instance": BUILD,
    "live_migration": LONG,
    "live_migration_abort": EXPRESS,
    "live_migration_force_complete": EXPRESS,
    "snapshot_instance": LONG,
    "backup_instance": LONG,
    "shelve_instance": LONG,
    "shelve_offload_instance": PATIENT,
    "rescue_instance": PATIENT,
    "rebuild_instance": BUILD,
    "unshelve_instance": BUILD,
    "attach_volume": PATIENT,
    "attach_interface": PATIENT,
    "detach_interface": PATIENT,
    "detach_volume": PATIENT,
    "snapshot_attached_volume": LONG,
}

METHODS: Mapping[str, Callable[[Compute, WorkOrder], None]] = {
    BUILD_METHOD: build.build,
    CACHE_METHOD: image_cache.cache,
    **{name: partial(run, work) for name, work in WORKS.items()},
    **{name: partial(run_aside, aside) for name, aside in ASIDES.items()},
    APPLY: networks.apply,
}
