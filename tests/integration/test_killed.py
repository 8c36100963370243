"""The service dies in the middle of every long action on a real guest; afterwards nothing is stuck, nothing leaks.

The default run walks a sample; with --all every moment of every row is one. The table is printed at the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import pytest

from tests.integration.conftest import House
from tests.integration.killing import Ask, Killed, Moment, Result, cut_off
from tests.integration.stage import IMAGE, Stage, create, on_one_host, on_two_hosts, other_flavor
from tests.integration.world import tables
from tests.lab import LibvirtHosts
from tuinova.client import Client

pytestmark = pytest.mark.integration


def _act(key: str, body: Any = None) -> Ask:
    return lambda client, uuid: client.servers.action(uuid, key, body)


def _resize(client: Client, uuid: str) -> None:
    client.servers.action(uuid, "resize", {"flavorRef": other_flavor(client, uuid)})


def _rebuild(client: Client, uuid: str) -> None:
    client.servers.action(uuid, "rebuild", {"imageRef": client.images.find(IMAGE)["id"]})


def _evacuate(client: Client, uuid: str) -> None:
    _called_down(client, client.servers.get(uuid)["OS-EXT-SRV-ATTR:host"], True)
    client.servers.action(uuid, "evacuate", {})


def _called_down(client: Client, host: str, is_down: bool) -> None:
    (service,) = client.services.list(host=host, binary="nova-compute")
    client.services.set(service["id"], {"forced_down": is_down})


def _come_back(house: House) -> None:
    """When the server lives elsewhere the host that was called down is up, and looks around when it starts."""
    deadline = time.monotonic() + 60
    while tables(house)["work_order"]:
        assert time.monotonic() < deadline, house.log()[-3000:]
        time.sleep(0.2)
    for service in house.client.services.list(binary="nova-compute"):
        _called_down(house.client, service["host"], False)
    house.kill()
    house.start()


M = Moment
_SUSPEND, _SNAPSHOT, _LIVE = M("suspending", job=True), M("image_snapshot", job=True), M("migrating", job=True)
_COPY = M("resize_migrating", later=0.5)
_SHELVE = M("shelving_image_pending_upload")
_SPAWN = M("spawning", later=0.15)
_ENDS = frozenset
_RESIZE = (M("resize_prep"), M("resize_migrating"), _COPY, M("resize_migrated"), M("resize_finish"))
_RESIZE += (M("resize_finish", later=0.2),)
_ANSWERED = (M(), M(later=0.05))
_REVERT = (M("resize_reverting"), M("resize_reverting", later=0.1), M("resize_reverting", later=0.3))
_BUILD = (M("scheduling"), M("networking"), M("block_device_mapping"), M("spawning"), _SPAWN, M("spawning", later=0.4))
_REBUILD = (M("rebuilding"), M("rebuild_block_device_mapping"), M("rebuild_spawning"))
_REBUILD += (M("rebuild_spawning", later=0.2),)

ROWS = (
    # Of a build that had begun nobody knows how far it came: it is given up, and nothing of it stays.
    Killed(
        "create", "", lambda client, _: create(client, "built"), "active", _BUILD, _ENDS({"error"}), sample=(_SPAWN,)
    ),
    # The hypervisor may be saving still when the service is back.
    Killed("suspend", "booted", _act("suspend"), "suspended", (M("suspending"), _SUSPEND)),
    Killed("resume", "suspended", _act("resume"), "active", (M("resuming"), M("resuming", later=0.1))),
    Killed(
        "createImage",
        "booted",
        _act("createImage", {"name": "cut-off"}),
        "active",
        (M("image_snapshot_pending"), M("image_snapshot"), _SNAPSHOT, M("image_pending_upload"), M("image_uploading")),
        may_fail=True,
        image="cut-off",
    ),
    Killed(
        "createBackup",
        "active",
        _act("createBackup", {"name": "cut-off-daily", "backup_type": "daily", "rotation": 2}),
        "active",
        (M("image_backup"), M("image_backup", job=True), M("image_pending_upload"), M("image_uploading")),
        may_fail=True,
        image="cut-off-daily",
    ),
    Killed(
        "shelve",
        "active",
        _act("shelve"),
        "shelved_offloaded",
        (
            *(M("shelving"), M("shelving", later=0.5), _SHELVE, M("shelving_image_pending_upload", later=0.1)),
            *(M("shelving_image_uploading"), M("shelving_offloading"), M("shelving_offloading", later=0.05)),
        ),
    ),
    Killed(
        "unshelve",
        "shelved_offloaded",
        _act("unshelve"),
        "active",
        (M("unshelving"), M("spawning"), _SPAWN, M("spawning", later=0.4)),
        _ENDS({"shelved_offloaded"}),
    ),
    Killed("resize", "active", _resize, "resized", _RESIZE, _ENDS({"active"}), sample=(_COPY,)),
    Killed("confirmResize", "resized", _act("confirmResize"), "active", _ANSWERED),
    Killed("revertResize", "resized", _act("revertResize"), "active", _REVERT),
    Killed("rescue", "active", _act("rescue", {}), "rescued", (M("rescuing"), M("rescuing", later=2.2))),
    Killed("unrescue", "rescued", _act("unrescue"), "active", (M("unrescuing"), M("unrescuing", later=0.1))),
    Killed("rebuild", "active", _rebuild, "active", _REBUILD, _ENDS({"error"})),
    Killed("stop", "active", _act("os-stop"), "stopped", (M("powering-off"), M("powering-off", later=0.5))),
    Killed("start", "stopped", _act("os-start"), "active", (M("powering-on"), M("powering-on", later=0.1))),
    Killed(
        "reboot",
        "active",
        _act("reboot", {"type": "HARD"}),
        "active",
        (M("rebooting_hard"), M("reboot_started_hard"), M("reboot_started_hard", later=0.1)),
    ),
    Killed("delete", "active", lambda client, uuid: client.servers.delete(uuid), "gone", (M("deleting"),)),
    # two hosts
    Killed(
        "live-migration",
        "booted",
        _act("os-migrateLive", {"host": None, "block_migration": "auto"}),
        "active moved",
        (M("migrating"), M("migrating", later=0.1), _LIVE, M("migrating", later=2.0), M("migrating", left=True)),
        _ENDS({"active at home"}),
        hosts=2,
        sample=(_LIVE,),
    ),
    Killed("migrate", "active", _act("migrate"), "resized moved", _RESIZE, _ENDS({"active at home"}), hosts=2),
    Killed("confirmResize", "migrated", _act("confirmResize"), "active at home", _ANSWERED, hosts=2),
    Killed("revertResize", "migrated", _act("revertResize"), "active moved", _REVERT, hosts=2),
    Killed(
        "evacuate",
        "active",
        _evacuate,
        "stopped moved",
        (M("rebuilding"), M("rebuild_spawning"), M("rebuild_spawning", later=0.2)),
        _ENDS({"error moved", "error at home"}),
        hosts=2,
        bring_back=_come_back,
    ),
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test for each cell that this run walks."""
    if "cell" in metafunc.fixturenames:
        whole = metafunc.config.getoption("--all")
        cells = [(row, moment) for row in ROWS for moment in (row.moments if whole else row.sample)]
        assert all(moment in row.moments for row in ROWS for moment in row.sample)
        names = [f"{row.action}{' on two hosts' * (row.hosts - 1)}: {moment}" for row, moment in cells]
        metafunc.parametrize("cell", cells, ids=names)


@pytest.fixture(scope="module")
def one_host(house: House) -> Iterator[Stage]:
    """A server on the run's house."""
    with on_one_host(house) as one:
        yield one


@pytest.fixture(scope="module")
def two_hosts(libvirt_hosts: LibvirtHosts) -> Iterator[Stage]:
    """A server on two hosts."""
    with on_two_hosts(libvirt_hosts) as one:
        yield one


def test_a_kill_leaves_nothing_stuck_and_nothing_behind(
    cell: tuple[Killed, Moment], request: pytest.FixtureRequest, record_property: Callable[[str, Any], None]
) -> None:
    """Killed, started, at rest; then the server is used again."""
    row, moment = cell
    stage: Stage = request.getfixturevalue("one_host" if row.hosts == 1 else "two_hosts")
    try:
        uuid = stage.set(row.begin)
        result: Result = cut_off(stage.house, row, moment, uuid)
        record_property("killed", asdict(result))
        assert not result.wrong, "\n".join((str(result), stage.house.log()[-6000:]))
        use_again(stage, row)
    except BaseException:
        revive(stage)
        raise


def use_again(stage: Stage, row: Killed) -> None:
    """What is left of the cut-off action bars no other one."""
    if row.image:
        for image in stage.house.client.images.list():
            if image["name"] == row.image:
                stage.house.client.images.delete(image["id"])
    if not stage.uuid or stage.state() in ("deleted", "error"):
        stage.clear()  # a half-made server can only be deleted
    elif stage.state() != "active":
        stage.revive()
    elif row.begin != "suspended":
        stage.reboot()


def revive(stage: Stage) -> None:
    """After a failed cell the next one begins with another server."""
    service = stage.house.service
    if service is None or service.poll() is not None:
        stage.house.start()
    stage.clear()
