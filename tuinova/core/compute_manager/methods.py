"""The methods of a compute host: every work order names one of these rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from tuinova.core.compute_manager import build, pause, power, terminate
from tuinova.core.compute_manager.context import Compute
from tuinova.core.compute_manager.work import Work, run
from tuinova.core.records import WorkOrder
from tuinova.rpc.local import BUILD, PATIENT

BUILD_METHOD = "build_instance"

WORKS: Mapping[str, Work] = {
    "start_instance": power.START,
    "stop_instance": power.STOP,
    "reboot_instance": power.REBOOT,
    "pause_instance": pause.PAUSE,
    "unpause_instance": pause.UNPAUSE,
    "suspend_instance": pause.SUSPEND,
    "resume_instance": pause.RESUME,
    "terminate_instance": terminate.TERMINATE,
}

KINDS: Mapping[str, str] = {BUILD_METHOD: BUILD, "stop_instance": PATIENT, "reboot_instance": PATIENT}

METHODS: Mapping[str, Callable[[Compute, WorkOrder], None]] = {
    BUILD_METHOD: build.build,
    **{name: partial(run, work) for name, work in WORKS.items()},
}
