"""The feed's thread: connecting, ends, reloads, switches."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from fake_client import FakeService, server_view, uuid_of
from test_walk import screen_text

from tuinova.screens.feed import Changes, Connecting, Feed, Gone, Loaded
from tuinova.screens.identity import Acting, identity_of


def collected(feed: Feed, woken: threading.Event, wanted: Any, seconds: float = 10.0) -> list[Any]:
    """Drain until an event of a kind has come."""
    events: list[Any] = []
    while not any(isinstance(event, wanted) for event in events):
        assert woken.wait(seconds), events
        woken.clear()
        events += feed.drain()
    return events


@pytest.fixture
def woken() -> threading.Event:
    """Set by the feed when it has something."""
    return threading.Event()


def test_it_says_connecting_then_loads_then_hands_out_changes(service: FakeService, woken: threading.Event) -> None:
    feed = Feed(service.factory, Acting(), woken.set)
    feed.start()
    events = collected(feed, woken, Loaded)
    assert isinstance(events[0], Connecting)
    assert len(events[-1].rows) == 11
    service.change(uuid_of(1), task_state="pausing")
    changes = [event for event in collected(feed, woken, Changes) if isinstance(event, Changes)]
    assert changes[0].changes[0]["view"]["task_state"] == "pausing"
    feed.stop()
    feed.join(5)
    assert not feed.is_alive()


def test_many_batches_wake_the_screen_once(service: FakeService) -> None:
    wakes: list[int] = []
    feed = Feed(service.factory, Acting(), lambda: wakes.append(1))
    for number in range(50):
        feed._put(Changes([{"id": number}]))
    assert len(wakes) == 1
    assert len(feed.drain()) == 50
    feed._put(Changes([]))
    assert len(wakes) == 2


def test_an_unreachable_service_is_tried_again_later_and_later(service: FakeService, woken: threading.Event) -> None:
    service.stop("No tuinova service answers.")
    feed = Feed(service.factory, Acting(), woken.set)
    feed.start()
    delays: list[float] = []
    while len(delays) < 3:
        delays += [event.retry_in for event in collected(feed, woken, Gone) if isinstance(event, Gone)]
        feed.retry_now()
    assert delays[0] < delays[1] < delays[2]
    service.come_back()
    feed.retry_now()
    collected(feed, woken, Loaded)
    feed.stop()
    feed.join(5)


def test_a_trimmed_feed_loads_everything_again(service: FakeService, woken: threading.Event) -> None:
    service.trimmed_once = True
    feed = Feed(service.factory, Acting(), woken.set)
    feed.start()
    events = collected(feed, woken, Loaded)
    while sum(isinstance(event, Loaded) for event in events) < 2:
        events += collected(feed, woken, Loaded)
    assert not any(isinstance(event, Gone) for event in events)
    feed.stop()
    feed.join(5)


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
async def test_a_service_that_leaves_is_shown_and_found_again(
    make_app: Any, service: FakeService, until: Any, size: Any
) -> None:
    app = make_app()
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.state == "ready")
        await pilot.press("down", "space")
        service.stop("No tuinova service answers.")
        await until(pilot, lambda: "The service does not answer: " in screen_text(app))
        text = screen_text(app)
        assert "service gone" in text
        assert "web-1" in text  # what was known stays in sight
        service.servers[uuid_of(60)] = server_view(60, "meanwhile")
        service.come_back()
        await pilot.press("r")
        await until(pilot, lambda: app.state == "ready" and uuid_of(60) in app.servers.rows)
        text = screen_text(app)
        assert "meanwhile" in text
        assert "does not answer" not in text
        assert app.servers.marks == {uuid_of(2)}


async def test_switching_the_project_connects_as_that_project(make_app: Any, service: FakeService, until: Any) -> None:
    service.servers[uuid_of(70)] = server_view(70, "theirs", project_id="p-demo")
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        assert "theirs" not in screen_text(app)
        await pilot.press("p")
        await until(pilot, lambda: app.screen is not app.main)
        await pilot.press("down", "enter")
        await until(pilot, lambda: app.identity.project == "demo" and uuid_of(70) in app.servers.rows)
        text = screen_text(app)
        assert "theirs" in text
        assert "web-1" not in text
        assert "admin@demo" in text


async def test_all_projects_add_the_project_column_and_follow_their_changes(
    make_app: Any, service: FakeService, until: Any
) -> None:
    service.servers[uuid_of(70)] = server_view(70, "theirs", project_id="p-demo")
    app = make_app()
    async with app.run_test(size=(200, 60)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        service.change(uuid_of(70), task_state="pausing")
        await pilot.pause(0.1)
        assert uuid_of(70) not in app.servers.rows
        await pilot.press("P")
        await until(pilot, lambda: uuid_of(70) in app.servers.rows)
        text = screen_text(app)
        assert "Project" in text
        assert "demo" in text
        service.change(uuid_of(70), task_state="unpausing")
        await until(pilot, lambda: app.servers.rows[uuid_of(70)]["task_state"] == "unpausing")


async def test_a_member_may_not_see_all_projects(make_app: Any, service: FakeService, until: Any) -> None:
    app = make_app(acting=Acting("demo", "demo"))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        await pilot.press("P")
        await pilot.pause()
        assert not app.acting.all_projects
        assert any("Only an admin" in note.message for note in app._notifications)


def test_roles_come_with_those_that_they_imply() -> None:
    identity = identity_of({"roles": ["manager"], "user": {"id": "u", "name": "n"}, "project": "p", "driver": "fake"})
    assert identity.roles == ("manager", "member", "reader")
    assert (identity.user, identity.project) == ("n", "p")


async def test_a_refused_switch_goes_back_to_who_was_let_in(make_app: Any, service: FakeService, until: Any) -> None:
    service.closed_projects = {"demo"}
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        app.connect_as(Acting("admin", "demo"))
        await until(pilot, lambda: len(service.connections) == 3)
        await until(pilot, lambda: app.acting == Acting() and app.state == "ready")
        assert any("has no role in project demo" in note.message for note in app._notifications)


async def test_a_server_that_falls_into_error_says_why(make_app: Any, service: FakeService, until: Any) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        service.change(uuid_of(8), vm_state="error", task_state=None, fault={"code": 500, "message": "Disk is full"})
        await until(pilot, lambda: any("Disk is full" in note.message for note in app._notifications))
        count = len(app._notifications)
        service.change(uuid_of(8), description="still broken")
        await until(pilot, lambda: app.servers.rows[uuid_of(8)]["description"] == "still broken")
        assert len(app._notifications) == count
