"""kill -9 in the middle of commits: what was accepted is all there, what was not has left nothing."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tuinova.core.conductor import Conductor

_PROGRAM = """
import sys, threading
from tuinova.core.conductor import Conductor, InstanceDraft, OrderDraft, QuotaLimits
from tuinova.core.context import RequestContext

conductor = Conductor(sys.argv[1])
conductor.open()
who = conductor.resolve_identity("admin", "admin")
flavor = conductor.flavor("84").embedded()
limits = conductor.quota_limits(who.project_id)

def work() -> None:
    while True:
        ctx = RequestContext(who.user_id, who.project_id)
        draft = InstanceDraft(name="vm", flavor=flavor)
        order = OrderDraft("schedule_and_build_instances")
        server = conductor.create_instances(ctx, [draft], limits=limits, order=order)[0]
        sys.stdout.write(f"created {server.uuid} {ctx.request_id}\\n")
        ctx = RequestContext(who.user_id, who.project_id)
        conductor.accept(ctx, server.uuid, updates={"task_state": "powering-off"}, record="stop",
                         order=OrderDraft("stop_instance", "h1"))
        sys.stdout.write(f"stopped {server.uuid} {ctx.request_id}\\n")
        sys.stdout.flush()

print("ready", flush=True)
for _ in range(8):
    threading.Thread(target=work, daemon=True).start()
threading.Event().wait()
"""


def _killed_service(url: str, after: int) -> list[list[str]]:
    """What a busy service reported as accepted; it was killed when it had reported that many."""
    process = subprocess.Popen([sys.executable, "-c", _PROGRAM, url], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        lines = [process.stdout.readline() for _ in range(after)]
    finally:
        os.kill(process.pid, signal.SIGKILL)
    lines += process.stdout.read().splitlines(keepends=True)
    process.wait()
    return [line.split() for line in lines if line.endswith("\n")]


@pytest.mark.parametrize("after", [1, 23, 97])
def test_row_action_order_and_change_exist_together_or_not_at_all(tmp_path: Path, after: int) -> None:
    url = f"sqlite:///{tmp_path}/crash.sqlite"
    accepted = _killed_service(url, after)
    conductor = Conductor(url)
    conductor.open()
    orders = {(order.instance_uuid, order.ctx.request_id): order.method for order in conductor.open_orders()}
    servers = {server.uuid: server for server in conductor.instances()}
    assert len(accepted) >= after
    for what, uuid, request_id in accepted:
        action = conductor.action(uuid, request_id)
        assert (action.action, orders[(uuid, request_id)]) == (
            ("create", "schedule_and_build_instances") if what == "created" else ("stop", "stop_instance")
        )
    changes = {change.id: change for change in conductor.changes(0, limit=100_000)}
    for server in servers.values():
        assert changes[server.version].view["task_state"] == server.task_state
        actions = {(entry.action, entry.request_id) for entry in conductor.actions(server.uuid)}
        stopped = server.task_state == "powering-off"
        assert {name for name, _ in actions} == ({"create", "stop"} if stopped else {"create"})
        assert {(server.uuid, request_id) for _, request_id in actions} <= set(orders)
    assert {uuid for uuid, _ in orders} == set(servers)
    assert len(changes) == len(orders)
    conductor.close()
    path = url.removeprefix("sqlite:///")
    assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_full_disk_refuses_writes_and_loses_nothing(conductor, make, demo):
    from tuinova.core.conductor import DatabaseUnavailable

    server = make()

    def limit(tx) -> None:
        pages = tx.connection.exec_driver_sql("PRAGMA page_count").scalar()
        tx.connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 4}")

    conductor._write(limit)
    accepted = []

    def fill() -> None:
        for number in range(1000):
            accepted.append(conductor.accept(demo, server.uuid, updates={"user_data": "x" * 3000 + str(number)}))

    with pytest.raises(DatabaseUnavailable, match="full"):
        fill()
    assert conductor.instance(server.uuid) == accepted[-1]
    assert conductor.last_change() == accepted[-1].version
    conductor._write(lambda tx: tx.connection.exec_driver_sql("PRAGMA max_page_count=1000000"))
    assert conductor.step(server.uuid, updates={"user_data": "y"}).version == accepted[-1].version + 1
