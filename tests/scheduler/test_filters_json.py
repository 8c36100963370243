"""The hint `query`."""

from __future__ import annotations

import json

import pytest

from tuinova.scheduler import Amounts


@pytest.fixture
def two_hosts(cloud):
    cloud.add("small", memory_mb=1000, vcpus=2, local_gb=10, instances={"x": Amounts(1, 200, 1)}, stats={"rack": "r1"})
    cloud.add("large", memory_mb=9000, vcpus=8, local_gb=90, cpu_info={"arch": "x86_64"})
    return cloud


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ([">=", "$free_ram_mb", 900], ["large"]),
        (["<", "$free_ram_mb", 900], ["small"]),
        (["=", "$free_disk_mb", 9 * 1024], ["small"]),
        (["<=", "$vcpus_total", 2], ["small"]),
        ([">", "$vcpus_used", 0], ["small"]),
        (["=", "$total_usable_ram_mb", 9000], ["large"]),
        (["=", "$hypervisor_hostname", "large"], ["large"]),
        (["in", "$host", "other", "small"], ["small"]),
        (["=", "$cpu_info.arch", "x86_64"], ["large"]),
        (["=", "$stats.rack", "r1"], ["small"]),
        (["and", [">", "$free_ram_mb", 1], [">", "$vcpus_total", 4]], ["large"]),
        (["or", ["=", "$host", "small"], ["=", "$host", "large"]], ["large", "small"]),
        (["not", ["=", "$host", "small"]], ["large"]),
        (["not", ["=", "$host", "small"], ["=", "$host", "large"]], ["large", "small"]),
        ([">", 10, "$vcpus_total", 4], ["large", "small"]),
        ([">", 8, "$vcpus_total", 1], ["small"]),
        (["=", "$unheard_of", 1], []),
        (["=", "$free_ram_mb"], []),
        (["<", "$host", 5], []),
        (["and"], ["large", "small"]),
        ([], ["large", "small"]),
    ],
)
def test_an_expression_is_true_of_some_hosts(two_hosts, request_for, query, expected) -> None:
    as_text = request_for(scheduler_hints={"query": json.dumps(query)})
    assert two_hosts.passing("JsonFilter", as_text) == expected
    assert two_hosts.passing("JsonFilter", request_for(scheduler_hints={"query": [json.dumps(query)]})) == expected
    assert two_hosts.passing("JsonFilter", request_for(scheduler_hints={"query": query})) == expected


def test_without_the_hint_every_host_passes(two_hosts, request_for) -> None:
    assert two_hosts.passing("JsonFilter", request_for()) == ["large", "small"]


def test_a_refusal_tells_the_values(two_hosts, request_for) -> None:
    spec = request_for(scheduler_hints={"query": '[">=","$free_ram_mb",1024]'})
    assert two_hosts.refusals("JsonFilter", spec) == {"small": "hint query is false here ($free_ram_mb is 800)"}


@pytest.mark.parametrize("query", ["not json", '["xor", 1, 2]', '"text"', '["and", ["nand", 1]]'])
def test_what_is_no_expression_is_true_of_no_host(two_hosts, request_for, query) -> None:
    reasons = two_hosts.refusals("JsonFilter", request_for(scheduler_hints={"query": query}))
    assert sorted(reasons) == ["large", "small"]


def test_hosts_with_equal_values_are_evaluated_once(cloud, request_for, monkeypatch) -> None:
    from tuinova.scheduler.filters import json_query

    for i in range(40):
        cloud.add(f"h{i}", memory_mb=1000 if i % 2 else 2000)
    calls = []
    real = json_query._holds
    monkeypatch.setattr(json_query, "_holds", lambda *given: calls.append(1) or real(*given))
    spec = request_for(scheduler_hints={"query": [">", "$free_ram_mb", 1500]})
    assert len(cloud.passing("JsonFilter", spec)) == 20
    assert len(calls) == 2
