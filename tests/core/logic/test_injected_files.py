"""Files that a request puts into a guest: Nova's limits, the way to the config drive, and kept nowhere else."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tuinova.core.errors import FileContentLimitExceeded, FileLimitExceeded, FilePathLimitExceeded, Invalid, NovaError


def files(*pairs: tuple[str, bytes]) -> list[dict[str, str]]:
    return [{"path": path, "contents": base64.b64encode(data).decode()} for path, data in pairs]


def drive(house: Any, uuid: str) -> dict[str, bytes]:
    """What stands on a server's config drive below openstack/."""
    root = Path(house.driver.store.path(uuid, "disk.config")) / "openstack"
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        (files(*[("/x", b"")] * 6), FileLimitExceeded, "Personality file limit exceeded"),
        (files(("/" + "x" * 255, b"")), FilePathLimitExceeded, "Personality file path exceeds maximum 255"),
        (files(("/x", b"x" * 10241)), FileContentLimitExceeded, "Personality file content exceeds maximum 10240"),
        ([{"path": "/x", "contents": "!"}], Invalid, None),
    ],
)
def test_what_is_too_much_is_refused(house: Any, asked: Any, error: type[NovaError], message: str | None) -> None:
    with pytest.raises(error) as refusal:
        house.create(personality=asked)
    if message is not None:
        assert (refusal.value.code, refusal.value.message) == (403, message)
    assert house.conductor.rows()[1] == []


def test_the_largest_that_is_allowed_is_taken(house: Any) -> None:
    assert house.create(personality=files(("/" + "x" * 254, b"x" * 10240))).vm_state == "active"


def test_files_are_on_the_drive_and_nowhere_else(house: Any) -> None:
    made = house.create(personality=files(("/etc/motd", b"very secret"), ("/root/x", b"\x00\xff")))
    assert made.config_drive is True
    found = drive(house, made.uuid)
    assert (found["content/0000"], found["content/0001"]) == (b"very secret", b"\x00\xff")
    listed = json.loads(found["latest/meta_data.json"])["files"]
    assert [item["path"] for item in listed] == ["/etc/motd", "/root/x"]
    assert base64.b64encode(b"very secret").decode() not in str(house.conductor.instance(made.uuid))
    assert not house.conductor.open_orders()


def test_a_rebuild_brings_other_files(house: Any) -> None:
    made = house.create(personality=files(("/one", b"1"), ("/more", b"1")))
    house.act(made.uuid, "rebuild", {"imageRef": made.image_ref, "personality": files(("/two", b"2"))})
    found = drive(house, made.uuid)
    assert [found["content/0000"], "content/0001" in found] == [b"2", False]
    house.act(made.uuid, "rebuild", {"imageRef": made.image_ref})
    assert "content/0000" not in drive(house, made.uuid)
