"""People, the catalogue, hosts."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    _aggregate()
    _allocation()
    _compute_node()
    _flavor()
    _flavor_access()
    _flavor_extra_spec()
    _image()
    _keypair()
    _network()
    _port()
    _project()
    _quota()
    _role()
    _service()
    _user()
    _aggregate_host()
    _aggregate_metadata()
    _role_assignment()


def downgrade() -> None:
    """Remove them, those that point at others first."""
    for name in (
        "role_assignment",
        "aggregate_metadata",
        "aggregate_host",
        "user",
        "service",
        "role",
        "quota",
        "project",
        "port",
        "network",
        "keypair",
        "image",
        "flavor_extra_spec",
        "flavor_access",
        "flavor",
        "compute_node",
        "allocation",
        "aggregate",
    ):
        op.drop_table(name)


def _aggregate() -> None:
    op.create_table(
        "aggregate",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(36), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_aggregate"),
        sa.UniqueConstraint("name", name="uq_aggregate_name"),
        sa.UniqueConstraint("uuid", name="uq_aggregate_uuid"),
    )


def _allocation() -> None:
    op.create_table(
        "allocation",
        sa.Column("consumer", sa.String(36), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("node", sa.String(255), nullable=False),
        sa.Column("vcpus", sa.Integer(), nullable=False),
        sa.Column("memory_mb", sa.Integer(), nullable=False),
        sa.Column("disk_gb", sa.Integer(), nullable=False),
        sa.Column("others", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("consumer", name="pk_allocation"),
    )
    op.create_index("ix_allocation_node", "allocation", ["host", "node"], unique=False)


def _compute_node() -> None:
    op.create_table(
        "compute_node",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(36), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("hypervisor_hostname", sa.String(255), nullable=False),
        sa.Column("hypervisor_type", sa.String(255), nullable=False),
        sa.Column("hypervisor_version", sa.Integer(), nullable=False),
        sa.Column("host_ip", sa.String(39)),
        sa.Column("vcpus", sa.Integer(), nullable=False),
        sa.Column("memory_mb", sa.Integer(), nullable=False),
        sa.Column("local_gb", sa.Integer(), nullable=False),
        sa.Column("vcpus_allocated", sa.Integer(), nullable=False),
        sa.Column("memory_mb_allocated", sa.Integer(), nullable=False),
        sa.Column("local_gb_allocated", sa.Integer(), nullable=False),
        sa.Column("foreign_vcpus", sa.Integer(), nullable=False),
        sa.Column("foreign_memory_mb", sa.Integer(), nullable=False),
        sa.Column("foreign_disk_gb", sa.Integer(), nullable=False),
        sa.Column("foreign", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("cpu_allocation_ratio", sa.Float(), nullable=False),
        sa.Column("ram_allocation_ratio", sa.Float(), nullable=False),
        sa.Column("disk_allocation_ratio", sa.Float(), nullable=False),
        sa.Column("reserved_host_cpus", sa.Integer(), nullable=False),
        sa.Column("reserved_host_memory_mb", sa.Integer(), nullable=False),
        sa.Column("reserved_host_disk_gb", sa.Integer(), nullable=False),
        sa.Column("disk_available_least", sa.Integer()),
        sa.Column("cpu_info", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("supported_instances", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("uptime", sa.String(255), nullable=False),
        sa.Column("failed_builds", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_compute_node"),
        sa.UniqueConstraint("host", "hypervisor_hostname", name="uq_compute_node_host_hypervisor_hostname"),
        sa.UniqueConstraint("uuid", name="uq_compute_node_uuid"),
    )


def _flavor() -> None:
    op.create_table(
        "flavor",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("flavorid", sa.String(255), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("memory_mb", sa.Integer(), nullable=False),
        sa.Column("vcpus", sa.Integer(), nullable=False),
        sa.Column("root_gb", sa.Integer(), nullable=False),
        sa.Column("ephemeral_gb", sa.Integer(), nullable=False),
        sa.Column("swap", sa.Integer(), nullable=False),
        sa.Column("rxtx_factor", sa.Float(), nullable=False),
        sa.Column("is_public", sa.Boolean(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("description", sa.Text()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_flavor"),
        sa.UniqueConstraint("flavorid", name="uq_flavor_flavorid"),
        sa.UniqueConstraint("name", name="uq_flavor_name"),
    )


def _flavor_access() -> None:
    op.create_table(
        "flavor_access",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("flavorid", sa.String(255), nullable=False),
        sa.Column("project_id", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_flavor_access"),
        sa.UniqueConstraint("flavorid", "project_id", name="uq_flavor_access_flavorid_project_id"),
    )


def _flavor_extra_spec() -> None:
    op.create_table(
        "flavor_extra_spec",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("flavorid", sa.String(255), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("value", sa.String(255), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_flavor_extra_spec"),
        sa.UniqueConstraint("flavorid", "key", name="uq_flavor_extra_spec_flavorid_key"),
    )


def _image() -> None:
    op.create_table(
        "image",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("name", sa.String(255)),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("owner", sa.String(64)),
        sa.Column("disk_format", sa.String(20)),
        sa.Column("container_format", sa.String(20)),
        sa.Column("visibility", sa.String(16), nullable=False),
        sa.Column("size", sa.BigInteger()),
        sa.Column("virtual_size", sa.BigInteger()),
        sa.Column("checksum", sa.String(32)),
        sa.Column("os_hash_algo", sa.String(64)),
        sa.Column("os_hash_value", sa.String(128)),
        sa.Column("min_disk", sa.Integer(), nullable=False),
        sa.Column("min_ram", sa.Integer(), nullable=False),
        sa.Column("protected", sa.Boolean(), nullable=False),
        sa.Column("os_hidden", sa.Boolean(), nullable=False),
        sa.Column("properties", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("tags", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_image"),
    )
    op.create_index("ix_image_owner", "image", ["owner"], unique=False)


def _keypair() -> None:
    op.create_table(
        "keypair",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("type", sa.String(16), nullable=False),
        sa.Column("public_key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.String(255), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_keypair"),
        sa.UniqueConstraint("user_id", "name", name="uq_keypair_user_id_name"),
    )


def _network() -> None:
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


def _port() -> None:
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


def _project() -> None:
    op.create_table(
        "project",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("domain_id", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_project"),
        sa.UniqueConstraint("name", name="uq_project_name"),
    )


def _quota() -> None:
    op.create_table(
        "quota",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.String(64), nullable=False),
        sa.Column("resource", sa.String(64), nullable=False),
        sa.Column("hard_limit", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_quota"),
        sa.UniqueConstraint("project_id", "resource", name="uq_quota_project_id_resource"),
    )


def _role() -> None:
    op.create_table(
        "role",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_role"),
        sa.UniqueConstraint("name", name="uq_role_name"),
    )


def _service() -> None:
    op.create_table(
        "service",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(36), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("binary", sa.String(255), nullable=False),
        sa.Column("topic", sa.String(255), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("disabled_reason", sa.String(255)),
        sa.Column("forced_down", sa.Boolean(), nullable=False),
        sa.Column("last_seen_up", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_service"),
        sa.UniqueConstraint("host", "binary", name="uq_service_host_binary"),
        sa.UniqueConstraint("uuid", name="uq_service_uuid"),
    )


def _user() -> None:
    op.create_table(
        "user",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("domain_id", sa.String(64), nullable=False),
        sa.Column("default_project_id", sa.String(64)),
        sa.PrimaryKeyConstraint("id", name="pk_user"),
        sa.UniqueConstraint("name", name="uq_user_name"),
    )


def _aggregate_host() -> None:
    op.create_table(
        "aggregate_host",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("aggregate_id", sa.Integer(), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_aggregate_host"),
        sa.ForeignKeyConstraint(["aggregate_id"], ["aggregate.id"], name="fk_aggregate_host_aggregate_id"),
        sa.UniqueConstraint("aggregate_id", "host", name="uq_aggregate_host_aggregate_id_host"),
    )


def _aggregate_metadata() -> None:
    op.create_table(
        "aggregate_metadata",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("aggregate_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("value", sa.String(255), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_aggregate_metadata"),
        sa.ForeignKeyConstraint(["aggregate_id"], ["aggregate.id"], name="fk_aggregate_metadata_aggregate_id"),
        sa.UniqueConstraint("aggregate_id", "key", name="uq_aggregate_metadata_aggregate_id_key"),
    )


def _role_assignment() -> None:
    op.create_table(
        "role_assignment",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.String(64), nullable=False),
        sa.Column("project_id", sa.String(64), nullable=False),
        sa.Column("role", sa.String(255), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_role_assignment"),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="fk_role_assignment_project_id"),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name="fk_role_assignment_user_id"),
        sa.UniqueConstraint("user_id", "project_id", "role", name="uq_role_assignment_user_id_project_id_role"),
    )
