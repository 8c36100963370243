"""The contract between the compute manager and a hypervisor.

Every call is blocking and thread-safe; calls for one guest are serialised by the caller, calls for different guests run
side by side. Sizes: memory in MiB, disks in GiB (swap in MiB), as flavors have them. Any failure is a `NovaError` of
`core.errors` or a subclass of `DriverError`; nothing of the hypervisor's own library leaves this package.
Idempotence is part of the contract: after a crash the manager repeats a call, so `destroy` of what is gone, `pause` of
what is paused, `unplug` of what is unplugged succeed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from tuinova.core.errors import NotSupported
from tuinova.virt.model import (
    BootImages,
    ConnectionListener,
    ConsoleBusy,
    ConsoleSink,
    ConsoleStream,
    DriverError,
    ForeignGuest,
    GuestInfo,
    GuestNotFound,
    GuestSpec,
    HostNetwork,
    ImageFile,
    LifecycleEvent,
    LifecycleListener,
    LiveProgress,
    MigrationAborted,
    MigrationPreCheckError,
    Nic,
    NodeResources,
    Progress,
    RebootType,
)
from tuinova.virt.network_calls import NetworkCalls
from tuinova.virt.volume_calls import VolumeCalls

__all__ = [
    "BootImages",
    "ComputeDriver",
    "ConnectionListener",
    "ConsoleBusy",
    "ConsoleSink",
    "ConsoleStream",
    "DriverError",
    "ForeignGuest",
    "GuestInfo",
    "GuestNotFound",
    "GuestSpec",
    "HostNetwork",
    "ImageFile",
    "LifecycleEvent",
    "LifecycleListener",
    "LiveProgress",
    "MigrationAborted",
    "MigrationPreCheckError",
    "Nic",
    "NodeResources",
    "Progress",
    "RebootType",
]


class ComputeDriver(NetworkCalls, VolumeCalls, ABC):
    """A hypervisor. One object serves one compute host (one URI), usually with one node.

    What not every hypervisor can do raises NotSupported unless the driver says how.
    """

    host: str  # the compute host's name
    connection_name: str  # how it is reached, for people: qemu:///system, fake
    virt_type: str  # kvm, qemu or fake
    virt_type_reason: str  # why that one was chosen, a sentence for `tuinova info`

    # life ------------------------------------------------------------------------------------------------------------
    @abstractmethod
    def init_host(self, on_lifecycle: LifecycleListener, on_connection: ConnectionListener) -> None:
        """Connect, register for events, prepare networks; raises HypervisorUnavailable."""

    @abstractmethod
    def close(self) -> None:
        """Stop events and leave; guests are never touched."""

    @abstractmethod
    def warnings(self) -> Sequence[str]:
        """Sentences that an operator should read (dead /dev/kvm, virtlogd gone ...).

        Asked for now and then: what can be mended on the way is (a firewall that another program threw away).
        """

    # what is there ---------------------------------------------------------------------------------------------------
    @abstractmethod
    def list_guests(self) -> Sequence[GuestInfo]:
        """All guests that tuinova made and that the hypervisor knows."""

    @abstractmethod
    def guest_info(self, uuid: str) -> GuestInfo:
        """One guest; raises GuestNotFound."""

    @abstractmethod
    def node_resources(self) -> Sequence[NodeResources]:
        """The nodes of this host, foreign guests included."""

    @abstractmethod
    def list_networks(self) -> Sequence[HostNetwork]:
        """The networks that guests can join; the first is the default."""

    @abstractmethod
    def leftovers(self) -> Mapping[str, Sequence[str]]:
        """uuid -> what exists of it outside the list of guests ("directory", "reservation"), for finding orphans."""

    # a guest's life --------------------------------------------------------------------------------------------------
    @abstractmethod
    def spawn(self, guest: GuestSpec) -> None:
        """Image, disks, config drive, ports, definition, start; returns when RUNNING; failing leaves nothing behind."""

    @abstractmethod
    def destroy(self, guest: GuestSpec) -> None:
        """Power off at once and remove guest, disks, ports: nothing is left. What is gone already is fine."""

    @abstractmethod
    def cleanup(self, uuid: str) -> None:
        """Remove every trace of a guest of ours of which no record exists any more (by uuid alone)."""

    @abstractmethod
    def power_off(self, uuid: str, timeout: int, retry_interval: int) -> None:
        """Ask the guest to shut down for `timeout` s, anew every `retry_interval` s, then force; 0 forces at once."""

    @abstractmethod
    def power_on(self, guest: GuestSpec) -> None:
        """Start from the current definition of the server, which is written anew (as a hard reboot)."""

    @abstractmethod
    def reboot(self, guest: GuestSpec, kind: RebootType) -> RebootType:
        """Reboot; a soft one that gets no answer falls back to hard. Returns the kind that was done."""

    @abstractmethod
    def pause(self, uuid: str) -> None:
        """Freeze the virtual CPUs."""

    @abstractmethod
    def unpause(self, uuid: str) -> None:
        """Let them run."""

    @abstractmethod
    def suspend(self, uuid: str) -> None:
        """Save the memory to disk and power off."""

    @abstractmethod
    def resume(self, guest: GuestSpec) -> None:
        """Start from the saved memory."""

    @abstractmethod
    def resume_state_on_host_boot(self, guest: GuestSpec) -> None:
        """Bring a guest back that ran before the host went down; nothing when it runs, is paused or suspended."""

    # images and rescue -----------------------------------------------------------------------------------------------
    def snapshot(self, guest: GuestSpec, target: Path, disk_format: str | None, progress: Progress) -> str:
        """Write the root disk whole (no backing file) to the new file `target`; a running guest runs on.

        `disk_format` None: that of the disk. Returns the format that was written. A failure leaves no `target`; full
        disks are ImageStorageFull. What a killed process left half-made goes with the next call or `init_host`.
        """
        raise NotSupported()

    def rescue(self, guest: GuestSpec, boot: BootImages) -> None:
        """Start from a fresh disk of the rescue image; the guest's own root disk is the second one.

        The guest is off already. Repeated: again from a fresh disk. A failure leaves the guest off and as it was.
        """
        raise NotSupported()

    def unrescue(self, guest: GuestSpec) -> None:
        """Start from the guest's own disks again, the rescue's are removed; works when it is not rescued any more."""
        raise NotSupported()

    # moving to other sizes or hosts ----------------------------------------------------------------------------------
    # resize and cold migration: `migration_address` at the destination, `migrate_disk_and_power_off` at the source,
    # `finish_migration` at the destination; then `confirm_migration` at the source, or `discard_migrated` at the
    # destination and `finish_revert_migration` at the source. Source and destination may be one and the same.
    def migration_address(self) -> Mapping[str, Any]:
        """What a source needs to know to bring disks here and to migrate here alive; plain JSON."""
        raise NotSupported()

    def migrate_disk_and_power_off(
        self,
        guest: GuestSpec,
        new: GuestSpec,
        destination: Mapping[str, Any],
        timeout: int,
        retry_interval: int,
        progress: Progress,
    ) -> None:
        """Power off gracefully, set the guest's files aside (`<uuid>_resize`), copy its disks to the destination.

        `guest` is the present one, `new` what it shall become. Raises ResizeError, with nothing touched, for a disk
        that would shrink or a destination that can't be reached. Any other failure puts the files back and leaves the
        guest off. Repeated after it was done: nothing.
        """
        raise NotSupported()

    def finish_migration(self, guest: GuestSpec, *, power_on: bool) -> None:
        """Make the brought disks a guest of the new sizes: extend, define, plug; start unless it was off."""
        raise NotSupported()

    def confirm_migration(self, guest: GuestSpec, *, same_host: bool) -> None:
        """At the source: forget what was set aside, and the definition too unless the guest now lives here."""
        raise NotSupported()

    def discard_migrated(self, guest: GuestSpec) -> None:
        """At the destination: remove guest, brought disks and ports; what the source set aside stays.

        A guest that was put back, or that never went, is left alone: its disks are the only ones.
        """
        raise NotSupported()

    def finish_revert_migration(self, guest: GuestSpec, *, power_on: bool) -> None:
        """At the source: put back what was set aside, define with the old sizes, start unless it was off.

        Also rolls a half-done `migrate_disk_and_power_off` back; with nothing set aside only the power is seen to.
        """
        raise NotSupported()

    # live migration: the checks at destination and source, `pre_live_migration` at the destination, `live_migration`
    # at the source, then `post_live_migration` at the source and `..._at_destination`, or the rollback there.
    def check_can_live_migrate_destination(self, guest: GuestSpec, block_migration: bool | None) -> Mapping[str, Any]:
        """At the destination: may this guest come? Returns what the source must know (plain JSON).

        `block_migration`: copy the disks (True), share them (False), find out (None). Raises MigrationPreCheckError.
        """
        raise NotSupported()

    def check_can_live_migrate_source(self, guest: GuestSpec, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """At the source: the other half; returns `data` with what was decided. Raises MigrationPreCheckError."""
        raise NotSupported()

    def pre_live_migration(self, guest: GuestSpec, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """At the destination: files and ports for the guest that comes; returns `data` with what the source needs."""
        raise NotSupported()

    def live_migration(self, guest: GuestSpec, data: Mapping[str, Any], progress: LiveProgress) -> None:
        """At the source: move the running (or paused) guest; returns when it is at the destination.

        Raises MigrationAborted when it was aborted, another DriverError when it failed; the guest then runs on here.
        What `progress` raises aborts.
        """
        raise NotSupported()

    def live_migration_abort(self, uuid: str) -> None:
        """End a live migration that runs; raises DriverError where there is none."""
        raise NotSupported()

    def live_migration_force_complete(self, uuid: str) -> None:
        """Make a live migration that runs end soon: post-copy, or a pause of the guest until it is over."""
        raise NotSupported()

    def post_live_migration(self, guest: GuestSpec, data: Mapping[str, Any]) -> None:
        """At the source: remove what the guest left (files that are not shared, ports, definition).

        Raises DriverError, with nothing removed, when the guest is still here.
        """
        raise NotSupported()

    def post_live_migration_at_destination(self, guest: GuestSpec, data: Mapping[str, Any]) -> None:
        """At the destination: the guest is at home here, its definition is kept."""
        raise NotSupported()

    def rollback_live_migration_at_destination(self, guest: GuestSpec, data: Mapping[str, Any]) -> None:
        """At the destination: remove what `pre_live_migration` made, and a guest that only half came.

        Raises DriverError, with nothing removed, when the guest has come after all.
        """
        raise NotSupported()

    # other doings ----------------------------------------------------------------------------------------------------
    def inject_nmi(self, uuid: str) -> None:
        """A non-maskable interrupt, on which a prepared guest writes a crash dump.

        Raises TriggerCrashDumpNotSupported, InstanceNotRunning.
        """
        raise NotSupported()

    def set_admin_password(self, guest: GuestSpec, password: str) -> None:
        """Set the password of the guest's administrator through its agent; a silent agent counts as none.

        Raises SetAdminPasswdNotSupported, QemuGuestAgentNotEnabled, DriverError with the agent's words.
        """
        raise NotSupported()

    def diagnostics(self, guest: GuestSpec) -> Mapping[str, Any]:
        """Nova's diagnostics object (nova/objects/diagnostics.py), as the API shows it from 2.48; plain JSON.

        Raises InstanceNotRunning.
        """
        raise NotSupported()

    def age_image_cache(self, image_ids: Collection[str]) -> Sequence[str]:
        """Remove cached bases of images that no disk stands on, once they are old; returns their names.

        Those of `image_ids`, the images of this host's servers, are in use too. What is in use stays young.
        """
        raise NotSupported()

    def cache_image(self, image: ImageFile) -> bool:
        """Bring an image into the cache before a guest asks for it; False when it was there already.

        Raises ImageUnacceptable.
        """
        raise NotSupported()

    # console ---------------------------------------------------------------------------------------------------------
    @abstractmethod
    def console_output(self, uuid: str, all_boots: bool = False) -> bytes:
        """The console log of this boot (across rotated files), at most its last 100 KiB; raises ConsoleNotAvailable."""

    @abstractmethod
    def open_console(self, uuid: str, sink: ConsoleSink, *, force: bool = False) -> ConsoleStream:
        """Attach to the serial port; raises ConsoleBusy unless `force` (evicts the holder) or GuestNotFound."""

    @abstractmethod
    def send_keys(self, uuid: str, keys: Sequence[str]) -> None:
        """Press keys together on the guest's keyboard, by Linux names in lower case: ctrl, alt, delete."""

    @abstractmethod
    def graphics_address(self, uuid: str) -> str | None:
        """host:port of the guest's VNC display, None without one."""
