"""Projects, users, roles, key pairs, quotas, server groups."""

from __future__ import annotations

import pytest

from tuinova.core.conductor import InstanceDraft, OrderDraft, QuotaLimits
from tuinova.core.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    KeypairExists,
    KeypairLimitExceeded,
    KeypairNotFound,
    MarkerNotFound,
    ProjectNotFound,
    QuotaBelowUsage,
    ServerGroupLimitExceeded,
    ServerGroupMembersExceeded,
    ServerGroupNotFound,
    UserNotFound,
)
from tuinova.core.records import Project, ServerGroup, User


@pytest.mark.parametrize(
    ("user", "project", "roles"),
    [("admin", "admin", {"admin"}), ("admin", "demo", {"admin"}), ("demo", "demo", {"member"})],
)
def test_the_seeded_people_have_their_roles(conductor, user, project, roles):
    ctx = conductor.resolve_identity(user, project)
    assert (ctx.user_name, ctx.project_name, ctx.roles) == (user, project, roles)
    by_id = conductor.resolve_identity(ctx.user_id, ctx.project_id)
    assert (by_id.user_id, by_id.project_id, by_id.roles) == (ctx.user_id, ctx.project_id, roles)
    assert by_id.request_id != ctx.request_id


def test_unknown_people_and_missing_roles_are_refused(conductor):
    with pytest.raises(UserNotFound, match="Could not find user: nobody"):
        conductor.resolve_identity("nobody", "demo")
    with pytest.raises(ProjectNotFound, match="Could not find project: nowhere"):
        conductor.resolve_identity("demo", "nowhere")
    with pytest.raises(Forbidden, match="User demo has no role in project admin"):
        conductor.resolve_identity("demo", "admin")


def test_a_new_role_counts_at_once(conductor):
    conductor.create_project(Project("p9", "lab"))
    conductor.create_user(User("u9", "eve"))
    with pytest.raises(Forbidden):
        conductor.resolve_identity("eve", "lab")
    conductor.assign_role("u9", "p9", "reader")
    conductor.assign_role("u9", "p9", "reader")
    assert conductor.resolve_identity("eve", "lab").roles == {"reader"}
    conductor.assign_role("u9", "p9", "manager")
    assert conductor.resolve_identity("eve", "lab").roles == {"reader", "manager"}
    assert conductor.quota_limits("p9") == QuotaLimits()
    with pytest.raises(Conflict, match="Project name lab is taken"):
        conductor.create_project(Project("p8", "lab"))


def test_key_pairs_are_a_users_own_and_limited(conductor, admin, demo):
    made = conductor.create_keypair(demo.user_id, "b", "ssh", "ssh-ed25519 AAA", "aa:bb", limit=2)
    assert made == conductor.keypair(demo.user_id, "b")
    with pytest.raises(KeypairExists, match="Key pair 'b' already exists"):
        conductor.create_keypair(demo.user_id, "b", "ssh", "x", "y")
    conductor.create_keypair(admin.user_id, "b", "ssh", "x", "y")
    conductor.create_keypair(demo.user_id, "a", "ssh", "x", "y", limit=2)
    with pytest.raises(KeypairLimitExceeded):
        conductor.create_keypair(demo.user_id, "c", "ssh", "x", "y", limit=2)
    assert [pair.name for pair in conductor.keypairs(demo.user_id)] == ["a", "b"]
    assert [pair.name for pair in conductor.keypairs(demo.user_id, limit=1, marker="a")] == ["b"]
    with pytest.raises(MarkerNotFound):
        conductor.keypairs(demo.user_id, marker="x")
    conductor.delete_keypair(demo.user_id, "b")
    for call in (conductor.keypair, conductor.delete_keypair):
        with pytest.raises(KeypairNotFound, match=f"Keypair b not found for user {demo.user_id}"):
            call(demo.user_id, "b")
    assert conductor.keypair(admin.user_id, "b").fingerprint == "y"


def test_a_projects_own_limits_win_over_the_defaults(conductor, demo):
    conductor.quota_defaults = QuotaLimits(cores=7)
    assert conductor.quota_limits(demo.project_id).cores == 7
    assert conductor.set_quota(demo.project_id, {"cores": 3, "instances": -1}).as_dict() == {
        **QuotaLimits().as_dict(),
        "cores": 3,
        "instances": -1,
    }
    conductor.delete_quota(demo.project_id)
    assert conductor.quota_limits(demo.project_id) == QuotaLimits(cores=7)
    assert [(change.kind, change.op) for change in conductor.changes(0)] == [("quota", "update"), ("quota", "delete")]


def test_a_limit_below_use_needs_force(conductor, demo, make):
    make("a")
    make("b")
    text = "Quota limit 1 for instances must be greater than or equal to already used and reserved 2."
    with pytest.raises(QuotaBelowUsage, match=text):
        conductor.set_quota(demo.project_id, {"ram": 9999, "instances": 1})
    assert conductor.quota_limits(demo.project_id) == QuotaLimits()
    assert conductor.set_quota(demo.project_id, {"instances": 1}, force=True).instances == 1
    with pytest.raises(InvalidInput, match="colours is no quota"):
        conductor.set_quota(demo.project_id, {"colours": 1})


def test_a_group_knows_its_living_members_and_their_hosts(conductor, demo, make):
    group = conductor.create_server_group(
        ServerGroup("", "g", demo.project_id, demo.user_id, "anti-affinity", {"max_server_per_host": 2}), limit=1
    )
    with pytest.raises(ServerGroupLimitExceeded):
        conductor.create_server_group(group, limit=1)
    first, second = (make(name, server_group_id=group.uuid) for name in "ab")
    conductor.step(first.uuid, updates={"host": "h1"})
    read = conductor.server_group(group.uuid)
    assert (read.members, read.hosts, read.rules) == (
        (first.uuid, second.uuid),
        ("h1",),
        {"max_server_per_host": 2},
    )
    conductor.step(first.uuid, delete_row=True)
    assert conductor.server_groups(demo.project_id)[0].members == (second.uuid,)
    assert conductor.server_groups("other") == []
    conductor.delete_server_group(group.uuid)
    assert conductor.instance(second.uuid).server_group_id == group.uuid
    for call in (conductor.server_group, conductor.delete_server_group):
        with pytest.raises(ServerGroupNotFound, match="Instance group"):
            call(group.uuid)


def test_a_full_group_takes_nobody_and_nothing_is_written(conductor, demo, micro):
    group = conductor.create_server_group(ServerGroup("", "g", demo.project_id, demo.user_id, "affinity"))
    drafts = [InstanceDraft(name=str(n), flavor=micro, server_group_id=group.uuid) for n in range(3)]
    limits = QuotaLimits(server_group_members=2)
    with pytest.raises(ServerGroupMembersExceeded):
        conductor.create_instances(demo, drafts, limits=limits, order=OrderDraft("x"))
    assert conductor.instances() == []
    assert len(conductor.create_instances(demo, drafts[:2], limits=limits, order=OrderDraft("x"))) == 2


def test_servers_that_are_gone_leave_their_place_in_the_group(conductor, demo, micro):
    group = conductor.create_server_group(ServerGroup("", "g", demo.project_id, demo.user_id, "affinity"))
    limits = QuotaLimits(server_group_members=1)
    for number in range(3):
        draft = InstanceDraft(name=str(number), flavor=micro, server_group_id=group.uuid)
        [made] = conductor.create_instances(demo, [draft], limits=limits, order=OrderDraft("x"))
        conductor.step(made.uuid, delete_row=True)
