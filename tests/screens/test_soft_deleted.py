"""Servers that are deleted but can still be restored: left out as Nova's lists do, shown when asked for."""

from __future__ import annotations

from typing import Any

from fake_client import FakeService, uuid_of
from test_walk import screen_text

from tuinova.client import ApiError
from tuinova.screens.confirm import ConfirmScreen
from tuinova.screens.menu import ActionMenu, menu_text
from tuinova.screens.server_page import ServerPage


async def test_they_are_left_out_until_they_are_asked_for(make_app: Any, service: FakeService, until: Any) -> None:
    service.soft_delete(uuid_of(2))
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        assert "web-1" not in screen_text(app)
        await pilot.press("full_stop")
        await until(pilot, lambda: uuid_of(2) in app.servers.rows)
        assert "SOFT_DELETED" in screen_text(app)
        assert app.counts["SOFT_DELETED"] == 1
        await pilot.press("full_stop")
        await until(pilot, lambda: uuid_of(2) not in app.servers.rows)


async def test_a_server_that_is_soft_deleted_meanwhile_stays_in_sight(
    make_app: Any, service: FakeService, until: Any
) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        await pilot.press("full_stop")
        await until(pilot, lambda: app.acting.soft_deleted and app.state == "ready" and len(app.servers.rows) == 11)
        await pilot.pause(0.1)
        service.soft_delete(uuid_of(2))
        await until(pilot, lambda: app.servers.rows[uuid_of(2)]["status"] == "SOFT_DELETED")
        service.soft_deleted.pop(uuid_of(2))  # it is reclaimed: now it is gone for good
        service.announce_gone(uuid_of(2))
        await until(pilot, lambda: uuid_of(2) not in app.servers.rows)


async def test_the_cursor_stays_on_a_server_that_is_restored(make_app: Any, service: FakeService, until: Any) -> None:
    service.soft_delete(uuid_of(5))
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        await pilot.press("full_stop")
        await until(pilot, lambda: uuid_of(5) in app.servers.rows)
        app.instances.select(uuid_of(5))
        await until(pilot, lambda: app.servers.cursor == uuid_of(5))
        await pilot.pause(0.1)
        with service.changed:  # the feed tells "gone" while the server is restored already
            service.soft_deleted[uuid_of(5)] |= {"vm_state": "active", "status": "ACTIVE"}
            service.announce_gone(uuid_of(5))
        await until(pilot, lambda: app.servers.rows[uuid_of(5)]["status"] == "ACTIVE")
        assert app.servers.cursor == uuid_of(5)


async def test_the_likely_key_restores(make_app: Any, service: FakeService, until: Any) -> None:
    service.soft_delete(uuid_of(1))
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        await pilot.press("full_stop")
        await until(pilot, lambda: uuid_of(1) in app.servers.rows)
        app.instances.select(uuid_of(1))
        await until(pilot, lambda: "x Restore" in screen_text(app))
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, ActionMenu))
        lines = {line.split("  ")[1].strip(): line for line in menu_text(app.screen) if "  " in line.strip()}
        assert "not while" in lines["Start Instance"]
        assert "not while" not in lines["Force Delete Instance"]
        await pilot.press("F")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        assert "tuinova server delete --force vm1" in screen_text(app)
        await pilot.press("escape", "x")
        await until(pilot, lambda: (uuid_of(1), "restore", None) in service.requests)


async def test_the_page_of_a_server_that_is_soft_deleted_offers_to_restore_it(
    make_app: Any, service: FakeService, until: Any
) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        app.open_page(uuid_of(1))
        await until(pilot, lambda: isinstance(app.screen, ServerPage))
        service.soft_delete(uuid_of(1))
        await until(pilot, lambda: "SOFT_DELETED" in screen_text(app).splitlines()[0])
        assert "x Restore" in screen_text(app)
        await pilot.press("x")
        await until(pilot, lambda: (uuid_of(1), "restore", None) in service.requests)


async def test_a_filter_for_them_says_which_key_shows_them(make_app: Any, service: FakeService, until: Any) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        await pilot.press("slash", *"status:soft")
        await until(pilot, lambda: "shows soft-deleted instances too" in screen_text(app))


async def test_deleting_says_whether_it_can_be_undone(make_app: Any, service: FakeService, until: Any) -> None:
    for seconds, words in ((0, "gone for good."), (7200, "It can be restored for 2h")):
        service.reclaim = seconds
        app = make_app()
        async with app.run_test(size=(80, 24)) as pilot:
            await until(pilot, lambda app=app: app.state == "ready")
            await pilot.press("D")
            await until(pilot, lambda app=app, words=words: words in screen_text(app))


async def test_who_may_not_read_the_configuration_is_asked_all_the_same(
    make_app: Any, service: FakeService, until: Any
) -> None:
    service.refusals["config"] = ApiError(403, "Policy doesn't allow it.", "req-1")
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        await pilot.press("D")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.pause(0.1)
        assert "gone for good" in screen_text(app)
        assert not app._notifications
