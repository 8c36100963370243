"""What the screens' tests share."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for fake_client: tests are imported as lone modules

from fake_client import NOW, FakeService, mixed_servers

from tuinova.core.states import ACTION_BY_KEY, ACTION_BY_NAME
from tuinova.screens.app import TuinovaApp


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings go to the test's own directory; words are English; colours are on."""
    monkeypatch.setenv("TUINOVA_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("TUINOVA_LANG", "en")
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.fixture(autouse=True)
def all_served(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service of the tests does every action that the screens have a way for, whatever this version's does."""
    for table in (ACTION_BY_NAME, ACTION_BY_KEY):
        for key, row in table.items():
            monkeypatch.setitem(table, key, replace(row, unserved=""))


@pytest.fixture
def service() -> FakeService:
    """A service with one server of every kind."""
    return FakeService(mixed_servers())


@pytest.fixture
def make_app(service: FakeService, tmp_path: Path) -> Callable[..., TuinovaApp]:
    """The application on the fake service with the fake clock."""

    def make(**options: Any) -> TuinovaApp:
        options.setdefault("clock", lambda: NOW)
        options.setdefault("settings_path", tmp_path / "ui.json")
        return TuinovaApp(service.factory, **options)

    return make


@pytest.fixture
def until() -> Callable[..., Awaitable[None]]:
    """Wait until something holds: `await until(pilot, lambda: ...)`."""

    async def wait(pilot: Any, holds: Callable[[], Any], seconds: float = 10.0) -> None:
        async with asyncio.timeout(seconds):
            while not holds():
                await pilot.pause(0.01)
        await pilot.pause()

    return wait
