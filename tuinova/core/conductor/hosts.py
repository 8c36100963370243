"""Services and their heartbeats, hypervisor nodes, aggregates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Protocol

from sqlalchemy import Connection, and_, bindparam, case, delete, func, insert, or_, select, update

from tuinova.core.conductor.base import Base
from tuinova.core.conductor.transaction import Tx
from tuinova.core.drafts import new_uuid
from tuinova.core.errors import ComputeHostNotFound, ServiceHostsInstances, ServiceNotFound
from tuinova.core.models import AggregateHost as AggregateHostTable
from tuinova.core.models import AggregateMetadata as AggregateMetadataTable
from tuinova.core.models import ComputeNode as NodeTable
from tuinova.core.models import Instance as InstanceTable
from tuinova.core.models import Service as ServiceTable
from tuinova.core.records import ComputeNode, Service
from tuinova.core.states import REBUILD_TASKS, TaskState, VmState

_S = ServiceTable.__table__  # type: ignore[attr-defined]
_N = NodeTable.__table__  # type: ignore[attr-defined]
_I = InstanceTable.__table__  # type: ignore[attr-defined]
_AH = AggregateHostTable.__table__  # type: ignore[attr-defined]
_AM = AggregateMetadataTable.__table__  # type: ignore[attr-defined]

INTERNAL_ZONE = "internal"
COMPUTE = "nova-compute"
_SERVICE_FIELDS = tuple(item.name for item in fields(Service) if item.name != "availability_zone")
_SERVICES = select(*(_S.c[name] for name in _SERVICE_FIELDS)).order_by(_S.c.id)
_SERVICE = _SERVICES.where(_S.c.host == bindparam("host"), _S.c.binary == bindparam("binary"))
# A thousand hosts ask for their own at the start, so what is not wanted must not be read.
_SERVICES_BY = {
    frozenset(names): _SERVICES.where(*(_S.c[name] == bindparam(name) for name in names))
    for names in ((), ("host",), ("binary",), ("host", "binary"))
}
_SERVICE_BY_UUID = _SERVICES.where(_S.c.uuid == bindparam("uuid"))
_BEAT = update(_S).where(_S.c.id == bindparam("_id")).values(last_seen_up=bindparam("v_last_seen_up"))
_DELETE_SERVICE = delete(_S).where(_S.c.uuid == bindparam("uuid"))
_AGGREGATES_WITH = select(_AH.c.aggregate_id).where(_AH.c.host == bindparam("host"))
_SERVERS_ON = select(func.count(_I.c.id)).where(_I.c.host == bindparam("host"), _I.c.deleted.is_(False))
_ZONES = (
    select(_AH.c.host, _AM.c.value)
    .join(_AM, _AM.c.aggregate_id == _AH.c.aggregate_id)
    .where(_AM.c.key == "availability_zone")
    .order_by(_AH.c.aggregate_id)
)

_COUNTS = ("running_vms", "current_workload", "num_io_ops")
_NODE_FIELDS = tuple(item.name for item in fields(ComputeNode) if item.name not in _COUNTS)
_NODES = select(*(_N.c[name] for name in _NODE_FIELDS)).order_by(_N.c.host, _N.c.hypervisor_hostname)
_NODE = _NODES.where(_N.c.host == bindparam("host"), _N.c.hypervisor_hostname == bindparam("node"))
_DELETE_NODE = delete(_N).where(_N.c.host == bindparam("host"), _N.c.hypervisor_hostname == bindparam("node"))
_BUILD_FAILED = (
    update(_N)
    .where(_N.c.host == bindparam("_host"), _N.c.hypervisor_hostname == bindparam("_node"))
    .values(failed_builds=_N.c.failed_builds + 1)
)
_BUILD_SUCCEEDED = (
    update(_N)
    .where(_N.c.host == bindparam("_host"), _N.c.hypervisor_hostname == bindparam("_node"), _N.c.failed_builds > 0)
    .values(failed_builds=0)
)
# nova/compute/resource_tracker.py and stats.py: what counts as I/O work of a host.
_IO_TASKS = sorted(
    {
        TaskState.RESIZE_PREP,
        TaskState.RESIZE_MIGRATING,
        TaskState.IMAGE_SNAPSHOT,
        TaskState.IMAGE_BACKUP,
        TaskState.RESCUING,
        TaskState.UNSHELVING,
        *REBUILD_TASKS,
    }
)
_busy_io = or_(_I.c.vm_state == VmState.BUILDING.value, _I.c.task_state.in_([task.value for task in _IO_TASKS]))
_LOAD = (
    select(
        _I.c.host,
        _I.c.node,
        func.count(_I.c.id),
        func.sum(case((_I.c.task_state.is_not(None), 1), else_=0)),
        func.sum(case((_busy_io, 1), else_=0)),
    )
    .where(and_(_I.c.deleted.is_(False), _I.c.host.is_not(None)))
    .group_by(_I.c.host, _I.c.node)
)
_POLICY = (
    "cpu_allocation_ratio",
    "ram_allocation_ratio",
    "disk_allocation_ratio",
    "reserved_host_cpus",
    "reserved_host_memory_mb",
    "reserved_host_disk_gb",
)
_SILENT = ("updated_at", "uptime")  # what may differ without being worth a change


class ResourcesLike(Protocol):
    """The part of the driver's NodeResources that is kept."""

    @property
    def node(self) -> str: ...
    @property
    def hypervisor_type(self) -> str: ...
    @property
    def hypervisor_version(self) -> int: ...
    @property
    def host_ip(self) -> str | None: ...
    @property
    def vcpus(self) -> int: ...
    @property
    def memory_mb(self) -> int: ...
    @property
    def local_gb(self) -> int: ...
    @property
    def disk_available_least(self) -> int | None: ...
    @property
    def cpu_info(self) -> Mapping[str, Any]: ...
    @property
    def supported_instances(self) -> Any: ...
    @property
    def foreign(self) -> Any: ...
    @property
    def uptime(self) -> str: ...


def _zones(connection: Connection) -> dict[str, str]:
    zones: dict[str, str] = {}
    for host, zone in connection.execute(_ZONES):
        zones.setdefault(host, zone)
    return zones


def _node_values(resources: ResourcesLike, policy: Mapping[str, Any]) -> dict[str, Any]:
    foreign = [
        {
            "uuid": guest.uuid,
            "name": guest.name,
            "state": int(guest.state),
            "memory_mb": guest.memory_mb,
            "vcpus": guest.vcpus,
            "disk_gb": guest.disk_gb,
        }
        for guest in resources.foreign
    ]
    return {
        "hypervisor_type": resources.hypervisor_type,
        "hypervisor_version": resources.hypervisor_version,
        "host_ip": resources.host_ip,
        "vcpus": resources.vcpus,
        "memory_mb": resources.memory_mb,
        "local_gb": resources.local_gb,
        "disk_available_least": resources.disk_available_least,
        "cpu_info": dict(resources.cpu_info),
        "supported_instances": [list(entry) for entry in resources.supported_instances],
        "foreign": foreign,
        "foreign_vcpus": sum(guest["vcpus"] for guest in foreign),
        "foreign_memory_mb": sum(guest["memory_mb"] for guest in foreign),
        "foreign_disk_gb": sum(guest["disk_gb"] for guest in foreign),
        "uptime": resources.uptime,
        **policy,
    }


class Hosts(Base):
    """The conductor's calls about services and nodes."""

    default_availability_zone: str

    def _service(self, row: Any, zones: Mapping[str, str]) -> Service:
        values = row._mapping
        compute = values["binary"] == COMPUTE
        zone = zones.get(values["host"], self.default_availability_zone) if compute else INTERNAL_ZONE
        return Service(**values, availability_zone=zone)

    # services --------------------------------------------------------------------------------------------------------
    def register_service(self, host: str, binary: str = COMPUTE, topic: str = "compute") -> Service:
        """The service of a host, made enabled when it is new; it counts as seen now."""

        def job(tx: Tx) -> Service:
            row = tx.first(_SERVICE, {"host": host, "binary": binary})
            if row is None:
                values = {"uuid": new_uuid(), "host": host, "binary": binary, "topic": topic}
                tx.run(insert(_S), {**values, "created_at": tx.now, "last_seen_up": tx.now})
            else:
                tx.run(_BEAT, {"_id": row.id, "v_last_seen_up": tx.now})
            tx.change("service", "update", host)
            return self._service(tx.first(_SERVICE, {"host": host, "binary": binary}), _zones(tx.connection))

        return self._write(job)

    def heartbeat(self, host: str, binary: str = COMPUTE, *, service_down_time: float = 60) -> None:
        """Note that a service is alive; a change is written only when it was down."""

        def job(tx: Tx) -> None:
            row = tx.first(_SERVICE, {"host": host, "binary": binary})
            if row is None:
                raise ServiceNotFound(service_id=host)
            tx.run(_BEAT, {"_id": row.id, "v_last_seen_up": tx.now})
            if not self._service(row, {}).up(tx.now, service_down_time):
                tx.change("service", "update", host)

        self._write(job)

    def services(self, host: str | None = None, binary: str | None = None) -> list[Service]:
        """The services in the order of their making."""
        wanted = {name: value for name, value in (("host", host), ("binary", binary)) if value is not None}
        with self._reading() as connection:
            zones = _zones(connection)
            return [self._service(row, zones) for row in connection.execute(_SERVICES_BY[frozenset(wanted)], wanted)]

    def service_of(self, host: str, binary: str = COMPUTE) -> Service:
        """The service of a host; raises ServiceNotFound."""
        with self._reading() as connection:
            row = connection.execute(_SERVICE, {"host": host, "binary": binary}).first()
            if row is None:
                raise ServiceNotFound(service_id=host)
            return self._service(row, _zones(connection))

    def service(self, uuid: str) -> Service:
        """One service; raises ServiceNotFound."""
        with self._reading() as connection:
            row = connection.execute(_SERVICE_BY_UUID, {"uuid": uuid}).first()
            if row is None:
                raise ServiceNotFound(service_id=uuid)
            return self._service(row, _zones(connection))

    def set_service(
        self,
        host: str,
        binary: str = COMPUTE,
        *,
        disabled: bool | None = None,
        disabled_reason: str | None = None,
        forced_down: bool | None = None,
    ) -> Service:
        """Enable, disable with a reason, force down; enabling clears the reason. Raises ServiceNotFound."""

        def job(tx: Tx) -> Service:
            row = tx.first(_SERVICE, {"host": host, "binary": binary})
            if row is None:
                raise ServiceNotFound(service_id=host)
            values: dict[str, Any] = {"updated_at": tx.now}
            if disabled is not None:
                values |= {"disabled": disabled, "disabled_reason": disabled_reason if disabled else None}
            if forced_down is not None:
                values["forced_down"] = forced_down
            tx.run(update(_S).where(_S.c.id == row.id).values(values))
            tx.change("service", "update", host)
            return self._service(tx.first(_SERVICE, {"host": host, "binary": binary}), _zones(tx.connection))

        return self._write(job)

    def delete_service(self, uuid: str) -> None:
        """Remove a service and its nodes; raises ServiceNotFound, ServiceHostsInstances."""

        def job(tx: Tx) -> None:
            row = tx.first(_SERVICE_BY_UUID, {"uuid": uuid})
            if row is None:
                raise ServiceNotFound(service_id=uuid)
            if row.binary == COMPUTE:
                if tx.run(_SERVERS_ON, {"host": row.host}).scalar():
                    raise ServiceHostsInstances
                tx.run(delete(_N).where(_N.c.host == row.host))
                for ident in tx.run(_AGGREGATES_WITH, {"host": row.host}).scalars().all():
                    tx.change("aggregate", "update", str(ident))
                tx.run(delete(_AH).where(_AH.c.host == row.host))
                tx.change("node", "delete", row.host)
            tx.run(_DELETE_SERVICE, {"uuid": uuid})
            tx.change("service", "delete", row.host)

        self._write(job)

    # nodes -----------------------------------------------------------------------------------------------------------
    def save_node(self, host: str, resources: ResourcesLike, **policy: float | int) -> ComputeNode:
        """Keep what the driver says of a node; `policy` are the ratios and what is reserved.

        What our servers hold is not touched. A change is written only when something but the uptime differs.
        """
        if unknown := sorted(set(policy) - set(_POLICY)):
            raise TypeError(f"save_node takes {', '.join(_POLICY)}, not {', '.join(unknown)}")
        values = _node_values(resources, policy)
        key = {"host": host, "node": resources.node}

        def job(tx: Tx) -> ComputeNode:
            row = tx.first(_NODE, key)
            if row is None:
                made = {"uuid": new_uuid(), "host": host, "hypervisor_hostname": resources.node}
                tx.run(insert(_N), {**values, **made, "created_at": tx.now, "updated_at": tx.now})
            else:
                tx.run(update(_N).where(_N.c.id == row.id).values({**values, "updated_at": tx.now}))
            old = row._mapping if row is not None else {}
            if row is None or any(old[name] != value for name, value in values.items() if name not in _SILENT):
                tx.change("node", "update", host)
            return ComputeNode(**tx.first(_NODE, key)._mapping)

        return self._write(job)

    def delete_node(self, host: str, node: str) -> None:
        """Forget a node that its host no longer has."""

        def job(tx: Tx) -> None:
            if tx.run(_DELETE_NODE, {"host": host, "node": node}).rowcount:
                tx.change("node", "delete", host)

        self._write(job)

    def nodes(self, host: str | None = None) -> list[ComputeNode]:
        """The nodes with their load, by host and name."""
        with self._reading() as connection:
            load: defaultdict[tuple[str, str], tuple[int, int, int]] = defaultdict(lambda: (0, 0, 0))
            for of_host, node, count, tasks, io in connection.execute(_LOAD):
                load[(of_host, node)] = (int(count), int(tasks or 0), int(io or 0))
            found = []
            for row in connection.execute(_NODES):
                if host is not None and row.host != host:
                    continue
                counts = zip(_COUNTS, load[(row.host, row.hypervisor_hostname)], strict=True)
                found.append(ComputeNode(**{**row._mapping, **dict(counts)}))
        return found

    def node(self, key: str) -> ComputeNode:
        """One node by its uuid or hypervisor hostname; raises ComputeHostNotFound."""
        for node in self.nodes():
            if key in (node.uuid, node.hypervisor_hostname):
                return node
        raise ComputeHostNotFound(host=key)

    def note_build(self, host: str, node: str, *, failed: bool) -> None:
        """Count a failed build of a node, or start again from zero after one that succeeded."""
        statement = _BUILD_FAILED if failed else _BUILD_SUCCEEDED

        def job(tx: Tx) -> None:
            if tx.run(statement, {"_host": host, "_node": node}).rowcount:
                tx.change("node", "update", host)

        self._write(job)
