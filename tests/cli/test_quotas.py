"""`tuinova quota` and `limits show`, for servers, volumes and networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import literal, select

from tuinova.core.conductor import quota_counts

Type = Callable[..., Any]


@pytest.fixture(autouse=True)
def back_to_the_defaults(typed: Type) -> Any:
    yield
    typed("quota", "delete", "demo")


def limits(typed: Type, *words: str) -> dict[str, int]:
    return {row["Resource"]: row["Limit"] for row in typed("quota", "show", *words, "demo", "-f", "json").json}


def test_show_has_all_services_or_the_one_that_is_asked_for(typed: Type) -> None:
    assert limits(typed, "--network") == {
        "floating-ips": 50,
        "networks": 100,
        "ports": 500,
        "routers": 10,
        "secgroup-rules": 100,
        "secgroups": 10,
        "subnets": 100,
    }
    assert limits(typed, "--volume") == {"gigabytes": 1000, "snapshots": 10, "volumes": 10}
    assert set(limits(typed)) == {*limits(typed, "--compute"), *limits(typed, "--volume"), *limits(typed, "--network")}
    assert typed("quota", "show", "--network", "--volume", "demo").code == 2


def test_set_reaches_each_service_and_delete_takes_it_back(typed: Type) -> None:
    assert typed("quota", "set", "--cores", "5", "--volumes", "3", "--ports", "-1", "demo").out == ""
    assert (limits(typed)["cores"], limits(typed)["volumes"], limits(typed)["ports"]) == (5, 3, -1)
    listed = typed("quota", "list", "--volume", "-f", "json").json
    assert [(row["Volumes"], row["Gigabytes"]) for row in listed if row["Volumes"] == 3] == [(3, 1000)]
    typed("quota", "delete", "--volume", "demo")
    assert (limits(typed)["cores"], limits(typed)["volumes"], limits(typed)["ports"]) == (5, 10, -1)
    typed("quota", "delete", "demo")
    assert (limits(typed)["cores"], limits(typed)["ports"]) == (20, 500)


def test_list_wants_to_know_which_service(typed: Type) -> None:
    refused = typed("quota", "list")
    assert (refused.code, refused.err) == (2, "one of the arguments --compute --volume --network is required\n")


def test_usage_shows_what_is_in_use(typed: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(quota_counts.COUNTS, "port", select(literal(3)))
    rows = typed("quota", "show", "--usage", "--network", "demo", "-f", "json").json
    assert {"Resource": "ports", "Limit": 500, "In Use": 3, "Reserved": 0} in rows
    refused = typed("quota", "set", "--ports", "2", "demo")
    text = "Quota limit 2 for port must be greater than or equal to already used and reserved 3. (HTTP 400)"
    assert refused.code == 1
    assert text in refused.err
    assert typed("quota", "set", "--ports", "2", "--force", "demo").code == 0
    assert limits(typed)["ports"] == 2


def test_the_defaults_are_a_class(typed: Type) -> None:
    try:
        said = typed("quota", "set", "--default", "--cores", "7", "--snapshots", "4", "--networks", "1")
        assert (said.code, said.err) == (0, "Network quotas are ignored since quota classes are not supported.\n")
        assert (limits(typed, "--default")["cores"], limits(typed)["cores"]) == (7, 7)
        assert (limits(typed)["snapshots"], limits(typed)["networks"]) == (4, 100)
        typed("quota", "set", "--class", "--cores", "99", "gold")
        assert limits(typed)["cores"] == 7
    finally:
        typed("quota", "set", "--class", "--cores", "20", "--snapshots", "10", "default")


def test_members_neither_set_nor_see_others(typed: Type) -> None:
    mine = {"user": "demo", "project": "demo"}
    assert typed("quota", "show", "--usage", **mine).code == 0
    for words in (("quota", "set", "--ports", "1", "demo"), ("quota", "set", "--volumes", "1", "demo")):
        refused = typed(*words, **mine)
        assert refused.code == 1
        assert "Policy doesn't allow" in refused.err
    refused = typed("quota", "set", "--default", "--cores", "1", **mine)
    assert "Policy doesn't allow os_compute_api:os-quota-class-sets:update to be performed. (HTTP 403)" in refused.err


def test_limits_show(typed: Type) -> None:
    shown = typed("limits", "show", "--absolute", "-f", "json", user="demo", project="demo").json
    found = {row["Name"]: row["Value"] for row in shown}
    assert (found["maxTotalCores"], found["maxTotalVolumes"], found["totalVolumesUsed"]) == (20, 10, 0)
    other = typed("limits", "show", "--absolute", "--project", "demo", "-f", "json").json
    assert {"Name": "maxTotalInstances", "Value": 10} in other
    assert typed("limits", "show", "--rate", "-f", "json").json == []
    assert typed("limits", "show").code == 2
