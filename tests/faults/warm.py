"""What every child would do anew is done once, before the first fork: the compiling of SQL statements.

That is half of what a cell costs. The process that forks plays through actions and restarts of an engine; the
statements that it compiled are its children's too.
"""

from __future__ import annotations

import gc
import logging
import threading
from pathlib import Path
from typing import Any
from unittest import mock

from sqlalchemy import URL, Engine
from sqlalchemy.engine import CreateEnginePlugin
from sqlalchemy.engine.interfaces import Compiled

from tests.faults.afterwards import in_order
from tests.faults.house import HOSTS, House
from tests.faults.scenes import SCENES
from tuinova.virt.fake import events
from tuinova.virt.fake.ticker import Ticker

_COMPILED: dict[tuple[Any, ...], Compiled] = {}
# Scenes whose making and end ask nearly all that is ever asked of the database.
_TYPICAL = ("active", "resized away", "shelved and offloaded", "active, host down")


class _Statements:
    """Compiled statements by what they are; a key's first part is the engine's dialect, and all of ours are alike."""

    def get(self, key: tuple[Any, ...], default: Compiled | None = None) -> Compiled | None:
        return _COMPILED.get(key[1:], default)

    def __setitem__(self, key: tuple[Any, ...], compiled: Compiled) -> None:
        _COMPILED[key[1:]] = compiled


class SharedStatements(CreateEnginePlugin):
    """Engines made with it know what others compiled."""

    def __init__(self, url: URL, kwargs: dict[str, Any]) -> None:
        pass

    def update_url(self, url: URL) -> URL:
        """See SQLAlchemy."""
        return url

    def engine_created(self, engine: Engine) -> None:
        """See SQLAlchemy."""
        engine.update_execution_options(compiled_cache=_Statements())


class _Timeless(Ticker):
    """No thread: events of guests are not told, and nothing comes later."""

    def soon(self, call: object) -> None:
        pass

    def later(self, seconds: float, call: object) -> None:
        pass


def warm_up(directory: Path) -> None:
    """Play; afterwards this process has one thread again, as one that forks must."""
    logging.disable()
    with mock.patch.object(events, "TICKER", _Timeless()):
        for name in _TYPICAL:
            _play(name, directory / name.replace(" ", "-"))
    logging.disable(logging.NOTSET)
    assert threading.active_count() == 1, threading.enumerate()
    gc.collect()
    gc.freeze()


def _play(name: str, directory: Path) -> None:
    scene = SCENES[name]
    directory.mkdir(parents=True)
    house = House(directory, HOSTS[: scene.hosts], 0.0, scene.options, dict(scene.fake)).open()
    house.add_image()
    facts = scene.make(house)
    house.settle()
    house.close()
    house.open()
    in_order(house, facts)
    house.close()
