"""Who may do what: Nova's policy defaults as data (nova/policies/*).

A rule names the least role; roles imply each other (admin, manager, member, reader). The rows of `core.states.ACTIONS`
hold their own rule and role; everything else is here.
"""

from __future__ import annotations

from collections.abc import Mapping

from tuinova.core.context import RequestContext
from tuinova.core.errors import PolicyNotAuthorized
from tuinova.core.states import ACTIONS

ANYONE = "anyone"
READER, MEMBER, MANAGER, ADMIN = "reader", "member", "manager", "admin"

_API = "os_compute_api:"


def _rules(role: str, *names: str) -> dict[str, str]:
    return dict.fromkeys(names, role)


# Rules of the operations that are no rows of the action table.
_OPERATIONS: Mapping[str, str] = {
    **_rules(
        ANYONE,
        _API + "os-availability-zone:list",
        "get_availability_zone",
        "volume_extension:availability_zone_list",
        _API + "limits",
        "limits_extension:used_limits",
        _API + "os-quota-sets:defaults",
        _API + "extensions",
        _API + "flavors",
        # Own user or admin: the owner is checked where the user id is known.
        _API + "os-keypairs:index",
        _API + "os-keypairs:show",
        _API + "os-keypairs:create",
        _API + "os-keypairs:delete",
        "identity:list_user_projects",
    ),
    **_rules(
        READER,
        _API + "servers:index",
        _API + "servers:detail",
        _API + "servers:show",
        _API + "server-metadata:index",
        _API + "server-metadata:show",
        _API + "os-server-tags:index",
        _API + "os-server-tags:show",
        _API + "ips:index",
        _API + "ips:show",
        _API + "os-instance-actions:list",
        _API + "os-instance-actions:show",
        _API + "os-server-groups:index",
        _API + "os-server-groups:show",
        _API + "os-quota-sets:show",
        _API + "os-quota-sets:detail",
        "get_quota",
        "volume:get",
        "volume:get_all",
        "volume:get_snapshot",
        "volume:get_all_snapshots",
        "volume_extension:type_get",
        "volume_extension:type_get_all",
        "volume_extension:quotas:show",
        _API + "os-simple-tenant-usage:show",
        _API + "os-flavor-extra-specs:index",
        _API + "os-flavor-extra-specs:show",
        "get_images",
        "get_image",
        "download_image",
        "get_members",
        "get_member",
        "tuinova:servers:schedule",
    ),
    **_rules(
        MEMBER,
        _API + "servers:create",
        _API + "servers:create:attach_network",
        _API + "servers:create:attach_volume",
        _API + "servers:create:trusted_certs",
        # Nova: admin, such flavors being for volumes. Here they are the ordinary way to take the image's size.
        _API + "servers:create:zero_disk_flavor",
        _API + "servers:update",
        _API + "server-metadata:create",
        _API + "server-metadata:update_all",
        _API + "os-server-groups:create",
        _API + "os-server-groups:delete",
        _API + "os-remote-consoles",
        "volume:create",
        "volume:update",
        "volume:delete",
        "volume:extend",
        "volume:retype",
        "volume:revert_to_snapshot",
        "volume:update_readonly_flag",
        "volume:update_volume_metadata",
        "volume:delete_volume_metadata",
        "volume:create_snapshot",
        "volume:update_snapshot",
        "volume:delete_snapshot",
        "volume_extension:volume_actions:upload_image",
        "volume_extension:volume_image_metadata:set",
        "volume_extension:volume_image_metadata:remove",
        "add_image",
        "modify_image",
        "delete_image",
        "upload_image",
        "import_image",
        "deactivate",
        "reactivate",
        "add_member",
        "modify_member",
        "delete_member",
        "tuinova:servers:console",
    ),
    **_rules(
        ADMIN,
        _API + "servers:index:get_all_tenants",
        _API + "servers:detail:get_all_tenants",
        _API + "servers:allow_all_filters",
        _API + "servers:show:host_status",
        _API + "servers:create:forced_host",
        "compute:servers:create:requested_destination",
        _API + "os-lock-server:unlock:unlock_override",
        _API + "os-shelve:unshelve_to_host",
        _API + "os-instance-actions:events",
        _API + "os-instance-actions:events:details",
        _API + "os-extended-server-attributes",
        _API + "os-server-diagnostics",
        _API + "os-migrate-server:migrate:host",
        _API + "os-migrate-server:migrate_live:host",
        _API + "os-flavor-manage:create",
        _API + "os-flavor-manage:update",
        _API + "os-flavor-manage:delete",
        _API + "os-flavor-access",
        _API + "os-flavor-access:add_tenant_access",
        _API + "os-flavor-access:remove_tenant_access",
        _API + "os-flavor-extra-specs:create",
        _API + "os-flavor-extra-specs:update",
        _API + "os-flavor-extra-specs:delete",
        _API + "os-quota-sets:update",
        _API + "os-quota-sets:delete",
        _API + "os-quota-class-sets:show",
        _API + "os-quota-class-sets:update",
        "update_quota",
        "delete_quota",
        "volume_extension:quotas:update",
        "volume_extension:types_manage",
        "volume_extension:services:index",
        "volume_extension:volume_admin_actions:reset_status",
        "volume_extension:volume_admin_actions:force_delete",
        "volume_extension:snapshot_admin_actions:reset_status",
        "volume_extension:snapshot_admin_actions:force_delete",
        "scheduler_extension:scheduler_stats:get_pools",
        "volume_extension:quotas:delete",
        "volume_extension:quota_classes",
        _API + "os-simple-tenant-usage:list",
        _API + "os-hypervisors:list",
        _API + "os-hypervisors:list-detail",
        _API + "os-hypervisors:show",
        _API + "os-hypervisors:uptime",
        _API + "os-services:list",
        _API + "os-services:update",
        _API + "os-services:delete",
        _API + "os-aggregates:index",
        _API + "os-aggregates:show",
        _API + "os-aggregates:create",
        _API + "os-aggregates:update",
        _API + "os-aggregates:delete",
        _API + "os-aggregates:add_host",
        _API + "os-aggregates:remove_host",
        _API + "os-aggregates:set_metadata",
        "compute:aggregates:images",
        _API + "os-availability-zone:detail",
        _API + "os-server-groups:index:all_projects",
        "publicize_image",
        "identity:list_projects",
        "identity:list_users",
        "identity:list_role_assignments",
    ),
    # Moves; a manager sees those of his project, without the hosts.
    **_rules(MANAGER, _API + "os-migrations:index", _API + "servers:migrations:index"),
    **_rules(
        ADMIN,
        _API + "os-migrations:index:all_projects",
        _API + "os-migrations:index:host",
        _API + "servers:migrations:index:host",
        _API + "servers:migrations:show",
    ),
    # What a server has beside its row.
    **_rules(
        READER,
        "compute:server:topology:index",
        _API + "os-attach-interfaces:list",
        _API + "os-attach-interfaces:show",
        _API + "os-security-groups:list",
        _API + "os-volumes-attachments:index",
        _API + "os-volumes-attachments:show",
        _API + "os-server-password:show",
        "tuinova:networks",
    ),
    **_rules(
        MEMBER,
        _API + "os-server-password:clear",
        _API + "os-volumes-attachments:update",
        _API + "os-server-tags:update",
        _API + "os-server-tags:update_all",
        _API + "os-server-tags:delete",
        _API + "os-server-tags:delete_all",
    ),
}
RULES: Mapping[str, str] = {**_OPERATIONS, **{row.policy: row.role for row in ACTIONS}}


def allowed(ctx: RequestContext, rule: str) -> bool:
    """Whether the caller holds the role that the rule asks for; an unknown rule is a mistake of ours (KeyError)."""
    role = RULES[rule]
    return role == ANYONE or role in ctx.all_roles


def authorize(ctx: RequestContext, rule: str) -> None:
    """Raise Nova's 403 unless the caller may."""
    if not allowed(ctx, rule):
        raise PolicyNotAuthorized(action=rule)


def authorize_user(ctx: RequestContext, rule: str, user_id: str) -> None:
    """The rule of what belongs to a user: the user itself or an admin (key pairs)."""
    authorize(ctx, rule)
    if not ctx.is_admin and ctx.user_id != user_id:
        raise PolicyNotAuthorized(action=rule)


def authorize_project(ctx: RequestContext, rule: str, project_id: str) -> None:
    """The rule of what belongs to a project: a role there or an admin (quotas, usage)."""
    authorize(ctx, rule)
    if not ctx.is_admin and ctx.project_id != project_id:
        raise PolicyNotAuthorized(action=rule)


def sees_project(ctx: RequestContext, project_id: str | None) -> bool:
    """Whether rows of that project exist for the caller; what he does not see answers 404, not 403."""
    return ctx.is_admin or (project_id is not None and ctx.project_id == project_id)
