"""Older versions of the compute API: what they may say more, and versions that there are not."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tuinova.client import Client

FILES = [{"path": "/etc/motd", "contents": base64.b64encode(b"hello").decode()}]


def ask(running: Any, version: str | None, header: str = "OpenStack-API-Version", **change: Any) -> Any:
    body = {"name": "v", "imageRef": running.image["id"], "flavorRef": "84", "networks": "none", **change}
    body = {key: value for key, value in body.items() if value is not None}
    headers = {"Content-Type": "application/json", **({header: version} if version else {})}
    return running.raw("POST", "/v2.1/servers", json.dumps({"server": body}).encode(), headers)


@pytest.mark.parametrize(
    ("version", "header"),
    [
        ("compute 2.56", "OpenStack-API-Version"),
        ("compute 2.1", "OpenStack-API-Version"),
        ("volume 3.70, compute 2.40", "OpenStack-API-Version"),
        ("2.56", "X-OpenStack-Nova-API-Version"),
    ],
)
def test_files_are_taken_up_to_2_56(running: Any, admin: Client, version: str, header: str) -> None:
    answer = ask(running, version, header, personality=FILES)
    assert answer.status == 202, answer.data
    ident = answer.json["server"]["id"]
    assert admin.servers.get(ident)["config_drive"] == "True"
    running.remove(admin, ident)


@pytest.mark.parametrize("version", ["compute 2.57", "compute latest", "volume 2.1", None])
def test_files_are_refused_after_2_56(running: Any, version: str | None) -> None:
    answer = ask(running, version, personality=FILES)
    assert answer.status == 400
    assert (
        "Additional properties are not allowed ('personality' was unexpected)" in answer.json["badRequest"]["message"]
    )


@pytest.mark.parametrize(
    "wrong", [[{"path": "/x"}], [{"contents": ""}], [{"path": "/x", "contents": "!"}], [{**FILES[0], "mode": 1}], {}]
)
def test_files_that_are_none(running: Any, wrong: Any) -> None:
    assert ask(running, "compute 2.56", personality=wrong).status == 400


def test_networks_may_be_left_out_up_to_2_36(running: Any, admin: Client) -> None:
    assert ask(running, "compute 2.37", networks=None).status == 400
    answer = ask(running, "compute 2.36", networks=None)
    assert answer.status == 202
    running.remove(admin, answer.json["server"]["id"])


@pytest.mark.parametrize("version", ["compute 2.97", "compute 2.0", "compute 3.1"])
def test_versions_that_there_are_not(running: Any, version: str) -> None:
    answer = running.raw("GET", "/v2.1/servers", headers={"OpenStack-API-Version": version})
    assert answer.status == 406
    number = version.split()[1]
    assert f"Version {number} is not supported by the API. Minimum is 2.1 and maximum is 2.96." in str(answer.json)


@pytest.mark.parametrize("version", ["compute 2", "compute two", "compute 2.x", "compute -1.1", "compute 02.1"])
def test_versions_that_are_none(running: Any, version: str) -> None:
    answer = running.raw("GET", "/v2.1/servers", headers={"OpenStack-API-Version": version})
    assert (answer.status, "is of invalid format" in str(answer.json)) == (400, True)
