"""What a trace tells, and that it stays as it was."""

from __future__ import annotations

import json

import pytest

from tuinova.core.errors import NoValidHost
from tuinova.scheduler import Amounts, GroupSpec, HostRecord, ServiceInfo, Trace, TraceLog


@pytest.fixture
def trace(cloud, request_for, now) -> Trace:
    """One decision among a full, a down, and two good hosts."""
    cloud.add("full", memory_mb=512)
    cloud.add("down", service=ServiceInfo(last_seen=now - 100))
    cloud.add("good", memory_mb=8000)
    cloud.add("better", memory_mb=16000)
    cloud.select(request_for(image_id="image", availability_zone="nova"))
    return cloud.traces[0]


def test_a_trace_tells_hosts_in_and_out_of_each_stage_and_why(trace) -> None:
    told = trace.to_dict()
    path = [(one["name"], one["kind"], one["hosts_in"], one["hosts_out"]) for one in told["stages"]]
    assert path == [
        ("capacity", "placement", 4, 3),
        ("availability zone", "placement", 3, 3),
        ("compute status", "placement", 3, 3),
        ("max_placement_results", "placement", 3, 3),
        ("ComputeFilter", "filter", 3, 2),
        ("ComputeCapabilitiesFilter", "filter", 2, 2),
        ("ImagePropertiesFilter", "filter", 2, 2),
        ("ServerGroupAntiAffinityFilter", "filter", 2, 2),
        ("ServerGroupAffinityFilter", "filter", 2, 2),
    ]
    assert told["stages"][0]["rejected"] == [
        {"host": "full", "node": "full", "reason": "needs 1024 MB, the whole host has 512"}
    ]
    assert told["stages"][4]["rejected"][0]["host"] == "down"
    assert trace.path()[4] == "ComputeFilter: (start: 3, end: 2)"


def test_a_trace_tells_raw_multiplier_and_normalised_value_of_each_weigher(trace) -> None:
    told = trace.to_dict()
    assert [one["host"] for one in told["ranking"]] == ["better", "good"]
    assert told["ranking"][1]["weighers"]["RAMWeigher"] == {
        "raw": 8000.0,
        "multiplier": 1.0,
        "normalized": 0.5,
        "weight": 0.5,
    }
    assert len(told["weighers"]) == len(told["ranking"][0]["weighers"]) == 13
    for one in told["ranking"]:
        assert one["weight"] == pytest.approx(sum(part["weight"] for part in one["weighers"].values()))
    assert told["choice"] == {"host": "better", "node": "better"}
    assert told["alternates"] == [{"host": "good", "node": "good"}]
    assert told["claims"] == [{"host": "better", "node": "better", "claimed": True}]
    assert (told["hosts"], told["candidates"], told["outcome"]) == (4, 2, "selected")
    assert told["duration_ms"] > 0
    assert told["request"]["resources"] == {"VCPU": 1, "MEMORY_MB": 1024, "DISK_GB": 10}


def test_a_trace_is_json_and_its_compact_form_has_the_same_shape(trace) -> None:
    json.dumps(trace.to_dict())
    compact = json.loads(trace.compact())
    assert compact.keys() == trace.to_dict().keys()
    assert compact["choice"] == {"host": "better", "node": "better"}
    assert set(compact["ranking"][0]["weighers"]) == {"RAMWeigher", "CPUWeigher", "DiskWeigher"}


def test_a_kept_trace_does_not_change_with_the_hosts(cloud, trace) -> None:
    before = trace.to_dict()
    trace.forget_arrays()
    for name in ("full", "down", "good", "better"):
        cloud.add(name, memory_mb=1, vcpus=1, instances={"z": Amounts(9, 9, 9)}, num_io_ops=9)
    cloud.table.remove("down", "down")
    cloud.table.load(HostRecord(host=f"h{i}", node=f"h{i}", vcpus=1, memory_mb=1, local_gb=1) for i in range(500))
    assert trace.to_dict() == before


def test_reasons_of_every_filter_are_those_of_the_moment(cloud, request_for, aggregate) -> None:
    cloud.add("a", instances={"m": Amounts(1, 64)}, num_io_ops=3, aggregates=[aggregate(1, instance_type="other")])
    cloud.add("b")
    spec = request_for(
        group=GroupSpec("g", "anti-affinity", members=frozenset({"m"})), scheduler_hints={"different_host": "m"}
    )
    names = ("DifferentHostFilter", "ServerGroupAntiAffinityFilter", "AggregateTypeAffinityFilter", "IoOpsFilter")
    traces = []
    for name in names:
        cloud.select(spec, enabled_filters=(name, "ServerGroupAntiAffinityFilter"), max_io_ops_per_host=3)
        cloud.truth.held.clear()
        cloud.table.release(None, "new")
        traces.append(cloud.traces[0])
    before = [one.to_dict()["stages"] for one in traces]
    cloud.add("a", instances={}, num_io_ops=0)
    for one in traces:
        one.forget_arrays()
    assert [one.to_dict()["stages"] for one in traces] == before


def test_a_failed_decision_has_a_trace_too(cloud, request_for) -> None:
    cloud.add("a", service=ServiceInfo(forced_down=True))
    with pytest.raises(NoValidHost):
        cloud.select(request_for())
    told = cloud.traces[0].to_dict()
    assert told["outcome"] == "no_valid_host"
    assert told["message"] == "No valid host was found. There are not enough hosts available."
    assert told["choice"] is None
    assert told["stages"][-1]["rejected"] == [{"host": "a", "node": "a", "reason": "compute service forced down"}]


def test_a_trace_renders_no_more_than_it_is_asked_for(cloud, request_for) -> None:
    for i in range(60):
        cloud.add(f"good{i}")
        cloud.add(f"full{i}", memory_mb=1)
    cloud.select(request_for())
    told = cloud.traces[0].to_dict(limit=7)
    assert len(told["ranking"]) == 7
    assert len(told["stages"][0]["rejected"]) == 7
    compact = json.loads(cloud.traces[0].compact())
    assert len(compact["ranking"]) == 20
    assert len(compact["stages"][0]["rejected"]) == 5
    assert compact["stages"][0]["hosts_in"] == 120


def test_multipliers_that_differ_are_told_with_each_host(cloud, request_for, aggregate) -> None:
    cloud.add("a", aggregates=[aggregate(1, ram_weight_multiplier="2")])
    cloud.add("b")
    cloud.select(request_for())
    told = cloud.traces[0].to_dict()
    assert told["weighers"][0]["multiplier"] is None
    assert [one["weighers"]["RAMWeigher"]["multiplier"] for one in told["ranking"]] == [2.0, 1.0]


def test_the_log_keeps_the_last_traces(trace) -> None:
    log = TraceLog(limit=2)
    kept = []
    for uuid in ("1", "2", "3", "2"):
        one = Trace(uuid, trace.spec, trace.decided_at, considered=10)
        kept.append(one)
        log.add(one)
    assert log.get("1") is None
    assert log.get("2") is kept[3]
    assert log.get("3") is kept[2]


def test_the_log_keeps_fewer_traces_of_many_hosts(trace) -> None:
    log = TraceLog(limit=10, max_hosts=250)
    for uuid in ("1", "2", "3"):
        log.add(Trace(uuid, trace.spec, trace.decided_at, considered=100))
    assert [log.get(uuid) is not None for uuid in ("1", "2", "3")] == [False, True, True]
    log.add(Trace("4", trace.spec, trace.decided_at, considered=1000))
    assert log.get("4") is not None
    assert log.get("3") is None
