"""Records of servers and what is written about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tuinova.core.states import VmState, server_status

JsonDict = dict[str, Any]
# In system_metadata: what a server was before a suspend or a move, and is again afterwards.
OLD_VM_STATE = "old_vm_state"
TRUSTED_CERTS = "trusted_certs"  # ids of the certificates that its image may be signed with
# Statuses of a migration that is over, or that waits only for its old host to come back.
MIGRATION_ENDS = frozenset({"confirmed", "reverted", "error", "failed", "completed", "cancelled", "done"})


@dataclass(frozen=True, slots=True)
class Instance:
    """A server (nova/objects/instance.py); `name` is the display name, `instance_name` the guest's on its host.

    `flavor` is the server's own copy: id, name, memory_mb, vcpus, root_gb, ephemeral_gb, swap, rxtx_factor,
    extra_specs, is_public, disabled, description. `image`: name, disk_format, min_disk, min_ram, size, properties.
    `addresses`: port_id, network, mac, address, version, type of each port. `version` is the number of the server's
    last change, so what is made of a record can be kept under (uuid, version). `task_progress`: what the task has done
    so far (`what`, `done`, `total`, both in bytes), None where nothing is known. `block_devices` is the block device
    mapping as `core.block_devices` reads it; None where it is only what image and flavor say.
    """

    id: int
    uuid: str
    name: str
    project_id: str
    user_id: str
    vm_state: str
    flavor: JsonDict
    created_at: datetime
    hostname: str = ""
    description: str | None = None
    task_state: str | None = None
    power_state: int = 0
    progress: int = 0
    updated_at: datetime | None = None
    launched_at: datetime | None = None
    terminated_at: datetime | None = None
    deleted_at: datetime | None = None
    deleted: bool = False
    host: str | None = None
    node: str | None = None
    availability_zone: str | None = None
    pinned_availability_zone: str | None = None
    image_ref: str | None = None
    image: JsonDict = field(default_factory=dict)
    kernel_id: str | None = None
    ramdisk_id: str | None = None
    key_name: str | None = None
    key_data: JsonDict | None = None
    user_data: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    system_metadata: JsonDict = field(default_factory=dict)
    config_drive: bool = False
    locked_by: str | None = None
    locked_reason: str | None = None
    reservation_id: str = ""
    launch_index: int = 0
    root_device_name: str | None = None
    scheduler_hints: JsonDict = field(default_factory=dict)
    server_group_id: str | None = None
    addresses: list[JsonDict] = field(default_factory=list)
    access_ip_v4: str | None = None
    access_ip_v6: str | None = None
    disk_config: str = "AUTO"
    fault: JsonDict | None = None
    security_groups: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    version: int = 0
    task_progress: JsonDict | None = None
    block_devices: list[JsonDict] | None = None

    @property
    def status(self) -> str:
        """The API's status of the server."""
        return server_status(self.vm_state, self.task_state, self.deleted)

    @property
    def locked(self) -> bool:
        """Whether somebody holds the lock."""
        return bool(self.locked_by)

    @property
    def launched(self) -> bool:
        """Whether the guest has ever run."""
        return self.launched_at is not None

    @property
    def old_vm_state(self) -> str:
        """What it was before the suspend or the move, which a resume or a revert goes back to."""
        return str(self.system_metadata.get(OLD_VM_STATE) or VmState.ACTIVE)

    @property
    def instance_name(self) -> str:
        """The guest's name on its host, from Nova's default `instance_name_template`."""
        return f"instance-{self.id:08x}"


@dataclass(frozen=True, slots=True)
class ServerGroup:
    """A server group; `members` are the uuids of its living servers, `hosts` has one entry for each placed one."""

    uuid: str
    name: str
    project_id: str
    user_id: str
    policy: str
    rules: JsonDict = field(default_factory=dict)
    members: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Migration:
    """A move of a server between hosts or flavors (nova/objects/migration.py).

    `stats`: what a live migration has moved, memory_total_bytes, memory_processed_bytes, memory_remaining_bytes and
    disk_... alike. The record's `uuid` is the consumer that holds the other side's allocation while the move lasts.
    """

    id: int
    uuid: str
    instance_uuid: str
    migration_type: str
    status: str
    created_at: datetime
    source_compute: str | None = None
    source_node: str | None = None
    dest_compute: str | None = None
    dest_node: str | None = None
    dest_host: str | None = None
    old_flavor: JsonDict | None = None
    new_flavor: JsonDict | None = None
    user_id: str | None = None
    project_id: str | None = None
    updated_at: datetime | None = None
    stats: JsonDict | None = None

    @property
    def in_progress(self) -> bool:
        """Whether the move is neither done nor given up (nova/objects/migration.py in-progress filter)."""
        return self.status not in MIGRATION_ENDS


@dataclass(frozen=True, slots=True)
class ActionEvent:
    """One step of an action; unfinished while `finish_time` is None."""

    event: str
    start_time: datetime
    finish_time: datetime | None = None
    result: str | None = None
    traceback: str | None = None
    host: str | None = None
    details: str | None = None


@dataclass(frozen=True, slots=True)
class InstanceAction:
    """One line of a server's action log; `message` is "Error" as soon as one event failed."""

    id: int
    action: str
    instance_uuid: str
    request_id: str
    user_id: str | None
    project_id: str | None
    start_time: datetime
    finish_time: datetime | None = None
    updated_at: datetime | None = None
    message: str | None = None
    events: tuple[ActionEvent, ...] = ()


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a server is in ERROR; `details` is a traceback, kept only with code 500."""

    code: int
    message: str
    created: datetime
    details: str | None = None
    host: str | None = None


@dataclass(frozen=True, slots=True)
class ScheduleTrace:
    """One decision of the scheduler about a server."""

    instance_uuid: str
    request_id: str
    at: datetime
    trace: JsonDict
