"""Tags of servers: set, looked for, refused in Nova's words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tuinova.client import ApiError, Client


@pytest.fixture(scope="module")
def server(running: Any, demo: Client) -> dict[str, Any]:
    return running.boot(demo, name="tagged", tags=["first"])


def test_tags_are_put_one_by_one_or_together(demo: Client, server: dict[str, Any]) -> None:
    path = f"/v2.1/servers/{server['id']}/tags"
    demo.put(path, {"tags": ["a", "b", "a"]})
    assert demo.get(path) == {"tags": ["a", "b"]}
    new = demo.request("PUT", f"{path}/c%20d")
    assert (new.status, new.data, new.headers["Location"]) == (201, b"", f"http://localhost{path}/c%20d")
    assert demo.request("PUT", f"{path}/a").status == 204
    assert demo.request("GET", f"{path}/a").status == 204
    assert demo.servers.get(server["id"])["tags"] == ["a", "b", "c d"]
    assert demo.request("DELETE", f"{path}/b").status == 204
    assert demo.get(path) == {"tags": ["a", "c d"]}
    assert demo.request("DELETE", path).status == 204
    assert demo.get(path) == {"tags": []}


@pytest.mark.parametrize(
    ("method", "tag", "code", "message"),
    [
        ("GET", "none", 404, "Server {id} has no tag 'none'"),
        ("DELETE", "none", 404, "Instance {id} has no tag 'none'"),
        (
            *("PUT", "a,b", 400),
            "Tag 'a,b' is invalid. It must be a non empty string without characters '/' and ','. "
            "Validation error message: 'a,b' does not match '^[^,/]*$'",
        ),
    ],
)
def test_refusals(demo: Client, server: dict[str, Any], method: str, tag: str, code: int, message: str) -> None:
    with pytest.raises(ApiError) as caught:
        demo.request(method, f"/v2.1/servers/{server['id']}/tags/{tag}")
    assert (caught.value.code, caught.value.message) == (code, message.format(id=server["id"]))


def test_a_server_has_fifty_tags_at_most(demo: Client, server: dict[str, Any]) -> None:
    path = f"/v2.1/servers/{server['id']}/tags"
    demo.put(path, {"tags": [f"t{number}" for number in range(50)]})
    with pytest.raises(ApiError, match="The number of tags exceeded the per-server limit 50"):
        demo.put(f"{path}/more")
    with pytest.raises(ApiError, match="Invalid input for field/attribute tags"):
        demo.put(path, {"tags": [f"t{number}" for number in range(51)]})
    demo.delete(path)


def test_a_server_in_error_keeps_its_tags(admin: Client, demo: Client, server: dict[str, Any]) -> None:
    admin.servers.action(server["id"], "os-resetState", {"state": "error"})
    for method, path, action in (
        ("PUT", "tags/x", "update tag"),
        ("DELETE", "tags/x", "delete tag"),
        ("DELETE", "tags", "delete tags"),
    ):
        with pytest.raises(ApiError) as caught:
            demo.request(method, f"/v2.1/servers/{server['id']}/{path}")
        text = f"Cannot '{action}' instance {server['id']} while it is in vm_state error"
        assert (caught.value.code, caught.value.message) == (409, text)
    admin.servers.action(server["id"], "os-resetState", {"state": "active"})


@pytest.fixture(scope="module")
def three(running: Any, demo: Client) -> Callable[..., set[str]]:
    """Servers with tags a b / b c / none, and a search of them."""
    for name, tags in (("one", ["a", "b"]), ("two", ["b", "c"]), ("bare", [])):
        running.boot(demo, name=f"t-{name}", tags=tags)

    def found(**filters: str) -> set[str]:
        rows = demo.servers.list(name="^t-", **{key.replace("_", "-"): value for key, value in filters.items()})
        return {row["name"].removeprefix("t-") for row in rows}

    return found


def test_lists_by_tags(three: Callable[..., set[str]]) -> None:
    assert three(tags="b") == {"one", "two"}
    assert three(tags="a,b") == {"one"}
    assert three(tags_any="a,c") == {"one", "two"}
    assert three(not_tags="a,b") == {"two", "bare"}
    assert three(not_tags_any="a,c") == {"bare"}
    assert three(tags="b", not_tags="c") == {"one"}
    assert three(tags="B") == set()


def test_a_tag_is_no_pattern_and_no_part_of_another(demo: Client, three: Callable[..., set[str]]) -> None:
    [server] = demo.servers.list(name="^t-bare$")
    for tag in ("x.y", 'q"b', "[b", "名", "a.*"):
        demo.servers.add_tag(server["id"], tag)
        assert three(tags=tag) == {"bare"}
    for other in ("x", "xzy", "q", "."):
        assert three(tags=other) == set()
    assert three(tags="b") == {"one", "two"}
    demo.servers.delete_tags(server["id"])


def test_readers_of_other_projects_see_nothing(running: Any, demo: Client, admin: Client) -> None:
    foreign = running.boot(admin, name="foreign")["id"]
    for method in ("GET", "PUT", "DELETE"):
        with pytest.raises(ApiError) as caught:
            demo.request(method, f"/v2.1/servers/{foreign}/tags/x")
        assert caught.value.code == 404
