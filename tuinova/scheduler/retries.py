"""How often a server is tried (nova/scheduler/utils.py populate_retry)."""

from __future__ import annotations

from tuinova.core.errors import MaxRetriesExceeded
from tuinova.scheduler.options import SchedulerOptions
from tuinova.scheduler.request import RequestSpec


def retries_enabled(spec: RequestSpec, options: SchedulerOptions) -> bool:
    """Whether a failed try is followed by another: not when only one is allowed or one host is forced."""
    return options.max_attempts > 1 and len(spec.force_hosts) != 1 and len(spec.force_nodes) != 1


def alternates_wanted(options: SchedulerOptions) -> int:
    """How many hosts to keep beside the chosen one."""
    return max(0, options.max_attempts - 1)


def check_attempt(attempt: int, instance_uuid: str, options: SchedulerOptions, last_error: str = "") -> None:
    """Refuse a try beyond the last that is allowed; `attempt` counts from 1.

    Raises:
        MaxRetriesExceeded: `[scheduler] max_attempts` tries were made.
    """
    if attempt > options.max_attempts:
        reason = (
            f"Exceeded max scheduling attempts {options.max_attempts} for instance {instance_uuid}. "
            f"Last exception: {last_error}"
        )
        raise MaxRetriesExceeded(reason=reason)
