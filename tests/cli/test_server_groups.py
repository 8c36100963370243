"""`tuinova server group *`, and the hints of `server create`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tuinova.client import ApiError, Client

Type = Callable[..., Any]
UNKNOWN = "11111111-2222-3333-4444-555555555555"
OTHER = "22222222-2222-3333-4444-555555555555"


@pytest.fixture(autouse=True)
def none_left(admin: Client, running: Any) -> Iterator[None]:
    yield
    for server in admin.servers.list(all_tenants=True):
        running.remove(admin, server["id"])
    for group in admin.server_groups.list(all_projects=True):
        admin.server_groups.delete(group["id"])


def test_a_group_from_create_to_delete(typed: Type, running: Any) -> None:
    words = ("--policy", "anti-affinity", "--rule", "max_server_per_host=1")
    made = typed("server", "group", "create", *words, "apart", "-f", "json").json
    assert list(made) == ["id", "members", "name", "policy", "project_id", "rules", "user_id"]
    assert (made["policy"], made["rules"], made["members"]) == ("anti-affinity", {"max_server_per_host": 1}, [])
    servers = []
    for name in ("a", "b"):
        image = running.image["id"]
        create = ("server", "create", "--flavor", "84", "--image", image, "--server-group", "apart", "--wait", name)
        servers.append(typed(*create, "-f", "json").json)
    assert len({server["OS-EXT-SRV-ATTR:host"] for server in servers}) == 2
    assert [server["server_groups"] for server in servers] == [[made["id"]]] * 2
    shown = typed("server", "group", "show", "apart", "-f", "json").json
    assert sorted(shown["members"]) == sorted(server["id"] for server in servers)
    [row] = typed("server", "group", "list", "--long", "-f", "json").json
    assert (row["Name"], row["Policy"], sorted(row["Members"])) == ("apart", "anti-affinity", sorted(shown["members"]))
    assert typed("server", "group", "delete", "apart", "nogroup").code == 1
    assert typed("server", "group", "list", "-f", "json").json == []


def test_lists_are_the_projects_own_unless_asked(typed: Type) -> None:
    for name in ("a", "b", "c"):
        typed("server", "group", "create", name, user="demo", project="demo")
    assert typed("server", "group", "list", "-f", "json").json == []
    listed = typed("server", "group", "list", "--all-projects", "--offset", "1", "--limit", "1", "-f", "json").json
    assert [row["Name"] for row in listed] == ["b"]
    refused = typed("server", "group", "list", "--all-projects", user="demo", project="demo")
    assert (refused.code, "HTTP 403" in refused.err) == (1, True)


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("--policy", "together"), 2, "argument --policy: invalid choice: 'together'"),
        (("--rule", "max_server_per_host=2"), 1, "Only anti-affinity policy supports rules. (HTTP 400)"),
        (("--policy", "anti-affinity", "--rule", "max_server_per_host=0"), 1, "max_server_per_host. Value: 0."),
        (("--rule", "colour=red"), 2, "argument --rule: there is no rule 'colour'"),
    ],
)
def test_wrong_groups(typed: Type, words: tuple[str, ...], code: int, text: str) -> None:
    refused = typed("server", "group", "create", *words, "g")
    assert (refused.code, text in refused.err) == (code, True), refused.err
    assert typed("server", "group", "list", "--all-projects", "-f", "json").json == []


def test_quotas_of_groups_and_of_their_members(typed: Type, running: Any) -> None:
    mine = {"user": "demo", "project": "demo"}
    typed("quota", "set", "--server-groups", "1", "--server-group-members", "1", "demo")
    try:
        typed("server", "group", "create", "g", **mine)
        refused = typed("server", "group", "create", "h", **mine)
        assert "Quota exceeded, too many server groups. (HTTP 403)" in refused.err
        image = running.image["id"]
        create = ("server", "create", "--flavor", "84", "--image", image, "--server-group", "g")
        refused = typed(*create, "--min", "2", "--max", "2", "s", **mine)
        assert "Quota exceeded, too many servers in group (HTTP 403)" in refused.err
        assert typed(*create, "--wait", "s", **mine).code == 0
        refused = typed(*create, "t", **mine)
        assert "Quota exceeded, too many servers in group (HTTP 403)" in refused.err
    finally:
        typed("quota", "delete", "demo")


@pytest.mark.parametrize(
    ("hints", "text"),
    [
        ({"group": "mygroup"}, "Invalid input for field/attribute group."),
        ({"group": UNKNOWN}, f"Instance group {UNKNOWN} could not be found."),
        ({"same_host": "vm1"}, "Invalid input for field/attribute same_host."),
        ({"different_host": [UNKNOWN, "vm1"]}, "Invalid input for field/attribute different_host."),
        ({"build_near_host_ip": "here"}, "Invalid input for field/attribute build_near_host_ip."),
        ({"cidr": "24"}, "Invalid input for field/attribute cidr."),
        ({"query": 5}, "Invalid input for field/attribute query."),
    ],
)
def test_wrong_hints(admin: Client, running: Any, hints: dict[str, Any], text: str) -> None:
    body = {"name": "s", "imageRef": running.image["id"], "flavorRef": "84", "networks": "auto"}
    with pytest.raises(ApiError) as caught:
        admin.servers.create({"server": body, "os:scheduler_hints": hints})
    assert (caught.value.code, caught.value.message[: len(text)]) == (400, text)


def test_a_repeated_hint_is_a_list(typed: Type, running: Any) -> None:
    hint = ("--hint", f"different_host={UNKNOWN}", "--hint", f"different_host={OTHER}", "--hint", "mine=1")
    create = ("server", "create", "--flavor", "84", "--image", running.image["id"], *hint, "--wait", "s")
    made = typed(*create, "-f", "json").json
    kept = running.engine.conductor.instance(made["id"]).scheduler_hints
    assert kept == {"different_host": [UNKNOWN, OTHER], "mine": "1"}
