"""The server's body by microversion and by who looks; texts kept until they are old."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tuinova.api.views import DetailTexts, server_detail
from tuinova.core.records import Instance

BASE = "http://localhost"
SERVER = Instance(
    id=42,
    uuid="u1",
    name="vm",
    project_id="p",
    user_id="me",
    vm_state="active",
    power_state=1,
    host="h",
    node="n",
    flavor={
        "id": "84",
        "name": "m1.micro",
        "memory_mb": 128,
        "vcpus": 1,
        "root_gb": 0,
        "ephemeral_gb": 0,
        "swap": 0,
        "extra_specs": {},
    },
    created_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    image_ref="i",
    version=7,
)


def _keys(mv: tuple[int, int], admin: bool) -> set[str]:
    return set(server_detail(SERVER, base=BASE, admin=admin, host_status="UP", mv=mv))


@pytest.mark.parametrize(
    ("since", "key", "admin"),
    [
        ((2, 3), "OS-EXT-SRV-ATTR:reservation_id", True),
        ((2, 9), "locked", False),
        ((2, 16), "host_status", True),
        ((2, 19), "description", False),
        ((2, 26), "tags", False),
        ((2, 63), "trusted_image_certificates", False),
        ((2, 73), "locked_reason", False),
        ((2, 90), "OS-EXT-SRV-ATTR:hostname", False),
        ((2, 96), "pinned_availability_zone", False),
        ((2, 100), "scheduler_hints", False),
    ],
)
def test_a_key_comes_with_its_microversion(since: tuple[int, int], key: str, admin: bool) -> None:
    assert key not in _keys((since[0], since[1] - 1), admin)
    assert key in _keys(since, admin)


def test_the_flavor_is_a_link_below_2_47() -> None:
    old = server_detail(SERVER, base=BASE, admin=False, host_status="", mv=(2, 46))["flavor"]
    new = server_detail(SERVER, base=BASE, admin=False, host_status="", mv=(2, 47))["flavor"]
    assert old == {"id": "84", "links": [{"rel": "bookmark", "href": "http://localhost/flavors/84"}]}
    assert "id" not in new
    assert new["original_name"] == "m1.micro"


@pytest.mark.parametrize(
    ("change", "fault", "progress"),
    [
        ({"vm_state": "error"}, True, False),
        ({"vm_state": "active"}, False, True),
        ({"vm_state": "stopped"}, False, False),
        ({"vm_state": "deleted", "deleted": True}, True, False),
        ({"vm_state": "building"}, False, True),
    ],
)
def test_fault_and_progress_are_shown_in_their_states(change: dict[str, Any], fault: bool, progress: bool) -> None:
    broken = replace(SERVER, fault={"code": 500, "message": "m", "created": "c", "details": "trace"}, **change)
    body = server_detail(broken, base=BASE, admin=False, host_status="", mv=(2, 96))
    assert ("fault" in body, "progress" in body) == (fault, progress)
    if fault:
        assert "details" not in body["fault"]
        admin = server_detail(broken, base=BASE, admin=True, host_status="", mv=(2, 96))
        assert admin["fault"]["details"] == "trace"


def test_an_offloaded_server_has_no_host_and_no_zone() -> None:
    body = server_detail(replace(SERVER, host=None), base=BASE, admin=True, host_status="", mv=(2, 96))
    assert (body["hostId"], body["OS-EXT-AZ:availability_zone"], body["OS-EXT-SRV-ATTR:host"]) == ("", "", None)


def test_a_server_without_image_has_an_empty_text() -> None:
    assert (
        server_detail(replace(SERVER, image_ref=None), base=BASE, admin=False, host_status="", mv=(2, 96))["image"]
        == ""
    )


def test_a_text_is_kept_for_its_version_audience_and_host_status() -> None:
    texts = DetailTexts(BASE)
    mv = (2, 96)
    made = texts.make(SERVER, admin=True, host_status="UP", mv=mv)
    assert json.loads(made)["id"] == "u1"
    assert texts.kept(True, mv, {"h": "UP"})("u1", 7) is made
    assert texts.kept(True, mv, {"h": "UP"})("u1", 8) is None
    assert texts.kept(True, mv, {"h": "DOWN"})("u1", 7) is None
    assert texts.kept(False, mv, {})("u1", 7) is None
    assert texts.kept(True, (2, 1), {"h": "UP"})("u1", 7) is None
    member = texts.make(SERVER, admin=False, host_status="", mv=mv)
    assert texts.kept(False, mv, {"h": "DOWN"})("u1", 7) is member
