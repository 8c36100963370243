"""What a server's page shows in the tests: a console log, an action log, a scheduling decision."""

from __future__ import annotations

from typing import Any

from fake_client import FakeService, uuid_of

CREATE, STOP = "req-1a2b3c4d-0000-4000-8000-000000000001", "req-5e6f7a8b-0000-4000-8000-000000000002"
LOG = (
    b"SeaBIOS (version 1.16.2-debian-1.16.2-1)\r\n\r\nBooting from Hard Disk...\r\n"
    + b"".join(
        b"[    %d.%06d] kernel line %d\r\n" % (number // 40, number * 997 % 1_000_000, number) for number in range(60)
    )
    + b"\x1b[0;32m  OK  \x1b[0m Started udhcpc\r\n\x1b]0;owned\x07title change\r\n"
    + b"user: cirros  password: gocubsgo\r\nvm1 login: "
)


def decision(request_id: str = CREATE) -> dict[str, Any]:
    """Four hosts, one filtered out by placement, one by a filter, two weighed."""

    def host(name: str, weight: float, ram: float, cpu: float) -> dict[str, Any]:
        return {
            "host": name,
            "node": name,
            "weight": weight,
            "weighers": {
                "RAMWeigher": {"raw": ram, "multiplier": 1.0, "normalized": ram / 16000, "weight": ram / 16000},
                "CPUWeigher": {"raw": cpu, "multiplier": 1.0, "normalized": cpu / 32, "weight": cpu / 32},
            },
        }

    trace = {
        "instance_uuid": uuid_of(1),
        "decided_at": "2026-08-20T11:57:30.120000+00:00",
        "outcome": "selected",
        "message": "",
        "request": {"flavor": "m1.micro", "resources": {"VCPU": 1, "MEMORY_MB": 128}, "availability_zone": "nova"},
        "hosts": 4,
        "candidates": 2,
        "stages": [
            {
                "name": "placement",
                "kind": "placement",
                "hosts_in": 4,
                "hosts_out": 3,
                "rejected": [{"host": "kvm-host-4", "node": "kvm-host-4", "reason": "MEMORY_MB: 96 free, 128 asked"}],
            },
            {
                "name": "ComputeFilter",
                "kind": "filter",
                "hosts_in": 3,
                "hosts_out": 2,
                "rejected": [{"host": "kvm-host-3", "node": "kvm-host-3", "reason": "service is disabled"}],
            },
            {"name": "ImagePropertiesFilter", "kind": "filter", "hosts_in": 2, "hosts_out": 2, "rejected": []},
        ],
        "filters_skipped": False,
        "weighers": [
            {"name": "RAMWeigher", "multiplier": 1.0, "low": 0.0, "high": 16000.0, "counts": True},
            {"name": "CPUWeigher", "multiplier": 1.0, "low": 0.0, "high": 32.0, "counts": True},
        ],
        "ranking": [host("kvm-host-1", 1.625, 14000.0, 24.0), host("kvm-host-2", 0.75, 8000.0, 8.0)],
        "claims": [{"host": "kvm-host-1", "node": "kvm-host-1", "claimed": True}],
        "choice": {"host": "kvm-host-1", "node": "kvm-host-1"},
        "alternates": [{"host": "kvm-host-2", "node": "kvm-host-2"}],
        "duration_ms": 0.41,
        "claim_ms": 0.62,
    }
    return {"request_id": request_id, "at": "2026-08-20T11:57:30Z", "trace": trace}


def tell(service: FakeService) -> None:
    """Give vm1 a past."""
    ident = uuid_of(1)
    service.logs[ident] = LOG
    common = {"instance_uuid": ident, "project_id": "p-admin", "user_id": "u-admin"}
    service.action_log[ident] = [
        {
            **common,
            "action": "stop",
            "request_id": STOP,
            "start_time": "2026-08-20T11:59:00.000000",
            "message": "Error",
        },
        {
            **common,
            "action": "create",
            "request_id": CREATE,
            "start_time": "2026-08-20T11:57:30.000000",
            "message": None,
        },
    ]
    service.action_events[CREATE] = [
        {
            "event": "conductor_schedule_and_build_instances",
            "start_time": "2026-08-20T11:57:30.010000",
            "finish_time": "2026-08-20T11:57:30.130000",
            "result": "Success",
            "host": "kvm-host-1",
        },
        {
            "event": "compute__do_build_and_run_instance",
            "start_time": "2026-08-20T11:57:30.140000",
            "finish_time": "2026-08-20T11:57:33.350000",
            "result": "Success",
            "host": "kvm-host-1",
        },
    ]
    service.action_events[STOP] = [
        {
            "event": "compute_stop_instance",
            "start_time": "2026-08-20T11:59:00.020000",
            "finish_time": "2026-08-20T11:59:00.520000",
            "result": "Error",
            "host": "kvm-host-1",
            "details": "Failed to power off instance: domain is gone",
        }
    ]
    service.decisions[ident] = [decision()]
