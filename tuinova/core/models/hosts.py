"""Hosts: services, nodes, aggregates, allocations, what networks they have."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field

from tuinova.core.models.base import Table, json_field


class Service(Table, table=True):
    """A service of a host."""

    __tablename__ = "service"
    __table_args__ = (UniqueConstraint("host", "binary"),)

    id: int | None = Field(default=None, primary_key=True)
    uuid: str = Field(max_length=36, unique=True)
    host: str = Field(max_length=255)
    binary: str = Field(max_length=255)
    topic: str = Field(max_length=255)
    disabled: bool = False
    disabled_reason: str | None = Field(default=None, max_length=255)
    forced_down: bool = False
    last_seen_up: datetime | None = None
    created_at: datetime
    updated_at: datetime | None = None


class ComputeNode(Table, table=True):
    """A hypervisor node; `*_allocated` are the sums of its allocations, moved only together with them."""

    __tablename__ = "compute_node"
    __table_args__ = (UniqueConstraint("host", "hypervisor_hostname"),)

    id: int | None = Field(default=None, primary_key=True)
    uuid: str = Field(max_length=36, unique=True)
    host: str = Field(max_length=255)
    hypervisor_hostname: str = Field(max_length=255)
    hypervisor_type: str = Field(max_length=255)
    hypervisor_version: int
    host_ip: str | None = Field(default=None, max_length=39)
    vcpus: int
    memory_mb: int
    local_gb: int
    vcpus_allocated: int = 0
    memory_mb_allocated: int = 0
    local_gb_allocated: int = 0
    foreign_vcpus: int = 0
    foreign_memory_mb: int = 0
    foreign_disk_gb: int = 0
    foreign: list[Any] = json_field([])
    cpu_allocation_ratio: float = 4.0
    ram_allocation_ratio: float = 1.0
    disk_allocation_ratio: float = 1.0
    reserved_host_cpus: int = 0
    reserved_host_memory_mb: int = 512
    reserved_host_disk_gb: int = 0
    disk_available_least: int | None = None
    cpu_info: dict[str, Any] = json_field({})
    supported_instances: list[Any] = json_field([])
    uptime: str = Field(default="", max_length=255)
    failed_builds: int = 0
    created_at: datetime
    updated_at: datetime | None = None


class Allocation(Table, table=True):
    """What a server holds on a node."""

    __tablename__ = "allocation"
    __table_args__ = (Index("ix_allocation_node", "host", "node"),)

    consumer: str = Field(primary_key=True, max_length=36)
    host: str = Field(max_length=255)
    node: str = Field(max_length=255)
    vcpus: int
    memory_mb: int
    disk_gb: int
    others: dict[str, Any] = json_field({})
    created_at: datetime


class Aggregate(Table, table=True):
    """A host aggregate."""

    __tablename__ = "aggregate"

    id: int | None = Field(default=None, primary_key=True)
    uuid: str = Field(max_length=36, unique=True)
    name: str = Field(max_length=255, unique=True)
    created_at: datetime
    updated_at: datetime | None = None


class AggregateHost(Table, table=True):
    """A host in an aggregate."""

    __tablename__ = "aggregate_host"
    __table_args__ = (UniqueConstraint("aggregate_id", "host"),)

    id: int | None = Field(default=None, primary_key=True)
    aggregate_id: int = Field(foreign_key="aggregate.id")
    host: str = Field(max_length=255)


class AggregateMetadata(Table, table=True):
    """One metadata item of an aggregate."""

    __tablename__ = "aggregate_metadata"
    __table_args__ = (UniqueConstraint("aggregate_id", "key"),)

    id: int | None = Field(default=None, primary_key=True)
    aggregate_id: int = Field(foreign_key="aggregate.id")
    key: str = Field(max_length=255)
    value: str = Field(max_length=255)


class HostNetwork(Table, table=True):
    """A network that a host has without us and that guests can join, as the driver reported it."""

    __tablename__ = "host_network"
    __table_args__ = (UniqueConstraint("host", "name"),)

    id: str = Field(primary_key=True, max_length=36)
    host: str = Field(max_length=255)
    name: str = Field(max_length=255)
    mode: str = Field(max_length=16)
    cidr: str = Field(max_length=43)
    gateway: str | None = Field(default=None, max_length=39)
    first: str = Field(max_length=39)
    last: str = Field(max_length=39)
    dns: list[Any] = json_field([])
    mtu: int = 1500
    reserved: list[Any] = json_field([])
    position: int = 0
