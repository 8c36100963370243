"""Engines begin with a database that was made once."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from .world import World


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a database that has people, flavors and an image."""
    base = tmp_path_factory.mktemp("model")
    world = World(base / "template", ("host1",))
    world.sow()
    world.engine.stop()
    return base / "template"


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """What fails on purpose need not be told."""
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)
