"""Networks, by Neutron's names: networks, subnets, ports, security groups, routers, floating addresses."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field

from tuinova.core.models.base import Table, json_field


class Network(Table, table=True):
    """A network; those of mode `host` and `user` stand for what hosts have without us, one for each name."""

    __tablename__ = "network"
    __table_args__ = (Index("ix_network_project", "project_id"),)

    id: str = Field(primary_key=True, max_length=36)
    name: str = Field(default="", max_length=255)
    project_id: str = Field(max_length=64)
    description: str = Field(default="", max_length=255)
    mode: str = Field(max_length=16)
    bridge: str | None = Field(default=None, max_length=64)
    network_type: str | None = Field(default=None, max_length=32)
    shared: bool = False
    external: bool = False
    admin_state_up: bool = True
    mtu: int = 1500
    port_security_enabled: bool = True
    dns_domain: str = Field(default="", max_length=255)
    tags: list[Any] = json_field([])
    # Host to why it could not make the network.
    faults: dict[str, Any] = json_field({})
    created_at: datetime
    updated_at: datetime | None = None


class Subnet(Table, table=True):
    """A range of addresses of a network."""

    __tablename__ = "subnet"
    __table_args__ = (Index("ix_subnet_network", "network_id"),)

    id: str = Field(primary_key=True, max_length=36)
    network_id: str = Field(max_length=36, foreign_key="network.id", ondelete="CASCADE")
    project_id: str = Field(max_length=64)
    name: str = Field(default="", max_length=255)
    description: str = Field(default="", max_length=255)
    ip_version: int = 4
    cidr: str = Field(max_length=64)
    gateway_ip: str | None = Field(default=None, max_length=39)
    enable_dhcp: bool = True
    dns_nameservers: list[Any] = json_field([])
    host_routes: list[Any] = json_field([])
    allocation_pools: list[Any] = json_field([])
    ipv6_ra_mode: str | None = Field(default=None, max_length=32)
    ipv6_address_mode: str | None = Field(default=None, max_length=32)
    tags: list[Any] = json_field([])
    created_at: datetime
    updated_at: datetime | None = None


class Port(Table, table=True):
    """A port; `device_id` is the server, router or floating address that has it, "" for nobody.

    `given`: it was there before its server and stays when that goes. `position`: its place among the server's ports.
    """

    __tablename__ = "port"
    __table_args__ = (Index("ix_port_device", "device_id"), Index("ix_port_network", "network_id"))

    id: str = Field(primary_key=True, max_length=36)
    project_id: str = Field(default="", max_length=64)
    network_id: str = Field(max_length=36, foreign_key="network.id")
    mac: str = Field(max_length=17, unique=True)
    device_id: str = Field(default="", max_length=255)
    device_owner: str = Field(default="", max_length=255)
    host: str = Field(default="", max_length=255)
    name: str = Field(default="", max_length=255)
    description: str = Field(default="", max_length=255)
    admin_state_up: bool = True
    port_security_enabled: bool = True
    given: bool = False
    position: int = 0
    tag: str | None = Field(default=None, max_length=64)
    allowed_address_pairs: list[Any] = json_field([])
    forwards: list[Any] = json_field([])
    tags: list[Any] = json_field([])
    created_at: datetime
    updated_at: datetime | None = None


class FixedIp(Table, table=True):
    """An address of a port.

    `scope` is where nobody else may have it: the subnet, or a host's own network ("host name"); NULL where several
    guests share one, or while a port is on no host.
    """

    __tablename__ = "fixed_ip"
    __table_args__ = (UniqueConstraint("scope", "address"), Index("ix_fixed_ip_port", "port_id"))

    id: int | None = Field(default=None, primary_key=True)
    port_id: str = Field(max_length=36, foreign_key="port.id", ondelete="CASCADE")
    subnet_id: str = Field(default="", max_length=36)
    address: str = Field(max_length=39)
    prefix: int
    scope: str | None = Field(default=None, max_length=511)


class SecurityGroup(Table, table=True):
    """A security group."""

    __tablename__ = "security_group"
    __table_args__ = (Index("ix_security_group_project", "project_id"),)

    id: str = Field(primary_key=True, max_length=36)
    project_id: str = Field(max_length=64)
    name: str = Field(max_length=255)
    description: str = Field(default="", max_length=255)
    tags: list[Any] = json_field([])
    created_at: datetime
    updated_at: datetime | None = None


class SecurityGroupRule(Table, table=True):
    """What a group lets pass; for ICMP the ports are type and code."""

    __tablename__ = "security_group_rule"
    __table_args__ = (
        Index("ix_security_group_rule_group", "security_group_id"),
        Index("ix_security_group_rule_remote", "remote_group_id"),
    )

    id: str = Field(primary_key=True, max_length=36)
    project_id: str = Field(max_length=64)
    security_group_id: str = Field(max_length=36, foreign_key="security_group.id", ondelete="CASCADE")
    direction: str = Field(max_length=16)
    ethertype: str = Field(default="IPv4", max_length=8)
    protocol: str | None = Field(default=None, max_length=40)
    port_range_min: int | None = None
    port_range_max: int | None = None
    remote_ip_prefix: str | None = Field(default=None, max_length=64)
    remote_group_id: str | None = Field(
        default=None, max_length=36, foreign_key="security_group.id", ondelete="CASCADE"
    )
    description: str = Field(default="", max_length=255)
    created_at: datetime


class PortGroup(Table, table=True):
    """A port is in a security group."""

    __tablename__ = "port_security_group"
    __table_args__ = (Index("ix_port_security_group_group", "security_group_id"),)

    port_id: str = Field(primary_key=True, max_length=36, foreign_key="port.id", ondelete="CASCADE")
    security_group_id: str = Field(primary_key=True, max_length=36, foreign_key="security_group.id")


class Router(Table, table=True):
    """A router; its interfaces and its gateway are ports."""

    __tablename__ = "router"
    __table_args__ = (Index("ix_router_project", "project_id"),)

    id: str = Field(primary_key=True, max_length=36)
    project_id: str = Field(max_length=64)
    name: str = Field(default="", max_length=255)
    description: str = Field(default="", max_length=255)
    admin_state_up: bool = True
    external_network_id: str | None = Field(default=None, max_length=36)
    enable_snat: bool = True
    routes: list[Any] = json_field([])
    tags: list[Any] = json_field([])
    created_at: datetime
    updated_at: datetime | None = None


class FloatingIp(Table, table=True):
    """An address of an external network that may stand for a fixed one; it is held by a port of its own."""

    __tablename__ = "floating_ip"
    __table_args__ = (Index("ix_floating_ip_port", "port_id"), Index("ix_floating_ip_project", "project_id"))

    id: str = Field(primary_key=True, max_length=36)
    project_id: str = Field(max_length=64)
    floating_network_id: str = Field(max_length=36)
    floating_ip_address: str = Field(max_length=39)
    port_id: str | None = Field(default=None, max_length=36)
    fixed_ip_address: str | None = Field(default=None, max_length=39)
    router_id: str | None = Field(default=None, max_length=36)
    description: str = Field(default="", max_length=255)
    tags: list[Any] = json_field([])
    created_at: datetime
    updated_at: datetime | None = None
