"""Commands about volumes: what they ask of Cinder's routes, what they print, what they refuse by themselves."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.cli.conftest import Typed
from tests.cli.stub_cloud import Cloud
from tests.cli.test_network_commands import columns
from tuinova.client import Client
from tuinova.client.waiters import wait_for_volume

Type = Callable[..., Typed]
V = "/volume/v3"


def test_a_volume_with_every_option(asked: Type, cloud: Cloud) -> None:
    image, _kind = cloud.add_image(name="img"), cloud.add("types", name="fast")
    done = asked(
        *("volume", "create", "--size", "3", "--image", "img", "--type", "fast", "--description", "d"),
        *("--availability-zone", "nova", "--property", "a=1", "--hint", "same_host=x"),
        *("v1", "-f", "json"),
    )
    assert cloud.body("POST", f"{V}/volumes")["volume"] == {
        "size": 3,
        "name": "v1",
        "description": "d",
        "volume_type": "fast",
        "availability_zone": "nova",
        "metadata": {"a": "1"},
        "imageRef": image["id"],
        "OS-SCH-HNT:scheduler_hints": {"same_host": "x"},
    }
    assert done.json["properties"] == {"a": "1"}
    assert done.json["type"] == "fast"
    assert list(done.json) == sorted(done.json)


@pytest.mark.parametrize(
    ("words", "fields"),
    [
        (["--snapshot", "snap"], {"size": 4, "snapshot_id": "snap"}),
        (["--snapshot", "snap", "--size", "9"], {"size": 9, "snapshot_id": "snap"}),
        (["--source", "old"], {"size": 5, "source_volid": "old"}),
    ],
)
def test_the_size_is_that_of_the_source(asked: Type, cloud: Cloud, words: list[str], fields: dict[str, object]) -> None:
    ids = {
        "snap": cloud.add("snapshots", name="snap", size=4)["id"],
        "old": cloud.add("volumes", name="old", size=5)["id"],
    }
    assert asked("volume", "create", *words, "v").code == 0
    sent = cloud.body("POST", f"{V}/volumes")["volume"]
    assert sent == {"name": "v", **{key: ids.get(str(value), value) for key, value in fields.items()}}


def test_lists_have_openstacks_columns(asked: Type, cloud: Cloud) -> None:
    attachments = [{"server_id": "s1", "device": "/dev/vdb"}]
    cloud.answers["GET", "/tuinova/v1/servers"] = {"change": 1, "servers": [{"id": "s1", "name": "vm1"}]}
    cloud.add("volumes", name="v1", size=1, attachments=attachments, metadata={"a": "1"})
    table = asked("volume", "list")
    assert columns(table) == ["ID", "Name", "Status", "Size", "Attached to"]
    assert "Attached to vm1 on /dev/vdb" in table.out
    assert columns(asked("volume", "list", "--long")) == [
        *("ID", "Name", "Status", "Size", "Type", "Bootable", "Attached to", "Properties"),
    ]
    assert asked("volume", "list", "-f", "json").json[0]["Attached to"] == attachments
    volume = cloud.add("volumes", name="v2", size=1)
    cloud.add("snapshots", name="s", volume_id=volume["id"], description=None, created_at="now")
    assert columns(asked("volume", "snapshot", "list")) == ["ID", "Name", "Description", "Status", "Size"]
    long = asked("volume", "snapshot", "list", "--long")
    assert columns(long)[5:] == ["Created At", "Volume", "Properties"]
    assert "| v2 " in long.out
    cloud.add("types", name="fast", description="d")
    assert columns(asked("volume", "type", "list")) == ["ID", "Name", "Is Public"]
    assert columns(asked("volume", "type", "list", "--long"))[3:] == ["Description", "Properties"]
    service = {"binary": "cinder-volume", "host": "h", "zone": "nova", "status": "enabled", "state": "up"}
    cloud.answers["GET", f"{V}/os-services"] = {"services": [service]}
    assert columns(asked("volume", "service", "list")) == ["Binary", "Host", "Zone", "Status", "State", "Updated At"]
    assert columns(asked("volume", "service", "list", "--long"))[6:] == ["Disabled Reason"]


def test_all_that_can_be_set_is_set_and_the_rest_is_told(asked: Type, cloud: Cloud) -> None:
    row = cloud.add("volumes", name="v1", size=1, metadata={"old": "1"})
    path = f"{V}/volumes/{row['id']}/action"
    cloud.refusals["POST", path] = (400, {"badRequest": {"code": 400, "message": "Invalid volume: too small"}})
    done = asked("volume", "set", "--size", "1", "--name", "v2", "--no-property", "--property", "a=1", "v1")
    assert done.code == 1
    assert done.err.splitlines() == [
        "Failed to set volume size: Invalid volume: too small (HTTP 400) (Request-ID: req-of-service)",
        "One or more of the set operations failed",
    ]
    assert (row["name"], row["metadata"]) == ("v2", {"a": "1"})


@pytest.mark.parametrize(
    ("words", "body"),
    [
        (["--size", "3"], {"os-extend": {"new_size": 3}}),
        (["--state", "available"], {"os-reset_status": {"status": "available"}}),
        (["--detached"], {"os-reset_status": {"attach_status": "detached"}}),
        (["--non-bootable"], {"os-set_bootable": {"bootable": False}}),
        (["--read-write"], {"os-update_readonly_flag": {"readonly": False}}),
        (["--image-property", "hw_disk_bus=scsi"], {"os-set_image_metadata": {"metadata": {"hw_disk_bus": "scsi"}}}),
        (["--type", "fast"], {"os-retype": {"new_type": "fast", "migration_policy": "never"}}),
    ],
)
def test_setting_is_cinders_action(asked: Type, cloud: Cloud, words: list[str], body: dict[str, object]) -> None:
    cloud.add("types", name="fast")
    row = cloud.add("volumes", name="v1", size=1)
    assert asked("volume", "set", *words, "v1") == Typed(0, "", "")
    assert cloud.body("POST", f"{V}/volumes/{row['id']}/action") == body


def test_deleting_by_force_with_snapshots_or_plainly(asked: Type, cloud: Cloud) -> None:
    row = cloud.add("volumes", name="v1", size=1)
    assert asked("volume", "delete", "--force", "v1").code == 0
    assert cloud.body("POST", f"{V}/volumes/{row['id']}/action") == {"os-force_delete": None}
    done = asked("volume", "delete", "--purge", "nope", "v1")
    assert done.err.splitlines() == [
        "Failed to delete volume with name or ID 'nope': No Volume found for nope",
        "1 of 2 volumes failed to delete.",
    ]
    assert cloud.rows[f"{V}/volumes"] == {}


def test_a_snapshot_is_of_the_volume_of_its_name_unless_told(asked: Type, cloud: Cloud) -> None:
    volume = cloud.add("volumes", name="v1", size=1)
    made = asked("volume", "snapshot", "create", "--force", "--property", "a=1", "v1", "-f", "json").json
    assert cloud.body("POST", f"{V}/snapshots")["snapshot"] == {
        "volume_id": volume["id"],
        "name": "v1",
        "force": True,
        "metadata": {"a": "1"},
    }
    assert made["properties"] == {"a": "1"}
    assert asked("volume", "snapshot", "set", "--name", "s", "--property", "b=2", "v1").code == 0
    assert asked("volume", "snapshot", "show", "s", "-f", "json").json["properties"] == {"a": "1", "b": "2"}
    assert asked("volume", "revert", "s").code == 0
    assert cloud.asked[-1] == ("POST", f"{V}/volumes/{volume['id']}/action", {"revert": {"snapshot_id": made["id"]}})
    assert asked("volume", "snapshot", "delete", "s").code == 0


def test_a_type_with_properties_and_access(asked: Type, cloud: Cloud) -> None:
    cloud.add("projects", name="demo")
    done = asked(
        "volume", "type", "create", "--private", "--project", "demo", "--property", "k=v", "--multiattach", "t"
    )
    [(ident, row)] = cloud.rows[f"{V}/types"].items()
    assert done.code == 0, done.err
    assert row["os-volume-type-access:is_public"] is False
    assert [path.rpartition("/")[2] for _method, path, _body in cloud.asked] == ["types", "action", "extra_specs"]
    assert cloud.body("POST", f"{V}/types/{ident}/extra_specs") == {
        "extra_specs": {"k": "v", "multiattach": "<is> True"}
    }


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["create", "v"], 1, "--size is a required option if none of --snapshot, --backup, --source, or --remote-"),
        (["create", "--size", "x", "v"], 2, "'x' is not a valid int"),
        (["create", "--image", "a", "--snapshot", "b", "v"], 2, "--snapshot: not allowed with argument --image"),
        (["create", "--size", "1", "--image", "nope", "v"], 1, "No Image found for nope"),
        (["set", "--state", "fine", "v"], 2, "argument --state: invalid choice: 'fine'"),
        (["set", "--bootable", "--non-bootable", "v"], 2, "not allowed with argument --bootable"),
        (["delete", "--force", "--purge", "v"], 2, "--purge: not allowed with argument --force"),
        (["show", "nope"], 1, "No Volume found for nope"),
        (["snapshot", "show", "nope"], 1, "No Snapshot found for nope"),
        (["type", "show", "nope"], 1, "No Type found for nope"),
        (["type", "create", "--project", "p", "t"], 1, "--project is only allowed with --private"),
        (["snapshot"], 2, "'snapshot' goes on with: 'snapshot create'"),
    ],
)
def test_what_is_typed_wrong(asked: Type, cloud: Cloud, words: list[str], code: int, said: str) -> None:
    done = asked("volume", *words)
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert cloud.asked == []


# with a real engine --------------------------------------------------------------------------------------------------
def test_a_volume_from_its_making_to_its_end(typed: Type, admin: Client) -> None:
    words = ("--size", "2", "--bootable", "--read-only", "--property", "a=b", "v1", "-f", "json")
    made = typed("volume", "create", *words).json
    assert (made["status"], made["bootable"]) == ("available", "true")
    assert made["properties"] == {"a": "b", "readonly": "True"}
    assert typed("volume", "set", "--size", "3", "v1") == Typed(0, "", "")
    wait_for_volume(admin, made["id"], timeout=10)
    assert typed("volume", "list", "-f", "value", "-c", "Name", "-c", "Size").out == "v1 3\n"
    assert typed("volume", "snapshot", "create", "--volume", "v1", "s1").code == 0
    done = typed("volume", "delete", "v1")
    assert (done.code, done.err.splitlines()[-1]) == (1, "1 of 1 volumes failed to delete.")
    assert "Invalid volume: Volume status must be available or error" in done.err
    assert typed("volume", "delete", "--purge", "v1").code == 0


def test_members_may_make_volumes_and_no_types(typed: Type) -> None:
    words = {"user": "demo", "project": "demo"}
    assert typed("volume", "create", "--size", "1", "mine", **words).code == 0
    done = typed("volume", "type", "create", "t", **words)
    assert (done.code, done.out) == (1, "")
    assert "Policy doesn't allow volume_extension:types_manage to be performed. (HTTP 403)" in done.err
    assert typed("volume", "service", "list", **words).code == 1
