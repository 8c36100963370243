"""The writer thread: shared commits, isolated refusals, futures after the commit."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import Future, wait
from pathlib import Path

import pytest
from sqlalchemy import text

from tuinova.core.conductor import Conductor, ConductorClosed, DatabaseUnavailable
from tuinova.core.errors import InvalidInput


def blocked(conductor: Conductor) -> tuple[threading.Event, Future]:
    """Hold the writer in a job, so that what is submitted meanwhile becomes one batch."""
    gate, inside = threading.Event(), threading.Event()

    def job(tx) -> None:
        inside.set()
        gate.wait(10)

    future = conductor._writer.submit(job)
    assert inside.wait(10)
    return gate, future


def commits(conductor: Conductor) -> list[int]:
    seen: list[int] = []
    conductor.on_commit(seen.append)
    return seen


def test_jobs_that_wait_together_share_a_commit(conductor):
    seen = commits(conductor)
    gate, _ = blocked(conductor)
    futures = [conductor._writer.submit(lambda tx: tx.change("flavor", "update", "x")) for _ in range(10)]
    gate.set()
    assert [future.result(10) for future in futures] == list(range(1, 11))
    conductor._write(lambda tx: None)
    assert seen == [10]


def test_a_job_without_hurry_joins_the_next_commit(conductor):
    seen = commits(conductor)
    gate, _ = blocked(conductor)
    idle = conductor._writer.submit_idle(lambda tx: tx.change("flavor", "update", "idle"))
    other = conductor._writer.submit(lambda tx: tx.change("flavor", "update", "other"))
    gate.set()
    assert {idle.result(10), other.result(10)} == {1, 2}
    conductor._write(lambda tx: None)
    assert seen == [2]


def test_a_job_without_hurry_is_done_even_when_nothing_else_comes(conductor):
    assert conductor._writer.submit_idle(lambda tx: tx.change("flavor", "update", "x")).result(10) == 1
    many = [conductor._writer.submit_idle(lambda tx: tx.change("flavor", "update", "x")) for _ in range(200)]
    assert [future.result(10) for future in many] == list(range(2, 202))


def test_closing_carries_out_jobs_without_hurry(conductor):
    futures = [conductor._writer.submit_idle(lambda tx: tx.change("flavor", "update", "x")) for _ in range(200)]
    conductor.close()
    assert [future.result(0) for future in futures] == list(range(1, 201))


def test_a_refused_job_leaves_its_neighbours_alone(conductor):
    gate, _ = blocked(conductor)

    def refuse(tx) -> None:
        tx.change("flavor", "update", "refused")
        raise InvalidInput(reason="no")

    first = conductor._writer.submit(lambda tx: tx.change("flavor", "update", "before"))
    refused = conductor._writer.submit(refuse)
    last = conductor._writer.submit(lambda tx: tx.change("flavor", "update", "after"))
    gate.set()
    wait([first, refused, last], 10)
    assert isinstance(refused.exception(), InvalidInput)
    assert [change.key for change in conductor.changes(0)] == ["before", "after"]
    with conductor._reading() as connection:
        assert connection.execute(text("SELECT key FROM change ORDER BY id")).scalars().all() == ["before", "after"]


def test_a_job_with_a_broken_constraint_fails_alone(conductor):
    gate, _ = blocked(conductor)
    insert = text("INSERT INTO role (id, name) VALUES ('x', 'admin')")
    broken = conductor._writer.submit(lambda tx: tx.run(insert).rowcount)
    good = conductor._writer.submit(lambda tx: tx.change("flavor", "update", "x"))
    gate.set()
    wait([broken, good], 10)
    assert "UNIQUE" in str(broken.exception())
    assert good.result() == 1


def test_a_result_is_readable_by_everybody_when_its_future_resolves(conductor, make):
    for number in range(20):
        server = make(f"vm{number}")
        assert conductor.instance(server.uuid) == server
        assert conductor.last_change() >= server.version
        assert any(server.uuid in row for row in conductor.rows()[1])


def test_reading_does_not_wait_for_the_writer(conductor, make):
    server = make()
    gate, held = blocked(conductor)
    assert conductor.instance(server.uuid) == server
    assert conductor.instances() == [server]
    gate.set()
    held.result(10)


def test_a_failing_follower_does_not_stop_the_writer(conductor, caplog):
    conductor.on_commit(lambda last: 1 / 0)
    assert conductor._write(lambda tx: tx.change("flavor", "update", "a")) == 1
    assert conductor._write(lambda tx: tx.change("flavor", "update", "b")) == 2
    assert "A follower of the conductor failed" in caplog.text


def test_writing_from_a_callback_is_refused_instead_of_waiting_for_ever(conductor):
    problems: list[BaseException] = []

    def wrong(last: int) -> None:
        try:
            conductor.order_done(1)
        except RuntimeError as error:
            problems.append(error)

    conductor.on_commit(wrong)
    conductor._write(lambda tx: tx.change("flavor", "update", "a"))
    conductor._write(lambda tx: None)
    assert len(problems) == 1


def test_closing_carries_out_what_is_queued(conductor, database_url):
    gate, _ = blocked(conductor)
    futures = [conductor._writer.submit(lambda tx: tx.change("flavor", "update", "x")) for _ in range(100)]
    closer = threading.Thread(target=conductor.close)
    closer.start()
    gate.set()
    closer.join(20)
    assert not closer.is_alive()
    assert [future.result(0) for future in futures] == list(range(1, 101))
    with pytest.raises(ConductorClosed):
        conductor.order_done(1)
    with pytest.raises(ConductorClosed):
        conductor.instances()


def test_a_lost_commit_fails_every_job_of_the_batch_and_the_next_one_works(conductor, monkeypatch, caplog):
    before = conductor.last_change()
    gate, held = blocked(conductor)

    def fails(tx) -> None:
        tx.change("flavor", "update", "lost")
        raise sqlite_error()

    def sqlite_error() -> Exception:
        from sqlalchemy.exc import OperationalError

        return OperationalError("COMMIT", {}, sqlite3.OperationalError("database or disk is full"))

    lost = [conductor._writer.submit(job) for job in (lambda tx: tx.change("flavor", "update", "a"), fails)]
    gate.set()
    wait([held, *lost], 10)
    for future in lost:
        assert isinstance(future.exception(), DatabaseUnavailable)
        assert "disk is full" in str(future.exception())
    assert conductor.changes(before) == []
    assert conductor._write(lambda tx: tx.change("flavor", "update", "b")) == before + 1


def test_the_database_is_durable_private_and_checks_its_references(conductor, database_url):
    path = Path(database_url.removeprefix("sqlite:///"))
    assert path.stat().st_mode & 0o077 == 0

    def pragmas(tx) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return [tx.connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]

    assert conductor._write(pragmas) == ["wal", 2, 1]
