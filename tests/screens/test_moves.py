"""Moves: the tab, the room, how far a long task is, and what the guest uses."""

from __future__ import annotations

from typing import Any

import pytest
from fake_client import NOW, FakeService, server_view, uuid_of
from story import catalogue, move, reading
from test_page import text_of
from test_walk import screen_text

from tuinova.client import ApiError
from tuinova.screens.columns import SERVER_COLUMNS
from tuinova.screens.confirm import ConfirmScreen
from tuinova.screens.diagnostics import Reading, cpu_share, diagnostics_sections
from tuinova.screens.facts import lay_out
from tuinova.screens.forms.running import AbortForm
from tuinova.screens.forms.sizes import Verdict, comparison, sizes_of, verdict, verdict_for
from tuinova.screens.overview import overview_lines
from tuinova.screens.progress import Progress, Rate, percent_of, progress_of, size_text
from tuinova.screens.server_page import ServerPage
from tuinova.screens.widgets.table_core import fit_ending

SIZES = [(80, 24), (120, 40), (200, 60)]
MEMORY = {"what": "memory", "done": 63 << 20, "total": 100 << 20}


def task_cell(**fields: Any) -> str:
    """What the table's task column says of such a server."""
    column = next(one for one in SERVER_COLUMNS if one.key == "task")
    return column.cell(server_view(1, "vm1", **fields), NOW)[0]


# progress ------------------------------------------------------------------------------------------------------------
def test_the_task_column_has_the_percentage_of_a_long_task() -> None:
    assert task_cell(task_state="migrating", task_progress=MEMORY) == "migrating 63%"
    assert task_cell(task_state="image_uploading", progress=42) == "image_uploading 42%"
    assert task_cell(task_state="migrating", progress=7, task_progress={**MEMORY, "done": 100 << 20}) == "migrating 7%"
    assert task_cell(task_state="image_uploading", progress=7, task_progress=MEMORY) == "image_uploading 63%"
    assert task_cell(task_state="powering-off") == "powering-off"
    assert task_cell(task_state="spawning", progress=100) == "spawning"


@pytest.mark.parametrize(
    "broken", [{"total": 0}, {"done": "x", "total": 5}, {"what": None}, {"done": 5, "total": None}]
)
def test_progress_that_says_nothing_is_not_shown(broken: dict[str, Any]) -> None:
    assert percent_of(server_view(1, "vm1", task_state="migrating", task_progress=broken)) is None


def test_a_cut_task_keeps_its_percentage() -> None:
    assert fit_ending("image_uploading 42%", 13) == "image_up… 42%"
    assert fit_ending("migrating 63%", 13) == "migrating 63%"
    assert fit_ending("镜像上传中 42%", 13) == "镜像上传…42%" or fit_ending("镜像上传中 42%", 13).endswith(" 42%")
    assert fit_ending("powering-off", 8) == "powerin…"


def test_the_rate_is_that_of_the_last_seconds_and_begins_anew_with_another_task() -> None:
    rate = Rate()
    for second in range(20):
        rate.hear(float(second), Progress("memory", second * second, 1000))
    assert rate.per_second == pytest.approx((19 * 19 - 9 * 9) / 10)
    assert rate.left() == pytest.approx((1000 - 361) / rate.per_second)
    rate.hear(21.0, Progress("disk", 5, 10))
    assert rate.per_second is None
    rate.hear(22.0, None)
    assert rate.left() is None


def test_sizes_are_in_the_unit_that_fits() -> None:
    assert [size_text(count) for count in (0, 1023, 1536, 300 << 20, 5 << 30)] == [
        "0 B",
        "1023 B",
        "1.5 KiB",
        "300 MiB",
        "5.0 GiB",
    ]


def test_the_overview_shows_bytes_rate_and_what_is_left() -> None:
    row = server_view(1, "vm1", task_state="migrating", task_progress=MEMORY)
    rate = Rate()
    rate.hear(0.0, Progress("memory", 43 << 20, 100 << 20))
    rate.hear(2.0, progress_of(row))
    text = text_of(overview_lines(row, {}, 100, NOW, rate))
    assert "63%" in text
    assert "memory: 63.0 MiB of 100 MiB" in text
    assert "10.0 MiB/s, 3s left" in text
    assert "Progress" not in text_of(overview_lines(server_view(1, "vm1"), {}, 100, NOW, rate))


async def test_the_page_follows_a_long_task(make_app: Any, service: FakeService, until: Any) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        app.open_page(uuid_of(1))
        await until(pilot, lambda: isinstance(app.screen, ServerPage))
        service.change(uuid_of(1), task_state="migrating", task_progress=MEMORY)
        await until(pilot, lambda: "63.0 MiB of 100 MiB" in screen_text(app))
        assert "migrating 63%" in screen_text(app).splitlines()[0]
        assert "x Abort" in screen_text(app)
        service.change(uuid_of(1), task_state=None, task_progress=None, host="kvm-host-2")
        await until(pilot, lambda: "63.0 MiB" not in screen_text(app))


# sizes ---------------------------------------------------------------------------------------------------------------
SMALL = {"id": "2", "name": "m1.small", "vcpus": 1, "ram": 2048, "disk": 20, "ephemeral": 5, "swap": 0}


@pytest.mark.parametrize(
    ("change", "refused", "rolled_back"),
    [
        ({}, True, False),
        ({"id": "9", "ram": 64}, False, False),
        ({"id": "9", "disk": 0}, True, False),
        ({"id": "9", "disk": 19}, False, True),
        ({"id": "9", "ephemeral": 4}, False, True),
        ({"id": "9", "disk": 40}, False, False),
        ({"id": "9", "disk": 40, "disabled": True}, True, False),
    ],
)
def test_what_becomes_of_a_resize(change: dict[str, Any], refused: bool, rolled_back: bool) -> None:
    found = verdict(SMALL, {**SMALL, **change})
    assert (found.refused, found.rolled_back) == (refused, rolled_back)
    assert bool(found.text) == (refused or rolled_back)


def test_a_resize_of_several_is_refused_only_where_it_is_for_all() -> None:
    rows = [server_view(1, "a", flavor=SMALL), server_view(2, "b")]
    assert verdict_for(rows, SMALL) == Verdict("refused for 1 of 2")
    assert verdict_for(rows[:1], SMALL).refused
    assert "rolled back for 1 of 2" in verdict_for(rows, {**SMALL, "id": "9", "disk": 10, "ephemeral": 5}).text


def test_old_and_new_stand_side_by_side_with_the_difference() -> None:
    new = sizes_of({"id": "d3", "name": "ds2G", "vcpus": 2, "ram": 2048, "disk": 10, "swap": ""})
    lines = text_of(comparison([server_view(1, "a", flavor=SMALL)], new)).splitlines()
    assert lines[0].split() == ["m1.small", "ds2G", "difference"]
    assert lines[1].split() == ["vCPUs", "1", "2", "+1"]
    assert lines[2].split()[-1] == "="
    assert lines[3].split()[-3:] == ["20", "10", "-10"]
    assert not any("Swap" in line for line in lines)  # neither has one


# the tab and the room ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("size", SIZES)
async def test_the_tab_lists_the_moves_of_its_server_and_follows(
    make_app: Any, service: FakeService, until: Any, size: Any
) -> None:
    catalogue(service)
    app = make_app()
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.state == "ready")
        app.open_page(uuid_of(1), "moves")
        await until(pilot, lambda: isinstance(app.screen, ServerPage) and "reverted" in screen_text(app))
        text = screen_text(app)
        assert "evacuation" in text
        assert "finished" not in text  # another server's
        moved = {"memory_total_bytes": 200, "memory_remaining_bytes": 74}
        service.resources["migrations"].insert(0, move(20, 1, "live-migration", "running", stats=moved))
        service.change(uuid_of(1), task_state="migrating", task_progress=MEMORY)
        await until(pilot, lambda: "running 63%" in screen_text(app))
        await pilot.press("A")
        await until(pilot, lambda: isinstance(app.screen, AbortForm))


async def test_a_finished_move_says_that_it_waits(make_app: Any, service: FakeService, until: Any) -> None:
    catalogue(service)
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        app.open_page(uuid_of(9), "moves")
        await until(
            pilot, lambda: "m1.micro → m1.small  The old side is kept until you confirm or revert." in screen_text(app)
        )
        await pilot.press("x")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))


async def test_who_may_not_list_moves_reads_why(make_app: Any, service: FakeService, until: Any) -> None:
    service.refusals["migrations.list"] = ApiError(403, "Policy doesn't allow os-migrations:index.", "req-1")
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        app.open_page(uuid_of(1), "moves")
        await until(pilot, lambda: "Policy doesn't allow" in screen_text(app))


@pytest.mark.parametrize("size", SIZES)
async def test_the_room_lists_all_and_aborts_the_running_one(
    make_app: Any, service: FakeService, until: Any, size: Any
) -> None:
    catalogue(service)
    app = make_app()
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.state == "ready")
        await pilot.press("7")
        await until(pilot, lambda: "live-migration" in screen_text(app))
        text = screen_text(app)
        assert "web-1" in text
        assert "resized" in text
        service.change(uuid_of(2), task_state="migrating")
        await until(pilot, lambda: app.servers.rows[uuid_of(2)]["task_state"] == "migrating")
        await pilot.press("A")
        await until(pilot, lambda: isinstance(app.screen, AbortForm))
        await pilot.press("escape", "enter")
        await until(pilot, lambda: isinstance(app.screen, ServerPage) and app.screen.server_id == uuid_of(2))
        service.resources["migrations"].insert(0, move(30, 1, "migration", "pre-migrating"))
        service.announce("migration", "x")
        await pilot.press("escape")
        await until(pilot, lambda: "pre-migrating" in screen_text(app))


# diagnostics ---------------------------------------------------------------------------------------------------------
def test_rates_come_from_two_readings() -> None:
    before, now = Reading(10.0, reading()), Reading(12.0, reading(seconds=1.0, octets=4096))
    assert cpu_share(now, before, 0) == pytest.approx(0.5)
    text = text_of(lay_out(diagnostics_sections(now, before), 80))
    assert "50%" in text
    assert "2.0 KiB/s" in text
    assert "75%" in text  # of the memory
    assert "0, 1" in text  # errors, drops
    first = text_of(lay_out(diagnostics_sections(before, None), 80))
    assert "/s" not in first


def test_a_counter_that_began_anew_has_no_rate() -> None:
    before, now = Reading(10.0, reading(seconds=5.0, octets=9000)), Reading(12.0, reading())
    assert cpu_share(now, before, 0) is None
    received = next(
        line for line in text_of(lay_out(diagnostics_sections(now, before), 80)).splitlines() if "Rec" in line
    )
    assert "/s" not in received


def test_a_hypervisor_that_says_little_is_shown_all_the_same() -> None:
    assert "running" in text_of(lay_out(diagnostics_sections(Reading(1.0, {"state": "running"}), None), 80))
    assert text_of(lay_out(diagnostics_sections(Reading(1.0, {"nic_details": [{}], "cpu_details": [{}]}), None), 80))


@pytest.mark.parametrize("size", SIZES)
async def test_the_numbers_refresh_and_a_refusal_stands_in_their_place(
    make_app: Any, service: FakeService, until: Any, size: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuinova.screens.diagnostics_tab.EVERY", 0.05)
    service.readings = [reading(), reading(seconds=2.0)]
    app = make_app()
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.state == "ready")
        app.open_page(uuid_of(1), "diagnostics")
        await until(pilot, lambda: "19.3 s" in screen_text(app))
        service.refusals[uuid_of(1)] = ApiError(409, "Instance is not running.", "req-4")
        await until(pilot, lambda: "Instance is not running. (HTTP 409)" in screen_text(app))
        del service.refusals[uuid_of(1)]
        await until(pilot, lambda: "19.3 s" in screen_text(app))


async def test_diagnostics_are_an_admins(make_app: Any, service: FakeService, until: Any) -> None:
    from tuinova.screens.identity import Acting

    service.servers[uuid_of(1)]["project_id"] = "p-demo"
    app = make_app(acting=Acting("demo", "demo"))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.state == "ready")
        await pilot.press("a", "G")
        await until(pilot, lambda: any("needs the role admin" in note.message for note in app._notifications))
