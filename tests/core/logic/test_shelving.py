"""Shelve, offload, unshelve: the image that a server becomes, and the server that it becomes again."""

from __future__ import annotations

import threading
from datetime import datetime
from typing import Any

import pytest

from tuinova.core.conductor import ConductorClosed
from tuinova.core.drafts import ImageFilter
from tuinova.core.errors import (
    ComputeHostNotFoundAsked,
    InstanceIsLocked,
    PolicyNotAuthorized,
    UnshelveHostNotInAZ,
    UnshelveInstanceInvalidState,
    ZoneNotAvailable,
)
from tuinova.core.lazy_hosts import LazyHosts
from tuinova.core.records import Image, Instance
from tuinova.core.states import PowerState
from tuinova.virt.fake import FakeOptions

from .conftest import House, quick_options
from .test_actions import wait_for_task, walked

RUN, OFF = PowerState.RUNNING, PowerState.SHUTDOWN
SHELVING = ["shelving", "shelving_image_pending_upload", "shelving_image_uploading"]
UNSHELVE_EVENTS = [("get_image_info", "Success"), ("schedule_instances", "Success")]


def kept_house(make_house: Any, *hosts: str, **compute: Any) -> House:
    """A house where shelved servers stay on their host."""
    return make_house(*hosts, options=quick_options(**{"shelved_offload_time": -1, **compute}))


def shelved(house: House, **fields: Any) -> Instance:
    server = house.create(**fields)
    house.write_note(server.uuid, "kept")
    return house.act(server.uuid, "shelve")


def image_of(house: House, uuid: str) -> Image:
    return house.conductor.image(house.server(uuid).system_metadata["shelved_image_id"])


def as_shelved(house: House, server: Instance) -> None:
    """The server is offloaded, holds nothing and has its image."""
    after = house.server(server.uuid)
    assert (after.vm_state, after.task_state, after.power_state) == ("shelved_offloaded", None, OFF)
    assert (after.host, after.node, after.availability_zone) == (None, None, None)
    assert [address["address"] for address in after.addresses] == [a["address"] for a in server.addresses]
    assert {port.host for port in house.conductor.ports(server.uuid)} == {""}
    assert server.uuid not in {allocation.consumer for allocation in house.conductor.allocations()}
    for driver in house.drivers.values():
        assert server.uuid not in {guest.uuid for guest in driver.list_guests()}
        assert server.uuid not in driver.leftovers()
    assert image_of(house, server.uuid).status == "active"
    assert not house.conductor.open_orders()


# shelve --------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("state", ["active", "stopped", "paused", "suspended"])
def test_shelve_goes_straight_on_to_offloaded(house: House, state: str) -> None:
    server = house.in_state(state)
    since = house.conductor.last_change()
    accepted = house.engine.compute_api.act(house.ctx(), server.uuid, "shelve")
    assert accepted.answer == {}
    house.settle()
    assert walked(house.conductor.changes(since), server.uuid) == [*SHELVING, "shelving_offloading"]
    as_shelved(house, server)
    assert house.events(server.uuid) == [("compute_shelve_instance", "Success")]
    image = image_of(house, server.uuid)
    assert (image.name, image.properties["image_type"]) == ("vm1-shelved", "snapshot")
    assert image.properties["base_image_ref"] == server.image_ref
    remembered = house.server(server.uuid).system_metadata
    assert remembered["shelved_host"] == "node1"
    assert datetime.fromisoformat(remembered["shelved_at"]).tzinfo is not None


def test_shelve_stays_on_the_host_where_that_is_asked_for(make_house: Any) -> None:
    house = kept_house(make_house)
    server = house.create()
    since = house.conductor.last_change()
    after = house.act(server.uuid, "shelve")
    assert walked(house.conductor.changes(since), server.uuid) == SHELVING
    assert (after.vm_state, after.task_state, after.power_state, after.host) == ("shelved", None, OFF, "node1")
    assert house.driver.guest_info(server.uuid).state is OFF
    assert image_of(house, server.uuid).status == "active"
    since = house.conductor.last_change()
    house.act(server.uuid, "shelveOffload")
    assert walked(house.conductor.changes(since), server.uuid) == ["shelving_offloading"]
    as_shelved(house, server)
    assert house.events(server.uuid) == [("compute_shelve_offload_instance", "Success")]


def test_only_admins_offload(make_house: Any) -> None:
    house = kept_house(make_house)
    server = house.create(ctx=house.ctx("demo", "demo"))
    house.act(server.uuid, "shelve", ctx=house.ctx("demo", "demo"))
    with pytest.raises(PolicyNotAuthorized):
        house.act(server.uuid, "shelveOffload", ctx=house.ctx("demo", "demo"))


def test_the_capacity_of_a_shelved_server_is_free_for_others(make_house: Any) -> None:
    house = make_house(fake=FakeOptions(boot_seconds=0, watch_seconds=3600, memory_mb=1100))
    first = house.create(flavor_ref="1")
    assert house.create(name="vm2", flavor_ref="1").vm_state == "error"
    house.act(first.uuid, "shelve")
    assert house.create(name="vm3", flavor_ref="1").vm_state == "active"
    assert house.act(first.uuid, "unshelve").vm_state == "shelved_offloaded"  # no room now


@pytest.mark.parametrize("method", ["power_off", "snapshot"])
def test_a_shelve_that_fails_leaves_the_server_and_no_image(house: House, method: str) -> None:
    server = house.create()
    house.driver.faults.order(method, {"error": "no such disk"})
    after = house.act(server.uuid, "shelve")
    assert (after.vm_state, after.task_state, after.host) == ("active", None, "node1")
    assert house.fault(server.uuid) == (500, "no such disk")
    assert house.events(server.uuid) == [("compute_shelve_instance", "Error")]
    assert house.files_of_images() == set()
    assert not house.conductor.images(ImageFilter(name="vm1-shelved"))
    if method == "snapshot":
        house.driver.faults.order(method, None)
        house.pass_time(601)  # the guest is off already: the power sync sees it
        assert house.server(server.uuid).vm_state == "stopped"


def test_an_offload_that_fails_leaves_a_shelved_server_with_its_image(house: House) -> None:
    server = house.create()
    house.driver.faults.order("destroy", {"error": "busy"})
    after = house.act(server.uuid, "shelve")
    assert (after.vm_state, after.task_state, after.host) == ("shelved", None, "node1")
    assert house.fault(server.uuid) == (500, "busy")
    assert image_of(house, server.uuid).status == "active"
    house.driver.faults.order("destroy", None)
    house.act(server.uuid, "shelveOffload")
    as_shelved(house, server)


def test_a_long_name_is_cut_for_the_image(house: House) -> None:
    server = house.create(name="n" * 255)
    house.act(server.uuid, "shelve")
    assert image_of(house, server.uuid).name == "n" * 247 + "-shelved"


# unshelve ------------------------------------------------------------------------------------------------------------
def test_unshelve_makes_the_server_of_its_image_and_forgets_that(house: House) -> None:
    server = shelved(house, config_drive=True)
    image_id = image_of(house, server.uuid).id
    since = house.conductor.last_change()
    after = house.act(server.uuid, "unshelve")
    assert walked(house.conductor.changes(since), server.uuid) == ["unshelving", "spawning"]
    assert (after.vm_state, after.task_state, after.power_state) == ("active", None, RUN)
    assert (after.host, after.node, after.availability_zone) == ("node1", "node1", "nova")
    assert (after.image_ref, after.addresses) == (server.image_ref, server.addresses)
    assert after.launched_at > server.launched_at
    assert house.note_of(server.uuid) == "kept"
    assert house.events(server.uuid) == [*UNSHELVE_EVENTS, ("compute_unshelve_instance", "Success")]
    assert image_id not in house.conductor.image_ids()
    assert house.files_of_images() == set()
    assert not {key for key in after.system_metadata if key.startswith("shelved")}
    assert {allocation.consumer for allocation in house.conductor.allocations()} == {server.uuid}
    assert {port.host for port in house.conductor.ports(server.uuid)} == {"node1"}
    assert house.conductor.traces(server.uuid)[0].trace["choice"] == {"host": "node1", "node": "node1"}
    assert not house.conductor.open_orders()


def test_unshelve_on_its_host_starts_it(make_house: Any) -> None:
    house = kept_house(make_house)
    server = shelved(house)
    image_id = image_of(house, server.uuid).id
    since = house.conductor.last_change()
    after = house.act(server.uuid, "unshelve")
    assert walked(house.conductor.changes(since), server.uuid) == ["unshelving", "powering-on"]
    assert (after.vm_state, after.power_state) == ("active", RUN)
    assert house.note_of(server.uuid) == "kept"
    assert house.events(server.uuid) == [("compute_start_instance", "Success")]
    assert image_id not in house.conductor.image_ids()
    assert house.files_of_images() == set()
    assert not {key for key in after.system_metadata if key.startswith("shelved")}


def test_a_start_that_fails_leaves_it_shelved(make_house: Any) -> None:
    house = kept_house(make_house)
    server = shelved(house)
    house.driver.faults.order("power_on", {"error": "no"})
    after = house.act(server.uuid, "unshelve")
    assert (after.vm_state, after.task_state) == ("shelved", None)
    assert image_of(house, server.uuid).status == "active"


def test_an_address_that_was_taken_meanwhile_is_replaced(house: House) -> None:
    server = shelved(house)
    address = server.addresses[0]["address"]
    other = house.create(name="other")
    port = house.conductor.ports(other.uuid)[0]
    house.engine.conductor._write(
        lambda tx: tx.connection.exec_driver_sql(
            "UPDATE fixed_ip SET address = ? WHERE port_id = ?", (address, port.id)
        )
    )
    after = house.act(server.uuid, "unshelve")
    assert after.vm_state == "active"
    assert after.addresses[0]["address"] != address
    assert after.addresses[0]["mac"] == server.addresses[0]["mac"]


def test_a_spawn_that_fails_leaves_it_as_shelved_as_before(house: House) -> None:
    server = shelved(house)
    house.driver.faults.order("spawn", {"error": "no space left"})
    house.act(server.uuid, "unshelve")
    as_shelved(house, server)
    assert house.fault(server.uuid) == (500, "no space left")
    assert house.events(server.uuid) == [*UNSHELVE_EVENTS, ("compute_unshelve_instance", "Error")]
    house.driver.faults.order("spawn", None)
    assert house.act(server.uuid, "unshelve").vm_state == "active"
    assert house.note_of(server.uuid) == "kept"


def test_no_valid_host_leaves_it_without_a_fault(house: House) -> None:
    server = shelved(house)
    house.conductor.set_service("node1", "nova-compute", disabled=True)
    house.act(server.uuid, "unshelve")
    as_shelved(house, server)
    assert house.fault(server.uuid) is None
    assert house.events(server.uuid) == [("get_image_info", "Success"), ("schedule_instances", "Error")]
    house.conductor.set_service("node1", "nova-compute", disabled=False)
    assert house.act(server.uuid, "unshelve").vm_state == "active"


def test_an_image_that_went_is_an_error_that_keeps_its_task_until_the_next_start(house: House) -> None:
    server = shelved(house)
    image_id = image_of(house, server.uuid).id
    house.conductor.delete_image(image_id)
    after = house.act(server.uuid, "unshelve")
    assert (after.vm_state, after.task_state, after.host) == ("error", "unshelving", None)
    assert house.fault(server.uuid) == (404, f"Unshelve attempted but the image {image_id} cannot be found.")
    assert house.events(server.uuid) == [("get_image_info", "Error")]
    assert not house.conductor.open_orders()
    house.crash()
    house.restart()
    after = house.server(server.uuid)
    assert (after.vm_state, after.task_state) == ("error", None)
    assert house.act(server.uuid, "delete").deleted


# a place that is asked for -------------------------------------------------------------------------------------------
def test_a_host_is_asked_for(make_house: Any) -> None:
    house = make_house("node1", "node2", "node3")
    for host in ("node3", "node2", "node1"):
        server = shelved(house, name=host)
        assert house.act(server.uuid, "unshelve", {"host": host}).host == host


def test_a_zone_pins_and_null_unpins(make_house: Any) -> None:
    house = make_house("node1", "node2")
    server = shelved(house)
    after = house.act(server.uuid, "unshelve", {"availability_zone": "nova"})
    assert (after.pinned_availability_zone, after.availability_zone) == ("nova", "nova")
    house.act(server.uuid, "shelve")
    assert house.act(server.uuid, "unshelve").pinned_availability_zone == "nova"
    house.act(server.uuid, "shelve")
    assert house.act(server.uuid, "unshelve", {"availability_zone": None}).pinned_availability_zone is None


def test_a_place_is_only_for_offloaded_servers(make_house: Any) -> None:
    house = kept_house(make_house)
    server = shelved(house)
    for body in ({"availability_zone": "nova"}, {"availability_zone": None}, {"host": "node1"}):
        with pytest.raises(UnshelveInstanceInvalidState) as refusal:
            house.act(server.uuid, "unshelve", body)
        assert refusal.value.code == 409
        assert refusal.value.message == (
            "Specifying an availability zone or a host when unshelving server "
            f'"{server.uuid}" with status "shelved" is not supported. '
            "The server status must be SHELVED_OFFLOADED."
        )
    assert house.server(server.uuid).task_state is None


def test_a_place_that_is_none_is_refused(make_house: Any) -> None:
    house = make_house("node1", "node2")
    server = shelved(house)
    with pytest.raises(ZoneNotAvailable) as bad_zone:
        house.act(server.uuid, "unshelve", {"availability_zone": "moon"})
    assert (bad_zone.value.code, bad_zone.value.message) == (
        400,
        "The requested availability zone is not available",
    )
    with pytest.raises(ComputeHostNotFoundAsked) as bad_host:
        house.act(server.uuid, "unshelve", {"host": "nowhere"})
    assert (bad_host.value.code, bad_host.value.message) == (400, "Compute host nowhere could not be found.")
    house.conductor.step(server.uuid, updates={"pinned_availability_zone": "mars"})
    with pytest.raises(UnshelveHostNotInAZ) as not_there:
        house.act(server.uuid, "unshelve", {"host": "node1"})
    assert (not_there.value.code, not_there.value.message) == (
        409,
        'Host "node1" is not in the availability zone "mars".',
    )
    assert house.act(server.uuid, "unshelve", {"host": "node1", "availability_zone": None}).host == "node1"


def test_only_admins_name_a_host(house: House) -> None:
    demo = house.ctx("demo", "demo")
    server = house.create(ctx=demo)
    house.act(server.uuid, "shelve", ctx=demo)
    with pytest.raises(PolicyNotAuthorized) as refusal:
        house.act(server.uuid, "unshelve", {"host": "node1"}, ctx=demo)
    assert "os_compute_api:os-shelve:unshelve_to_host" in refusal.value.message
    assert house.act(server.uuid, "unshelve", ctx=demo).vm_state == "active"


def test_a_locked_server_is_not_shelved_or_unshelved_by_members(house: House) -> None:
    demo = house.ctx("demo", "demo")
    server = house.create(ctx=demo)
    house.act(server.uuid, "lock", ctx=demo)
    with pytest.raises(InstanceIsLocked, match="is locked"):
        house.act(server.uuid, "shelve", ctx=demo)
    assert not house.conductor.images(ImageFilter(status="queued"))


# delete --------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("offloaded", [True, False])
def test_a_delete_takes_the_image_of_a_shelved_server(make_house: Any, offloaded: bool) -> None:
    house = make_house() if offloaded else kept_house(make_house)
    server = shelved(house)
    image_id = image_of(house, server.uuid).id
    assert house.act(server.uuid, "delete").deleted
    assert image_id not in house.conductor.image_ids()
    assert house.files_of_images() == set()
    assert house.nothing_left(server.uuid)


def test_an_image_that_somebody_protects_stays(house: House) -> None:
    server = shelved(house)
    image_id = image_of(house, server.uuid).id
    house.conductor.update_image(image_id, protected=True)
    assert house.act(server.uuid, "unshelve").vm_state == "active"
    assert house.conductor.image(image_id).status == "active"
    assert house.files_of_images() == {image_id}


def test_a_delete_ends_a_shelving_that_copies(make_house: Any) -> None:
    house = make_house(fake=FakeOptions(boot_seconds=0, watch_seconds=3600, copy_seconds=6))
    server = house.create()
    house.act(server.uuid, "shelve", settle=False)
    wait_for_task(house, server.uuid, "shelving_image_pending_upload")
    assert house.act(server.uuid, "delete").deleted
    assert house.files_of_images() == set()
    assert not house.conductor.images(ImageFilter(name="vm1-shelved"))
    assert house.nothing_left(server.uuid)


def test_a_delete_ends_an_unshelving(house: House) -> None:
    server = shelved(house)
    image_id = image_of(house, server.uuid).id
    house.driver.faults.order("spawn", {"kind": "slow", "delay": 0.3})
    house.act(server.uuid, "unshelve", settle=False)
    wait_for_task(house, server.uuid, "spawning")
    assert house.act(server.uuid, "delete").deleted
    assert image_id not in house.conductor.image_ids()
    assert house.nothing_left(server.uuid)


# crashes -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("method", "when"),
    [
        ("power_off", "before"),
        ("power_off", "after"),
        ("snapshot", "before"),
        ("snapshot", "middle"),
        ("snapshot", "after"),
        ("destroy", "before"),
        ("destroy", "middle"),
        ("destroy", "after"),
    ],
)
def test_a_shelving_that_a_crash_cuts_off_is_carried_through(house: House, method: str, when: str) -> None:
    server = house.create()
    house.write_note(server.uuid, "kept")
    hangs = house.hang(method, when)
    house.act(server.uuid, "shelve", settle=False)
    assert hangs.wait(10)
    house.crash()
    house.restart()
    as_shelved(house, server)
    assert house.events(server.uuid) == [("compute_shelve_instance", "Success")]
    assert house.files_of_images() == {image_of(house, server.uuid).id}
    assert house.act(server.uuid, "unshelve").vm_state == "active"
    assert house.note_of(server.uuid) == "kept"


@pytest.mark.parametrize("when", ["before", "middle", "after"])
def test_an_offload_that_a_crash_cuts_off_is_carried_through(make_house: Any, when: str) -> None:
    house = kept_house(make_house)
    server = shelved(house)
    hangs = house.hang("destroy", when)
    house.act(server.uuid, "shelveOffload", settle=False)
    assert hangs.wait(10)
    house.crash()
    house.restart()
    as_shelved(house, server)
    assert house.events(server.uuid) == [("compute_shelve_offload_instance", "Success")]


@pytest.mark.parametrize("when", ["before", "middle", "after"])
def test_an_unshelving_that_a_crash_cuts_off_is_undone(house: House, when: str) -> None:
    server = shelved(house)
    hangs = house.hang("spawn", when)
    house.act(server.uuid, "unshelve", settle=False)
    assert hangs.wait(10)
    house.crash()
    house.restart()
    as_shelved(house, server)
    assert house.fault(server.uuid) == (500, "The service stopped while the server was in task spawning")
    assert house.events(server.uuid) == [*UNSHELVE_EVENTS, ("compute_unshelve_instance", "Error")]
    assert house.act(server.uuid, "unshelve").vm_state == "active"
    assert house.note_of(server.uuid) == "kept"


def test_an_unshelving_before_its_guest_began_is_carried_out(house: House) -> None:
    server = shelved(house)
    hangs = house.hang("list_networks")
    house.act(server.uuid, "unshelve", settle=False)
    assert hangs.wait(10)
    assert house.server(server.uuid).task_state == "unshelving"
    house.crash()
    house.restart()
    assert house.server(server.uuid).vm_state == "active"
    assert house.note_of(server.uuid) == "kept"
    assert house.events(server.uuid) == [*UNSHELVE_EVENTS, ("compute_unshelve_instance", "Success")]


def test_an_unshelving_that_waits_for_the_conductor_is_carried_out(house: House) -> None:
    server = shelved(house)
    house.engine.bus.stop(5)
    house.act(server.uuid, "unshelve", settle=False)
    house.crash()
    house.restart()
    assert house.server(server.uuid).vm_state == "active"
    assert house.events(server.uuid) == [*UNSHELVE_EVENTS, ("compute_unshelve_instance", "Success")]


def killing(house: House) -> Any:
    """In place of a call: nothing that comes after it is written any more."""

    def die(*_: Any, **__: Any) -> None:
        house.conductor.close()
        raise RuntimeError("killed")

    return die


def test_an_unshelving_whose_host_was_not_chosen_yet_is_carried_out(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = shelved(house)
    with monkeypatch.context() as patched:
        patched.setattr(house.engine.hosts, "request_spec", killing(house))
        house.act(server.uuid, "unshelve", settle=False)
        house.engine.bus.wait_idle(10)
    house.crash()
    house.restart()
    assert house.server(server.uuid).vm_state == "active"
    assert house.events(server.uuid) == [*UNSHELVE_EVENTS, ("compute_unshelve_instance", "Success")]


def test_the_scheduler_counts_nothing_of_an_unshelving_that_was_undone_whenever_its_table_was_read(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = shelved(house)
    monkeypatch.setattr(house.driver, "spawn", killing(house))
    house.act(server.uuid, "unshelve", settle=False)
    house.engine.bus.wait_idle(10)
    house.crash()
    # The table is read after it was to be told and before the row is written.
    monkeypatch.setattr(LazyHosts, "released", lambda self, _uuid: self.feed())
    house.restart()
    assert house.server(server.uuid).vm_state == "shelved_offloaded"
    house.engine.hosts.scheduler()
    assert [*house.engine.hosts.feed().table.snapshot().held] == [{}]


STRANGE = [
    ("active", "shelving_image_uploading", "active"),
    ("shelved", "shelving_offloading", "shelved_offloaded"),
    ("shelved", "unshelving", "shelved"),
    ("rescued", "unrescuing", "active"),
    ("soft-delete", "restoring", "active"),
    ("active", "soft-deleting", "soft-delete"),
    ("stopped", "image_backup", "stopped"),
]


@pytest.mark.parametrize(("vm_state", "task", "after"), STRANGE)
def test_tasks_without_an_order_end_too(make_house: Any, vm_state: str, task: str, after: str) -> None:
    house = kept_house(make_house)
    server = house.create()
    if vm_state != "active":
        house.act(server.uuid, "stop")
    house.conductor.step(server.uuid, updates={"vm_state": vm_state, "task_state": task})
    house.crash()
    house.restart()
    left = house.server(server.uuid)
    assert (left.vm_state, left.task_state) == (after, None)
    assert not house.conductor.open_orders()


def test_shelved_servers_are_offloaded_after_their_time(make_house: Any) -> None:
    house = kept_house(make_house, shelved_offload_time=7200, shelved_poll_interval=3600)
    server = shelved(house)
    assert server.vm_state == "shelved"
    house.pass_time(3601)
    assert house.server(server.uuid).vm_state == "shelved"
    house.pass_time(3601)
    as_shelved(house, server)
    assert [action.action for action in house.conductor.actions(server.uuid)] == ["shelve", "create"]
    assert house.events(server.uuid) == [
        ("compute_shelve_instance", "Success"),
        ("compute_shelve_offload_instance", "Success"),
    ]


@pytest.mark.parametrize("offloaded", [False, True])
def test_a_shelving_whose_image_was_whole_but_not_written_down_is_carried_through(
    make_house: Any, monkeypatch: pytest.MonkeyPatch, offloaded: bool
) -> None:
    """The service dies between the image's data and the record that says so."""
    options = quick_options(shelved_offload_time=0 if offloaded else -1)
    house = make_house("node1", options=options)
    server = house.create()
    adopt, adopted = house.engine.image_store.adopt, threading.Event()

    def adopt_and_die(*args: Any, **more: Any) -> Any:
        adopt(*args, **more)
        adopted.set()
        threading.Event().wait(1.0)  # until the crash
        raise ConductorClosed

    monkeypatch.setattr(house.engine.image_store, "adopt", adopt_and_die)
    house.act(server.uuid, "shelve", settle=False)
    assert adopted.wait(10)
    house.crash()
    house.restart()
    after = house.server(server.uuid)
    assert (after.vm_state, after.task_state) == ("shelved_offloaded" if offloaded else "shelved", None)
    assert house.newest_action(server.uuid).message is None
    assert house.act(server.uuid, "unshelve").vm_state == "active"
