"""What a create is refused for, in Nova's words, and what it writes."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest

from tuinova.core.compute_api import CreateRequest
from tuinova.core.drafts import QuotaLimits
from tuinova.core.errors import (
    Forbidden,
    Invalid,
    NovaError,
    PolicyNotAuthorized,
    QuotaExceeded,
)
from tuinova.core.errors.server_networks import FixedIpAlreadyInUse, FixedIpNotInSubnet
from tuinova.core.records import Flavor

from .conftest import House, quick_options

GIB = 1 << 30
UNKNOWN = "11111111-2222-3333-4444-555555555555"

# What is asked for, and the refusal's code and text.
REFUSALS: list[tuple[dict[str, Any], int, str]] = [
    ({"flavor_ref": "nope"}, 400, "Flavor nope could not be found."),
    ({"image_ref": None}, 400, "Missing imageRef attribute"),
    ({"image_ref": ""}, 400, "Missing imageRef attribute"),
    ({"image_ref": UNKNOWN}, 400, "Can not find requested image"),
    ({"min_count": 3, "max_count": 2}, 400, "min_count must be <= max_count"),
    ({"min_count": 2, "hostname": "h"}, 400, "Unable to allocate a single hostname to multiple instances"),
    ({"key_name": "nokey"}, 400, "Invalid key_name provided."),
    ({"user_data": "not base64!"}, 400, "User data needs to be valid base 64."),
    ({"availability_zone": "mars"}, 400, "The requested availability zone is not available"),
    ({"availability_zone": "a:b:c:d"}, 400, "Unable to parse availability_zone"),
    ({"host": "nohost"}, 400, "Compute host nohost could not be found."),
    ({"hypervisor_hostname": "nonode"}, 400, "Compute host nonode could not be found."),
    ({"networks": [{"uuid": UNKNOWN}]}, 400, f"Network {UNKNOWN} could not be found."),
    ({"security_groups": ["web"]}, 400, "Security group web not found for project "),
    ({"scheduler_hints": {"group": UNKNOWN}}, 400, f"Instance group {UNKNOWN} could not be found."),
    ({"metadata": {str(n): "x" for n in range(129)}}, 403, "Maximum number of metadata items exceeds 128"),
]


@pytest.mark.parametrize(("fields", "code", "text"), REFUSALS)
def test_create_refuses_in_novas_words_and_leaves_no_trace(
    house: House, fields: dict[str, Any], code: int, text: str
) -> None:
    last = house.conductor.last_change()
    request = house.request()
    before = house.conductor.last_change()
    with pytest.raises(NovaError) as refusal:
        house.engine.compute_api.create(house.ctx(), replace(request, **fields))
    assert (refusal.value.code, refusal.value.message[: len(text)]) == (code, text)
    assert house.conductor.last_change() == before >= last
    assert not house.conductor.open_orders()


def test_image_sizes_are_checked_ram_first(house: House) -> None:
    def refused(**image: Any) -> str:
        with pytest.raises(Invalid) as refusal:
            house.create(image_ref=house.add_image(**image).id, flavor_ref="1")  # 512 MiB, 1 GiB
        return refusal.value.message

    assert refused(min_ram=1024, min_disk=5) == "Flavor's memory is too small for requested image."
    assert refused(size=2 * GIB, min_disk=5) == (
        f"Flavor's disk is too small for requested image. Flavor disk is {GIB} bytes, image is {2 * GIB} bytes."
    )
    assert refused(virtual_size=3 * GIB) == (
        f"Flavor's disk is too small for requested image. Flavor disk is {GIB} bytes, image is {3 * GIB} bytes."
    )
    assert refused(min_disk=2) == (
        "The created instance's disk would be too small. Flavor's disk is smaller than the minimum size specified in "
        f"image metadata. Flavor disk is {GIB} bytes, minimum size is {2 * GIB} bytes."
    )


@pytest.mark.parametrize("status", ["queued", "saving", "deactivated"])
def test_image_must_be_active(house: House, status: str) -> None:
    image = house.add_image(status=status)
    with pytest.raises(Invalid, match=f"Image {image.id} is not active."):
        house.create(image_ref=image.id)


def test_another_projects_private_image_is_not_there(house: House) -> None:
    image = house.add_image(visibility="private")
    with pytest.raises(Invalid, match="Can not find requested image"):
        house.create(image_ref=image.id, ctx=house.ctx("demo", "demo"))
    assert house.create(image_ref=image.id).vm_state == "active"


def test_private_flavor_needs_access(house: House) -> None:
    house.conductor.create_flavor(Flavor("p1", "private", 64, 1, is_public=False))
    demo = house.ctx("demo", "demo")
    with pytest.raises(Invalid, match="Flavor p1 could not be found"):
        house.create(flavor_ref="p1", ctx=demo)
    house.conductor.add_flavor_access("p1", demo.project_id or "")
    assert house.create(flavor_ref="p1", ctx=demo).vm_state == "active"


def test_members_may_boot_zero_disk_flavors(house: House) -> None:
    house.conductor.create_flavor(Flavor("z1", "diskless", 64, 1, root_gb=0))
    assert house.create(flavor_ref="z1", ctx=house.ctx("demo", "demo")).vm_state == "active"


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"availability_zone": "nova:node1"}, "os_compute_api:servers:create:forced_host"),
        ({"availability_zone": "nova::node1"}, "os_compute_api:servers:create:forced_host"),
        ({"host": "node1"}, "compute:servers:create:requested_destination"),
    ],
)
def test_only_admins_name_hosts(house: House, fields: dict[str, Any], rule: str) -> None:
    with pytest.raises(PolicyNotAuthorized) as refusal:
        house.create(ctx=house.ctx("demo", "demo"), **fields)
    assert refusal.value.message == f"Policy doesn't allow {rule} to be performed."
    assert house.create(**fields).host == "node1"


def test_readers_may_not_create(house: House) -> None:
    reader = replace(house.ctx("demo", "demo"), roles=frozenset({"reader"}))
    with pytest.raises(PolicyNotAuthorized):
        house.create(ctx=reader)


def test_certificates_are_kept_with_the_server(house: House) -> None:
    """Nova verifies signatures only with `verify_glance_signatures`, off by default; what was said is kept."""
    assert house.create(trusted_image_certificates=["a", "b"]).system_metadata["trusted_certs"] == ["a", "b"]
    assert "trusted_certs" not in house.create().system_metadata


def test_image_root_as_a_block_device_is_the_same_as_none(house: House) -> None:
    image = house.add_image()
    root = {"source_type": "image", "destination_type": "local", "boot_index": 0, "uuid": image.id}
    assert house.create(image_ref=image.id, block_devices=[root]).vm_state == "active"


def test_several_servers_are_numbered_and_share_a_reservation(house: House) -> None:
    servers = house.create_many(name="My_web srv.", min_count=3)
    assert [server.name for server in servers] == ["My_web srv.-1", "My_web srv.-2", "My_web srv.-3"]
    assert [server.hostname for server in servers] == ["my-web-srv-1", "my-web-srv-2", "my-web-srv-3"]
    assert [server.launch_index for server in servers] == [0, 1, 2]
    assert len({server.reservation_id for server in servers}) == 1
    assert len({server.addresses[0]["address"] for server in servers}) == 3
    one = house.create(name="My_web srv.", min_count=1, max_count=1)
    assert (one.name, one.hostname) == ("My_web srv.", "my-web-srv")


def test_networks_none_means_no_card(house: House) -> None:
    server = house.create(networks="none")
    assert (server.vm_state, server.addresses) == ("active", [])


@pytest.mark.parametrize("by", ["id", "name"])
def test_networks_are_found_by_id_and_name(house: House, by: str) -> None:
    network = house.conductor.host_networks()[0]
    server = house.create(networks=[{"uuid": getattr(network, by)}])
    assert server.addresses[0]["network"] == network.name


def test_an_address_of_the_hosts_own_network_may_be_asked_for_and_is_had_once(house: House) -> None:
    wish = [{"uuid": "fake", "fixed_ip": "10.0.77.9"}]
    first, second = (house.create(networks=wish, settle=False) for _ in range(2))
    house.settle()
    assert house.server(first.uuid).addresses[0]["address"] == "10.0.77.9"
    second = house.server(second.uuid)
    assert (second.vm_state, second.addresses) == ("error", [])
    assert house.fault(second.uuid)[1].endswith("Fixed IP address 10.0.77.9 is already in use.")
    for address, error in (
        ("10.0.77.9", FixedIpAlreadyInUse),
        ("10.9.9.9", FixedIpNotInSubnet),
        ("fd00::9", FixedIpNotInSubnet),
    ):
        with pytest.raises(error):
            house.create(networks=[{"uuid": "fake", "fixed_ip": address}])


def test_an_address_that_one_host_has_given_away_may_be_had_on_another(make_house: Any) -> None:
    house = make_house("node1", "node2")
    wish = [{"uuid": "fake", "fixed_ip": "10.0.77.9"}]
    first = house.create(networks=wish, availability_zone="nova:node1")
    second = house.create(networks=wish, availability_zone="nova:node2")
    assert [one.addresses[0]["address"] for one in (first, second)] == ["10.0.77.9"] * 2
    with pytest.raises(FixedIpAlreadyInUse):
        house.create(networks=wish)


def test_a_server_keeps_what_was_asked(house: House) -> None:
    ctx = house.ctx()
    house.engine.compute_api.import_keypair(ctx, "mykey", SSH_KEY)
    user_data = base64.b64encode(b"#!/bin/sh\n").decode()
    server = house.create(
        ctx=ctx,
        name="vm[/bold]",
        key_name="mykey",
        user_data=user_data,
        metadata={"a": "b"},
        description="what it is",
        hostname="web",
        tags=["x", "y", "x"],
        scheduler_hints={"same_host": []},
        access_ip_v4="192.0.2.1",
    )
    assert (server.name, server.hostname, server.description) == ("vm[/bold]", "web", "what it is")
    assert server.key_data is not None
    assert server.key_data["public_key"] == SSH_KEY
    assert (server.user_data, server.metadata, server.tags) == (user_data, {"a": "b"}, ["x", "y"])
    assert (server.access_ip_v4, server.security_groups) == ("192.0.2.1", ["default"])
    assert server.reservation_id.startswith("r-")


def test_zone_that_is_asked_for_pins_the_server(house: House) -> None:
    server = house.create(availability_zone="nova")
    assert (server.availability_zone, server.pinned_availability_zone) == ("nova", "nova")


def test_ami_image_brings_kernel_and_ramdisk(house: House) -> None:
    kernel = house.add_image(disk_format="aki", container_format="aki")
    ramdisk = house.add_image(disk_format="ari", container_format="ari")
    image = house.add_image(
        disk_format="ami",
        container_format="ami",
        properties={"kernel_id": kernel.id, "ramdisk_id": ramdisk.id},
    )
    server = house.create(image_ref=image.id)
    assert (server.vm_state, server.kernel_id, server.ramdisk_id) == ("active", kernel.id, ramdisk.id)
    broken = house.add_image(disk_format="ami", container_format="ami", properties={"kernel_id": UNKNOWN})
    with pytest.raises(Invalid, match="Can not find requested image"):
        house.create(image_ref=broken.id)


@pytest.mark.parametrize(
    ("asked", "properties", "drive"),
    [(True, {}, True), (None, {}, False), (None, {"img_config_drive": "mandatory"}, True)],
)
def test_config_drive_is_made_when_asked_or_demanded(
    house: House, asked: bool | None, properties: dict[str, str], drive: bool
) -> None:
    image = house.add_image(properties=properties)
    assert house.create(image_ref=image.id, config_drive=asked).config_drive is drive


# quota ---------------------------------------------------------------------------------------------------------------
@pytest.fixture
def small(make_house: Any) -> House:
    """A house whose projects may have three servers, five cores."""
    return make_house(options=replace(quick_options(), quota=QuotaLimits(instances=3, cores=5)))


def test_quota_refusal_has_novas_lists(small: House) -> None:
    demo = small.ctx("demo", "demo")
    small.create(ctx=demo, flavor_ref="84")
    with pytest.raises(QuotaExceeded) as refusal:
        small.create(ctx=demo, flavor_ref="3", min_count=3)  # 2 cores each
    assert refusal.value.code == 403
    assert refusal.value.message == (
        "Quota exceeded for cores, instances: Requested 6, 3, but already used 1, 1 of 5, 3 cores, instances"
    )
    with pytest.raises(QuotaExceeded) as refusal:
        small.create(ctx=demo, min_count=3, max_count=5)
    assert "Requested 5, 3-5, but" in refusal.value.message


def test_the_largest_count_that_fits_is_built(small: House) -> None:
    demo = small.ctx("demo", "demo")
    servers = small.create_many(ctx=demo, min_count=1, max_count=10)
    assert [server.name for server in servers] == ["vm1-1", "vm1-2", "vm1-3"]
    with pytest.raises(QuotaExceeded):
        small.create(ctx=demo)
    small.act(servers[0].uuid, "delete", ctx=demo)
    left = small.create_many(ctx=demo, min_count=1, max_count=10, name="again")
    assert [server.name for server in left] == ["again"]


def test_a_lost_race_for_the_quota_builds_what_is_left(small: House, monkeypatch: pytest.MonkeyPatch) -> None:
    demo = small.ctx("demo", "demo")
    real = small.conductor.create_instances
    raced: list[bool] = []

    def late(*args: Any, **kwargs: Any) -> Any:
        if not raced:
            raced.append(True)
            small.engine.compute_api.create(small.ctx("demo", "demo"), small.request(name="quicker"))
        return real(*args, **kwargs)

    monkeypatch.setattr(small.conductor, "create_instances", late)
    servers = small.create_many(ctx=demo, min_count=1, max_count=3)
    assert [server.name for server in servers] == ["vm1-1", "vm1-2"]


def test_admins_project_is_unlimited_and_servers_in_error_count(small: House) -> None:
    assert len(small.create_many(min_count=6)) == 6
    demo = small.ctx("demo", "demo")
    for server in small.create_many(ctx=demo, min_count=3):
        small.act(server.uuid, "resetState", {"state": "error"})
    with pytest.raises(Forbidden):
        small.create(ctx=demo)


# the body ------------------------------------------------------------------------------------------------------------
def test_request_from_a_body() -> None:
    request = CreateRequest.from_body(
        {
            "server": {
                "name": "  vm1 ",
                "flavorRef": "http://openstack.example.com/flavors/84",
                "imageRef": UNKNOWN,
                "min_count": "2",
                "networks": "none",
                "config_drive": "yes",
                "security_groups": [{"name": "default"}, {"name": "default"}],
                "adminPass": "secret",
            },
            "os:scheduler_hints": {"group": UNKNOWN, "_nova_check_type": ["rebuild"]},
        }
    )
    assert (request.name, request.flavor_ref, request.counts) == ("vm1", "84", (2, 2))
    assert (request.config_drive, request.security_groups) == (True, ("default",))
    assert request.scheduler_hints == {"group": UNKNOWN}
    assert request.admin_password == "secret"
    assert "secret" not in repr(request)
    plain = CreateRequest.from_body({"server": {"name": "x", "flavorRef": 1, "networks": "auto"}})
    assert (plain.image_ref, len(plain.admin_password)) == (None, 12)
    with pytest.raises(Invalid, match="Invalid config_drive provided"):
        CreateRequest.from_body({"server": {"name": "x", "flavorRef": 1, "config_drive": "maybe"}})


SSH_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl someone@example.com"
