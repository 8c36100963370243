"""500: what goes wrong inside the engine and ends as a fault of a server."""

from __future__ import annotations

from tuinova.core.errors.base import NovaError
from tuinova.core.errors.invalid import Invalid


class NoValidHost(NovaError):
    """No host passed (nova/exception.py NoValidHost); the reason may be empty, the trailing blank is Nova's."""

    msg_fmt = "No valid host was found. {reason}"

    def __init__(self, message: str | None = None, *, reason: str = "") -> None:
        super().__init__(message, reason=reason)


class MaxRetriesExceeded(NoValidHost):
    """Every try and every alternate failed."""

    msg_fmt = "Exceeded maximum number of retries. {reason}"

    @classmethod
    def after(cls, attempts: int, uuid: str, last_error: str) -> MaxRetriesExceeded:
        """So many attempts have failed (nova/scheduler/utils.py populate_retry)."""
        return cls(
            reason=f"Exceeded max scheduling attempts {attempts} for instance {uuid}. Last exception: {last_error}"
        )


class SchedulerHostFilterNotFound(NovaError):
    """An unknown filter in the configuration."""

    msg_fmt = "Scheduler Host Filter {filter_name} could not be found."


class UnsupportedPolicyException(Invalid):
    """A server group policy whose filter is not enabled."""

    msg_fmt = "ServerGroup policy is not supported: {reason}"


class ComputeResourcesUnavailable(NovaError):
    """A host-side claim that failed: the build goes to the next host."""

    msg_fmt = "Insufficient compute resources: {reason}."


class BuildAbortException(NovaError):
    """A build failure that no other host would cure."""

    msg_fmt = "Build of instance {instance_uuid} aborted: {reason}"


class NoMoreFixedIps(NovaError):
    """The network has no free address."""

    msg_fmt = "No fixed IP addresses available for network: {net}"


class FixedIpInUse(NovaError):
    """The address that a running guest would bring along is somebody else's there."""

    msg_fmt = "Fixed IP address {address} is already in use on host {host}."


class InstancePowerOffFailure(NovaError):
    """The hypervisor did not power the guest off."""

    msg_fmt = "Failed to power off instance: {reason}"


class InstancePowerOnFailure(NovaError):
    """The hypervisor did not power the guest on."""

    msg_fmt = "Failed to power on instance: {reason}."


class InternalError(NovaError):
    """A hypervisor error in its own words."""

    msg_fmt = "{err}"


class InvalidConfig(NovaError):
    """A configuration file that can't be read as one."""

    msg_fmt = "{reason}"


class StateDirectoryLocked(NovaError):
    """A second service on one state directory."""

    msg_fmt = "Another tuinova service (pid {pid}) has the state directory {path}: stop it, or set TUINOVA_STATE_DIR."


class DatabaseTooNew(NovaError):
    """A database written by a newer version."""

    msg_fmt = (
        "The database is at schema {found}, this version knows up to {known}: use the newer tuinova that wrote it."
    )


class ResizeError(NovaError):
    """A resize or migration that was rolled back before the guest was touched."""

    msg_fmt = "Resize error: {reason}"


class InstanceNotRescuable(NovaError):
    """A rescue that can't be done, at once or in the driver."""

    code = 400
    msg_fmt = "Instance {instance_id} cannot be rescued: {reason}"


class InstancePasswordSetFailed(NovaError):
    """The guest's agent did not set the password."""

    msg_fmt = "Failed to set admin password on {instance} because {reason}"


class SetAdminPasswdNotSupported(NovaError):
    """The hypervisor can't set passwords of this guest."""

    msg_fmt = "The requested operation set admin password is not supported"


class QemuGuestAgentNotEnabled(NovaError):
    """No agent in the guest, or its image does not say that it has one."""

    msg_fmt = "QEMU guest agent is not enabled"


class TriggerCrashDumpNotSupported(NovaError):
    """The hypervisor has no interrupt to give."""

    msg_fmt = "Triggering crash dump is not supported"


class UnshelveException(NovaError):
    """A shelved server whose image is gone."""

    msg_fmt = "Error during unshelve instance {instance_id}: {reason}"


class DeviceDetachFailed(NovaError):
    """The guest does not let go of a device."""

    msg_fmt = "Device detach failed for {device}: {reason}"
