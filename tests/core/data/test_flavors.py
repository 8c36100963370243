"""Flavors: unique, replaced in one transaction, private ones by access."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tuinova.core.conductor import FlavorFilter
from tuinova.core.errors import (
    FlavorAccessExists,
    FlavorAccessListPublic,
    FlavorAccessNotFound,
    FlavorAccessPublic,
    FlavorExists,
    FlavorExtraSpecsNotFound,
    FlavorIdExists,
    FlavorNotFound,
    InvalidInput,
    MarkerNotFound,
)
from tuinova.core.records import Flavor

BIG = Flavor("big", "m9.big", 4096, 8, root_gb=5, ephemeral_gb=1, swap=64, rxtx_factor=2.0, description="wide")


def test_a_created_flavor_is_read_back_with_everything(conductor):
    made = conductor.create_flavor(replace(BIG, is_public=False, extra_specs={"a": "1"}, projects=("p1",)))
    assert made == conductor.flavor("big")
    assert replace(made, created_at=None) == replace(BIG, is_public=False, extra_specs={"a": "1"}, projects=("p1",))
    change = conductor.changes(0)[-1]
    assert (change.kind, change.op, change.key, change.view) == ("flavor", "update", "big", None)


def test_ids_and_names_are_unique(conductor):
    conductor.create_flavor(BIG)
    last = conductor.last_change()
    with pytest.raises(FlavorIdExists, match="Flavor with ID big already exists"):
        conductor.create_flavor(replace(BIG, name="other"))
    with pytest.raises(FlavorExists, match=r"Flavor with name m9.big already exists"):
        conductor.create_flavor(replace(BIG, flavorid="other"))
    assert conductor.last_change() == last


def test_replacing_keeps_id_extra_specs_and_access(conductor):
    conductor.create_flavor(replace(BIG, is_public=False, extra_specs={"a": "1"}, projects=("p1",)))
    new = conductor.replace_flavor("big", Flavor("ignored", "m9.bigger", 8192, 16, is_public=False))
    assert (new.id, new.name, new.memory_mb, new.extra_specs, new.projects) == (
        "big",
        "m9.bigger",
        8192,
        {"a": "1"},
        ("p1",),
    )
    assert conductor.replace_flavor("big", replace(new, is_public=True)).projects == ()


def test_a_refused_replacement_leaves_the_old_flavor(conductor):
    before = conductor.create_flavor(replace(BIG, extra_specs={"a": "1"}))
    with pytest.raises(FlavorExists):
        conductor.replace_flavor("big", replace(BIG, name="m1.tiny"))
    assert conductor.flavor("big") == before
    with pytest.raises(FlavorNotFound, match="Flavor nowhere could not be found"):
        conductor.replace_flavor("nowhere", BIG)


def test_a_deleted_flavor_is_gone_and_servers_keep_their_copy(conductor, make):
    server = make(flavor=conductor.create_flavor(BIG).embedded())
    conductor.delete_flavor("big")
    with pytest.raises(FlavorNotFound):
        conductor.flavor("big")
    with pytest.raises(FlavorNotFound):
        conductor.delete_flavor("big")
    assert conductor.instance(server.uuid).flavor["name"] == "m9.big"
    assert conductor.create_flavor(BIG).extra_specs == {}


def test_extra_specs_are_merged_and_removed_by_key(conductor):
    conductor.create_flavor(BIG)
    conductor.set_extra_specs("big", {"a": "1", "b": "2"})
    assert conductor.set_extra_specs("big", {"b": "3"}).extra_specs == {"a": "1", "b": "3"}
    conductor.delete_extra_spec("big", "a")
    assert conductor.flavor("big").extra_specs == {"b": "3"}
    with pytest.raises(FlavorExtraSpecsNotFound, match="Flavor big has no extra specs with key a"):
        conductor.delete_extra_spec("big", "a")


def test_access_is_for_private_flavors_only(conductor):
    conductor.create_flavor(BIG)
    with pytest.raises(FlavorAccessPublic):
        conductor.add_flavor_access("big", "p1")
    with pytest.raises(FlavorAccessListPublic):
        conductor.flavor_access("big")
    conductor.create_flavor(replace(BIG, flavorid="own", name="own", is_public=False))
    assert conductor.add_flavor_access("own", "p1") == ["p1"]
    with pytest.raises(FlavorAccessExists):
        conductor.add_flavor_access("own", "p1")
    assert conductor.flavor_access("own") == ["p1"]
    assert conductor.remove_flavor_access("own", "p1") == []
    with pytest.raises(FlavorAccessNotFound):
        conductor.remove_flavor_access("own", "p1")


def test_who_sees_which(conductor):
    conductor.create_flavor(replace(BIG, is_public=False, projects=("p1",)))
    conductor.create_flavor(replace(BIG, flavorid="off", name="off", disabled=True))

    def ids(**wanted):
        return {flavor.id for flavor in conductor.flavors(FlavorFilter(**wanted))} & {"big", "off", "1"}

    assert ids() == {"off", "1"}
    assert ids(project_id="p1", disabled=False) == {"big", "1"}
    assert ids(project_id="p2", disabled=False) == {"1"}
    assert ids(is_public=None) == {"big", "off", "1"}
    assert ids(is_public=False) == {"big"}


def test_filters_order_and_pages(conductor):
    def ids(**wanted):
        return [flavor.id for flavor in conductor.flavors(FlavorFilter(**wanted))]

    assert ids() == sorted(ids())
    assert ids(min_ram=8192) == ["4", "5"]
    assert ids(min_disk=80, sort_key="vcpus", sort_dir="desc") == ["5", "4"]
    assert ids(name="^ds") == ["d1", "d2", "d3", "d4"]
    assert ids(limit=2, marker="c1") == ["d1", "d2"]
    with pytest.raises(MarkerNotFound):
        ids(marker="x")
    with pytest.raises(InvalidInput, match="sort_key"):
        ids(sort_key="colour")


def test_describing_changes_only_the_description(conductor):
    before = conductor.create_flavor(BIG)
    after = conductor.describe_flavor("big", None)
    assert after == replace(before, description=None, updated_at=after.updated_at)
