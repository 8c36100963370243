"""Engines: one connection that writes, a pool that reads. All that only SQLite understands stands here."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.pool import QueuePool

from tuinova.core.conductor.patterns import regexp

_READERS = 8
_BUSY_SECONDS = 30


# JSON text without blanks, as columns and the feed keep it.
compact_json = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


_decode = json.JSONDecoder().decode


def load_json(text: str) -> Any:
    """The value of a JSON column; most are empty, and those cost nothing."""
    if text == "{}":
        return {}
    if text == "[]":
        return []
    return _decode(text)


def open_engines(database_url: str) -> tuple[Engine, Engine]:
    """(writer, readers) for the URL; the writer's transactions hold SQLite's write lock from their first statement."""
    url = make_url(database_url)
    if url.get_backend_name() != "sqlite":
        engine = create_engine(
            url,
            json_serializer=compact_json,
            json_deserializer=load_json,
            pool_size=_READERS,
            pool_pre_ping=True,
        )
        return engine, engine
    _create_private_file(url)
    return _sqlite_engine(url, 1, "BEGIN IMMEDIATE"), _sqlite_engine(url, _READERS, "BEGIN")


def _create_private_file(url: URL) -> None:
    """Make the database file before SQLite does: it holds user data and keys, so nobody else may read it."""
    if not url.database or url.database == ":memory:":
        return
    path = Path(url.database)
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def _sqlite_engine(url: URL, size: int, begin: str) -> Engine:
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=size,
        max_overflow=0,
        pool_timeout=_BUSY_SECONDS,
        json_serializer=compact_json,
        json_deserializer=load_json,
        connect_args={"isolation_level": None, "timeout": _BUSY_SECONDS, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _set_up(connection: Any, _record: Any) -> None:
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "temp_store=MEMORY",
            "cache_size=-16384",
        ):
            connection.execute(f"PRAGMA {pragma}")
        connection.create_function("regexp", 2, regexp, deterministic=True)

    # Not by the "begin" event: an engine with listeners asks them at every statement, a fifth of its cost.
    engine.dialect.do_begin = lambda connection: connection.execute(begin)  # type: ignore[method-assign, assignment]
    return engine
