"""Images as somebody types them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Typed
from tuinova.client import Client

Type = Callable[..., Typed]


@pytest.fixture
def image(typed: Type, tmp_path: Path) -> dict[str, Any]:
    data = tmp_path / "data"
    data.write_bytes(os.urandom(1 << 20))
    name = f"img-{tmp_path.name}"
    made = typed("image", "create", "--file", str(data), "--tag", "one", "--property", "a=b", name, "-f", "json")
    assert made.code == 0, made.err
    return dict(made.json)


def test_sharing_from_both_sides(typed: Type, image: dict[str, Any]) -> None:
    ident = image["id"]
    added = typed("image", "add", "project", image["name"], "demo", "-f", "json").json
    assert sorted(added) == ["created_at", "image_id", "member_id", "schema", "status", "updated_at"]
    assert (added["image_id"], added["status"]) == (ident, "pending")
    members = typed("image", "member", "list", ident, "-f", "json").json
    assert members == [{"Image ID": ident, "Member ID": added["member_id"], "Status": "pending"}]
    mine = ("image", "list", "--shared", "--member-status", "pending", "-f", "json")
    as_demo: dict[str, str] = {"user": "demo", "project": "demo"}
    assert [row["ID"] for row in typed(*mine, **as_demo).json] == [ident]
    assert typed("image", "set", "--accept", ident, **as_demo) == Typed(0, "", "")
    assert [row["ID"] for row in typed("image", "list", "--shared", "-f", "json", **as_demo).json] == [ident]
    assert typed("image", "member", "get", ident, "demo", "-f", "json").json["status"] == "accepted"
    assert typed("image", "set", "--reject", "--project", "demo", ident) == Typed(0, "", "")
    assert typed("image", "list", "--shared", "-f", "json", **as_demo).json == []
    assert typed("image", "remove", "project", ident, "demo") == Typed(0, "", "")
    assert typed("image", "show", ident, **as_demo).code == 1
    assert "not found in the member list" in typed("image", "remove", "project", ident, "demo").err


def test_everything_that_set_sets_and_unset_unsets(typed: Type, admin: Client, image: dict[str, Any]) -> None:
    ident = image["id"]
    words = "--name new --min-disk 2 --min-ram 96 --protected --community --tag two --architecture x86_64"
    words += " --os-distro debian --os-version 12 --kernel-id k --ramdisk-id r --instance-id i --property c=d --hidden"
    assert typed("image", "set", *words.split(), ident) == Typed(0, "", "")
    now = admin.images.get(ident)
    assert {
        key: now[key] for key in ("name", "min_disk", "min_ram", "protected", "visibility", "os_hidden", "tags")
    } == {
        "name": "new",
        "min_disk": 2,
        "min_ram": 96,
        "protected": True,
        "visibility": "community",
        "os_hidden": True,
        "tags": ["one", "two"],
    }
    kept = {"architecture": "x86_64", "os_distro": "debian", "os_version": "12", "kernel_id": "k", "ramdisk_id": "r"}
    assert {key: now[key] for key in (*kept, "instance_id", "a", "c")} == {
        **kept,
        "instance_id": "i",
        "a": "b",
        "c": "d",
    }
    assert typed("image", "show", "new", "-f", "json").json["id"] == ident  # a hidden one is found by name
    assert ident not in {row["ID"] for row in typed("image", "list", "-f", "json").json}
    assert ident in {row["ID"] for row in typed("image", "list", "--hidden", "-f", "json").json}
    assert "is protected and cannot be deleted" in typed("image", "delete", ident).err
    assert typed("image", "unset", "--tag", "one", "--property", "a", "--property", "c", ident) == Typed(0, "", "")
    now = admin.images.get(ident)
    assert now["tags"] == ["two"]
    assert not {"a", "c"} & set(now)
    half = typed("image", "unset", "--property", "none", "--tag", "two", ident)
    assert (half.code, admin.images.get(ident)["tags"]) == (1, [])
    assert "Failed to unset property none: Property none does not exist." in half.err
    assert typed("image", "set", "--unprotected", "--unhidden", "--deactivate", ident) == Typed(0, "", "")
    assert admin.images.get(ident)["status"] == "deactivated"
    assert typed("image", "set", "--activate", "--project", "demo", ident) == Typed(0, "", "")
    assert admin.images.get(ident)["owner"] == typed("project", "list", "-f", "json").json[1]["ID"]
    assert typed("image", "delete", ident) == Typed(0, "", "")


def test_what_excludes_each_other_and_what_is_no_choice(typed: Type, image: dict[str, Any]) -> None:
    for words, said in (
        (["set", "--accept", "--reject"], "not allowed with argument --accept"),
        (["set", "--activate", "--deactivate"], "not allowed with argument"),
        (["set", "--hidden", "--unhidden"], "not allowed with argument --hidden"),
        (["set", "--public", "--private"], "not allowed with argument --public"),
        (["list", "--member-status", "odd"], "argument --member-status: invalid choice: 'odd'"),
        (["list", "--limit", "-1"], "not in the range"),
    ):
        done = typed("image", *words, *([image["id"]] if words[0] == "set" else []))
        assert (done.code, said in done.err) == (2, True), done.err


def test_the_lists_order_and_pages(typed: Type, admin: Client) -> None:
    for number in range(4):
        admin.images.create(
            {
                "name": f"p{number}",
                "disk_format": "raw",
                "container_format": "bare",
                "x": "pages",
                "min_ram": 9 - number,
            }
        )

    def names(*words: str) -> list[str]:
        return [row["Name"] for row in typed("image", "list", "--property", "x=pages", "-f", "json", *words).json]

    assert names() == ["p0", "p1", "p2", "p3"]
    assert names("--sort", "name:desc") == ["p3", "p2", "p1", "p0"]
    assert names("--sort", "min_ram:asc") == ["p3", "p2", "p1", "p0"]
    assert names("--limit", "2") == ["p0", "p1"]
    assert names("--limit", "2", "--marker", "p1") == ["p2", "p3"]
    assert names("--limit", "3", "--max-items", "1") == ["p0"]
    assert names("--project", "demo") == []
    assert names("--status", "active") == []
    assert typed("image", "list", "--sort", "odd:asc").code == 1
    columns = list(typed("image", "list", "--long", "--property", "x=pages", "-f", "json").json[0])
    assert columns == [
        *("ID", "Name", "Disk Format", "Container Format", "Size", "Checksum", "Status", "Visibility", "Protected"),
        *("Project", "Hash Algorithm", "Hash Value", "Tags"),
    ]


def test_an_import_of_a_file_is_looked_at_by_the_service(typed: Type, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.write_bytes(os.urandom(1 << 20))
    done = typed("image", "create", "--import", "--file", str(data), "--wait", "imported", "-f", "json")
    assert (done.code, done.json["status"], done.json["size"]) == (0, "active", 1 << 20)
    done = typed("image", "create", "--import", "--disk-format", "qcow2", "--file", str(data), "--wait", "bad")
    assert (done.code, "Image bad is in status killed: " in done.err) == (1, True)


def test_an_interrupt_ends_the_wait_and_not_the_import(
    typed: Type, tmp_path: Path, admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tuinova.client import waiters

    def interrupted(*_args: Any, **_how: Any) -> None:
        raise KeyboardInterrupt

    data = tmp_path / "data"
    data.write_bytes(os.urandom(1 << 20))
    with monkeypatch.context() as patch:
        patch.setattr(waiters, "wait_for_image", interrupted)
        done = typed("image", "create", "--import", "--file", str(data), "--wait", "goes-on")
    assert done.code == 1
    ident = done.err.rsplit(" ", 1)[1].strip()
    assert waiters.wait_for_image(admin, ident, timeout=30)["name"] == "goes-on"


def test_an_image_of_a_volume(typed: Type) -> None:
    assert typed("volume", "create", "--size", "1", "v-for-image").code == 0
    pause = threading.Event()
    for _ in range(200):
        if typed("volume", "show", "v-for-image", "-f", "json").json["status"] == "available":
            break
        pause.wait(0.05)
    made = typed("image", "create", "--volume", "v-for-image", "--disk-format", "qcow2", "of-volume", "-f", "json")
    assert made.code == 0, made.err
    assert sorted(made.json) == [
        *("container_format", "disk_format", "display_description", "id", "image_id", "image_name", "protected"),
        *("size", "status", "updated_at", "visibility", "volume_type"),
    ]
    assert typed("image", "create", "--force", "x").code == 2
