"""The way through the screens, at three sizes."""

from __future__ import annotations

from typing import Any

import pytest
from fake_client import FakeService, server_view, uuid_of

SIZES = [(80, 24), (120, 40), (200, 60)]


def screen_text(app: Any) -> str:
    """What the terminal shows, line by line."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


@pytest.mark.parametrize("size", SIZES)
async def test_first_frame_stands_before_the_service_answers(
    make_app: Any, service: FakeService, until: Any, size: Any
) -> None:
    service.stop("No tuinova service answers.")
    app = make_app()
    async with app.run_test(size=size) as pilot:
        assert "tuinova" in screen_text(app)
        await until(pilot, lambda: app.state == "gone")
        assert "No tuinova service answers." in screen_text(app)
        service.come_back()
        await pilot.press("r")
        await until(pilot, lambda: app.state == "ready")
        assert "vm1" in screen_text(app)


async def test_a_change_is_shown_and_a_deleted_server_goes(make_app: Any, service: FakeService, until: Any) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        service.change(uuid_of(1), task_state="powering-off")
        await until(pilot, lambda: app.servers.rows[uuid_of(1)]["task_state"] == "powering-off")
        assert "powering-off" in screen_text(app)
        service.put(server_view(50, "newcomer", created="2026-08-20T11:59:58Z"))
        service.remove(uuid_of(2))
        await until(pilot, lambda: uuid_of(2) not in app.servers.rows)
        text = screen_text(app)
        assert "newcomer" in text
        assert "web-1" not in text
