"""What a host does by the clock: timeouts, files of deleted servers, orphans, the image cache."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pytest

from tuinova.core.compute_manager import ComputeOptions
from tuinova.core.compute_manager.periodic import duties
from tuinova.core.errors import HypervisorUnavailable
from tuinova.core.states import PowerState
from tuinova.virt.volumes import VolumeSpec

from .conftest import House, quick_options

HOUR = 3600


def house_with(make_house: Any, *hosts: str, **compute: Any) -> House:
    return make_house(*hosts, options=quick_options(**compute))


# duties --------------------------------------------------------------------------------------------------------------
def test_the_duties_have_novas_spacing() -> None:
    every = {duty.name: duty.every for duty in duties(ComputeOptions())}
    assert every == {
        "resources": 60.0,
        "power sync": 600.0,
        "leftovers": 1800.0,
        "pending deletes": 300.0,
        "image cache": 2400.0,
        "stray orders": 60.0,
        "evacuated servers": 60.0,
        "health": 30.0,
        "networks": 30.0,
    }


def test_a_warning_of_the_hypervisor_is_said_once_as_long_as_it_stays(
    house: House, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (manager,) = house.engine.managers.values()
    compute = manager.compute
    for warnings in (["thrown away"], ["thrown away"], [], ["thrown away"]):
        monkeypatch.setattr(compute.driver, "warnings", lambda found=warnings: found)
        for duty in [duty for duty in LOOKING if duty.name == "health"]:
            duty.call(compute)
    assert [record.message for record in caplog.records if "thrown away" in record.message] == [
        f"{compute.host}: thrown away"
    ] * 2


LOOKING = list(duties(ComputeOptions()))


def test_options_turn_duties_on_and_off() -> None:
    options = ComputeOptions(
        image_cache_manager_interval=-1,
        instance_delete_interval=0,
        rescue_timeout=1,
        reclaim_instance_interval=1,
        shelved_offload_time=1,
        instance_build_timeout=1,
    )
    every = {duty.name: duty.every for duty in duties(options)}
    assert (every["image cache"], every["pending deletes"]) == (None, 60.0)
    assert {"old rescues", "deferred deletes", "shelved servers", "stuck builds"} <= set(every)
    assert every["shelved servers"] == 3600.0


# rescues -------------------------------------------------------------------------------------------------------------
def test_a_rescue_that_lasts_too_long_is_ended(make_house: Any) -> None:
    house = house_with(make_house, rescue_timeout=HOUR)
    server, other = house.create(), house.create(name="vm2")
    house.act(server.uuid, "rescue")
    house.pass_time(HOUR - 100)
    assert house.server(server.uuid).vm_state == "rescued"
    house.act(other.uuid, "rescue")
    house.pass_time(200)
    assert house.server(server.uuid).vm_state == "active"
    assert house.server(other.uuid).vm_state == "rescued"
    action = house.newest_action(server.uuid)
    assert (action.action, action.user_id, action.project_id) == ("unrescue", None, None)


def test_a_busy_rescued_server_is_left_alone(make_house: Any) -> None:
    house = house_with(make_house, rescue_timeout=HOUR)
    server = house.create()
    house.act(server.uuid, "rescue")
    house.conductor.step(server.uuid, updates={"task_state": "unrescuing"})
    house.pass_time(2 * HOUR)
    assert house.newest_action(server.uuid).action == "rescue"


# files of deleted servers --------------------------------------------------------------------------------------------
def leave_files(house: House, uuid: str) -> None:
    house.driver.store.make_directory(uuid)


def test_files_of_deleted_servers_are_removed(house: House) -> None:
    server = house.create()
    house.act(server.uuid, "delete")
    leave_files(house, server.uuid)
    house.pass_time(301)
    assert house.nothing_left(server.uuid)


def test_they_are_tried_only_so_often(make_house: Any) -> None:
    house = house_with(make_house, maximum_instance_delete_attempts=2, running_deleted_instance_action="noop")
    server = house.create()
    house.act(server.uuid, "delete")
    leave_files(house, server.uuid)
    house.driver.faults.order("cleanup", {"error": "busy", "times": 3})
    for _ in range(6):
        house.pass_time(301)
    assert server.uuid in house.driver.leftovers()
    house.crash()
    house.restart()  # a start begins to count anew
    house.driver.faults.order("cleanup", None)
    house.pass_time(301)
    assert house.nothing_left(server.uuid)


def test_files_of_living_or_unknown_servers_stay(house: House) -> None:
    unknown = "b3c5a3a0-0000-4000-8000-000000000000"
    leave_files(house, unknown)
    for _ in range(8):
        house.pass_time(301)
    assert unknown in house.driver.leftovers()


# orphans -------------------------------------------------------------------------------------------------------------
UNKNOWN = "b3c5a3a0-0000-4000-8000-000000000001"


def plant(house: House, uuid: str, *, foreign: bool = False) -> None:
    """A guest that this service has no record of: ours (another state directory's), or somebody else's."""
    server = house.create(name="to be forgotten")
    house.driver.store.make_directory(uuid)
    record = house.driver.store.load(server.uuid)
    house.driver.store.save(replace(record, uuid=uuid, name="instance-99999999", foreign=foreign))


def test_orphans_are_told_with_what_is_there_and_why(make_house: Any) -> None:
    house = house_with(make_house, running_deleted_instance_action="noop")
    living = house.create()
    deleted = house.create(name="vm2")
    house.act(deleted.uuid, "delete")
    leave_files(house, deleted.uuid)
    plant(house, UNKNOWN)
    elsewhere = house.create(name="vm3")
    house.conductor.step(elsewhere.uuid, updates={"host": "its-old-name"})
    orphans = {orphan.uuid: orphan for orphan in house.engine.orphans()}
    assert {uuid: (orphan.what, orphan.why) for uuid, orphan in orphans.items()} == {
        deleted.uuid: (("directory",), "its server is deleted"),
        UNKNOWN: (("domain",), "this service has no record of it"),
        elsewhere.uuid: (("domain",), "its server is on its-old-name"),
    }
    assert {orphan.host for orphan in orphans.values()} == {"node1"}
    assert {orphan.fate for orphan in orphans.values()} == {"noop"}
    assert house.driver.guest_info(living.uuid).state is PowerState.RUNNING


@pytest.mark.parametrize(("reap", "unknown"), [(False, "log"), (True, "reap")])
def test_of_an_orphan_is_told_what_will_become_of_it(make_house: Any, reap: bool, unknown: str) -> None:
    house = house_with(make_house, reap_orphans=reap)
    deleted = house.create()
    house.act(deleted.uuid, "delete")
    leave_files(house, deleted.uuid)
    plant(house, UNKNOWN)
    elsewhere = house.create(name="vm3")
    house.conductor.step(elsewhere.uuid, updates={"host": "its-old-name"})
    fates = {orphan.uuid: orphan.fate for orphan in house.engine.orphans()}
    assert fates == {deleted.uuid: "reap", UNKNOWN: unknown, elsewhere.uuid: "log"}


def test_a_guest_without_a_row_is_only_reported(house: House, caplog: pytest.LogCaptureFixture) -> None:
    plant(house, UNKNOWN)
    house.pass_time(1801)
    assert house.driver.guest_info(UNKNOWN).state is PowerState.RUNNING
    assert f"{UNKNOWN} (domain) on node1 is nobody's: this service has no record of it" in caplog.text


def test_a_guest_without_a_row_goes_where_that_is_asked_for(make_house: Any) -> None:
    house = house_with(make_house, reap_orphans=True)
    plant(house, UNKNOWN)
    foreign = house.driver.plant_foreign("somebody-elses")
    house.pass_time(1801)
    assert UNKNOWN not in {guest.uuid for guest in house.driver.list_guests()}
    assert foreign in {guest.uuid for node in house.driver.node_resources() for guest in node.foreign}
    assert house.driver.store.load(foreign).state == PowerState.RUNNING


@pytest.mark.parametrize("reap_orphans", [True, False])
def test_a_volume_without_a_row_is_told_and_goes_only_where_that_is_asked_for(
    make_house: Any, reap_orphans: bool, caplog: pytest.LogCaptureFixture
) -> None:
    house = house_with(make_house, reap_orphans=reap_orphans)
    kept = house.volume()
    snapshot = house.engine.volume_api.create_snapshot(house.ctx(), kept.id, name="kept")
    house.settle()
    driver = house.volume_driver
    driver.create(VolumeSpec(UNKNOWN, kept.backend, 1), None, lambda *_: None)
    (orphan,) = house.engine.orphans()
    fate = "reap" if reap_orphans else "log"
    assert (orphan.uuid, orphan.what, orphan.host, orphan.fate) == (UNKNOWN, ("volume",), "node1", fate)
    house.pass_time(1801)
    assert f"{UNKNOWN} (volume) is nobody's: this service has no record of it" in caplog.text
    assert set(driver.made()) == {kept.id, snapshot.id} | (set() if reap_orphans else {UNKNOWN})


@pytest.mark.parametrize("reap_orphans", [True, False])
def test_a_foreign_guest_is_never_an_orphan(make_house: Any, reap_orphans: bool) -> None:
    house = house_with(make_house, reap_orphans=reap_orphans)
    foreign = house.driver.plant_foreign("somebody-elses")
    assert foreign not in {orphan.uuid for orphan in house.engine.orphans()}
    house.pass_time(1801)
    assert house.driver.store.load(foreign).state == PowerState.RUNNING


@pytest.mark.parametrize(("action", "state"), [("log", PowerState.RUNNING), ("shutdown", PowerState.SHUTDOWN)])
def test_what_is_done_with_guests_of_deleted_servers(make_house: Any, action: str, state: PowerState) -> None:
    house = house_with(make_house, running_deleted_instance_action=action)
    server = house.create()
    house.conductor.step(server.uuid, delete_row=True)
    house.pass_time(1801)
    assert house.driver.guest_info(server.uuid).state is state


def test_guests_of_deleted_servers_get_their_time(make_house: Any) -> None:
    house = house_with(make_house, running_deleted_instance_timeout=2 * HOUR)
    server = house.create()
    house.conductor.step(server.uuid, delete_row=True)
    house.pass_time(1801)
    assert house.driver.guest_info(server.uuid).state is PowerState.RUNNING
    house.pass_time(2 * HOUR)
    assert house.nothing_left(server.uuid)


def test_a_soft_deleted_server_is_no_orphan(house: House) -> None:
    server = house.create()
    house.conductor.step(server.uuid, updates={"vm_state": "soft-delete"})
    house.pass_time(1801)
    assert house.driver.guest_info(server.uuid)
    assert not house.engine.orphans()


def test_orphans_of_a_host_that_is_away_are_not_told(house: House) -> None:
    house.driver.faults.order("list_guests", {"kind": "lost"})
    assert house.engine.orphans() == []


# image cache ---------------------------------------------------------------------------------------------------------
def test_the_driver_hears_which_images_are_in_use(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[set[str]] = []

    def age(image_ids: Collection[str]) -> list[str]:
        heard.append(set(image_ids))
        return ["da39a3ee5e6b4b0d3255bfef95601890afd80709"]

    monkeypatch.setattr(house.driver, "age_image_cache", age)
    kernel = house.add_image(name="k", disk_format="aki", container_format="aki")
    image = house.add_image(name="with a kernel", properties={"kernel_id": kernel.id})
    first = house.create()
    second = house.create(name="vm2", image_ref=image.id)
    house.conductor.step(second.uuid, updates={"vm_state": "soft-delete"})
    house.pass_time(2401)
    assert heard == [{first.image_ref, image.id, kernel.id}]


@pytest.mark.parametrize("error", [None, HypervisorUnavailable(host="node1", reason="away")])
def test_a_driver_without_a_cache_is_left_alone(
    house: House, monkeypatch: pytest.MonkeyPatch, error: Exception | None
) -> None:
    house.create()
    if error is not None:

        def away(image_ids: Collection[str]) -> list[str]:
            raise error

        monkeypatch.setattr(house.driver, "age_image_cache", away)
    house.pass_time(2401)
    assert house.engine.bus.open_jobs() == 0
