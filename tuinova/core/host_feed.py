"""What the scheduler knows of the hosts, kept current from the conductor instead of being read for each request."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from tuinova.core.block_devices import is_volume_backed
from tuinova.core.conductor import Conductor
from tuinova.core.errors import ChangesTrimmed, MigrationNotFound, ServerGroupNotFound
from tuinova.core.records import Change, ComputeNode, Instance, Service
from tuinova.scheduler import (
    AggregateInfo,
    Amounts,
    FilterScheduler,
    FlavorSpec,
    GroupSpec,
    HostRecord,
    HostTable,
    RequestSpec,
    SchedulerOptions,
    ServiceInfo,
)

LOG = logging.getLogger(__name__)

COMPUTE = "nova-compute"
_BATCH = 1000
# A server in one of these that is on no host, and about to be on none, holds nothing (words of the feed's row views).
_ON_NO_HOST, _NO_TASK = '"host":null', '"task_state":null'
_HOSTLESS = ('"vm_state":"error"', '"vm_state":"shelved_offloaded"')


class HostFeed:
    """The scheduler over a table that follows the change feed.

    Claims are counted in the table by the scheduler itself; deletes, failed builds and what operators change come from
    the feed, looked at before each decision.
    """

    def __init__(
        self, conductor: Conductor, options: SchedulerOptions, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._conductor = conductor
        self._lock = threading.Lock()
        self._since = 0
        self._zones: dict[str, str] = {}
        self._aggregates: dict[str, list[AggregateInfo]] = {}
        self._default_zone = options.default_availability_zone
        self._failing: set[tuple[str, str]] = set()
        self.table = HostTable()
        self._scheduler = FilterScheduler(options, self.table, clock)
        self.load()

    def load(self) -> None:
        """Read everything anew."""
        with self._lock:
            # Taken first: a change that comes while we read is looked at once more, never missed.
            self._since = self._conductor.last_change()
            held: dict[tuple[str, str], dict[str, Amounts]] = {}
            for allocation in self._conductor.allocations():
                amounts = Amounts(
                    allocation.vcpus, allocation.memory_mb, allocation.disk_gb, tuple(sorted(allocation.others.items()))
                )
                held.setdefault((allocation.host, allocation.node), {})[allocation.consumer] = amounts
            nodes = self._conductor.nodes()
            self._failing = {(node.host, node.hypervisor_hostname) for node in nodes if node.failed_builds}
            self._load_services()
            self._load_aggregates()
            self.table.load(record_of(node, held.get((node.host, node.hypervisor_hostname), {})) for node in nodes)
            present = {(node.host, node.hypervisor_hostname) for node in nodes}
            for host, name in self.table.hosts():
                if (host, name) not in present:
                    self.table.remove(host, name)

    def scheduler(self) -> FilterScheduler:
        """Ready to decide, with what has been committed by now."""
        self.catch_up()
        return self._scheduler

    def catch_up(self) -> None:
        """Look at what changed since the last time."""
        try:
            with self._lock:
                while changes := self._conductor.changes(self._since, _BATCH):
                    self._since = changes[-1].id
                    self._apply(changes)
        except ChangesTrimmed:
            self.load()

    def _apply(self, changes: Sequence[Change]) -> None:
        kinds = {change.kind for change in changes}
        for change in changes:
            if change.kind == "server" and _holds_nothing(change):
                self.table.release(None, change.key)
        # With a move's record its allocations may have changed hands.
        for uuid in {change.key for change in changes if change.kind == "migration"}:
            self._recount_move(uuid)
        if "service" in kinds:
            self._load_services()
        if "aggregate" in kinds:
            self._load_aggregates()
        if "node" in kinds:
            for node in self._conductor.nodes():
                self.table.upsert(record_of(node, None))

    def _load_services(self) -> None:
        for service in self._conductor.services():
            if service.binary == COMPUTE:
                self._zones[service.host] = service.availability_zone
                self.table.set_service(service.host, service_info(service))

    def _load_aggregates(self) -> None:
        """Tell the table of each host whose aggregates are others than it knows."""
        found: dict[str, list[AggregateInfo]] = {}
        aggregates = self._conductor.aggregates()
        for aggregate in aggregates:
            info = AggregateInfo(aggregate.id, aggregate.name, aggregate.availability_zone, aggregate.metadata)
            for host in aggregate.hosts:
                found.setdefault(host, []).append(info)
        for host in found.keys() | self._aggregates.keys():
            if found.get(host) != self._aggregates.get(host):
                self.table.set_aggregates(host, found.get(host, ()))
        self._aggregates = found
        self.table.declare_zones(zone for aggregate in aggregates if (zone := aggregate.availability_zone))

    def request_spec(
        self, instances: Sequence[Instance], args: Mapping[str, Any], tried: Sequence[tuple[str, str]]
    ) -> RequestSpec:
        """What is asked for servers of one request (they differ in nothing that the scheduler looks at)."""
        first = instances[0]
        flavor = first.flavor
        destination = args.get("destination")
        return RequestSpec(
            instance_uuids=tuple(instance.uuid for instance in instances),
            project_id=first.project_id,
            user_id=first.user_id,
            flavor=FlavorSpec(
                name=str(flavor["name"]),
                memory_mb=int(flavor["memory_mb"]),
                vcpus=int(flavor["vcpus"]),
                root_gb=int(flavor.get("root_gb", 0)),
                ephemeral_gb=int(flavor.get("ephemeral_gb", 0)),
                swap_mb=int(flavor.get("swap", 0)),
                extra_specs=flavor.get("extra_specs") or {},
            ),
            volume_backed=is_volume_backed(first),
            image_id=first.image_ref,
            image_properties=first.image.get("properties") or {},
            image_disk_format=first.image.get("disk_format"),
            availability_zone=args.get("zone"),
            force_hosts=tuple(args.get("force_hosts") or ()),
            force_nodes=tuple(args.get("force_nodes") or ()),
            ignore_hosts=(*self._used_up(tried), *(args.get("ignore_hosts") or ())),
            requested_destination=(destination[0], destination[1]) if destination else None,
            scheduler_hints=first.scheduler_hints,
            group=self._group(first),
            tried=tuple(tried),
        )

    def _used_up(self, tried: Sequence[tuple[str, str]]) -> tuple[str, ...]:
        """The hosts whose every node was tried."""
        if not tried:
            return ()
        left = {host for host, node in self.table.hosts() if (host, node) not in tried}
        return tuple({host for host, _node in tried} - left)

    def _group(self, instance: Instance) -> GroupSpec | None:
        """The server's group without itself: where it is now speaks neither for nor against a host."""
        if instance.server_group_id is None:
            return None
        try:
            group = self._conductor.server_group(instance.server_group_id)
        except ServerGroupNotFound:
            return None
        return GroupSpec(
            uuid=group.uuid,
            policy=group.policy,
            max_server_per_host=int(group.rules.get("max_server_per_host", 1)),
            members=frozenset(group.members) - {instance.uuid} if instance.host else frozenset(group.members),
            hosts=_without_one(group.hosts, instance.host),
        )

    def zone_of(self, host: str) -> str:
        """The availability zone of a host."""
        return self._zones.get(host, self._default_zone)

    def heartbeat(self, host: str) -> None:
        """A host was heard of just now."""
        self.table.heartbeat(host, self._scheduler.clock())

    def released(self, uuid: str) -> None:
        """A server holds nothing any more."""
        self.table.release(None, uuid)

    def _recount_move(self, uuid: str) -> None:
        """Count what a move and its server hold as the conductor does."""
        try:
            instance_uuid = self._conductor.migration(uuid).instance_uuid
        except MigrationNotFound:
            return
        for consumer in (uuid, instance_uuid):
            self.table.release(None, consumer)
            held = self._conductor.allocation(consumer)
            if held is not None:
                amounts = Amounts(held.vcpus, held.memory_mb, held.disk_gb, tuple(sorted(held.others.items())))
                self.table.consume((held.host, held.node), amounts, consumer, building=False)

    def build_ended(self, host: str, node: str, uuid: str, succeeded: bool) -> None:
        """A build ended: its I/O is over; failures weigh against the host until a build succeeds again."""
        self.table.build_finished((host, node), uuid, succeeded=succeeded)
        place = (host, node)
        if succeeded and place not in self._failing:
            return  # the ordinary case costs no write
        self._conductor.note_build(host, node, failed=not succeeded)
        if succeeded:
            self._failing.discard(place)
        else:
            self._failing.add(place)


def record_of(node: ComputeNode, held: Mapping[str, Amounts] | None) -> HostRecord:
    """A node for the table; `held` None keeps what the table counts."""
    return HostRecord(
        host=node.host,
        node=node.hypervisor_hostname,
        vcpus=node.vcpus,
        memory_mb=node.memory_mb,
        local_gb=node.local_gb,
        hypervisor_type=node.hypervisor_type,
        hypervisor_version=node.hypervisor_version,
        host_ip=node.host_ip,
        disk_available_least=node.disk_available_least,
        cpu_allocation_ratio=node.cpu_allocation_ratio,
        ram_allocation_ratio=node.ram_allocation_ratio,
        disk_allocation_ratio=node.disk_allocation_ratio,
        reserved_host_cpus=node.reserved_host_cpus,
        reserved_host_memory_mb=node.reserved_host_memory_mb,
        reserved_host_disk_gb=node.reserved_host_disk_gb,
        cpu_info=node.cpu_info,
        supported_instances=tuple((arch, kind, mode) for arch, kind, mode in node.supported_instances),
        failed_builds=None if held is None else node.failed_builds,
        instances=held,
        foreign=Amounts(node.foreign_vcpus, node.foreign_memory_mb, node.foreign_disk_gb),
    )


def service_info(service: Service) -> ServiceInfo:
    """A service for the table, its heartbeat in seconds since the epoch."""
    return ServiceInfo(
        disabled=service.disabled,
        disabled_reason=service.disabled_reason or "",
        forced_down=service.forced_down,
        last_seen=_seconds(service.last_seen_up),
    )


def _without_one(hosts: Sequence[str], host: str | None) -> tuple[str, ...]:
    left = list(hosts)
    if host in left:
        left.remove(host)
    return tuple(left)


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def _holds_nothing(change: Change) -> bool:
    """A server that is deleted (not only put aside), or at rest on no host."""
    text = change.view_text
    if text is None:
        return change.op == "delete"
    return _ON_NO_HOST in text and _NO_TASK in text and any(state in text for state in _HOSTLESS)
