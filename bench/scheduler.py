"""One scheduling decision with its claim, at 1,000, 10,000 and 100,000 hosts.

The claim here is a capacity check in memory, so what is measured is the scheduler itself; every host is a candidate
(`max_placement_results` is lifted), hosts differ in load, and each decision's trace is kept as the service keeps it.
"""

from __future__ import annotations

import gc
import random
import time
from collections import Counter
from typing import Any

from tuinova.scheduler import (
    Amounts,
    FilterScheduler,
    FlavorSpec,
    HostRecord,
    HostTable,
    RequestSpec,
    SchedulerOptions,
    ServiceInfo,
    TraceLog,
)

SIZES = ((1_000, 2.0, "Nova 34: 600 ms"), (10_000, 3.0, "-"), (100_000, 8.0, "-"))
"""(hosts, budget of p95 in milliseconds, what stands beside it)."""

_FLAVOR = FlavorSpec("m1.small", memory_mb=2048, vcpus=1, root_gb=20)


def build_table(count: int, seed: int = 1) -> HostTable:
    """A table of that many hosts under differing load, all of them up."""
    dice = random.Random(seed)
    table = HostTable()
    now = time.time() + 3600
    for i in range(count):
        table.set_service(f"host{i}", ServiceInfo(last_seen=now))
    table.load(
        HostRecord(
            host=f"host{i}",
            node=f"host{i}",
            vcpus=64,
            memory_mb=262_144,
            local_gb=4_000,
            hypervisor_version=8_002_000 + dice.randrange(3),
            num_io_ops=dice.randrange(4),
            instances={f"there-{i}": Amounts(dice.randrange(60), dice.randrange(200_000), dice.randrange(3_000))},
        )
        for i in range(count)
    )
    return table


def run(hosts: int, decisions: int, enabled: str = "default") -> list[float]:
    """Times of so many decisions in milliseconds."""
    options = SchedulerOptions(max_placement_results=hosts, enabled_filters=enabled, service_down_time=7200)
    scheduler = FilterScheduler(options, build_table(hosts))
    log = TraceLog()
    taken: Counter[str] = Counter()

    def claim(host: str, _node: str, _uuid: str, amounts: Amounts) -> bool:
        if taken[host] + amounts.memory_mb > 262_144:
            return False
        taken[host] += amounts.memory_mb
        return True

    times = []
    gc.collect()
    for i in range(decisions):
        spec = RequestSpec((f"new-{i}",), "project", "user", _FLAVOR)
        started = time.perf_counter()
        scheduler.select_destinations(spec, claim, log.add)
        times.append((time.perf_counter() - started) * 1000)
    return sorted(times)


def measure() -> list[dict[str, Any]]:
    """The p95 of each size, with its budget and what stands beside it."""
    results = []
    for hosts, budget, peer in SIZES:
        times = run(hosts, 200)
        results.append(
            {
                "name": f"scheduling decision with claim, {hosts:,} hosts, p95",
                "value_ms": round(times[int(len(times) * 0.95)], 3),
                "budget_ms": budget,
                "peer": peer,
                "p50_ms": round(times[len(times) // 2], 3),
            }
        )
    return results


def main() -> None:
    """Print a line a size."""
    for result in measure():
        verdict = "ok" if result["value_ms"] <= result["budget_ms"] else "OVER"
        print(
            f"{result['name']}: {result['value_ms']} ms (p50 {result['p50_ms']}), "
            f"budget {result['budget_ms']} ms {verdict}, beside it {result['peer']}"
        )


if __name__ == "__main__":
    main()
