"""Aggregates and zones as the scheduler lives by them: a change counts from the next request on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tuinova.core.errors import Invalid, NovaError
from tuinova.virt.fake import FakeOptions

from .conftest import House, quick_options

HOSTS = ("node1", "node2", "node3")
Make = Callable[..., House]


def with_filters(*names: str, **more: Any) -> Any:
    return replace(quick_options(), scheduler={"enabled_filters": ("ComputeFilter", *names), **more})


def aggregate(house: House, name: str, *hosts: str, zone: str | None = None, **metadata: str) -> int:
    ident = house.conductor.create_aggregate(name, zone).id
    for host in hosts:
        house.conductor.add_aggregate_host(ident, host)
    if metadata:
        house.conductor.set_aggregate_metadata(ident, metadata)
    return ident


def flavor(house: House, name: str, **specs: str) -> str:
    made = house.conductor.create_flavor(
        replace(house.conductor.flavor("84"), flavorid=name, name=name, extra_specs={})
    )
    if specs:
        house.conductor.set_extra_specs(made.flavorid, specs)
    return str(made.flavorid)


@pytest.mark.parametrize("filters", [(), ("AvailabilityZoneFilter",)])
def test_a_server_goes_to_its_zone_and_shows_it(make_house: Make, filters: tuple[str, ...]) -> None:
    house = make_house(*HOSTS, options=with_filters(*filters))
    first = house.create()  # the scheduler knows the hosts before there is a zone
    assert first.availability_zone == "nova"
    house.act(first.uuid, "delete")
    east = aggregate(house, "a", "node3", zone="east")
    placed = [house.create(availability_zone="east") for _ in range(2)]
    assert {(one.host, one.availability_zone, one.pinned_availability_zone) for one in placed} == {
        ("node3", "east", "east")
    }
    # Asked for by name, the default zone binds only where the old filter is on.
    assert house.create(availability_zone="nova").host != "node3" or not filters
    with pytest.raises(Invalid, match="The requested availability zone is not available"):
        house.create(availability_zone="west")
    assert house.conductor.aggregate(east).hosts == ("node3",)


def test_a_zone_without_hosts_is_not_available(make_house: Make) -> None:
    house = make_house(*HOSTS)
    aggregate(house, "a", zone="east")
    with pytest.raises(Invalid, match="The requested availability zone is not available"):
        house.create(availability_zone="east")


def test_a_pinned_server_stays_in_its_zone_when_it_moves(make_house: Make) -> None:
    house = make_house(*HOSTS)
    aggregate(house, "a", "node1", "node2", zone="east")
    server = house.create(availability_zone="east")
    other = "node2" if server.host == "node1" else "node1"
    server = house.act(server.uuid, "migrate")
    server = house.act(server.uuid, "confirmResize")
    assert (server.host, server.availability_zone) == (other, "east")
    server = house.act(server.uuid, "shelve")
    server = house.act(server.uuid, "shelveOffload") if server.host else server
    server = house.act(server.uuid, "unshelve")
    assert (server.host in ("node1", "node2"), server.availability_zone) == (True, "east")


def test_multi_tenancy_isolation_follows_the_metadata(make_house: Make) -> None:
    house = make_house(*HOSTS, options=with_filters("AggregateMultiTenancyIsolation"))
    demo = house.ctx("demo", "demo")
    ident = aggregate(house, "a", "node1", "node2", filter_tenant_id=demo.project_id or "")
    assert {house.create().host for _ in range(3)} == {"node3"}
    hosts = {house.create(ctx=house.ctx("demo", "demo")).host for _ in range(3)}
    assert hosts & {"node1", "node2"}
    house.conductor.set_aggregate_metadata(ident, {"filter_tenant_id": None})
    assert {house.create().host for _ in range(4)} & {"node1", "node2"}


def test_extra_specs_find_the_aggregate(make_house: Make) -> None:
    house = make_house(*HOSTS, options=with_filters("AggregateInstanceExtraSpecsFilter"))
    ident = aggregate(house, "a", "node2", ssd="true")
    ssd = flavor(house, "fast", **{"aggregate_instance_extra_specs:ssd": "true"})
    assert {house.create(flavor_ref=ssd).host for _ in range(2)} == {"node2"}
    house.conductor.add_aggregate_host(ident, "node3")
    house.conductor.remove_aggregate_host(ident, "node2")
    assert house.create(flavor_ref=ssd).host == "node3"
    house.conductor.remove_aggregate_host(ident, "node3")
    failed = house.create(flavor_ref=ssd)
    assert (failed.vm_state, house.fault(failed.uuid)) == (
        "error",
        (500, "No valid host was found. There are not enough hosts available."),
    )


def test_type_affinity_and_the_number_of_servers_are_the_aggregates(make_house: Make) -> None:
    house = make_house(*HOSTS, options=with_filters("AggregateTypeAffinityFilter", "AggregateNumInstancesFilter"))
    aggregate(house, "a", "node1", "node2", instance_type="fast")
    assert house.create().host == "node3"
    aggregate(house, "b", "node1", max_instances_per_host="0")
    fast = flavor(house, "fast")
    assert {house.create(flavor_ref=fast).host for _ in range(3)} <= {"node2", "node3"}


def test_an_aggregate_has_its_own_multiplier(make_house: Make) -> None:
    weights = {"ram_weight_multiplier": 0.0, "cpu_weight_multiplier": 0.0, "disk_weight_multiplier": 0.0}
    house = make_house(*HOSTS, options=with_filters(**weights))
    ident = aggregate(house, "a", "node2", ram_weight_multiplier="5")
    assert {house.create().host for _ in range(3)} == {"node2"}
    house.conductor.set_aggregate_metadata(ident, {"ram_weight_multiplier": "-5"})
    assert "node2" not in {house.create().host for _ in range(3)}


def test_an_aggregate_allots_less_than_its_hosts_do(make_house: Make) -> None:
    # Two vCPUs, by the ratio of 4 room for eight; the aggregate lets one server in.
    fake = FakeOptions(boot_seconds=0, watch_seconds=3600, vcpus=2)
    house = make_house(*HOSTS[:2], options=with_filters("AggregateCoreFilter"), fake=fake)
    ident = aggregate(house, "a", "node1", "node2", cpu_allocation_ratio="0.5")
    assert sorted(house.create().host or "" for _ in range(2)) == ["node1", "node2"]
    third = house.create()
    assert house.fault(third.uuid) == (500, "No valid host was found. There are not enough hosts available.")
    house.conductor.set_aggregate_metadata(ident, {"cpu_allocation_ratio": "1"})
    assert house.create().vm_state == "active"


def test_images_keep_to_the_aggregates_that_are_theirs(make_house: Make) -> None:
    house = make_house(*HOSTS, options=with_filters("AggregateImagePropertiesIsolation"))
    aggregate(house, "a", "node1", "node2", os_distro="debian,ubuntu")
    fedora = house.add_image(properties={"os_distro": "fedora"}).id
    assert {house.create(image_ref=fedora).host for _ in range(2)} == {"node3"}
    debian = house.add_image(properties={"os_distro": "debian"}).id
    assert {house.create(image_ref=debian).host for _ in range(3)} & {"node1", "node2"}


def test_images_are_brought_to_the_hosts_that_take_servers(make_house: Make) -> None:
    house = make_house(*HOSTS)
    image, other = house.add_image(), house.add_image()
    ident = aggregate(house, "a", "node1", "node2")
    house.conductor.set_service("node2", disabled=True)

    def cached() -> dict[str, set[str]]:
        return {
            name: {path.name for path in (driver.store.directory / "_base").glob("*")}
            for name, driver in house.drivers.items()
        }

    house.engine.compute_api.cache_images(house.ctx(), ident, [image.id, other.id])
    house.settle()
    assert cached() == {"node1": {image.id, other.id}, "node2": set(), "node3": set()}
    assert not house.conductor.open_orders()
    for wrong in ([image.id, image.id], ["11111111-2222-3333-4444-555555555555"]):
        with pytest.raises(Invalid):
            house.engine.compute_api.cache_images(house.ctx(), ident, wrong)
    with pytest.raises(NovaError, match="Policy doesn't allow compute:aggregates:images"):
        house.engine.compute_api.cache_images(house.ctx("demo", "demo"), ident, [image.id])


def test_an_image_that_was_ordered_is_brought_after_a_crash(make_house: Make) -> None:
    house = make_house(*HOSTS)
    image = house.add_image()
    ident = aggregate(house, "a", "node1")
    house.hang("cache_image")
    house.engine.compute_api.cache_images(house.ctx(), ident, [image.id])
    house.crash()
    house.restart()
    assert (house.driver.store.directory / "_base" / image.id).exists()
    assert not house.conductor.open_orders()


def test_an_image_that_cannot_be_had_leaves_no_order(make_house: Make) -> None:
    house = make_house("node1")
    ident = aggregate(house, "a", "node1")
    house.driver.faults.order("cache_image", {"error": "it is no image", "kind": "reschedule"})
    house.engine.compute_api.cache_images(house.ctx(), ident, [house.add_image().id])
    house.settle()
    assert not house.conductor.open_orders()
