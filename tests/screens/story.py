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


def flavor(ident: str, name: str, vcpus: int, ram: int, disk: int, **more: Any) -> dict[str, Any]:
    """A flavor as the API gives it."""
    sizes = {"vcpus": vcpus, "ram": ram, "disk": disk, "OS-FLV-EXT-DATA:ephemeral": 0, "swap": 0}
    return {"id": ident, "name": name, **sizes, **more}


def host(number: int, **more: Any) -> dict[str, Any]:
    """A hypervisor as tuinova's own list gives it."""
    return {
        "id": f"node-{number}",
        "hypervisor_hostname": f"kvm-host-{number}",
        "host": f"kvm-host-{number}",
        "state": "up",
        "status": "enabled",
        "running_vms": 4 - number,
        "free_ram_mb": 2048 * number,
        "free_disk_gb": 100 * number,
        **more,
    }


def move(number: int, server: int, kind: str, status: str, **more: Any) -> dict[str, Any]:
    """A migration as the API gives it."""
    return {
        "id": number,
        "uuid": f"00000000-0000-4000-8000-{number:012d}",
        "instance_uuid": uuid_of(server),
        "migration_type": kind,
        "status": status,
        "source_compute": "kvm-host-1",
        "source_node": "kvm-host-1",
        "dest_compute": "kvm-host-2",
        "dest_node": "kvm-host-2",
        "created_at": f"2026-08-20T11:{number:02d}:00.000000",
        "updated_at": f"2026-08-20T11:{number:02d}:40.000000",
        "user_id": "u-admin",
        "project_id": "p-admin",
        "old_flavor": {"id": "84", "name": "m1.micro"},
        "new_flavor": {"id": "84", "name": "m1.micro"},
        "stats": None,
        **more,
    }


def catalogue(service: FakeService) -> None:
    """Flavors, images, hosts and moves to choose from."""
    service.resources["flavors"] += [
        flavor("42", "m1.nano", 1, 64, 0),
        flavor("84", "m1.micro", 1, 128, 0),
        flavor("1", "m1.tiny", 1, 512, 1),
        flavor("2", "m1.small", 1, 2048, 20),
        flavor("3", "m1.medium", 2, 4096, 40),
        flavor("4", "m1.large", 4, 8192, 80),
        flavor("d3", "ds2G", 2, 2048, 10, **{"OS-FLV-EXT-DATA:ephemeral": 5, "swap": 512}),
    ]
    service.resources["images"] += [
        {"id": "img-1", "name": "tuinova-demo", "disk_format": "qcow2", "size": 30 << 20, "min_ram": 96},
        {"id": "img-2", "name": "rescue-disk", "disk_format": "raw", "size": 64 << 20},
        {"id": "img-3", "name": "tuinova-demo-uec-kernel", "disk_format": "aki", "size": 8 << 20},
    ]
    service.resources["keypairs"] += [{"name": "operator", "fingerprint": "aa:bb:cc"}]
    service.resources["hypervisors"] += [host(1), host(2), host(3, status="disabled"), host(4, state="down")]
    service.resources["migrations"] += [
        move(9, 2, "live-migration", "running", stats={"memory_total_bytes": 1000, "memory_remaining_bytes": 370}),
        move(8, 9, "resize", "finished", new_flavor={"id": "2", "name": "m1.small"}),
        move(7, 1, "migration", "reverted"),
        move(6, 1, "live-migration", "failed"),
        move(5, 1, "evacuation", "done", source_compute="kvm-host-3"),
    ]


def reading(seconds: float = 0.0, octets: int = 0) -> dict[str, Any]:
    """Diagnostics as the API gives them from 2.48; so much later."""
    return {
        "state": "running",
        "driver": "libvirt",
        "hypervisor": "kvm",
        "hypervisor_os": "linux",
        "uptime": 4711,
        "config_drive": True,
        "num_cpus": 1,
        "num_nics": 1,
        "num_disks": 1,
        "memory_details": {"maximum": 128, "used": 96},
        "cpu_details": [{"id": 0, "time": int((17.3 + seconds) * 1e9), "utilisation": None}],
        "nic_details": [
            {
                "mac_address": "fa:16:3e:00:00:01",
                "rx_octets": 123456 + octets,
                "rx_packets": 99,
                "rx_errors": 0,
                "rx_drop": 0,
                "tx_octets": 6543210,
                "tx_packets": 77,
                "tx_errors": 0,
                "tx_drop": 1,
            }
        ],
        "disk_details": [
            {
                "read_bytes": 30 << 20,
                "read_requests": 1000,
                "write_bytes": 1 << 20,
                "write_requests": 50,
                "errors_count": 0,
            }
        ],
    }
