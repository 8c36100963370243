"""Resize, cold migration, live migration, evacuation: the walk, the ends, the refusals (Nova's tables)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tuinova.core.drafts import MigrationFilter
from tuinova.core.errors import (
    CannotMigrateToSameHost,
    CannotResizeDisk,
    CannotResizeToSameFlavor,
    ComputeHostNotFound,
    ComputeHostNotFoundAsked,
    ComputeServiceInUse,
    FlavorNotFoundAsked,
    InvalidMigrationState,
    NotResized,
    PolicyNotAuthorized,
    QuotaExceeded,
    ServiceUnavailable,
    UnableToMigrateToSelf,
)
from tuinova.core.records import Instance, Migration
from tuinova.core.states import PowerState
from tuinova.virt.fake import FakeOptions

from .conftest import House, quick_options
from .test_actions import wait_for_task

RUN, OFF = PowerState.RUNNING, PowerState.SHUTDOWN
TINY, SMALL, MICRO, NANO = "1", "2", "84", "42"
RESIZE_EVENTS = ["conductor_migrate_server", "cold_migrate", "compute_prep_resize", "compute_resize_instance"]


@pytest.fixture
def pair(make_house: Callable[..., House]) -> House:
    """Two hosts."""
    return make_house("node1", "node2")


def other(house: House, server: Instance) -> str:
    return next(name for name in house.host_names if name != server.host)


def migration(house: House, uuid: str) -> Migration:
    return house.conductor.migrations(MigrationFilter(instance_uuid=uuid))[0]


def events(house: House, uuid: str) -> list[tuple[str, str | None]]:
    return [(event.event, event.result) for event in house.newest_action(uuid).events]


def used(house: House) -> dict[str, tuple[int, int]]:
    """vCPUs and RAM that are allocated, by host; the scheduler's table must say the same."""
    feed = house.engine.hosts.feed()
    feed.catch_up()
    found = {}
    for node in house.conductor.nodes():
        row = feed.table.index_of(node.host, node.hypervisor_hostname)
        columns = feed.table.snapshot().columns
        assert row is not None
        assert int(columns["used_mem"][row]) == node.memory_mb_allocated
        found[node.host] = (node.vcpus_allocated, node.memory_mb_allocated)
    return found


def down(house: House, host: str, forced: bool = True) -> None:
    house.conductor.set_service(host, "nova-compute", forced_down=forced)


# resize --------------------------------------------------------------------------------------------------------------
def test_resize_waits_for_a_confirm_and_then_keeps_the_new_sizes(house: House) -> None:
    server = house.create(flavor_ref=TINY)
    before = used(house)["node1"]
    resized = house.act(server.uuid, "resize", {"flavorRef": SMALL})
    assert (resized.vm_state, resized.task_state, resized.status) == ("resized", None, "VERIFY_RESIZE")
    assert (resized.flavor["id"], resized.power_state) == (SMALL, RUN)
    assert events(house, server.uuid) == [(name, "Success") for name in (*RESIZE_EVENTS, "compute_finish_resize")]
    assert house.newest_action(server.uuid).action == "resize"
    assert migration(house, server.uuid).status == "finished"
    assert used(house)["node1"] == (before[0] + 1, before[1] + 2048)
    confirmed = house.act(server.uuid, "confirmResize")
    assert (confirmed.vm_state, confirmed.task_state, confirmed.flavor["id"]) == ("active", None, SMALL)
    assert events(house, server.uuid) == [("compute_confirm_resize", "Success")]
    assert migration(house, server.uuid).status == "confirmed"
    assert used(house)["node1"] == (1, 2048)
    assert not house.driver.leftovers()


@pytest.mark.parametrize(("state", "power"), [("active", RUN), ("stopped", OFF)])
def test_a_revert_brings_the_old_sizes_and_the_old_state_back(house: House, state: str, power: PowerState) -> None:
    server = house.create(flavor_ref=TINY)
    if state == "stopped":
        house.act(server.uuid, "stop")
    before = used(house)
    resized = house.act(server.uuid, "resize", {"flavorRef": SMALL})
    assert (resized.vm_state, resized.power_state) == ("resized", power)
    back = house.act(server.uuid, "revertResize")
    assert (back.vm_state, back.task_state, back.power_state) == (state, None, power)
    assert back.flavor["id"] == TINY
    names = ["compute_revert_resize", "compute_finish_revert_resize"]
    names += ["compute_stop_instance"] if state == "stopped" else []
    assert events(house, server.uuid) == [(name, "Success") for name in names]
    assert migration(house, server.uuid).status == "reverted"
    assert used(house) == before
    assert not house.driver.leftovers()


def test_a_stopped_server_is_stopped_after_a_confirmed_resize(house: House) -> None:
    server = house.create(flavor_ref=TINY)
    house.act(server.uuid, "stop")
    house.act(server.uuid, "resize", {"flavorRef": SMALL})
    after = house.act(server.uuid, "confirmResize")
    assert (after.vm_state, after.power_state) == ("stopped", OFF)


def test_a_smaller_disk_is_accepted_and_rolled_back_before_the_guest_is_touched(house: House) -> None:
    server = house.create(flavor_ref=SMALL)
    guest = house.driver.guest_info(server.uuid)
    before = used(house)
    after = house.act(server.uuid, "resize", {"flavorRef": TINY})
    assert (after.vm_state, after.task_state, after.flavor["id"]) == ("active", None, SMALL)
    assert house.driver.guest_info(server.uuid) == guest
    action = house.newest_action(server.uuid)
    assert (action.action, action.message) == ("resize", "Error")
    fault = house.conductor.newest_fault(server.uuid)
    assert fault is not None
    assert fault.message == "Resize error: Unable to resize disk down."
    assert migration(house, server.uuid).status == "error"
    assert used(house) == before
    assert not house.conductor.open_orders()


def test_less_ram_with_the_same_disk_succeeds(house: House) -> None:
    server = house.create(flavor_ref=MICRO)
    assert house.act(server.uuid, "resize", {"flavorRef": NANO}).vm_state == "resized"


@pytest.mark.parametrize(
    ("flavor", "error", "message"),
    [
        (NANO, CannotResizeDisk, "Server disk was unable to be resized because: Resize to zero disk flavor is not"),
        (TINY, CannotResizeToSameFlavor, "When resizing, instances must change flavor!"),
        ("nope", FlavorNotFoundAsked, "Flavor nope could not be found."),
    ],
)
def test_what_can_never_be_resized_is_refused_at_once(
    house: House, flavor: str, error: type[Exception], message: str
) -> None:
    server = house.create(flavor_ref=TINY)
    with pytest.raises(error, match=message):
        house.act(server.uuid, "resize", {"flavorRef": flavor})
    assert house.server(server.uuid).task_state is None
    assert house.newest_action(server.uuid).action == "create"
    assert not house.conductor.migrations()


def test_a_resize_beyond_the_quota_is_refused(house: House) -> None:
    ctx = house.ctx("demo", "demo")
    server = house.create(ctx=ctx)
    house.conductor.set_quota(ctx.project_id or "", {"ram": 1024})
    with pytest.raises(QuotaExceeded, match="Quota exceeded for ram: Requested 16256, but already used 128 of 1024"):
        house.act(server.uuid, "resize", {"flavorRef": "5"}, ctx=ctx)
    assert not house.conductor.migrations()


@pytest.mark.parametrize("key", ["confirmResize", "revertResize"])
def test_what_was_not_resized_has_nothing_to_end(house: House, key: str) -> None:
    server = house.create()
    house.conductor.step(server.uuid, updates={"vm_state": "resized"})
    with pytest.raises(NotResized, match="Instance has not been resized"):
        house.act(server.uuid, key)


def test_a_second_confirm_finds_nothing_to_confirm(house: House) -> None:
    server = house.create(flavor_ref=TINY)
    house.act(server.uuid, "resize", {"flavorRef": SMALL})
    hangs = house.hang("confirm_migration")
    house.act(server.uuid, "confirmResize", settle=False)
    assert hangs.wait(10)
    for key in ("confirmResize", "revertResize"):
        with pytest.raises(NotResized):
            house.act(server.uuid, key, settle=False)
    house.driver.faults.order("confirm_migration", None)


def test_no_host_with_room_leaves_the_server_as_it_was(house: House) -> None:
    server = house.create()
    big = {"name": "huge", "id": "huge", "memory_mb": 1 << 30, "vcpus": 1, "root_gb": 0}
    make_flavor(house, **big)
    after = house.act(server.uuid, "resize", {"flavorRef": "huge"})
    assert (after.vm_state, after.task_state, after.flavor["id"]) == ("active", None, MICRO)
    fault = house.conductor.newest_fault(server.uuid)
    assert fault is not None
    assert fault.message.startswith("No valid host was found. ")
    assert migration(house, server.uuid).status == "error"
    assert ("conductor_migrate_server", "Error") in events(house, server.uuid)


def make_flavor(house: House, **fields: Any) -> None:
    from tuinova.core.records import Flavor

    known = house.conductor.flavor(MICRO)
    values = {name: getattr(known, name) for name in known.__dataclass_fields__}
    values |= {"flavorid": fields["id"], **{k: v for k, v in fields.items() if k != "id"}}
    house.conductor.create_flavor(Flavor(**values))


@pytest.mark.parametrize(
    ("method", "vm_state"), [("migrate_disk_and_power_off", "error"), ("finish_migration", "error")]
)
def test_a_driver_that_fails_after_power_off_leaves_error_and_holds_one_size(
    house: House, method: str, vm_state: str
) -> None:
    server = house.create(flavor_ref=TINY)
    before = used(house)
    house.driver.faults.order(method, {"error": "boom", "times": 1})
    after = house.act(server.uuid, "resize", {"flavorRef": SMALL})
    assert (after.vm_state, after.task_state, after.flavor["id"]) == (vm_state, None, TINY)
    assert migration(house, server.uuid).status == "error"
    assert used(house) == before
    house.act(server.uuid, "delete")
    assert house.nothing_left(server.uuid)


def test_deleting_a_resized_server_confirms_first_and_leaves_nothing(pair: House) -> None:
    server = pair.create(flavor_ref=TINY)
    pair.act(server.uuid, "resize", {"flavorRef": SMALL})
    pair.act(server.uuid, "delete")
    assert pair.server(server.uuid).deleted
    assert "confirmResize" in [action.action for action in pair.conductor.actions(server.uuid)]
    assert migration(pair, server.uuid).status == "confirmed"
    assert pair.nothing_left(server.uuid)
    assert set(used(pair).values()) == {(0, 0)}


def test_an_old_resize_is_confirmed_by_the_service(make_house: Callable[..., House]) -> None:
    house = make_house(options=quick_options(resize_confirm_window=3600))
    server = house.create(flavor_ref=TINY)
    house.act(server.uuid, "resize", {"flavorRef": SMALL})
    house.pass_time(3000)
    assert house.server(server.uuid).vm_state == "resized"
    house.pass_time(1000)
    assert house.server(server.uuid).vm_state == "active"
    assert house.newest_action(server.uuid).user_id is None


# cold migration ------------------------------------------------------------------------------------------------------
def test_a_cold_migration_goes_to_another_host_and_back(pair: House) -> None:
    server = pair.create()
    there = other(pair, server)
    moved = pair.act(server.uuid, "migrate")
    assert (moved.vm_state, moved.host, moved.node, moved.power_state) == ("resized", there, there, RUN)
    assert moved.addresses[0]["address"] == server.addresses[0]["address"]
    assert pair.newest_action(server.uuid).action == "migrate"
    move = migration(pair, server.uuid)
    assert (move.dest_compute, move.dest_node, move.dest_host) == (there, there, "127.0.0.1")
    assert pair.drivers[there].guest_info(server.uuid).state is RUN
    back = pair.act(server.uuid, "revertResize")
    assert (back.vm_state, back.host, back.power_state) == ("active", server.host, RUN)
    assert server.uuid not in {guest.uuid for guest in pair.drivers[there].list_guests()}
    again = pair.act(server.uuid, "migrate", {"host": there})
    assert again.host == there
    final = pair.act(server.uuid, "confirmResize")
    assert (final.vm_state, final.host) == ("active", there)
    assert server.uuid not in {guest.uuid for guest in pair.drivers[server.host or ""].list_guests()}
    assert used(pair) == {server.host: (0, 0), there: (1, 128)}
    assert pair.conductor.ports(server.uuid)[0].host == there


def test_one_host_has_nowhere_to_migrate_to(house: House) -> None:
    server = house.create()
    after = house.act(server.uuid, "migrate")
    assert (after.vm_state, after.task_state) == ("active", None)
    assert events(house, server.uuid)[0] == ("conductor_migrate_server", "Error")


def test_refusals_of_a_migration(pair: House) -> None:
    server = pair.create()
    with pytest.raises(CannotMigrateToSameHost):
        pair.act(server.uuid, "migrate", {"host": server.host})
    with pytest.raises(ComputeHostNotFoundAsked, match="Compute host nowhere could not be found"):
        pair.act(server.uuid, "migrate", {"host": "nowhere"})
    down(pair, server.host or "")
    with pytest.raises(ServiceUnavailable):
        pair.act(server.uuid, "migrate")
    demo = pair.ctx("demo", "demo")
    with pytest.raises(PolicyNotAuthorized):
        pair.act(pair.create(ctx=demo).uuid, "migrate", ctx=demo)


def test_a_destination_that_fails_to_prepare_is_left_for_the_next(make_house: Callable[..., House]) -> None:
    house = make_house("node1", "node2", "node3")
    server = house.create()
    for name in house.host_names:
        house.drivers[name].faults.order("migration_address", {"error": "no", "times": 1})
    after = house.act(server.uuid, "migrate")
    assert (after.vm_state, after.task_state) == ("active", None)
    fault = house.conductor.newest_fault(server.uuid)
    assert fault is not None
    assert used(house)[server.host or ""] == (1, 128)
    house.drivers[other(house, server)].faults.order("migration_address", {"error": "no", "times": 1})
    assert house.act(server.uuid, "migrate").vm_state == "resized"


# live migration ------------------------------------------------------------------------------------------------------
LIVE_EVENTS = [
    "conductor_live_migrate_instance",
    "compute_check_can_live_migrate_destination",
    "compute_check_can_live_migrate_source",
    "compute_live_migration",
    "compute_pre_live_migration",
    "compute_post_live_migration_at_destination",
]
AUTO = {"host": None, "block_migration": "auto"}


@pytest.mark.parametrize(("state", "power"), [("active", RUN), ("paused", PowerState.PAUSED)])
def test_a_live_migration_moves_the_guest_as_it_is(pair: House, state: str, power: PowerState) -> None:
    server = pair.in_state(state)
    there = other(pair, server)
    moved = pair.act(server.uuid, "os-migrateLive", AUTO)
    assert (moved.vm_state, moved.task_state, moved.host, moved.power_state) == (state, None, there, power)
    assert pair.drivers[there].guest_info(server.uuid).state is power
    assert server.uuid not in {guest.uuid for guest in pair.drivers[server.host or ""].list_guests()}
    assert events(pair, server.uuid) == [(name, "Success") for name in LIVE_EVENTS]
    assert migration(pair, server.uuid).status == "completed"
    assert used(pair) == {server.host: (0, 0), there: (1, 128)}
    assert pair.conductor.ports(server.uuid)[0].host == there
    assert not pair.conductor.open_orders()


def test_one_host_has_nowhere_to_live_migrate_to(house: House) -> None:
    server = house.create()
    after = house.act(server.uuid, "os-migrateLive", AUTO)
    assert (after.vm_state, after.task_state, after.host) == ("active", None, "node1")
    assert migration(house, server.uuid).status == "error"
    assert events(house, server.uuid) == [("conductor_live_migrate_instance", "Error")]


def test_refusals_of_a_live_migration(pair: House) -> None:
    server = pair.create()
    with pytest.raises(UnableToMigrateToSelf):
        pair.act(server.uuid, "os-migrateLive", {"host": server.host, "block_migration": "auto"})
    with pytest.raises(ComputeHostNotFoundAsked):
        pair.act(server.uuid, "os-migrateLive", {"host": "nowhere", "block_migration": "auto"})


@pytest.mark.parametrize(
    ("method", "status"),
    [
        ("check_can_live_migrate_destination", "error"),
        ("check_can_live_migrate_source", "error"),
        ("pre_live_migration", "failed"),
        ("live_migration", "failed"),
    ],
)
def test_a_live_migration_that_fails_leaves_the_guest_running_where_it_was(
    pair: House, method: str, status: str
) -> None:
    server = pair.create()
    for driver in pair.drivers.values():
        driver.faults.order(method, {"error": "no"})
    before = pair.drivers[server.host or ""].guest_info(server.uuid)
    after = pair.act(server.uuid, "os-migrateLive", AUTO)
    assert (after.vm_state, after.task_state, after.host, after.status) == ("active", None, server.host, "ACTIVE")
    assert pair.drivers[server.host or ""].guest_info(server.uuid) == before
    there = pair.drivers[other(pair, server)]
    assert server.uuid not in {guest.uuid for guest in there.list_guests()}
    assert server.uuid not in there.leftovers()
    assert migration(pair, server.uuid).status == status
    assert used(pair) == {server.host: (1, 128), other(pair, server): (0, 0)}
    assert pair.conductor.ports(server.uuid)[0].host == server.host
    assert pair.newest_action(server.uuid).message == "Error"
    assert all(event.finish_time for event in pair.newest_action(server.uuid).events)
    assert not pair.conductor.open_orders()


def long_migration(make_house: Callable[..., House]) -> tuple[House, Instance]:
    house = make_house(
        "node1", "node2", fake=FakeOptions(boot_seconds=0, watch_seconds=3600, live_migration_mb_per_second=4)
    )
    server = house.create()
    house.act(server.uuid, "os-migrateLive", AUTO, settle=False)
    wait_for_status(house, server.uuid, "running")
    return house, server


def wait_for_status(house: House, uuid: str, status: str) -> None:
    import time

    deadline = time.monotonic() + 10
    while migration(house, uuid).status != status:
        assert time.monotonic() < deadline, migration(house, uuid).status
        time.sleep(0.01)


def test_an_abort_leaves_the_guest_where_it_was(make_house: Callable[..., House]) -> None:
    house, server = long_migration(make_house)
    house.act(server.uuid, "abort live migration")
    after = house.server(server.uuid)
    assert (after.vm_state, after.task_state, after.host) == ("active", None, server.host)
    assert migration(house, server.uuid).status == "cancelled"
    assert house.newest_action(server.uuid).action == "live_migration_cancel"
    assert events(house, server.uuid) == [("compute_live_migration_abort", "Success")]


def test_a_force_complete_brings_it_there(make_house: Callable[..., House]) -> None:
    house, server = long_migration(make_house)
    house.act(server.uuid, "force_complete")
    after = house.server(server.uuid)
    assert (after.vm_state, after.task_state, after.host) == ("active", None, other(house, server))
    house.conductor.step(server.uuid, updates={"task_state": "migrating"})
    asked = {"migration_id": migration(house, server.uuid).id}
    with pytest.raises(InvalidMigrationState, match=r"is completed\. Cannot abort live migration"):
        house.act(server.uuid, "abort live migration", asked)


def test_a_delete_ends_a_live_migration(make_house: Callable[..., House]) -> None:
    house, server = long_migration(make_house)
    house.act(server.uuid, "delete")
    assert house.server(server.uuid).deleted
    assert house.nothing_left(server.uuid)
    assert set(used(house).values()) == {(0, 0)}


def test_the_progress_of_a_live_migration_is_seen(make_house: Callable[..., House]) -> None:
    house, server = long_migration(make_house)
    import time

    deadline = time.monotonic() + 10
    while not (house.server(server.uuid).task_progress and migration(house, server.uuid).stats):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    progress = house.server(server.uuid).task_progress or {}
    assert progress["total"] > 0
    assert 0 <= progress["done"] <= progress["total"]
    stats = migration(house, server.uuid).stats or {}
    assert stats["memory_total_bytes"] > 0
    house.act(server.uuid, "abort live migration")
    assert house.server(server.uuid).task_progress is None


# evacuation ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("state", "end"), [("active", "stopped"), ("stopped", "stopped"), ("error", "active")])
def test_an_evacuated_server_is_built_elsewhere_and_its_old_host_cleans_up(pair: House, state: str, end: str) -> None:
    server = pair.in_state(state)
    there = other(pair, server)
    down(pair, server.host or "")
    moved = pair.act(server.uuid, "evacuate", {})
    assert (moved.vm_state, moved.task_state, moved.host) == (end, None, there)
    assert moved.power_state == (OFF if end == "stopped" else RUN)
    assert migration(pair, server.uuid).status == "done"
    names = [name for name, _ in events(pair, server.uuid)]
    assert names[:2] == ["rebuild_server", "compute_rebuild_instance"]
    pair.pass_time(61)
    old = pair.drivers[server.host or ""]
    assert server.uuid in {guest.uuid for guest in old.list_guests()}  # still declared down
    down(pair, server.host or "", forced=False)
    pair.pass_time(61)
    assert server.uuid not in {guest.uuid for guest in old.list_guests()}
    assert migration(pair, server.uuid).status == "completed"
    assert used(pair) == {server.host: (0, 0), there: (1, 128)}


def test_refusals_of_an_evacuation(pair: House) -> None:
    server = pair.create()
    with pytest.raises(ComputeServiceInUse, match=f"Compute service of {server.host} is still in use"):
        pair.act(server.uuid, "evacuate", {})
    down(pair, server.host or "")
    with pytest.raises(ComputeHostNotFound, match="Compute host nowhere not found"):
        pair.act(server.uuid, "evacuate", {"host": "nowhere"})
    with pytest.raises(Exception, match="The target host can't be the same one"):
        pair.act(server.uuid, "evacuate", {"host": server.host})
    assert not pair.conductor.migrations()


def test_nowhere_to_evacuate_to_is_an_error(house: House) -> None:
    server = house.create()
    down(house, "node1")
    after = house.act(server.uuid, "evacuate", {})
    assert (after.vm_state, after.task_state) == ("error", None)
    assert migration(house, server.uuid).status == "error"
    assert used(house)["node1"] == (1, 128)


# what a crash leaves -------------------------------------------------------------------------------------------------
RESIZE_CRASHES = [
    # driver's method, when, task at the crash, end: vm_state, flavor
    ("migrate_disk_and_power_off", "before", "resize_migrating", "active", TINY),
    ("migrate_disk_and_power_off", "middle", "resize_migrating", "active", TINY),
    ("migrate_disk_and_power_off", "after", "resize_migrating", "active", TINY),
    ("finish_migration", "before", "resize_finish", "resized", SMALL),
    ("finish_migration", "middle", "resize_finish", "resized", SMALL),
    ("finish_migration", "after", "resize_finish", "resized", SMALL),
]


@pytest.mark.parametrize("hosts", [("node1",), ("node1", "node2")])
@pytest.mark.parametrize(("method", "when", "task", "vm_state", "flavor"), RESIZE_CRASHES)
def test_a_resize_that_was_interrupted_is_settled(
    make_house: Callable[..., House],
    hosts: tuple[str, ...],
    method: str,
    when: str,
    task: str,
    vm_state: str,
    flavor: str,
) -> None:
    house = make_house(*hosts)
    server = house.create(flavor_ref=TINY)
    reached = [hang_on(house, name, method, when) for name in house.host_names]
    house.act(server.uuid, "resize", {"flavorRef": SMALL}, settle=False)
    wait_for_task(house, server.uuid, task)
    wait_any(reached)
    house.crash()
    house.restart()
    after = house.server(server.uuid)
    assert (after.vm_state, after.task_state, after.flavor["id"]) == (vm_state, None, flavor)
    assert house.drivers[after.host or ""].guest_info(server.uuid).state is RUN
    settled(house, server)
    if vm_state == "resized":
        house.act(server.uuid, "revertResize")
        assert house.server(server.uuid).vm_state == "active"
    for driver in house.drivers.values():
        assert not driver.leftovers()
    memory = house.server(server.uuid).flavor["memory_mb"]
    assert sum(memory for _, memory in used(house).values()) == memory


@pytest.mark.parametrize("hosts", [("node1",), ("node1", "node2")])
@pytest.mark.parametrize(
    ("key", "method", "flavor"),
    [
        ("confirmResize", "confirm_migration", SMALL),
        ("revertResize", "discard_migrated", TINY),
        ("revertResize", "finish_revert_migration", TINY),
    ],
)
@pytest.mark.parametrize("when", ["before", "after"])
def test_the_end_of_a_resize_that_was_interrupted_is_carried_out(
    make_house: Callable[..., House], hosts: tuple[str, ...], key: str, method: str, flavor: str, when: str
) -> None:
    house = make_house(*hosts)
    server = house.create(flavor_ref=TINY)
    house.act(server.uuid, "resize", {"flavorRef": SMALL})
    reached = [hang_on(house, name, method, when) for name in house.host_names]
    house.act(server.uuid, key, settle=False)
    wait_any(reached)
    house.crash()
    house.restart()
    after = house.server(server.uuid)
    assert (after.vm_state, after.task_state, after.flavor["id"]) == ("active", None, flavor)
    settled(house, server)
    for driver in house.drivers.values():
        assert not driver.leftovers()
    assert sum(memory for _, memory in used(house).values()) == after.flavor["memory_mb"]


_LIVE_CALLS = ("pre_live_migration", "live_migration", "post_live_migration", "post_live_migration_at_destination")
LIVE_CRASHES = [
    ("check_can_live_migrate_destination", "before"),
    ("check_can_live_migrate_source", "before"),
    *((method, when) for method in _LIVE_CALLS for when in ("before", "after")),
    ("live_migration", "middle"),
]


@pytest.mark.parametrize(("method", "when"), LIVE_CRASHES)
def test_a_live_migration_that_was_interrupted_ends_with_one_guest(pair: House, method: str, when: str) -> None:
    server = pair.create()
    reached = [hang_on(pair, name, method, when) for name in pair.host_names]
    pair.act(server.uuid, "os-migrateLive", AUTO, settle=False)
    wait_any(reached)
    pair.crash()
    pair.restart()
    after = pair.server(server.uuid)
    assert (after.vm_state, after.task_state, after.power_state) == ("active", None, RUN)
    places = [name for name, driver in pair.drivers.items() if server.uuid in {g.uuid for g in driver.list_guests()}]
    assert places == [after.host]
    settled(pair, server)
    assert used(pair)[after.host or ""] == (1, 128)
    assert sum(memory for _, memory in used(pair).values()) == 128
    assert pair.conductor.ports(server.uuid)[0].host == after.host


def hang_on(house: House, host: str, method: str, when: str) -> Any:
    import threading

    reached = threading.Event()
    faults = house.drivers[host].faults
    strike = faults.strike

    def watched(name: str, moment: str, *names: str) -> None:
        if (name, moment) == (method, when):
            reached.set()
        strike(name, moment, *names)

    faults.strike = watched  # type: ignore[method-assign]
    faults.order(method, {"kind": "hang", "when": when})
    return reached


def wait_any(events: list[Any]) -> None:
    import time

    deadline = time.monotonic() + 10
    while not any(event.is_set() for event in events):
        assert time.monotonic() < deadline, "the call was never reached"
        time.sleep(0.01)


def settled(house: House, server: Instance) -> None:
    """Nothing is open: no order, no event, no move that should be over."""
    assert not house.conductor.open_orders()
    for action in house.conductor.actions(server.uuid):
        for event in house.conductor.action(server.uuid, action.request_id).events:
            assert event.finish_time, event
    now = house.server(server.uuid)
    going = [m for m in house.conductor.migrations(MigrationFilter(instance_uuid=server.uuid)) if m.in_progress]
    assert [m.status for m in going] == (["finished"] if now.vm_state == "resized" else [])
    assert now.updated_at is not None
    assert now.updated_at < house.now() + timedelta(seconds=1)
