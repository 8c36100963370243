"""Host aggregates: names, zones, hosts, metadata, and what each refuses."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tuinova.core.conductor import Conductor
from tuinova.core.errors import (
    AggregateHostExists,
    AggregateHostNotFound,
    AggregateNameExists,
    AggregateNotFound,
    ComputeHostNotFound,
    InvalidAggregateActionAdd,
    InvalidAggregateActionDelete,
    InvalidAggregateActionRemove,
    InvalidAggregateActionUpdate,
    InvalidAggregateActionUpdateMeta,
    NovaError,
)
from tuinova.core.records import Aggregate

IN_USE = "One or more hosts contain instances in this zone."


@pytest.fixture
def hosts(conductor: Conductor) -> None:
    for name in ("h1", "h2", "h3"):
        conductor.register_service(name)


@pytest.fixture
def occupied(conductor: Conductor, hosts: None, make: Callable) -> str:
    """A host with a server."""
    make("vm", updates={"host": "h1", "node": "n1"})
    return "h1"


def in_zone(conductor: Conductor, name: str, zone: str | None, *hosts: str) -> Aggregate:
    made = conductor.create_aggregate(name, zone)
    for host in hosts:
        made = conductor.add_aggregate_host(made.id, host)
    return made


def zones(conductor: Conductor) -> dict[str, str]:
    return {service.host: service.availability_zone for service in conductor.services()}


def test_an_aggregate_is_made_changed_and_deleted(conductor: Conductor, hosts: None) -> None:
    made = conductor.create_aggregate("fast", "east")
    assert (made.availability_zone, made.hosts, made.updated_at) == ("east", (), None)
    conductor.set_aggregate_metadata(made.id, {"ssd": "true", "rack": "1"})
    changed = conductor.set_aggregate_metadata(made.id, {"rack": None, "ssd": "false"})
    assert changed.metadata == {"availability_zone": "east", "ssd": "false"}
    assert changed.updated_at is not None
    assert conductor.update_aggregate(made.id, {"name": "slow", "availability_zone": "west"}).metadata == {
        "availability_zone": "west",
        "ssd": "false",
    }
    assert [(one.id, one.name) for one in conductor.aggregates()] == [(made.id, "slow")]
    conductor.delete_aggregate(made.id)
    assert conductor.aggregates() == []
    for call in (conductor.aggregate, conductor.delete_aggregate):
        with pytest.raises(AggregateNotFound, match=f"Aggregate {made.id} could not be found."):
            call(made.id)
    assert {change.kind for change in conductor.changes(0)} == {"service", "aggregate"}


def test_names_are_unique(conductor: Conductor) -> None:
    conductor.create_aggregate("a")
    other = conductor.create_aggregate("b")
    with pytest.raises(AggregateNameExists, match=r"Aggregate a already exists\."):
        conductor.create_aggregate("a")
    with pytest.raises(AggregateNameExists, match=r"Aggregate a already exists\."):
        conductor.update_aggregate(other.id, {"name": "a", "availability_zone": "z"})
    assert conductor.aggregate(other.id).metadata == {}
    assert conductor.update_aggregate(other.id, {"name": "b"}).name == "b"


def test_a_zone_is_that_of_the_hosts_services(conductor: Conductor, hosts: None) -> None:
    first = in_zone(conductor, "a", "east", "h1", "h2")
    assert zones(conductor) == {"h1": "east", "h2": "east", "h3": "nova"}
    last = conductor.last_change()
    conductor.remove_aggregate_host(first.id, "h2")
    assert zones(conductor)["h2"] == "nova"
    told = {(change.kind, change.key) for change in conductor.changes(last)}
    assert {("aggregate", str(first.id)), ("service", "h2"), ("service", "h1")} == told
    conductor.update_aggregate(first.id, {"availability_zone": "west"})
    assert zones(conductor)["h1"] == "west"


def test_the_default_zone_is_the_configurations(conductor: Conductor, hosts: None) -> None:
    conductor.default_availability_zone = "here"
    assert zones(conductor)["h1"] == "here"


@pytest.mark.parametrize(
    ("what", "error", "code", "text"),
    [
        (lambda c, a: c.add_aggregate_host(a, "h9"), ComputeHostNotFound, 404, "Compute host h9 could not be found."),
        (lambda c, a: c.add_aggregate_host(a, "h2"), AggregateHostExists, 409, "Aggregate {a} already has host h2."),
        (
            lambda c, a: c.remove_aggregate_host(a, "h3"),
            AggregateHostNotFound,
            404,
            "Cannot remove host h3 in aggregate {a}",
        ),
        (
            lambda c, a: c.delete_aggregate(a),
            InvalidAggregateActionDelete,
            400,
            "Cannot remove host from aggregate {a}. Reason: Host aggregate is not empty.",
        ),
        (
            lambda c, a: c.update_aggregate(a, {"availability_zone": None}),
            InvalidAggregateActionUpdate,
            400,
            "Cannot update aggregate {a}. Reason: Aggregate agg does not support empty named availability zone.",
        ),
        (
            lambda c, a: c.set_aggregate_metadata(a, {"availability_zone": None}),
            InvalidAggregateActionUpdateMeta,
            400,
            "Cannot update metadata of aggregate {a}. Reason: Aggregate agg does not support empty named availability "
            "zone.",
        ),
        (lambda c, a: c.add_aggregate_host(99, "h1"), AggregateNotFound, 404, "Aggregate 99 could not be found."),
    ],
)
def test_a_refusal_changes_nothing(
    conductor: Conductor, hosts: None, what: Callable, error: type[NovaError], code: int, text: str
) -> None:
    aggregate = in_zone(conductor, "agg", "east", "h2")
    last = conductor.last_change()
    with pytest.raises(error) as caught:
        what(conductor, aggregate.id)
    assert (caught.value.code, str(caught.value)) == (code, text.format(a=aggregate.id))
    assert conductor.last_change() == last
    assert conductor.aggregate(aggregate.id) == aggregate


def test_a_host_is_in_one_zone_only(conductor: Conductor, hosts: None) -> None:
    in_zone(conductor, "a", "east", "h1")
    plain = in_zone(conductor, "b", None, "h1")
    west = conductor.create_aggregate("c", "west")
    text = r"Reason: One or more hosts already in availability zone\(s\) \['east'\]."
    with pytest.raises(InvalidAggregateActionAdd, match=text) as caught:
        conductor.add_aggregate_host(west.id, "h1")
    assert caught.value.code == 409
    with pytest.raises(InvalidAggregateActionUpdate, match=text):
        conductor.update_aggregate(plain.id, {"availability_zone": "west"})
    with pytest.raises(InvalidAggregateActionUpdateMeta, match=text):
        conductor.set_aggregate_metadata(plain.id, {"availability_zone": "west"})
    assert conductor.update_aggregate(plain.id, {"availability_zone": "east"}).availability_zone == "east"


def test_servers_are_not_moved_into_another_zone_under_their_feet(conductor: Conductor, occupied: str) -> None:
    east = in_zone(conductor, "a", "east")
    with pytest.raises(InvalidAggregateActionAdd, match=IN_USE) as caught:
        conductor.add_aggregate_host(east.id, occupied)
    assert caught.value.code == 409
    plain = in_zone(conductor, "b", None, occupied)
    with pytest.raises(InvalidAggregateActionUpdate, match=IN_USE):
        conductor.update_aggregate(plain.id, {"availability_zone": "east"})
    with pytest.raises(InvalidAggregateActionUpdateMeta, match=IN_USE):
        conductor.set_aggregate_metadata(plain.id, {"availability_zone": "east"})
    conductor.set_aggregate_metadata(plain.id, {"ssd": "true"})
    assert conductor.remove_aggregate_host(plain.id, occupied).hosts == ()


def test_a_host_with_servers_stays_in_its_zone(conductor: Conductor, hosts: None, make: Callable) -> None:
    first, second = in_zone(conductor, "a", "east", "h1"), in_zone(conductor, "b", "east", "h1")
    vm = make("vm", updates={"host": "h1", "node": "n1"})
    conductor.remove_aggregate_host(second.id, "h1")  # the other one keeps it in the zone
    with pytest.raises(InvalidAggregateActionRemove, match=f"Cannot remove host h1 in aggregate {first.id}") as caught:
        conductor.remove_aggregate_host(first.id, "h1")
    assert caught.value.code == 409
    conductor.step(vm.uuid, delete_row=True)
    assert conductor.remove_aggregate_host(first.id, "h1").hosts == ()


def test_a_service_that_goes_leaves_its_aggregates(conductor: Conductor, hosts: None) -> None:
    aggregate = in_zone(conductor, "a", "east", "h1", "h2")
    last = conductor.last_change()
    conductor.delete_service(conductor.service_of("h1").uuid)
    assert conductor.aggregate(aggregate.id).hosts == ("h2",)
    assert ("aggregate", str(aggregate.id)) in {(change.kind, change.key) for change in conductor.changes(last)}
