"""Usage from rows: which servers are in a period, and how long of it they lived."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from tuinova.core.conductor import Conductor
from tuinova.core.errors import MarkerNotFound
from tuinova.core.records import ServerUsage

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(hours: float) -> datetime:
    return NOON + timedelta(hours=hours)


def test_only_servers_that_lived_in_the_period_are_in_it(conductor: Conductor, make: Callable) -> None:
    lives = {
        "never ran": (None, None),
        "before": (at(-5), at(-1)),
        "up to its start": (at(-5), at(0)),
        "across its start": (at(-5), at(1)),
        "inside": (at(1), at(2)),
        "across its end": (at(9), None),
        "after": (at(11), None),
    }
    for name, (launched, terminated) in lives.items():
        made = make(name, updates={"launched_at": launched, "terminated_at": terminated})
        if terminated is not None:
            conductor.step(made.uuid, delete_row=True)
    found = {usage.name: usage.hours(at(0), at(10)) for usage in conductor.server_usages(at(0), at(10))}
    assert found == {"across its start": 1.0, "inside": 1.0, "across its end": 1.0}


def test_sizes_are_the_flavors_and_pages_go_by_project_and_id(conductor, make, demo, admin, micro) -> None:
    big = {**micro, "root_gb": 20, "ephemeral_gb": 5, "vcpus": 3, "memory_mb": 512, "name": "big"}
    made = [
        make(str(number), ctx=ctx, flavor=dict(big), updates={"launched_at": at(1), "vm_state": "active"})
        for ctx in (demo, admin)
        for number in range(3)
    ]
    everything = conductor.server_usages(at(0), at(2))
    assert [(usage.project_id, usage.uuid) for usage in everything] == sorted(
        (server.project_id, server.uuid) for server in made
    )
    first = everything[0]
    assert (first.vcpus, first.memory_mb, first.local_gb, first.flavor, first.state) == (3, 512, 25, "big", "active")
    paged, marker = [], None
    while page := conductor.server_usages(at(0), at(2), limit=2, marker=marker):
        paged += page
        marker = page[-1].uuid
    assert paged == everything
    own = conductor.server_usages(at(0), at(2), project_id=demo.project_id)
    assert {usage.project_id for usage in own} == {demo.project_id}
    with pytest.raises(MarkerNotFound):
        conductor.server_usages(at(0), at(2), marker="nobody")


def test_hours_are_never_negative_and_uptime_ends_with_the_server() -> None:
    usage = ServerUsage("u", "n", "p", "f", 1, 1, 1, "active", at(5), None)
    assert usage.hours(at(0), at(3)) == 0.0
    assert usage.uptime(at(6)) == 3600
    gone = ServerUsage("u", "n", "p", "f", 1, 1, 1, "deleted", at(5), at(5.5))
    assert (gone.state, gone.uptime(at(99)), gone.hours(at(0), at(99))) == ("terminated", 1800, 0.5)
