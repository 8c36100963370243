"""What goes into the conductor: drafts of new rows, steps of a server's life, filters of lists."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import Enum
from typing import Any, Final, Protocol


class Any_(Enum):
    """The type of `ANY`."""

    ANY = "any"


ANY: Final = Any_.ANY
# A task state that must be there: ANY for no check, None for "no task", a word, or a set of those.
ExpectedTask = Any_ | str | None | Collection[str | None]


class HostNetworkLike(Protocol):
    """The part of the driver's HostNetwork that address allocation reads."""

    @property
    def name(self) -> str: ...
    @property
    def mode(self) -> str: ...
    @property
    def cidr(self) -> str: ...
    @property
    def gateway(self) -> str | None: ...
    @property
    def first(self) -> str: ...
    @property
    def last(self) -> str: ...
    @property
    def dns(self) -> tuple[str, ...]: ...
    @property
    def mtu(self) -> int: ...
    @property
    def holders(self) -> Mapping[str, str]: ...
    @property
    def reserved(self) -> frozenset[str]: ...


class AmountsLike(Protocol):
    """Resources of one server; memory in MiB, disk in GiB, `others` further classes."""

    @property
    def vcpus(self) -> int: ...
    @property
    def memory_mb(self) -> int: ...
    @property
    def disk_gb(self) -> int: ...
    @property
    def others(self) -> Iterable[tuple[str, int]]: ...


def new_uuid() -> str:
    """A random uuid as text."""
    return str(uuid.uuid4())


@dataclass(frozen=True, slots=True)
class InstanceDraft:
    """A server to be created; who owns it comes from the request context.

    `availability_zone` is the one that was asked for: it pins the server.
    """

    name: str
    flavor: Mapping[str, Any]
    uuid: str = field(default_factory=new_uuid)
    hostname: str = ""
    description: str | None = None
    image_ref: str | None = None
    image: Mapping[str, Any] = field(default_factory=dict)
    kernel_id: str | None = None
    ramdisk_id: str | None = None
    key_name: str | None = None
    key_data: Mapping[str, Any] | None = None
    user_data: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    system_metadata: Mapping[str, Any] = field(default_factory=dict)
    config_drive: bool = False
    availability_zone: str | None = None
    reservation_id: str = ""
    launch_index: int = 0
    root_device_name: str | None = None
    block_devices: list[dict[str, Any]] | None = None
    scheduler_hints: Mapping[str, Any] = field(default_factory=dict)
    server_group_id: str | None = None
    access_ip_v4: str | None = None
    access_ip_v6: str | None = None
    disk_config: str = "AUTO"
    security_groups: tuple[str, ...] = ("default",)
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PortWish:
    """One port that a server shall have: on a host's own network, on one of ours, or a given one.

    `fixed`: (subnet or None, address or None) of each address that is asked for; `groups` are ids, None: the default.
    """

    network: HostNetworkLike | None = None
    network_id: str = ""
    port_id: str = ""
    fixed: tuple[tuple[str | None, str | None], ...] = ()
    tag: str | None = None
    groups: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class OrderDraft:
    """A work order to be written; `host` None is the conductor's own."""

    method: str
    host: str | None = None
    args: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MigrationDraft:
    """A move that begins; where from is the server's own host, who asked the request's context."""

    migration_type: str  # migration, resize, live-migration, evacuation
    status: str
    uuid: str = field(default_factory=new_uuid)
    new_flavor: Mapping[str, Any] | None = None
    dest_compute: str | None = None


@dataclass(frozen=True, slots=True)
class MigrationFilter:
    """Which moves; None is no filter. The newest come first."""

    instance_uuid: str | None = None
    host: str | None = None  # source or destination
    source_compute: str | None = None
    dest_compute: str | None = None
    status: Collection[str] | None = None
    migration_type: Collection[str] | None = None
    user_id: str | None = None
    project_id: str | None = None
    in_progress: bool | None = None
    changes_since: datetime | None = None
    changes_before: datetime | None = None
    limit: int | None = None
    marker: str | None = None


@dataclass(frozen=True, slots=True)
class EventStart:
    """An event of an action begins; without `request_id` it belongs to the server's newest action."""

    event: str
    request_id: str | None = None
    host: str | None = None


@dataclass(frozen=True, slots=True)
class EventFinish:
    """An event ends; `result` is Success or Error, `details` a short message."""

    event: str
    request_id: str | None = None
    result: str = "Success"
    details: str | None = None
    traceback: str | None = None
    host: str | None = None


# What the log says of an event whose action another request (a reset, a delete) put an end to.
TAKEN_AWAY: Final = "The server was taken away by another request"


@dataclass(frozen=True, slots=True)
class FaultDraft:
    """A fault to be recorded; the message is cut to 255 bytes, `details` is kept only with code 500."""

    code: int
    message: str
    details: str | None = None
    host: str | None = None


@dataclass(frozen=True, slots=True)
class QuotaLimits:
    """Nova's limits by their API names; -1 is unlimited, RAM is in MiB."""

    instances: int = 10
    cores: int = 20
    ram: int = 51200
    metadata_items: int = 128
    injected_files: int = 5
    injected_file_content_bytes: int = 10240
    injected_file_path_bytes: int = 255
    key_pairs: int = 100
    server_groups: int = 10
    server_group_members: int = 10

    def as_dict(self) -> dict[str, int]:
        """The limits by name."""
        return {name: getattr(self, name) for name in QUOTA_NAMES}


QUOTA_NAMES: Final = tuple(item.name for item in fields(QuotaLimits))


@dataclass(frozen=True, slots=True)
class VolumeFilter:
    """Which volumes; None is no filter. `properties` must all be there."""

    project_id: str | None = None
    user_id: str | None = None
    ids: Collection[str] | None = None
    name: str | None = None
    name_like: str | None = None
    status: str | None = None
    volume_type: str | None = None
    availability_zone: str | None = None
    backend: str | None = None
    bootable: bool | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    sort: tuple[tuple[str, str], ...] = ()
    limit: int | None = None
    offset: int = 0
    marker: str | None = None


@dataclass(frozen=True, slots=True)
class InstanceFilter:
    """Which servers, in which order.

    `name`, `ip`, `hostname` and the like are regular expressions (a substring where they are none); the other texts
    are exact, `None` is no filter. `deleted` None leaves deleted and soft-deleted ones out unless `changes_since`
    is given (nova/db/main/api.py instance_get_all_by_filters_sort). `task_state` ANY is no filter, None "no task".
    """

    project_id: str | None = None  # None: all projects
    user_id: str | None = None
    uuids: Collection[str] | None = None
    name: str | None = None
    hostname: str | None = None
    description: str | None = None
    ip: str | None = None
    ip6: str | None = None
    status: Collection[str] | None = None
    vm_state: Collection[str] | None = None
    task_state: Any_ | str | None = ANY
    power_state: int | None = None
    host: str | None = None
    node: str | None = None
    flavor: str | None = None
    image: str | None = None
    key_name: str | None = None
    availability_zone: str | None = None
    reservation_id: str | None = None
    server_group_id: str | None = None
    config_drive: bool | None = None
    locked: bool | None = None
    progress: int | None = None
    tags: Collection[str] | None = None  # all of them
    tags_any: Collection[str] | None = None
    not_tags: Collection[str] | None = None  # not all of them
    not_tags_any: Collection[str] | None = None  # none of them
    deleted: bool | None = None
    changes_since: datetime | None = None
    changes_before: datetime | None = None
    sort: tuple[tuple[str, str], ...] = ()  # (key, "asc" | "desc"), before Nova's created_at desc, id desc
    limit: int | None = None
    marker: str | None = None


@dataclass(frozen=True, slots=True)
class FlavorFilter:
    """Which flavors; `is_public` None is both, `project_id` adds the private ones that it may use."""

    is_public: bool | None = True
    project_id: str | None = None
    disabled: bool | None = None
    min_ram: int | None = None
    min_disk: int | None = None
    name: str | None = None
    sort_key: str = "flavorid"
    sort_dir: str = "asc"
    limit: int | None = None
    marker: str | None = None


@dataclass(frozen=True, slots=True)
class ImageFilter:
    """Which images; a text is exact, a collection means any of its texts.

    `project_id` None sees everything; a project sees its own, public ones, and shared ones that it is a member of with
    `member_status` ("all": whatever it has answered); community ones only where `visibility` asks for them, or for
    "all". `member_id` leaves only images that are shared with that project. `properties` must have these values.
    """

    project_id: str | None = None
    member_id: str | None = None
    member_status: str = "accepted"
    ids: Collection[str] | None = None
    name: str | Collection[str] | None = None
    status: str | Collection[str] | None = None
    visibility: str | None = None
    owner: str | None = None
    disk_format: str | Collection[str] | None = None
    container_format: str | Collection[str] | None = None
    checksum: str | None = None
    os_hash_value: str | None = None
    min_disk: int | None = None
    min_ram: int | None = None
    size_min: int | None = None
    size_max: int | None = None
    tags: Collection[str] = ()
    properties: Mapping[str, str] = field(default_factory=dict)
    times: Collection[tuple[str, str, datetime]] = ()  # (column, lt | lte | gt | gte | eq | neq, moment)
    os_hidden: bool | None = False
    protected: bool | None = None
    sort: tuple[tuple[str, str], ...] = (("created_at", "desc"),)
    limit: int | None = None
    marker: str | None = None
