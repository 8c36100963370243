"""Networks, subnets, security groups, routers, floating addresses; a port may have several addresses."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TABLES = (
    "host_network",
    "network",
    "subnet",
    "port",
    "fixed_ip",
    "security_group",
    "security_group_rule",
    "port_security_group",
    "router",
    "floating_ip",
)


def upgrade() -> None:
    """Make the tables; what hosts have is told anew at the next start."""
    op.drop_index("ix_port_instance", "port")
    op.drop_table("port")
    op.drop_table("network")
    _host_network()
    _network()
    _subnet()
    _port()
    _fixed_ip()
    _security_group()
    _security_group_rule()
    _port_security_group()
    _router()
    _floating_ip()


def downgrade() -> None:
    """Back to one address a port and no networks but the hosts'."""
    for name in reversed(_TABLES):
        op.drop_table(name)
    op.create_table(
        "network",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("mode", sa.String(16), nullable=False),
        sa.Column("cidr", sa.String(43), nullable=False),
        sa.Column("gateway", sa.String(39)),
        sa.Column("first", sa.String(39), nullable=False),
        sa.Column("last", sa.String(39), nullable=False),
        sa.Column("dns", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("mtu", sa.Integer(), nullable=False),
        sa.Column("reserved", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_network"),
        sa.UniqueConstraint("host", "name", name="uq_network_host_name"),
    )
    op.create_table(
        "port",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("instance_uuid", sa.String(36), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("network", sa.String(255), nullable=False),
        sa.Column("mac", sa.String(17), nullable=False),
        sa.Column("address", sa.String(39)),
        sa.Column("lease", sa.String(39)),
        sa.Column("prefix", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_port"),
        sa.UniqueConstraint("host", "network", "lease", name="uq_port_host_network_lease"),
        sa.UniqueConstraint("mac", name="uq_port_mac"),
    )
    op.create_index("ix_port_instance", "port", ["instance_uuid"], unique=False)


def _host_network() -> None:
    op.create_table(
        "host_network",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("mode", sa.String(16), nullable=False),
        sa.Column("cidr", sa.String(43), nullable=False),
        sa.Column("gateway", sa.String(39)),
        sa.Column("first", sa.String(39), nullable=False),
        sa.Column("last", sa.String(39), nullable=False),
        sa.Column("dns", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("mtu", sa.Integer(), nullable=False),
        sa.Column("reserved", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_host_network"),
        sa.UniqueConstraint("host", "name", name="uq_host_network_host_name"),
    )


def _network() -> None:
    op.create_table(
        "network",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("project_id", sa.String(64), nullable=False),
        sa.Column("description", sa.String(255), nullable=False),
        sa.Column("mode", sa.String(16), nullable=False),
        sa.Column("bridge", sa.String(64)),
        sa.Column("network_type", sa.String(32)),
        sa.Column("shared", sa.Boolean(), nullable=False),
        sa.Column("external", sa.Boolean(), nullable=False),
        sa.Column("admin_state_up", sa.Boolean(), nullable=False),
        sa.Column("mtu", sa.Integer(), nullable=False),
        sa.Column("port_security_enabled", sa.Boolean(), nullable=False),
        sa.Column("dns_domain", sa.String(255), nullable=False),
        sa.Column("tags", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("faults", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_network"),
    )
    op.create_index("ix_network_project", "network", ["project_id"], unique=False)


def _subnet() -> None:
    op.create_table(
        "subnet",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("network_id", sa.String(36), nullable=False),
        sa.Column("project_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("description", sa.String(255), nullable=False),
        sa.Column("ip_version", sa.Integer(), nullable=False),
        sa.Column("cidr", sa.String(64), nullable=False),
        sa.Column("gateway_ip", sa.String(39)),
        sa.Column("enable_dhcp", sa.Boolean(), nullable=False),
        sa.Column("dns_nameservers", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("host_routes", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("allocation_pools", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("ipv6_ra_mode", sa.String(32)),
        sa.Column("ipv6_address_mode", sa.String(32)),
        sa.Column("tags", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(["network_id"], ["network.id"], name="fk_subnet_network_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_subnet"),
    )
    op.create_index("ix_subnet_network", "subnet", ["network_id"], unique=False)


def _port() -> None:
    op.create_table(
        "port",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("project_id", sa.String(64), nullable=False),
        sa.Column("network_id", sa.String(36), nullable=False),
        sa.Column("mac", sa.String(17), nullable=False),
        sa.Column("device_id", sa.String(255), nullable=False),
        sa.Column("device_owner", sa.String(255), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("description", sa.String(255), nullable=False),
        sa.Column("admin_state_up", sa.Boolean(), nullable=False),
        sa.Column("port_security_enabled", sa.Boolean(), nullable=False),
        sa.Column("given", sa.Boolean(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("tag", sa.String(64)),
        sa.Column("allowed_address_pairs", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("forwards", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("tags", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(["network_id"], ["network.id"], name="fk_port_network_id"),
        sa.PrimaryKeyConstraint("id", name="pk_port"),
        sa.UniqueConstraint("mac", name="uq_port_mac"),
    )
    op.create_index("ix_port_device", "port", ["device_id"], unique=False)
    op.create_index("ix_port_network", "port", ["network_id"], unique=False)


def _fixed_ip() -> None:
    op.create_table(
        "fixed_ip",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("port_id", sa.String(36), nullable=False),
        sa.Column("subnet_id", sa.String(36), nullable=False),
        sa.Column("address", sa.String(39), nullable=False),
        sa.Column("prefix", sa.Integer(), nullable=False),
        sa.Column("scope", sa.String(511)),
        sa.ForeignKeyConstraint(["port_id"], ["port.id"], name="fk_fixed_ip_port_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_fixed_ip"),
        sa.UniqueConstraint("scope", "address", name="uq_fixed_ip_scope_address"),
    )
    op.create_index("ix_fixed_ip_port", "fixed_ip", ["port_id"], unique=False)


def _security_group() -> None:
    op.create_table(
        "security_group",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("project_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("description", sa.String(255), nullable=False),
        sa.Column("tags", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_security_group"),
    )
    op.create_index("ix_security_group_project", "security_group", ["project_id"], unique=False)


def _security_group_rule() -> None:
    op.create_table(
        "security_group_rule",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("project_id", sa.String(64), nullable=False),
        sa.Column("security_group_id", sa.String(36), nullable=False),
        sa.Column("direction", sa.String(16), nullable=False),
        sa.Column("ethertype", sa.String(8), nullable=False),
        sa.Column("protocol", sa.String(40)),
        sa.Column("port_range_min", sa.Integer()),
        sa.Column("port_range_max", sa.Integer()),
        sa.Column("remote_ip_prefix", sa.String(64)),
        sa.Column("remote_group_id", sa.String(36)),
        sa.Column("description", sa.String(255), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["remote_group_id"],
            ["security_group.id"],
            name="fk_security_group_rule_remote_group_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["security_group_id"],
            ["security_group.id"],
            name="fk_security_group_rule_security_group_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_security_group_rule"),
    )
    op.create_index("ix_security_group_rule_group", "security_group_rule", ["security_group_id"], unique=False)
    op.create_index("ix_security_group_rule_remote", "security_group_rule", ["remote_group_id"], unique=False)


def _port_security_group() -> None:
    op.create_table(
        "port_security_group",
        sa.Column("port_id", sa.String(36), nullable=False),
        sa.Column("security_group_id", sa.String(36), nullable=False),
        sa.ForeignKeyConstraint(["port_id"], ["port.id"], name="fk_port_security_group_port_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["security_group_id"], ["security_group.id"], name="fk_port_security_group_security_group_id"
        ),
        sa.PrimaryKeyConstraint("port_id", "security_group_id", name="pk_port_security_group"),
    )
    op.create_index("ix_port_security_group_group", "port_security_group", ["security_group_id"], unique=False)


def _router() -> None:
    op.create_table(
        "router",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("project_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("description", sa.String(255), nullable=False),
        sa.Column("admin_state_up", sa.Boolean(), nullable=False),
        sa.Column("external_network_id", sa.String(36)),
        sa.Column("enable_snat", sa.Boolean(), nullable=False),
        sa.Column("routes", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("tags", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_router"),
    )
    op.create_index("ix_router_project", "router", ["project_id"], unique=False)


def _floating_ip() -> None:
    op.create_table(
        "floating_ip",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("project_id", sa.String(64), nullable=False),
        sa.Column("floating_network_id", sa.String(36), nullable=False),
        sa.Column("floating_ip_address", sa.String(39), nullable=False),
        sa.Column("port_id", sa.String(36)),
        sa.Column("fixed_ip_address", sa.String(39)),
        sa.Column("router_id", sa.String(36)),
        sa.Column("description", sa.String(255), nullable=False),
        sa.Column("tags", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_floating_ip"),
    )
    op.create_index("ix_floating_ip_port", "floating_ip", ["port_id"], unique=False)
    op.create_index("ix_floating_ip_project", "floating_ip", ["project_id"], unique=False)
