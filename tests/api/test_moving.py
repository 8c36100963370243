"""The answers of what moves servers: codes and bodies as Nova's, on one host."""

from __future__ import annotations

from typing import Any

import pytest

from tuinova.client import ApiError, Client
from tuinova.client.waiters import wait_for_status


@pytest.fixture(scope="module")
def server(running: Any, admin: Client) -> dict[str, Any]:
    return running.boot(admin, name="mover", flavorRef="1")


def _ask(client: Client, server: dict[str, Any], body: dict[str, Any]) -> tuple[int, bytes]:
    answer = client.request("POST", f"/v2.1/servers/{server['id']}/action", body)
    return answer.status, answer.data


def test_resize_confirm_and_revert_answer_without_a_body(running: Any, admin: Client, server: dict[str, Any]) -> None:
    assert _ask(admin, server, {"resize": {"flavorRef": "2"}}) == (202, b"")
    wait_for_status(admin, server["id"], "verify_resize", begun=True, timeout=30)
    assert admin.servers.get(server["id"])["flavor"]["original_name"] == "m1.small"
    assert _ask(admin, server, {"confirmResize": None}) == (204, b"")
    wait_for_status(admin, server["id"], "active", timeout=30)
    assert _ask(admin, server, {"resize": {"flavorRef": 3, "OS-DCF:diskConfig": "AUTO"}}) == (202, b"")
    wait_for_status(admin, server["id"], "verify_resize", begun=True, timeout=30)
    assert _ask(admin, server, {"revertResize": None}) == (202, b"")
    wait_for_status(admin, server["id"], "active", begun=True, timeout=30)
    assert [row["status"] for row in admin.migrations.list(instance_uuid=server["id"])] == ["reverted", "confirmed"]


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ({"resize": {"flavorRef": "2"}}, 400, "When resizing, instances must change flavor!"),
        ({"resize": {"flavorRef": "nope"}}, 400, "Flavor nope could not be found."),
        ({"confirmResize": None}, 409, "Cannot 'confirmResize' instance {id} while it is in vm_state active"),
        ({"migrate": {"host": "nope"}}, 400, "Compute host nope could not be found."),
        ({"migrate": {"host": "{host}"}}, 400, "Cannot migrate to the host where the server exists."),
        (
            {"os-migrateLive": {"host": "{host}", "block_migration": "on"}},
            400,
            "Unable to migrate instance ({id}) to current host ({host}).",
        ),
        ({"evacuate": {}}, 400, "Compute service of {host} is still in use."),
        ({"evacuate": {"host": "nope"}}, 404, "Compute host nope not found."),
        ({"evacuate": {"host": "{host}"}}, 400, "The target host can't be the same one."),
    ],
)
def test_refusals(admin: Client, server: dict[str, Any], body: Any, code: int, message: str) -> None:
    ((key, asked),) = body.items()
    host = server["host"]
    asked = asked and {name: value.replace("{host}", host) for name, value in asked.items()}
    with pytest.raises(ApiError) as caught:
        admin.servers.action(server["id"], key, asked)
    assert (caught.value.code, caught.value.message) == (code, message.format(id=server["id"], host=host))


def test_an_evacuation_answers_nothing(running: Any, admin: Client) -> None:
    lost = running.boot(admin, name="lost")
    [service] = admin.services.list(binary="nova-compute")
    admin.services.set(service["id"], {"forced_down": True})
    try:
        assert _ask(admin, lost, {"evacuate": {"adminPass": "secret"}}) == (200, b"")
        running.engine.settle(20)
    finally:
        admin.services.set(service["id"], {"forced_down": False})
    assert admin.servers.get(lost["id"])["status"] == "ERROR"
    running.remove(admin, lost["id"])
