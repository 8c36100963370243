"""A thousand hosts and more are one call, and the package stays by itself."""

from __future__ import annotations

import subprocess
import sys

from tuinova.scheduler import FilterScheduler, FlavorSpec, HostRecord, HostTable, RequestSpec, SchedulerOptions


def test_twenty_thousand_hosts_can_be_simulated() -> None:
    table = HostTable()
    table.load(HostRecord(f"h{i}", f"h{i}", 64, 65536 + i % 1000, 1000) for i in range(20_000))
    options = SchedulerOptions(enabled_filters=("AllHostsFilter",), max_placement_results=20_000)
    selections = FilterScheduler(options, table).select_destinations(
        RequestSpec(("uuid",), "p", "u", FlavorSpec("f", 64, 1)), lambda *_given: True
    )
    assert selections[0].host == "h999"
    assert selections[0].alternates == (("h1999", "h1999"), ("h2999", "h2999"))


def test_the_package_imports_nothing_but_states_and_errors_of_the_rest() -> None:
    program = (
        "import sys, tuinova.scheduler\n"
        "ours = {name for name in sys.modules if name.startswith('tuinova.')}\n"
        "allowed = ('tuinova.scheduler', 'tuinova.core.errors', 'tuinova.core.states')\n"
        "print(sorted(n for n in ours if n != 'tuinova.core' and not n.startswith(allowed)))\n"
        "print(sorted({'sqlmodel', 'sqlalchemy', 'libvirt', 'starlette', 'pydantic'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n[]\n"


def test_the_benchmark_measures_a_decision() -> None:
    from bench.scheduler import run

    times = run(50, 5)
    assert len(times) == 5
    assert all(one > 0 for one in times)
