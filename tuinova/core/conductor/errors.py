"""Refusals that only the conductor makes."""

from __future__ import annotations

from tuinova.core.errors import Conflict, NovaError


class UnexpectedTaskState(Conflict):
    """The compare-and-swap of a server's task_state was lost; Nova answers 500 here, a caller can use 409."""

    msg_fmt = "Instance {instance_uuid} is in task_state {actual}, expected {expected}"


class DatabaseUnavailable(NovaError):
    """The database did not take or give data (full disk, lost connection); nothing of the request was written."""

    code = 503
    msg_fmt = "The database is not available: {reason}"


class ConductorClosed(NovaError):
    """A call after `close`."""

    code = 503
    msg_fmt = "The service is stopping."
