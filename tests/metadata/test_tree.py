"""Both trees as Nova shows them, key by key."""

from __future__ import annotations

import json

import pytest

from tests.metadata.conftest import KEY, USER_DATA, UUID, facts
from tuinova.core.instance_metadata import OPENSTACK_VERSIONS
from tuinova.core.vendor_data import VendorData
from tuinova.metadata.tree import Tree


def tree(**fields: object) -> Tree:
    return Tree(facts(**fields), VendorData())


def text(path: str, **fields: object) -> str:
    return tree(**fields).find(path).content.decode()


EC2 = "1.0 2007-01-19 2007-03-01 2007-08-29 2007-10-10 2007-12-15 2008-02-01 2008-09-01 2009-04-04 latest"


@pytest.mark.parametrize("path", ["/", "", "//", "/ec2", "/ec2/", "/x/.."])
def test_the_root_lists_the_versions_of_ec2(path: str) -> None:
    assert text(path).split("\n") == EC2.split()


def test_openstack_lists_its_versions() -> None:
    assert text("/openstack").split("\n") == list(OPENSTACK_VERSIONS)
    assert text("/openstack/") == text("/openstack")


@pytest.mark.parametrize(
    ("version", "names"),
    [
        ("2012-08-10", "meta_data.json user_data"),
        ("2013-04-04", "meta_data.json user_data password"),
        ("2013-10-17", "meta_data.json user_data password vendor_data.json"),
        ("2015-10-15", "meta_data.json user_data password vendor_data.json network_data.json"),
        ("latest", "meta_data.json user_data password vendor_data.json network_data.json vendor_data2.json"),
    ],
)
def test_a_version_lists_what_it_has(version: str, names: str) -> None:
    assert text(f"/openstack/{version}/").split("\n") == names.split()


def test_without_user_data_there_is_none() -> None:
    assert "user_data" not in text("/openstack/latest", user_data=None)
    assert text("/latest", user_data=None) == "meta-data/"
    for path in ("/openstack/latest/user_data", "/latest/user-data"):
        with pytest.raises(KeyError):
            text(path, user_data=None)


def test_user_data_comes_back_byte_by_byte() -> None:
    assert tree().find("/openstack/latest/user_data").content == USER_DATA
    assert tree().find("/2009-04-04/user-data").content == USER_DATA


KEYS = {
    "2012-08-10": "availability_zone hostname keys launch_index meta name public_keys uuid",
    "2013-04-04": "random_seed",
    "2015-10-15": "project_id",
    "2016-06-30": "devices",
    "2020-10-14": "dedicated_cpus",
}


@pytest.mark.parametrize("version", OPENSTACK_VERSIONS)
def test_each_version_has_the_keys_up_to_it(version: str) -> None:
    wanted = {key for since, keys in KEYS.items() if version >= since for key in keys.split()}
    document = json.loads(text(f"/openstack/{version}/meta_data.json"))
    assert set(document) == wanted
    assert document["uuid"] == UUID
    assert document["hostname"] == "vm1.novalocal"
    assert document["keys"] == [{"name": "mine", "type": "ssh", "data": KEY}]


def test_secrets_of_the_drive_are_not_told_by_the_service() -> None:
    assert "admin_pass" not in text("/openstack/latest/meta_data.json")


def test_a_seed_is_never_told_twice() -> None:
    one = tree()
    seeds = {json.loads(one.find("/openstack/latest/meta_data.json").content)["random_seed"] for _ in range(3)}
    assert len(seeds) == 3


EC2_LATEST = """ami-id
ami-launch-index
ami-manifest-path
block-device-mapping/
hostname
instance-action
instance-id
instance-type
local-hostname
local-ipv4
placement/
public-hostname
public-ipv4
public-keys/
reservation-id
security-groups"""


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/latest", "meta-data/\nuser-data"),
        ("/latest/meta-data/", EC2_LATEST),
        ("/ec2/2009-04-04/meta-data", EC2_LATEST),
        ("/1.0/meta-data/local-hostname", KeyError),
        ("/2007-01-19/meta-data/local-hostname", "vm1.novalocal"),
        ("/latest/meta-data/ami-id", "ami-0a1b2c3d"),
        ("/latest/meta-data/instance-id", "i-0000002a"),
        ("/latest/meta-data/instance-type", "m1.micro"),
        ("/latest/meta-data/local-ipv4", "127.0.0.1"),
        ("/latest/meta-data/public-ipv4", ""),
        ("/latest/meta-data/placement/availability-zone", "nova"),
        ("/latest/meta-data/security-groups", "default\nweb"),
        ("/latest/meta-data/public-keys/", "0=mine"),
        ("/latest/meta-data/public-keys/0/", "openssh-key"),
        ("/latest/meta-data/public-keys/0/openssh-key", KEY),
        ("/latest/meta-data/public-keys/0/_name", KeyError),
        ("/latest/meta-data/block-device-mapping/", "ami\nroot"),
        ("/latest/meta-data/block-device-mapping/root", "/dev/vda"),
        ("/latest/meta-data/nothing", KeyError),
        ("/latest/meta-data/ami-id/further", KeyError),
        ("/latest/dynamic", KeyError),
        ("/2010-01-01/meta-data", KeyError),
        ("/openstack/2099-01-01", KeyError),
        ("/openstack/latest/nothing.json", KeyError),
        ("/openstack/latest/meta_data.json/further", KeyError),
        ("/openstack/content/0000", KeyError),
        ("/openstack/../../../etc/passwd", KeyError),
        ("/latest/../../etc/passwd", KeyError),
        ("/latest/meta-data/../../openstack/latest/password", ""),
    ],
)
def test_what_is_at_a_path(path: str, content: str | type[Exception]) -> None:
    if isinstance(content, str):
        assert text(path) == content
    else:
        with pytest.raises(content):
            text(path)


def test_disks_follow_the_root_disk_in_the_mapping() -> None:
    path = "/latest/meta-data/block-device-mapping"
    assert text(path, has_ephemeral=True, has_swap=True) == "ami\nephemeral0\nroot\nswap"
    assert text(f"{path}/ephemeral0", has_ephemeral=True, has_swap=True) == "/dev/vdb"
    assert text(f"{path}/swap", has_ephemeral=True, has_swap=True) == "/dev/vdc"
    assert text(f"{path}/swap", root_device="/dev/sda", has_swap=True) == "/dev/sdb"


def test_kernel_and_ramdisk_are_told_where_there_are_such() -> None:
    found = text("/latest/meta-data/kernel-id", kernel_id="deadbeef-0000")
    assert found == "aki-deadbeef"
