"""The images room: what is fetched, shared, taken out of use and saved, and the commands that do the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_client import FakeService
from grammar import assert_parses
from test_walk import screen_text
from textual.widgets import Button, Input, OptionList, TextArea

from tuinova.client import ApiError, image_file
from tuinova.client.image_catalog import catalog_image
from tuinova.screens import image_import
from tuinova.screens.app import TuinovaApp
from tuinova.screens.filter_picker import FilterPicker
from tuinova.screens.image_form import ImageForm, SaveForm
from tuinova.screens.image_import import ImportForm
from tuinova.screens.image_members import MembersScreen
from tuinova.screens.images import OFFERED, import_text
from tuinova.screens.list_room import ListRoom
from tuinova.screens.pickers import Picker

IMAGE = {
    "id": "i-1",
    "name": "debian",
    "status": "active",
    "disk_format": "qcow2",
    "size": 3 << 20,
    "visibility": "shared",
    "owner": "p-admin",
    "os_hidden": False,
    "tags": ["one"],
    "os_hash_algo": "sha512",
}
MEMBER = {"member_id": "p-demo", "image_id": "i-1", "status": "pending"}
Make = Callable[..., TuinovaApp]
Until = Callable[..., Any]


@pytest.fixture
def service(service: FakeService, monkeypatch: pytest.MonkeyPatch) -> FakeService:
    service.resources["images"] = [dict(IMAGE)]
    service.answers["images.create"] = {"id": "i-2"}
    service.answers["images.members"] = [dict(MEMBER)]
    monkeypatch.setattr(image_import, "this_architecture", lambda: "x86_64")
    return service


def asked(service: FakeService, *verbs: str) -> list[tuple[str, Any]]:
    return [(verb, call) for name, verb, call in service.requests if name == "images" and verb in verbs]


async def room(app: TuinovaApp, pilot: Any, until: Until) -> Any:
    await until(pilot, lambda: app.state == "ready")
    await pilot.press("3")
    await until(pilot, lambda: isinstance(app.main.view, ListRoom) and len(app.main.view.model) > 0)
    return app.main.view


def test_how_far_an_import_is_in_words() -> None:
    told = {"what": "downloading", "done": 3 << 20, "total": 12 << 20}
    assert import_text({"task_progress": told}) == "downloading 3.0 MiB of 12.0 MiB"
    assert (
        import_text({"task_progress": {"what": "downloading", "done": 3 << 20, "total": None}}) == "downloading 3.0 MiB"
    )
    assert import_text({"task_progress": {"what": "waiting", "done": 0, "total": None}}) == "waiting"
    assert import_text({}) == ""


async def test_the_list_shows_progress_failures_and_offers(make_app: Make, service: FakeService, until: Until) -> None:
    half = {"what": "downloading", "done": 5 << 20, "total": 10 << 20}
    service.resources["images"] = [
        {**IMAGE, "status": "importing", "task_progress": half},
        {**IMAGE, "id": "i-3", "name": "broken", "status": "killed", "task_message": "its sha256 checksum is \x1b[2J"},
    ]
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        view = await room(app, pilot, until)
        text = "\n".join(view.table.render_line(y).text for y in range(4))
        assert "importing 50%" in text
        assert "killed" in text
        rows = {row["name"]: row for row in view.model.rows.values()}
        details = {name: str(view.details(row)) for name, row in rows.items()}
        assert "downloading 5.0 MiB of 10.0 MiB" in details["debian"]
        assert "its sha256 checksum is \\\\x1b[2J" in details["broken"]
        assert "task_message" not in details["broken"]


async def test_what_another_project_offers_stands_in_the_list(
    make_app: Make, service: FakeService, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    def listed(self: Any, **filters: Any) -> list[dict[str, Any]]:
        return [dict(IMAGE)] if filters.get("member_status") == "pending" else []

    monkeypatch.setattr("fake_client.FakeResource.list", listed)
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        view = await room(app, pilot, until)
        assert view.row[OFFERED] is True
        assert "offered" in "\n".join(view.table.render_line(y).text for y in range(3))


async def test_an_image_from_the_web_with_the_command_that_does_the_same(
    make_app: Make, service: FakeService, until: Until
) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await room(app, pilot, until)
        await pilot.press("w")
        await until(pilot, lambda: isinstance(app.screen, ImportForm))
        form = app.screen
        form.query_one("#url", Input).value = "https://example.org/a/disk one.qcow2?x=1"
        await until(pilot, lambda: form.query_one("#name", Input).value == "disk one")
        assert form.query_one("#format", Input).value == "qcow2"
        form.query_one("#checksum", Input).value = "sha256:" + "0" * 64
        form.query_one("#min_ram", Input).value = "512"
        form.query_one("#properties", TextArea).text = "os_distro=mine"
        await pilot.pause()
        words = form.command()
        await pilot.press("ctrl+s")
        await until(pilot, lambda: not isinstance(app.screen, ImportForm))
    (create, (body,)), (start, (arguments, how)) = [
        (verb, call[0] if verb == "create" else call) for verb, call in asked(service, "create", "start_import")
    ]
    assert (create, start) == ("create", "start_import")
    assert body == {
        "name": "disk one",
        "disk_format": "qcow2",
        "container_format": "bare",
        "min_ram": 512,
        "min_disk": 0,
        "visibility": "public",
        "protected": False,
        "os_distro": "mine",
    }
    assert (arguments, how) == (
        ("i-2", "https://example.org/a/disk one.qcow2?x=1"),
        {"checksum": "sha256:" + "0" * 64},
    )
    options = assert_parses(words)
    assert (options["from_url"], options["checksum"]) == (arguments[1], how["checksum"])
    assert (options["name"], options["min_ram"], options["public"]) == ("disk one", 512, True)
    assert list(options["property_"]) == ["os_distro=mine"]


async def test_a_refused_url_leaves_no_image_and_says_why(make_app: Make, service: FakeService, until: Until) -> None:
    service.refusals["images.start_import"] = ApiError(400, "URI for web-download does not pass filtering", "req-f")
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await room(app, pilot, until)
        await pilot.press("w")
        await until(pilot, lambda: isinstance(app.screen, ImportForm))
        await pilot.press("ctrl+s")
        assert "A name is needed." in str(app.screen.query_one("#problem").render())
        app.screen.query_one("#name", Input).value = "x"
        await pilot.press("ctrl+s")
        assert "A URL is needed." in str(app.screen.query_one("#problem").render())
        app.screen.query_one("#url", Input).value = "ftp://x/y"
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "does not pass" in str(app.screen.query_one("#problem").render()))
    assert asked(service, "delete") == [("delete", (("i-2",), {}))]


async def test_an_image_of_the_catalogue_is_picked_by_typing(
    make_app: Make, service: FakeService, until: Until
) -> None:
    entry = catalog_image("debian-12")
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await room(app, pilot, until)
        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, FilterPicker))
        await pilot.press(*"bookworm", "enter")
        await until(pilot, lambda: isinstance(app.screen, ImportForm))
        words = app.screen.command()
        await pilot.press("ctrl+s")
        await until(pilot, lambda: not isinstance(app.screen, ImportForm))
    url, checksums = entry.where("x86_64")
    (_create, (body_call, _none)), (_start, call) = asked(service, "create", "start_import")
    assert body_call[0] == {
        **entry.fields("x86_64"),
        "name": "debian-12",
        "visibility": "public",
        "protected": False,
    }
    assert call == (("i-2", url), {"checksum_uri": checksums})
    options = assert_parses(words)
    assert (options["from_url"], options["checksum_url"], options["min_disk"]) == (url, checksums, entry.min_disk)


async def test_what_is_not_published_for_this_machine_can_not_be_taken(
    make_app: Make, service: FakeService, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_import, "this_architecture", lambda: "aarch64")
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await room(app, pilot, until)
        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, FilterPicker))
        await pilot.press(*"Arch Linux", "enter")
        await pilot.pause()
        assert isinstance(app.screen, FilterPicker)


async def test_the_visibility_is_picked_and_only_what_differs_is_sent(
    make_app: Make, service: FakeService, until: Until
) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await room(app, pilot, until)
        await pilot.press("e")
        await until(pilot, lambda: isinstance(app.screen, ImageForm))
        form = app.screen
        form.query_one("#visibility", Button).press()
        await until(pilot, lambda: isinstance(app.screen, Picker))
        await pilot.press("down", "enter")
        await until(pilot, lambda: app.screen is form)
        form.query_one("#tags", Input).value = "one, two ,one"
        form.query_one("#hidden").value = True
        await pilot.press("ctrl+s")
        await until(pilot, lambda: bool(asked(service, "update")))
    ((_verb, (arguments, changes)),) = asked(service, "update")
    assert arguments == ("i-1",)
    assert changes == {"visibility": "community", "os_hidden": True, "tags": ["one", "two"]}


async def test_sharing_shows_the_answers_and_adds_and_removes(
    make_app: Make, service: FakeService, until: Until
) -> None:
    service.resources["projects"] = [*service.resources["projects"], {"id": "p-3", "name": "third"}]
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await room(app, pilot, until)
        await pilot.press("m")
        await until(pilot, lambda: isinstance(app.screen, MembersScreen) and bool(app.screen.members))
        screen = app.screen
        assert "demo   has not answered" in str(screen.query_one(OptionList).get_option_at_index(0).prompt)
        assert "▔" not in screen_text(app)  # buttons of one line
        assert screen.query_one("#accepted", Button).disabled  # it is shared with others, not with us
        screen.query_one("#add", Button).press()
        await until(pilot, lambda: isinstance(app.screen, FilterPicker))
        await pilot.press(*"third", "enter")
        await until(pilot, lambda: bool(asked(service, "add_member")))
        await until(pilot, lambda: app.screen is screen)
        screen.query_one("#remove", Button).press()
        await until(pilot, lambda: bool(asked(service, "remove_member")))
    assert asked(service, "add_member") == [("add_member", (("i-1", "p-3"), {}))]
    assert asked(service, "remove_member") == [("remove_member", (("i-1", "p-demo"), {}))]


async def test_a_member_answers(make_app: Make, service: FakeService, until: Until) -> None:
    service.answers["images.members"] = [{**MEMBER, "member_id": "p-admin"}]
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await room(app, pilot, until)
        await pilot.press("m")
        await until(pilot, lambda: isinstance(app.screen, MembersScreen) and bool(app.screen.members))
        app.screen.query_one("#accepted", Button).press()
        await until(pilot, lambda: bool(asked(service, "answer")))
    assert asked(service, "answer") == [("answer", (("i-1", "p-admin", "accepted"), {}))]


async def test_an_image_that_is_not_shared_has_no_members(make_app: Make, service: FakeService, until: Until) -> None:
    service.resources["images"] = [{**IMAGE, "visibility": "public"}]
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await room(app, pilot, until)
        await pilot.press("m")
        await until(pilot, lambda: isinstance(app.screen, MembersScreen) and bool(app.screen.own))
        assert "Only shared images have members" in str(app.screen.query_one("#problem").render())
        assert app.screen.query_one("#add", Button).disabled
    assert asked(service, "members") == []


async def test_one_key_takes_an_image_out_of_use_and_back(make_app: Make, service: FakeService, until: Until) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        view = await room(app, pilot, until)
        await pilot.press("x")
        await until(pilot, lambda: bool(asked(service, "deactivate")))
        service.resources["images"][0]["status"] = "deactivated"
        service.announce("image", "i-1")
        await until(pilot, lambda: view.row["status"] == "deactivated")
        await pilot.press("x")
        await until(pilot, lambda: bool(asked(service, "reactivate")))
    assert asked(service, "deactivate", "reactivate") == [
        ("deactivate", (("i-1",), {})),
        ("reactivate", (("i-1",), {})),
    ]


async def test_data_is_saved_to_a_new_file_only(
    make_app: Make, service: FakeService, until: Until, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[tuple[str, Path]] = []
    monkeypatch.setattr(image_file, "save_image", lambda client, image, path, _tell: saved.append((image["id"], path)))
    (tmp_path / "old").write_text("x")
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await room(app, pilot, until)
        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, SaveForm))
        assert app.screen.query_one("#file", Input).value == "debian.qcow2"
        app.screen.query_one("#file", Input).value = str(tmp_path / "old")
        await pilot.press("ctrl+s")
        assert "There is a file of that name" in str(app.screen.query_one("#problem").render())
        app.screen.query_one("#file", Input).value = str(tmp_path / "new")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: not isinstance(app.screen, SaveForm))
    assert saved == [("i-1", tmp_path / "new")]


async def test_read_only_changes_nothing(make_app: Make, service: FakeService, until: Until) -> None:
    app = make_app(read_only=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await room(app, pilot, until)
        for key in ("n", "w", "c", "e", "m", "x", "D"):
            await pilot.press(key)
            await pilot.pause()
            assert app.screen is app.main
    assert asked(service, "create", "deactivate", "delete", "members") == []
