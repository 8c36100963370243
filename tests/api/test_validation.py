"""Bodies that a create refuses: the field's name, Nova's words, and nothing half done."""

from __future__ import annotations

from typing import Any

import pytest

from tuinova.client import ApiError, Client

_TOO_LONG = "x" * 256


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"name": None}, 400, "Invalid input for field/attribute name. Value: None. None is not of type 'string'"),
        ({"name": ""}, 400, "Invalid input for field/attribute name. Value: . '' should be non-empty"),
        ({"name": " x"}, 400, "Invalid input for field/attribute name. Value:  x. An invalid 'name' value"),
        ({"name": "a\x1b]52;c;AAAA\x07"}, 400, "Invalid input for field/attribute name."),
        ({"name": "a\nb"}, 400, "Invalid input for field/attribute name."),
        ({"name": _TOO_LONG}, 400, f"Invalid input for field/attribute name. Value: {'x' * 255}..."),
        ({"flavorRef": None}, 400, "Invalid input for field/attribute flavorRef."),
        ({"flavorRef": "none"}, 400, "Flavor none could not be found."),
        ({"imageRef": 3}, 400, "Invalid input for field/attribute imageRef. Value: 3. 3 is not of type 'string'"),
        ({"imageRef": "not-a-uuid"}, 400, "Invalid input for field/attribute imageRef."),
        ({"imageRef": "00000000-0000-0000-0000-000000000000"}, 400, "Can not find requested image"),
        ({"imageRef": ""}, 400, "Missing imageRef attribute"),
        (
            {"min_count": 0},
            400,
            "Invalid input for field/attribute min_count. Value: 0. 0 is less than the minimum of 1",
        ),
        ({"min_count": "0"}, 400, "Invalid input for field/attribute min_count. Value: 0. 0 is less than the minimum"),
        ({"min_count": "two"}, 400, "Invalid input for field/attribute min_count. Value: two. 'two' does not match"),
        ({"min_count": True}, 400, "Invalid input for field/attribute min_count. Value: True."),
        ({"min_count": 3, "max_count": 2}, 400, "min_count must be <= max_count"),
        ({"min_count": 10**30}, 400, "Invalid input for field/attribute min_count."),
        ({"min_count": "9" * 5000}, 400, "Invalid input for field/attribute min_count."),
        ({"key_name": "none"}, 400, "Invalid key_name provided."),
        ({"metadata": {"a": 1}}, 400, "Invalid input for field/attribute a. Value: 1. 1 is not of type 'string'"),
        ({"metadata": {"a": "x" * 256}}, 400, "Invalid input for field/attribute a."),
        ({"metadata": {"a/b": "1"}}, 400, "Invalid input for field/attribute metadata."),
        ({"metadata": [1]}, 400, "Invalid input for field/attribute metadata."),
        ({"metadata": {f"k{n}": "v" for n in range(129)}}, 403, "Maximum number of metadata items exceeds 128"),
        ({"user_data": "!!"}, 400, "Invalid input for field/attribute user_data. Value: !!. '!!' is not a 'base64'"),
        ({"user_data": "A" * 65536}, 400, "Invalid input for field/attribute user_data."),
        ({"networks": None}, 400, "Invalid input for field/attribute networks."),
        ({"networks": "some"}, 400, "Invalid input for field/attribute networks."),
        ({"availability_zone": "mars"}, 400, "The requested availability zone is not available"),
        ({"availability_zone": "a:b:c:d"}, 400, "Unable to parse availability_zone"),
        ({"config_drive": "perhaps"}, 400, "Invalid config_drive provided."),
        ({"hostname": "a"}, 400, "Invalid input for field/attribute hostname. Value: a. 'a' is too short"),
        ({"accessIPv4": "::1"}, 400, "Invalid input for field/attribute accessIPv4."),
        ({"OS-DCF:diskConfig": "SOME"}, 400, "Invalid input for field/attribute OS-DCF:diskConfig."),
        ({"nonsense": 1}, 400, "Invalid input for field/attribute server."),
        ({"security_groups": [{"name": "none"}]}, 400, ""),
        ({"tags": ["a,b"]}, 400, "Invalid input for field/attribute 0. Value: a,b."),
        ({"personality": []}, 400, "Invalid input for field/attribute server."),
    ],
)
def test_a_wrong_create(running: Any, admin: Client, change: dict[str, Any], code: int, message: str) -> None:
    body = {"name": "v", "imageRef": running.image["id"], "flavorRef": "84", "networks": "auto", **change}
    before = admin.servers.rows_and_change()
    with pytest.raises(ApiError) as caught:
        admin.post("/v2.1/servers", {"server": body})
    assert caught.value.code == code, caught.value.message
    assert caught.value.message.startswith(message)
    assert admin.servers.rows_and_change() == before


@pytest.mark.parametrize("key", ["name", "flavorRef", "networks"])
def test_a_missing_field_is_named(running: Any, admin: Client, key: str) -> None:
    body = {"name": "v", "imageRef": running.image["id"], "flavorRef": "84", "networks": "auto"}
    del body[key]
    with pytest.raises(ApiError, match=f"'{key}' is a required property"):
        admin.post("/v2.1/servers", {"server": body})


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "'server' is a required property"),
        ([], "[] is not of type 'object'"),
        ("x", "'x' is not of type 'object'"),
        (None, "None is not of type 'object'"),
        ({"server": []}, "Invalid input for field/attribute server. Value: []. [] is not of type 'object'"),
        ({"server": {}, "more": 1}, "Additional properties are not allowed ('more' was unexpected)"),
    ],
)
def test_a_wrong_frame(running: Any, body: Any, message: str) -> None:
    import json

    answer = running.raw("POST", "/v2.1/servers", json.dumps(body).encode(), {"Content-Type": "application/json"})
    assert answer.status == 400
    assert answer.json["badRequest"]["message"].startswith(message) or message.startswith("Additional")


def test_the_quota_speaks_novas_text(running: Any, demo: Client) -> None:
    body = {"name": "q", "imageRef": running.image["id"], "flavorRef": "3", "networks": "auto", "min_count": 11}
    with pytest.raises(ApiError) as caught:
        demo.post("/v2.1/servers", {"server": body})
    assert caught.value.code == 403
    assert caught.value.message == (
        "Quota exceeded for cores, instances: Requested 22, 11, but already used 0, 0 of 20, 10 cores, instances"
    )
    assert demo.servers.rows() == []


def test_an_image_without_data_is_named(admin: Client) -> None:
    image = admin.images.create({"name": "empty", "disk_format": "raw", "container_format": "bare"})
    body = {"name": "v", "imageRef": image["id"], "flavorRef": "84", "networks": "auto"}
    with pytest.raises(ApiError, match=f"Image {image['id']} is not active"):
        admin.post("/v2.1/servers", {"server": body})


def test_forced_hosts_are_for_administrators(running: Any, demo: Client) -> None:
    body = {
        "name": "v",
        "imageRef": running.image["id"],
        "flavorRef": "84",
        "networks": "auto",
        "availability_zone": "nova:somewhere",
    }
    with pytest.raises(ApiError) as caught:
        demo.post("/v2.1/servers", {"server": body})
    assert caught.value.code == 403
    assert "os_compute_api:servers:create:forced_host" in caught.value.message
